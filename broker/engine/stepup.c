/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.StepUp: one prompt, bound to exactly what the user is shown; and what the pages share with it. */
#include "broker/engine/stepup.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/api.h"
#include "broker/engine/enrolment.h"
#include "broker/engine/links.h"
#include "broker/engine/notify.h"
#include "broker/engine/proof.h"
#include "broker/engine/risk.h"
#include "broker/engine/things.h"
#include "broker/engine/watch.h"

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

static bool
is_open(const struct engine *e, const struct account *a, const struct challenge *c)
{
	return strcmp(stepup_state(e, a, c), "open") == 0;
}

/* The byte after n characters of UTF-8. */
static size_t
characters(struct view v, size_t n)
{
	size_t i = 0;

	for (; i < v.len && n > 0; n--) {
		i++;
		while (i < v.len && ((uint8_t)v.data[i] & 0xc0) == 0x80)
			i++;
	}
	return i;
}

size_t
account_hint(struct view account, char to[ACCOUNT_HINT_MAX])
{
	struct buf b = buf_over(to, ACCOUNT_HINT_MAX);
	size_t all = 0;

	for (size_t i = 0; i < account.len; i++)
		all += ((uint8_t)account.data[i] & 0xc0) != 0x80;
	/* Of a short one two characters would be most of it. */
	if (all >= 6)
		buf_put(&b, account.data, characters(account, 2));
	buf_put_view(&b, VIEW("***"));
	if (all >= 6) {
		size_t from = characters(account, all - 2);

		buf_put(&b, account.data + from, account.len - from);
	}
	CHECK(!b.full);
	return b.len;
}

/* What is asked, where the card does not say it in a word of its own. */
static struct view
what_of(const struct account *a, const struct challenge *c, const struct texts *card)
{
	const struct allowance *w = account_allowance_by_no(a, c->target_no);

	if (card->of[TEXT_WHAT].data != NULL)
		return card->of[TEXT_WHAT];
	if (c->op == OP_SPEND)
		return VIEW("payment");
	if (c->op == OP_GRANT && w != NULL)
		return w->kind == ALLOWANCE_MANDATE ? VIEW("mandate") : VIEW("allowance");
	return view_str(op_name((enum op)c->op));
}

static void
write_card(struct json_writer *w, const struct engine *e, struct txn *t, const struct account *a,
    const struct challenge *c)
{
	static struct texts card, own;
	const struct link *l = account_link_by_no(a, c->op == OP_LINK ? c->target_no : c->link_no);
	char hint[ACCOUNT_HINT_MAX];
	size_t hint_len = account_hint(things_account(e->keys, a, txn_cold(t), &own), hint);
	struct view payee;

	(void)texts_from_cold(e->keys, a, txn_cold(t), &c->id, &card);
	payee = card.of[TEXT_PAYEE_NAME].data != NULL ? card.of[TEXT_PAYEE_NAME] : card.of[TEXT_LABEL];
	json_key(w, VIEW("card"));
	json_object_begin(w);
	json_member_str(w, "service", view_str(ruleset_service_name(e->rules, c->service)));
	json_member_str(w, "account_hint", view_of(hint, hint_len));
	json_member_str(w, "what", what_of(a, c, &card));
	if (l != NULL)
		json_member_str(w, "provider", view_str(ruleset_provider_name(e->rules, l->provider)));
	json_member_str(w, "payee", payee.data != NULL ? payee : card.of[TEXT_PAYEE_ID]);
	json_member_str(w, "payee_id", card.of[TEXT_PAYEE_ID]);
	json_member_str(w, "amount", card.of[TEXT_AMOUNT]);
	json_member_str(w, "currency", card.of[TEXT_CURRENCY]);
	json_member_str(w, "worst_case", card.of[TEXT_WORST_CASE]);
	answer_time(w, "expires_at", c->expires_ms);
	json_object_end(w);
	secret_wipe(&card, sizeof(card));
	secret_wipe(&own, sizeof(own));
}

