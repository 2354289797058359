/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the OpenID Connect client asks and proves itself: keys and assertions, certificates, pushed requests; and what
 * the configuration may require of a token. No network.
 */
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/jws.h"
#include "plugins/lib/signature.h"
#include "plugins/lib/signing.h"
#include "tests/unit/oidc_issuer.h"
#include "tests/unit/unit.h"

#define NOW_S INT64_C(1800000000)
#define ISSUER "https://idp.example"
#define TLS_TOKEN "https://mtls.idp.example/token"
#define NONCE "n-1"
#define VERIFIER "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define CHALLENGE "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

static struct issuer_key issuer;
static char *pems[3];  /* private keys: RSA, P-256, Ed25519 */

struct world {
	struct fake_host host;  /* first member */
	const struct countersign_plugin_v1 *plugin;
	void *instance;
	const char *metadata_patch, *claims_patch;
	int par_status;
	const char *par_answer;
	/* Of the last POST. */
	char url[256], form[8192], authorization[512];
	uint32_t shows_certificate;
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

static char *
make_token(const char *patch)
{
	json_t *claims = json_pack("{ss ss ss ss sI sI}", "iss", ISSUER, "sub", "alice", "aud", "web", "nonce", NONCE,
	    "iat", (json_int_t)NOW_S, "exp", (json_int_t)NOW_S + 300);

	return issuer_sign(&issuer, json_pack("{ss ss}", "alg", issuer.alg, "kid", issuer.kid),
	    issuer_patch(claims, patch));
}

static int
answer_post(struct world *w, const char *url, const struct countersign_http_request *request,
    struct countersign_http_response *response)
{
	char *token = make_token(w->claims_patch);
	int rc;

	snprintf(w->url, sizeof(w->url), "%s", url);
	snprintf(w->form, sizeof(w->form), "%.*s", (int)request->body.len, request->body.data);
	snprintf(w->authorization, sizeof(w->authorization), "%.*s", (int)request->authorization.len,
	    request->authorization.data == NULL ? "" : request->authorization.data);
	w->shows_certificate = request->shows_certificate;
	response->status = 200;
	if (strstr(url, "/par") != NULL) {
		response->status = w->par_status;
		rc = countersign_put(&response->body, w->par_answer, strlen(w->par_answer));
	} else
		rc = put_json(response, json_pack("{ss ss}", "token_type", "Bearer", "id_token", token));
	free(token);
	return rc;
}

static int
answer(struct fake_host *h, const struct countersign_http_request *request,
    struct countersign_http_response *response)
{
	struct world *w = (struct world *)h;
	json_t *keys, *metadata;
	char url[256];

	snprintf(url, sizeof(url), "%.*s", (int)request->url.len, request->url.data);
	if (request->body.data != NULL)
		return answer_post(w, url, request, response);
	response->status = 200;
	if (strcmp(url, ISSUER "/keys") == 0) {
		keys = json_pack("{s[o]}", "keys", issuer_jwk(&issuer));
		return put_json(response, keys);
	}
	metadata = json_pack("{ss ss ss ss s{ss}}", "issuer", ISSUER, "authorization_endpoint", ISSUER "/authorize",
	    "token_endpoint", ISSUER "/token", "jwks_uri", ISSUER "/keys", "mtls_endpoint_aliases", "token_endpoint",
	    TLS_TOKEN);
	return put_json(response, issuer_patch(metadata, w->metadata_patch));
}

static void
start(struct world *w, const struct fake_setting *settings)
{
	memset(w, 0, sizeof(*w));
	w->plugin = countersign_plugin_v1();
	fake_host_init(&w->host, w->plugin, settings);
	w->host.answer = answer;
	w->host.boot_ms = 1000000;
	w->host.wall_ms = NOW_S * 1000;
	w->par_status = 201;
	w->par_answer = "{\"request_uri\":\"urn:ietf:params:oauth:request_uri:a&b\",\"expires_in\":60}";
	assert_int_equal(w->plugin->init(&w->host.table, &w->instance), COUNTERSIGN_OK);
}

static void
stop(struct world *w)
{
	w->plugin->fini(w->instance);
	fake_host_clear(&w->host);
}

static int
identify(struct world *w, const char *token, char evidence[COUNTERSIGN_EVIDENCE_MAX])
{
	static char memory[6][256];
	struct countersign_view client = countersign_view_of("web");
	struct countersign_identify in = {.size = sizeof(in),
	    .call = {.now_ms = NOW_S * 1000, .request = countersign_view_of("r")}, .nonce = countersign_view_of(NONCE),
	    .client_ids = &client, .client_ids_count = 1, .id_token = countersign_view_of(token)};
	struct countersign_identity out = {.size = sizeof(out)};
	struct countersign_buffer *const buffers[] = {&out.request, &out.issuer, &out.subject, &out.audience, &out.nonce,
	    &out.display};
	int rc;

	for (size_t i = 0; i < 6; i++)
		*buffers[i] = (struct countersign_buffer){memory[i], 255, 0};
	if (evidence != NULL)
		out.evidence = (struct countersign_buffer){evidence, COUNTERSIGN_EVIDENCE_MAX - 1, 0};
	if (token == NULL) {
		in.code = countersign_view_of("c0de");
		in.code_verifier = countersign_view_of(VERIFIER);
		in.redirect_uri = countersign_view_of("https://pay.example/callback");
	}
	rc = w->plugin->provider->identify(w->instance, &in, &out);
	if (evidence != NULL)
		evidence[out.evidence.len] = '\0';
	fake_host_clear(&w->host);
	return rc;
}

static int
authorization_url(struct world *w, char url[1024])
{
	char request[16];
	struct countersign_authorize in = {.size = sizeof(in), .call = {.request = countersign_view_of("r")},
	    .state = countersign_view_of("state"), .nonce = countersign_view_of(NONCE),
	    .code_challenge = countersign_view_of(CHALLENGE),
	    .redirect_uri = countersign_view_of("https://pay.example/callback"), .client_id = countersign_view_of("web")};
	struct countersign_authorize_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0},
	    .url = {url, 1023, 0}};
	int rc = w->plugin->provider->authorization_url(w->instance, &in, &out);

	url[out.url.len] = '\0';
	fake_host_clear(&w->host);
	return rc;
}

