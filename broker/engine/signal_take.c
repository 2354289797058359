/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message, event by event. Each event is one commit of the account that has its subject, together with a claim that
 * makes it count once; the next begins when that is durable. So a crash in between loses nothing: what was not answered is
 * sent again, and what of it was durable is a duplicate then.
 */
#include "broker/engine/signals_state.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"
#include "broker/engine/lookup.h"
#include "broker/engine/strangers.h"
#include "broker/engine/tell.h"
#include "broker/engine/texts.h"
#include "broker/engine/txn.h"
#include "broker/engine/workers.h"

enum {
	CLOCK_SKEW_MS = 10 * 60 * 1000, /* of a provider's clock against ours; its plugin is stricter */
	CLIENT_IDS_MAX = 16,            /* COUNTERSIGN_CLIENT_IDS_MAX */
	REQUEST_BYTES_MAX = WORKER_REQUEST_MAX,
};

struct reference {
	struct signal_job *job;
};

static struct signal_job *
job_of(struct call *call)
{
	return CALL_MEMORY_AS(struct reference, call)->job;
}

static void
job_unlink(struct signals *s, struct signal_job *job)
{
	struct signal_job **at = &s->jobs;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	s->jobs_n--;
}

void
signal_job_end(struct engine *e, struct signal_job *job, enum signal_end end, const char *err, const char *description)
{
	struct signal_source *s = signal_source(e, job->provider);
	struct call *call = job->call;
	signal_done_fn *done = job->done;
	void *ctx = job->ctx;

	if (end == SIGNAL_REFUSED)
		s->stats.refused++;
	else if (end == SIGNAL_FAILED)
		s->stats.failed++;
	else if (job->duplicate && !job->applied)
		s->stats.duplicates++;
	else
		s->stats.taken++;
	job_unlink(e->signals, job);
	free(job);
	/* No transaction's any more: what it rests on is durable. */
	if (call != NULL) {
		call->txn = NULL;
		call->after = NULL;
	}
	done(e, ctx, call, end, err, description);
}

/* --- an account --- */

/* The transaction could not be made: it has answered, and lets go of the call. */
static void
ended(struct call *call, void *ends)
{
	struct signal_job *job = ends;

	if (!call->answered)
		return;
	job->call = NULL;
	job->state = SIGNAL_JOB_FAILED;
}

static void
durable(struct txn *t, struct account *a, struct call *call)
{
	struct signal_job *job = job_of(call);

	(void)t, (void)a;
	call_after(call, ended, job);
	job->applied = true;
	job->at++;
	job->state = SIGNAL_JOB_READY;
}

static void
skip(struct engine *e, struct signal_job *job, bool unknown)
{
	if (unknown) {
		signal_unknown(signal_source(e, job->provider), &job->events[job->at]);
		job->unknown_n++;
	} else {
		job->duplicate = true;
	}
	job->at++;
	job->state = SIGNAL_JOB_READY;
}

static void
put_texts(struct engine *e, const struct account *a, const struct signal_job *job, struct extra *extra)
{
	const struct signal_event *ev = &job->events[job->at];
	struct texts texts;

	texts_init(&texts);
	texts.of[TEXT_ISSUER] = view_str(job->issuer);
	texts.of[TEXT_SIGNAL_ID] = view_str(job->id);
	texts.of[TEXT_SIGNAL_NAME] = view_str(ev->name);
	if (ev->detail[0] != '\0')
		texts.of[TEXT_DETAIL] = view_str(ev->detail);
	texts_to_event(e->keys, a, &texts, extra);
}

static void signal_txn(struct txn *t, struct account *a, struct call *call);

static void
surely_txn(struct txn *t, struct account *a, struct call *call)
{
	job_of(call)->sure = true;
	signal_txn(t, a, call);
}

static void
signal_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	static struct extra extra;
	struct engine *e = call->engine;
	struct signal_job *job = job_of(call);
	const struct signal_event *ev = &job->events[job->at];
	const struct config_provider *p = ruleset_provider(e->rules, job->provider);
	/* Also under the name that it had before: it only takes power away. */
	const struct link *l = link_of_any_name(a, &ev->claim);
	uint32_t effects = p == NULL || ev->good ? 0 : config_signal_effects(p, ev->kind);
	struct asked asked;

	call_after(call, ended, job);
	if (l == NULL || txn_taken(t, &ev->once)) {
		/* It was applied, here or at another broker; or the link may have been made at another one a moment ago. */
		if (job->sure || !txn_sure(t, call, surely_txn))
			skip(e, job, l == NULL);
		return;
	}
	call_asked(call, &asked);
	decide_signal(&asked, a, l->no, ev->kind, effects, ev->at_ms, &d);
	extra_init(&extra);
	put_texts(e, a, job, &extra);
	txn_claim_once(t, &ev->once);
	if (effects != 0)
		txn_narrows(t);
	txn_decision(t, a, &d, &extra);
	if ((effects & SIGNAL_NOTIFY) != 0)
		tell_others(t, a, call, "signalled", 0, view_str(ev->name));
	txn_then(t, call, durable);
}

