# Fuzz targets: one for every decoder.
#
# To add a target NAME: write fuzz_NAME.c with LLVMFuzzerTestOneInput(), put seeds (small, one of each kind, and every
# input that once broke something) into corpus/NAME/, add NAME to FUZZ_TARGETS and this block:
#
#   %canon_reldir%_fuzz_NAME_SOURCES = %reldir%/fuzz_NAME.c %reldir%/replay.c
#   %canon_reldir%_fuzz_NAME_LDADD = libTESTED.la libbase.la
#
# `make check` replays the corpora with any compiler. `make fuzz` builds the targets with clang's libFuzzer and sanitizers
# in fuzz-build/ and runs each for FUZZ_SECONDS; what it finds is left there as crash-*. One target alone:
# make fuzz FUZZ_TARGETS=json
FUZZ_TARGETS = account alipay apple call decide config event exchange extra http idtoken journal json jwks otp passkey program recovery redis_replies set stack store_record store_redis varlink webauthn wechat worker
FUZZ_SECONDS = 30
FUZZ_CC = clang

%canon_reldir%_fuzz_access_SOURCES = %reldir%/fuzz_access.c %reldir%/replay.c
%canon_reldir%_fuzz_access_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_fuzz_access_LDADD = liboauth2plugin.la libbase.la $(JANSSON_LIBS) $(CRYPTO_LIBS)

%canon_reldir%_fuzz_account_SOURCES = %reldir%/fuzz_account.c %reldir%/replay.c
%canon_reldir%_fuzz_account_LDADD = libcore.la libbase.la

%canon_reldir%_fuzz_alipay_SOURCES = %reldir%/fuzz_alipay.c %reldir%/replay.c
%canon_reldir%_fuzz_alipay_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_fuzz_alipay_LDADD = libalipay.la libbase.la $(JANSSON_LIBS) $(CRYPTO_LIBS)

%canon_reldir%_fuzz_apple_SOURCES = %reldir%/fuzz_apple.c %reldir%/replay.c
%canon_reldir%_fuzz_apple_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_fuzz_apple_LDADD = libapple.la libbase.la $(JANSSON_LIBS) $(CRYPTO_LIBS)

%canon_reldir%_fuzz_wechat_SOURCES = %reldir%/fuzz_wechat.c %reldir%/replay.c
%canon_reldir%_fuzz_wechat_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_fuzz_wechat_LDADD = libwechat.la libbase.la $(JANSSON_LIBS) $(CRYPTO_LIBS)

%canon_reldir%_fuzz_decide_SOURCES = \
	%reldir%/fuzz_decide.c %reldir%/replay.c \
	tests/unit/core_fixture.c tests/unit/core_fixture.h tests/unit/core_walk.c tests/unit/core_walk.h
%canon_reldir%_fuzz_decide_LDADD = libcore.la libbase.la

%canon_reldir%_fuzz_event_SOURCES = %reldir%/fuzz_event.c %reldir%/replay.c
%canon_reldir%_fuzz_event_LDADD = libcore.la libbase.la

%canon_reldir%_fuzz_call_SOURCES = %reldir%/fuzz_call.c %reldir%/replay.c \
	tests/sim/bare.c tests/sim/bare.h
%canon_reldir%_fuzz_call_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_fuzz_call_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread

%canon_reldir%_fuzz_extra_SOURCES = %reldir%/fuzz_extra.c %reldir%/replay.c
%canon_reldir%_fuzz_extra_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread

%canon_reldir%_fuzz_passkey_SOURCES = %reldir%/fuzz_passkey.c %reldir%/replay.c
%canon_reldir%_fuzz_passkey_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_fuzz_passkey_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread

%canon_reldir%_fuzz_config_SOURCES = %reldir%/fuzz_config.c %reldir%/replay.c
%canon_reldir%_fuzz_config_LDADD = libconfig.la libcore.la libbase.la

%canon_reldir%_fuzz_http_SOURCES = %reldir%/fuzz_http.c %reldir%/replay.c
%canon_reldir%_fuzz_http_LDADD = libgateway.la libbase.la

%canon_reldir%_fuzz_idtoken_SOURCES = %reldir%/fuzz_idtoken.c %reldir%/replay.c
%canon_reldir%_fuzz_idtoken_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_fuzz_idtoken_LDADD = liboidc.la libbase.la $(JANSSON_LIBS) $(CRYPTO_LIBS)

%canon_reldir%_fuzz_jwks_SOURCES = %reldir%/fuzz_jwks.c %reldir%/replay.c
%canon_reldir%_fuzz_jwks_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_fuzz_jwks_LDADD = liboidc.la libbase.la $(JANSSON_LIBS) $(CRYPTO_LIBS)

%canon_reldir%_fuzz_set_SOURCES = %reldir%/fuzz_set.c %reldir%/replay.c
%canon_reldir%_fuzz_set_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_fuzz_set_LDADD = liboidc.la libbase.la $(JANSSON_LIBS) $(CRYPTO_LIBS)

%canon_reldir%_fuzz_exchange_SOURCES = %reldir%/fuzz_exchange.c %reldir%/replay.c tests/unit/plugin_host.h
%canon_reldir%_fuzz_exchange_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_fuzz_exchange_LDADD = liboidc.la libbase.la $(JANSSON_LIBS) $(CRYPTO_LIBS)

%canon_reldir%_fuzz_journal_SOURCES = %reldir%/fuzz_journal.c %reldir%/replay.c
%canon_reldir%_fuzz_journal_LDADD = libstoreredis.la libstore.la libbase.la

%canon_reldir%_fuzz_json_SOURCES = \
	%reldir%/fuzz_json.c %reldir%/reference.c %reldir%/reference.h %reldir%/replay.c
