/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker lets through of what a plugin answers to Signal, Poll, Stream, Rekey, CheckToken and Identify: each
 * thing that plugin.h forbids is garbage, and ends the process; what it allows arrives whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/base64url.h"
#include "broker/base/bytes.h"
#include "broker/worker/calls.h"
#include "tests/unit/unit.h"

/* What the plugin answers next: set by each test. */
static struct answers {
	const char *name, *issuer, *subject, *detail, *document, *was_issuer, *was_subject, *evidence, *nonce;
	size_t events, sets, set_len, body_len, wrote;
	int more;
	int64_t expires_ms, cache_ms, proof_ms;
	const char *proof;
	const char *code_parameter;
} say;

static void
put(struct countersign_buffer *to, const char *text)
{
	if (text != NULL)
		assert_int_equal(countersign_put(to, text, strlen(text)), COUNTERSIGN_OK);
}

static void
repeat(const struct countersign_call *call, struct countersign_buffer *request)
{
	assert_int_equal(countersign_put(request, call->request.data, call->request.len), COUNTERSIGN_OK);
}

static int
on_signal(void *instance, const struct countersign_signal *in, struct countersign_signal_answer *out)
{
	(void)instance;
	repeat(&in->call, &out->request);
	put(&out->issuer, "https://p.test");
	put(&out->id, "j1");
	assert_int_equal(countersign_put(&out->audience, in->client_ids[1].data, in->client_ids[1].len), COUNTERSIGN_OK);
	say.body_len = in->body.len;
	if (in->body.len <= out->state.cap)
		assert_int_equal(countersign_put(&out->state, in->body.data, in->body.len), COUNTERSIGN_OK);
	out->events_count = say.events;
	for (size_t i = 0; i < say.events && i < COUNTERSIGN_SIGNAL_EVENTS; i++) {
		put(&out->events[i].name, say.name);
		put(&out->events[i].issuer, say.issuer);
		put(&out->events[i].subject, say.subject);
		put(&out->events[i].detail, say.detail);
		out->events[i].at_ms = 7;
	}
	out->issued_at_ms = 9;
	return COUNTERSIGN_OK;
}

static int
on_poll(void *instance, const struct countersign_poll *in, struct countersign_poll_answer *out)
{
	static char set[COUNTERSIGN_SET_MAX];

	(void)instance;
	repeat(&in->call, &out->request);
	memset(set, 'a', sizeof(set));
	for (size_t i = 0; i < say.sets && i < COUNTERSIGN_SETS_MAX; i++) {
		char id[8];

		snprintf(id, sizeof(id), "%zu", i);
		put(&out->ids[i], id);
		assert_int_equal(countersign_put(&out->sets[i], set, say.set_len), COUNTERSIGN_OK);
	}
	out->sets_count = say.sets;
	out->more = say.more;
	return COUNTERSIGN_OK;
}

static int
on_stream(void *instance, const struct countersign_stream *in, struct countersign_stream_answer *out)
{
	(void)instance;
	repeat(&in->call, &out->request);
	put(&out->document, say.document);
	return COUNTERSIGN_OK;
}

static int
on_rekey(void *instance, const struct countersign_rekey *in, struct countersign_rekey_answer *out)
{
	(void)instance;
	repeat(&in->call, &out->request);
	put(&out->issuer, say.issuer);
	put(&out->subject, say.subject);
	return COUNTERSIGN_OK;
}

static int
on_identify(void *instance, const struct countersign_identify *in, struct countersign_identity *out)
{
	(void)instance;
	repeat(&in->call, &out->request);
	put(&out->issuer, "i");
	put(&out->subject, "s");
	put(&out->audience, "a");
	put(&out->nonce, say.nonce);
	put(&out->was_issuer, say.was_issuer);
	put(&out->was_subject, say.was_subject);
	put(&out->evidence, say.evidence);
	return COUNTERSIGN_OK;
}

static int
on_check(void *instance, const struct countersign_token *in, struct countersign_token_answer *out)
{
	(void)instance;
	repeat(&in->call, &out->request);
	put(&out->issuer, "i");
	put(&out->client, say.subject);
	put(&out->proof_id, say.proof);
	out->proof_at_ms = say.proof_ms;
	out->expires_at_ms = say.expires_ms;
	out->cache_until_ms = say.cache_ms;
	return COUNTERSIGN_OK;
}