/* --- finding it --- */

static void
once_found(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct signal_job *job = ctx;
	struct call *call = job->call;
	struct engine *e = call->engine;

	(void)holder, (void)tombstone;
	if (err == CS_OK) {
		skip(e, job, false);
	} else if (err != CS_ERR_NOT_FOUND) {
		job->state = SIGNAL_JOB_FAILED;
	} else {
		call->txn = NULL;
		call_after(call, ended, job);
		txn_run_held(e, &job->account, call, signal_txn);
	}
}

static void
subject_found(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct signal_job *job = ctx;
	struct engine *e = job->call->engine;
	struct store_key once;

	if (err == CS_ERR_NOT_FOUND || (err == CS_OK && tombstone)) {
		skip(e, job, true);
		return;
	}
	if (err != CS_OK) {
		job->state = SIGNAL_JOB_FAILED;
		return;
	}
	memcpy(job->account.b, holder->b, sizeof(job->account.b));
	memcpy(once.b, job->events[job->at].once.b, sizeof(once.b));
	store_find(e->store, &once, once_found, job);
}

void
signal_job_step(struct engine *e, struct signal_job *job)
{
	struct store_key claim;

	if (job->state == SIGNAL_JOB_FAILED) {
		signal_job_end(e, job, SIGNAL_FAILED, NULL, NULL);
		return;
	}
	if (job->at == job->events_n) {
		job->state = SIGNAL_JOB_UNKNOWN;
		if (job->unknown_n == 0)
			signal_job_end(e, job, SIGNAL_TAKEN, NULL, NULL);
		return;
	}
	if (id_zero(&job->events[job->at].claim)) {
		skip(e, job, true);
		return;
	}
	job->state = SIGNAL_JOB_BUSY;
	job->sure = false;
	memcpy(claim.b, job->events[job->at].claim.b, sizeof(claim.b));
	store_find(e->store, &claim, subject_found, job);
}

/* --- what the plugin says --- */

/* A refusal of the plugin, as a transmitter hears of it. */
static const struct {
	const char *reason, *err, *description;
} refusals[] = {
	{"bad_signature", "invalid_key", "The signature does not hold."},
	{"bad_key", "invalid_key", "The key is not one of the issuer's."},
	{"bad_algorithm", "invalid_key", "The signature's algorithm is not accepted."},
	{"bad_issuer", "invalid_issuer", "The issuer is not the expected one."},
	{"bad_audience", "invalid_audience", "It was made for somebody else."},
	{"bad_binding", "authentication_failed", "The request is not authenticated as it must be."},
	{"revoked", "access_denied", "This may not be sent here."},
	{"bad_state", "invalid_state", "Nobody asked for this verification."},
	{"bad_type", "invalid_request", "This is no security event token."},
	{"expired", "invalid_request", "It is too old."},
	{"not_yet_valid", "invalid_request", "It was made in the future."},
};

static void
refuse(struct engine *e, struct signal_job *job, struct view reason)
{
	strangers_note(e, 0, "signal");
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (view_equal(reason, view_str(refusals[i].reason))) {
			signal_job_end(e, job, SIGNAL_REFUSED, refusals[i].err, refusals[i].description);
			return;
		}
	}
	signal_job_end(e, job, SIGNAL_REFUSED, "invalid_request", "It cannot be read.");
}

struct answer_fields {
	struct view issuer, id, audience, state;
	int64_t issued_at;
	uint32_t events;
};

struct event_fields {
	struct view name, issuer, subject, detail;
	int64_t at;
};

static const struct json_field answer_table[] = {
	{"issuer", JSON_F_ID, true, offsetof(struct answer_fields, issuer), 1, SIGNAL_TEXT_MAX},
	{"id", JSON_F_ID, true, offsetof(struct answer_fields, id), 1, SIGNAL_TEXT_MAX},
	{"audience", JSON_F_ID, true, offsetof(struct answer_fields, audience), 1, SIGNAL_TEXT_MAX},
	{"state", JSON_F_ID, false, offsetof(struct answer_fields, state), 1, SIGNAL_TEXT_MAX},
	{"issued_at", JSON_F_INT, true, offsetof(struct answer_fields, issued_at), 0, INT64_MAX / 2},
	{"events", JSON_F_ARRAY, true, offsetof(struct answer_fields, events), 0, SIGNAL_EVENTS_MAX},
	{0},
};

