/* SPDX-License-Identifier: Apache-2.0 */
/* Factors.Finish: the owner proves the new factor, and it is theirs; and what beginning one shares with it. */
#include "broker/base/base64url.h"
#include "broker/base/secret.h"
#include "broker/engine/api.h"
#include "broker/engine/edge_text.h"
#include "broker/engine/enrol.h"
#include "broker/engine/enrol_step.h"
#include "broker/engine/enrolment.h"
#include "broker/engine/factors.h"
#include "broker/engine/notify.h"
#include "broker/engine/passkey.h"
#include "broker/engine/proof.h"
#include "broker/engine/rests.h"
#include "broker/engine/risk.h"
#include "broker/engine/stepup.h"
#include "broker/engine/tell.h"
#include "broker/engine/things.h"

bool
enrol_replaced(struct call *call, const struct account *a, const struct id *replaces, uint32_t *no)
{
	const struct factor *f = id_zero(replaces) ? NULL : account_factor(a, replaces);

	*no = 0;
	if (id_zero(replaces))
		return true;
	if (f == NULL || factor_gone(a, f, call->engine->now.wall_ms)) {
		call_not_found(call, "factor");
		return false;
	}
	*no = f->no;
	return true;
}

bool
enrol_keep_shown(struct enrolling *en, const struct json *doc, uint32_t steps)
{
	static uint8_t bytes[ENROLMENT_SHOWN_MAX];
	const size_t before = sizeof("{\"steps\":") - 1;
	struct buf text = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&text);

	json_object_begin(&w);
	enrol_steps_write(&w, doc, steps);
	json_object_end(&w);
	if (!text.full)
		enrolment_show(en, view_of(text.data + before, text.len - before - 1));
	secret_wipe(bytes, text.len);
	return !text.full;
}

enum op
enrol_op(bool recovers)
{
	return recovers ? OP_RECOVER : OP_FACTOR;
}

/* A page's reply says how it stands as well. */
static void
put_state(struct json_writer *w, struct call *call, const char *state)
{
	const struct finish *f = CALL_MEMORY_AS(struct finish, call);

	if (f->more != NULL)
		f->more(w, call, state);
}

/* state: is there anything left to try? */
static void
answer_denied(struct call *call, enum reason reason, const char *state)
{
	struct json_writer w = call_reply(call);

	json_member_str(&w, "outcome", view_str(outcome_name(OUTCOME_DENY)));
	json_member_str(&w, "reason", view_str(reason_name(reason)));
	put_state(&w, call, state);
	call_end(call, &w);
}

/* Why an enrolment that was permitted when it began is so no more. */
static enum reason
no_more(const struct account *a, const struct enrolling *en, const struct decision *d)
{
	if (d->outcome == OUTCOME_DENY)
		return (enum reason)d->reason;
	return id_zero(&en->challenge) && a->enrolled ? REASON_FACTOR_EXISTS : REASON_CHALLENGE_EXPIRED;
}

/* Texts of the event, and what the new factor leaves in the cold state. */
static void
enrol_extra(struct engine *e, struct account *a, const struct enrolling *en, const struct id *factor, bool first,
    struct extra *x)
{
	static struct texts texts;

	extra_init(x);
	if (first)
		extra_salt(x, &a->salt);
	texts_init(&texts);
	texts.of[TEXT_ACCOUNT] = view_str(en->account_text);
	if (first)
		texts_to_cold(e->keys, a, &texts, &a->key, x);
	if (en->proof[0] != '\0')
		texts.of[TEXT_PROOF] = view_str(en->proof);
	if (en->label[0] != '\0')
		texts.of[TEXT_LABEL] = view_str(en->label);
	texts_to_event(e->keys, a, &texts, x);
	texts_init(&texts);
	if (en->label[0] != '\0')
		texts.of[TEXT_LABEL] = view_str(en->label);
	texts_to_cold(e->keys, a, &texts, factor, x);
	things_put_secret(e->keys, a, factor, view_of(en->secret, en->secret_len), x);
}

/* Its answer stands. */
static void
enrolment_over(struct call *call, void *none)
{
	struct finish *f = CALL_MEMORY_AS(struct finish, call);
	struct enrolling *en = enrolment_find(call->engine, &f->id);

	(void)none;
	if (en != NULL)
		enrolment_end(call->engine, en);
}

