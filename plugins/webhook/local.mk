# The notify plugin webhook. Built once as a convenience library that the tests link too.
plugin_LTLIBRARIES += plugins/webhook.la
noinst_LTLIBRARIES += libwebhook.la
libwebhook_la_SOURCES = %reldir%/plugin.c %reldir%/signature.c %reldir%/signature.h
libwebhook_la_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
libwebhook_la_LIBADD = $(CRYPTO_LIBS)
plugins_webhook_la_SOURCES =
plugins_webhook_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_webhook_la_LIBADD = libwebhook.la
EXTRA_DIST += %reldir%/README.md
