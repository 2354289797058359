/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examples of RFC 7515, RFC 8037 and RFC 7520 where ID tokens come in: a signature over claims is taken from its
 * key alone, and no example passes for an ID token. The examples are not ours: CS_VECTORS says where they are.
 */
#include <dirent.h>
#include <stdio.h>

#include "plugins/lib/algorithm.h"
#include "plugins/lib/encoding.h"
#include "plugins/lib/signature.h"
#include "tests/unit/oidc_issuer.h"
#include "tests/unit/unit.h"

enum { KEYS_MAX = 16, NOW_S = 1300819370 };

/* Public keys that were met, each with its set of algorithms. */
struct ring {
	struct signature *signature;
	json_t *jwk[KEYS_MAX];
	struct signature_key *key[KEYS_MAX];
	unsigned can[KEYS_MAX];
	size_t count;
};

struct world {
	struct fake_host host;  /* first member */
	const struct ring *ring;
};

static const char *
vectors(void)
{
	const char *dir = getenv("CS_VECTORS");

	return dir == NULL ? "../shared/vectors" : dir;
}

static json_t *
public_part(const json_t *jwk)
{
	static const char *const names[] = {"kty", "crv", "n", "e", "x", "y"};
	json_t *public = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (json_object_get(jwk, names[i]) != NULL)
			json_object_set(public, names[i], json_object_get(jwk, names[i]));
	return public;
}

/* A key of no use to us (symmetric, another curve) is left out. */
static void
ring_add(struct ring *r, const json_t *jwk)
{
	json_t *public = public_part(jwk);
	unsigned can = 0;
	struct signature_key *k = signature_key_new(r->signature, public, &can);

	if (k == NULL) {
		json_decref(public);
		return;
	}
	assert_true(r->count < KEYS_MAX);
	r->jwk[r->count] = public;
	r->key[r->count] = k;
	r->can[r->count++] = can;
}

/* liboauth2 is one a process: the plugin's own can only be opened after this. The JWKs stay. */
static void
ring_shut(struct ring *r)
{
	for (size_t i = 0; i < r->count; i++)
		signature_key_free(r->signature, r->key[i]);
	signature_close(r->signature);
}

static void
ring_clear(struct ring *r)
{
	for (size_t i = 0; i < r->count; i++)
		json_decref(r->jwk[i]);
}

static enum oidc_algorithm
algorithm_in(const char *jws)
{
	struct countersign_view part = {jws, strcspn(jws, ".")};
	unsigned char memory[2048];
	size_t len = 0;
	json_t *header;
	enum oidc_algorithm a;

	if (!base64url_decode(part, memory, sizeof(memory), &len))
		return OIDC_ALGORITHM_COUNT;
	header = json_read_object((char *)memory, len);
	a = algorithm_of(json_member_text(header, "alg"));
	json_decref(header);
	return a;
}

/* Whether the part after the first dot is a JSON object. */
static bool
has_claims(const char *jws)
{
	const char *payload = jws + strcspn(jws, ".") + 1;
	unsigned char memory[2048];
	size_t len = 0;
	json_t *claims = NULL;

	if (base64url_decode((struct countersign_view){payload, strcspn(payload, ".")}, memory, sizeof(memory), &len))
		claims = json_read_object((char *)memory, len);
	json_decref(claims);
	return claims != NULL;
}

/*
 * Whether the signature is for us to take: compact, by an algorithm of the list, over claims. liboauth2 reads the claims
 * with the signature, so that over anything else it says no; Ed25519 is OpenSSL's.
 */
static bool
is_ours(const char *jws)
{
	enum oidc_algorithm a = algorithm_in(jws);

	return strstr(jws, "..") == NULL && a < OIDC_ALGORITHM_COUNT && (a == OIDC_EDDSA || has_claims(jws));
}

/* How many keys of the ring say that the signature is theirs. */
static size_t
believers(const struct ring *r, const char *jws)
{
	enum oidc_algorithm a = algorithm_in(jws);
	size_t n = 0;

	for (size_t i = 0; i < r->count; i++)
		n += a < OIDC_ALGORITHM_COUNT && (r->can[i] & 1U << a) != 0 &&
		    signature_verify(r->signature, r->key[i], a, jws) == COUNTERSIGN_OK;
	return n;
}