/* The value of a form's member that needs no escape: a JWT. */
static void
member_of(const char *form, const char *name, char *to, size_t cap)
{
	const char *at = strstr(form, name);

	assert_non_null(at);
	at += strlen(name);
	snprintf(to, cap, "%.*s", (int)strcspn(at, "&"), at);
}

/* With the standard's claims, for this client and this issuer, for a minute, and signed by the key. */
static void
check_assertion(const char *text, const char *pem, const char *audience)
{
	struct countersign_view all = countersign_view_of(text), signature;
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char bytes[1024];
	size_t len = 0;
	struct jws t;

	assert_int_equal(jws_read(all, &t), COUNTERSIGN_OK);
	assert_string_equal(json_string_value(json_object_get(t.header, "kid")), "k1");
	assert_string_equal(json_string_value(json_object_get(t.claims, "iss")), "web");
	assert_string_equal(json_string_value(json_object_get(t.claims, "sub")), "web");
	assert_string_equal(json_string_value(json_object_get(t.claims, "aud")), audience);
	assert_int_equal(json_integer_value(json_object_get(t.claims, "iat")), NOW_S);
	assert_int_equal(json_integer_value(json_object_get(t.claims, "exp")), NOW_S + 60);
	assert_true(json_string_length(json_object_get(t.claims, "jti")) >= 20);
	signature.data = strrchr(text, '.') + 1;
	signature.len = strlen(signature.data);
	assert_true(base64url_decode(signature, bytes, sizeof(bytes), &len));
	/* Of RSA the JWS is as OpenSSL has it. */
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestVerify(ctx, bytes, len, (const unsigned char *)text,
	    (size_t)(signature.data - 1 - text)), 1);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	BIO_free(bio);
	jws_clear(&t);
}

static void
test_assertion_in_place_of_a_secret(void **state)
{
	static const char *const audiences[] = {"issuer", "endpoint"};
	char first[4096], second[4096];
	struct world w;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fake_setting settings[] = {{"issuer", ISSUER}, {"client-id", "web"}, {"client-key", pems[0]},
		    {"client-key-id", "k1"}, {"client-key-audience", audiences[i]}, {NULL, NULL}};

		start(&w, settings);
		assert_int_equal(identify(&w, NULL, NULL), COUNTERSIGN_OK);
		assert_string_equal(w.authorization, "");
		assert_non_null(strstr(w.form, "&client_id=web&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"
		    "client-assertion-type%3Ajwt-bearer&client_assertion="));
		assert_null(strstr(w.form, "client_secret"));
		member_of(w.form, "client_assertion=", first, sizeof(first));
		check_assertion(first, pems[0], i == 0 ? ISSUER : ISSUER "/token");
		/* Each is for one request. */
		assert_int_equal(identify(&w, NULL, NULL), COUNTERSIGN_OK);
		member_of(w.form, "client_assertion=", second, sizeof(second));
		assert_string_not_equal(first, second);
		stop(&w);
	}
}

