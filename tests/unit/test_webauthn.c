/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The factor webauthn: published vectors and recordings of a browser, what CBOR and authenticator
 * data may look like, where a page may be, and what the configuration may say. Every refusal of an
 * answer that is otherwise right is in tests/interop/test_webauthn.py, which has keys to sign with.
 * The engine looks at every answer here as well, and must come to the same end by its own code.
 */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/engine/passkey.h"
#include "plugins/webauthn/cbor.h"
#include "plugins/webauthn/check.h"
#include "tests/unit/plugin_host.h"
#include "tests/unit/unit.h"

static struct policy
policy_of(const char *rp_id, const char *origin)
{
	struct policy p = {.rp_id = countersign_view_of(rp_id),
	    .rp_name = countersign_view_of("Test"),
	    .origins = {countersign_view_of(origin)},
	    .origins_count = 1};

	return p;
}

static struct countersign_view
bytes_of(const void *data, size_t len)
{
	return (struct countersign_view){data, len};
}

/* ---- CBOR ------------------------------------------------------------------------------------ */

static bool
skips(const char *data, size_t len)
{
	struct cbor c = cbor_over(bytes_of(data, len));
	struct countersign_view whole;

	return cbor_skip(&c, &whole) && cbor_done(&c) && whole.len == len;
}

#define SKIPS(text) skips(text, sizeof(text) - 1)

static void
test_cbor_has_one_spelling(void **state)
{
	(void)state;
	assert_true(SKIPS("\x17"));
	assert_true(SKIPS("\x18\x18"));
	assert_false(SKIPS("\x18\x17"));
	assert_true(SKIPS("\x19\x01\x00"));
	assert_false(SKIPS("\x19\x00\xff"));
	assert_true(SKIPS("\x1a\x00\x01\x00\x00"));
	assert_false(SKIPS("\x1a\x00\x00\xff\xff"));
	assert_true(SKIPS("\x1b\x00\x00\x00\x01\x00\x00\x00\x00"));
	assert_false(SKIPS("\x1b\x00\x00\x00\x00\xff\xff\xff\xff"));
	/* No indefinite lengths, tags, floats, reserved heads. */
	assert_false(SKIPS("\x9f\xff"));
	assert_false(SKIPS("\x5f\x41\x61\xff"));
	assert_false(SKIPS("\xc0\x01"));
	assert_false(SKIPS("\xf9\x3c\x00"));
	assert_false(SKIPS("\x1c"));
	assert_true(SKIPS("\xf5"));
	assert_false(SKIPS("\xe0"));
}

static void
test_cbor_is_bounded(void **state)
{
	struct cbor c = cbor_over(bytes_of("\x1b\xff\xff\xff\xff\xff\xff\xff\xff", 9));
	int64_t n;

	(void)state;
	assert_false(cbor_int(&c, &n));
	assert_true(c.bad);
	assert_false(SKIPS(""));
	assert_false(SKIPS("\x42\x61"));
	assert_false(SKIPS("\x5b\xff\xff\xff\xff\xff\xff\xff\xff"));
	assert_false(SKIPS("\xa1\x01"));
	assert_false(SKIPS("\x98\x21"));
	assert_true(SKIPS("\x81\x81\x81\x81\x81\x01"));
	assert_false(SKIPS("\x81\x81\x81\x81\x81\x81\x01"));
}

/* ---- authenticator data ---------------------------------------------------------------------- */

static void
test_authdata_is_all_of_it(void **state)
{
	unsigned char data[64] = {0};
	struct authdata a;

	(void)state;
	data[32] = AUTHDATA_UP;
	data[36] = 7;
	for (size_t len = 0; len < 37; len++)
		assert_false(authdata_read(bytes_of(data, len), &a));
	assert_true(authdata_read(bytes_of(data, 37), &a));
	assert_int_equal(a.counter, 7);
	assert_false(authdata_read(bytes_of(data, 38), &a));
	/* Extensions: a map, and nothing behind it. */
	data[32] |= AUTHDATA_ED;
	assert_false(authdata_read(bytes_of(data, 37), &a));
	data[37] = 0xa0;
	assert_true(authdata_read(bytes_of(data, 38), &a));
	assert_false(authdata_read(bytes_of(data, 39), &a));
	data[37] = 0x80;
	assert_false(authdata_read(bytes_of(data, 38), &a));
}

