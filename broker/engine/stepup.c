/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.StepUp: one prompt, bound to exactly what the user is shown; and what the pages share with it. */
#include "broker/engine/stepup.h"

#include "broker/engine/api.h"
#include "broker/engine/card.h"
#include "broker/engine/prompt.h"
#include "broker/engine/stopped.h"
#include "broker/engine/things.h"

void
stepup_open(struct txn *t, struct account *a, struct call *call, struct decision *d, struct texts *card)
{
	static struct extra extra;
	struct engine *e = call->engine;

	if (d->events_n == 0)
		return;
	extra_init(&extra);
	texts_to_event(e->keys, a, card, &extra);
	if (d->outcome == OUTCOME_STEP_UP) {
		things_tidy(e, a, txn_cold(t), &extra);
		texts_to_cold(e->keys, a, card, &d->id, &extra);
	}
	txn_decision(t, a, d, &extra);
}

void
stepup_outcome(struct json_writer *w, struct call *call, const struct account *a, const struct decision *d,
    struct view return_url)
{
	answer_outcome(w, d);
	if (d->outcome == OUTCOME_STEP_UP)
		answer_challenge(w, call, a, challenge_of(a, d), return_url);
}

const char *
stepup_state(const struct engine *e, const struct account *a, const struct challenge *c)
{
	int64_t now = e->now.wall_ms > a->time_ms ? e->now.wall_ms : a->time_ms;

	switch ((enum challenge_state)c->state) {
	case CHALLENGE_OPEN:
		return c->expires_ms > now ? "open" : "expired";
	case CHALLENGE_DONE:
		return now - c->done_ms <= e->rules->policy->redeem_ms ? "done" : "expired";
	case CHALLENGE_USED:
		/* The answer itself carried these out: for whoever asked, that is done. */
		return c->op == OP_LINK || c->op == OP_GRANT ? "done" : "used";
	case CHALLENGE_REFUSED:
		return "refused";
	default:
		return c->wrong >= CHALLENGE_WRONG_MAX ? "locked" : "expired";
	}
}

bool
stepup_open_now(const struct engine *e, const struct account *a, const struct challenge *c)
{
	return strcmp(stepup_state(e, a, c), "open") == 0;
}

void
stepup_write(struct json_writer *w, struct call *call, struct txn *t, const struct account *a,
    const struct challenge *c)
{
	uint8_t bytes[CARD_BYTES_MAX];
	struct buf card = buf_over(bytes, sizeof(bytes));

	card_write(call->engine, a, txn_cold(t), c, &card);
	json_key(w, VIEW("card"));
	json_put_raw(w, buf_view(&card));
	prompt_steps(w, call, t, a, c);
	json_member_str(w, "state", view_str(stepup_state(call->engine, a, c)));
	json_member_int(w, "attempts_left", prompt_attempts_left(call->engine, a, c));
	json_member_int(w, "round", prompt_round(c));
	json_member_int(w, "need", prompt_missing(c));
}

const struct challenge *
stepup_find(struct call *call, const struct account *a, const struct stepup *s)
{
	const struct challenge *c = account_challenge(a, &s->id);

	if (c != NULL && (s->any_service || c->service == call->caller.service))
		return c;
	call_not_found(call, "challenge");
	return NULL;
}

void
stepup_asked(struct call *call, const struct challenge *c, struct asked *asked)
{
	call_asked(call, asked);
	asked->service = c->service;
}

void
stepup_no_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct challenge *c = stepup_find(call, a, s);
	struct stopped stopped;
	struct asked asked;
	struct json_writer w;
	const char *state;

	if (c == NULL)
		return;
	stopped_count(a, c->link_no, call->engine->now.wall_ms, &stopped);
	stepup_asked(call, c, &asked);
	decide_refuse(&asked, a, &s->id, s->report, &d);
	if (d.events_n > 0)
		txn_narrows(t);
	txn_decision(t, a, &d, NULL);
	state = stepup_state(call->engine, a, account_challenge(a, &s->id));
	w = call_reply(call);
	json_member_str(&w, "state", view_str(state));
	/* Its owner is told on the page; a service reads it in the events. */
	if (s->more != NULL && s->report)
		stopped_write(&w, &stopped);
	if (s->more != NULL)
		s->more(&w, call, view_str(state));
	call_end(call, &w);
}

void
stepup_no(struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct id key = s->key;

	txn_run(call->engine, &key, call, stepup_no_txn);
}

enum { LANGUAGE_MAX = 35 }; /* RFC 5646 */

/* The interface's own parameters. */
struct named {
	struct view challenge;
	uint32_t answers;
	int64_t round;
	struct view step, language;
	bool report;
};

#define CHALLENGE_FIELD {"challenge", JSON_F_STRING, true, offsetof(struct named, challenge), 0, 0}

/* Reads the parameters and puts the challenge into the call's memory. */
static bool
read_named(struct call *call, const struct json_field *fields, struct named *n)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);

	if (!call_bind(call, fields, n, sizeof(*n)))
		return false;
	memset(s, 0, sizeof(*s));
	return call_id(call, ID_CHALLENGE, n->challenge, "challenge", &s->key, &s->id);
}

bool
stepup_named(struct call *call)
{
	static const struct json_field fields[] = {CHALLENGE_FIELD, {0}};
	struct named n;

	return read_named(call, fields, &n);
}

static void
get_txn(struct txn *t, struct account *a, struct call *call)
{
	const struct challenge *c = stepup_find(call, a, CALL_MEMORY_AS(struct stepup, call));
	struct json_writer w;

	if (c == NULL)
		return;
	w = call_reply(call);
	stepup_write(&w, call, t, a, c);
	call_end(call, &w);
}

void
stepup_get(struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);

	if (stepup_named(call))
		txn_run(call->engine, &s->key, call, get_txn);
}

void
stepup_respond(struct call *call)
{
	static const struct json_field fields[] = {
		CHALLENGE_FIELD,
		{"answers", JSON_F_ARRAY, true, offsetof(struct named, answers), 0, 0},
		{"round", JSON_F_INT, false, offsetof(struct named, round), 1, INT32_MAX},
		{0},
	};
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct named n;

	if (!read_named(call, fields, &n) || !stepup_read_answers(call, n.answers, s))
		return;
	s->round = n.round;
	stepup_answer(call);
}

void
stepup_begin(struct call *call)
{
	static const struct json_field fields[] = {
		CHALLENGE_FIELD,
		{"step", JSON_F_ID, true, offsetof(struct named, step), 1, ID_TEXT_MAX},
		{"language", JSON_F_ID, false, offsetof(struct named, language), 1, LANGUAGE_MAX},
		{0},
	};
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct named n;

	if (!read_named(call, fields, &n))
		return;
	s->step = n.step;
	s->language = n.language;
	stepup_begin_step(call);
}

void
stepup_refuse(struct call *call)
{
	static const struct json_field fields[] = {
		CHALLENGE_FIELD,
		{"report", JSON_F_BOOL, false, offsetof(struct named, report), 0, 0},
		{0},
	};
	struct named n;

	if (!read_named(call, fields, &n))
		return;
	CALL_MEMORY_AS(struct stepup, call)->report = n.report;
	stepup_no(call);
}
