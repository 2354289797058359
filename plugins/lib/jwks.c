/* SPDX-License-Identifier: Apache-2.0 */
/* The issuer's keys. */
#include <stdlib.h>

#include "plugins/lib/discovery.h"
#include "plugins/lib/encoding.h"
#include "plugins/lib/jwks.h"
#include "plugins/lib/signature.h"

struct jwks {
	size_t count;
	struct jwks_key entries[JWKS_KEYS_MAX];
};

/* A set that shows a secret is not the issuer's to trust any longer, whichever key it shows. */
static bool
shows_secret(const json_t *jwk)
{
	static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (json_object_get(jwk, names[i]) != NULL)
			return true;
	return view_is_text(json_member_text(jwk, "kty"), "oct");
}

static bool
for_signatures(const json_t *jwk)
{
	const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops");
	const json_t *op;
	size_t i;

	if (use != NULL && !view_is_text(json_member_text(jwk, "use"), "sig"))
		return false;
	if (ops == NULL)
		return true;
	json_array_foreach(ops, i, op)
		if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0)
			return true;
	return false;
}

/* Not registered, but Microsoft's keys have it. False: there, and no text. */
static bool
read_issuer(const json_t *jwk, char to[OIDC_TEXT_MAX + 1])
{
	struct countersign_view issuer = json_member_text(jwk, "issuer");

	if (json_object_get(jwk, "issuer") == NULL)
		return true;
	if (issuer.len == 0 || issuer.len > OIDC_TEXT_MAX)
		return false;
	memcpy(to, issuer.data, issuer.len);
	return true;
}

static const struct jwks_key *
find_kid(const struct jwks *set, struct countersign_view kid)
{
	for (size_t i = 0; i < set->count; i++) {
		struct countersign_view k = {set->entries[i].kid, set->entries[i].kid_len};

		if (k.len > 0 && view_is(k, kid))
			return &set->entries[i];
	}
	return NULL;
}

/* NULL, or why the whole set is refused. */
static const char *
add(struct signature *s, struct jwks *set, const json_t *jwk)
{
	const json_t *kid_value = json_object_get(jwk, "kid"), *alg = json_object_get(jwk, "alg");
	struct countersign_view kid = json_member_text(jwk, "kid");
	struct jwks_key *e = &set->entries[set->count];

	if (!json_is_object(jwk))
		return "a key is not an object";
	if (shows_secret(jwk))
		return "it shows a private or symmetric key";
	if (kid_value != NULL && (kid.data == NULL || kid.len == 0 || kid.len > JWKS_KID_MAX))
		return "a kid is not a string of 1 to 255 bytes";
	if (kid.len > 0 && find_kid(set, kid) != NULL)
		return "two keys have the same kid";
	if (set->count == JWKS_KEYS_MAX)
		return "it has more than 32 keys";
	if (!read_issuer(jwk, e->issuer))
		return "a key's issuer is not a string of 1 to 255 bytes";
	if (kid.len > 0)
		memcpy(e->kid, kid.data, kid.len);
	e->kid_len = kid.len;
	if (for_signatures(jwk))
		e->signature = signature_key_new(s, jwk, &e->algorithms);
	if (alg != NULL) {
		enum oidc_algorithm a = algorithm_of(json_member_text(jwk, "alg"));

		e->algorithms &= a == OIDC_ALGORITHM_COUNT ? 0 : 1U << a;
	}
	set->count++;
	return NULL;
}

struct jwks *
jwks_new(struct signature *s, const json_t *document, const char **why)
{
	const json_t *keys = json_object_get(document, "keys"), *jwk;
	struct jwks *set = calloc(1, sizeof(*set));
	const char *problem = NULL;
	size_t i;

	if (set == NULL || !json_is_array(keys))
		problem = set == NULL ? "memory ran out" : "it has no array \"keys\"";
	json_array_foreach(keys, i, jwk)
		if (problem == NULL)
			problem = add(s, set, jwk);
	if (problem == NULL)
		return set;
	*why = problem;
	jwks_free(s, set);
	return NULL;
}

