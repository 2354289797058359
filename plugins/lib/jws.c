/* SPDX-License-Identifier: Apache-2.0 */
/* Signed tokens of an issuer. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <strings.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/jwks.h"
#include "plugins/lib/jws.h"
#include "plugins/lib/signature.h"

/* The end of the year 9999: far from any overflow once it is in milliseconds. */
#define TIME_MAX_S INT64_C(253402300799)

/*
 * One part, decoded and parsed; NULL where it is not base64url of a JSON object without duplicate
 * members.
 */
static json_t *
part_read(struct countersign_view part)
{
	size_t cap = part.len, len;
	unsigned char *bytes = malloc(cap + 1);
	json_t *v = NULL;

	if (bytes != NULL && base64url_decode(part, bytes, cap, &len))
		v = json_read_object((char *)bytes, len);
	free(bytes);
	return v;
}

int
jws_read(struct countersign_view text, struct jws *t)
{
	struct jws got = {.algorithm = OIDC_ALGORITHM_COUNT};
	const char *first, *second;

	if (text.len == 0 || text.len > OIDC_TOKEN_MAX || memchr(text.data, '\0', text.len) != NULL)
		return COUNTERSIGN_BAD_TOKEN;
	got.text = strndup(text.data, text.len);
	if (got.text == NULL)
		return COUNTERSIGN_INTERNAL;
	first = strchr(got.text, '.');
	second = first == NULL ? NULL : strchr(first + 1, '.');
	/* Three parts: five are an encrypted token, which nobody asked for. */
	if (second != NULL && strchr(second + 1, '.') == NULL) {
		got.header = part_read((struct countersign_view){got.text,
		    (size_t)(first - got.text)});
		got.claims = part_read((struct countersign_view){first + 1,
		    (size_t)(second - first - 1)});
	}
	if (got.header == NULL || got.claims == NULL) {
		jws_clear(&got);
		return COUNTERSIGN_BAD_TOKEN;
	}
	*t = got;
	return COUNTERSIGN_OK;
}

void
jws_clear(struct jws *t)
{
	json_decref(t->header);
	json_decref(t->claims);
	if (t->text != NULL)
		OPENSSL_cleanse(t->text, strlen(t->text));
	free(t->text);
	memset(t, 0, sizeof(*t));
}

/*
 * RFC 8725 section 3.11: an access token, a logout token and a security event name themselves in typ. RFC
 * 7515 section 4.1.9: "application/" may be left out.
 */
static bool
type_is(const json_t *typ, const char *type)
{
	static const char prefix[] = "application/";
	const char *text = json_string_value(typ);

	if (text == NULL || type == NULL || strlen(text) != json_string_length(typ))
		return false;
	if (strncasecmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	return strcasecmp(text, type) == 0;
}

int
jws_check_header(const struct oidc_settings *settings, struct jws *t, const char *type, bool may_be_absent)
{
	const json_t *typ = json_object_get(t->header, "typ"),
		     *kid = json_object_get(t->header, "kid");

	if (typ == NULL ? !may_be_absent : !type_is(typ, type))
		return COUNTERSIGN_BAD_TYPE;
	if (json_object_get(t->header, "crit") != NULL ||
	    json_object_get(t->header, "b64") != NULL ||
	    json_object_get(t->header, "zip") != NULL || json_object_get(t->header, "enc") != NULL)
		return COUNTERSIGN_BAD_TOKEN;
	t->algorithm = algorithm_of(json_member_text(t->header, "alg"));
	if (t->algorithm == OIDC_ALGORITHM_COUNT ||
	    (settings->algorithms & 1U << t->algorithm) == 0)
		return COUNTERSIGN_BAD_ALGORITHM;
	t->kid = json_text(kid);
	if (kid != NULL && (t->kid.data == NULL || t->kid.len == 0 || t->kid.len > JWKS_KID_MAX))
		return COUNTERSIGN_BAD_KEY;
	return COUNTERSIGN_OK;
}

int
jws_time(const json_t *claims, const char *name, bool required, bool *present, int64_t *to)
{
	const json_t *v = json_object_get(claims, name);
	double d = json_number_value(v);

	*present = v != NULL;
	if (v == NULL)
		return required ? COUNTERSIGN_BAD_TOKEN : COUNTERSIGN_OK;
	if (!json_is_number(v) || !(d >= 0) || d > (double)TIME_MAX_S)
		return COUNTERSIGN_BAD_TOKEN;
	*to = (int64_t)d;
	return COUNTERSIGN_OK;
}

int
jws_verify(struct oidc *o, const struct jws *t, const struct jwks_key **key)
{
	const struct oidc_kind *kind = o->settings.kind;
	const struct jwks_key *k = NULL;
	int rc = jwks_lookup(o, t->kid, t->algorithm, &k);

	if (rc == COUNTERSIGN_OK && kind != NULL && kind->check_key != NULL)
		rc = kind->check_key(&o->settings, t, k);
	if (rc == COUNTERSIGN_OK)
		rc = signature_verify(o->signature, k->signature, t->algorithm, t->text);
	if (rc == COUNTERSIGN_OK && key != NULL)
		*key = k;
	return rc;
}
