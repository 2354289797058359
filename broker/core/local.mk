# core: pure. No I/O, clock, randomness, heap, globals or log; tests/unit/check_core_symbols proves it.
noinst_LTLIBRARIES += libcore.la
libcore_la_SOURCES = \
	%reldir%/account.c %reldir%/account.h \
	%reldir%/again.c %reldir%/again.h \
	%reldir%/account_code.c %reldir%/codec.h \
	%reldir%/apply.c %reldir%/apply_challenge.c %reldir%/apply_factor.c %reldir%/apply_link.c %reldir%/apply_payment.c %reldir%/apply.h %reldir%/apply_internal.h \
	%reldir%/counters.c %reldir%/counters.h \
	%reldir%/books.c %reldir%/challenge.c %reldir%/cover.c %reldir%/decide.c %reldir%/decide.h %reldir%/guard.c \
	%reldir%/independence.c %reldir%/inquiry.h %reldir%/limits.c %reldir%/power.c %reldir%/power.h %reldir%/power_factor.c %reldir%/power_link.c \
	%reldir%/currency.c %reldir%/money.c %reldir%/money.h \
	%reldir%/event.h %reldir%/event_code.c \
	%reldir%/note.h \
	%reldir%/policy.c %reldir%/policy.h \
	%reldir%/reason.c %reldir%/reason.h \
	%reldir%/room.c %reldir%/room.h \
	%reldir%/rule.c %reldir%/rule.h %reldir%/rule_ask.c %reldir%/rule_value.c \
	%reldir%/signal.c %reldir%/signal.h \
	%reldir%/stack.c %reldir%/stack.h \
	%reldir%/supposing.c \
	%reldir%/types.h \
	%reldir%/words.c %reldir%/words.h

EXTRA_DIST += %reldir%/README.md
