# The factor totp. Built once as a convenience library that the tests link too.
plugin_LTLIBRARIES += plugins/totp.la
noinst_LTLIBRARIES += libtotp.la
libtotp_la_SOURCES = %reldir%/code.c %reldir%/code.h %reldir%/plugin.c
libtotp_la_CPPFLAGS = $(AM_CPPFLAGS) $(OATH_CFLAGS)
libtotp_la_LIBADD = $(OATH_LIBS)
plugins_totp_la_SOURCES =
plugins_totp_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_totp_la_LIBADD = libtotp.la
EXTRA_DIST += %reldir%/README.md