/* A passkey signs what the step names; every other kind is answered by a code so far. */
static void
write_steps(struct json_writer *w, struct call *call, struct txn *t, const struct account *a,
    const struct challenge *c)
{
	static struct texts texts;
	const struct engine *e = call->engine;
	char challenge[PROOF_CHALLENGE_TEXT];
	struct asked asked;
	int64_t until_ms;

	call_asked(call, &asked);
	json_key(w, VIEW("steps"));
	json_array_begin(w);
	for (size_t i = 0; i < a->factors_n; i++) {
		const struct factor *f = &a->factors[i];

		if (decide_may_answer(&asked, a, c, f, &until_ms) != REASON_NONE)
			continue;
		json_object_begin(w);
		answer_id(w, "id", ID_FACTOR, a, &f->id);
		answer_id(w, "factor", ID_FACTOR, a, &f->id);
		json_member_str(w, "kind", view_str(factor_kind_name((enum factor_kind)f->kind)));
		json_member_str(w, "type", f->kind == FACTOR_WEBAUTHN ? VIEW("passkey") : VIEW("code"));
		if (f->kind == FACTOR_WEBAUTHN) {
			proof_challenge(c, challenge);
			json_member_str(w, "challenge", view_of(challenge, sizeof(challenge)));
			json_member_str(w, "rp_id", view_str(proof_setting(e, FACTOR_WEBAUTHN, "rp-id", "")));
		}
		(void)texts_from_cold(e->keys, a, txn_cold(t), &f->id, &texts);
		json_member_str(w, "label", texts.of[TEXT_LABEL].data != NULL ? texts.of[TEXT_LABEL] : VIEW(""));
		json_object_end(w);
	}
	json_array_end(w);
}

/* How often one may still be wrong before this challenge ends or the last factor that may answer is locked. */
static int
attempts_left(const struct engine *e, const struct account *a, const struct challenge *c)
{
	int of_factors = 0, of_challenge = CHALLENGE_WRONG_MAX - c->wrong;

	if (!is_open(e, a, c))
		return 0;
	for (size_t i = 0; i < a->factors_n; i++) {
		const struct factor *f = &a->factors[i];

		if (!f->removed && (c->kinds & 1 << f->kind) != 0 && f->locked_until_ms <= e->now.wall_ms &&
		    FACTOR_FAILURES_MAX - f->failures > of_factors)
			of_factors = FACTOR_FAILURES_MAX - f->failures;
	}
	return of_factors < of_challenge ? of_factors : of_challenge;
}

void
stepup_write(struct json_writer *w, struct call *call, struct txn *t, const struct account *a,
    const struct challenge *c)
{
	write_card(w, call->engine, t, a, c);
	write_steps(w, call, t, a, c);
	json_member_str(w, "state", view_str(stepup_state(call->engine, a, c)));
	json_member_int(w, "attempts_left", attempts_left(call->engine, a, c));
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

bool
stepup_read_answers(struct call *call, uint32_t array, struct stepup *s)
{
	struct given {
		struct view step, value;
	} given;
	static const struct json_field fields[] = {
		{"step", JSON_F_ID, true, offsetof(struct given, step), 1, ID_TEXT_MAX},
		{"value", JSON_F_ID, true, offsetof(struct given, value), 1, PROOF_ANSWER_MAX},
		{0},
	};
	struct json_problem problem = {0};
	uint32_t at = json_first(&call->doc, array);

	if (json_token_at(&call->doc, array)->count > STEPUP_ANSWERS_MAX || at == 0) {
		call_invalid(call, "answers", "must be one to four answers");
		return false;
	}
	for (; s->answers_n < json_token_at(&call->doc, array)->count; at = json_next(&call->doc, at)) {
		given = (struct given){0};
		if (json_type(&call->doc, at) != JSON_OBJECT ||
		    json_bind(&call->doc, at, fields, false, &given, &problem) != CS_OK) {
			call_invalid(call, "answers", "each is {step, value}, the value at most 12 KiB");
			return false;
		}
		s->answers[s->answers_n].step = given.step;
		s->answers[s->answers_n++].value = given.value;
	}
	return true;
}

/* What a decision on an answer needs: a page answers for the service whose challenge it is. */
static void
asked_for(struct call *call, const struct challenge *c, struct asked *asked)
{
	call_asked(call, asked);
	asked->service = c->service;
}

static void
reply_state(struct call *call, struct txn *t, const struct account *a, enum reason reason, int64_t until_ms)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct engine *e = call->engine;
	const struct challenge *c = account_challenge(a, &s->id);
	const char *state = stepup_state(e, a, c);
	struct json_writer w = call_reply(call);

	json_member_str(&w, "state", view_str(state));
	if (reason != REASON_NONE)
		json_member_str(&w, "reason", view_str(reason_name(reason)));
	if (s->more == NULL && is_open(e, a, c))
		write_steps(&w, call, t, a, c);
	json_member_int(&w, "attempts_left", attempts_left(e, a, c));
	if (until_ms > e->now.wall_ms)
		json_member_int(&w, "retry_after_ms", until_ms - e->now.wall_ms);
	if (s->more != NULL)
		s->more(&w, call, view_str(state));
	call_end(call, &w);
}

