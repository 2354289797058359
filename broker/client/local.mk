# client: libcountersign, what a payment service links. Needs libc alone; what it takes from base stays hidden.
lib_LTLIBRARIES += libcountersign.la
libcountersign_la_SOURCES = \
	broker/base/check.c broker/base/json.c broker/base/json_bind.c broker/base/json_write.c \
	broker/base/utf8.c broker/base/varlink.c \
	%reldir%/converse.c \
	%reldir%/converse_ask.c \
	%reldir%/converse.h \
	%reldir%/converse_text.c \
	%reldir%/error.c \
	%reldir%/fields.c %reldir%/fields.h \
	%reldir%/generic.c \
	%reldir%/handle.c %reldir%/handle.h \
	%reldir%/lookup.c \
	%reldir%/payments.c \
	%reldir%/sessions.c \
	%reldir%/stepup.c \
	%reldir%/wire.c %reldir%/wire.h
libcountersign_la_CFLAGS = $(AM_CFLAGS) -pthread
libcountersign_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined -pthread \
	-Wl,--version-script=$(srcdir)/%reldir%/libcountersign.map
EXTRA_libcountersign_la_DEPENDENCIES = %reldir%/libcountersign.map
EXTRA_DIST += %reldir%/libcountersign.map %reldir%/libcountersign.pc.in %reldir%/README.md

dist_man_MANS += %reldir%/libcountersign.3

# Made here and not by configure, so that the folder keeps its own list.
pkgconfig_DATA += libcountersign.pc
CLEANFILES += libcountersign.pc
libcountersign.pc: %reldir%/libcountersign.pc.in Makefile
	$(AM_V_GEN)$(SED) -e 's|@prefix[@]|$(prefix)|' -e 's|@exec_prefix[@]|$(exec_prefix)|' \
		-e 's|@libdir[@]|$(libdir)|' -e 's|@includedir[@]|$(includedir)|' \
		-e 's|@VERSION[@]|$(PACKAGE_VERSION)|' $(srcdir)/%reldir%/libcountersign.pc.in > $@.tmp && mv $@.tmp $@

# examples: built so that they keep compiling; not installed
noinst_PROGRAMS += examples/spend
examples_spend_SOURCES = examples/spend.c
examples_spend_LDADD = libcountersign.la
