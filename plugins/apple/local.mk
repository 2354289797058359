# The provider apple. Built once as a convenience library that the tests and fuzzers link too.
plugin_LTLIBRARIES += plugins/apple.la
noinst_LTLIBRARIES += libapple.la
libapple_la_SOURCES = \
	%reldir%/claims.c %reldir%/claims.h \
	%reldir%/migration.c %reldir%/migration.h \
	%reldir%/plugin.c \
	%reldir%/team.c %reldir%/team.h
libapple_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
libapple_la_LIBADD = libopenid.la
plugins_apple_la_SOURCES =
plugins_apple_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_apple_la_LIBADD = libapple.la
EXTRA_DIST += %reldir%/README.md
