/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider oidc against an issuer made by hand: what is good, and every refusal with its
 * reason. No network.
 */
#include <stdio.h>

#include "plugins/lib/oidc.h"
#include "tests/unit/oidc_issuer.h"
#include "tests/unit/unit.h"

#define NOW_S INT64_C(1800000000)
#define ISSUER "https://idp.example"
#define NONCE "n-0S6_WzA2Mj"
#define VERIFIER "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define CHALLENGE "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

/* The world of a test: one issuer with its endpoints, one plugin. */
struct world {
	struct fake_host host;  /* first member */
	const struct countersign_plugin_v1 *plugin;
	void *instance;
	struct issuer_key ec, rsa, ed, other;
	const char *metadata_patch, *keys_text;
	bool without_ec;        /* the EC key is not published */
	int keys_status, token_status;
	const char *token_answer;
	char *id_token;         /* what the token endpoint gives */
	char form[4096], authorization[1024];
	unsigned keys_fetches;
};

static int
put_json(struct countersign_http_response *response, json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT);
	int rc = countersign_put(&response->body, text, strlen(text));

	free(text);
	json_decref(v);
	return rc;
}

static int
answer_keys(struct world *w, struct countersign_http_response *response)
{
	json_t *keys = json_array();

	w->keys_fetches++;
	response->status = w->keys_status;
	if (w->keys_text != NULL) {
		json_decref(keys);
		return countersign_put(&response->body, w->keys_text, strlen(w->keys_text));
	}
	if (!w->without_ec)
		json_array_append_new(keys, issuer_jwk(&w->ec));
	json_array_append_new(keys, issuer_jwk(&w->rsa));
	json_array_append_new(keys, issuer_jwk(&w->ed));
	return put_json(response, json_pack("{so}", "keys", keys));
}

static int
answer_token(struct world *w, const struct countersign_http_request *request,
    struct countersign_http_response *response)
{
	snprintf(w->form, sizeof(w->form), "%.*s", (int)request->body.len, request->body.data);
	snprintf(w->authorization, sizeof(w->authorization), "%.*s",
	    (int)request->authorization.len, request->authorization.data);
	response->status = w->token_status;
	if (w->token_answer != NULL)
		return countersign_put(&response->body, w->token_answer, strlen(w->token_answer));
	return put_json(response, json_pack("{ss ss ss}", "token_type", "Bearer", "access_token",
	    "at-1", "id_token", w->id_token));
}

static int
answer(struct fake_host *h, const struct countersign_http_request *request,
    struct countersign_http_response *response)
{
	struct world *w = (struct world *)h;
	char url[256];
	json_t *metadata;

	snprintf(url, sizeof(url), "%.*s", (int)request->url.len, request->url.data);
	response->status = 200;
	if (strcmp(url, ISSUER "/keys") == 0)
		return answer_keys(w, response);
	if (strcmp(url, ISSUER "/token") == 0)
		return answer_token(w, request, response);
	assert_string_equal(url, ISSUER "/.well-known/openid-configuration");
	metadata = json_pack("{ss ss ss ss sb}", "issuer", ISSUER, "authorization_endpoint",
	    ISSUER "/authorize", "token_endpoint", ISSUER "/token", "jwks_uri", ISSUER "/keys",
	    "authorization_response_iss_parameter_supported", 1);
	return put_json(response, issuer_patch(metadata, w->metadata_patch));
}

static const struct fake_setting usual[] = {
	{"issuer", ISSUER},
	{"client-id", "web"},
	{"client-secret", "s3cret&+"},
	{"algorithm", "ES256"},
	{"algorithm", "RS256"},
	{"algorithm", "EdDSA"},
	{NULL, NULL},
};

static struct issuer_key keys[4];

static void
start(struct world *w, const struct fake_setting *settings)
{
	memset(w, 0, sizeof(*w));
	w->plugin = countersign_plugin_v1();
	fake_host_init(&w->host, w->plugin, settings == NULL ? usual : settings);
	w->host.answer = answer;
	w->host.boot_ms = 1000000;
	w->ec = keys[0];
	w->rsa = keys[1];
	w->ed = keys[2];
	w->other = keys[3];
	w->keys_status = 200;
	w->token_status = 200;
	assert_int_equal(w->plugin->init(&w->host.table, &w->instance), COUNTERSIGN_OK);
}

static void
stop(struct world *w)
{
	free(w->id_token);
	w->plugin->fini(w->instance);
	fake_host_clear(&w->host);
}