static const struct json_field event_table[] = {
	{"name", JSON_F_ID, true, offsetof(struct event_fields, name), 1, SIGNAL_NAME_MAX},
	{"issuer", JSON_F_ID, false, offsetof(struct event_fields, issuer), 1, SIGNAL_TEXT_MAX},
	{"subject", JSON_F_ID, false, offsetof(struct event_fields, subject), 1, SIGNAL_TEXT_MAX},
	{"detail", JSON_F_ID, false, offsetof(struct event_fields, detail), 1, SIGNAL_TEXT_MAX},
	{"at", JSON_F_INT, false, offsetof(struct event_fields, at), 0, INT64_MAX / 2},
	{0},
};

static void
copy_text(char *to, struct view v)
{
	if (v.len > 0)
		memcpy(to, v.data, v.len);
	to[v.len] = '\0';
}

/* For whom it may be made: a client id of any service there, or what the provider's block says besides. */
static bool
audience_known(const struct engine *e, const struct config_provider *p, struct view audience)
{
	const struct config *c = e->rules->config;

	for (uint16_t i = 0; i < c->service_count; i++) {
		for (uint16_t k = 0; k < c->services[i].client_count; k++) {
			if (strcmp(c->services[i].clients[k].provider, p->name) == 0 &&
			    view_equal(audience, view_str(c->services[i].clients[k].id)))
				return true;
		}
	}
	for (uint16_t i = 0; i < p->setting_count; i++) {
		for (uint16_t k = 0; strcmp(p->settings[i].name, "signal-audience") == 0 && k < p->settings[i].value_count; k++) {
			if (view_equal(audience, view_str(p->settings[i].values[k])))
				return true;
		}
	}
	return false;
}

static void
note_event(struct engine *e, struct signal_job *job, const struct config_provider *p, const struct event_fields *f)
{
	struct signal_event *ev = &job->events[job->events_n++];
	struct view parts[5] = {view_str(p->name), view_str(job->issuer), view_str(job->id), f->name,
	    view_of(ev->claim.b, sizeof(ev->claim.b))};

	*ev = (struct signal_event){.kind = signal_find(f->name), .at_ms = f->at};
	if (ev->kind == SIGNAL_KIND_NONE)
		ev->kind = SIGNAL_KIND_OTHER;
	copy_text(ev->name, f->name);
	copy_text(ev->detail, f->detail);
	ev->good = signal_is_good(ev->kind, f->detail);
	if (f->subject.len > 0)
		ev->claim = subject_claim(e, p->name, f->issuer, f->subject);
	ev->once = keyring_id(e->keys, DIGEST_SIGNAL, parts, 5);
}

/* What the provider says of the stream itself. False where it answers a verification that nobody asked for. */
static bool
note_stream(struct engine *e, struct signal_source *s, const struct event_fields *f, struct view state)
{
	if (view_equal(f->name, VIEW("stream-updated"))) {
		copy_text(s->stats.status, f->detail);
		log_warn("msg=\"a provider changed its stream of security events\" provider=%s status=%s",
		    ruleset_provider_name(e->rules, s->provider), log_value(view_str(s->stats.status)));
		return true;
	}
	/* Without a state it is one that the provider sends by itself. */
	if (state.len > 0 && !view_equal(state, view_str(s->state)))
		return false;
	if (state.len > 0)
		s->state[0] = '\0';
	s->stats.verified_ms = e->now.wall_ms;
	return true;
}

/* Reads the events; a word that says what contradicts the question, or NULL. *asked: false for an unknown verification. */
static const char *
read_events(struct engine *e, struct signal_job *job, const struct config_provider *p, const struct json *doc,
    const struct answer_fields *answer, bool *asked)
{
	struct signal_source *s = signal_source(e, job->provider);
	uint32_t at = json_first(doc, answer->events);
	struct json_problem problem;

	for (uint32_t i = 0; i < doc->tokens[answer->events].count; i++, at = json_next(doc, at)) {
		struct event_fields f = {.at = -1};

		if (i == SIGNAL_EVENTS_MAX || json_bind(doc, at, event_table, true, &f, &problem) != CS_OK ||
		    (f.subject.len > 0 && f.issuer.len == 0))
			return "events";
		if (view_equal(f.name, VIEW("verification")) || view_equal(f.name, VIEW("stream-updated")))
			*asked &= note_stream(e, s, &f, answer->state);
		else
			note_event(e, job, p, &f);
	}
	return NULL;
}

static bool
under_way(const struct signals *s, const struct signal_job *job)
{
	for (const struct signal_job *j = s->jobs; j != NULL; j = j->next) {
		if (j != job && id_equal(&j->message, &job->message))
			return true;
	}
	return false;
}