static void
test_credential_id_has_bounds(void **state)
{
	static unsigned char data[37 + 18 + 1100];
	struct authdata a;

	(void)state;
	data[32] = AUTHDATA_UP | AUTHDATA_AT;
	memset(data + 37 + 18, 0xa0, sizeof(data) - 37 - 18);
	for (size_t len = 0; len <= 1030; len++) {
		data[37 + 16] = (unsigned char)(len >> 8);
		data[37 + 17] = (unsigned char)len;
		assert_int_equal(authdata_read(bytes_of(data, 37 + 18 + len + 1), &a),
		    len > 0 && len <= CREDENTIAL_ID_MAX);
	}
	/* Longer than what there is. */
	data[37 + 16] = 0;
	data[37 + 17] = 200;
	assert_false(authdata_read(bytes_of(data, 37 + 18 + 100), &a));
}

static void
test_key_is_of_an_algorithm_that_is_offered(void **state)
{
	static const struct {
		unsigned char head[8];
		size_t len;
	} bad[] = {
	    {{0xa0}, 1}, {{0xa2, 0x01, 0x02, 0x03, 0x26}, 5}, /* ES256 without a point */
	    {{0xa2, 0x01, 0x02, 0x03, 0x38, 0x22}, 6},	      /* ES384 */
	    {{0xa2, 0x03, 0x26, 0x03, 0x26}, 5},	      /* alg twice */
	    {{0xa1, 0x61, 0x61, 0x01}, 4},		      /* a label that is no number */
	};
	unsigned char key[64] = {0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20};
	struct webauthn_key k;

	(void)state;
	assert_true(authdata_key(bytes_of(key, 42), &k));
	assert_int_equal(k.algorithm, ALGORITHM_EDDSA);
	assert_int_equal(k.len, 32);
	assert_false(authdata_key(bytes_of(key, 43), &k));
	key[6] = 7; /* Ed448 */
	assert_false(authdata_key(bytes_of(key, 42), &k));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(authdata_key(bytes_of(bad[i].head, bad[i].len), &k));
}

/* ---- client data ----------------------------------------------------------------------------- */

#define START                                                                                      \
	"{\"type\":\"webauthn.get\",\"challenge\":\"AAECAwQFBgcICQoLDA0ODw\",\"origin\":\"https:/" \
	"/a.example\""