static json_t *
good_claims(void)
{
	return json_pack("{ss ss ss ss sI sI sI ss}", "iss", ISSUER, "sub", "alice-1", "aud", "web",
	    "nonce", NONCE, "iat", (json_int_t)NOW_S - 5, "exp", (json_int_t)NOW_S + 3600,
	    "auth_time", (json_int_t)NOW_S - 60, "email", "alice@idp.example");
}

static char *
make_token(const struct issuer_key *k, const char *header_patch, const char *claims_patch)
{
	json_t *header = json_pack("{ss ss}", "alg", k->alg, "kid", k->kid);

	return issuer_sign(k, issuer_patch(header, header_patch),
	    issuer_patch(good_claims(), claims_patch));
}

/* The answer of identify(), with its text in memory of its own. */
struct identified {
	struct countersign_identity id;
	char memory[6][256];
};

static void
prepare(struct identified *out)
{
	struct countersign_buffer *const buffers[] = {&out->id.request, &out->id.issuer,
	    &out->id.subject, &out->id.audience, &out->id.nonce, &out->id.display};

	memset(out, 0, sizeof(*out));
	out->id.size = sizeof(out->id);
	for (size_t i = 0; i < 6; i++)
		*buffers[i] = (struct countersign_buffer){out->memory[i], 255, 0};
}

static int
identify(struct world *w, const char *token, const char *code, struct identified *out)
{
	struct countersign_view clients[] = {countersign_view_of("web"),
	    countersign_view_of("app")};
	struct countersign_identify in = {.size = sizeof(in),
	    .call = {.now_ms = NOW_S * 1000, .request = countersign_view_of("r9")},
	    .nonce = countersign_view_of(NONCE), .client_ids = clients, .client_ids_count = 2,
	    .id_token = countersign_view_of(token), .code = countersign_view_of(code)};
	int rc;

	if (code != NULL) {
		in.code_verifier = countersign_view_of(VERIFIER);
		in.redirect_uri = countersign_view_of("https://pay.example/callback/idp");
		in.iss = countersign_view_of(ISSUER);
	}
	prepare(out);
	rc = w->plugin->provider->identify(w->instance, &in, &out->id);
	fake_host_clear(&w->host);
	return rc;
}

static int
identify_patched(struct world *w, const struct issuer_key *k, const char *header_patch,
    const char *claims_patch)
{
	char *token = make_token(k, header_patch, claims_patch);
	struct identified out;
	int rc = identify(w, token, NULL, &out);

	free(token);
	return rc;
}

static void
test_self_test_passes(void **state)
{
	(void)state;
	assert_int_equal(countersign_plugin_v1()->self_test(NULL), COUNTERSIGN_OK);
}

static void
test_good_token_gives_the_identity(void **state)
{
	struct world w;
	struct identified out;
	char *token;

	(void)state;
	start(&w, NULL);
	token = make_token(&w.ec, NULL, NULL);
	assert_int_equal(identify(&w, token, NULL, &out), COUNTERSIGN_OK);
	assert_string_equal(out.memory[0], "r9");
	assert_string_equal(out.memory[1], ISSUER);
	assert_string_equal(out.memory[2], "alice-1");
	assert_string_equal(out.memory[3], "web");
	assert_string_equal(out.memory[4], NONCE);
	assert_string_equal(out.memory[5], "alice@idp.example");
	assert_int_equal(out.id.issued_at_ms, (NOW_S - 5) * 1000);
	assert_int_equal(out.id.expires_at_ms, (NOW_S + 3600) * 1000);
	assert_int_equal(out.id.auth_time_ms, (NOW_S - 60) * 1000);
	free(token);
	assert_int_equal(identify_patched(&w, &w.rsa, NULL, NULL), COUNTERSIGN_OK);
	assert_int_equal(identify_patched(&w, &w.ed, NULL, NULL), COUNTERSIGN_OK);
	stop(&w);
}

