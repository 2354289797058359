/* SPDX-License-Identifier: Apache-2.0 */
/* The provider apple without a network: the client's secret, what becomes evidence, settings. */
#include "plugins/apple/claims.h"
#include "plugins/apple/team.h"
#include "plugins/lib/encoding.h"
#include "tests/unit/unit.h"

#include <stdio.h>

#include "tests/unit/plugin_host.h"

/* Made for this test with openssl; it is here for anybody to read, so it protects nothing. */
static const char p8[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgo46YZoYcvT2v2U+t\n"
    "RpZpBH7mWayefk8DguT2eGXTj5qhRANCAARVaa0aNNvnWYBwnzv7EBh3P0/F9K6V\n"
    "yHLIKx8E4c3kizYuXrhc+crf8TFCMIHgUpCghCPO3QkiGv4nqkyVbECS\n"
    "-----END PRIVATE KEY-----\n";
static const char p384[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDCf92CUtwf+mKcH78Q+\n"
    "uUi1rY6wgC8eXk5UD3Dip8jrYxRLWT8XacICsVGVrfIjQUWhZANiAAT7QTt+FpxR\n"
    "AEcQb7fJG2YGQ7FNgNkF9RhWYPujKHWpOA+puAiEKZ4FICVz9J4KkeVoiGrCQU1k\n"
    "00UTkRTNIkv7oKcHcRVZuKUQanOKBRKe334ErUzf2gbK5IwZautnglY=\n"
    "-----END PRIVATE KEY-----\n";

static struct countersign_view
of(const char *text)
{
	return countersign_view_of(text);
}

static void
what_becomes_evidence(void **state)
{
	static const struct {
		const char *claims, *evidence;
	} cases[] = {
		{"{\"email\":\"a@b.example\",\"email_verified\":\"true\"}", "email 0 a@b.example"},
		{"{\"email\":\"a@b.example\",\"email_verified\":true,\"is_private_email\":false}", "email 0 a@b.example"},
		{"{\"email\":\"a@b.example\",\"email_verified\":true,\"is_private_email\":\"false\"}", "email 0 a@b.example"},
		{"{\"email\":\"a@b.example\"}", ""},
		{"{\"email\":\"a@b.example\",\"email_verified\":\"false\"}", ""},
		{"{\"email\":\"a@b.example\",\"email_verified\":false}", ""},
		{"{\"email\":\"a@b.example\",\"email_verified\":\"True\"}", ""},
		{"{\"email\":\"a@b.example\",\"email_verified\":\"true \"}", ""},
		{"{\"email\":\"a@b.example\",\"email_verified\":1}", ""},
		{"{\"email\":\"a@b.example\",\"email_verified\":null}", ""},
		{"{\"email\":\"a@b.example\",\"email_verified\":[true]}", ""},
		{"{\"email\":\"a@b.example\",\"email_verified\":\"true\",\"is_private_email\":\"true\"}", ""},
		{"{\"email\":\"a@b.example\",\"email_verified\":\"true\",\"is_private_email\":true}", ""},
		{"{\"email\":\"a@b.example\",\"email_verified\":\"true\",\"is_private_email\":0}", ""},
		{"{\"email\":\"a@b.example\",\"email_verified\":\"true\",\"is_private_email\":null}", ""},
		{"{\"email\":\"a@privaterelay.appleid.com\",\"email_verified\":\"true\",\"is_private_email\":\"false\"}", ""},
		{"{\"email\":\"a@PrivateRelay.AppleID.com\",\"email_verified\":\"true\"}", ""},
		{"{\"email\":\"a@privaterelay.appleid.com.example\",\"email_verified\":\"true\"}",
		    "email 0 a@privaterelay.appleid.com.example"},
		{"{\"email\":\"a@b.example\\nphone 0 +86138\",\"email_verified\":\"true\"}", ""},
		{"{\"email\":\"a b@c.example\",\"email_verified\":\"true\"}", ""},
		{"{\"email\":\"nobody\",\"email_verified\":\"true\"}", ""},
		{"{\"email\":\"\",\"email_verified\":\"true\"}", ""},
		{"{\"email\":7,\"email_verified\":\"true\"}", ""},
		{"{}", ""},
	};
	char memory[COUNTERSIGN_EVIDENCE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct countersign_buffer to = {memory, sizeof(memory), 5};
		json_t *claims = json_read_object(cases[i].claims, strlen(cases[i].claims));

		assert_non_null(claims);
		claims_put_evidence(claims, &to);
		assert_true(view_is_text((struct countersign_view){to.data, to.len}, cases[i].evidence));
		json_decref(claims);
	}
}

static void
no_room_is_no_evidence(void **state)
{
	char memory[10];
	struct countersign_buffer to = {memory, sizeof(memory), 0};
	json_t *claims = json_pack("{ss ss}", "email", "a@b.example", "email_verified", "true");

	(void)state;
	claims_put_evidence(claims, &to);
	assert_int_equal(to.len, 0);
	json_decref(claims);
}

static void
what_is_migrated(void **state)
{
	struct countersign_view got;
	json_t *answer = json_pack("{ss si ss}", "sub", "001.abc.2", "number", 7, "empty", "");

	(void)state;
	assert_int_equal(claims_read_migrated(answer, "sub", &got), COUNTERSIGN_OK);
	assert_true(view_is_text(got, "001.abc.2"));
	assert_int_equal(claims_read_migrated(answer, "number", &got), COUNTERSIGN_PROVIDER_ERROR);
	assert_int_equal(claims_read_migrated(answer, "empty", &got), COUNTERSIGN_PROVIDER_ERROR);
	assert_int_equal(claims_read_migrated(answer, "absent", &got), COUNTERSIGN_PROVIDER_ERROR);
	assert_int_equal(claims_read_migrated(NULL, "sub", &got), COUNTERSIGN_PROVIDER_ERROR);
	json_decref(answer);
}

static const struct fake_setting usual[] = {{"client-id", "web"}, {"team-id", "TEAM000001"}, {"key-id", "KEY0000001"},
    {"private-key", p8}, {NULL, NULL}};

/* A part of a JWT. */
static json_t *
part(const char *text, size_t len)
{
	unsigned char bytes[1024];
	size_t n;
	json_t *v;

	assert_true(base64url_decode((struct countersign_view){text, len}, bytes, sizeof(bytes), &n));
	v = json_read_object((char *)bytes, n);
	assert_non_null(v);
	return v;
}

static void
the_secret_is_made_for_now(void **state)
{
	static const int64_t times_ms[] = {INT64_C(1700000000000), INT64_C(1800000000000), INT64_C(4102444800000)};
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();
	struct fake_host host;
	struct team team = {0};

	(void)state;
	fake_host_init(&host, plugin, usual);
	assert_null(team_read(&host.table, "team-id", "key-id", "private-key", &team));
	for (size_t i = 0; i < sizeof(times_ms) / sizeof(times_ms[0]); i++) {
		char memory[SIGNING_JWT_MAX];
		struct countersign_buffer to = {memory, sizeof(memory), 0};
		const char *first, *second;
		json_t *header, *claims;

		assert_int_equal(team_put_secret(&team, of("https://appleid.apple.com"), of("web"), times_ms[i], &to),
		    COUNTERSIGN_OK);
		first = memchr(memory, '.', to.len);
		second = memchr(first + 1, '.', to.len - (size_t)(first + 1 - memory));
		header = part(memory, (size_t)(first - memory));
		claims = part(first + 1, (size_t)(second - first - 1));
		assert_string_equal(json_string_value(json_object_get(header, "alg")), "ES256");
		assert_string_equal(json_string_value(json_object_get(header, "kid")), "KEY0000001");
		assert_string_equal(json_string_value(json_object_get(claims, "iss")), "TEAM000001");
		assert_string_equal(json_string_value(json_object_get(claims, "sub")), "web");
		assert_string_equal(json_string_value(json_object_get(claims, "aud")), "https://appleid.apple.com");
		assert_true(json_integer_value(json_object_get(claims, "iat")) <= times_ms[i] / 1000);
		assert_true(json_integer_value(json_object_get(claims, "exp")) > times_ms[i] / 1000);
		assert_true(json_integer_value(json_object_get(claims, "exp")) <= times_ms[i] / 1000 + 600);
		/* r and s, 32 bytes each. */
		assert_int_equal(to.len - (size_t)(second + 1 - memory), 86);
		json_decref(header);
		json_decref(claims);
	}
	team_clear(&team);
	fake_host_clear(&host);
}

static void
settings(void **state)
{
	static const struct {
		struct fake_setting more[4];
		const char *says; /* NULL: well */
	} cases[] = {
		{{{"scope", "openid"}}, NULL},
		{{{"previous-team-id", "TEAM000002"}, {"previous-key-id", "KEY0000002"}, {"previous-private-key", p8}}, NULL},
		{{{"previous-team-id", "TEAM000002"}}, "a team's id, its key's id and the key belong together"},
		{{{"previous-private-key", p8}}, "a team's id, its key's id and the key belong together"},
		{{{"previous-team-id", "TEAM000002"}, {"previous-key-id", "KEY0000002"}, {"previous-private-key", p384}},
		    "a team's key must be the .p8 file"},
		{{{"previous-team-id", "TEAM000002"}, {"previous-key-id", "KEY0000002"}, {"previous-private-key", "x"}},
		    "a team's key must be the .p8 file"},
		{{{"scope", "email name"}}, "scope must contain openid"},
	};
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_setting given[10];
		struct fake_host host;
		void *instance = NULL;
		size_t n = 0;
		int rc;

		for (const struct fake_setting *s = usual; s->name != NULL; s++)
			given[n++] = *s;
		for (const struct fake_setting *s = cases[i].more; s < cases[i].more + 3 && s->name != NULL; s++)
			given[n++] = *s;
		given[n] = (struct fake_setting){NULL, NULL};
		fake_host_init(&host, plugin, given);
		rc = plugin->init(&host.table, &instance);
		assert_int_equal(rc, cases[i].says == NULL ? COUNTERSIGN_OK : COUNTERSIGN_INVALID);
		assert_true(cases[i].says == NULL || strstr(host.log, cases[i].says) == host.log);
		if (rc == COUNTERSIGN_OK)
			plugin->fini(instance);
		fake_host_clear(&host);
	}
}

static void
it_says_what_it_is(void **state)
{
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();
	struct countersign_profile profile = {.size = sizeof(profile)};
	bool relay = false;

	(void)state;
	assert_int_equal(plugin->profile(NULL, &profile), COUNTERSIGN_OK);
	assert_int_equal(profile.assurance & (COUNTERSIGN_CODE_ALONE | COUNTERSIGN_HONOURS_MAX_AGE), 0);
	assert_true((profile.assurance & COUNTERSIGN_SYNCS_SECRETS) != 0);
	for (const char *const *c = profile.controls; *c != NULL; c++)
		relay = relay || strcmp(*c, "mail-domain:privaterelay.appleid.com") == 0;
	assert_true(relay);
	assert_non_null(plugin->provider->rekey);
	assert_non_null(plugin->provider->signal);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_becomes_evidence),
		cmocka_unit_test(no_room_is_no_evidence),
		cmocka_unit_test(what_is_migrated),
		cmocka_unit_test(the_secret_is_made_for_now),
		cmocka_unit_test(settings),
		cmocka_unit_test(it_says_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
