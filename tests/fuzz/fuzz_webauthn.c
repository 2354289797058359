/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What authenticator and browser say of a passkey. The first byte chooses the decoder, or a whole
 * answer (JSON) to a registration or to a challenge. What is accepted lies within its bounds, and
 * nothing that this finds is ever accepted as signed, since nobody signed it.
 */
#include <stdint.h>

#include "broker/base/check.h"
#include "plugins/webauthn/cbor.h"
#include "plugins/webauthn/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct policy policy = {
    .rp_id = {"a.example", 9},
    .rp_name = {"A", 1},
    .origins = {{"https://a.example", 17}},
    .origins_count = 1,
    .verification = VERIFICATION_PREFERRED,
    .attestation = ATTESTATION_SIGNED,
};

static const char card[] = "{\"service\":\"S\",\"what\":\"payment\",\"payee\":\"P\",\"amount\":\"1.00\",\"currency\":\"CNY\"}";

static bool
inside(struct countersign_view part, struct countersign_view whole)
{
	return part.data == NULL || (part.data >= whole.data && part.len <= whole.len &&
					(size_t)(part.data - whole.data) <= whole.len - part.len);
}

static void
try_authdata(struct countersign_view v)
{
	struct webauthn_key key;
	struct authdata a;
	int64_t algorithm;

	if (!authdata_read(v, &a))
		return;
	CHECK(inside(a.rp_id_hash, v) && inside(a.aaguid, v) && inside(a.credential_id, v) &&
	      inside(a.cose_key, v));
	CHECK(a.credential_id.len <= CREDENTIAL_ID_MAX);
	if ((a.flags & AUTHDATA_AT) == 0)
		return;
	CHECK(a.credential_id.len > 0 && a.cose_key.len > 0);
	if (authdata_key(a.cose_key, &key))
		CHECK(key.len > 0 && key.len <= PUBLIC_KEY_MAX &&
		      authdata_key_algorithm(a.cose_key, &algorithm));
}

static void
try_attestation(struct countersign_view v)
{
	struct attestation at;
	struct statement s;

	if (!attestation_read(v, &at))
		return;
	CHECK(inside(at.format, v) && inside(at.statement, v) && inside(at.authdata, v));
	if (statement_read(at.statement, &s))
		CHECK(inside(s.signature, at.statement) && inside(s.certificate, at.statement) &&
		      s.certificates <= CBOR_MEMBERS_MAX);
	try_authdata(at.authdata);
}

static void
try_record(struct countersign_view v)
{
	static struct passkey key;
	unsigned char again[RECORD_MAX];

	if (!passkey_decode(v, &key))
		return;
	CHECK(passkey_encode(&key, again) == v.len && memcmp(again, v.data, v.len) == 0);
}

/* The policy asks for a signature, and a passkey is one with the base point: the input has the key
 * of neither. */
static void
try_answer(struct countersign_view v)
{
	static const char challenge[32] = "0123456789abcdef0123456789abcde";
	static const struct registration registration = {.user_handle = {0}};
	static struct passkey key = {.key = {.algorithm = ALGORITHM_EDDSA,
					 .bytes = {0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
					     0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
					     0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
					     0x66, 0x66, 0x66, 0x66, 0x66, 0x66},
					 .len = 32},
				  .id = {1},
				  .id_len = 1},
			      made;
	struct assertion_asked asked = {.challenge = {challenge, sizeof(challenge)}, .card = countersign_view_of(card), .payment = true,
	    .counter = -1};
	enum refusal why;
	uint32_t counter;

	CHECK(check_registration(&policy, &registration, v, &made, &why) == COUNTERSIGN_OK);
	if (why == REFUSED_NOT)
		CHECK(made.id_len > 0 && made.attested != ATTESTED_NONE);
	CHECK(check_assertion(&policy, &key, &asked, v, &counter, &why) == COUNTERSIGN_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct countersign_view v = {(const char *)data + 1, len - 1}, whole;
	struct cbor c;

	if (len == 0)
		return 0;
	switch (data[0]) {
	case 'c':
		c = cbor_over(v);
		if (cbor_skip(&c, &whole))
			CHECK(inside(whole, v) && whole.len > 0);
		break;
	case 'd':
		try_authdata(v);
		break;
	case 'o':
		try_attestation(v);
		break;
	case 'r':
		try_record(v);
		break;
	case 'j':
		(void)client_check(&policy, v, "webauthn.get", (struct countersign_view){"0123456789abcdef", 16},
		    countersign_view_of(card));
		break;
	default:
		try_answer(v);
	}
	return 0;
}
