# The factor recovery. Built once as a convenience library that the tests and the fuzzer link too.
plugin_LTLIBRARIES += plugins/recovery.la
noinst_LTLIBRARIES += librecovery.la
librecovery_la_SOURCES = %reldir%/codes.c %reldir%/codes.h %reldir%/plugin.c
librecovery_la_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
librecovery_la_LIBADD = $(CRYPTO_LIBS)
plugins_recovery_la_SOURCES =
plugins_recovery_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_recovery_la_LIBADD = librecovery.la
EXTRA_DIST += %reldir%/README.md