static int
on_profile(void *instance, struct countersign_profile *p)
{
	(void)instance;
	p->assurance = COUNTERSIGN_CODE_ALONE;
	p->code_parameter = say.code_parameter;
	return COUNTERSIGN_OK;
}

static void
no_deadline(void *context, int64_t deadline_boot_ms)
{
	(void)context, (void)deadline_boot_ms;
}

/* Whether the reply has this text in it; "garbage" ends the process, and nothing else does. */
static bool
replies(const char *method, const char *parameters, const char *expected)
{
	static const struct countersign_provider_v1 provider = {.size = sizeof(provider), .identify = on_identify,
	    .signal = on_signal, .poll = on_poll, .stream = on_stream, .rekey = on_rekey};
	static const struct countersign_token_v1 token = {sizeof(token), on_check};
	static const struct countersign_plugin_v1 plugin = {.size = sizeof(plugin), .abi = COUNTERSIGN_PLUGIN_ABI,
	    .kinds = COUNTERSIGN_KIND_PROVIDER | COUNTERSIGN_KIND_TOKEN, .name = "test", .version = "1", .help = "",
	    .profile = on_profile, .provider = &provider, .token = &token};
	static const struct settings settings = {.name = "test", .deadline_ms = 1000};
	static struct host host;
	struct calls calls = {.host = &host, .plugin = &plugin, .settings = &settings, .deadline = no_deadline};
	char *text = malloc(VARLINK_MESSAGE_MAX + 1);
	struct bytes out;
	bool found;
	int n;

	assert_non_null(text);
	n = snprintf(text, VARLINK_MESSAGE_MAX, "{\"method\":\"org.countersign.Worker.%s\",\"parameters\":{\"deadline_ms\":9,"
	    "\"request\":\"r\"%s%s}}", method, strcmp(method, "Describe") == 0 ? "" : ",\"now_ms\":1", parameters);
	assert_true(n > 0 && n < VARLINK_MESSAGE_MAX);
	host_init(&host, &plugin, &settings, NULL);
	bytes_init(&out, 2 * VARLINK_MESSAGE_MAX);
	calls_answer(&calls, text, (size_t)n, &out.buf);
	say.wrote = out.buf.len;
	assert_true(out.buf.len > 0 && out.buf.data[out.buf.len - 1] == '\0');
	found = strstr((const char *)out.buf.data, expected) != NULL;
	if (!found)
		print_message("%s\nlacks %s\n", (const char *)out.buf.data, expected);
	assert_true(calls.broken == (strstr((const char *)out.buf.data, "\"garbage\"") != NULL));
	bytes_clear(&out);
	free(text);
	return found;
}

#define SIGNAL ",\"body\":\"aGk\",\"client_ids\":[\"web\",\"app\"]"

static void
test_signals(void **state)
{
	static const char *const names[] = {"", "Session", "a_b", "a b", "a\n",
	    "01234567890123456789012345678901234567890123456789012345678901234"};

	(void)state;
	say = (struct answers){.events = 1, .name = "account-disabled", .issuer = "https://p.test", .subject = "alice",
	    .detail = "hijacking"};
	assert_true(replies("Signal", SIGNAL, "\"issuer\":\"https://p.test\",\"id\":\"j1\",\"audience\":\"app\",\"state\":\"hi\","
	    "\"issued_at\":9,\"events\":[{\"name\":\"account-disabled\",\"issuer\":\"https://p.test\",\"subject\":\"alice\","
	    "\"detail\":\"hijacking\",\"at\":7}]"));
	say.subject = say.issuer = say.detail = NULL;
	assert_true(replies("Signal", SIGNAL, "\"events\":[{\"name\":\"account-disabled\",\"at\":7}]"));
	say.events = COUNTERSIGN_SIGNAL_EVENTS;
	assert_true(replies("Signal", SIGNAL, "\"at\":7}]"));
	say.events = COUNTERSIGN_SIGNAL_EVENTS + 1;
	assert_true(replies("Signal", SIGNAL, "garbage"));
	say.events = 0;
	assert_true(replies("Signal", SIGNAL, "\"events\":[]"));
	say.events = 1;
	say.subject = "alice";
	assert_true(replies("Signal", SIGNAL, "garbage"));
	say.subject = NULL;
	for (size_t i = 1; i < sizeof(names) / sizeof(names[0]) - 1; i++) {
		say.name = names[i];
		assert_true(replies("Signal", SIGNAL, "garbage"));
	}
	say.name = NULL;
	assert_true(replies("Signal", SIGNAL, "garbage"));
	assert_true(replies("Signal", ",\"body\":\"aGk\",\"client_ids\":[]", "client_ids"));
	assert_true(replies("Signal", ",\"body\":\"a+k\",\"client_ids\":[\"a\",\"b\"]", "\"invalid\""));
	assert_true(replies("Signal", ",\"body\":\"aGk\",\"client_ids\":[\"a\",2]", "\"invalid\""));
}

