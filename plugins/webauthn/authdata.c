/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what an authenticator says. */
#include "plugins/webauthn/authdata.h"

#include "plugins/webauthn/cbor.h"

enum {
	HEADER = AUTHDATA_RP_ID_HASH + 1 + 4, /* hash, flags, counter */
	POINT = 32,
	MODULUS_MIN = 256, /* 2048 bits */
	MODULUS_MAX = 512,
	EXPONENT = 3,
};

/* Labels and values of RFC 9052 and 9053. */
enum { KTY = 1, ALG = 3, CRV = -1, X = -2, Y = -3, N = -1, E = -2 };
enum { KTY_OKP = 1, KTY_EC2 = 2, KTY_RSA = 3, CRV_P256 = 1, CRV_ED25519 = 6 };
enum { COSE_ES256 = -7, COSE_EDDSA = -8, COSE_RS256 = -257 };

static bool
is(struct countersign_view v, const char *text)
{
	return v.len == strlen(text) && memcmp(v.data, text, v.len) == 0;
}

static struct countersign_view
part(struct countersign_view v, size_t from, size_t len)
{
	return (struct countersign_view){v.data + from, len};
}

static unsigned
byte(struct countersign_view v, size_t at)
{
	return (unsigned char)v.data[at];
}

/* Section 6.5.1. Returns the length of what was read; 0: malformed. */
static size_t
read_credential(struct countersign_view v, struct authdata *a)
{
	size_t id_len;
	struct cbor c;

	if (v.len < AUTHDATA_AAGUID + 2)
		return 0;
	a->aaguid = part(v, 0, AUTHDATA_AAGUID);
	id_len = (size_t)byte(v, AUTHDATA_AAGUID) << 8 | byte(v, AUTHDATA_AAGUID + 1);
	if (id_len == 0 || id_len > CREDENTIAL_ID_MAX || id_len > v.len - AUTHDATA_AAGUID - 2)
		return 0;
	a->credential_id = part(v, AUTHDATA_AAGUID + 2, id_len);
	v = part(v, AUTHDATA_AAGUID + 2 + id_len, v.len - AUTHDATA_AAGUID - 2 - id_len);
	c = cbor_over(v);
	if (!cbor_skip(&c, &a->cose_key))
		return 0;
	return AUTHDATA_AAGUID + 2 + id_len + a->cose_key.len;
}

/* Section 9: a map from names to anything. Unknown ones are nothing to us. */
static bool
read_extensions(struct countersign_view v, struct authdata_extensions *x)
{
	struct cbor c = cbor_over(v);
	struct countersign_view name, value;
	size_t pairs;

	if (!cbor_map(&c, &pairs))
		return false;
	for (size_t i = 0; i < pairs; i++) {
		struct cbor at;

		if (!cbor_text(&c, &name) || !cbor_skip(&c, &value))
			return false;
		at = cbor_over(value);
		if (is(name, "credProtect") && !cbor_int(&at, &x->cred_protect))
			return false;
		if (is(name, "minPinLength") && !cbor_int(&at, &x->min_pin_length))
			return false;
		if (is(name, "hmac-secret"))
			(void)cbor_bool(&at, &x->hmac_secret);
		if (is(name, "credBlob"))
			(void)cbor_bool(&at, &x->cred_blob);
	}
	return cbor_done(&c);
}

bool
authdata_read(struct countersign_view v, struct authdata *a)
{
	struct authdata got = {.raw = v, .extensions = {.min_pin_length = -1}};
	size_t at = HEADER, n;

	if (v.len < HEADER)
		return false;
	got.rp_id_hash = part(v, 0, AUTHDATA_RP_ID_HASH);
	got.flags = byte(v, AUTHDATA_RP_ID_HASH);
	for (size_t i = 1; i <= 4; i++)
		got.counter = got.counter << 8 | byte(v, AUTHDATA_RP_ID_HASH + i);
	if ((got.flags & AUTHDATA_AT) != 0) {
		n = read_credential(part(v, at, v.len - at), &got);
		if (n == 0)
			return false;
		at += n;
	}
	if ((got.flags & AUTHDATA_ED) != 0) {
		if (!read_extensions(part(v, at, v.len - at), &got.extensions))
			return false;
		at = v.len;
	}
	if (at != v.len)
		return false;
	*a = got;
	return true;
}

/* Members of a COSE key that any of our algorithms has. */
struct cose {
	int64_t kty, alg, crv;
	struct countersign_view x, y; /* n and e of RSA */
	unsigned seen;		      /* a bit for each label, so that none comes twice */
};

