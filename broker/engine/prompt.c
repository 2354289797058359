/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the steps of a challenge. */
#include "broker/engine/prompt.h"

#include "broker/engine/proof.h"
#include "broker/engine/stepup.h"
#include "broker/engine/things.h"

/* A passkey signs what the step names; every other kind is answered by a code so far. */
void
prompt_steps(struct json_writer *w, struct call *call, struct txn *t, const struct account *a,
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
int
prompt_attempts_left(const struct engine *e, const struct account *a, const struct challenge *c)
{
	int of_factors = 0, of_challenge = CHALLENGE_WRONG_MAX - c->wrong;

	if (!stepup_open_now(e, a, c))
		return 0;
	for (size_t i = 0; i < a->factors_n; i++) {
		const struct factor *f = &a->factors[i];

		if (!f->removed && (c->kinds & 1 << f->kind) != 0 && f->locked_until_ms <= e->now.wall_ms &&
		    FACTOR_FAILURES_MAX - f->failures > of_factors)
			of_factors = FACTOR_FAILURES_MAX - f->failures;
	}
	return of_factors < of_challenge ? of_factors : of_challenge;
}