static void answer_checked(struct engine *e, void *ctx, const struct worker_result *result);

/* The factor that an answer is for, if it may answer this challenge now; answers the call itself. */
static const struct factor *
answering(struct call *call, struct txn *t, struct account *a, const struct challenge *c)
{
	static struct decision d;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct answer answer = {.challenge = s->id};
	const struct factor *f = NULL;
	struct asked asked;
	struct id key;
	enum reason reason;
	int64_t until_ms;

	if (id_parse(ID_FACTOR, s->answers[s->at].step, &key, &s->factor) == CS_OK && id_equal(&key, &a->key))
		f = account_factor(a, &s->factor);
	if (f == NULL || f->removed) {
		call_not_found(call, "step");
		return NULL;
	}
	if (!proof_answer_fits((enum factor_kind)f->kind, s->answers[s->at].value)) {
		call_invalid(call, "answers", "the value is longer than an answer of this factor");
		return NULL;
	}
	asked_for(call, c, &asked);
	reason = decide_may_answer(&asked, a, c, f, &until_ms);
	if (reason == REASON_NONE)
		return f;
	/* No plugin is asked, so nobody learns whether it was right; that somebody tried is an event. */
	answer.factor_no = f->no;
	decide_answer(&asked, a, &answer, &d);
	CHECK(d.outcome == OUTCOME_DENY && d.reason == reason);
	txn_decision(t, a, &d, NULL);
	reply_state(call, t, a, reason, until_ms);
	return NULL;
}

/* Gives the answer to its plugin, with the secret of this very factor of this very account. */
static void
ask_txn(struct txn *t, struct account *a, struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct engine *e = call->engine;
	const struct challenge *c = stepup_find(call, a, s);
	const struct factor *f;
	uint8_t bytes[ENROLMENT_SECRET_MAX];
	struct buf secret = buf_over(bytes, sizeof(bytes));

	if (c == NULL || (f = answering(call, t, a, c)) == NULL)
		return;
	if (things_secret_open(e->keys, a, txn_cold(t), &f->id, &secret) != CS_OK || secret.full) {
		call_unavailable(call, "factor");
	} else {
		s->asked_ms = e->now.wall_ms;
		s->asking = true;
		proof_ask(e, (enum factor_kind)f->kind, buf_view(&secret), s->answers[s->at].value, f->last_step, c,
		    answer_checked, call);
		s->asking = false;
	}
	secret_wipe(bytes, sizeof(bytes));
}

/* The engine's own look at what the plugin said yes to. */
static bool
right_again(struct call *call, struct txn *t, const struct account *a, const struct factor *f)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct verdict v = {.yes = s->yes, .step = s->step};
	uint8_t bytes[ENROLMENT_SECRET_MAX];
	struct buf secret = buf_over(bytes, sizeof(bytes));
	bool right = things_secret_open(call->engine->keys, a, txn_cold(t), &f->id, &secret) == CS_OK && !secret.full &&
	    proof_again(call->engine, (enum factor_kind)f->kind, buf_view(&secret), s->answers[s->at].value, &v,
	        s->asked_ms);

	secret_wipe(bytes, sizeof(bytes));
	return right;
}

