/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a provider's security events, and the operation signal. */
#include "plugins/lib/signals.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/lib/discovery.h"
#include "plugins/lib/encoding.h"
#include "plugins/lib/google_stream.h"
#include "plugins/lib/jwks.h"
#include "plugins/lib/ssf.h"

static void
add(struct countersign_view *list, size_t *count, struct countersign_view v)
{
	if (v.len > 0 && *count < SIGNALS_ISSUER_SPELLINGS)
		list[(*count)++] = v;
}

/* The provider's own spellings, and for Google the one with a slash at its end, which its events have. */
static void
own_spellings(struct signals *s, struct countersign_view *list, size_t *count)
{
	const struct oidc_settings *p = &s->provider->settings;
	int n;

	add(list, count, p->issuer);
	for (size_t i = 0; i < p->aliases_count; i++)
		add(list, count, p->aliases[i]);
	if (s->format != SET_GOOGLE)
		return;
	n = snprintf(s->issuer_slash, sizeof(s->issuer_slash), "%.*s/", (int)p->issuer.len, p->issuer.data);
	if (n > 0 && n < (int)sizeof(s->issuer_slash))
		add(list, count, countersign_view_of(s->issuer_slash));
}

static size_t
read_many(const struct countersign_host_v1 *h, const char *name, struct countersign_view *to, size_t max)
{
	size_t n = h->config_count(h->context, name);

	for (size_t i = 0; i < n && i < max; i++)
		to[i] = h->config_text(h->context, name, i);
	return n;
}

/* The transmitter as an issuer of its own: keys fetched by made-up messages do not use up what sign-ins may fetch. */
static void
source_open(struct signals *s, struct countersign_view issuer)
{
	const struct oidc *p = s->provider;
	struct countersign_view names[OIDC_ALGORITHM_COUNT];
	size_t n = read_many(p->host, "signal-algorithm", names, OIDC_ALGORITHM_COUNT);

	s->separate = issuer.len > 0;
	s->source.host = p->host;
	s->source.signature = p->signature;
	s->source.settings = (struct oidc_settings){
		.kind = s->separate ? NULL : p->settings.kind,
		.own = p->settings.own,
		.issuer = s->separate ? issuer : p->settings.issuer,
		.algorithms = s->separate ? 1U << OIDC_RS256 | 1U << OIDC_ES256 : p->settings.algorithms,
		.skew_s = p->settings.skew_s,
		.keys_max_age_ms = p->settings.keys_max_age_ms,
		.keys_min_interval_ms = p->settings.keys_min_interval_ms,
	};
	if (n > 0)
		s->source.settings.algorithms = 0;
	for (size_t i = 0; i < n && i < OIDC_ALGORITHM_COUNT; i++)
		if (algorithm_of(names[i]) != OIDC_ALGORITHM_COUNT)
			s->source.settings.algorithms |= 1U << algorithm_of(names[i]);
	own_spellings(s, s->subject_issuers, &s->subject_issuers_count);
	if (s->separate)
		add(s->issuers, &s->issuers_count, issuer);
	else
		own_spellings(s, s->issuers, &s->issuers_count);
}

static const char *
read_settings(struct signals *s)
{
	const struct countersign_host_v1 *h = s->provider->host;
	struct countersign_buffer authorization = {s->authorization, sizeof(s->authorization), 0};
	struct countersign_buffer token = {s->token, sizeof(s->token), 0};

	s->audiences_count = read_many(h, "signal-audience", s->audiences, SIGNALS_AUDIENCES_MAX);
	s->events_count = read_many(h, "stream-event", s->events, SIGNALS_EVENTS_MAX);
	if (s->audiences_count > SIGNALS_AUDIENCES_MAX || s->events_count > SIGNALS_EVENTS_MAX)
		return "too many values: at most 8 of signal-audience and 24 of stream-event";
	s->age_max_s = h->config_int(h->context, "signal-age", 7 * 86400);
	s->stream_id = h->config_text(h->context, "stream-id", 0);
	if (h->config_secret(h->context, "signal-authorization", &authorization) == COUNTERSIGN_OK)
		s->authorization_len = authorization.len;
	if (h->config_secret(h->context, "stream-token", &token) == COUNTERSIGN_OK)
		s->token_len = token.len;
	if (h->config_count(h->context, "stream-token-endpoint") > 0 && h->config_count(h->context, "stream-client-id") == 0)
		return "stream-token-endpoint needs stream-client-id and stream-client-secret";
	return s->format == SET_GOOGLE ? google_stream_open(s) : NULL;
}

const char *
signals_open(struct oidc *o)
{
	struct signals *s = calloc(1, sizeof(*s));
	const char *problem;

	if (s == NULL)
		return "memory ran out";
	o->signals = s;
	s->provider = o;
	s->format = o->settings.kind == NULL ? SET_SSF : (enum set_format)o->settings.kind->signals;
	source_open(s, o->host->config_text(o->host->context, "signal-issuer", 0));
	problem = read_settings(s);
	if (problem != NULL)
		signals_close(o);
	return problem;
}

void
signals_close(struct oidc *o)
{
	struct signals *s = o->signals;

	if (s == NULL)
		return;
	jwks_free(o->signature, s->source.keys);
	if (s->metadata != NULL)
		json_decref(s->metadata->critical);
	free(s->metadata);
	google_stream_close(s);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
	o->signals = NULL;
}

/*
 * Where the source's keys are: as the transmitter's metadata say, else where the provider's are. Anybody can post what leads
 * here, so that after a failure nothing is fetched for a while.
 */
