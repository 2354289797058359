# The factor webauthn. Built once as a convenience library that the tests and the fuzzer link too.
plugin_LTLIBRARIES += plugins/webauthn.la
noinst_LTLIBRARIES += libwebauthn.la
webauthn_sources = \
	%reldir%/authdata.c %reldir%/authdata.h \
	%reldir%/cbor.c %reldir%/cbor.h \
	%reldir%/check.c %reldir%/check.h \
	%reldir%/client.c %reldir%/client.h \
	%reldir%/plugin.c \
	%reldir%/policy.c %reldir%/policy.h \
	%reldir%/proof.c %reldir%/proof.h \
	%reldir%/record.c %reldir%/record.h
libwebauthn_la_SOURCES = $(webauthn_sources)
libwebauthn_la_CPPFLAGS = $(AM_CPPFLAGS) $(FIDO2_CFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
libwebauthn_la_LIBADD = $(FIDO2_LIBS) $(JANSSON_LIBS) $(CRYPTO_LIBS)
plugins_webauthn_la_SOURCES =
plugins_webauthn_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_webauthn_la_LIBADD = libwebauthn.la
EXTRA_DIST += %reldir%/README.md
