# What providers share, as two convenience libraries, so that a plugin without OpenID Connect carries no liboauth2.
# libprovider.la: base64url, forms, JSON, the host's HTTP and log, and what a client signs (jansson, OpenSSL).
# libopenid.la: the whole OpenID Connect client. Debian's liboauth2 is under the AGPL (plugins/oidc/README.md): it is
# linked here and nowhere else, and so into oidc, google, microsoft and apple.
noinst_LTLIBRARIES += libprovider.la libopenid.la
libprovider_la_SOURCES = \
	%reldir%/algorithm.c %reldir%/algorithm.h \
	%reldir%/encoding.c %reldir%/encoding.h \
	%reldir%/evidence.c %reldir%/evidence.h \
	%reldir%/signing.c %reldir%/signing.h \
	%reldir%/web.c %reldir%/web.h
libprovider_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
libprovider_la_LIBADD = $(JANSSON_LIBS) $(CRYPTO_LIBS)
libopenid_la_SOURCES = \
	%reldir%/client.c %reldir%/client.h \
	%reldir%/discovery.c %reldir%/discovery.h \
	%reldir%/flow.c %reldir%/flow.h \
	%reldir%/idtoken.c %reldir%/idtoken.h \
	%reldir%/jwks.c %reldir%/jwks.h \
	%reldir%/jws.c %reldir%/jws.h \
	%reldir%/google_stream.c %reldir%/google_stream.h \
	%reldir%/keys.h %reldir%/oidc.h \
	%reldir%/provider.c %reldir%/provider.h \
	%reldir%/set.c %reldir%/set.h \
	%reldir%/set_event.c %reldir%/set_event.h \
	%reldir%/settings.c %reldir%/settings.h \
	%reldir%/signal_keys.h \
	%reldir%/signals.c %reldir%/signals.h \
	%reldir%/signature.c %reldir%/signature.h \
	%reldir%/ssf.c %reldir%/ssf.h \
	%reldir%/ssf_poll.c \
	%reldir%/ssf_stream.c \
	%reldir%/stream_token.c
libopenid_la_CPPFLAGS = $(AM_CPPFLAGS) $(OAUTH2_CFLAGS) $(CJOSE_CFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
libopenid_la_LIBADD = libprovider.la -loauth2 $(JANSSON_LIBS) $(CRYPTO_LIBS)
EXTRA_DIST += %reldir%/README.md
