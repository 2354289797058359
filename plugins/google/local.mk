# The provider google, over plugins/lib; liboauth2 comes with it (plugins/oidc/README.md).
plugin_LTLIBRARIES += plugins/google.la
noinst_LTLIBRARIES += libgoogle.la
libgoogle_la_SOURCES = %reldir%/plugin.c
libgoogle_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
libgoogle_la_LIBADD = libopenid.la
plugins_google_la_SOURCES =
plugins_google_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_google_la_LIBADD = libgoogle.la
EXTRA_DIST += %reldir%/README.md
