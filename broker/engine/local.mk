# engine: store, keys, decisions. libengine.la is everything but loop and main: tests and the simulator link it.
noinst_LTLIBRARIES += libengine.la
libengine_la_SOURCES = \
	%reldir%/accounts.c \
	%reldir%/admin.c %reldir%/admin.h \
	%reldir%/admin_explain.c \
	%reldir%/admin_log.c \
	%reldir%/admin_signals.c \
	%reldir%/admin_status.c \
	%reldir%/admin_store.c \
	%reldir%/admin_things.c \
	%reldir%/allowances.c \
	%reldir%/bearer.c %reldir%/bearer.h %reldir%/bearer_seen.c %reldir%/bearer_seen.h \
	%reldir%/answer.c %reldir%/answer.h \
	%reldir%/api.h \
	%reldir%/breaker.c %reldir%/breaker.h \
	%reldir%/browser.c \
	%reldir%/call.c %reldir%/call.h \
	%reldir%/card.c %reldir%/card.h \
	%reldir%/cold.c %reldir%/cold.h \
	%reldir%/device.c %reldir%/device.h \
	%reldir%/device_api.c \
	%reldir%/edge_text.c %reldir%/edge_text.h \
	%reldir%/engine.c %reldir%/engine.h \
	%reldir%/enrol.c %reldir%/enrol.h \
	%reldir%/enrol_begin.c \
	%reldir%/enrol_page.c \
	%reldir%/enrol_step.c %reldir%/enrol_step.h \
	%reldir%/enrolment.c %reldir%/enrolment.h \
	%reldir%/event_fields.c %reldir%/event_json.c %reldir%/event_json.h \
	%reldir%/events.c \
	%reldir%/factors.c %reldir%/factors.h \
	%reldir%/identify.c %reldir%/identify.h \
	%reldir%/ids.c %reldir%/ids.h \
	%reldir%/internal.c \
	%reldir%/keyring.c %reldir%/keyring.h \
	%reldir%/limits_api.c %reldir%/limits_api.h \
	%reldir%/links.c %reldir%/links.h \
	%reldir%/listing.c %reldir%/listing.h \
	%reldir%/lookup.c %reldir%/lookup.h \
	%reldir%/methods.c \
	%reldir%/notify.c %reldir%/notify.h \
	%reldir%/page.c %reldir%/page.h \
	%reldir%/page_api.c \
	%reldir%/spending.c %reldir%/spending.h \
	%reldir%/stopped.c %reldir%/stopped.h \
	%reldir%/view.c %reldir%/view.h \
	%reldir%/view_acts.c %reldir%/view_acts.h \
	%reldir%/view_api.c \
	%reldir%/view_call.c %reldir%/view_call.h \
	%reldir%/view_history.c \
	%reldir%/pairwise.c %reldir%/pairwise.h \
	%reldir%/passkey.c %reldir%/passkey.h %reldir%/passkey_key.c \
	%reldir%/payments.c \
	%reldir%/place.c %reldir%/place.h \
	%reldir%/prompt.c %reldir%/prompt.h \
	%reldir%/proof.c %reldir%/proof.h \
	%reldir%/receipt.c %reldir%/receipt.h \
	%reldir%/receiver_api.c \
	%reldir%/record.c %reldir%/record.h \
	%reldir%/record_internal.h %reldir%/record_load.c %reldir%/record_start.c \
	%reldir%/record_state.c %reldir%/record_state.h \
	%reldir%/replay.c \
	%reldir%/respond.c \
	%reldir%/respond_read.c \
	%reldir%/evidence.c %reldir%/evidence.h \
	%reldir%/rekey.c %reldir%/rekey.h %reldir%/rekey_provider.c \
	%reldir%/rests.c %reldir%/rests.h \
	%reldir%/rows.c %reldir%/rows.h \
	%reldir%/risk.c %reldir%/risk.h \
	%reldir%/ruleset.c \
	%reldir%/said.c %reldir%/said.h \
	%reldir%/service.c \
	%reldir%/sessions.c %reldir%/sessions.h \
	%reldir%/shadow.c %reldir%/shadow.h \
	%reldir%/signal_poll.c \
	%reldir%/signal_push.c \
	%reldir%/signal_take.c \
	%reldir%/signals.c %reldir%/signals.h %reldir%/signals_state.h \
	%reldir%/signin.c %reldir%/signin.h \
	%reldir%/spend_request.c %reldir%/spend_request.h \
	%reldir%/steps.c %reldir%/steps_mend.c %reldir%/steps.h \
	%reldir%/stepup.c %reldir%/stepup.h \
	%reldir%/stepup_begin.c \
	%reldir%/stepup_watch.c \
	%reldir%/strangers.c %reldir%/strangers.h \
	%reldir%/stream.h \
	%reldir%/talk.c %reldir%/talk.h \
	%reldir%/tell.c %reldir%/tell.h \
	%reldir%/texts.c %reldir%/texts.h \
	%reldir%/things.c %reldir%/things.h \
	%reldir%/txn.c %reldir%/txn.h \
	%reldir%/txn_again.c \
	%reldir%/txn_event.c \
	%reldir%/txn_find.c \
	%reldir%/txn_state.c %reldir%/txn_state.h \
	%reldir%/transmit.c %reldir%/transmit.h \
	%reldir%/transmit_deliver.c %reldir%/transmit_deliver.h \
	%reldir%/transmit_queue.c %reldir%/transmit_queue.h \
	%reldir%/transmit_set.c %reldir%/transmit_set.h \
	%reldir%/transmit_state.h \
	%reldir%/watch.c %reldir%/watch.h \
	%reldir%/workers.c %reldir%/workers.h %reldir%/workers_state.h \
	%reldir%/workers_target.c
