# The provider oidc: its table of keys over plugins/lib. Built once as a convenience library that the tests link too.
plugin_LTLIBRARIES += plugins/oidc.la
noinst_LTLIBRARIES += liboidc.la
liboidc_la_SOURCES = %reldir%/plugin.c
liboidc_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
liboidc_la_LIBADD = libopenid.la
plugins_oidc_la_SOURCES =
plugins_oidc_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_oidc_la_LIBADD = liboidc.la
EXTRA_DIST += %reldir%/README.md