/* One line a refusal. The key is the EC key; {"x": null} takes x away. */
static const struct {
	const char *what, *header, *claims;
	int expected;
} cases[] = {
    {"typ JWT", "{\"typ\":\"JWT\"}", NULL, COUNTERSIGN_OK},
    {"native audience", NULL, "{\"aud\":\"app\"}", COUNTERSIGN_OK},
    {"two audiences, both ours", NULL, "{\"aud\":[\"web\",\"app\"],\"azp\":\"app\"}",
	COUNTERSIGN_OK},
    {"no auth_time", NULL, "{\"auth_time\":null}", COUNTERSIGN_OK},
    {"within the skew", NULL, "{\"iat\":1800000009}", COUNTERSIGN_OK},

    {"logout token by typ", "{\"typ\":\"logout+jwt\"}", NULL, COUNTERSIGN_BAD_TYPE},
    {"access token by typ", "{\"typ\":\"at+jwt\"}", NULL, COUNTERSIGN_BAD_TYPE},
    {"security event by typ", "{\"typ\":\"secevent+jwt\"}", NULL, COUNTERSIGN_BAD_TYPE},
    {"typ is no string", "{\"typ\":1}", NULL, COUNTERSIGN_BAD_TYPE},
    {"logout token by events", NULL,
	"{\"nonce\":null,\"events\":{\"http://schemas.openid.net/event/backchannel-logout\":{}}}",
	COUNTERSIGN_BAD_TYPE},
    {"crit", "{\"crit\":[\"exp\"]}", NULL, COUNTERSIGN_BAD_TOKEN},
    {"b64", "{\"b64\":false}", NULL, COUNTERSIGN_BAD_TOKEN},
    {"alg none", "{\"alg\":\"none\"}", NULL, COUNTERSIGN_BAD_ALGORITHM},
    {"alg nOnE", "{\"alg\":\"nOnE\"}", NULL, COUNTERSIGN_BAD_ALGORITHM},
    {"alg HS256", "{\"alg\":\"HS256\"}", NULL, COUNTERSIGN_BAD_ALGORITHM},
    {"alg not allowed here", "{\"alg\":\"ES384\"}", NULL, COUNTERSIGN_BAD_ALGORITHM},
    {"no alg", "{\"alg\":null}", NULL, COUNTERSIGN_BAD_ALGORITHM},
    {"alg of another key", "{\"alg\":\"RS256\"}", NULL, COUNTERSIGN_BAD_KEY},
    {"unknown kid", "{\"kid\":\"nobody\"}", NULL, COUNTERSIGN_BAD_KEY},
    {"kid is no string", "{\"kid\":7}", NULL, COUNTERSIGN_BAD_KEY},
    {"kid of another key", "{\"kid\":\"rsa-1\"}", NULL, COUNTERSIGN_BAD_KEY},
    {"no kid, one key fits", "{\"kid\":null}", NULL, COUNTERSIGN_OK},
    {"key in the header", "{\"kid\":null,\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}", NULL,
	COUNTERSIGN_OK},

    {"another issuer", NULL, "{\"iss\":\"https://evil.example\"}", COUNTERSIGN_BAD_ISSUER},
    {"issuer with a slash", NULL, "{\"iss\":\"https://idp.example/\"}", COUNTERSIGN_BAD_ISSUER},
    {"no issuer", NULL, "{\"iss\":null}", COUNTERSIGN_BAD_TOKEN},
    {"another audience", NULL, "{\"aud\":\"other-shop\"}", COUNTERSIGN_BAD_AUDIENCE},
    {"an audience more", NULL, "{\"aud\":[\"web\",\"other-shop\"],\"azp\":\"web\"}",
	COUNTERSIGN_BAD_AUDIENCE},
    {"two audiences, no azp", NULL, "{\"aud\":[\"web\",\"app\"]}", COUNTERSIGN_BAD_AUDIENCE},
    {"another azp", NULL, "{\"azp\":\"other-shop\"}", COUNTERSIGN_BAD_AUDIENCE},
    {"azp is no string", NULL, "{\"azp\":[\"web\"]}", COUNTERSIGN_BAD_TOKEN},
    {"no audience", NULL, "{\"aud\":null}", COUNTERSIGN_BAD_TOKEN},
    {"empty audiences", NULL, "{\"aud\":[]}", COUNTERSIGN_BAD_TOKEN},
    {"another nonce", NULL, "{\"nonce\":\"n-0S6_WzA2Mk\"}", COUNTERSIGN_BAD_NONCE},
    {"no nonce", NULL, "{\"nonce\":null}", COUNTERSIGN_BAD_NONCE},
    {"empty nonce", NULL, "{\"nonce\":\"\"}", COUNTERSIGN_BAD_NONCE},
    {"expired", NULL, "{\"iat\":1799999700,\"exp\":1799999990}", COUNTERSIGN_EXPIRED},
    {"issued long ago", NULL, "{\"iat\":1799999000}", COUNTERSIGN_EXPIRED},
    {"from the future", NULL, "{\"iat\":1800000011}", COUNTERSIGN_NOT_YET_VALID},
    {"not before later", NULL, "{\"nbf\":1800000060}", COUNTERSIGN_NOT_YET_VALID},
    {"auth_time in the future", NULL, "{\"auth_time\":1800000060}", COUNTERSIGN_NOT_YET_VALID},
    {"no exp", NULL, "{\"exp\":null}", COUNTERSIGN_BAD_TOKEN},
    {"no iat", NULL, "{\"iat\":null}", COUNTERSIGN_BAD_TOKEN},
    {"exp as a string", NULL, "{\"exp\":\"1800003600\"}", COUNTERSIGN_BAD_TOKEN},
    {"exp before all time", NULL, "{\"exp\":-1}", COUNTERSIGN_BAD_TOKEN},
    {"exp past all time", NULL, "{\"exp\":1e300}", COUNTERSIGN_BAD_TOKEN},
    {"auth_time as a string", NULL, "{\"auth_time\":\"now\"}", COUNTERSIGN_BAD_TOKEN},
    {"lasts a week", NULL, "{\"exp\":1800604800}", COUNTERSIGN_BAD_TOKEN},
    {"no subject", NULL, "{\"sub\":null}", COUNTERSIGN_BAD_TOKEN},
    {"empty subject", NULL, "{\"sub\":\"\"}", COUNTERSIGN_BAD_TOKEN},
    {"subject is a number", NULL, "{\"sub\":1}", COUNTERSIGN_BAD_TOKEN},
    {"subject with a line break", NULL, "{\"sub\":\"a\\nb\"}", COUNTERSIGN_BAD_TOKEN},
    {"subject with a C1 control", NULL, "{\"sub\":\"a\\u0085b\"}", COUNTERSIGN_BAD_TOKEN},
    {"subject that turns round", NULL, "{\"sub\":\"a\\u202eb\"}", COUNTERSIGN_BAD_TOKEN},
    {"subject with an isolate", NULL, "{\"sub\":\"a\\u2066\"}", COUNTERSIGN_BAD_TOKEN},
    {"subject with a separator", NULL, "{\"sub\":\"\\u2028\"}", COUNTERSIGN_BAD_TOKEN},
    {"subject with an Arabic mark", NULL, "{\"sub\":\"\\u061c\"}", COUNTERSIGN_BAD_TOKEN},
};

