/* SPDX-License-Identifier: Apache-2.0 */
/* StepUp.Begin: a factor makes itself ready for an answer: it sends a code, or opens a conversation. */
#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/card.h"
#include "broker/engine/enrolment.h"
#include "broker/engine/proof.h"
#include "broker/engine/stepup.h"
#include "broker/engine/talk.h"
#include "broker/engine/things.h"

static void
reply_txn(struct txn *t, struct account *a, struct call *call)
{
	if (stepup_find(call, a, CALL_MEMORY_AS(struct stepup, call)) != NULL)
		stepup_reply(call, t, a, REASON_NONE, 0);
}

struct begun {
	struct view state, destination;
	uint32_t steps;
	int64_t expires_ms;
};

/* What the plugin left, in its talk; false where it left nothing that can be answered. */
static bool
keep(struct talk *talk, const struct worker_result *result)
{
	static const struct json_field fields[] = {
		{"state", JSON_F_STRING, true, offsetof(struct begun, state), 1, BASE64URL_LEN(TALK_STATE_MAX)},
		{"steps", JSON_F_ARRAY, true, offsetof(struct begun, steps), 1, TALK_PROMPTS},
		{"destination", JSON_F_ID, false, offsetof(struct begun, destination), 1, TALK_DESTINATION_MAX},
		{"expires_ms", JSON_F_INT, false, offsetof(struct begun, expires_ms), 0, INT64_MAX / 2},
		{0},
	};
	struct begun got = {0};
	struct json_problem problem = {0};
	uint8_t state[TALK_STATE_MAX];
	size_t len = 0;
	bool good = result->err == CS_OK && result->parameters != 0 &&
	    json_bind(result->doc, result->parameters, fields, true, &got, &problem) == CS_OK &&
	    base64url_decode(got.state, state, sizeof(state), &len) == CS_OK && len > 0 &&
	    talk_prompts(talk, result->doc, got.steps);

	if (good) {
		talk_state(talk, state, len);
		talk->expires_ms = got.expires_ms;
		memcpy(talk->destination, got.destination.data == NULL ? "" : got.destination.data,
		    got.destination.len);
		talk->destination[got.destination.len] = '\0';
		talk->busy = false;
	}
	secret_wipe(state, sizeof(state));
	return good;
}

static void
begun(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct call *call = ctx;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct talk *talk = talk_find(e, &s->id, &s->answers[0].factor);

	if (talk != NULL && keep(talk, result)) {
		txn_run_held(e, &s->key, call, reply_txn);
		return;
	}
	if (talk != NULL)
		talk_failed(e, talk);
	/* The transaction that asked is over, unless this comes at once: then who runs it releases the call. */
	if (!s->asking)
		call->txn = NULL;
	call_unavailable(call, "factor");
	if (!s->asking)
		call_release(call);
}

static void
ask(struct call *call, struct view cold, const struct account *a, const struct challenge *c, const struct factor *f,
    const struct talk *talk)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct engine *e = call->engine;
	uint8_t bytes[ENROLMENT_SECRET_MAX], card_bytes[CARD_BYTES_MAX];
	struct buf secret = buf_over(bytes, sizeof(bytes)), card = buf_over(card_bytes, sizeof(card_bytes));
	struct proof_question q = {.kind = (enum factor_kind)f->kind, .challenge = c};
	bool chinese = s->language.len >= 2 && memcmp(s->language.data, "zh", 2) == 0;

	card_write(e, a, cold, c, &card);
	if (talk->state_len > 0)
		q.state = view_of(talk->state, talk->state_len);
	if (things_secret_open(e->keys, a, cold, &f->id, &secret) != CS_OK || secret.full) {
		call_unavailable(call, "factor");
	} else {
		q.secret = buf_view(&secret);
		q.card = buf_view(&card);
		s->asking = true;
		proof_begin(e, &q, chinese ? VIEW("zh") : VIEW("en"), talk->number, begun, call);
		s->asking = false;
	}
	secret_wipe(bytes, sizeof(bytes));
}

static void
begin_txn(struct txn *t, struct account *a, struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct engine *e = call->engine;
	const struct challenge *c = stepup_find(call, a, s);
	const struct factor *f;
	struct worker_said said;
	struct talk *talk;
	struct asked asked;
	enum reason reason;
	int64_t until_ms, wait_ms;

	if (c == NULL || (f = stepup_factor(call, a, s->step, &s->answers[0].factor)) == NULL)
		return;
	said = proof_said(e, (enum factor_kind)f->kind);
	if (!said.begins) {
		call_invalid(call, "step", "is not one that has to be begun");
		return;
	}
	stepup_asked(call, c, &asked);
	reason = decide_may_answer(&asked, a, c, f, &until_ms);
	if (reason != REASON_NONE) {
		stepup_reply(call, t, a, reason, until_ms - e->now.wall_ms);
		return;
	}
	talk = talk_find(e, &c->id, &f->id);
	/* One that is over and unsaid is not begun again: its verdict, maybe a wrong guess, is counted with the round first. */
	if (talk != NULL && ((talk->busy && !said.sends) || talk->verdict != TALK_OPEN)) {
		stepup_reply(call, t, a, REASON_NONE, 0);
		return;
	}
	talk = talk_begin(e, &a->key, c, &f->id, said.sends, &wait_ms);
	if (talk == NULL)
		stepup_reply(call, t, a, REASON_PROMPT_BUDGET, wait_ms);
	else
		ask(call, txn_cold(t), a, c, f, talk);
}

void
stepup_begin_step(struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct id key = s->key;

	txn_run_held(call->engine, &key, call_hold(call), begin_txn);
}
