/* SPDX-License-Identifier: Apache-2.0 */
/* Security event tokens: all but what their events say. */
#include "plugins/lib/encoding.h"
#include "plugins/lib/set.h"
#include "plugins/lib/set_event.h"

/* Google names every client of a project, of which a company may have dozens; one of ours is enough. */
enum { AUDIENCES_MAX = 256 };

static bool
is_one_of(struct countersign_view v, const struct countersign_view *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (v.len > 0 && view_is(v, list[i]))
			return true;
	return false;
}

/* What typ may be, and whether it may be absent. A format with two is tried twice. */
static const struct {
	const char *types[2];
	bool may_be_absent;
} headers[] = {
	[SET_SSF] = {{"secevent+jwt", NULL}, false},
	[SET_GOOGLE] = {{"secevent+jwt", "JWT"}, true},
	[SET_APPLE] = {{"JWT", NULL}, true},
};

int
set_check_header(const struct oidc_settings *settings, enum set_format format, struct jws *t)
{
	const char *second = headers[format].types[1];
	int rc = jws_check_header(settings, t, headers[format].types[0], headers[format].may_be_absent);

	if (rc == COUNTERSIGN_BAD_TYPE && second != NULL)
		rc = jws_check_header(settings, t, second, headers[format].may_be_absent);
	return rc;
}

int
set_check_issuer(const struct set_rules *rules, const struct jws *t)
{
	struct countersign_view iss = json_member_text(t->claims, "iss");

	if (iss.data == NULL)
		return COUNTERSIGN_BAD_TOKEN;
	return is_one_of(iss, rules->issuers, rules->issuers_count) ? COUNTERSIGN_OK : COUNTERSIGN_BAD_ISSUER;
}

/* One audience of ours is enough: an event may be for several receivers (RFC 8417 section 2.2). */
static int
check_audience(const struct set_rules *rules, const json_t *aud, struct countersign_buffer *to)
{
	size_t n = json_is_array(aud) ? json_array_size(aud) : 1;
	struct countersign_view found = {NULL, 0};

	if (aud == NULL)
		return COUNTERSIGN_BAD_AUDIENCE;
	if (n > AUDIENCES_MAX)
		return COUNTERSIGN_BAD_TOKEN;
	for (size_t i = 0; i < n; i++) {
		struct countersign_view one = json_text(json_is_array(aud) ? json_array_get(aud, i) : aud);

		if (one.data == NULL)
			return COUNTERSIGN_BAD_TOKEN;
		if (found.data == NULL && is_one_of(one, rules->audiences, rules->audiences_count))
			found = one;
	}
	return found.data == NULL ? COUNTERSIGN_BAD_AUDIENCE : countersign_put(to, found.data, found.len);
}

static int
check_times(const struct set_rules *rules, const json_t *claims, int64_t *issued_at_ms)
{
	int64_t iat = 0, exp = 0;
	bool has;

	if (jws_time(claims, "iat", true, &has, &iat) != COUNTERSIGN_OK)
		return COUNTERSIGN_BAD_TOKEN;
	if (iat > rules->now_s + rules->skew_s)
		return COUNTERSIGN_NOT_YET_VALID;
	/* A sender may have had to try for days: the same message again is known by its jti. */
	if (rules->now_s - iat > rules->age_max_s + rules->skew_s)
		return COUNTERSIGN_EXPIRED;
	if (rules->format == SET_APPLE) {
		if (jws_time(claims, "exp", true, &has, &exp) != COUNTERSIGN_OK || exp <= iat)
			return COUNTERSIGN_BAD_TOKEN;
		if (exp + rules->skew_s <= rules->now_s)
			return COUNTERSIGN_EXPIRED;
	}
	*issued_at_ms = iat * 1000;
	return COUNTERSIGN_OK;
}

/* What an ID token, a logout token or an access token has, and a security event of this format has not. */
static int
check_kind(const struct set_rules *rules, const json_t *claims)
{
	static const char *const of_others[] = {"nonce", "at_hash", "azp", "scope"};

	if (json_object_get(claims, "events") == NULL)
		return COUNTERSIGN_BAD_TYPE;
	for (size_t i = 0; i < sizeof(of_others) / sizeof(of_others[0]); i++)
		if (json_object_get(claims, of_others[i]) != NULL)
			return COUNTERSIGN_BAD_TYPE;
	/* SSF 1.0: neither may be there. */
	if (rules->format == SET_SSF &&
	    (json_object_get(claims, "sub") != NULL || json_object_get(claims, "exp") != NULL))
		return COUNTERSIGN_BAD_TYPE;
	return COUNTERSIGN_OK;
}

/* Bounded text without control characters, since it becomes a key and a line of a log. */
bool
set_text_ok(struct countersign_view v, size_t max)
{
	return v.len > 0 && v.len <= max && view_is_printable(v);
}

int
set_check_claims(const struct set_rules *rules, const struct jws *t, struct countersign_signal_answer *out)
{
	struct countersign_view jti = json_member_text(t->claims, "jti");
	int rc = set_check_issuer(rules, t);

	if (rc == COUNTERSIGN_OK)
		rc = check_kind(rules, t->claims);
	if (rc == COUNTERSIGN_OK)
		rc = check_audience(rules, json_object_get(t->claims, "aud"), &out->audience);
	if (rc == COUNTERSIGN_OK && !set_text_ok(jti, OIDC_TEXT_MAX))
		rc = COUNTERSIGN_BAD_TOKEN;
	if (rc == COUNTERSIGN_OK)
		rc = check_times(rules, t->claims, &out->issued_at_ms);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->id, jti.data, jti.len);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->issuer, rules->issuers[0].data, rules->issuers[0].len);
	return rc != COUNTERSIGN_OK ? rc : set_read_events(rules, t->claims, out);
}

int
set_unwrap(struct countersign_view body, json_t **json, struct countersign_view *text)
{
	json_t *got = json_read_object(body.data, body.len);
	struct countersign_view payload = json_member_text(got, "payload");

	if (payload.data == NULL) {
		json_decref(got);
		return COUNTERSIGN_BAD_TOKEN;
	}
	*json = got;
	*text = payload;
	return COUNTERSIGN_OK;
}