static void
test_each_refusal_has_its_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		int rc;

		start(&w, NULL);
		rc = identify_patched(&w, &w.ec, cases[i].header, cases[i].claims);
		if (rc != cases[i].expected)
			fail_msg("%s: %d, expected %d", cases[i].what, rc, cases[i].expected);
		stop(&w);
	}
}

static void
test_signature_by_another_key(void **state)
{
	struct world w;

	(void)state;
	start(&w, NULL);
	assert_int_equal(identify_patched(&w, &w.other, NULL, NULL), COUNTERSIGN_BAD_SIGNATURE);
	stop(&w);
}

/* Changes one letter of a part, and cuts, and pads. */
static void
test_tampered_token(void **state)
{
	struct world w;
	struct identified out;
	char *token, *bad;

	(void)state;
	start(&w, NULL);
	token = make_token(&w.ec, NULL, NULL);
	bad = strdup(token);
	bad[strlen(bad) - 20] = bad[strlen(bad) - 20] == 'A' ? 'B' : 'A';
	assert_int_equal(identify(&w, bad, NULL, &out), COUNTERSIGN_BAD_SIGNATURE);
	free(bad);
	bad = strdup(token);
	bad[strlen(bad) - 2] = '\0';
	assert_int_equal(identify(&w, bad, NULL, &out), COUNTERSIGN_BAD_SIGNATURE);
	*strrchr(bad, '.') = '\0';
	assert_int_equal(identify(&w, bad, NULL, &out), COUNTERSIGN_BAD_TOKEN);
	free(bad);
	free(token);
	assert_int_equal(identify(&w, "", "", &out), COUNTERSIGN_INVALID);
	assert_int_equal(identify(&w, "a.b.c", NULL, &out), COUNTERSIGN_BAD_TOKEN);
	assert_int_equal(identify(&w, "e30.e30.", NULL, &out), COUNTERSIGN_BAD_ALGORITHM);
	assert_int_equal(identify(&w, "e30=.e30=.AA", NULL, &out), COUNTERSIGN_BAD_TOKEN);
	/* {"alg":"ES256","alg":"none"}: members twice are nobody's to choose from. */
	assert_int_equal(identify(&w, "eyJhbGciOiJFUzI1NiIsImFsZyI6Im5vbmUifQ.e30.AA", NULL, &out),
	    COUNTERSIGN_BAD_TOKEN);
	stop(&w);
}

/*
 * r = s = 0 (CVE-2022-21449), and a public RSA key taken for an HMAC secret is not even an
 * algorithm.
 */
static void
test_signature_of_zeros(void **state)
{
	struct world w;
	struct identified out;
	char *token;

	(void)state;
	start(&w, NULL);
	token = make_token(&w.ec, NULL, NULL);
	memset(strrchr(token, '.') + 1, 'A', strlen(strrchr(token, '.') + 1));
	assert_int_equal(identify(&w, token, NULL, &out), COUNTERSIGN_BAD_SIGNATURE);
	free(token);
	stop(&w);
}