/* One key, and none once anything in the payload or in the signature is changed. */
static void
check_good_signature(const struct ring *r, const char *jws)
{
	char *other = strdup(jws);
	size_t payload = strcspn(jws, ".") + 2, signature = (size_t)(strrchr(jws, '.') - jws) + 3;

	assert_int_equal(believers(r, jws), 1);
	other[payload] = jws[payload] == 'A' ? 'B' : 'A';
	assert_int_equal(believers(r, other), 0);
	other[payload] = jws[payload];
	other[signature] = jws[signature] == 'A' ? 'B' : 'A';
	assert_int_equal(believers(r, other), 0);
	free(other);
}

static int
answer(struct fake_host *h, const struct countersign_http_request *request,
    struct countersign_http_response *response)
{
	const struct world *w = (struct world *)h;
	bool keys = request->url.len > 5 && memcmp(request->url.data + request->url.len - 5, "/keys", 5) == 0;
	json_t *list = json_array(), *v;
	char *text;
	int rc;

	for (size_t i = 0; i < w->ring->count; i++)
		json_array_append(list, w->ring->jwk[i]);
	v = keys ? json_pack("{sO}", "keys", list) : json_pack("{ss ss ss ss}", "issuer", "joe",
	    "authorization_endpoint", "https://joe.example/authorize", "token_endpoint", "https://joe.example/token",
	    "jwks_uri", "https://joe.example/keys");
	json_decref(list);
	text = json_dumps(v, JSON_COMPACT);
	response->status = 200;
	rc = countersign_put(&response->body, text, strlen(text));
	free(text);
	json_decref(v);
	return rc;
}

/* What the plugin says to it as an ID token of the issuer "joe", who publishes the ring. */
static int
as_id_token(const struct ring *r, const char *jws)
{
	static const struct fake_setting settings[] = {{"issuer", "joe"}, {"client-id", "web"},
	    {"algorithm", "RS256"}, {"algorithm", "ES256"}, {"algorithm", "ES512"}, {"algorithm", "PS384"},
	    {"algorithm", "EdDSA"}, {NULL, NULL}};
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();
	const struct countersign_view client = countersign_view_of("web");
	struct countersign_identify in = {.size = sizeof(in), .call.now_ms = NOW_S * INT64_C(1000),
	    .nonce = countersign_view_of("n"), .client_ids = &client, .client_ids_count = 1,
	    .id_token = countersign_view_of(jws)};
	static char memory[6][255];
	struct countersign_identity out = {.size = offsetof(struct countersign_identity, was_issuer)};
	struct countersign_buffer *const buffers[] = {&out.request, &out.issuer, &out.subject, &out.audience, &out.nonce,
	    &out.display};
	struct world w = {.ring = r};
	void *instance = NULL;
	int rc;

	for (size_t i = 0; i < 6; i++)
		*buffers[i] = (struct countersign_buffer){memory[i], sizeof(memory[i]), 0};
	fake_host_init(&w.host, plugin, settings);
	w.host.answer = answer;
	w.host.boot_ms = 1000;
	assert_int_equal(plugin->init(&w.host.table, &instance), COUNTERSIGN_OK);
	rc = plugin->provider->identify(instance, &in, &out);
	plugin->fini(instance);
	fake_host_clear(&w.host);
	return rc;
}

static json_t *
load(const char *dir, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s/%s", vectors(), dir, name);
	return json_load_file(path, 0, NULL);
}

/* RFC 7515 appendices A and E: their tokens are of the issuer "joe", and lack an audience. */
static int
expected_of(const json_t *vector, const char *jws)
{
	const json_t *header = json_object_get(vector, "header");

	if (json_object_get(header, "crit") != NULL)
		return COUNTERSIGN_BAD_TOKEN;
	if (algorithm_in(jws) == OIDC_ALGORITHM_COUNT)
		return COUNTERSIGN_BAD_ALGORITHM;
	return COUNTERSIGN_BAD_TOKEN;
}

