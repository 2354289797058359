/* SPDX-License-Identifier: Apache-2.0 */
/* Our stream at a transmitter: to make it, look at it, have it verified, end it (SSF 1.0 section 7). */
#include <stdio.h>
#include <stdlib.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/ssf.h"

#define PUSH "urn:ietf:rfc:8935"
#define POLL "urn:ietf:rfc:8936"
#define RISC "https://schemas.openid.net/secevent/risc/event-type/"
#define CAEP "https://schemas.openid.net/secevent/caep/event-type/"

/* What is asked for where the configuration names nothing: all that can concern an account. */
static const char *const usual_events[] = {RISC "account-credential-change-required", RISC "account-purged",
    RISC "account-disabled", RISC "account-enabled", RISC "identifier-changed", RISC "identifier-recycled",
    RISC "credential-compromise", RISC "opt-out-effective", RISC "recovery-activated",
    RISC "recovery-information-changed", RISC "sessions-revoked", CAEP "session-revoked", CAEP "token-claims-change",
    CAEP "credential-change", CAEP "assurance-level-change", CAEP "risk-level-change", NULL};

/* Copies the member to the object that is shown, if it is there. */
static void
show(json_t *to, const json_t *from, const char *name)
{
	json_t *v = json_object_get(from, name);

	if (v != NULL)
		json_object_set(to, name, v);
}

int
ssf_put_document(struct countersign_view issuer, const json_t *stream, const json_t *status,
    struct countersign_buffer *to)
{
	static const char *const names[] = {"stream_id", "iss", "aud", "events_delivered", "min_verification_interval",
	    "inactivity_timeout", "description"};
	const json_t *delivery = json_object_get(stream, "delivery");
	json_t *shown = json_pack("{ss%}", "transmitter", issuer.data, issuer.len);
	json_t *how = json_object();
	char *text;
	int rc = COUNTERSIGN_INTERNAL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		show(shown, stream, names[i]);
	show(how, delivery, "method");
	show(how, delivery, "delivery_method");
	show(how, delivery, "endpoint_url");
	show(how, delivery, "url");
	json_object_set_new(shown, "delivery", how);
	show(shown, status, "status");
	show(shown, status, "reason");
	text = json_dumps(shown, JSON_COMPACT);
	if (text != NULL && strlen(text) > to->cap) {
		free(text);
		json_object_del(shown, "events_delivered");
		text = json_dumps(shown, JSON_COMPACT);
	}
	if (text != NULL)
		rc = countersign_put(to, text, strlen(text));
	free(text);
	json_decref(shown);
	return rc;
}

static void
url_with_stream(const char *url, struct countersign_view id, char to[OIDC_URL_MAX])
{
	struct countersign_buffer b = {to, OIDC_URL_MAX - 1, 0};
	int rc = COUNTERSIGN_OK;

	put_text(&b, &rc, url);
	if (id.len > 0 && url[0] != '\0') {
		put_text(&b, &rc, strchr(url, '?') == NULL ? "?stream_id=" : "&stream_id=");
		put_escaped(&b, &rc, id);
	}
	b.data[rc == COUNTERSIGN_OK ? b.len : 0] = '\0';
}

/*
 * GET of the configuration: one stream where its id is known, else a list. Of several without a configured id the choice would
 * be a guess.
 */
int
ssf_find_stream(struct signals *s, int64_t now_ms, json_t **stream)
{
	char url[OIDC_URL_MAX];
	json_t *answer, *list, *found;
	int status = 0, rc = ssf_need(s);

	if (rc != COUNTERSIGN_OK)
		return rc;
	url_with_stream(s->metadata->configuration_endpoint, s->stream_id, url);
	rc = ssf_ask(s, "GET", url, NULL, now_ms, &status, &answer);
	if (rc != COUNTERSIGN_OK && status != 404)
		return rc;
	list = json_object_get(answer, "list");
	rc = json_array_size(list) > 1 ? COUNTERSIGN_PROVIDER_ERROR : COUNTERSIGN_OK;
	if (rc != COUNTERSIGN_OK)
		oidc_log(&s->source, COUNTERSIGN_LOG_ERROR,
		    "there are several streams: write the one that is meant as stream-id", countersign_view_of(NULL));
	found = list != NULL ? json_array_get(list, 0) : answer;
	if (rc == COUNTERSIGN_OK)
		*stream = json_member_text(found, "stream_id").len > 0 ? json_incref(found) : NULL;
	json_decref(answer);
	return rc;
}

/* What a stream is to be: pushed to the endpoint with our header, or polled. */
static json_t *
wanted(const struct signals *s, struct countersign_view endpoint)
{
	json_t *delivery = endpoint.len == 0 ? json_pack("{ss}", "method", POLL) :
	    json_pack("{ss ss%}", "method", PUSH, "endpoint_url", endpoint.data, endpoint.len);

	if (endpoint.len > 0 && s->authorization_len > 0)
		json_object_set_new(delivery, "authorization_header",
		    json_stringn(s->authorization, s->authorization_len));
	return json_pack("{so so}", "delivery", delivery, "events_requested", signals_events_wanted(s, usual_events));
}

static bool
audience_ours(const struct signals *s, struct countersign_view aud)
{
	const struct oidc_settings *p = &s->provider->settings;

	for (size_t i = 0; i < s->audiences_count; i++)
		if (view_is(aud, s->audiences[i]))
			return true;
	for (size_t i = 0; i < p->clients_count; i++)
		if (view_is(aud, p->clients[i]))
			return true;
	return false;
}