static void
test_max_age_needs_a_fresh_auth_time(void **state)
{
	static const struct fake_setting settings[] = {{"issuer", ISSUER}, {"client-id", "web"},
	    {"max-age", "300"}, {NULL, NULL}};
	struct world w;

	(void)state;
	start(&w, settings);
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), COUNTERSIGN_OK);
	assert_int_equal(identify_patched(&w, &w.ec, NULL, "{\"auth_time\":1799999600}"),
	    COUNTERSIGN_EXPIRED);
	assert_int_equal(identify_patched(&w, &w.ec, NULL, "{\"auth_time\":null}"),
	    COUNTERSIGN_BAD_TOKEN);
	stop(&w);
}

static void
test_alias_of_the_issuer_becomes_the_issuer(void **state)
{
	static const struct fake_setting settings[] = {{"issuer", ISSUER}, {"client-id", "web"},
	    {"issuer-alias", "idp.example"}, {NULL, NULL}};
	struct world w;
	struct identified out;
	char *token;

	(void)state;
	start(&w, settings);
	token = make_token(&w.ec, NULL, "{\"iss\":\"idp.example\"}");
	assert_int_equal(identify(&w, token, NULL, &out), COUNTERSIGN_OK);
	assert_string_equal(out.memory[1], ISSUER);
	free(token);
	stop(&w);
}

/* A thousand made-up kids cost a handful of fetches; a key that really is new is found at once. */
static void
test_unknown_kids_are_no_flood(void **state)
{
	struct world w;

	(void)state;
	start(&w, NULL);
	w.without_ec = true;
	assert_int_equal(identify_patched(&w, &w.rsa, NULL, NULL), COUNTERSIGN_OK);
	assert_int_equal(w.keys_fetches, 1);
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), COUNTERSIGN_BAD_KEY);
	w.without_ec = false;
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), COUNTERSIGN_OK);
	assert_int_equal(w.keys_fetches, 3);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(identify_patched(&w, &w.ec, "{\"kid\":\"x\"}", NULL),
		    COUNTERSIGN_BAD_KEY);
	assert_int_equal(w.keys_fetches, 4);
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), COUNTERSIGN_OK);
	w.host.boot_ms += 60000;
	assert_int_equal(identify_patched(&w, &w.ec, "{\"kid\":\"x\"}", NULL),
	    COUNTERSIGN_BAD_KEY);
	assert_int_equal(w.keys_fetches, 5);
	stop(&w);
}

/*
 * A forged signature, and a token of another issuer, cause no fetch at all once the keys are there.
 */
static void
test_forgeries_cause_no_fetch(void **state)
{
	struct world w;

	(void)state;
	start(&w, NULL);
	assert_int_equal(identify_patched(&w, &w.ec, NULL, "{\"iss\":\"https://evil.example\"}"),
	    COUNTERSIGN_BAD_ISSUER);
	assert_int_equal(w.host.fetches, 0);
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), COUNTERSIGN_OK);
	assert_int_equal(identify_patched(&w, &w.other, NULL, NULL), COUNTERSIGN_BAD_SIGNATURE);
	assert_int_equal(w.keys_fetches, 1);
	stop(&w);
}

static void
test_withdrawn_key_dies_with_its_age(void **state)
{
	struct world w;

	(void)state;
	start(&w, NULL);
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), COUNTERSIGN_OK);
	w.without_ec = true;
	w.host.boot_ms += 1799 * 1000;
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), COUNTERSIGN_OK);
	w.host.boot_ms += 2 * 1000;
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), COUNTERSIGN_BAD_KEY);
	stop(&w);
}

static void
test_old_keys_serve_only_so_long_while_the_provider_is_down(void **state)
{
	struct world w;

	(void)state;
	start(&w, NULL);
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), COUNTERSIGN_OK);
	w.keys_status = 503;
	w.host.boot_ms += 3000 * 1000;
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), COUNTERSIGN_OK);
	w.host.boot_ms += 700 * 1000;
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), COUNTERSIGN_UNREACHABLE);
	w.host.answer = NULL;
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), COUNTERSIGN_UNREACHABLE);
	stop(&w);
}