static int
source_need(struct signals *s)
{
	int64_t now = s->source.host->boot_ms(s->source.host->context);
	const char *jwks_uri;
	int rc;

	if (s->failed_boot_ms != 0 && now - s->failed_boot_ms < s->source.settings.keys_min_interval_ms)
		return COUNTERSIGN_UNREACHABLE;
	rc = s->separate ? ssf_need(s) : discovery_need(s->provider);
	s->failed_boot_ms = rc == COUNTERSIGN_OK ? 0 : now > 0 ? now : 1;
	if (rc != COUNTERSIGN_OK)
		return rc;
	jwks_uri = s->separate ? s->metadata->jwks_uri : s->provider->metadata.jwks_uri;
	if (jwks_uri[0] == '\0')
		return COUNTERSIGN_PROVIDER_ERROR;
	memcpy(s->source.metadata.jwks_uri, jwks_uri, strlen(jwks_uri) + 1);
	s->source.metadata.known = s->source.metadata.fixed = true;
	return COUNTERSIGN_OK;
}

/* Nothing is fetched for a message of another issuer. */
static int
verify(struct signals *s, struct set_rules *rules, struct countersign_view text,
    struct countersign_signal_answer *out)
{
	struct jws t;
	int rc = jws_read(text, &t);

	if (rc != COUNTERSIGN_OK)
		return rc;
	rc = set_check_header(&s->source.settings, rules->format, &t);
	if (rc == COUNTERSIGN_OK)
		rc = set_check_issuer(rules, &t);
	if (rc == COUNTERSIGN_OK)
		rc = source_need(s);
	if (rc == COUNTERSIGN_OK)
		rc = jws_verify(&s->source, &t, NULL);
	if (rc == COUNTERSIGN_OK) {
		rules->critical = s->metadata == NULL ? NULL : s->metadata->critical;
		rc = set_check_claims(rules, &t, out);
	}
	jws_clear(&t);
	return rc;
}

/*
 * A push must show what the stream was told to show (header Authorization, SSF 1.0 delivery.authorization_header), where that
 * is configured. What was polled was fetched by ourselves.
 */
static bool
authorization_ok(const struct signals *s, const struct countersign_signal *in)
{
	if (s->authorization_len == 0 || in->content_type.data == NULL)
		return true;
	return in->authorization.len == s->authorization_len &&
	    CRYPTO_memcmp(in->authorization.data, s->authorization, s->authorization_len) == 0;
}

static bool
type_ok(const struct signals *s, struct countersign_view type)
{
	return type.data == NULL ||
	    view_is_text(type, s->format == SET_APPLE ? "application/json" : "application/secevent+jwt");
}

int
signals_signal(void *instance, const struct countersign_signal *in, struct countersign_signal_answer *out)
{
	struct signals *s = ((struct oidc *)instance)->signals;
	struct countersign_view audiences[COUNTERSIGN_CLIENT_IDS_MAX + SIGNALS_AUDIENCES_MAX];
	struct set_rules rules = {
		.format = s->format,
		.issuers = s->issuers,
		.issuers_count = s->issuers_count,
		.audiences = audiences,
		.subject_issuers = s->subject_issuers,
		.subject_issuers_count = s->subject_issuers_count,
		.skew_s = s->source.settings.skew_s,
		.age_max_s = s->age_max_s,
		.now_s = in->call.now_ms / 1000,
	};
	struct countersign_view text = in->body;
	json_t *wrapping = NULL;
	int rc = COUNTERSIGN_OK;

	for (size_t i = 0; i < in->client_ids_count && i < COUNTERSIGN_CLIENT_IDS_MAX; i++)
		audiences[rules.audiences_count++] = in->client_ids[i];
	for (size_t i = 0; i < s->audiences_count; i++)
		audiences[rules.audiences_count++] = s->audiences[i];
	if (!authorization_ok(s, in))
		return COUNTERSIGN_BAD_BINDING;
	if (!type_ok(s, in->content_type))
		return COUNTERSIGN_BAD_TYPE;
	if (s->format == SET_APPLE)
		rc = set_unwrap(in->body, &wrapping, &text);
	if (rc == COUNTERSIGN_OK)
		rc = verify(s, &rules, text, out);
	json_decref(wrapping);
	return rc != COUNTERSIGN_OK ? rc :
	    countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

int
signals_poll(void *instance, const struct countersign_poll *in, struct countersign_poll_answer *out)
{
	struct oidc *o = instance;
	int rc = o->signals->format == SET_SSF ? ssf_poll(o->signals, in, out) : COUNTERSIGN_INVALID;

	return rc != COUNTERSIGN_OK ? rc :
	    countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

int
signals_stream(void *instance, const struct countersign_stream *in, struct countersign_stream_answer *out)
{
	struct oidc *o = instance;
	int rc = COUNTERSIGN_INVALID;

	if (o->signals->format == SET_GOOGLE)
		rc = google_stream(o->signals, in, out);
	else if (o->signals->format == SET_SSF)
		rc = ssf_stream(o->signals, in, out);
	return rc != COUNTERSIGN_OK ? rc :
	    countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

json_t *
signals_events_wanted(const struct signals *s, const char *const *usual)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->events_count; i++)
		json_array_append_new(list, json_stringn(s->events[i].data, s->events[i].len));
	for (; s->events_count == 0 && *usual != NULL; usual++)
		json_array_append_new(list, json_string(*usual));
	return list;
}