/* What the account lacks even so: a factor that does not fall with one of its IDs. */
static void
put_warnings(struct json_writer *w, const struct engine *e, const struct asked *asked, const struct account *a)
{
	uint64_t providers[ACCOUNT_LINKS_MAX];
	size_t n = account_bare(asked, a, providers);
	char text[EDGE_TEXT_MAX];

	if (n == 0)
		return;
	json_key(w, VIEW("warnings"));
	json_array_begin(w);
	for (size_t i = 0; i < n; i++)
		json_put_str(w, view_of(text, bare_text(e->rules, providers[i], text)));
	json_array_end(w);
	json_key(w, VIEW("bare"));
	json_array_begin(w);
	for (size_t i = 0; i < n; i++)
		json_put_str(w, view_str(ruleset_provider_title(e->rules, providers[i])));
	json_array_end(w);
}

static void
finish_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	static struct extra extra;
	struct finish *f = CALL_MEMORY_AS(struct finish, call);
	struct engine *e = call->engine;
	struct enrolling *en = enrolment_find(e, &f->id);
	struct enrolment new = {.step = f->step};
	bool first = a->status == ACCOUNT_NONE;
	struct asked asked;
	struct json_writer w;

	if (en == NULL) {
		call_not_found(call, "enrolment");
		return;
	}
	if (!enrol_replaced(call, a, &en->replaces, &new.replaces_no)) {
		call_after(call, enrolment_over, NULL);
		return;
	}
	new.recovers = en->recovers;
	call_asked(call, &asked);
	new.factor = asked.fresh[1];
	new.kind = (enum factor_kind)en->kind;
	new.plugin = e->rules->policy->factors[en->kind].plugin;
	new.challenge = en->challenge;
	new.content = en->content;
	memcpy(new.rests, en->rests.of, sizeof(new.rests));
	new.copies = en->rests.copies;
	new.attested = en->rests.attested;
	decide_enrol(&asked, a, &new, &d);
	if (!first && risk_wait_operation(a, call, enrol_op(en->recovers), 0, finish_txn))
		return;
	if (d.outcome != OUTCOME_PERMIT) {
		answer_denied(call, no_more(a, en, &d), "denied");
		call_after(call, enrolment_over, NULL);
		return;
	}
	if (first)
		secret_random(a->salt.b, sizeof(a->salt.b));
	enrol_extra(e, a, en, &new.factor, first, &extra);
	f->has_device = new.kind == FACTOR_APPROVE;
	if (f->has_device)
		device_make(e->keys, a, &new.factor, &extra, f->device);
	txn_decision(t, a, &d, &extra);
	notify_operation(t, a, call, enrol_op(en->recovers), &d);
	tell_others(t, a, call, "factor_enrolled", account_factor(a, &new.factor)->no, view_str(factor_kind_name(new.kind)));
	w = call_reply(call);
	answer_outcome(&w, &d);
	json_key(&w, VIEW("factor"));
	answer_factor(&w, call, a, account_factor(a, &new.factor), view_str(en->label));
	put_warnings(&w, e, &asked, a);
	put_state(&w, call, "done");
	call_end(call, &w);
	call_after(call, enrolment_over, NULL);
}

/*
 * What the plugin made of the answer takes the place of what it began with, and what the factor rests on is noted; false
 * where it cannot be kept.
 */
static bool
keep_made(struct enrolling *en, const struct worker_result *result, const struct verdict *v)
{
	uint8_t bytes[ENROLMENT_SECRET_MAX];
	size_t len = 0;
	bool good = v->secret.data == NULL ||
	    (base64url_decode(v->secret, bytes, sizeof(bytes), &len) == CS_OK && len > 0);

	if (good && v->secret.data != NULL) {
		secret_wipe(en->secret, sizeof(en->secret));
		memcpy(en->secret, bytes, len);
		en->secret_len = len;
	}
	secret_wipe(bytes, sizeof(bytes));
	return good && rests_read(result->doc, v->rests_on, &en->rests) &&
	    ((en->kind != FACTOR_WEBAUTHN && en->kind != FACTOR_APPROVE) ||
	        passkey_rests(view_of(en->secret, en->secret_len), &en->rests));
}

/* Right so far: the plugin asks for more before the enrolment ends. */
static void
finish_goes_on(struct call *call, struct enrolling *en, const struct worker_result *result, const struct verdict *v)
{
	struct json_writer w;

	en->asking = enrol_steps_asking(result->doc, v->steps);
	if (++en->turns > TALK_TURNS_MAX || en->asking == 0 ||
	    (en->shown != NULL && !enrol_keep_shown(en, result->doc, v->steps)) ||
	    base64url_decode(v->state, en->state, sizeof(en->state), &en->state_len) != CS_OK) {
		enrolment_end(call->engine, en);
		call_unavailable(call, "factor");
		return;
	}
	w = call_reply(call);
	json_member_str(&w, "outcome", view_str(outcome_name(OUTCOME_STEP_UP)));
	json_member_str(&w, "reason", view_str(reason_name(REASON_ASKED)));
	enrol_steps_write(&w, result->doc, v->steps);
	put_state(&w, call, "open");
	call_end(call, &w);
}

