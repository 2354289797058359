/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the steps of a challenge. */
#include "broker/engine/prompt.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/base64url.h"
#include "broker/base/secret.h"
#include "broker/engine/card.h"
#include "broker/engine/device.h"
#include "broker/engine/enrolment.h"
#include "broker/engine/passkey.h"
#include "broker/engine/proof.h"
#include "broker/engine/stepup.h"
#include "broker/engine/talk.h"
#include "broker/engine/things.h"

static int
answers(const struct challenge *c)
{
	int n = 0;

	while (n < CHALLENGE_FACTORS_MAX && c->factors[n] != 0)
		n++;
	return n;
}

int
prompt_missing(const struct challenge *c)
{
	int missing = c->need - answers(c);

	return missing > 1 ? missing : 1;
}

int
prompt_round(const struct challenge *c)
{
	return 1 + c->wrong * (CHALLENGE_FACTORS_MAX + 1) + answers(c);
}

static void
put_prompts(struct json_writer *w, const struct talk *talk)
{
	json_key(w, VIEW("prompts"));
	json_put_raw(w, buf_view(&talk->prompts.buf));
}

/* A factor that must be begun: whether it was, and what it asks. */
static void
put_talk(struct json_writer *w, const struct engine *e, const struct challenge *c, const struct factor *f)
{
	const struct talk *talk = talk_find(e, &c->id, &f->id);
	bool begun = talk_begun(e, talk);

	json_member_bool(w, "begin", true);
	json_member_bool(w, "begun", begun);
	if (talk == NULL)
		return;
	if (talk->verdict != TALK_OPEN)
		json_member_bool(w, "answered", true);
	if (begun && talk->destination[0] != '\0')
		json_member_str(w, "destination", view_str(talk->destination));
	json_member_int(w, "sends_left", talk_left(talk));
	json_member_int(w, "resend_after_ms", talk_wait_ms(e, talk));
	if (begun)
		put_prompts(w, talk);
}

void
prompt_credential(struct json_writer *w, const struct engine *e, const struct account *a, struct view cold,
    const struct factor *f)
{
	uint8_t bytes[ENROLMENT_SECRET_MAX];
	char text[BASE64URL_LEN(ENROLMENT_SECRET_MAX)];
	struct buf record = buf_over(bytes, sizeof(bytes));
	struct view id = view_of(NULL, 0);

	if (things_secret_open(e->keys, a, cold, &f->id, &record) == CS_OK && !record.full)
		id = passkey_id(buf_view(&record));
	if (id.data != NULL)
		json_member_str(w, "credential",
		    view_of(text, base64url_encode((const uint8_t *)id.data, id.len, text)));
	secret_wipe(bytes, sizeof(bytes));
}

static void
put_passkey(struct json_writer *w, const struct engine *e, const struct challenge *c, struct view card)
{
	bool spc = c->op == OP_SPEND && strcmp(proof_setting(e, FACTOR_WEBAUTHN, "payment-confirmation", "no"), "yes") == 0;
	char challenge[PROOF_CHALLENGE_TEXT];

	proof_challenge_text(c, card, 0, challenge);
	json_member_str(w, "challenge", view_of(challenge, sizeof(challenge)));
	json_member_str(w, "rp_id", view_str(proof_setting(e, FACTOR_WEBAUTHN, "rp-id", "")));
	if (spc)
		json_member_bool(w, "spc", true);
}

/* Shown here, and chosen on the device. */
static void
put_number(struct json_writer *w, const struct engine *e, const struct challenge *c)
{
	struct device_numbers n;
	char text[3];

	device_numbers(e->keys, &c->id, &n);
	snprintf(text, sizeof(text), "%u", (unsigned)n.right % 100);
	json_member_str(w, "number", view_str(text));
}

/* What kind of step it is, before its plugin has said so. */
static struct view
type_of(const struct engine *e, const struct challenge *c, const struct factor *f, const struct worker_said *said)
{
	const struct talk *talk = talk_find(e, &c->id, &f->id);

	if (f->kind == FACTOR_WEBAUTHN)
		return VIEW("passkey");
	if (f->kind == FACTOR_APPROVE)
		return VIEW("approve");
	if (!said->begins || said->sends)
		return VIEW("code");
	return talk_begun(e, talk) ? view_str(talk->type) : VIEW("text");
}

static void
put_step(struct json_writer *w, struct call *call, struct txn *t, const struct account *a, const struct challenge *c,
    const struct factor *f, struct view card)
{
	static struct texts texts;
	const struct engine *e = call->engine;
	struct view kind = view_str(factor_kind_name((enum factor_kind)f->kind));
	struct worker_said said = proof_said(e, (enum factor_kind)f->kind);
	const struct talk *talk = talk_find(e, &c->id, &f->id);

	json_object_begin(w);
	answer_id(w, "id", ID_FACTOR, a, &f->id);
	answer_id(w, "factor", ID_FACTOR, a, &f->id);
	json_member_str(w, "kind", kind);
	json_member_str(w, "type", type_of(e, c, f, &said));
	if (f->kind == FACTOR_WEBAUTHN)
		put_passkey(w, e, c, card);
	if (f->kind == FACTOR_WEBAUTHN)
		prompt_credential(w, e, a, txn_cold(t), f);
	if (f->kind == FACTOR_APPROVE)
		put_number(w, e, c);
	if (f->kind == FACTOR_TOTP)
		json_member_int(w, "digits", strtoll(proof_setting(e, FACTOR_TOTP, "digits", "6"), NULL, 10));
	if (said.begins)
		put_talk(w, e, c, f);
	else if (talk_begun(e, talk))
		put_prompts(w, talk); /* something to be looked at again */
	(void)texts_from_cold(e->keys, a, txn_cold(t), &f->id, &texts);
	json_member_str(w, "label", texts.of[TEXT_LABEL].data != NULL ? texts.of[TEXT_LABEL] : VIEW(""));
	json_object_end(w);
}

void
prompt_steps(struct json_writer *w, struct call *call, struct txn *t, const struct account *a, const struct challenge *c)
{
	uint8_t bytes[CARD_BYTES_MAX];
	struct buf card = buf_over(bytes, sizeof(bytes));
	struct asked asked;
	int64_t until_ms;

	stepup_asked(call, c, &asked);
	card_write(call->engine, a, txn_cold(t), c, &card);
	json_key(w, VIEW("steps"));
	json_array_begin(w);
	for (size_t i = 0; i < a->factors_n; i++) {
		if (decide_may_answer(&asked, a, c, &a->factors[i], &until_ms) == REASON_NONE)
			put_step(w, call, t, a, c, &a->factors[i], buf_view(&card));
	}
	json_array_end(w);
}

int
prompt_attempts_left(const struct engine *e, const struct account *a, const struct challenge *c)
{
	int of_factors = 0, of_challenge = CHALLENGE_WRONG_MAX - c->wrong, missing = prompt_missing(c);

	if (!stepup_open_now(e, a, c))
		return 0;
	for (size_t i = 0; i < a->factors_n; i++) {
		const struct factor *f = &a->factors[i];

		if (!factor_gone(a, f, e->now.wall_ms) && (c->kinds & 1 << f->kind) != 0 && f->locked_until_ms <= e->now.wall_ms &&
		    FACTOR_FAILURES_MAX - f->failures > of_factors)
			of_factors = FACTOR_FAILURES_MAX - f->failures;
	}
	/* A wrong round counts every one of its factors. */
	of_challenge = (of_challenge + missing - 1) / missing;
	return of_factors < of_challenge ? of_factors : of_challenge;
}
