/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that approves, as the gateway asks for it: what waits there, the answer (the number that the other surface
 * shows, and the passkey's signature over it), the owner's no. Whoever lacks a device's cookie learns nothing.
 */
#include <stdio.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/api.h"
#include "broker/engine/card.h"
#include "broker/engine/device.h"
#include "broker/engine/notify.h"
#include "broker/engine/prompt.h"
#include "broker/engine/proof.h"
#include "broker/engine/stepup.h"
#include "broker/engine/talk.h"
#include "broker/engine/things.h"

/* In the call's memory; what step-up needs comes first. */
struct device_call {
	struct stepup of;
	struct view cookie, challenge;
	uint32_t answers;
	int64_t number, round;
	bool report;
	bool foreign;             /* the challenge is of another account than the cookie */
};

#define DEVICE(member, kind, need, high) {#member, kind, need, offsetof(struct device_call, member), 0, high}

/* One answer to all cookies that are none, or of a factor that is gone. */
static void
stranger(struct call *call)
{
	call_not_permitted(call, "device");
}

/* Reads the call, and puts account and challenge where step-up looks for them. Answers the call itself. */
static bool
read_call(struct call *call, const struct json_field *fields, struct id *key)
{
	struct device_call *d = CALL_MEMORY_AS(struct device_call, call);
	struct id factor, account;

	if (!call_bind(call, fields, d, sizeof(*d)))
		return false;
	if (!device_cookie_read(d->cookie, key, &factor)) {
		stranger(call);
		return false;
	}
	d->of.key = *key;
	d->of.any_service = true;
	d->of.device = true;
	d->of.report = d->report;
	d->of.round = d->round;
	if (d->challenge.data == NULL)
		return true;
	if (!call_id(call, ID_CHALLENGE, d->challenge, "challenge", &account, &d->of.id))
		return false;
	d->foreign = !id_equal(&account, key);
	return true;
}

/* The device's factor; answers the call itself where the cookie is no device's. */
static const struct factor *
find(struct txn *t, const struct account *a, struct call *call)
{
	const struct device_call *d = CALL_MEMORY_AS(struct device_call, call);
	const struct factor *f = device_factor(call->engine, a, txn_cold(t), d->cookie);

	if (f == NULL)
		stranger(call);
	else if (d->foreign)
		call_not_found(call, "challenge");
	return d->foreign ? NULL : f;
}

/* ---- what waits ------------------------------------------------------------------------------ */

/* The numbers as they are offered, each with what the passkey signs where it is chosen. */
static void
put_numbers(struct json_writer *w, const struct engine *e, const struct challenge *c, struct view card)
{
	char challenge[PROOF_CHALLENGE_TEXT], number[4];
	struct device_numbers n;

	device_numbers(e->keys, &c->id, &n);
	json_key(w, VIEW("numbers"));
	json_array_begin(w);
	for (size_t i = 0; i < DEVICE_NUMBERS; i++) {
		snprintf(number, sizeof(number), "%u", (unsigned)n.of[i]);
		proof_challenge_text(c, card, n.of[i], challenge);
		json_object_begin(w);
		json_member_str(w, "number", view_str(number));
		json_member_str(w, "challenge", view_of(challenge, sizeof(challenge)));
		json_object_end(w);
	}
	json_array_end(w);
}

static void
put_request(struct json_writer *w, struct call *call, struct txn *t, const struct account *a, const struct challenge *c)
{
	const struct engine *e = call->engine;
	uint8_t bytes[CARD_BYTES_MAX];
	struct buf card = buf_over(bytes, sizeof(bytes));

	card_write(e, a, txn_cold(t), c, &card);
	json_object_begin(w);
	answer_id(w, "challenge", ID_CHALLENGE, a, &c->id);
	json_member_int(w, "round", prompt_round(c));
	json_key(w, VIEW("card"));
	json_put_raw(w, buf_view(&card));
	put_numbers(w, e, c, buf_view(&card));
	json_object_end(w);
}

static bool
may_answer(struct call *call, const struct account *a, const struct challenge *c, const struct factor *f)
{
	struct asked asked;
	int64_t until_ms;

	stepup_asked(call, c, &asked);
	return stepup_open_now(call->engine, a, c) && decide_may_answer(&asked, a, c, f, &until_ms) == REASON_NONE;
}

/* Changes with what waits, and with every answer to it. */
static void
put_seen(struct json_writer *w, struct call *call, const struct account *a, const struct factor *f)
{
	uint8_t bytes[ACCOUNT_CHALLENGES_MAX * (sizeof(f->id.b) + 1)];
	struct buf b = buf_over(bytes, sizeof(bytes));
	struct hash digest;
	char text[32];

	for (size_t i = 0; i < a->challenges_n; i++) {
		const struct challenge *c = &a->challenges[i];

		if (!may_answer(call, a, c, f))
			continue;
		buf_put(&b, c->id.b, sizeof(c->id.b));
		buf_put_u8(&b, (uint8_t)prompt_round(c));
	}
	CHECK(!b.full);
	sha256(buf_view(&b), &digest);
	json_member_str(w, "seen", view_of(text, base32_encode(digest.b, 10, text)));
}

static void
open_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct texts texts;
	const struct engine *e = call->engine;
	const struct factor *f = find(t, a, call);
	char hint[ACCOUNT_HINT_MAX];
	struct json_writer w;
	int64_t now = e->now.wall_ms;

	if (f == NULL)
		return;
	w = call_reply(call);
	json_member_str(&w, "state", f->usable_ms > now ? VIEW("cooling_off") : f->locked_until_ms > now ? VIEW("locked") :
	    VIEW("open"));
	if (f->usable_ms > now || f->locked_until_ms > now)
		answer_time(&w, "until", f->usable_ms > now ? f->usable_ms : f->locked_until_ms);
	answer_id(&w, "step", ID_FACTOR, a, &f->id);
	(void)texts_from_cold(e->keys, a, txn_cold(t), &f->id, &texts);
	json_member_str(&w, "label", texts.of[TEXT_LABEL]);
	json_member_str(&w, "account_hint",
	    view_of(hint, account_hint(things_account(e->keys, a, txn_cold(t), &texts), hint)));
	json_member_str(&w, "rp_id", view_str(proof_setting(e, FACTOR_APPROVE, "rp-id", "")));
	prompt_credential(&w, e, a, txn_cold(t), f);
	json_key(&w, VIEW("requests"));
	json_array_begin(&w);
	for (size_t i = 0; i < a->challenges_n; i++) {
		if (may_answer(call, a, &a->challenges[i], f))
			put_request(&w, call, t, a, &a->challenges[i]);
	}
	json_array_end(&w);
	put_seen(&w, call, a, f);
	call_end(call, &w);
	secret_wipe(&texts, sizeof(texts));
}

