/* SPDX-License-Identifier: Apache-2.0 */
/* The provider wechat without a network: what answers mean, settings, an older broker. */
#include "plugins/lib/encoding.h"
#include "plugins/wechat/answer.h"
#include "tests/unit/unit.h"

#include <stdio.h>

#include "tests/unit/plugin_host.h"

static struct countersign_view
of(const char *text)
{
	return countersign_view_of(text);
}

static void
what_answers_mean(void **state)
{
	static const struct {
		const char *text;
		int result;
		int64_t errcode;
	} cases[] = {
		{"{\"openid\":\"o6_bmjrPTlm6_2sgVt7hMZOPfL2M\"}", COUNTERSIGN_OK, 0},
		{"{\"errcode\":0,\"openid\":\"o\",\"unionid\":\"u\"}", COUNTERSIGN_OK, 0},
		{"{\"errcode\":40029,\"errmsg\":\"invalid code\"}", COUNTERSIGN_BAD_CODE, 40029},
		{"{\"errcode\":40163}", COUNTERSIGN_BAD_CODE, 40163},
		{"{\"errcode\":-1}", COUNTERSIGN_UNREACHABLE, -1},
		{"{\"errcode\":40125,\"openid\":\"o\"}", COUNTERSIGN_PROVIDER_ERROR, 40125},
		{"{\"errcode\":\"0\",\"openid\":\"o\"}", COUNTERSIGN_PROVIDER_ERROR, 0},
		{"{\"errcode\":0.0,\"openid\":\"o\"}", COUNTERSIGN_PROVIDER_ERROR, 0},
		{"{\"errcode\":null,\"openid\":\"o\"}", COUNTERSIGN_PROVIDER_ERROR, 0},
		{"{\"openid\":\"o\",\"unionid\":null}", COUNTERSIGN_PROVIDER_ERROR, 0},
		{"{\"openid\":\"o\",\"unionid\":\"\"}", COUNTERSIGN_PROVIDER_ERROR, 0},
		{"{\"openid\":\"\"}", COUNTERSIGN_PROVIDER_ERROR, 0},
		{"{\"openid\":\"a b\"}", COUNTERSIGN_PROVIDER_ERROR, 0},
		{"{\"openid\":\"o\\u0000p\"}", COUNTERSIGN_PROVIDER_ERROR, 0},
		{"{\"openid\":\"a\",\"openid\":\"b\"}", COUNTERSIGN_PROVIDER_ERROR, 0},
		{"{\"unionid\":\"u\"}", COUNTERSIGN_PROVIDER_ERROR, 0},
		{"", COUNTERSIGN_PROVIDER_ERROR, 0},
		{"null", COUNTERSIGN_PROVIDER_ERROR, 0},
		{"[]", COUNTERSIGN_PROVIDER_ERROR, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wechat_answer a;

		assert_int_equal(answer_read(of(cases[i].text), &a), cases[i].result);
		assert_int_equal(a.errcode, cases[i].errcode);
		answer_clear(&a);
	}
}

static void
settings(void **state)
{
	static const struct {
		struct fake_setting given[6];
		const char *says; /* NULL: well */
	} cases[] = {
		{{{"client-id", "wx1"}, {"client-secret", "s3cret"}}, NULL},
		{{{"client-id", "wx1"}, {"client-secret", "wx1 s3cret"}}, NULL},
		{{{"client-id", "wx1"}, {"client-id", "wx2"}, {"client-secret", "wx2 b\r\nwx1 a\r\n\n"}}, NULL},
		{{{"client-id", "wx1"}, {"client-id", "wx2"}, {"client-secret", "s3cret"}}, "client-secret must have a line"},
		{{{"client-id", "wx1"}, {"client-id", "wx2"}, {"client-secret", "wx1 a"}}, "client-secret has no secret"},
		{{{"client-id", "wx1"}, {"client-secret", "wx1 a\nwx3 b"}}, "client-secret has a line of an app"},
		{{{"client-id", "wx1"}, {"client-secret", "wx1 "}}, "client-secret has no secret"},
		{{{"client-id", "wx1"}}, "client-secret is missing"},
		{{{"client-id", "wx1"}, {"client-secret", "s"}, {"scope", "snsapi_base"}, {"display-claim", "nickname"}},
		    "display-claim nickname needs"},
	};
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_host host;
		void *instance = NULL;
		int rc;

		fake_host_init(&host, plugin, cases[i].given);
		rc = plugin->init(&host.table, &instance);
		assert_int_equal(rc, cases[i].says == NULL ? COUNTERSIGN_OK : COUNTERSIGN_INVALID);
		assert_true(cases[i].says == NULL || strstr(host.log, cases[i].says) == host.log);
		if (rc == COUNTERSIGN_OK)
			plugin->fini(instance);
		fake_host_clear(&host);
	}
}

/* ---- identify ---- */