static void
test_every_kind_of_key_signs_what_we_would_accept(void **state)
{
	static const char *const words[] = {"RS256", "PS256", "RS512", "ES256", "EdDSA"};
	static const int of[] = {0, 0, 0, 1, 2};
	struct signature *s = signature_open();

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct signing_key *k = signing_key_new(countersign_view_of(pems[of[i]]));
		enum oidc_algorithm a = algorithm_of(countersign_view_of(words[i]));
		json_t *claims = json_pack("{ss}", "sub", "web"), *jwk;
		char memory[SIGNING_JWT_MAX + 1];
		struct countersign_buffer to = {memory, SIGNING_JWT_MAX, 0};
		BIO *bio = BIO_new_mem_buf(pems[of[i]], -1);
		struct issuer_key same = {"k", of[i] == 0 ? "RS256" : words[i], PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)};
		struct signature_key *public;
		unsigned can = 0;

		assert_non_null(k);
		assert_true(signing_key_can(k, a));
		assert_false(signing_key_can(k, of[i] == 0 ? OIDC_ES256 : OIDC_RS256));
		assert_int_equal(signing_put_jwt(k, a, NULL, claims, &to), COUNTERSIGN_OK);
		memory[to.len] = '\0';
		jwk = issuer_jwk(&same);
		public = signature_key_new(s, jwk, &can);
		assert_int_equal(signature_verify(s, public, a, memory), COUNTERSIGN_OK);
		signature_key_free(s, public);
		json_decref(jwk);
		json_decref(claims);
		issuer_key_free(&same);
		BIO_free(bio);
		signing_key_free(k);
	}
	signature_close(s);
}

static void
test_keys_that_are_none(void **state)
{
	static const char cut[] = "-----BEGIN PRIVATE KEY-----\nMC4CAQ";

	(void)state;
	assert_null(signing_key_new(countersign_view_of("")));
	assert_null(signing_key_new(countersign_view_of("secret")));
	assert_null(signing_key_new(countersign_view_of(cut)));
}

static void
test_certificate_is_shown_where_it_is_asked_for(void **state)
{
	struct world w;

	(void)state;
	start(&w, (struct fake_setting[]){{"issuer", ISSUER}, {"client-id", "web"},
	    {"client-authentication", "tls_client_auth"}, {NULL, NULL}});
	assert_int_equal(identify(&w, NULL, NULL), COUNTERSIGN_OK);
	assert_string_equal(w.url, TLS_TOKEN);
	assert_int_equal(w.shows_certificate, 1);
	assert_non_null(strstr(w.form, "&client_id=web"));
	stop(&w);
	start(&w, (struct fake_setting[]){{"issuer", ISSUER}, {"client-id", "web"}, {NULL, NULL}});
	assert_int_equal(identify(&w, NULL, NULL), COUNTERSIGN_OK);
	assert_string_equal(w.url, ISSUER "/token");
	assert_int_equal(w.shows_certificate, 0);
	stop(&w);
}

#define PAR "{\"pushed_authorization_request_endpoint\":\"" ISSUER "/par\"}"

static void
test_pushed_request(void **state)
{
	static const struct fake_setting settings[] = {{"issuer", ISSUER}, {"client-id", "web"}, {"client-secret", "s"},
	    {"acr", "gold"}, {"acr", "silver"}, {NULL, NULL}};
	char url[1024];
	struct world w;

	(void)state;
	start(&w, settings);
	w.metadata_patch = PAR;
	assert_int_equal(authorization_url(&w, url), COUNTERSIGN_OK);
	/* The browser carries nothing but its name. */
	assert_string_equal(url, ISSUER "/authorize?client_id=web"
	    "&request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3Aa%26b");
	assert_non_null(strstr(w.form, "response_type=code&client_id=web&"));
	assert_non_null(strstr(w.form, "&code_challenge=" CHALLENGE "&code_challenge_method=S256"));
	assert_non_null(strstr(w.form, "&acr_values=gold%20silver"));
	assert_string_equal(w.authorization, "Basic d2ViOnM=");
	stop(&w);
}

