/* SPDX-License-Identifier: Apache-2.0 */
/* The checks, in the order of the standard. */
#include "plugins/webauthn/check.h"

#include <stdlib.h>

#include "plugins/webauthn/proof.h"

static struct countersign_view
over(const unsigned char *data, size_t len)
{
	return (struct countersign_view){(const char *)data, len};
}

/* What both have: 7.1 steps 13 to 18, 7.2 steps 15 to 19. */
static enum refusal
check_authdata(const struct policy *p, const struct authdata *a, bool verified)
{
	unsigned char hash[CLIENT_DATA_HASH];

	proof_hash(p->rp_id, hash);
	if (memcmp(hash, a->rp_id_hash.data, sizeof(hash)) != 0)
		return REFUSED_RP_ID;
	if ((a->flags & AUTHDATA_UP) == 0)
		return REFUSED_PRESENCE;
	if (verified && (a->flags & AUTHDATA_UV) == 0)
		return REFUSED_VERIFICATION;
	if ((a->flags & (AUTHDATA_BE | AUTHDATA_BS)) == AUTHDATA_BS)
		return REFUSED_BACKUP;
	return REFUSED_NOT;
}

static bool
all_zero(struct countersign_view v)
{
	unsigned char any = 0;

	for (size_t i = 0; i < v.len; i++)
		any |= (unsigned char)v.data[i];
	return any == 0;
}

/* Section 8.2. */
static enum refusal
check_packed(const struct authdata *a, const struct statement *s, enum attestation_kind *kind)
{
	int64_t algorithm;

	if (s->signature.len == 0 || s->algorithm == 0)
		return REFUSED_STATEMENT;
	if (s->certificates > 0) {
		*kind = ATTESTED_PACKED;
		return proof_certificate_good(s->certificate, a->aaguid, false)
			   ? REFUSED_NOT
			   : REFUSED_CERTIFICATE;
	}
	*kind = ATTESTED_SELF;
	return authdata_key_algorithm(a->cose_key, &algorithm) && algorithm == s->algorithm
		   ? REFUSED_NOT
		   : REFUSED_STATEMENT;
}

/* Section 8.6. */
static enum refusal
check_u2f(const struct authdata *a, const struct statement *s, const struct webauthn_key *key,
    enum attestation_kind *kind)
{
	*kind = ATTESTED_U2F;
	if (s->signature.len == 0 || s->certificates != 1 || s->algorithm != 0 ||
	    !all_zero(a->aaguid) || key->algorithm != ALGORITHM_ES256)
		return REFUSED_STATEMENT;
	return proof_certificate_good(s->certificate, a->aaguid, true) ? REFUSED_NOT
								       : REFUSED_CERTIFICATE;
}

/* Form of the statement; *kind says what it is. */
static enum refusal
check_statement(const struct attestation *at, const struct authdata *a,
    const struct webauthn_key *key, enum attestation_kind *kind)
{
	struct statement s;

	*kind = ATTESTED_NONE;
	/* Section 8.7: an empty map, and nothing beside it. */
	if (view_is_str(at->format, "none"))
		return at->statement.len == 1 && (unsigned char)at->statement.data[0] == 0xa0
			   ? REFUSED_NOT
			   : REFUSED_STATEMENT;
	if (!view_is_str(at->format, "packed") && !view_is_str(at->format, "fido-u2f"))
		return REFUSED_FORMAT;
	if (!statement_read(at->statement, &s))
		return REFUSED_STATEMENT;
	return view_is_str(at->format, "packed") ? check_packed(a, &s, kind)
						 : check_u2f(a, &s, key, kind);
}

static bool
attested_enough(const struct policy *p, enum attestation_kind kind)
{
	switch (p->attestation) {
	case ATTESTATION_ANY:
		return true;
	case ATTESTATION_SIGNED:
		return kind != ATTESTED_NONE;
	default:
		return kind == ATTESTED_PACKED || kind == ATTESTED_U2F;
	}
}

static int
check_attestation(const struct policy *p, const struct attestation *at, const struct authdata *a,
    struct countersign_view client_data, struct passkey *key, enum refusal *why)
{
	unsigned char hash[CLIENT_DATA_HASH];
	int rc;

	*why = check_statement(at, a, &key->key, &key->attested);
	if (*why == REFUSED_NOT && !attested_enough(p, key->attested))
		*why = REFUSED_ATTESTATION;
	if (*why != REFUSED_NOT || key->attested == ATTESTED_NONE)
		return COUNTERSIGN_OK;
	proof_hash(client_data, hash);
	rc = proof_attestation(p->rp_id, at, a, &key->key, key->attested == ATTESTED_SELF, hash);
	if (rc == COUNTERSIGN_BAD_SIGNATURE) {
		*why = REFUSED_STATEMENT;
		return COUNTERSIGN_OK;
	}
	return rc;
}

/* 7.1 steps 7 to 20 and 25; *a and *at are views into the answer. */
static enum refusal
check_new(const struct policy *p, const struct registration *asked,
    const struct client_answer *answer, struct attestation *at, struct authdata *a,
    struct passkey *key)
{
	enum refusal r = client_check(p, over(answer->client_data, answer->client_data_len),
	    "webauthn.create", over(asked->challenge, sizeof(asked->challenge)), over(NULL, 0));