/* The longest body there may be arrives; one byte more does not. */
static void
test_the_longest_signal(void **state)
{
	static uint8_t body[COUNTERSIGN_SIGNAL_MAX + 1];
	static char text[BASE64URL_LEN(sizeof(body)) + 1], parameters[sizeof(text) + 64];

	(void)state;
	say = (struct answers){.events = 0};
	for (size_t more = 0; more < 2; more++) {
		size_t len = base64url_encode(body, COUNTERSIGN_SIGNAL_MAX + more, text);

		text[len] = '\0';
		say.body_len = 0;
		snprintf(parameters, sizeof(parameters), ",\"client_ids\":[\"a\",\"b\"],\"body\":\"%s\"", text);
		assert_true(replies("Signal", parameters, more == 0 ? "\"events\":[]" : "\"invalid\""));
		assert_int_equal(say.body_len, more == 0 ? COUNTERSIGN_SIGNAL_MAX : 0);
	}
}

static void
test_polls(void **state)
{
	(void)state;
	say = (struct answers){.sets = 1, .set_len = 3};
	assert_true(replies("Poll", ",\"taken\":[\"1\"],\"refused\":[]", "\"sets\":[{\"id\":\"0\",\"set\":\"YWFh\"}],\"more\":false"));
	say.more = 1;
	assert_true(replies("Poll", ",\"taken\":[],\"refused\":[\"2\"]", "\"more\":true"));
	say.more = 2;
	assert_true(replies("Poll", ",\"taken\":[],\"refused\":[]", "garbage"));
	say.more = 0;
	say.set_len = 0;
	assert_true(replies("Poll", ",\"taken\":[],\"refused\":[]", "garbage"));
	say.set_len = 1;
	say.sets = COUNTERSIGN_SETS_MAX + 1;
	assert_true(replies("Poll", ",\"taken\":[],\"refused\":[]", "garbage"));
	assert_true(replies("Poll", ",\"taken\":[\"\"],\"refused\":[]", "\"invalid\""));
}

/* Four of the longest are more than one message: the last waits for the next poll, and is not lost. */
static void
test_a_poll_fits_one_message(void **state)
{
	(void)state;
	say = (struct answers){.sets = COUNTERSIGN_SETS_MAX, .set_len = COUNTERSIGN_SET_MAX};
	assert_true(replies("Poll", ",\"taken\":[],\"refused\":[]", "\"id\":\"2\""));
	assert_true(say.wrote <= VARLINK_MESSAGE_MAX);
	assert_true(replies("Poll", ",\"taken\":[],\"refused\":[]", "\"more\":true"));
	assert_false(replies("Poll", ",\"taken\":[],\"refused\":[]", "\"id\":\"3\""));
}

static void
test_streams(void **state)
{
	static const char *const wrong[] = {"", "[]", "{", "{} ,", "1", "{\"a\":1,\"a\":2}"};

	(void)state;
	say = (struct answers){.document = "{\"status\": \"enabled\"}"};
	assert_true(replies("Stream", ",\"action\":\"status\"", "\"document\":\"{\\\"status\\\": \\\"enabled\\\"}\""));
	assert_true(replies("Stream", ",\"action\":\"create\",\"endpoint\":\"https://x\"", "enabled"));
	assert_true(replies("Stream", ",\"action\":\"verify\",\"state\":\"s\"", "enabled"));
	assert_true(replies("Stream", ",\"action\":\"delete\"", "enabled"));
	assert_true(replies("Stream", ",\"action\":\"drop\"", "\"invalid\""));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		say.document = wrong[i];
		assert_true(replies("Stream", ",\"action\":\"status\"", "garbage"));
	}
}

