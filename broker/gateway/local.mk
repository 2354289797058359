# gateway: HTTPS in front of the engine. libgateway.la is what the tests link: all of it but main.
noinst_LTLIBRARIES += libgateway.la
libgateway_la_SOURCES = \
	%reldir%/api.c \
	%reldir%/authzen.c %reldir%/authzen.h \
	%reldir%/authzen_batch.c \
	%reldir%/card.c %reldir%/card.h \
	%reldir%/card_steps.c \
	%reldir%/device.c %reldir%/device.h \
	%reldir%/digest.c %reldir%/digest.h \
	%reldir%/enrol_card.c %reldir%/enrol_card.h \
	%reldir%/engine.c %reldir%/engine.h \
	%reldir%/events.c \
	%reldir%/exchange.c %reldir%/exchange.h \
	%reldir%/handlers.h \
	%reldir%/html.c %reldir%/html.h \
	%reldir%/http.c %reldir%/http.h \
	%reldir%/money.c \
	%reldir%/page_enrol.c \
	%reldir%/page_signin.c \
	%reldir%/page_step.c \
	%reldir%/pages.c %reldir%/pages.h \
	%reldir%/prompt.c %reldir%/prompt.h \
	%reldir%/qr.c %reldir%/qr.h \
	%reldir%/receiver.c \
	%reldir%/routes.c %reldir%/routes.h \
	%reldir%/credentials.c %reldir%/credentials.h \
	%reldir%/conn.c %reldir%/conn.h %reldir%/server.c %reldir%/server.h \
	%reldir%/ssf.c %reldir%/ssf.h \
	%reldir%/texts.c %reldir%/texts.h \
	%reldir%/texts_device.c %reldir%/texts_device.h \
	%reldir%/texts_enrol.c %reldir%/texts_enrol.h \
	%reldir%/texts_step.c %reldir%/texts_step.h \
	%reldir%/texts_view.c %reldir%/texts_view.h \
	%reldir%/tls.c %reldir%/tls.h \
	%reldir%/view.c \
	%reldir%/view_chart.c \
	%reldir%/view_history.c \
	%reldir%/view_confirm.c \
	%reldir%/view_list.c \
	%reldir%/view_parts.c %reldir%/view_pages.h
nodist_libgateway_la_SOURCES = %reldir%/assets.c
libgateway_la_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS) $(QRENCODE_CFLAGS)
libgateway_la_LIBADD = $(EVENT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS) $(QRENCODE_LIBS)

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

# Style and script of the pages, as C arrays.
page_assets = %reldir%/style.css %reldir%/countersign.js
CLEANFILES += %reldir%/assets.c
%reldir%/assets.c: %reldir%/embed.sh $(page_assets)
	$(AM_V_GEN)$(MKDIR_P) %reldir% && for f in $(page_assets); do set -- "$$@" $(srcdir)/$$f; done; \
	$(SHELL) $(srcdir)/%reldir%/embed.sh "$$@" > $@.tmp && mv $@.tmp $@

EXTRA_DIST += %reldir%/embed.sh $(page_assets) %reldir%/README.md %reldir%/openapi.json