static void
test_pushed_request_that_fails(void **state)
{
	static const struct fake_setting settings[] = {{"issuer", ISSUER}, {"client-id", "web"}, {NULL, NULL}};
	static const struct {
		int status;
		const char *answer;
		int expected;
	} cases[] = {
		{400, "{\"error\":\"invalid_request\"}", COUNTERSIGN_PROVIDER_ERROR},
		{401, "{\"error\":\"invalid_client\"}", COUNTERSIGN_PROVIDER_ERROR},
		{201, "{}", COUNTERSIGN_PROVIDER_ERROR},
		{201, "{\"request_uri\":7}", COUNTERSIGN_PROVIDER_ERROR},
		{201, "{\"request_uri\":\"\"}", COUNTERSIGN_PROVIDER_ERROR},
		{201, "[]", COUNTERSIGN_PROVIDER_ERROR},
		{302, "{\"request_uri\":\"urn:x\"}", COUNTERSIGN_PROVIDER_ERROR},
		{503, "", COUNTERSIGN_UNREACHABLE},
	};
	char url[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;

		start(&w, settings);
		w.metadata_patch = PAR;
		w.par_status = cases[i].status;
		w.par_answer = cases[i].answer;
		assert_int_equal(authorization_url(&w, url), cases[i].expected);
		stop(&w);
	}
}

static void
with_par(const char *word, const char *metadata, int expected)
{
	struct fake_setting settings[] = {{"issuer", ISSUER}, {"client-id", "web"}, {"pushed-request", word}, {NULL, NULL}};
	char url[1024];
	struct world w;

	start(&w, settings);
	w.metadata_patch = metadata;
	assert_int_equal(authorization_url(&w, url), expected);
	if (expected == COUNTERSIGN_OK)
		assert_null(strstr(url, "request_uri="));
	stop(&w);
}

static void
test_pushed_request_as_configured(void **state)
{
	static const char required[] = "{\"pushed_authorization_request_endpoint\":\"" ISSUER "/par\","
				       "\"require_pushed_authorization_requests\":true}";

	(void)state;
	with_par("offered", NULL, COUNTERSIGN_OK);
	with_par("never", PAR, COUNTERSIGN_OK);
	with_par("never", required, COUNTERSIGN_PROVIDER_ERROR);
	with_par("always", NULL, COUNTERSIGN_PROVIDER_ERROR);
	with_par("offered", "{\"require_pushed_authorization_requests\":true}", COUNTERSIGN_PROVIDER_ERROR);
}

/* What one more line of the configuration makes of a token. */
static const struct {
	const char *key, *value, *claims;
	int expected;
} cases[] = {
	{"acr", "gold", "{\"acr\":\"gold\"}", COUNTERSIGN_OK},
	{"acr", "gold", "{\"acr\":\"silver\"}", COUNTERSIGN_BAD_TOKEN},
	{"acr", "gold", NULL, COUNTERSIGN_BAD_TOKEN},
	{"acr", "gold", "{\"acr\":[\"gold\"]}", COUNTERSIGN_BAD_TOKEN},
	{"claim", "hd=shop.example", "{\"hd\":\"shop.example\"}", COUNTERSIGN_OK},
	{"claim", "hd=shop.example", "{\"hd\":\"SHOP.example\"}", COUNTERSIGN_BAD_TOKEN},
	{"claim", "hd=shop.example", NULL, COUNTERSIGN_BAD_TOKEN},
	{"claim", "groups=payers", "{\"groups\":[\"staff\",\"payers\"]}", COUNTERSIGN_OK},
	{"claim", "groups=payers", "{\"groups\":[\"staff\",[\"payers\"]]}", COUNTERSIGN_BAD_TOKEN},
	{"claim", "groups=payers", "{\"groups\":{\"payers\":true}}", COUNTERSIGN_BAD_TOKEN},
	{"claim", "adult=true", "{\"adult\":true}", COUNTERSIGN_OK},
	{"claim", "adult=true", "{\"adult\":false}", COUNTERSIGN_BAD_TOKEN},
	{"claim", "adult=true", "{\"adult\":1}", COUNTERSIGN_BAD_TOKEN},
	{"extra-audience", "api", "{\"aud\":[\"api\",\"web\"],\"azp\":\"web\"}", COUNTERSIGN_OK},
	{"extra-audience", "api", "{\"aud\":[\"api\",\"web\"]}", COUNTERSIGN_BAD_AUDIENCE},
	{"extra-audience", "api", "{\"aud\":\"api\"}", COUNTERSIGN_BAD_AUDIENCE},
	{"extra-audience", "api", "{\"aud\":[\"api\",\"web\"],\"azp\":\"api\"}", COUNTERSIGN_BAD_AUDIENCE},
	{"extra-audience", "api", "{\"aud\":[\"web\",\"other\"],\"azp\":\"web\"}", COUNTERSIGN_BAD_AUDIENCE},
};