/* {"kid":"k","kty":"EC",...} twice, a private key, a symmetric one, and other shapes. */
static void
test_key_sets_that_are_refused_whole(void **state)
{
	static const char *const texts[] = {
	    "[]",
	    "{}",
	    "{\"keys\":{}}",
	    "{\"keys\":[1]}",
	    "{\"keys\":[",
	    "{\"keys\":[],\"keys\":[]}",
	    "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"}]}",
	    "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\"}]}",
	    "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"a\",\"d\":\"AAAA\"}]}",
	    "{\"keys\":[{\"kty\":\"X\",\"kid\":\"a\"},{\"kty\":\"Y\",\"kid\":\"a\"}]}",
	    "{\"keys\":[{\"kty\":\"X\",\"kid\":1}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct world w;
		int rc;

		start(&w, NULL);
		w.keys_text = texts[i];
		rc = identify_patched(&w, &w.ec, NULL, NULL);
		if (rc != COUNTERSIGN_PROVIDER_ERROR)
			fail_msg("%s: %d", texts[i], rc);
		stop(&w);
	}
}

static void
with_key_patched(const char *patch, int expected)
{
	struct world w;
	json_t *set;
	char *text;

	start(&w, NULL);
	set = json_pack("{s[o]}", "keys", issuer_patch(issuer_jwk(&w.ec), patch));
	text = json_dumps(set, 0);
	w.keys_text = text;
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), expected);
	json_decref(set);
	free(text);
	stop(&w);
}

static void
test_keys_for_another_use(void **state)
{
	(void)state;
	with_key_patched("{\"use\":null,\"alg\":null}", COUNTERSIGN_OK);
	with_key_patched("{\"use\":\"enc\"}", COUNTERSIGN_BAD_KEY);
	with_key_patched("{\"use\":1}", COUNTERSIGN_BAD_KEY);
	with_key_patched("{\"key_ops\":[\"encrypt\"]}", COUNTERSIGN_BAD_KEY);
	with_key_patched("{\"key_ops\":[\"verify\"]}", COUNTERSIGN_OK);
	with_key_patched("{\"alg\":\"ES384\"}", COUNTERSIGN_BAD_KEY);
	with_key_patched("{\"crv\":\"secp256k1\"}", COUNTERSIGN_BAD_KEY);
	with_key_patched("{\"y\":null}", COUNTERSIGN_BAD_KEY);
	/* cjose would end the process at these. */
	with_key_patched("{\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRV=U\"}",
	    COUNTERSIGN_BAD_KEY);
	with_key_patched("{\"x\":\"A\"}", COUNTERSIGN_BAD_KEY);
}

static void
with_metadata(const char *patch, int expected)
{
	struct world w;

	start(&w, NULL);
	w.metadata_patch = patch;
	assert_int_equal(identify_patched(&w, &w.ec, NULL, NULL), expected);
	stop(&w);
}

static void
test_discovery_that_is_refused(void **state)
{
	(void)state;
	with_metadata("{\"issuer\":\"https://evil.example\"}", COUNTERSIGN_PROVIDER_ERROR);
	with_metadata("{\"issuer\":null}", COUNTERSIGN_PROVIDER_ERROR);
	with_metadata("{\"jwks_uri\":\"http://idp.example/keys\"}", COUNTERSIGN_PROVIDER_ERROR);
	with_metadata("{\"token_endpoint\":null}", COUNTERSIGN_PROVIDER_ERROR);
	with_metadata("{\"code_challenge_methods_supported\":[\"plain\"]}",
	    COUNTERSIGN_PROVIDER_ERROR);
	with_metadata(
	    "{\"code_challenge_methods_supported\":[\"plain\",\"S256\"]}", COUNTERSIGN_OK);
}

static int
authorization_url(struct world *w, const char *client, char *url, size_t cap)
{
	char request[16];
	struct countersign_authorize in = {.size = sizeof(in),
	    .call = {.request = countersign_view_of("r9")}, .state = countersign_view_of("st&te"),
	    .nonce = countersign_view_of(NONCE), .code_challenge = countersign_view_of(CHALLENGE),
	    .redirect_uri = countersign_view_of("https://pay.example/callback/idp"),
	    .client_id = countersign_view_of(client)};
	struct countersign_authorize_answer out = {.size = sizeof(out),
	    .request = {request, sizeof(request), 0}, .url = {url, cap - 1, 0}};
	int rc = w->plugin->provider->authorization_url(w->instance, &in, &out);

	url[out.url.len] = '\0';
	fake_host_clear(&w->host);
	return rc;
}

static void
test_authorization_url_holds_what_it_should(void **state)
{
	struct world w;
	char url[2048];

	(void)state;
	start(&w, NULL);
	assert_int_equal(authorization_url(&w, "web", url, sizeof(url)), COUNTERSIGN_OK);
	assert_string_equal(url,
	    ISSUER "/authorize?response_type=code&client_id=web"
		   "&redirect_uri=https%3A%2F%2Fpay.example%2Fcallback%2Fidp&scope=openid"
		   "&state=st%26te&nonce=" NONCE "&code_challenge=" CHALLENGE
		   "&code_challenge_method=S256");
	assert_int_equal(authorization_url(&w, "stranger", url, sizeof(url)),
	    COUNTERSIGN_BAD_AUDIENCE);
	assert_int_equal(authorization_url(&w, "web", url, 100), COUNTERSIGN_FULL);
	stop(&w);
}