static bool
read_member(struct cbor *c, struct cose *k)
{
	struct countersign_view skipped;
	struct cbor at;
	int64_t label;
	unsigned bit;

	if (!cbor_int(c, &label))
		return false;
	if (label < Y || label > ALG || label == 0 || label == 2)
		return cbor_skip(c, &skipped);
	bit = 1U << (label - Y);
	if ((k->seen & bit) != 0)
		return false;
	k->seen |= bit;
	switch (label) {
	case KTY:
		return cbor_int(c, &k->kty);
	case ALG:
		return cbor_int(c, &k->alg);
	case CRV:
		/* The modulus of RSA has the label of a curve. */
		at = *c;
		if (cbor_bytes(&at, &k->x)) {
			*c = at;
			return true;
		}
		return cbor_int(c, &k->crv);
	case X:
		return cbor_bytes(c, k->x.data == NULL ? &k->x : &k->y);
	default:
		return cbor_bytes(c, &k->y);
	}
}

static bool
read_cose(struct countersign_view v, struct cose *k)
{
	struct cbor c = cbor_over(v);
	size_t pairs;

	*k = (struct cose){0};
	if (!cbor_map(&c, &pairs))
		return false;
	for (size_t i = 0; i < pairs; i++)
		if (!read_member(&c, k))
			return false;
	return cbor_done(&c);
}

bool
authdata_key_algorithm(struct countersign_view cose_key, int64_t *algorithm)
{
	struct cose k;

	if (!read_cose(cose_key, &k) || k.alg == 0)
		return false;
	*algorithm = k.alg;
	return true;
}

bool
authdata_key(struct countersign_view cose_key, struct webauthn_key *key)
{
	static const struct {
		int64_t alg, kty, crv;
		enum webauthn_algorithm algorithm;
		size_t x_min, x_max, y;
	} forms[] = {
	    {COSE_ES256, KTY_EC2, CRV_P256, ALGORITHM_ES256, POINT, POINT, POINT},
	    {COSE_EDDSA, KTY_OKP, CRV_ED25519, ALGORITHM_EDDSA, POINT, POINT, 0},
	    {COSE_RS256, KTY_RSA, 0, ALGORITHM_RS256, MODULUS_MIN, MODULUS_MAX, EXPONENT},
	};
	struct cose k;

	if (!read_cose(cose_key, &k))
		return false;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (k.alg != forms[i].alg)
			continue;
		if (k.kty != forms[i].kty || k.crv != forms[i].crv || k.x.len < forms[i].x_min ||
		    k.x.len > forms[i].x_max || k.y.len != forms[i].y)
			return false;
		key->algorithm = forms[i].algorithm;
		memcpy(key->bytes, k.x.data, k.x.len);
		if (k.y.len > 0)
			memcpy(key->bytes + k.x.len, k.y.data, k.y.len);
		key->len = k.x.len + k.y.len;
		return true;
	}
	return false;
}

bool
attestation_read(struct countersign_view v, struct attestation *a)
{
	struct cbor c = cbor_over(v);
	struct attestation got = {.format = {NULL, 0}};
	struct countersign_view name, skipped;
	size_t pairs;

	if (!cbor_map(&c, &pairs))
		return false;
	for (size_t i = 0; i < pairs; i++) {
		if (!cbor_text(&c, &name))
			return false;
		if (is(name, "fmt") && got.format.data == NULL) {
			if (!cbor_text(&c, &got.format))
				return false;
		} else if (is(name, "attStmt") && got.statement.data == NULL) {
			if (!cbor_skip(&c, &got.statement))
				return false;
		} else if (is(name, "authData") && got.authdata.data == NULL) {
			if (!cbor_bytes(&c, &got.authdata))
				return false;
		} else if (is(name, "fmt") || is(name, "attStmt") || is(name, "authData") ||
			   !cbor_skip(&c, &skipped)) {
			return false;
		}
	}
	if (!cbor_done(&c) || got.format.data == NULL || got.statement.data == NULL ||
	    got.authdata.data == NULL)
		return false;
	*a = got;
	return true;
}

static bool
read_certificates(struct cbor *c, struct statement *s)
{
	struct countersign_view one;

	if (!cbor_array(c, &s->certificates))
		return false;
	for (size_t i = 0; i < s->certificates; i++) {
		if (!cbor_bytes(c, &one))
			return false;
		if (i == 0)
			s->certificate = one;
	}
	return s->certificates > 0;
}

bool
statement_read(struct countersign_view v, struct statement *s)
{
	struct cbor c = cbor_over(v);
	struct statement got = {0};
	struct countersign_view name;
	size_t pairs;
	bool good = true;

	if (!cbor_map(&c, &pairs))
		return false;
	for (size_t i = 0; i < pairs && good; i++) {
		if (!cbor_text(&c, &name))
			return false;
		/* Nothing comes twice, and nothing else is part of these formats. */
		if (is(name, "alg") && got.algorithm == 0)
			good = cbor_int(&c, &got.algorithm);
		else if (is(name, "sig") && got.signature.data == NULL)
			good = cbor_bytes(&c, &got.signature);
		else if (is(name, "x5c") && got.certificates == 0)
			good = read_certificates(&c, &got);
		else
			good = false;
	}
	if (!good || !cbor_done(&c))
		return false;
	*s = got;
	return true;
}