static void
test_rekeys(void **state)
{
	static const char asked[] = ",\"issuer\":\"i\",\"subject\":\"s\",\"proof\":\"t\",\"client_id\":\"web\"";

	(void)state;
	say = (struct answers){.issuer = "https://p.test", .subject = "new"};
	assert_true(replies("Rekey", asked, "\"issuer\":\"https://p.test\",\"subject\":\"new\""));
	say.subject = NULL;
	assert_true(replies("Rekey", asked, "garbage"));
	say.subject = "a\nb";
	assert_true(replies("Rekey", asked, "garbage"));
}

static void
test_tokens(void **state)
{
	static const char asked[] = ",\"token\":\"t\",\"scheme\":\"Bearer\",\"method\":\"POST\",\"url\":\"https://x\"";

	(void)state;
	say = (struct answers){.subject = "shop", .expires_ms = 9, .cache_ms = 9};
	assert_true(replies("CheckToken", asked, "\"client\":\"shop\",\"expires_at\":9,\"cache_until\":9"));
	say.cache_ms = 0;
	say.proof = "j";
	say.proof_ms = 3;
	assert_true(replies("CheckToken", asked, "\"proof_id\":\"j\",\"proof_at\":3,\"expires_at\":9}"));
	say.proof_ms = 0;
	assert_true(replies("CheckToken", asked, "garbage"));
	say.proof = NULL;
	say.cache_ms = 10;
	assert_true(replies("CheckToken", asked, "garbage"));
	say.cache_ms = 0;
	say.expires_ms = -1;
	assert_true(replies("CheckToken", asked, "garbage"));
	say.expires_ms = 1;
	say.subject = NULL;
	assert_true(replies("CheckToken", asked, "garbage"));
	say.subject = "shop";
	assert_true(replies("CheckToken", ",\"token\":\"t\",\"scheme\":\"bearer\",\"method\":\"POST\",\"url\":\"https://x\"", "\"invalid\""));
}

static void
test_identities(void **state)
{
	static const char asked[] = ",\"nonce\":\"n\",\"client_ids\":[\"a\"],\"code\":\"c\"";
	static const char *const wrong[] = {"phone", "phone ", "phone x", "phone 1 ", "Phone 1", " 1", "phone 123456789012", "phone 1\n",
	    "phone -1", "phone 1\tx", "a 1\na 1\na 1\na 1\na 1"};

	(void)state;
	say = (struct answers){.was_issuer = "i2", .was_subject = "s2", .evidence = "phone 1731000000 +8613812345678\nemail 0"};
	assert_true(replies("Identify", asked, "\"nonce\":\"\""));
	assert_true(replies("Identify", asked, "\"was_issuer\":\"i2\",\"was_subject\":\"s2\","
	    "\"evidence\":[\"phone 1731000000 +8613812345678\",\"email 0\"]"));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		say.evidence = wrong[i];
		assert_true(replies("Identify", asked, "garbage"));
	}
	say.evidence = NULL;
	say.was_issuer = NULL;
	assert_true(replies("Identify", asked, "garbage"));
	say.was_issuer = "i";
	say.was_subject = NULL;
	assert_true(replies("Identify", asked, "garbage"));
}

static void
test_what_it_says_of_itself(void **state)
{
	(void)state;
	say = (struct answers){.code_parameter = "auth_code"};
	assert_true(replies("Describe", "", "\"code_alone\":true,\"code_parameter\":\"auth_code\",\"signals\":true,\"polls\":true,"
	    "\"streams\":true,\"rekeys\":true"));
	say.code_parameter = "auth code";
	assert_true(replies("Describe", "", "garbage"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_signals),
	    cmocka_unit_test(test_the_longest_signal),
	    cmocka_unit_test(test_polls),
	    cmocka_unit_test(test_a_poll_fits_one_message),
	    cmocka_unit_test(test_streams),
	    cmocka_unit_test(test_rekeys),
	    cmocka_unit_test(test_tokens),
	    cmocka_unit_test(test_identities),
	    cmocka_unit_test(test_what_it_says_of_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