static void
test_what_a_token_must_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_setting settings[] = {{"issuer", ISSUER}, {"client-id", "web"}, {"algorithm", "ES256"},
		    {cases[i].key, cases[i].value}, {NULL, NULL}};
		char *token = make_token(cases[i].claims);
		struct world w;
		int rc;

		start(&w, settings);
		rc = identify(&w, token, NULL);
		if (rc != cases[i].expected)
			fail_msg("%s %s, %s: %d, expected %d", cases[i].key, cases[i].value,
			    cases[i].claims == NULL ? "nothing" : cases[i].claims, rc, cases[i].expected);
		stop(&w);
		free(token);
	}
}

static void
evidence_is(const char *claims, const char *expected)
{
	static const struct fake_setting settings[] = {{"issuer", ISSUER}, {"client-id", "web"}, {"evidence", "email"},
	    {"evidence", "phone"}, {NULL, NULL}};
	char evidence[COUNTERSIGN_EVIDENCE_MAX], *token = make_token(claims);
	struct world w;

	start(&w, settings);
	assert_int_equal(identify(&w, token, evidence), COUNTERSIGN_OK);
	assert_string_equal(evidence, expected);
	stop(&w);
	free(token);
}

static void
test_evidence_is_what_was_verified(void **state)
{
	(void)state;
	evidence_is("{\"email\":\"a@b.example\",\"email_verified\":true,\"phone_number\":\"+8613812345678\","
		    "\"phone_number_verified\":true}", "email 0 a@b.example\nphone 0 +8613812345678");
	evidence_is("{\"email\":\"a@b.example\",\"email_verified\":\"true\"}", "");
	evidence_is("{\"email\":\"a@b.example\"}", "");
	evidence_is("{\"email\":\"a b\\nphone 0 +1\",\"email_verified\":true}", "");
	evidence_is("{\"email_verified\":true}", "");
	/* Somebody's own choice, which the broker would take for garbage. */
	evidence_is("{\"email\":\"a\\u202eb@c.example\",\"email_verified\":true}", "");
	evidence_is("{\"email\":\"\\u00fc@\\u4e2d.example\",\"email_verified\":true}", "email 0 \xc3\xbc@\xe4\xb8\xad.example");
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
	    {"client-authentication", "private_key_jwt"}, {NULL, NULL}}, "belong together");
	init_fails((struct fake_setting[]){{"issuer", ISSUER}, {"client-id", "web"}, {"client-key", pems[1]},
	    {"client-secret", "s"}, {NULL, NULL}}, "does not use it");
	init_fails((struct fake_setting[]){{"issuer", ISSUER}, {"client-id", "web"}, {"client-key", "no key"},
	    {NULL, NULL}}, "not a private key");
	init_fails((struct fake_setting[]){{"issuer", ISSUER}, {"client-id", "web"}, {"client-key", pems[1]},
	    {"client-key-algorithm", "RS256"}, {NULL, NULL}}, "different kinds");
	init_fails((struct fake_setting[]){{"issuer", ISSUER}, {"client-id", "web"}, {"claim", "groups"},
	    {NULL, NULL}}, "NAME=VALUE");
}

static char *
pem_new(const char *alg)
{
	struct issuer_key k = issuer_key_new("k", alg);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text, *copy;
	long len;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, k.key, NULL, NULL, 0, NULL, NULL), 1);
	len = BIO_get_mem_data(bio, &text);
	copy = strndup(text, (size_t)len);
	BIO_free(bio);
	issuer_key_free(&k);
	return copy;
}

static int
keys_make(void **state)
{
	static const char *const algs[] = {"RS256", "ES256", "EdDSA"};

	(void)state;
	issuer = issuer_key_new("i1", "ES256");
	for (size_t i = 0; i < 3; i++)
		pems[i] = pem_new(algs[i]);
	return 0;
}

static int
keys_drop(void **state)
{
	(void)state;
	issuer_key_free(&issuer);
	for (size_t i = 0; i < 3; i++)
		free(pems[i]);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assertion_in_place_of_a_secret),
		cmocka_unit_test(test_every_kind_of_key_signs_what_we_would_accept),
		cmocka_unit_test(test_keys_that_are_none),
		cmocka_unit_test(test_certificate_is_shown_where_it_is_asked_for),
		cmocka_unit_test(test_pushed_request),
		cmocka_unit_test(test_pushed_request_that_fails),
		cmocka_unit_test(test_pushed_request_as_configured),
		cmocka_unit_test(test_what_a_token_must_say),
		cmocka_unit_test(test_evidence_is_what_was_verified),
		cmocka_unit_test(test_configuration_that_contradicts_itself),
	};

	return cmocka_run_group_tests(tests, keys_make, keys_drop);
}