	if (r != REFUSED_NOT)
		return r;
	if (!attestation_read(over(answer->attestation, answer->attestation_len), at) ||
	    !authdata_read(at->authdata, a) || (a->flags & AUTHDATA_AT) == 0)
		return REFUSED_AUTHDATA;
	r = check_authdata(p, a, p->verification != VERIFICATION_PREFERRED);
	if (r != REFUSED_NOT)
		return r;
	if (!authdata_key(a->cose_key, &key->key) || !proof_key_good(&key->key))
		return REFUSED_KEY;
	/* The id in JSON was signed by nobody: it must be the one that was. */
	return view_is_view(a->credential_id, over(answer->id, answer->id_len))
		   ? REFUSED_NOT
		   : REFUSED_CREDENTIAL;
}

static void
fill(struct passkey *key, const struct registration *asked, const struct authdata *a)
{
	key->flags = a->flags & (AUTHDATA_UV | AUTHDATA_BE | AUTHDATA_BS);
	key->counter = a->counter;
	memcpy(key->aaguid, a->aaguid.data, sizeof(key->aaguid));
	memcpy(key->user_handle, asked->user_handle, sizeof(key->user_handle));
	memcpy(key->id, a->credential_id.data, a->credential_id.len);
	key->id_len = a->credential_id.len;
}

int
check_registration(const struct policy *p, const struct registration *asked,
    struct countersign_view answer, struct passkey *key, enum refusal *why)
{
	struct client_answer *got = calloc(1, sizeof(*got));
	struct passkey new = {.attested = ATTESTED_NONE};
	struct attestation at;
	struct authdata a;
	int rc = COUNTERSIGN_OK;

	if (got == NULL)
		return COUNTERSIGN_INTERNAL;
	*why = REFUSED_ANSWER;
	if (client_read_answer(answer, got) && got->has_attestation)
		*why = check_new(p, asked, got, &at, &a, &new);
	if (*why == REFUSED_NOT)
		rc = check_attestation(
		    p, &at, &a, over(got->client_data, got->client_data_len), &new, why);
	if (rc == COUNTERSIGN_OK && *why == REFUSED_NOT) {
		fill(&new, asked, &a);
		*key = new;
	}
	free(got);
	return rc;
}

/* 7.2 steps 5 to 20, all but the signature. */
static enum refusal
check_known(const struct policy *p, const struct passkey *key, const struct assertion_asked *asked,
    const struct client_answer *answer, struct authdata *a)
{
	bool verified = p->verification == VERIFICATION_REQUIRED ||
			(p->verification == VERIFICATION_PAYMENTS && asked->payment);
	enum refusal r;

	if (!view_is_view(over(key->id, key->id_len), over(answer->id, answer->id_len)))
		return REFUSED_CREDENTIAL;
	if (answer->has_user_handle &&
	    !view_is_view(over(key->user_handle, sizeof(key->user_handle)),
		over(answer->user_handle, answer->user_handle_len)))
		return REFUSED_USER;
	r = client_check(p, over(answer->client_data, answer->client_data_len), "webauthn.get",
	    asked->challenge, asked->card);
	if (r != REFUSED_NOT)
		return r;
	/* A credential in an assertion would be one that nobody registered. */
	if (!authdata_read(over(answer->authdata, answer->authdata_len), a) ||
	    (a->flags & AUTHDATA_AT) != 0)
		return REFUSED_AUTHDATA;
	r = check_authdata(p, a, verified);
	if (r == REFUSED_NOT && ((a->flags ^ key->flags) & AUTHDATA_BE) != 0)
		return REFUSED_ELIGIBILITY;
	return r;
}

/* 7.2 step 22: a counter that is used at all must grow. */
static bool
counter_good(const struct passkey *key, int64_t newest, uint32_t counter)
{
	int64_t before = newest > (int64_t)key->counter ? newest : (int64_t)key->counter;

	return (counter == 0 && before == 0) || (int64_t)counter > before;
}

int
check_assertion(const struct policy *p, const struct passkey *key,
    const struct assertion_asked *asked, struct countersign_view answer, uint32_t *counter,
    enum refusal *why)
{
	struct client_answer *got = calloc(1, sizeof(*got));
	unsigned char hash[CLIENT_DATA_HASH];
	struct authdata a;
	int rc = COUNTERSIGN_OK;

	if (got == NULL)
		return COUNTERSIGN_INTERNAL;
	*why = REFUSED_ANSWER;
	if (client_read_answer(answer, got) && got->has_assertion)
		*why = check_known(p, key, asked, got, &a);
	if (*why == REFUSED_NOT) {
		proof_hash(over(got->client_data, got->client_data_len), hash);
		/*
		 * Extensions make libfido2 expect that they were asked for: we ask for none, so
		 * that an assertion with one it knows is refused there.
		 */
		rc = proof_assertion(
		    p->rp_id, &key->key, a.raw, hash, over(got->signature, got->signature_len));
		if (rc == COUNTERSIGN_BAD_SIGNATURE) {
			*why = REFUSED_SIGNATURE;
			rc = COUNTERSIGN_OK;
		} else if (rc == COUNTERSIGN_OK && !counter_good(key, asked->counter, a.counter)) {
			*why = REFUSED_COUNTER;
		}
	}
	if (rc == COUNTERSIGN_OK && *why == REFUSED_NOT)
		*counter = a.counter;
	free(got);
	return rc;
}