static char asked[1024];

static int
answer(struct fake_host *h, const struct countersign_http_request *request, struct countersign_http_response *response)
{
	static const char text[] = "{\"openid\":\"oOPEN\",\"unionid\":\"oUNION\",\"access_token\":\"t\"}";

	(void)h;
	snprintf(asked, sizeof(asked), "%.*s", (int)request->url.len, request->url.data);
	assert_null(request->body.data);
	response->status = 200;
	return countersign_put(&response->body, text, strlen(text));
}

struct told {
	struct countersign_identity id;
	char text[7][256];
};

/* size: what the broker's struct has. */
static int
identify(const char *subject, size_t size, struct told *told)
{
	const struct fake_setting given[] = {{"client-id", "wx1"}, {"client-id", "wx2"},
	    {"client-secret", "wx1 first+secret\nwx2 second"}, {"subject", subject}, {NULL, NULL}};
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();
	const struct countersign_view clients[] = {of("wx1"), of("wx2")};
	const struct countersign_identify in = {.size = sizeof(in), .call = {.request = of("r1"), .now_ms = 5000},
	    .nonce = of("n"), .client_ids = clients, .client_ids_count = 2, .code = of("c/1")};
	struct countersign_buffer *const out[] = {&told->id.request, &told->id.issuer, &told->id.subject, &told->id.audience,
	    &told->id.nonce, &told->id.was_issuer, &told->id.was_subject};
	struct fake_host host;
	void *instance;
	int rc;

	memset(told, 0, sizeof(*told));
	told->id.size = size;
	/* Past its size there is whatever was there: a plugin must not look. */
	memset((char *)&told->id + size, 0x5a, sizeof(told->id) - size);
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		if ((const char *)out[i] < (const char *)&told->id + size)
			*out[i] = (struct countersign_buffer){told->text[i], 255, 0};
	fake_host_init(&host, plugin, given);
	host.answer = answer;
	assert_int_equal(plugin->init(&host.table, &instance), COUNTERSIGN_OK);
	rc = plugin->provider->identify(instance, &in, &told->id);
	plugin->fini(instance);
	fake_host_clear(&host);
	return rc;
}

static bool
says(const struct countersign_buffer *b, const char *text)
{
	return view_is_text((struct countersign_view){b->data, b->len}, text);
}

static void
the_unionid_and_before_it_the_openid(void **state)
{
	struct told t;

	(void)state;
	assert_int_equal(identify("either", sizeof(t.id), &t), COUNTERSIGN_OK);
	assert_string_equal(asked, "https://api.weixin.qq.com/sns/oauth2/access_token?appid=wx1&secret=first%2Bsecret"
				   "&code=c%2F1&grant_type=authorization_code");
	assert_true(says(&t.id.issuer, "https://open.weixin.qq.com") && says(&t.id.subject, "oUNION"));
	assert_true(says(&t.id.was_issuer, "https://open.weixin.qq.com/wx1") && says(&t.id.was_subject, "oOPEN"));
	assert_true(says(&t.id.audience, "wx1") && says(&t.id.request, "r1") && t.id.nonce.len == 0);
	assert_true(t.id.auth_time_ms == COUNTERSIGN_NO_TIME && t.id.issued_at_ms == 5000);
	assert_int_equal(identify("openid", sizeof(t.id), &t), COUNTERSIGN_OK);
	assert_true(says(&t.id.issuer, "https://open.weixin.qq.com/wx1") && says(&t.id.subject, "oOPEN"));
	assert_int_equal(t.id.was_subject.len, 0);
}

static void
a_broker_that_knows_no_earlier_subject(void **state)
{
	size_t old = offsetof(struct countersign_identity, was_issuer);
	struct told t;

	(void)state;
	assert_int_equal(identify("either", old, &t), COUNTERSIGN_OK);
	assert_true(says(&t.id.subject, "oUNION"));
	for (size_t i = old; i < sizeof(t.id); i++)
		assert_int_equal(((const unsigned char *)&t.id)[i], 0x5a);
}

static void
it_proves_itself(void **state)
{
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();
	struct countersign_profile profile = {.size = sizeof(profile)};
	struct fake_host host;

	(void)state;
	fake_host_init(&host, plugin, NULL);
	assert_int_equal(plugin->self_test(&host.table), COUNTERSIGN_OK);
	assert_int_equal(plugin->profile(NULL, &profile), COUNTERSIGN_OK);
	assert_int_equal(profile.assurance, COUNTERSIGN_STABLE_SUBJECT | COUNTERSIGN_CODE_ALONE);
	assert_null(profile.code_parameter);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_answers_mean),
		cmocka_unit_test(settings),
		cmocka_unit_test(the_unionid_and_before_it_the_openid),
		cmocka_unit_test(a_broker_that_knows_no_earlier_subject),
		cmocka_unit_test(it_proves_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
