# Unit tests, with cmocka. One block a test; add yours in alphabetical order:
#
#   unit_tests += %reldir%/test_NAME
#   %canon_reldir%_test_NAME_SOURCES = %reldir%/test_NAME.c %reldir%/unit.h
#   %canon_reldir%_test_NAME_LDADD = libTESTED.la libbase.la $(CMOCKA_LIBS)
unit_tests =

unit_tests += %reldir%/test_account_code
%canon_reldir%_test_account_code_SOURCES = %reldir%/test_account_code.c %reldir%/unit.h %reldir%/account_random.h
%canon_reldir%_test_account_code_LDADD = libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_bearer_seen
%canon_reldir%_test_bearer_seen_SOURCES = %reldir%/test_bearer_seen.c %reldir%/unit.h
%canon_reldir%_test_bearer_seen_LDADD = libengine.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_buf
%canon_reldir%_test_buf_SOURCES = %reldir%/test_buf.c %reldir%/unit.h
%canon_reldir%_test_buf_LDADD = libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_client
%canon_reldir%_test_client_SOURCES = %reldir%/test_client.c %reldir%/unit.h
%canon_reldir%_test_client_LDADD = libcountersign.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_clock
%canon_reldir%_test_clock_SOURCES = %reldir%/test_clock.c %reldir%/unit.h
%canon_reldir%_test_clock_LDADD = libbase_testclock.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_cold
%canon_reldir%_test_cold_SOURCES = %reldir%/test_cold.c %reldir%/unit.h
%canon_reldir%_test_cold_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_cold_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread $(CMOCKA_LIBS)

unit_tests += %reldir%/test_config
%canon_reldir%_test_config_SOURCES = %reldir%/test_config.c %reldir%/unit.h
%canon_reldir%_test_config_LDADD = libconfig.la libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_decide
%canon_reldir%_test_decide_SOURCES = %reldir%/test_decide.c %reldir%/unit.h %reldir%/core_fixture.c %reldir%/core_fixture.h
%canon_reldir%_test_decide_LDADD = libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_device
%canon_reldir%_test_device_SOURCES = %reldir%/test_device.c %reldir%/unit.h
%canon_reldir%_test_device_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_device_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread $(CMOCKA_LIBS)

unit_tests += %reldir%/test_engine_ids
%canon_reldir%_test_engine_ids_SOURCES = %reldir%/test_engine_ids.c %reldir%/unit.h
%canon_reldir%_test_engine_ids_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_engine_ids_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread $(CMOCKA_LIBS)