/* The payload of its claims begins so. */
#define OF_JOE ".eyJpc3MiOiJqb2Ui"

static void
check_as_id_token(const struct ring *r, const json_t *vector)
{
	const char *jws = json_string_value(json_object_get(vector, "jws"));
	char *tampered = strdup(jws), *signature = strrchr(tampered, '.') + 5;

	assert_int_equal(as_id_token(r, jws), expected_of(vector, jws));
	if (strstr(jws, OF_JOE) != NULL && algorithm_in(jws) < OIDC_ALGORITHM_COUNT) {
		*signature = *signature == 'A' ? 'E' : 'A';
		assert_int_equal(as_id_token(r, tampered), COUNTERSIGN_BAD_SIGNATURE);
	}
	free(tampered);
}

static void
test_examples_of_the_rfcs(void **state)
{
	struct ring r = {.signature = signature_open()};
	json_t *document = load("jose-rfc", "rfc7515-8037.json"), *key, *vector;
	size_t i, good = 0;

	(void)state;
	json_array_foreach(json_object_get(document, "keys"), i, key)
		ring_add(&r, key);
	json_array_foreach(json_object_get(document, "vectors"), i, vector) {
		const char *jws = json_string_value(json_object_get(vector, "jws"));
		const char *expect = json_string_value(json_object_get(vector, "expect"));

		if (strncmp(expect, "accept", 6) == 0 && is_ours(jws)) {
			check_good_signature(&r, jws);
			good++;
		} else
			assert_int_equal(believers(&r, jws), 0);
	}
	ring_shut(&r);
	json_array_foreach(json_object_get(document, "vectors"), i, vector)
		check_as_id_token(&r, vector);
	ring_clear(&r);
	if (document == NULL) {
		print_message("skipped: there are no vectors at CS_VECTORS/jose-rfc\n");
		skip();
	}
	assert_true(good >= 3);
	json_decref(document);
}

static void
play_cookbook(const char *dir, const char *name, size_t *good)
{
	struct ring r = {.signature = signature_open()};
	json_t *document = load(dir, name), *output = json_object_get(document, "output"), *v;
	const json_t *input = json_object_get(document, "input"), *key = json_object_get(input, "key");
	const char *compact = json_string_value(json_object_get(output, "compact")), *form;

	assert_non_null(document);
	if (json_is_object(key))
		ring_add(&r, key);
	if (compact != NULL && is_ours(compact)) {
		check_good_signature(&r, compact);
		(*good)++;
	} else if (compact != NULL)
		assert_int_equal(believers(&r, compact), 0);
	ring_shut(&r);
	/* A poem is no ID token, whoever signed it; nor is a signature in JSON. */
	json_object_foreach(output, form, v) {
		char *text = json_is_object(v) ? json_dumps(v, JSON_COMPACT) : strdup(json_string_value(v));

		assert_int_equal(as_id_token(&r, text), COUNTERSIGN_BAD_TOKEN);
		free(text);
	}
	json_decref(document);
	ring_clear(&r);
}

static void
test_cookbook(void **state)
{
	static const char *const dirs[] = {"jose-cookbook/jws", "jose-cookbook/curve25519", "jose-cookbook/rfc7797"};
	size_t played = 0, good = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		char path[4096];
		struct dirent *e;
		DIR *d;

		snprintf(path, sizeof(path), "%s/%s", vectors(), dirs[i]);
		d = opendir(path);
		while (d != NULL && (e = readdir(d)) != NULL) {
			size_t len = strlen(e->d_name);

			if (len < 5 || strcmp(e->d_name + len - 5, ".json") != 0)
				continue;
			play_cookbook(dirs[i], e->d_name, &good);
			played++;
		}
		if (d != NULL)
			closedir(d);
	}
	if (played == 0) {
		print_message("skipped: there are no vectors at CS_VECTORS/jose-cookbook\n");
		skip();
	}
	assert_true(played >= 10 && good >= 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples_of_the_rfcs),
		cmocka_unit_test(test_cookbook),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