static struct proof_question
finish_question(const struct enrolling *en, struct view answer)
{
	struct proof_question q = {.kind = (enum factor_kind)en->kind, .secret = view_of(en->secret, en->secret_len),
	    .answer = answer};

	if (en->state_len > 0)
		q.state = view_of(en->state, en->state_len);
	return q;
}

/* False: the answer was not right, or not the last one, and the call is answered. */
static bool
finish_verified(struct call *call, struct enrolling *en, const struct worker_result *result)
{
	struct finish *f = CALL_MEMORY_AS(struct finish, call);
	struct proof_question q;
	struct view answer;
	struct verdict v;

	if (proof_verdict(result, &v) != CS_OK || !enrol_steps_answer(&f->given, en->asking, &answer)) {
		call_unavailable(call, "factor");
		return false;
	}
	if (v.more) {
		finish_goes_on(call, en, result, &v);
		return false;
	}
	f->step = v.step < 0 ? 0 : v.step;
	q = finish_question(en, answer);
	if (proof_again(call->engine, &q, &v, f->asked_ms)) {
		if (keep_made(en, result, &v))
			return true;
		call_unavailable(call, "factor");
		return false;
	}
	if (v.yes)
		*result->lied = true;
	if (++en->tries < ENROLMENT_TRIES_MAX) {
		answer_denied(call, REASON_FACTOR_REJECTED, "open");
		return false;
	}
	enrolment_end(call->engine, en);
	answer_denied(call, REASON_FACTOR_REJECTED, "denied");
	return false;
}

static void
finish_checked(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct call *call = ctx;
	struct finish *f = CALL_MEMORY_AS(struct finish, call);
	struct enrolling *en = enrolment_find(e, &f->id);
	struct id key;

	if (en == NULL) {
		call_not_found(call, "enrolment");
	} else {
		en->checking = false;
		key = en->account;
		if (finish_verified(call, en, result)) {
			txn_run_held(e, &key, call, finish_txn);
			return;
		}
	}
	call_release(call);
}

/* The enrolment of this service; answers the call itself. */
static struct enrolling *
own_enrolment(struct call *call, struct finish *f, struct view *answer)
{
	struct enrolling *en = enrolment_find(call->engine, &f->id);

	if (en == NULL || en->service != call->caller.service)
		call_not_found(call, "enrolment");
	else if (en->checking)
		call_conflict(call, "an answer to this enrolment is being checked");
	else if (!enrol_steps_answer(&f->given, en->asking, answer))
		call_invalid(call, "answers", "must be one answer to each step that is not of type show");
	else
		return en;
	return NULL;
}

void
enrol_finish(struct call *call)
{
	struct finish *f = CALL_MEMORY_AS(struct finish, call);
	struct enrolling *en;
	struct proof_question q;
	struct view answer;

	if ((en = own_enrolment(call, f, &answer)) == NULL)
		return;
	if (en->kind == FACTOR_APPROVE && f->more == NULL) {
		call_invalid(call, "enrolment", "is of a device, which registers itself: open the enrolment's url on it");
		return;
	}
	if (!proof_answer_fits((enum factor_kind)en->kind, answer)) {
		call_invalid(call, "answers", "the value is longer than an answer of this factor");
		return;
	}
	/* One at a time, so that guesses in parallel are counted one by one. */
	en->checking = true;
	f->asked_ms = call->engine->now.wall_ms;
	call = call_hold(call);
	/* In the call's own memory, which is another one now. */
	(void)enrol_steps_answer(&CALL_MEMORY_AS(struct finish, call)->given, en->asking, &answer);
	q = finish_question(en, answer);
	proof_ask(call->engine, &q, finish_checked, call);
}

void
factors_finish(struct call *call)
{
	static const struct json_field fields[] = {
		{"enrolment", JSON_F_STRING, true, offsetof(struct finish, enrolment), 0, 0},
		{"answers", JSON_F_ARRAY, true, offsetof(struct finish, answers), 0, 0},
		{0},
	};
	struct finish *f = CALL_MEMORY_AS(struct finish, call);

	if (call_bind(call, fields, f, sizeof(*f)) && stepup_read_answers(call, f->answers, &f->given) &&
	    call_id(call, ID_ENROLMENT, f->enrolment, "enrolment", NULL, &f->id))
		enrol_finish(call);
}