static enum refusal
check(const struct policy *p, const char *text)
{
	static const char challenge[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

	return client_check(p, countersign_view_of(text), "webauthn.get", bytes_of(challenge, 16), bytes_of(NULL, 0));
}

static void
test_client_data(void **state)
{
	struct policy p = policy_of("a.example", "https://a.example");

	(void)state;
	assert_int_equal(check(&p, START "}"), REFUSED_NOT);
	assert_int_equal(check(&p, "\xef\xbb\xbf" START "}"), REFUSED_NOT);
	assert_int_equal(check(&p, "\xef\xbb\xbf\xef\xbb\xbf" START "}"), REFUSED_CLIENT_DATA);
	assert_int_equal(
	    check(&p, START ",\"later\":{\"a\":[1,null]},\"other_keys_can_be_added_here\":\"x\"}"),
	    REFUSED_NOT);
	assert_int_equal(
	    check(&p, START ",\"origin\":\"https://a.example\"}"), REFUSED_CLIENT_DATA);
	assert_int_equal(check(&p, START ",\"x\":[[[[[[[[1]]]]]]]]}"), REFUSED_CLIENT_DATA);
	assert_int_equal(check(&p, START), REFUSED_CLIENT_DATA);
	assert_int_equal(check(&p, "[]"), REFUSED_CLIENT_DATA);
	assert_int_equal(check(&p, ""), REFUSED_CLIENT_DATA);
	assert_int_equal(check(&p, "{}"), REFUSED_CLIENT_DATA);
	assert_int_equal(check(&p, START ",\"crossOrigin\":false}"), REFUSED_NOT);
	assert_int_equal(check(&p, START ",\"crossOrigin\":\"no\"}"), REFUSED_CLIENT_DATA);
	assert_int_equal(check(&p, START ",\"crossOrigin\":true}"), REFUSED_CROSS_ORIGIN);
	assert_int_equal(
	    check(&p, START ",\"topOrigin\":\"https://b.example\"}"), REFUSED_CROSS_ORIGIN);
}

static void
test_frames_of_listed_sites_alone(void **state)
{
	struct policy p = policy_of("a.example", "https://a.example");

	(void)state;
	p.cross_origin = true;
	assert_int_equal(check(&p, START ",\"crossOrigin\":true}"), REFUSED_NOT);
	assert_int_equal(
	    check(&p, START ",\"crossOrigin\":true,\"topOrigin\":\"https://b.example\"}"),
	    REFUSED_TOP_ORIGIN);
	p.top_origins[0] = countersign_view_of("https://b.example");
	p.top_origins_count = 1;
	assert_int_equal(
	    check(&p, START ",\"crossOrigin\":true,\"topOrigin\":\"https://b.example\"}"),
	    REFUSED_NOT);
	assert_int_equal(
	    check(&p, START ",\"crossOrigin\":true,\"topOrigin\":\"https://b.example.evil\"}"),
	    REFUSED_TOP_ORIGIN);
	assert_int_equal(check(&p, START ",\"crossOrigin\":true}"), REFUSED_TOP_ORIGIN);
}

/* ---- the record ------------------------------------------------------------------------------ */

static void
test_record_survives(void **state)
{
	static struct passkey p = {.key = {.algorithm = ALGORITHM_RS256, .len = PUBLIC_KEY_MAX},
				  .flags = 0x1c,
				  .counter = 0xfedcba98,
				  .attested = ATTESTED_U2F,
				  .id_len = CREDENTIAL_ID_MAX},
			      q;
	unsigned char to[RECORD_MAX];
	size_t len;

	(void)state;
	memset(p.key.bytes, 0x5a, sizeof(p.key.bytes));
	memset(p.id, 0xa5, sizeof(p.id));
	memset(p.aaguid, 3, sizeof(p.aaguid));
	memset(p.user_handle, 4, sizeof(p.user_handle));
	len = passkey_encode(&p, to);
	assert_true(passkey_decode(bytes_of(to, len), &q));
	assert_memory_equal(&p, &q, sizeof(p));
	assert_false(passkey_decode(bytes_of(to, len - 1), &q));
	to[0] = 2;
	assert_false(passkey_decode(bytes_of(to, len), &q));
}

/* ---- configuration --------------------------------------------------------------------------- */

static int
starts(const struct fake_setting *settings, char log[512])
{
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();
	static struct fake_host host;
	void *instance;
	int rc;

	fake_host_init(&host, plugin, settings);
	rc = plugin->init(&host.table, &instance);
	if (rc == COUNTERSIGN_OK)
		plugin->fini(instance);
	memcpy(log, host.log, 512);
	return rc;
}

static void
test_configuration_that_could_never_work_is_refused(void **state)
{
	static const struct {
		const char *rp_id, *origin, *word;
	} cases[] = {
	    {"pay.example", "https://pay.example", NULL},
	    {"pay.example", "https://www.pay.example:8443", NULL},
	    {"localhost", "http://localhost:9311", NULL},
	    {"pay.example", "http://pay.example", "`origin`"},
	    {"pay.example", "https://evilpay.example", "`origin`"},
	    {"pay.example", "https://pay.example/", "`origin`"},
	    {"pay.example", "https://pay.example:443", "`origin`"},
	    {"pay.example", "https://pay.example:0", "`origin`"},
	    {"pay.example", "https://Pay.example", "`origin`"},
	    {"pay.example", "https://", "`origin`"},
	    {"www.pay.example", "https://pay.example", "`origin`"},
	    {"https://pay.example", "https://pay.example", "`rp-id`"},
	};
	char log[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_setting s[] = {
		    {"rp-id", cases[i].rp_id}, {"origin", cases[i].origin}, {NULL, NULL}};

		assert_int_equal(
		    starts(s, log), cases[i].word == NULL ? COUNTERSIGN_OK : COUNTERSIGN_INVALID);
		if (cases[i].word != NULL)
			assert_non_null(strstr(log, cases[i].word));
	}
	assert_int_equal(
	    starts((struct fake_setting[]){{"rp-id", "a.example"}, {"origin", "https://a.example"},
		       {"top-origin", "https://b.example"}, {NULL, NULL}},
		log),
	    COUNTERSIGN_INVALID);
	assert_non_null(strstr(log, "cross-origin"));
}

static void
test_self_test_passes(void **state)
{
	(void)state;
	assert_int_equal(countersign_plugin_v1()->self_test(NULL), COUNTERSIGN_OK);
}

/* ---- vectors --------------------------------------------------------------------------------- */

static size_t
hex(const json_t *v, unsigned char *to, size_t cap)
{
	const char *text = json_string_value(v);
	size_t n = text == NULL ? 0 : strlen(text) / 2;

	assert_true(n > 0 && n <= cap);
	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
		to[i] = (unsigned char)byte;
	}
	return n;
}