EXTRA_DIST += %reldir%/README.md
nodist_libengine_la_SOURCES = %reldir%/interfaces.inc
libengine_la_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
libengine_la_LIBADD = $(CRYPTO_LIBS)

# The interfaces as C strings, so that the engine can show them (org.varlink.service.GetInterfaceDescription).
BUILT_SOURCES += %reldir%/interfaces.inc
CLEANFILES += %reldir%/interfaces.inc
%reldir%/interfaces.inc: $(dist_varlink_DATA)
	$(AM_V_GEN)$(MKDIR_P) %reldir% && for f in $(dist_varlink_DATA); do \
		case $$f in *.Internal.varlink | *.Worker.varlink | *.Plugin.varlink | *.Host.varlink) continue ;; esac; \
		test -f "$$f" || f=$(srcdir)/$$f; \
		echo "	{\"`basename $$f .varlink`\","; \
		sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^\(.*\)$$/	 "\1\\n"/' "$$f"; \
		echo '	},'; \
	done > $@.tmp && mv $@.tmp $@

# Where a target is made by itself (make fuzz), nothing else asks for it.
$(libengine_la_OBJECTS): %reldir%/interfaces.inc

# libstoreopen.la: the store that the configuration names, whichever; before libengine.la, and with libstoreredis.la.
noinst_LTLIBRARIES += libstoreopen.la
libstoreopen_la_SOURCES = \
	%reldir%/store_open.c %reldir%/store_open.h \
	%reldir%/store_redis.c

pkglibexec_PROGRAMS += countersign-engine
countersign_engine_SOURCES = %reldir%/loop.c %reldir%/loop.h %reldir%/loop_store.c %reldir%/loop_store.h %reldir%/main.c
countersign_engine_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS)
countersign_engine_LDADD = libstoreopen.la libengine.la libstoreredis.la libstore.la librole.la libconfig.la libcore.la libbase.la $(EVENT_LIBS) \
	$(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread

# The same with a clock that tests move.
noinst_PROGRAMS += testlibexec/countersign-engine
testlibexec_countersign_engine_SOURCES = $(countersign_engine_SOURCES)
testlibexec_countersign_engine_CPPFLAGS = $(countersign_engine_CPPFLAGS)
testlibexec_countersign_engine_LDADD = libstoreopen.la libengine.la libstoreredis.la libstore.la librole.la libconfig.la libcore.la libbase_testclock.la \
	$(EVENT_LIBS) $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread
