# The notify plugin push.
plugin_LTLIBRARIES += plugins/push.la
plugins_push_la_SOURCES = %reldir%/plugin.c
plugins_push_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
plugins_push_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_push_la_LIBADD = libprovider.la
EXTRA_DIST += %reldir%/README.md