/* A member in hexadecimal, as a member in base64url. */
static void
move(json_t *to, const char *name, const json_t *from)
{
	unsigned char bytes[4096];
	char text[6000];
	size_t len = client_encode(bytes, hex(from, bytes, sizeof(bytes)), text);

	json_object_set_new(to, name, json_stringn(text, len));
}

static const struct {
	const char *id;
	enum attestation_kind attested;
} known[] = {
    {"none-es256", ATTESTED_NONE},
    {"packed-self-es256", ATTESTED_SELF},
    {"packed-es256", ATTESTED_PACKED},
    {"packed-rs256", ATTESTED_PACKED},
    {"packed-eddsa", ATTESTED_PACKED},
};

static json_t *
credential(const json_t *phase, const json_t *id)
{
	static const char *const members[] = {
	    "clientDataJSON", "attestationObject", "authenticatorData", "signature"};
	json_t *c = json_pack("{s:s}", "type", "public-key"), *r = json_object();

	move(c, "id", id);
	for (size_t i = 0; i < 4; i++)
		if (json_object_get(phase, members[i]) != NULL)
			move(r, members[i], json_object_get(phase, members[i]));
	json_object_set_new(c, "response", r);
	return c;
}

/* ---- the engine beside the plugin ------------------------------------------------------------- */

static struct view
view_from(struct countersign_view v)
{
	return view_of(v.data, v.len);
}

static struct passkey_policy
engine_policy(const struct policy *p)
{
	struct passkey_policy e = {.rp_id = view_from(p->rp_id),
	    .origins_n = p->origins_count,
	    .top_origins_n = p->top_origins_count,
	    .cross_origin = p->cross_origin,
	    .verification = (enum passkey_verification)p->verification};

	for (size_t i = 0; i < p->origins_count; i++)
		e.origins[i] = view_from(p->origins[i]);
	for (size_t i = 0; i < p->top_origins_count; i++)
		e.top_origins[i] = view_from(p->top_origins[i]);
	return e;
}

static bool
engine_asserts(const struct policy *p, const struct passkey *key, const struct assertion_asked *asked,
    const char *text, uint32_t *counter)
{
	unsigned char record[RECORD_MAX];
	struct passkey_policy policy = engine_policy(p);
	struct passkey_question q = {.record = view_of(record, passkey_encode(key, record)),
	    .answer = view_str(text),
	    .challenge = view_from(asked->challenge),
	    .payment = asked->payment,
	    .counter = asked->counter};

	return passkey_right(&policy, &q, counter);
}