static void decide_txn(struct txn *t, struct account *a, struct call *call);

/*
 * The last answer about a link or an allowance carries it out by its service's stack: that is asked with scores of now,
 * not with those of when the user was prompted. True: the call waits for them.
 */
static bool
scores_wait(const struct account *a, struct call *call, const struct challenge *c)
{
	const struct allowance *w = c->op == OP_GRANT ? account_allowance_by_no(a, c->target_no) : NULL;
	const struct risk_question q = {.service = c->service, .session = &c->session, .link_no = c->link_no,
	    .currency = w == NULL ? 0 : w->currency, .amount_minor = w == NULL ? 0 : w->total_minor};

	return (c->op == OP_LINK || c->op == OP_GRANT) && risk_wait(a, call, (enum op)c->op, &q, decide_txn);
}

static void
decide_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct challenge *c = stepup_find(call, a, s);
	const struct factor *f;
	const struct link *l;
	struct answer answer = {.challenge = s->id, .step = s->step};
	struct asked asked;

	if (c == NULL)
		return;
	f = account_factor(a, &s->factor);
	if (f == NULL) {
		call_not_found(call, "step");
		return;
	}
	answer.factor_no = f->no;
	answer.right = right_again(call, t, a, f);
	l = account_link_by_no(a, c->target_no);
	if (answer.right && c->op == OP_LINK && l != NULL && txn_taken(t, &l->subject)) {
		link_deny_taken(t, a, call->engine, c->service, l->provider);
		reply_state(call, t, a, REASON_LINK_TAKEN, 0);
		return;
	}
	if (answer.right && scores_wait(a, call, c))
		return;
	asked_for(call, c, &asked);
	decide_answer(&asked, a, &answer, &d);
	txn_decision(t, a, &d, NULL);
	c = account_challenge(a, &s->id);
	notify_decision(t, a, call, &(struct notice){.op = (enum op)c->op, .service = c->service}, &d);
	l = account_link_by_no(a, c->target_no);
	/* The link is active from this commit on, or, where another account holds the subject, not at all. */
	if (d.reason == REASON_COUNTERSIGNED && c->op == OP_LINK && l != NULL && l->state == LINK_ACTIVE)
		txn_claim(t, &l->subject, false);
	if (d.reason == REASON_ASKED && ++s->at < s->answers_n) {
		/* The next plugin is asked once this answer counts. */
		txn_then(t, call, ask_txn);
		return;
	}
	reply_state(call, t, a, d.outcome == OUTCOME_DENY ? (enum reason)d.reason : REASON_NONE, d.detail.until_ms);
}

static void
answer_checked(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct call *call = ctx;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct verdict v;

	if (proof_verdict(result, &v) != CS_OK) {
		/* The transaction that asked is over, unless this comes at once: then who runs it releases the call. */
		if (!s->asking)
			call->txn = NULL;
		call_unavailable(call, "factor");
		if (!s->asking)
			call_release(call);
		return;
	}
	/* Only an enrolment may change what is kept: a plugin that tries now is given up, and its word with it. */
	if (v.secret.data != NULL)
		*result->lied = true;
	s->yes = v.yes && v.secret.data == NULL;
	s->step = v.step;
	txn_run_held(e, &s->key, call, decide_txn);
}

void
stepup_answer(struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct id key = s->key;

	txn_run_held(call->engine, &key, call_hold(call), ask_txn);
}

static void
refuse_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct challenge *c = stepup_find(call, a, s);
	struct asked asked;
	struct json_writer w;
	const char *state;

	if (c == NULL)
		return;
	asked_for(call, c, &asked);
	decide_refuse(&asked, a, &s->id, s->report, &d);
	if (d.events_n > 0)
		txn_narrows(t);
	txn_decision(t, a, &d, NULL);
	state = stepup_state(call->engine, a, account_challenge(a, &s->id));
	w = call_reply(call);
	json_member_str(&w, "state", view_str(state));
	if (s->more != NULL)
		s->more(&w, call, view_str(state));
	call_end(call, &w);
}

