# prompt: countersign-prompt, a challenge or an enrolment on a terminal, on top of libcountersign.
bin_PROGRAMS += countersign-prompt
countersign_prompt_SOURCES = \
	%reldir%/card.c \
	%reldir%/enrol.c \
	%reldir%/json.c \
	%reldir%/main.c \
	%reldir%/prompt.h \
	%reldir%/qr.c \
	%reldir%/speak.c \
	%reldir%/text.c \
	%reldir%/tty.c
countersign_prompt_CPPFLAGS = $(AM_CPPFLAGS) $(QRENCODE_CFLAGS)
countersign_prompt_LDADD = libcountersign.la libbase.la $(QRENCODE_LIBS)
EXTRA_DIST += %reldir%/README.md
dist_man_MANS += %reldir%/countersign-prompt.1
