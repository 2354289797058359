# The provider microsoft, over plugins/lib; liboauth2 comes with it (plugins/oidc/README.md).
plugin_LTLIBRARIES += plugins/microsoft.la
noinst_LTLIBRARIES += libmicrosoft.la
libmicrosoft_la_SOURCES = %reldir%/plugin.c
libmicrosoft_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
libmicrosoft_la_LIBADD = libopenid.la
plugins_microsoft_la_SOURCES =
plugins_microsoft_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_microsoft_la_LIBADD = libmicrosoft.la
EXTRA_DIST += %reldir%/README.md
