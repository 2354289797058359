/* SPDX-License-Identifier: Apache-2.0 */
/* What a factor may do beside judging answers: make itself ready for one, and tell its owner something. */
#include "broker/worker/calls_run.h"

/* ---- Begin ----------------------------------------------------------------------------------- */

const struct json_field begin_fields[] = {
    HEAD(begin_parameters),
    NOW(begin_parameters),
    {"secret", JSON_F_STRING, true, offsetof(struct begin_parameters, secret), 1, SECRET_TEXT_MAX},
    {"challenge", JSON_F_STRING, true, offsetof(struct begin_parameters, challenge), 1, 2 * CHALLENGE_MAX},
    TEXT(begin_parameters, operation, true, OUTSIDE_MAX),
    TEXT(begin_parameters, card, true, CARD_MAX),
    TEXT(begin_parameters, language, false, LANGUAGE_MAX),
    {"state", JSON_F_STRING, false, offsetof(struct begin_parameters, state), 1, STATE_TEXT_MAX},
    {"number", JSON_F_INT, true, offsetof(struct begin_parameters, number), 1, BEGIN_NUMBER_MAX},
    {.name = NULL},
};

static bool
begun_good(const struct countersign_begin_answer *out)
{
	return run_is_text(&out->request, 0, TEXT_MAX) && out->state.len > 0 &&
	    out->state.len <= COUNTERSIGN_STATE_MAX &&
	    run_is_text(&out->destination, 0, COUNTERSIGN_DESTINATION_MAX) &&
	    run_steps_good(out->steps, out->steps_count, false) && out->expires_ms >= 0 &&
	    out->expires_ms <= (int64_t)NOW_MAX_MS;
}

static void
put_begun(struct run *r, const struct countersign_begin_answer *out)
{
	r->reply = varlink_reply_begin(r->out, false);
	run_member(r, "request", &out->request);
	run_put_bytes(&r->reply, "state", &out->state);
	if (out->destination.len > 0)
		run_member(r, "destination", &out->destination);
	run_put_steps(&r->reply, out->steps, out->steps_count);
	if (out->expires_ms > 0)
		json_member_int(&r->reply, "expires_ms", out->expires_ms);
	varlink_end(&r->reply);
}

int
run_begin(struct run *r)
{
	const struct begin_parameters *p = r->parameters;
	const struct countersign_factor_v1 *factor = r->calls->plugin->factor;
	uint8_t secret[PLUGIN_SECRET_MAX], challenge[CHALLENGE_MAX];
	uint8_t before[COUNTERSIGN_STATE_MAX], state[COUNTERSIGN_STATE_MAX];
	struct countersign_begin in = {
	    .size = sizeof(in),
	    .call = r->call,
	    .operation = run_view(p->operation),
	    .card = run_view(p->card),
	    .language = run_view(p->language),
	    .number = (int32_t)p->number,
	};
	struct countersign_begin_answer out = {
	    .size = sizeof(out),
	    .request = run_text(r, 0),
	    .state = {(char *)state, sizeof(state), 0},
	    .destination = {r->memory[1], COUNTERSIGN_DESTINATION_MAX, 0},
	};
	int rc = COUNTERSIGN_INVALID;

	run_steps(r, out.steps);
	if (load_factor_begins(factor) && run_bytes(p->secret, secret, sizeof(secret), &in.secret) &&
	    run_bytes(p->challenge, challenge, sizeof(challenge), &in.challenge) &&
	    run_bytes(p->state, before, sizeof(before), &in.state))
		rc = factor->begin(r->calls->instance, &in, &out);
	if (rc == COUNTERSIGN_OK && !begun_good(&out))
		rc = GARBAGE;
	if (rc == COUNTERSIGN_OK)
		put_begun(r, &out);
	secret_wipe(secret, sizeof(secret));
	secret_wipe(before, sizeof(before));
	secret_wipe(state, sizeof(state));
	return rc;
}

/* ---- Tell ------------------------------------------------------------------------------------ */

const struct json_field tell_fields[] = {
    HEAD(tell_parameters),
    NOW(tell_parameters),
    {"secret", JSON_F_STRING, true, offsetof(struct tell_parameters, secret), 1, SECRET_TEXT_MAX},
    TEXT(tell_parameters, message, true, MESSAGE_MAX),
    TEXT(tell_parameters, language, false, LANGUAGE_MAX),
    {.name = NULL},
};

int
run_tell(struct run *r)
{
	const struct tell_parameters *p = r->parameters;
	const struct countersign_factor_v1 *factor = r->calls->plugin->factor;
	uint8_t secret[PLUGIN_SECRET_MAX];
	struct countersign_tell in = {
	    .size = sizeof(in),
	    .call = r->call,
	    .message = run_view(p->message),
	    .language = run_view(p->language),
	};
	struct countersign_tell_answer out = {.size = sizeof(out), .request = run_text(r, 0)};
	int rc = COUNTERSIGN_INVALID;

	if (load_factor_tells(factor) && run_bytes(p->secret, secret, sizeof(secret), &in.secret))
		rc = factor->tell(r->calls->instance, &in, &out);
	if (rc == COUNTERSIGN_OK && !run_is_text(&out.request, 0, TEXT_MAX))
		rc = GARBAGE;
	if (rc == COUNTERSIGN_OK) {
		r->reply = varlink_reply_begin(r->out, false);
		run_member(r, "request", &out.request);
		varlink_end(&r->reply);
	}
	secret_wipe(secret, sizeof(secret));
	return rc;
}