static void
test_code_is_exchanged(void **state)
{
	struct world w;
	struct identified out;

	(void)state;
	start(&w, NULL);
	w.id_token = make_token(&w.ec, NULL, NULL);
	assert_int_equal(identify(&w, NULL, "c0de", &out), COUNTERSIGN_OK);
	assert_string_equal(out.memory[2], "alice-1");
	assert_string_equal(w.form, "grant_type=authorization_code&code=c0de"
	    "&redirect_uri=https%3A%2F%2Fpay.example%2Fcallback%2Fidp&code_verifier=" VERIFIER);
	/* web:s3cret%26%2B */
	assert_string_equal(w.authorization, "Basic d2ViOnMzY3JldCUyNiUyQg==");
	stop(&w);
}

static void
test_code_by_post_and_without_a_secret(void **state)
{
	static const struct fake_setting post[] = {{"issuer", ISSUER}, {"client-id", "web"},
	    {"client-secret", "x"}, {"client-authentication", "client_secret_post"}, {NULL, NULL}};
	static const struct fake_setting none[] = {{"issuer", ISSUER}, {"client-id", "web"},
	    {NULL, NULL}};
	struct world w;
	struct identified out;

	(void)state;
	start(&w, post);
	w.id_token = make_token(&w.ec, NULL, NULL);
	assert_int_equal(identify(&w, NULL, "c0de", &out), COUNTERSIGN_OK);
	assert_non_null(strstr(w.form, "&client_id=web&client_secret=x"));
	assert_string_equal(w.authorization, "");
	stop(&w);
	start(&w, none);
	w.id_token = make_token(&w.ec, NULL, NULL);
	assert_int_equal(identify(&w, NULL, "c0de", &out), COUNTERSIGN_OK);
	assert_non_null(strstr(w.form, "&client_id=web"));
	assert_null(strstr(w.form, "client_secret"));
	stop(&w);
}

static void
exchange_gives(int status, const char *text, int expected)
{
	struct world w;
	struct identified out;

	start(&w, NULL);
	w.token_status = status;
	w.token_answer = text;
	assert_int_equal(identify(&w, NULL, "c0de", &out), expected);
	stop(&w);
}

static void
test_token_endpoint_that_refuses(void **state)
{
	(void)state;
	exchange_gives(400, "{\"error\":\"invalid_grant\"}", COUNTERSIGN_BAD_CODE);
	exchange_gives(401, "{\"error\":\"invalid_client\"}", COUNTERSIGN_PROVIDER_ERROR);
	exchange_gives(400, "<html>", COUNTERSIGN_PROVIDER_ERROR);
	exchange_gives(302, "", COUNTERSIGN_PROVIDER_ERROR);
	exchange_gives(500, "{}", COUNTERSIGN_UNREACHABLE);
	exchange_gives(200, "{}", COUNTERSIGN_PROVIDER_ERROR);
	exchange_gives(200, "[]", COUNTERSIGN_PROVIDER_ERROR);
	exchange_gives(200, "{\"id_token\":7}", COUNTERSIGN_PROVIDER_ERROR);
	exchange_gives(200, "{\"id_token\":\"garbage\"}", COUNTERSIGN_BAD_TOKEN);
}

/*
 * The exchange's token must be for the client that sent the code, and must hash its own access
 * token.
 */
static void
test_token_of_an_exchange_is_held_to_it(void **state)
{
	struct world w;
	struct identified out;

	(void)state;
	start(&w, NULL);
	w.id_token = make_token(&w.ec, NULL, "{\"aud\":\"app\"}");
	assert_int_equal(identify(&w, NULL, "c0de", &out), COUNTERSIGN_BAD_AUDIENCE);
	free(w.id_token);
	w.id_token = make_token(&w.ec, NULL, "{\"at_hash\":\"AAAAAAAAAAAAAAAAAAAAAA\"}");
	assert_int_equal(identify(&w, NULL, "c0de", &out), COUNTERSIGN_BAD_TOKEN);
	stop(&w);
}

