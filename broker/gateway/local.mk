# gateway: HTTPS in front of the engine. libgateway.la is what the tests link: all of it but main.
noinst_LTLIBRARIES += libgateway.la
libgateway_la_SOURCES = \
	%reldir%/api.c \
	%reldir%/authzen.c %reldir%/authzen.h \
	%reldir%/authzen_batch.c \
	%reldir%/card.c %reldir%/card.h \
	%reldir%/engine.c %reldir%/engine.h \
	%reldir%/exchange.c %reldir%/exchange.h \
	%reldir%/handlers.h \
	%reldir%/html.c %reldir%/html.h \
	%reldir%/http.c %reldir%/http.h \
	%reldir%/pages.c \
	%reldir%/routes.c %reldir%/routes.h \
	%reldir%/server.c %reldir%/server.h \
	%reldir%/texts.c %reldir%/texts.h \
	%reldir%/tls.c %reldir%/tls.h
libgateway_la_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
libgateway_la_LIBADD = $(EVENT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

gateway_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS) $(SSL_CFLAGS)
gateway_LIBS = libgateway.la librole.la libconfig.la libcore.la

pkglibexec_PROGRAMS += countersign-gateway
countersign_gateway_SOURCES = %reldir%/main.c
countersign_gateway_CPPFLAGS = $(gateway_CPPFLAGS)
countersign_gateway_LDADD = $(gateway_LIBS) libbase.la $(EVENT_LIBS) $(SSL_LIBS)

# The same with the clock that tests move.
noinst_PROGRAMS += testlibexec/countersign-gateway
testlibexec_countersign_gateway_SOURCES = %reldir%/main.c
testlibexec_countersign_gateway_CPPFLAGS = $(gateway_CPPFLAGS)
testlibexec_countersign_gateway_LDADD = $(gateway_LIBS) libbase_testclock.la $(EVENT_LIBS) $(SSL_LIBS)

EXTRA_DIST += %reldir%/README.md %reldir%/openapi.json