/* What the plugin made is of the key that the browser made; of any other the engine says so. */
static void
engine_registers(
    const struct policy *p, const struct registration *asked, const char *text, const struct passkey *key)
{
	unsigned char first[RECORD_MAX], record[RECORD_MAX];
	struct view begun = view_of(first, registration_encode(asked, first));
	struct passkey_policy policy = engine_policy(p);
	struct passkey other = *key;

	assert_true(passkey_made(&policy, begun, view_str(text), view_of(record, passkey_encode(key, record))));
	other.key.bytes[7] ^= 1;
	assert_false(passkey_made(&policy, begun, view_str(text), view_of(record, passkey_encode(&other, record))));
	other = *key;
	other.id[0] ^= 1;
	assert_false(passkey_made(&policy, begun, view_str(text), view_of(record, passkey_encode(&other, record))));
	other = *key;
	other.flags ^= AUTHDATA_BE;
	assert_false(passkey_made(&policy, begun, view_str(text), view_of(record, passkey_encode(&other, record))));
	other = *key;
	other.aaguid[0] ^= 1;
	assert_false(passkey_made(&policy, begun, view_str(text), view_of(record, passkey_encode(&other, record))));
	other = *key;
	other.user_handle[0] ^= 1;
	assert_false(passkey_made(&policy, begun, view_str(text), view_of(record, passkey_encode(&other, record))));
	first[2] ^= 1;
	assert_false(passkey_made(&policy, begun, view_str(text), view_of(record, passkey_encode(key, record))));
}

static enum refusal
registers(const struct policy *p, const struct registration *asked, const json_t *answer,
    struct passkey *key)
{
	char *text = json_dumps(answer, 0);
	enum refusal why;

	assert_int_equal(
	    check_registration(p, asked, countersign_view_of(text), key, &why), COUNTERSIGN_OK);
	if (why == REFUSED_NOT)
		engine_registers(p, asked, text, key);
	free(text);
	return why;
}

static enum refusal
asserts(const struct policy *p, const struct passkey *key, struct countersign_view challenge,
    int64_t before, const json_t *answer, uint32_t *counter)
{
	struct assertion_asked asked = {.challenge = challenge, .payment = true, .counter = before};
	char *text = json_dumps(answer, 0);
	uint32_t said = 0;
	enum refusal why;

	assert_int_equal(check_assertion(p, key, &asked, countersign_view_of(text), counter, &why),
	    COUNTERSIGN_OK);
	assert_int_equal(engine_asserts(p, key, &asked, text, &said), why == REFUSED_NOT);
	if (why == REFUSED_NOT)
		assert_int_equal(said, *counter);
	free(text);
	return why;
}

/* The last letter of a signature's part that is not padding changed: everything else is right. */
static void
check_tampered(const struct policy *p, const struct passkey *key, struct countersign_view challenge,
    json_t *answer)
{
	json_t *r = json_object_get(answer, "response");
	char text[1024];
	uint32_t counter;

	snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(r, "signature")));
	text[20] = text[20] == 'A' ? 'B' : 'A';
	json_object_set_new(r, "signature", json_string(text));
	assert_int_equal(asserts(p, key, challenge, 0, answer, &counter), REFUSED_SIGNATURE);
}