void
stepup_no(struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct id key = s->key;

	txn_run(call->engine, &key, call, refuse_txn);
}

/* The interface's own parameters. */
struct named {
	struct view challenge;
	uint32_t answers;
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

static const struct json_field challenge_fields[] = {CHALLENGE_FIELD, {0}};

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
	struct named n;

	if (read_named(call, challenge_fields, &n))
		txn_run(call->engine, &s->key, call, get_txn);
}

void
stepup_respond(struct call *call)
{
	static const struct json_field fields[] = {
		CHALLENGE_FIELD,
		{"answers", JSON_F_ARRAY, true, offsetof(struct named, answers), 0, 0},
		{0},
	};
	struct named n;

	if (read_named(call, fields, &n) &&
	    stepup_read_answers(call, n.answers, CALL_MEMORY_AS(struct stepup, call)))
		stepup_answer(call);
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

/*
 * Watching. A waiting call must not stand in an account's queue, since it may go at any time: a look at the account is a
 * call of its own, with nobody behind it, that leaves what it saw in the waiting call, if that is still there.
 */
struct looking {
	struct stepup of;
	uint64_t watcher;
	bool seen;
	const char *state;      /* last one told */
	const char *now;        /* that a look has seen */
};

static void
tell(struct call *call, const char *state)
{
	struct looking *l = CALL_MEMORY_AS(struct looking, call);
	bool last = strcmp(state, "open") != 0 || !call->more;
	struct json_writer w = last ? call_reply(call) : call_reply_more(call);

	l->state = state;
	json_member_str(&w, "state", view_str(state));
	call_end(call, &w);
}

static void
look_txn(struct txn *t, struct account *a, struct call *look)
{
	struct looking *l = CALL_MEMORY_AS(struct looking, look);
	struct engine *e = look->engine;
	const struct challenge *c = account_challenge(a, &l->of.id);
	struct call *watcher = watch_find(e, l->watcher);

	/* What is not committed is not told; its commit wakes the watcher again. */
	if (watcher != NULL && !txn_pending(t)) {
		struct looking *to = CALL_MEMORY_AS(struct looking, watcher);

		to->now = c == NULL ? "expired" : stepup_state(e, a, c);
		to->seen = true;
		watch_again(e, watcher);
	}
	call_done(look);
}

static void
wake(struct call *call)
{
	struct looking *l = CALL_MEMORY_AS(struct looking, call), *to;
	struct call *look;

	if (l->seen) {
		l->seen = false;
		if (strcmp(l->now, l->state) != 0)
			tell(call, l->now);
		return;
	}
	look = calloc(1, sizeof(*look));
	CHECK(look != NULL);
	look->engine = call->engine;
	look->caller = call->caller;
	to = CALL_MEMORY_AS(struct looking, look);
	to->of.key = l->of.key;
	to->of.id = l->of.id;
	to->watcher = call->number;
	txn_run_held(call->engine, &l->of.key, look, look_txn);
}

static void
watch_txn(struct txn *t, struct account *a, struct call *call)
{
	struct looking *l = CALL_MEMORY_AS(struct looking, call);
	const struct challenge *c = stepup_find(call, a, &l->of);

	if (c == NULL)
		return;
	if (txn_pending(t)) {
		txn_then(t, call, watch_txn);
		return;
	}
	tell(call, stepup_state(call->engine, a, c));
	if (call->answered)
		return;
	if (watch_add(call->engine, call, &a->key, wake))
		watch_until(call->engine, call, c->expires_ms);
	else
		call_too_many(call, "watches", 1000);
}

void
stepup_watch(struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct named n;

	if (!read_named(call, challenge_fields, &n))
		return;
	secret_wipe(call->memory, sizeof(call->memory));
	if (call_id(call, ID_CHALLENGE, n.challenge, "challenge", &s->key, &s->id))
		txn_run(call->engine, &s->key, call, watch_txn);
}
