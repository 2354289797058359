/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of plugin.h, version 1, pinned: a plugin that was built last year must still load.
 * Members may be added at the end of a struct that begins with its size; nothing here may change.
 * Checked when this file is compiled.
 */

#include "countersign/plugin.h"
#include "tests/unit/unit.h"

#define PIN(type, member, at) \
	_Static_assert(offsetof(struct type, member) == (at), #type "." #member " moved")
/* Of a struct that may not grow, since it lies inside others or in arrays. */
#define PIN_SIZE(type, bytes) \
	_Static_assert(sizeof(struct type) == (bytes), "struct " #type " has another size")
#define PIN_VALUE(name, value) _Static_assert((name) == (value), #name " changed")

#if UINTPTR_MAX == 0xffffffffffffffffu

PIN(countersign_view, data, 0);
PIN(countersign_view, len, 8);
PIN_SIZE(countersign_view, 16);

PIN(countersign_buffer, data, 0);
PIN(countersign_buffer, cap, 8);
PIN(countersign_buffer, len, 16);
PIN_SIZE(countersign_buffer, 24);

PIN(countersign_config_key, name, 0);
PIN(countersign_config_key, type, 8);
PIN(countersign_config_key, flags, 12);
PIN(countersign_config_key, min, 16);
PIN(countersign_config_key, max, 24);
PIN(countersign_config_key, words, 32);
PIN(countersign_config_key, default_value, 40);
PIN(countersign_config_key, help, 48);
PIN_SIZE(countersign_config_key, 56);

PIN(countersign_http_request, size, 0);
PIN(countersign_http_request, url, 8);
PIN(countersign_http_request, accept, 24);
PIN(countersign_http_request, authorization, 40);
PIN(countersign_http_request, content_type, 56);
PIN(countersign_http_request, body, 72);
PIN(countersign_http_request, timeout_ms, 88);
PIN(countersign_http_request, headers, 96);
PIN(countersign_http_request, headers_count, 104);
PIN(countersign_http_request, method, 112);
PIN(countersign_http_request, shows_certificate, 128);
PIN(countersign_http_request, reserved, 132);

PIN(countersign_header, name, 0);
PIN(countersign_header, value, 16);
PIN_SIZE(countersign_header, 32);

PIN(countersign_http_response, size, 0);
PIN(countersign_http_response, status, 8);
PIN(countersign_http_response, body, 16);

PIN(countersign_host_v1, size, 0);
PIN(countersign_host_v1, abi, 8);
PIN(countersign_host_v1, reserved, 12);
PIN(countersign_host_v1, context, 16);
PIN(countersign_host_v1, log, 24);
PIN(countersign_host_v1, wall_ms, 32);
PIN(countersign_host_v1, boot_ms, 40);
PIN(countersign_host_v1, random, 48);
PIN(countersign_host_v1, http, 56);
PIN(countersign_host_v1, config_count, 64);
PIN(countersign_host_v1, config_text, 72);
PIN(countersign_host_v1, config_int, 80);
PIN(countersign_host_v1, config_secret, 88);
PIN(countersign_host_v1, scratch, 96);

PIN(countersign_call, request, 0);
PIN(countersign_call, now_ms, 16);
PIN(countersign_call, deadline_boot_ms, 24);
PIN_SIZE(countersign_call, 32);

PIN(countersign_authorize, size, 0);
PIN(countersign_authorize, call, 8);
PIN(countersign_authorize, state, 40);
PIN(countersign_authorize, nonce, 56);
PIN(countersign_authorize, code_challenge, 72);
PIN(countersign_authorize, redirect_uri, 88);
PIN(countersign_authorize, client_id, 104);

PIN(countersign_authorize_answer, size, 0);
PIN(countersign_authorize_answer, request, 8);
PIN(countersign_authorize_answer, url, 32);

PIN(countersign_identify, size, 0);
PIN(countersign_identify, call, 8);
PIN(countersign_identify, nonce, 40);
PIN(countersign_identify, client_ids, 56);
PIN(countersign_identify, client_ids_count, 64);
PIN(countersign_identify, id_token, 72);
PIN(countersign_identify, code, 88);
PIN(countersign_identify, code_verifier, 104);
PIN(countersign_identify, redirect_uri, 120);
PIN(countersign_identify, iss, 136);

PIN(countersign_identity, size, 0);
PIN(countersign_identity, request, 8);
PIN(countersign_identity, issuer, 32);
PIN(countersign_identity, subject, 56);
PIN(countersign_identity, audience, 80);
PIN(countersign_identity, nonce, 104);
PIN(countersign_identity, display, 128);
PIN(countersign_identity, auth_time_ms, 152);
PIN(countersign_identity, issued_at_ms, 160);
PIN(countersign_identity, expires_at_ms, 168);
PIN(countersign_identity, was_issuer, 176);
PIN(countersign_identity, was_subject, 200);
PIN(countersign_identity, evidence, 224);

PIN(countersign_signal, size, 0);
PIN(countersign_signal, call, 8);
PIN(countersign_signal, body, 40);
PIN(countersign_signal, content_type, 56);
PIN(countersign_signal, authorization, 72);
PIN(countersign_signal, client_ids, 88);
PIN(countersign_signal, client_ids_count, 96);

PIN(countersign_security_event, name, 0);
PIN(countersign_security_event, issuer, 24);
PIN(countersign_security_event, subject, 48);
PIN(countersign_security_event, detail, 72);
PIN(countersign_security_event, at_ms, 96);
PIN_SIZE(countersign_security_event, 104);

PIN(countersign_signal_answer, size, 0);
PIN(countersign_signal_answer, request, 8);
PIN(countersign_signal_answer, issuer, 32);
PIN(countersign_signal_answer, id, 56);
PIN(countersign_signal_answer, audience, 80);
PIN(countersign_signal_answer, state, 104);
PIN(countersign_signal_answer, issued_at_ms, 128);
PIN(countersign_signal_answer, events, 136);
PIN(countersign_signal_answer, events_count, 552);

PIN(countersign_poll, size, 0);
PIN(countersign_poll, call, 8);
PIN(countersign_poll, taken, 40);
PIN(countersign_poll, taken_count, 48);
PIN(countersign_poll, refused, 56);
PIN(countersign_poll, refused_count, 64);

PIN(countersign_poll_answer, size, 0);
PIN(countersign_poll_answer, request, 8);
PIN(countersign_poll_answer, ids, 32);
PIN(countersign_poll_answer, sets, 128);
PIN(countersign_poll_answer, sets_count, 224);
PIN(countersign_poll_answer, more, 232);
PIN(countersign_poll_answer, reserved, 236);

PIN(countersign_stream, size, 0);
PIN(countersign_stream, call, 8);
PIN(countersign_stream, action, 40);
PIN(countersign_stream, reserved, 44);
PIN(countersign_stream, endpoint, 48);
PIN(countersign_stream, state, 64);

PIN(countersign_stream_answer, size, 0);
PIN(countersign_stream_answer, request, 8);
PIN(countersign_stream_answer, document, 32);

PIN(countersign_rekey, size, 0);
PIN(countersign_rekey, call, 8);
PIN(countersign_rekey, issuer, 40);
PIN(countersign_rekey, subject, 56);
PIN(countersign_rekey, proof, 72);
PIN(countersign_rekey, client_id, 88);

PIN(countersign_rekey_answer, size, 0);
PIN(countersign_rekey_answer, request, 8);
PIN(countersign_rekey_answer, issuer, 32);
PIN(countersign_rekey_answer, subject, 56);

PIN(countersign_provider_v1, size, 0);
PIN(countersign_provider_v1, authorization_url, 8);
PIN(countersign_provider_v1, identify, 16);
PIN(countersign_provider_v1, signal, 24);
PIN(countersign_provider_v1, poll, 32);
PIN(countersign_provider_v1, stream, 40);
PIN(countersign_provider_v1, rekey, 48);

PIN(countersign_step, kind, 0);
PIN(countersign_step, digits, 4);
PIN(countersign_step, value, 8);
PIN_SIZE(countersign_step, 32);

PIN(countersign_enrol, size, 0);
PIN(countersign_enrol, call, 8);
PIN(countersign_enrol, account_hint, 40);
PIN(countersign_enrol, issuer, 56);
PIN(countersign_enrol, address, 72);
PIN(countersign_enrol, language, 88);

PIN(countersign_enrol_answer, size, 0);
PIN(countersign_enrol_answer, request, 8);
PIN(countersign_enrol_answer, secret, 32);
PIN(countersign_enrol_answer, steps, 56);
PIN(countersign_enrol_answer, steps_count, 184);

PIN(countersign_verify, size, 0);
PIN(countersign_verify, call, 8);
PIN(countersign_verify, secret, 40);
PIN(countersign_verify, answer, 56);
PIN(countersign_verify, last_step, 72);
PIN(countersign_verify, challenge, 80);
PIN(countersign_verify, operation, 96);
PIN(countersign_verify, state, 112);
PIN(countersign_verify, card, 128);

PIN(countersign_verify_answer, size, 0);
PIN(countersign_verify_answer, request, 8);
PIN(countersign_verify_answer, verdict, 32);
PIN(countersign_verify_answer, reserved, 36);
PIN(countersign_verify_answer, step, 40);
PIN(countersign_verify_answer, secret, 48);
PIN(countersign_verify_answer, rests_on, 72);
PIN(countersign_verify_answer, state, 96);
PIN(countersign_verify_answer, steps, 120);
PIN(countersign_verify_answer, steps_count, 248);

PIN(countersign_begin, size, 0);
PIN(countersign_begin, call, 8);
PIN(countersign_begin, secret, 40);
PIN(countersign_begin, challenge, 56);
PIN(countersign_begin, operation, 72);
PIN(countersign_begin, card, 88);
PIN(countersign_begin, language, 104);
PIN(countersign_begin, state, 120);
PIN(countersign_begin, number, 136);
PIN(countersign_begin, reserved, 140);

PIN(countersign_begin_answer, size, 0);
PIN(countersign_begin_answer, request, 8);
PIN(countersign_begin_answer, state, 32);
PIN(countersign_begin_answer, destination, 56);
PIN(countersign_begin_answer, steps, 80);
PIN(countersign_begin_answer, steps_count, 208);
PIN(countersign_begin_answer, expires_ms, 216);

PIN(countersign_tell, size, 0);
PIN(countersign_tell, call, 8);
PIN(countersign_tell, secret, 40);
PIN(countersign_tell, message, 56);
PIN(countersign_tell, language, 72);

PIN(countersign_tell_answer, size, 0);
PIN(countersign_tell_answer, request, 8);

PIN(countersign_factor_v1, size, 0);
PIN(countersign_factor_v1, kind, 8);
PIN(countersign_factor_v1, enrol, 16);
PIN(countersign_factor_v1, verify, 24);
PIN(countersign_factor_v1, begin, 32);
PIN(countersign_factor_v1, tell, 40);

PIN(countersign_assess, size, 0);
PIN(countersign_assess, call, 8);
PIN(countersign_assess, service, 40);
PIN(countersign_assess, operation, 56);
PIN(countersign_assess, provider, 72);
PIN(countersign_assess, account, 88);
PIN(countersign_assess, currency, 104);
PIN(countersign_assess, payee, 120);
PIN(countersign_assess, ip, 136);
PIN(countersign_assess, device, 152);
PIN(countersign_assess, amount_minor, 168);
PIN(countersign_assess, currency_digits, 176);
PIN(countersign_assess, factors, 180);
PIN(countersign_assess, account_age_ms, 184);
PIN(countersign_assess, link_age_ms, 192);
PIN(countersign_assess, session_age_ms, 200);

PIN(countersign_assessment, size, 0);
PIN(countersign_assessment, request, 8);
PIN(countersign_assessment, reason, 32);
PIN(countersign_assessment, score, 56);
PIN(countersign_assessment, reserved, 60);

PIN(countersign_risk_v1, size, 0);
PIN(countersign_risk_v1, assess, 8);

PIN(countersign_deliver, size, 0);
PIN(countersign_deliver, call, 8);
PIN(countersign_deliver, id, 40);
PIN(countersign_deliver, document, 56);

PIN(countersign_delivery, size, 0);
PIN(countersign_delivery, request, 8);

PIN(countersign_notify_v1, size, 0);
PIN(countersign_notify_v1, deliver, 8);

PIN(countersign_token, size, 0);
PIN(countersign_token, call, 8);
PIN(countersign_token, token, 40);
PIN(countersign_token, scheme, 56);
PIN(countersign_token, proof, 72);
PIN(countersign_token, method, 88);
PIN(countersign_token, url, 104);
PIN(countersign_token, certificate, 120);

PIN(countersign_token_answer, size, 0);
PIN(countersign_token_answer, request, 8);
PIN(countersign_token_answer, issuer, 32);
PIN(countersign_token_answer, client, 56);
PIN(countersign_token_answer, proof_id, 80);
PIN(countersign_token_answer, proof_at_ms, 104);
PIN(countersign_token_answer, expires_at_ms, 112);
PIN(countersign_token_answer, cache_until_ms, 120);

PIN(countersign_token_v1, size, 0);
PIN(countersign_token_v1, check, 8);

PIN(countersign_profile, size, 0);
PIN(countersign_profile, assurance, 8);
PIN(countersign_profile, reserved, 12);
PIN(countersign_profile, controls, 16);
PIN(countersign_profile, code_parameter, 24);

PIN(countersign_plugin_v1, size, 0);
PIN(countersign_plugin_v1, abi, 8);
PIN(countersign_plugin_v1, kinds, 12);
PIN(countersign_plugin_v1, flags, 16);
PIN(countersign_plugin_v1, config_count, 20);
PIN(countersign_plugin_v1, config_key_size, 24);
PIN(countersign_plugin_v1, config, 32);
PIN(countersign_plugin_v1, name, 40);
PIN(countersign_plugin_v1, version, 48);
PIN(countersign_plugin_v1, help, 56);
PIN(countersign_plugin_v1, self_test, 64);
PIN(countersign_plugin_v1, init, 72);
PIN(countersign_plugin_v1, fini, 80);
PIN(countersign_plugin_v1, profile, 88);
PIN(countersign_plugin_v1, provider, 96);
PIN(countersign_plugin_v1, factor, 104);
PIN(countersign_plugin_v1, risk, 112);
PIN(countersign_plugin_v1, notify, 120);
PIN(countersign_plugin_v1, token, 128);
#endif

PIN_VALUE(COUNTERSIGN_KIND_PROVIDER, 1);
PIN_VALUE(COUNTERSIGN_KIND_FACTOR, 2);
PIN_VALUE(COUNTERSIGN_KIND_RISK, 4);
PIN_VALUE(COUNTERSIGN_KIND_NOTIFY, 8);
PIN_VALUE(COUNTERSIGN_USES_HTTP, 1);
PIN_VALUE(COUNTERSIGN_SENDS, 2);
PIN_VALUE(COUNTERSIGN_STARTS_PROCESSES, 4);
PIN_VALUE(COUNTERSIGN_OK, 0);
PIN_VALUE(COUNTERSIGN_BAD_SIGNATURE, 1);
PIN_VALUE(COUNTERSIGN_BAD_ISSUER, 2);
PIN_VALUE(COUNTERSIGN_BAD_AUDIENCE, 3);
PIN_VALUE(COUNTERSIGN_BAD_NONCE, 4);
PIN_VALUE(COUNTERSIGN_EXPIRED, 5);
PIN_VALUE(COUNTERSIGN_NOT_YET_VALID, 6);
PIN_VALUE(COUNTERSIGN_BAD_ALGORITHM, 7);
PIN_VALUE(COUNTERSIGN_BAD_KEY, 8);
PIN_VALUE(COUNTERSIGN_BAD_TYPE, 9);
PIN_VALUE(COUNTERSIGN_BAD_TOKEN, 10);
PIN_VALUE(COUNTERSIGN_BAD_CODE, 11);
PIN_VALUE(COUNTERSIGN_BAD_STATE, 12);
PIN_VALUE(COUNTERSIGN_PROVIDER_ERROR, 13);
PIN_VALUE(COUNTERSIGN_UNREACHABLE, 64);
PIN_VALUE(COUNTERSIGN_TOO_LATE, 65);
PIN_VALUE(COUNTERSIGN_FULL, 66);
PIN_VALUE(COUNTERSIGN_INVALID, 67);
PIN_VALUE(COUNTERSIGN_INTERNAL, 68);
PIN_VALUE(COUNTERSIGN_CONFIG_STRING, 1);
PIN_VALUE(COUNTERSIGN_CONFIG_INT, 2);
PIN_VALUE(COUNTERSIGN_CONFIG_BOOL, 3);
PIN_VALUE(COUNTERSIGN_CONFIG_WORD, 4);
PIN_VALUE(COUNTERSIGN_CONFIG_URL, 5);
PIN_VALUE(COUNTERSIGN_CONFIG_SECRET, 6);
PIN_VALUE(COUNTERSIGN_CONFIG_REQUIRED, 1);
PIN_VALUE(COUNTERSIGN_CONFIG_MANY, 2);
PIN_VALUE(COUNTERSIGN_LOG_ERROR, 0);
PIN_VALUE(COUNTERSIGN_LOG_WARN, 1);
PIN_VALUE(COUNTERSIGN_LOG_INFO, 2);
PIN_VALUE(COUNTERSIGN_LOG_DEBUG, 3);
PIN_VALUE(COUNTERSIGN_STEP_SHOW, 1);
PIN_VALUE(COUNTERSIGN_STEP_CODE, 2);
PIN_VALUE(COUNTERSIGN_STEP_PASSKEY, 3);
PIN_VALUE(COUNTERSIGN_STEP_TEXT, 4);
PIN_VALUE(COUNTERSIGN_STEP_SECRET, 5);
PIN_VALUE(COUNTERSIGN_STEP_CHOICE, 6);
PIN_VALUE(COUNTERSIGN_STEP_APPROVE, 7);
PIN_VALUE(COUNTERSIGN_WRONG, 0);
PIN_VALUE(COUNTERSIGN_RIGHT, 1);
PIN_VALUE(COUNTERSIGN_MORE, 2);
PIN_VALUE(COUNTERSIGN_STABLE_SUBJECT, 1);
PIN_VALUE(COUNTERSIGN_HONOURS_MAX_AGE, 2);
PIN_VALUE(COUNTERSIGN_VERIFIED_EMAIL, 4);
PIN_VALUE(COUNTERSIGN_SENDS_SIGNALS, 8);
PIN_VALUE(COUNTERSIGN_SYNCS_SECRETS, 16);
PIN_VALUE(COUNTERSIGN_PLUGIN_ABI, 1);
PIN_VALUE(COUNTERSIGN_STEPS_MAX, 4);
PIN_VALUE(COUNTERSIGN_STEP_VALUE_MAX, 2048);
PIN_VALUE(COUNTERSIGN_CHOICES_MAX, 16);
PIN_VALUE(COUNTERSIGN_STATE_MAX, 1024);
PIN_VALUE(COUNTERSIGN_DESTINATION_MAX, 128);
PIN_VALUE(COUNTERSIGN_RESTS_ON_MAX, 512);
PIN_VALUE(COUNTERSIGN_RESTS_ON_LINES, 8);
PIN_VALUE(COUNTERSIGN_CLIENT_IDS_MAX, 16);
PIN_VALUE(COUNTERSIGN_SCORE_MAX, 100);
PIN_VALUE(COUNTERSIGN_HEADERS_MAX, 8);
PIN_VALUE(COUNTERSIGN_REASON_MAX, 32);
PIN_VALUE(COUNTERSIGN_KIND_TOKEN, 16);
PIN_VALUE(COUNTERSIGN_BAD_ADDRESS, 14);
PIN_VALUE(COUNTERSIGN_BAD_BINDING, 15);
PIN_VALUE(COUNTERSIGN_REVOKED, 16);
PIN_VALUE(COUNTERSIGN_EVIDENCE_LINES, 4);
PIN_VALUE(COUNTERSIGN_EVIDENCE_MAX, 1280);
PIN_VALUE(COUNTERSIGN_SIGNAL_MAX, 16384);
PIN_VALUE(COUNTERSIGN_SIGNAL_EVENTS, 4);
PIN_VALUE(COUNTERSIGN_SETS_MAX, 4);
PIN_VALUE(COUNTERSIGN_SET_MAX, 12288);
PIN_VALUE(COUNTERSIGN_STREAM_MAX, 4096);
PIN_VALUE(COUNTERSIGN_STREAM_STATUS, 1);
PIN_VALUE(COUNTERSIGN_STREAM_CREATE, 2);
PIN_VALUE(COUNTERSIGN_STREAM_VERIFY, 3);
PIN_VALUE(COUNTERSIGN_STREAM_DELETE, 4);
PIN_VALUE(COUNTERSIGN_CODE_ALONE, 32);

/* What the macro for appended members answers, at the boundary. */
static void
test_has(void **state)
{
	struct countersign_host_v1 host = {.size = offsetof(struct countersign_host_v1, scratch)};

	(void)state;
	assert_true(COUNTERSIGN_HAS(&host, struct countersign_host_v1, config_secret));
	assert_false(COUNTERSIGN_HAS(&host, struct countersign_host_v1, scratch));
	host.size = sizeof(host);
	assert_true(COUNTERSIGN_HAS(&host, struct countersign_host_v1, scratch));
}

static void
test_put_is_all_or_nothing(void **state)
{
	char memory[4] = "abc";
	struct countersign_buffer b = {memory, 3, 0};

	(void)state;
	assert_int_equal(countersign_put(&b, "1234", 4), COUNTERSIGN_FULL);
	assert_string_equal(memory, "abc");
	assert_int_equal(countersign_put(&b, "123", 3), COUNTERSIGN_OK);
	assert_int_equal(b.len, 3);
	assert_string_equal(memory, "123");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_put_is_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
