/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from outside, judged by a fool or a liar: access tokens of services, and security events of a provider. */
#include "misbehave.h"

enum { HOUR_MS = 3600 * 1000 };

static struct countersign_view
part(struct countersign_view *text)
{
	const char *bar = memchr(text->data, '|', text->len);
	struct countersign_view first = {text->data, bar == NULL ? text->len : (size_t)(bar - text->data)};

	*text = (struct countersign_view){text->data + first.len + (bar != NULL), text->len - first.len - (bar != NULL)};
	return first;
}

static int
put_view(struct countersign_buffer *to, struct countersign_view v)
{
	return countersign_put(to, v.data, v.len);
}

int
misbehave_check(void *instance, const struct countersign_token *in, struct countersign_token_answer *out)
{
	struct misbehave *m = instance;
	struct countersign_view text = in->token, told = part(&text);
	enum behaviour as;
	int rc = behave(m, text.len > 0 ? text : told, &in->call, &as);
	bool proof = (in->proof.len > 0) != (as == lie_proof_behaviour);

	if (rc == COUNTERSIGN_OK)
		rc = put_request(as, &in->call, &out->request);
	if (rc == COUNTERSIGN_OK)
		rc = put_view(&out->issuer, m->issuer);
	if (rc == COUNTERSIGN_OK)
		rc = put_view(&out->client, as == garbage_behaviour ? countersign_view_of("\033[2J\xff") :
		    as == lie_audience_behaviour ? countersign_view_of("another-client") : told);
	if (rc == COUNTERSIGN_OK && proof)
		rc = put_view(&out->proof_id, in->proof.len > 0 ? in->proof : countersign_view_of("none"));
	out->proof_at_ms = proof ? in->call.now_ms : 0;
	out->expires_at_ms = in->call.now_ms + (as == lie_time_behaviour ? -HOUR_MS : HOUR_MS);
	/* Whatever it says, no answer stands for longer than a minute. */
	out->cache_until_ms = in->call.now_ms + HOUR_MS / 2;
	if (as == overflow_behaviour)
		out->client.len = out->client.cap + 1;
	return rc;
}

int
misbehave_signal(void *instance, const struct countersign_signal *in, struct countersign_signal_answer *out)
{
	struct misbehave *m = instance;
	struct countersign_view text = in->body, subject = part(&text), name = part(&text), told = part(&text);
	struct countersign_security_event *event = &out->events[0];
	enum behaviour as;
	int rc = behave(m, told, &in->call, &as);

	if (rc == COUNTERSIGN_OK)
		rc = put_request(as, &in->call, &out->request);
	if (rc == COUNTERSIGN_OK)
		rc = put_view(&out->issuer, m->issuer);
	if (rc == COUNTERSIGN_OK)
		rc = put_view(&out->id, as == garbage_behaviour ? countersign_view_of("\033[2J") : in->body);
	if (rc == COUNTERSIGN_OK)
		rc = put_view(&out->audience, as == lie_audience_behaviour ? countersign_view_of("another-app") : in->client_ids[0]);
	if (rc == COUNTERSIGN_OK)
		rc = put_view(&event->name, as == lie_word_behaviour ? countersign_view_of("No Word") : name);
	if (rc == COUNTERSIGN_OK)
		rc = put_view(&event->issuer, as == lie_issuer_behaviour ? countersign_view_of("https://other.test") : m->issuer);
	if (rc == COUNTERSIGN_OK)
		rc = put_view(&event->subject, as == lie_subject_behaviour ? countersign_view_of("mallory") : subject);
	event->at_ms = COUNTERSIGN_NO_TIME;
	out->issued_at_ms = in->call.now_ms + (as == lie_time_behaviour ? HOUR_MS : 0);
	out->events_count = as == lie_more_behaviour ? COUNTERSIGN_SIGNAL_EVENTS + 1 : 1;
	if (as == overflow_behaviour)
		event->subject.len = event->subject.cap + 1;
	return rc;
}
