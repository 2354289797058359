# The token plugin oauth2, over plugins/lib; liboauth2's licence is told in plugins/oidc/README.md.
plugin_LTLIBRARIES += plugins/oauth2.la
noinst_LTLIBRARIES += liboauth2plugin.la
liboauth2plugin_la_SOURCES = \
	%reldir%/grant.c \
	%reldir%/oauth2.h \
	%reldir%/plugin.c \
	%reldir%/proof.c
liboauth2plugin_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
liboauth2plugin_la_LIBADD = libopenid.la
plugins_oauth2_la_SOURCES =
plugins_oauth2_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_oauth2_la_LIBADD = liboauth2plugin.la
EXTRA_DIST += %reldir%/README.md