/* SSF 1.0 section 7.1.1: the receiver must look whether the stream is of this issuer; and what we would refuse is no use. */
static int
check_stream(const struct signals *s, const json_t *stream)
{
	const json_t *aud = json_object_get(stream, "aud");
	const char *why = NULL;
	bool ours = audience_ours(s, json_text(aud));

	for (size_t i = 0; i < json_array_size(aud); i++)
		ours = ours || audience_ours(s, json_text(json_array_get(aud, i)));
	if (json_member_text(stream, "stream_id").len == 0)
		why = "it has no stream_id";
	else if (!view_is(json_member_text(stream, "iss"), s->source.settings.issuer))
		why = "its iss is not the transmitter's issuer";
	else if (!ours)
		why = "its aud is no client id and no signal-audience: write it as one";
	if (why == NULL)
		return COUNTERSIGN_OK;
	oidc_log(&s->source, COUNTERSIGN_LOG_ERROR, "the stream that the transmitter made is refused:", countersign_view_of(why));
	return COUNTERSIGN_PROVIDER_ERROR;
}

/* Makes it, or brings the one that there is to what is wanted. */
static int
stream_create(struct signals *s, const struct countersign_stream *in, json_t *stream,
    struct countersign_stream_answer *out)
{
	json_t *body = wanted(s, in->endpoint), *answer = NULL;
	int status = 0, rc;

	if (stream != NULL)
		json_object_set(body, "stream_id", json_object_get(stream, "stream_id"));
	rc = ssf_ask(s, stream == NULL ? "POST" : "PATCH", s->metadata->configuration_endpoint, body, in->call.now_ms,
	    &status, &answer);
	if (rc == COUNTERSIGN_OK)
		rc = check_stream(s, answer);
	if (rc == COUNTERSIGN_OK)
		rc = ssf_put_document(s->source.settings.issuer, answer, NULL, &out->document);
	s->poll_endpoint[0] = '\0';
	json_decref(answer);
	return rc;
}

static int
stream_status(struct signals *s, const struct countersign_stream *in, json_t *stream,
    struct countersign_stream_answer *out)
{
	char url[OIDC_URL_MAX];
	json_t *state = NULL;
	int status = 0, rc = COUNTERSIGN_OK;

	url_with_stream(s->metadata->status_endpoint, json_member_text(stream, "stream_id"), url);
	if (url[0] != '\0')
		rc = ssf_ask(s, "GET", url, NULL, in->call.now_ms, &status, &state);
	if (rc == COUNTERSIGN_OK)
		rc = ssf_put_document(s->source.settings.issuer, stream, state, &out->document);
	json_decref(state);
	return rc;
}

static int
stream_verify(struct signals *s, const struct countersign_stream *in, json_t *stream,
    struct countersign_stream_answer *out)
{
	json_t *body = json_pack("{sO}", "stream_id", json_object_get(stream, "stream_id")), *answer = NULL;
	int status = 0, rc;

	if (in->state.len > 0)
		json_object_set_new(body, "state", json_stringn(in->state.data, in->state.len));
	rc = ssf_ask(s, "POST", s->metadata->verification_endpoint, body, in->call.now_ms, &status, &answer);
	if (rc == COUNTERSIGN_OK)
		rc = ssf_put_document(s->source.settings.issuer, stream, NULL, &out->document);
	json_decref(answer);
	return rc;
}

static int
stream_delete(struct signals *s, const struct countersign_stream *in, json_t *stream,
    struct countersign_stream_answer *out)
{
	char url[OIDC_URL_MAX];
	json_t *answer = NULL;
	int status = 0, rc;

	url_with_stream(s->metadata->configuration_endpoint, json_member_text(stream, "stream_id"), url);
	rc = ssf_ask(s, "DELETE", url, NULL, in->call.now_ms, &status, &answer);
	if (rc == COUNTERSIGN_OK)
		rc = ssf_put_document(s->source.settings.issuer, stream, NULL, &out->document);
	s->poll_endpoint[0] = '\0';
	json_decref(answer);
	return rc;
}

int
ssf_stream(struct signals *s, const struct countersign_stream *in, struct countersign_stream_answer *out)
{
	static int (*const actions[])(struct signals *, const struct countersign_stream *, json_t *,
	    struct countersign_stream_answer *) = {
		[COUNTERSIGN_STREAM_STATUS] = stream_status,
		[COUNTERSIGN_STREAM_CREATE] = stream_create,
		[COUNTERSIGN_STREAM_VERIFY] = stream_verify,
		[COUNTERSIGN_STREAM_DELETE] = stream_delete,
	};
	json_t *stream = NULL;
	int rc;

	if (in->action >= sizeof(actions) / sizeof(actions[0]) || actions[in->action] == NULL)
		return COUNTERSIGN_INVALID;
	rc = ssf_find_stream(s, in->call.now_ms, &stream);
	if (rc != COUNTERSIGN_OK)
		return rc;
	if (stream == NULL && in->action == COUNTERSIGN_STREAM_VERIFY) {
		oidc_log(&s->source, COUNTERSIGN_LOG_WARN, "there is no stream yet: create it first", countersign_view_of(NULL));
		return COUNTERSIGN_PROVIDER_ERROR;
	}
	/* Without a stream its status is that there is none, and ending it is done. */
	if (stream == NULL && in->action != COUNTERSIGN_STREAM_CREATE)
		return ssf_put_document(s->source.settings.issuer, NULL, NULL, &out->document);
	rc = actions[in->action](s, in, stream, out);
	json_decref(stream);
	return rc;
}