static void
check_pair(struct policy p, const json_t *vector, enum attestation_kind attested)
{
	const json_t *phases = json_object_get(vector, "phases"),
		     *reg = json_object_get(phases, "registration");
	const json_t *aut = json_object_get(phases, "authentication"),
		     *id = json_object_get(reg, "credential_id");
	const bool reg_verified =
	    (json_integer_value(json_object_get(json_object_get(reg, "_decoded"), "flags")) &
		AUTHDATA_UV) != 0;
	const bool aut_verified =
	    (json_integer_value(json_object_get(json_object_get(aut, "_decoded"), "flags")) &
		AUTHDATA_UV) != 0;
	struct registration asked = {{0}, {0}};
	unsigned char challenge[64];
	struct passkey key;
	uint32_t counter = 99;
	json_t *c = credential(reg, id);
	size_t len;

	assert_int_equal(hex(json_object_get(reg, "challenge"), asked.challenge, 32), 32);
	p.verification = VERIFICATION_REQUIRED;
	assert_int_equal(
	    registers(&p, &asked, c, &key), reg_verified ? REFUSED_NOT : REFUSED_VERIFICATION);
	p.verification = VERIFICATION_PREFERRED;
	p.attestation = ATTESTATION_CERTIFICATE;
	assert_int_equal(registers(&p, &asked, c, &key),
	    attested == ATTESTED_PACKED ? REFUSED_NOT : REFUSED_ATTESTATION);
	p.attestation = ATTESTATION_SIGNED;
	assert_int_equal(registers(&p, &asked, c, &key),
	    attested == ATTESTED_NONE ? REFUSED_ATTESTATION : REFUSED_NOT);
	p.attestation = ATTESTATION_ANY;
	assert_int_equal(registers(&p, &asked, c, &key), REFUSED_NOT);
	assert_int_equal(key.attested, attested);
	json_decref(c);

	c = credential(aut, id);
	len = hex(json_object_get(aut, "challenge"), challenge, sizeof(challenge));
	assert_int_equal(asserts(&p, &key, bytes_of(challenge, len), 0, c, &counter), REFUSED_NOT);
	assert_int_equal(counter, 0);
	p.verification = VERIFICATION_PAYMENTS;
	assert_int_equal(asserts(&p, &key, bytes_of(challenge, len), 0, c, &counter),
	    aut_verified ? REFUSED_NOT : REFUSED_VERIFICATION);
	p.verification = VERIFICATION_PREFERRED;
	assert_int_equal(
	    asserts(&p, &key, bytes_of(challenge, len), 5, c, &counter), REFUSED_COUNTER);
	assert_int_equal(
	    asserts(&p, &key, bytes_of(challenge, len - 1), 0, c, &counter), REFUSED_CHALLENGE);
	p.rp_id = countersign_view_of("example.com");
	assert_int_equal(
	    asserts(&p, &key, bytes_of(challenge, len), 0, c, &counter), REFUSED_RP_ID);
	p.rp_id = countersign_view_of("example.org");
	check_tampered(&p, &key, bytes_of(challenge, len), c);
	json_decref(c);
}

static bool
vectors(const char *name, char path[4096])
{
	const char *dir = getenv("CS_VECTORS");

	snprintf(path, 4096, "%s/webauthn/%s", dir == NULL ? "" : dir, name);
	return dir != NULL && access(path, F_OK) == 0;
}

static void
test_published_vectors(void **state)
{
	char path[4096];
	json_t *doc, *v;
	size_t i, found = 0;

	(void)state;
	if (!vectors("webauthn-l3-subset.json", path)) {
		print_message("skipped: there are no vectors at CS_VECTORS/webauthn\n");
		skip();
	}
	doc = json_load_file(path, 0, NULL);
	assert_non_null(doc);
	json_array_foreach(json_object_get(doc, "vectors"), i, v)
	{
		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (strcmp(json_string_value(json_object_get(v, "id")), known[k].id) == 0) {
				check_pair(policy_of("example.org", "https://example.org"), v,
				    known[k].attested);
				found++;
			}
	}
	assert_int_equal(found, sizeof(known) / sizeof(known[0]));
	json_decref(doc);
}

/* base64url of JSON, by our own decoder: an answer with it as the id. */
static size_t
decoded(const json_t *v, unsigned char *to)
{
	static struct client_answer a;
	json_t *o = json_pack("{s:O, s:s, s:{s:s}}", "id", v, "type", "public-key", "response",
	    "clientDataJSON", "AA");
	char *text = json_dumps(o, 0);

	assert_true(client_read_answer(countersign_view_of(text), &a));
	memcpy(to, a.id, a.id_len);
	free(text);
	json_decref(o);
	return a.id_len;
}

/* One letter of what was signed changed, each in its turn: no such answer is right, to either of the two. */
static void
check_every_letter(const struct policy *p, const struct passkey *key, struct countersign_view challenge,
    const json_t *answer)
{
	static const char *const members[] = {"clientDataJSON", "authenticatorData", "signature", "userHandle"};

	for (size_t m = 0; m < sizeof(members) / sizeof(members[0]); m++) {
		json_t *copy = json_deep_copy(answer), *r = json_object_get(copy, "response");
		const char *whole = json_string_value(json_object_get(r, members[m]));
		char text[8192];

		for (size_t i = 0; whole != NULL && whole[i] != '\0'; i++) {
			uint32_t counter;

			whole = json_string_value(json_object_get(json_object_get(answer, "response"), members[m]));
			snprintf(text, sizeof(text), "%s", whole);
			text[i] = text[i] == 'A' ? 'B' : 'A';
			json_object_set_new(r, members[m], json_string(text));
			assert_int_not_equal(asserts(p, key, challenge, 0, copy, &counter), REFUSED_NOT);
		}
		json_decref(copy);
	}
}