unit_tests += %reldir%/test_event_code
%canon_reldir%_test_event_code_SOURCES = %reldir%/test_event_code.c %reldir%/unit.h %reldir%/account_random.h
%canon_reldir%_test_event_code_LDADD = libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_http
%canon_reldir%_test_http_SOURCES = %reldir%/test_http.c %reldir%/unit.h
%canon_reldir%_test_http_LDADD = libgateway.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_json
%canon_reldir%_test_json_SOURCES = %reldir%/test_json.c %reldir%/unit.h
%canon_reldir%_test_json_LDADD = libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_keyring
%canon_reldir%_test_keyring_SOURCES = %reldir%/test_keyring.c %reldir%/unit.h
%canon_reldir%_test_keyring_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_test_keyring_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread $(JANSSON_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_page_texts
%canon_reldir%_test_page_texts_SOURCES = %reldir%/test_page_texts.c %reldir%/unit.h
%canon_reldir%_test_page_texts_LDADD = libgateway.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_worker_http
%canon_reldir%_test_worker_http_SOURCES = %reldir%/test_worker_http.c %reldir%/unit.h
%canon_reldir%_test_worker_http_LDADD = libworker.la librole.la libconfig.la libcore.la libbase.la $(CURL_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_worker_calls
%canon_reldir%_test_worker_calls_SOURCES = %reldir%/test_worker_calls.c %reldir%/unit.h
%canon_reldir%_test_worker_calls_LDADD = libworker.la librole.la libconfig.la libcore.la libbase.la $(CURL_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_load
%canon_reldir%_test_load_SOURCES = %reldir%/test_load.c %reldir%/unit.h
%canon_reldir%_test_load_LDADD = libworker.la librole.la libconfig.la libcore.la libbase.la $(CURL_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_log
%canon_reldir%_test_log_SOURCES = %reldir%/test_log.c %reldir%/unit.h
%canon_reldir%_test_log_LDADD = libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_methods
%canon_reldir%_test_methods_SOURCES = %reldir%/test_methods.c %reldir%/unit.h
%canon_reldir%_test_methods_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_methods_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread $(CMOCKA_LIBS)

unit_tests += %reldir%/test_money
%canon_reldir%_test_money_SOURCES = %reldir%/test_money.c %reldir%/unit.h
%canon_reldir%_test_money_LDADD = libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_alipay
%canon_reldir%_test_alipay_SOURCES = %reldir%/test_alipay.c %reldir%/unit.h %reldir%/plugin_host.h %reldir%/alipay_vectors.h
%canon_reldir%_test_alipay_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_alipay_LDADD = libalipay.la $(JANSSON_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_apple
%canon_reldir%_test_apple_SOURCES = %reldir%/test_apple.c %reldir%/unit.h %reldir%/plugin_host.h
%canon_reldir%_test_apple_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_apple_LDADD = libapple.la $(JANSSON_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_wechat
%canon_reldir%_test_wechat_SOURCES = %reldir%/test_wechat.c %reldir%/unit.h %reldir%/plugin_host.h
%canon_reldir%_test_wechat_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_wechat_LDADD = libwechat.la $(JANSSON_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)
unit_tests += %reldir%/test_jose
%canon_reldir%_test_jose_SOURCES = %reldir%/test_jose.c %reldir%/unit.h %reldir%/plugin_host.h
%canon_reldir%_test_jose_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_jose_LDADD = liboidc.la $(JANSSON_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_oidc
%canon_reldir%_test_oidc_SOURCES = %reldir%/test_oidc.c %reldir%/unit.h %reldir%/plugin_host.h \
	%reldir%/oidc_issuer.c %reldir%/oidc_issuer.h
%canon_reldir%_test_oidc_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_oidc_LDADD = liboidc.la $(JANSSON_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_oidc_client
%canon_reldir%_test_oidc_client_SOURCES = %reldir%/test_oidc_client.c %reldir%/unit.h %reldir%/plugin_host.h \
	%reldir%/oidc_issuer.c %reldir%/oidc_issuer.h
%canon_reldir%_test_oidc_client_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_oidc_client_LDADD = liboidc.la $(JANSSON_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_plugin_abi
%canon_reldir%_test_plugin_abi_SOURCES = %reldir%/test_plugin_abi.c %reldir%/unit.h
%canon_reldir%_test_plugin_abi_LDADD = $(CMOCKA_LIBS)

unit_tests += %reldir%/test_prove
%canon_reldir%_test_prove_SOURCES = %reldir%/test_prove.c %reldir%/unit.h
%canon_reldir%_test_prove_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_prove_LDADD = libprove.la libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread $(CMOCKA_LIBS)

unit_tests += %reldir%/test_reason
%canon_reldir%_test_reason_SOURCES = %reldir%/test_reason.c %reldir%/unit.h
%canon_reldir%_test_reason_LDADD = libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_routes
%canon_reldir%_test_routes_SOURCES = %reldir%/test_routes.c %reldir%/unit.h
%canon_reldir%_test_routes_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_test_routes_LDADD = libgateway.la libbase.la $(JANSSON_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_rule_property
%canon_reldir%_test_rule_property_SOURCES = %reldir%/test_rule_property.c %reldir%/unit.h \
	%reldir%/core_fixture.c %reldir%/core_fixture.h %reldir%/core_walk.c %reldir%/core_walk.h
%canon_reldir%_test_rule_property_LDADD = libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_signal
%canon_reldir%_test_signal_SOURCES = %reldir%/test_signal.c %reldir%/unit.h %reldir%/core_fixture.c %reldir%/core_fixture.h
%canon_reldir%_test_signal_LDADD = libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_factor
%canon_reldir%_test_factor_SOURCES = %reldir%/test_factor.c %reldir%/unit.h %reldir%/core_fixture.c %reldir%/core_fixture.h
%canon_reldir%_test_factor_LDADD = libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_rekey
%canon_reldir%_test_rekey_SOURCES = %reldir%/test_rekey.c %reldir%/unit.h %reldir%/core_fixture.c %reldir%/core_fixture.h
%canon_reldir%_test_rekey_LDADD = libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_rules
%canon_reldir%_test_rules_SOURCES = %reldir%/test_rules.c %reldir%/unit.h %reldir%/core_fixture.c %reldir%/core_fixture.h
%canon_reldir%_test_rules_LDADD = libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_sandbox
%canon_reldir%_test_sandbox_SOURCES = %reldir%/test_sandbox.c %reldir%/unit.h
%canon_reldir%_test_sandbox_LDADD = libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_secret
%canon_reldir%_test_secret_SOURCES = %reldir%/test_secret.c %reldir%/unit.h
%canon_reldir%_test_secret_LDADD = libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_signals
%canon_reldir%_test_signals_SOURCES = %reldir%/test_signals.c %reldir%/unit.h %reldir%/plugin_host.h \
	%reldir%/oidc_issuer.c %reldir%/oidc_issuer.h
%canon_reldir%_test_signals_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_signals_LDADD = liboidc.la $(JANSSON_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_ssf
%canon_reldir%_test_ssf_SOURCES = %reldir%/test_ssf.c %reldir%/unit.h %reldir%/plugin_host.h \
	%reldir%/oidc_issuer.c %reldir%/oidc_issuer.h
%canon_reldir%_test_ssf_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_ssf_LDADD = liboidc.la $(JANSSON_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_stack
%canon_reldir%_test_stack_SOURCES = %reldir%/test_stack.c %reldir%/unit.h
%canon_reldir%_test_stack_LDADD = libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_texts
%canon_reldir%_test_texts_SOURCES = %reldir%/test_texts.c %reldir%/unit.h
%canon_reldir%_test_texts_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_texts_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread $(CMOCKA_LIBS)

unit_tests += %reldir%/test_otp
%canon_reldir%_test_otp_SOURCES = %reldir%/test_otp.c %reldir%/unit.h %reldir%/plugin_host.h
%canon_reldir%_test_otp_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_test_otp_LDADD = libotp.la $(JANSSON_LIBS) $(CMOCKA_LIBS)

if HAVE_PAM
# A module for libpam that does as it is told; -rpath is what makes libtool build it as a module.
check_LTLIBRARIES += %reldir%/pam_asks.la
%canon_reldir%_pam_asks_la_SOURCES = %reldir%/pam_asks.c
%canon_reldir%_pam_asks_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
%canon_reldir%_pam_asks_la_LIBADD = -lpam

unit_tests += %reldir%/test_pam
%canon_reldir%_test_pam_SOURCES = %reldir%/test_pam.c %reldir%/unit.h %reldir%/plugin_host.h
%canon_reldir%_test_pam_LDADD = libpamfactor.la $(CMOCKA_LIBS)
endif

unit_tests += %reldir%/test_record_state
%canon_reldir%_test_record_state_SOURCES = %reldir%/test_record_state.c %reldir%/unit.h
%canon_reldir%_test_record_state_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_record_state_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread $(CMOCKA_LIBS)

unit_tests += %reldir%/test_recovery
%canon_reldir%_test_recovery_SOURCES = %reldir%/test_recovery.c %reldir%/unit.h %reldir%/plugin_host.h
%canon_reldir%_test_recovery_LDADD = librecovery.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_totp
%canon_reldir%_test_totp_SOURCES = %reldir%/test_totp.c %reldir%/unit.h %reldir%/plugin_host.h
%canon_reldir%_test_totp_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_test_totp_LDADD = libtotp.la $(JANSSON_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_varlink
%canon_reldir%_test_varlink_SOURCES = %reldir%/test_varlink.c %reldir%/unit.h
%canon_reldir%_test_varlink_LDADD = libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_zone
%canon_reldir%_test_zone_SOURCES = %reldir%/test_zone.c %reldir%/unit.h
%canon_reldir%_test_zone_LDADD = libconfig.la libcore.la libbase.la $(CMOCKA_LIBS)

unit_tests += %reldir%/test_webauthn
%canon_reldir%_test_webauthn_SOURCES = %reldir%/test_webauthn.c %reldir%/unit.h %reldir%/plugin_host.h
%canon_reldir%_test_webauthn_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_test_webauthn_LDADD = libwebauthn.la libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la \
	$(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread $(JANSSON_LIBS) $(CMOCKA_LIBS)

unit_tests += %reldir%/test_webhook
%canon_reldir%_test_webhook_SOURCES = %reldir%/test_webhook.c %reldir%/unit.h %reldir%/plugin_host.h
%canon_reldir%_test_webhook_LDADD = libwebhook.la $(CMOCKA_LIBS)

# Of the interfaces, and of the sources themselves.
dist_check_SCRIPTS += %reldir%/test_interfaces.sh
TESTS += %reldir%/test_interfaces.sh
EXTRA_DIST += %reldir%/check_varlink.py
dist_check_SCRIPTS += %reldir%/check_core_symbols %reldir%/check_tidy
TESTS += %reldir%/check_core_symbols %reldir%/check_tidy

if HAVE_CMOCKA
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
else
TESTS += %reldir%/no_cmocka.sh
endif
EXTRA_DIST += %reldir%/no_cmocka.sh