void
internal_device_open(struct call *call)
{
	static const struct json_field fields[] = {DEVICE(cookie, JSON_F_STRING, true, 0), {0}};
	struct id key;

	if (read_call(call, fields, &key))
		txn_run(call->engine, &key, call, open_txn);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void
challenge_over(struct call *call, void *none)
{
	const struct stepup *s = CALL_MEMORY_AS(struct stepup, call);

	(void)none;
	talk_end_all(call->engine, &s->id);
}

/*
 * One of the wrong numbers: whoever chose it does not see the surface where this was asked for, so nobody gets a second
 * choice among what is left. It counts as a wrong answer of the factor, and it ends the challenge.
 */
static void
wrong_number(struct txn *t, struct account *a, struct call *call, const struct factor *f)
{
	static struct decision d;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct challenge *c = account_challenge(a, &s->id);
	const struct notice notice = {.op = (enum op)c->op, .service = c->service};
	struct answer answer = {.challenge = s->id, .factor_no = f->no};
	struct asked asked;

	stepup_asked(call, c, &asked);
	decide_answer(&asked, a, &answer, &d);
	txn_decision(t, a, &d, NULL);
	notify_decision(t, a, call, &notice, &d);
	decide_refuse(&asked, a, &s->id, false, &d);
	txn_decision(t, a, &d, NULL);
	stepup_reply(call, t, a, REASON_FACTOR_REJECTED, 0);
	call_after(call, challenge_over, NULL);
}

static void
answer_txn(struct txn *t, struct account *a, struct call *call)
{
	struct device_call *d = CALL_MEMORY_AS(struct device_call, call);
	const struct factor *f = find(t, a, call), *step;
	const struct challenge *c;
	struct device_numbers n;
	struct id id;

	if (f == NULL || (c = stepup_find(call, a, &d->of)) == NULL ||
	    (step = stepup_factor(call, a, d->of.answers[0].step, &id)) == NULL)
		return;
	if (step != f || d->of.answers_n != 1) {
		call_invalid(call, "answers", "must be one answer, to the step of the device's own factor");
		return;
	}
	device_numbers(call->engine->keys, &c->id, &n);
	/* What is no answer at all any more, or a second one, is told from a wrong one by who takes all answers. */
	if (d->number != n.right && may_answer(call, a, c, f) && (d->round == 0 || d->round == prompt_round(c)))
		wrong_number(t, a, call, f);
	else
		stepup_answer_txn(t, a, call);
}

void
internal_device_answer(struct call *call)
{
	static const struct json_field fields[] = {
		DEVICE(cookie, JSON_F_STRING, true, 0),
		DEVICE(challenge, JSON_F_STRING, true, 0),
		DEVICE(number, JSON_F_INT, true, DEVICE_NUMBER_MAX),
		DEVICE(answers, JSON_F_ARRAY, true, 0),
		DEVICE(round, JSON_F_INT, false, INT32_MAX),
		{0},
	};
	struct device_call *d = CALL_MEMORY_AS(struct device_call, call);
	struct id key;

	if (read_call(call, fields, &key) && stepup_read_answers(call, d->answers, &d->of))
		txn_run_held(call->engine, &key, call_hold(call), answer_txn);
}

/* ---- the owner's no -------------------------------------------------------------------------- */

/* What the device may not answer now it may still refuse: that takes no power. */
static void
refuse_txn(struct txn *t, struct account *a, struct call *call)
{
	if (find(t, a, call) != NULL)
		stepup_no_txn(t, a, call);
}

void
internal_device_refuse(struct call *call)
{
	static const struct json_field fields[] = {
		DEVICE(cookie, JSON_F_STRING, true, 0),
		DEVICE(challenge, JSON_F_STRING, true, 0),
		DEVICE(report, JSON_F_BOOL, true, 0),
		{0},
	};
	struct id key;

	if (read_call(call, fields, &key))
		txn_run(call->engine, &key, call, refuse_txn);
}