static void
check_recording(const char *path)
{
	json_t *doc = json_load_file(path, 0, NULL);
	struct policy p = policy_of("localhost", "http://localhost:9311");
	struct registration asked = {{0}, {0}};
	unsigned char challenge[64], handle[64];
	bool plain = strstr(path, "nouv") != NULL;
	const json_t *reg, *first;
	struct passkey key;
	uint32_t counter = 0, second;
	size_t len;

	assert_non_null(doc);
	reg = json_object_get(doc, "registration");
	first = json_object_get(doc, "assertion");
	assert_int_equal(decoded(json_object_get(doc, "challenge"), asked.challenge), 32);
	len = decoded(json_object_get(doc, "userId"), handle);
	memcpy(asked.user_handle, handle, len < 16 ? len : 16);
	assert_int_equal(
	    registers(&p, &asked, reg, &key), plain ? REFUSED_VERIFICATION : REFUSED_NOT);
	if (plain) {
		p.verification = VERIFICATION_PREFERRED;
		assert_int_equal(registers(&p, &asked, reg, &key), REFUSED_NOT);
	}
	len = decoded(json_object_get(doc, "assertionChallenge"), challenge);
	assert_int_equal(
	    asserts(&p, &key, bytes_of(challenge, len), key.counter, first, &counter), REFUSED_NOT);
	assert_true(counter > key.counter);
	/* The same once more: its counter was seen. */
	assert_int_equal(
	    asserts(&p, &key, bytes_of(challenge, len), counter, first, &second), REFUSED_COUNTER);
	key.flags ^= AUTHDATA_BE;
	assert_int_equal(
	    asserts(&p, &key, bytes_of(challenge, len), 0, first, &second), REFUSED_ELIGIBILITY);
	key.flags ^= AUTHDATA_BE;
	key.user_handle[0] ^= 1;
	assert_int_equal(asserts(&p, &key, bytes_of(challenge, len), 0, first, &second),
	    json_object_get(json_object_get(first, "response"), "userHandle") == NULL
		? REFUSED_NOT
		: REFUSED_USER);
	key.user_handle[0] ^= 1;
	check_every_letter(&p, &key, bytes_of(challenge, len), first);
	p.origins[0] = countersign_view_of("http://localhost:9312");
	assert_int_equal(
	    asserts(&p, &key, bytes_of(challenge, len), 0, first, &second), REFUSED_ORIGIN);
	json_decref(doc);
}

static void
test_recordings_of_a_browser(void **state)
{
	char path[4096], one[4096 + 256];
	struct dirent *d;
	unsigned n = 0;
	DIR *dir;

	(void)state;
	if (!vectors("chromium", path)) {
		print_message("skipped: there are no recordings at CS_VECTORS/webauthn/chromium\n");
		skip();
	}
	dir = opendir(path);
	assert_non_null(dir);
	while ((d = readdir(dir)) != NULL) {
		if (strstr(d->d_name, ".json") == NULL)
			continue;
		snprintf(one, sizeof(one), "%s/%s", path, d->d_name);
		check_recording(one);
		n++;
	}
	closedir(dir);
	assert_true(n >= 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cbor_has_one_spelling),
	    cmocka_unit_test(test_cbor_is_bounded),
	    cmocka_unit_test(test_authdata_is_all_of_it),
	    cmocka_unit_test(test_credential_id_has_bounds),
	    cmocka_unit_test(test_key_is_of_an_algorithm_that_is_offered),
	    cmocka_unit_test(test_client_data),
	    cmocka_unit_test(test_frames_of_listed_sites_alone),
	    cmocka_unit_test(test_record_survives),
	    cmocka_unit_test(test_configuration_that_could_never_work_is_refused),
	    cmocka_unit_test(test_self_test_passes),
	    cmocka_unit_test(test_published_vectors),
	    cmocka_unit_test(test_recordings_of_a_browser),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