static const char *
read_answer(struct engine *e, struct signal_job *job, const struct worker_result *r, bool *asked)
{
	const struct config_provider *p = ruleset_provider(e->rules, job->provider);
	struct answer_fields f = {0};
	struct json_problem problem;
	struct view parts[3];

	if (p == NULL || json_bind(r->doc, r->parameters, answer_table, true, &f, &problem) != CS_OK)
		return "fields";
	if (!audience_known(e, p, f.audience))
		return "audience";
	if (f.issued_at > e->now.wall_ms + CLOCK_SKEW_MS)
		return "times";
	copy_text(job->issuer, f.issuer);
	copy_text(job->id, f.id);
	parts[0] = view_str(p->name);
	parts[1] = f.issuer;
	parts[2] = f.id;
	job->message = keyring_id(e->keys, DIGEST_SIGNAL, parts, 3);
	return read_events(e, job, p, r->doc, &f, asked);
}

static void
answered(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct signal_job *job = ctx;
	const char *lie;
	bool asked = true;

	/* Where its keys cannot be had nothing is known of the message: who is told that it is refused sends it never again. */
	if (result->err == CS_ERR_DENIED && !view_equal(result->reason, VIEW("provider_error"))) {
		refuse(e, job, result->reason);
		return;
	}
	if (result->err != CS_OK) {
		signal_job_end(e, job, SIGNAL_FAILED, NULL, NULL);
		return;
	}
	lie = read_answer(e, job, result, &asked);
	if (lie != NULL) {
		log_error("msg=\"a plugin's answer contradicts the question\" provider=%s what=%s",
		    ruleset_provider_name(e->rules, job->provider), lie);
		*result->lied = true;
		signal_job_end(e, job, SIGNAL_FAILED, NULL, NULL);
		return;
	}
	signal_heard(e, signal_source(e, job->provider));
	if (!asked)
		refuse(e, job, VIEW("bad_state"));
	else if (under_way(e->signals, job))
		signal_job_end(e, job, SIGNAL_FAILED, NULL, NULL); /* the same once more: when it is durable it is a duplicate */
	else
		job->state = SIGNAL_JOB_READY;
}

/* Each once, and no more than a worker takes. */
static void
put_client_ids(struct json_writer *w, const struct engine *e, const char *provider)
{
	const struct config *c = e->rules->config;
	const char *put[CLIENT_IDS_MAX];
	size_t n = 0;

	json_key(w, VIEW("client_ids"));
	json_array_begin(w);
	for (uint16_t i = 0; i < c->service_count; i++) {
		for (uint16_t k = 0; k < c->services[i].client_count && n < CLIENT_IDS_MAX; k++) {
			const struct config_client *client = &c->services[i].clients[k];
			bool again = strcmp(client->provider, provider) != 0;

			for (size_t j = 0; j < n; j++)
				again |= strcmp(put[j], client->id) == 0;
			if (again)
				continue;
			put[n++] = client->id;
			json_put_str(w, view_str(client->id));
		}
	}
	json_array_end(w);
}

void
signal_take(struct engine *e, struct call *call, uint64_t provider, struct view body, struct view content_type,
    struct view authorization, signal_done_fn *done, void *ctx)
{
	static uint8_t bytes[REQUEST_BYTES_MAX];
	struct buf text = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&text);
	const char *name = ruleset_provider_name(e->rules, provider);
	struct signal_job *job = calloc(1, sizeof(*job));

	CHECK(job != NULL);
	*job = (struct signal_job){.next = e->signals->jobs, .call = call, .done = done, .ctx = ctx, .provider = provider};
	e->signals->jobs = job;
	e->signals->jobs_n++;
	json_object_begin(&w);
	json_member_str(&w, "body", body);
	json_member_str(&w, "content_type", content_type);
	json_member_str(&w, "authorization", authorization);
	put_client_ids(&w, e, name);
	json_member_int(&w, "now_ms", e->now.wall_ms);
	json_object_end(&w);
	/* Of the message nothing is needed any more: the memory of the call is the job's from here on. */
	CALL_MEMORY_AS(struct reference, call)->job = job;
	if (text.full)
		signal_job_end(e, job, SIGNAL_REFUSED, "invalid_request", "It is too long.");
	else if (e->signals->jobs_n > SIGNALS_JOBS_MAX)
		signal_job_end(e, job, SIGNAL_FAILED, NULL, NULL);
	else
		/* The members alone: the braces are the message's. */
		workers_ask(e, view_str(name), "Signal", view_of(text.data + 1, text.len - 2), answered, job);
	secret_wipe(bytes, text.len);
}
