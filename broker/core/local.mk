# core: pure. No I/O, clock, randomness, heap, globals or log; tests/unit/check_core_symbols proves it.
noinst_LTLIBRARIES += libcore.la
libcore_la_SOURCES = \
	%reldir%/currency.c %reldir%/money.c %reldir%/money.h