%canon_reldir%_fuzz_json_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_fuzz_json_LDADD = libbase.la $(JANSSON_LIBS)

%canon_reldir%_fuzz_otp_SOURCES = %reldir%/fuzz_otp.c %reldir%/replay.c
%canon_reldir%_fuzz_otp_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_fuzz_otp_LDADD = libotp.la libbase.la $(JANSSON_LIBS)

%canon_reldir%_fuzz_recovery_SOURCES = %reldir%/fuzz_recovery.c %reldir%/replay.c
%canon_reldir%_fuzz_recovery_LDADD = librecovery.la libbase.la

%canon_reldir%_fuzz_redis_replies_SOURCES = %reldir%/fuzz_redis_replies.c %reldir%/replay.c
%canon_reldir%_fuzz_redis_replies_CPPFLAGS = $(AM_CPPFLAGS) $(HIREDIS_CFLAGS)
%canon_reldir%_fuzz_redis_replies_LDADD = libstoreredis.la libstore.la libbase.la

%canon_reldir%_fuzz_stack_SOURCES = %reldir%/fuzz_stack.c %reldir%/replay.c
%canon_reldir%_fuzz_stack_LDADD = libconfig.la libcore.la libbase.la

%canon_reldir%_fuzz_store_record_SOURCES = %reldir%/fuzz_store_record.c %reldir%/replay.c
%canon_reldir%_fuzz_store_record_LDADD = libstore.la libbase.la

%canon_reldir%_fuzz_store_redis_SOURCES = %reldir%/fuzz_store_redis.c %reldir%/replay.c
%canon_reldir%_fuzz_store_redis_LDADD = libstoreredis.la libstore.la libbase.la

%canon_reldir%_fuzz_varlink_SOURCES = %reldir%/fuzz_varlink.c %reldir%/replay.c
%canon_reldir%_fuzz_varlink_LDADD = libbase.la

%canon_reldir%_fuzz_webauthn_SOURCES = %reldir%/fuzz_webauthn.c %reldir%/replay.c
%canon_reldir%_fuzz_webauthn_LDADD = libwebauthn.la libbase.la

%canon_reldir%_fuzz_program_SOURCES = %reldir%/fuzz_program.c %reldir%/replay.c
%canon_reldir%_fuzz_program_LDADD = libworker.la librole.la libconfig.la libcore.la libbase.la $(CURL_LIBS) -lpthread

%canon_reldir%_fuzz_trust_SOURCES = %reldir%/fuzz_trust.c %reldir%/replay.c
%canon_reldir%_fuzz_trust_LDADD = libpluginfile.la libbase.la $(CRYPTO_LIBS)

%canon_reldir%_fuzz_worker_SOURCES = %reldir%/fuzz_worker.c %reldir%/replay.c
%canon_reldir%_fuzz_worker_LDADD = libworker.la librole.la libconfig.la libcore.la libbase.la $(CURL_LIBS)

fuzz_programs = %reldir%/fuzz_alipay %reldir%/fuzz_apple %reldir%/fuzz_wechat \
	%reldir%/fuzz_access \
	%reldir%/fuzz_account \
	%reldir%/fuzz_call \
	%reldir%/fuzz_config \
	%reldir%/fuzz_decide \
	%reldir%/fuzz_event \
	%reldir%/fuzz_exchange \
	%reldir%/fuzz_extra \
	%reldir%/fuzz_http \
	%reldir%/fuzz_idtoken \
	%reldir%/fuzz_journal \
	%reldir%/fuzz_json \
	%reldir%/fuzz_jwks \
	%reldir%/fuzz_otp \
	%reldir%/fuzz_passkey \
	%reldir%/fuzz_program \
	%reldir%/fuzz_recovery \
	%reldir%/fuzz_redis_replies \
	%reldir%/fuzz_set \
	%reldir%/fuzz_stack \
	%reldir%/fuzz_store_record \
	%reldir%/fuzz_store_redis \
	%reldir%/fuzz_trust \
	%reldir%/fuzz_varlink \
	%reldir%/fuzz_webauthn \
	%reldir%/fuzz_worker
check_PROGRAMS += $(fuzz_programs)
TESTS += $(fuzz_programs)
EXTRA_DIST += %reldir%/corpus

fuzz_flags = address,undefined

fuzz:
	@command -v $(FUZZ_CC) >/dev/null || { echo "fuzz: $(FUZZ_CC) not found; install clang or set FUZZ_CC" >&2; exit 1; }
	@$(MKDIR_P) fuzz-build
	@test -f fuzz-build/Makefile || { cd fuzz-build && $(abs_top_srcdir)/configure -q --disable-silent-rules \
	    CC=$(FUZZ_CC) CPPFLAGS=-DCS_LIBFUZZER \
	    CFLAGS="-g -O1 -fsanitize=fuzzer-no-link,$(fuzz_flags) -fno-sanitize-recover=all"; }
	@set -e; for t in $(FUZZ_TARGETS); do \
		$(MAKE) -s -C fuzz-build %reldir%/fuzz_$$t LDFLAGS="-fsanitize=fuzzer,$(fuzz_flags)"; \
		$(MKDIR_P) fuzz-build/corpus/$$t; \
		echo "fuzz: $$t for $(FUZZ_SECONDS) s"; \
		(cd fuzz-build && %reldir%/fuzz_$$t -max_total_time=$(FUZZ_SECONDS) -timeout=5 -print_final_stats=1 \
		    -verbosity=0 corpus/$$t $(abs_top_srcdir)/%reldir%/corpus/$$t); \
	done
.PHONY: fuzz

clean-local: clean-fuzz
clean-fuzz:
	rm -rf fuzz-build
.PHONY: clean-fuzz
