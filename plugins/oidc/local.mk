# The provider oidc. Built once as a convenience library that the tests and fuzzers link too.
# Debian's liboauth2 is under the AGPL: see README.md. It is linked here and nowhere else.
plugin_LTLIBRARIES += plugins/oidc.la
noinst_LTLIBRARIES += liboidc.la
liboidc_la_SOURCES = \
	%reldir%/discovery.c %reldir%/discovery.h \
	%reldir%/encoding.c %reldir%/encoding.h \
	%reldir%/flow.c %reldir%/flow.h \
	%reldir%/idtoken.c %reldir%/idtoken.h \
	%reldir%/jwks.c %reldir%/jwks.h \
	%reldir%/oidc.h \
	%reldir%/plugin.c \
	%reldir%/signature.c %reldir%/signature.h
liboidc_la_CPPFLAGS = $(AM_CPPFLAGS) $(OAUTH2_CFLAGS) $(CJOSE_CFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
liboidc_la_LIBADD = -loauth2 $(JANSSON_LIBS) $(CRYPTO_LIBS)
plugins_oidc_la_SOURCES =
plugins_oidc_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_oidc_la_LIBADD = liboidc.la
EXTRA_DIST += %reldir%/README.md