void
jwks_free(struct signature *s, struct jwks *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		signature_key_free(s, set->entries[i].signature);
	free(set);
}

size_t
jwks_count(const struct jwks *set)
{
	size_t n = 0;

	for (size_t i = 0; i < set->count; i++)
		n += set->entries[i].signature != NULL;
	return n;
}

const struct jwks_key *
jwks_find(const struct jwks *set, struct countersign_view kid, enum oidc_algorithm a)
{
	const struct jwks_key *found = NULL;

	if (kid.data != NULL) {
		found = find_kid(set, kid);
		return found != NULL && (found->algorithms & 1U << a) != 0 ? found : NULL;
	}
	for (size_t i = 0; i < set->count; i++) {
		const struct jwks_key *e = &set->entries[i];

		if (e->signature == NULL || (e->algorithms & 1U << a) == 0)
			continue;
		if (found != NULL)
			return NULL;
		found = e;
	}
	return found;
}

/* A bucket that holds JWKS_FETCH_BURST fetches and gains one an interval. */
static bool
may_fetch(struct oidc *o)
{
	int64_t now = o->host->boot_ms(o->host->context);
	int64_t cost = o->settings.keys_min_interval_ms, full = JWKS_FETCH_BURST * cost;

	if (o->fetch_credit_boot_ms == 0)
		o->fetch_credit_ms = full;
	else
		o->fetch_credit_ms += now - o->fetch_credit_boot_ms;
	o->fetch_credit_boot_ms = now > 0 ? now : 1;
	if (o->fetch_credit_ms > full)
		o->fetch_credit_ms = full;
	if (o->fetch_credit_ms < cost)
		return false;
	o->fetch_credit_ms -= cost;
	return true;
}

static int
refresh(struct oidc *o)
{
	const char *why = NULL;
	struct jwks *set = NULL;
	json_t *document = NULL;
	int status = 0, rc = discovery_need(o);

	if (rc != COUNTERSIGN_OK)
		return rc;
	rc = oidc_fetch(o, o->metadata.jwks_uri, countersign_view_of(NULL),
	    countersign_view_of(NULL), &status, &document);
	if (rc != COUNTERSIGN_OK)
		return rc;
	if (status >= 500)
		rc = COUNTERSIGN_UNREACHABLE;
	else if (status != 200 || document == NULL)
		why = "the answer is not a JSON object with status 200";
	else
		set = jwks_new(o->signature, document, &why);
	json_decref(document);
	if (set == NULL) {
		if (why != NULL)
			oidc_log(
			    o, COUNTERSIGN_LOG_WARN, "keys refused:", countersign_view_of(why));
		return rc == COUNTERSIGN_OK ? COUNTERSIGN_PROVIDER_ERROR : rc;
	}
	jwks_free(o->signature, o->keys);
	o->keys = set;
	o->keys_fetched_boot_ms = o->host->boot_ms(o->host->context);
	return COUNTERSIGN_OK;
}

int
jwks_lookup(struct oidc *o, struct countersign_view kid, enum oidc_algorithm a,
    const struct jwks_key **key)
{
	int64_t age = o->host->boot_ms(o->host->context) - o->keys_fetched_boot_ms;
	bool usable = o->keys != NULL && age < o->settings.keys_max_age_ms;
	bool fresh = usable && age < o->settings.keys_max_age_ms / 2;
	const struct jwks_key *k = usable ? jwks_find(o->keys, kid, a) : NULL;
	int rc = COUNTERSIGN_OK;

	if (k == NULL || !fresh) {
		if (may_fetch(o))
			rc = refresh(o);
		else if (!usable)
			rc = COUNTERSIGN_UNREACHABLE;
		/* A refresh that failed does no harm while the old keys are still good. */
		if (rc != COUNTERSIGN_OK && k == NULL)
			return rc;
		if (rc == COUNTERSIGN_OK)
			k = jwks_find(o->keys, kid, a);
	}
	if (k == NULL)
		return COUNTERSIGN_BAD_KEY;
	*key = k;
	return COUNTERSIGN_OK;
}