static int
identify_iss(struct world *w, const char *iss)
{
	struct countersign_view client = countersign_view_of("web");
	struct countersign_identify in = {.size = sizeof(in), .call = {.now_ms = NOW_S * 1000},
	    .nonce = countersign_view_of(NONCE), .client_ids = &client, .client_ids_count = 1,
	    .code = countersign_view_of("c0de"), .code_verifier = countersign_view_of(VERIFIER),
	    .redirect_uri = countersign_view_of("https://pay.example/callback/idp"),
	    .iss = countersign_view_of(iss)};
	struct identified out;
	int rc;

	prepare(&out);
	rc = w->plugin->provider->identify(w->instance, &in, &out.id);
	fake_host_clear(&w->host);
	return rc;
}

/* RFC 9207. A wrong iss is refused before the code is sent anywhere: that is the mix-up attack. */
static void
test_issuer_of_the_answer(void **state)
{
	struct world w;

	(void)state;
	start(&w, NULL);
	w.id_token = make_token(&w.ec, NULL, NULL);
	assert_int_equal(identify_iss(&w, "https://evil.example"), COUNTERSIGN_BAD_ISSUER);
	assert_int_equal(identify_iss(&w, NULL), COUNTERSIGN_BAD_ISSUER);
	assert_string_equal(w.form, "");
	assert_int_equal(identify_iss(&w, ISSUER), COUNTERSIGN_OK);
	stop(&w);
	start(&w, NULL);
	w.metadata_patch = "{\"authorization_response_iss_parameter_supported\":null}";
	w.id_token = make_token(&w.ec, NULL, NULL);
	assert_int_equal(identify_iss(&w, NULL), COUNTERSIGN_OK);
	assert_int_equal(identify_iss(&w, "https://evil.example"), COUNTERSIGN_BAD_ISSUER);
	stop(&w);
}

static void
init_fails(const struct fake_setting *settings, const char *sentence)
{
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();
	struct fake_host host;
	void *instance = NULL;

	fake_host_init(&host, plugin, settings);
	assert_int_equal(plugin->init(&host.table, &instance), COUNTERSIGN_INVALID);
	assert_non_null(strstr(host.log, sentence));
}

static void
test_configuration_that_contradicts_itself(void **state)
{
	(void)state;
	init_fails((struct fake_setting[]){{"issuer", ISSUER}, {"client-id", "web"},
		       {"client-authentication", "client_secret_post"}, {NULL, NULL}},
	    "needs a client-secret");
	init_fails((struct fake_setting[]){{"issuer", ISSUER}, {"client-id", "web"},
	    {"client-authentication", "none"}, {"client-secret", "x"}, {NULL, NULL}}, "drop one");
	init_fails((struct fake_setting[]){{"issuer", ISSUER}, {"client-id", "web"},
	    {"scope", "openidx email"}, {NULL, NULL}}, "must contain openid");
	init_fails((struct fake_setting[]){{"issuer", ISSUER "?x"}, {"client-id", "web"},
	    {NULL, NULL}}, "query");
}

static int
keys_make(void **state)
{
	(void)state;
	keys[0] = issuer_key_new("ec-1", "ES256");
	keys[1] = issuer_key_new("rsa-1", "RS256");
	keys[2] = issuer_key_new("ed-1", "EdDSA");
	keys[3] = issuer_key_new("ec-1", "ES256");
	return 0;
}

static int
keys_drop(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		issuer_key_free(&keys[i]);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self_test_passes),
		cmocka_unit_test(test_good_token_gives_the_identity),
		cmocka_unit_test(test_each_refusal_has_its_reason),
		cmocka_unit_test(test_signature_by_another_key),
		cmocka_unit_test(test_tampered_token),
		cmocka_unit_test(test_signature_of_zeros),
		cmocka_unit_test(test_max_age_needs_a_fresh_auth_time),
		cmocka_unit_test(test_alias_of_the_issuer_becomes_the_issuer),
		cmocka_unit_test(test_unknown_kids_are_no_flood),
		cmocka_unit_test(test_forgeries_cause_no_fetch),
		cmocka_unit_test(test_withdrawn_key_dies_with_its_age),
		cmocka_unit_test(test_old_keys_serve_only_so_long_while_the_provider_is_down),
		cmocka_unit_test(test_key_sets_that_are_refused_whole),
		cmocka_unit_test(test_keys_for_another_use),
		cmocka_unit_test(test_discovery_that_is_refused),
		cmocka_unit_test(test_authorization_url_holds_what_it_should),
		cmocka_unit_test(test_code_is_exchanged),
		cmocka_unit_test(test_code_by_post_and_without_a_secret),
		cmocka_unit_test(test_token_endpoint_that_refuses),
		cmocka_unit_test(test_token_of_an_exchange_is_held_to_it),
		cmocka_unit_test(test_issuer_of_the_answer),
		cmocka_unit_test(test_configuration_that_contradicts_itself),
	};

	return cmocka_run_group_tests(tests, keys_make, keys_drop);
}
