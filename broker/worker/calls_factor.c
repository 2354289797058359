/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of factors: enrolling one, and judging an answer. */
#include "broker/worker/calls_run.h"

/* ---- Enrol ----------------------------------------------------------------------------------- */

const struct json_field enrol_fields[] = {
	HEAD(enrol_parameters),
	NOW(enrol_parameters),
	TEXT(enrol_parameters, account_hint, true, TEXT_MAX),
	TEXT(enrol_parameters, issuer, true, TEXT_MAX),
	TEXT(enrol_parameters, address, false, TEXT_MAX),
	TEXT(enrol_parameters, language, false, LANGUAGE_MAX),
	{.name = NULL},
};

int
run_enrol(struct run *r)
{
	const struct enrol_parameters *p = r->parameters;
	struct countersign_enrol in = {
		.size = sizeof(in),
		.call = r->call,
		.account_hint = run_view(p->account_hint),
		.issuer = run_view(p->issuer),
		.address = run_view(p->address),
		.language = run_view(p->language),
	};
	struct countersign_enrol_answer out = {.size = sizeof(out), .request = run_text(r, 0)};
	uint8_t secret[PLUGIN_SECRET_MAX];
	int rc;

	out.secret = (struct countersign_buffer){(char *)secret, sizeof(secret), 0};
	run_steps(r, out.steps);
	rc = r->calls->plugin->factor->enrol(r->calls->instance, &in, &out);
	if (rc == COUNTERSIGN_OK && (out.secret.len == 0 || out.secret.len > sizeof(secret) ||
	    !run_is_text(&out.request, 0, TEXT_MAX) || !run_steps_good(out.steps, out.steps_count, true)))
		rc = GARBAGE;
	if (rc == COUNTERSIGN_OK) {
		r->reply = varlink_reply_begin(r->out, false);
		run_member(r, "request", &out.request);
		run_put_bytes(&r->reply, "secret", &out.secret);
		run_put_steps(&r->reply, out.steps, out.steps_count);
		varlink_end(&r->reply);
	}
	secret_wipe(secret, sizeof(secret));
	return rc;
}

/* ---- Verify ---------------------------------------------------------------------------------- */

const struct json_field verify_fields[] = {
    HEAD(verify_parameters),
    NOW(verify_parameters),
    {"secret", JSON_F_STRING, true, offsetof(struct verify_parameters, secret), 1, SECRET_TEXT_MAX},
    {"answer", JSON_F_STRING, true, offsetof(struct verify_parameters, answer), 0, ANSWER_MAX},
    {"last_step", JSON_F_INT, true, offsetof(struct verify_parameters, last_step), -1, NOW_MAX_MS},
    {"challenge", JSON_F_STRING, false, offsetof(struct verify_parameters, challenge), 1,
	2 * CHALLENGE_MAX},
    TEXT(verify_parameters, operation, false, OUTSIDE_MAX),
    {"state", JSON_F_STRING, false, offsetof(struct verify_parameters, state), 1, STATE_TEXT_MAX},
    TEXT(verify_parameters, card, false, CARD_MAX),
    {.name = NULL},
};

/* What rests_on may say; each takes a value, or none where it ends in one. */
static const char *const rests_on_words[] = {"mail-domain:", "phone:", "aaguid:", "copies:none", "copies:possible",
    "attested:yes", "device:yes"};

static bool
rests_on_line(const char *line, size_t len)
{
	for (size_t i = 0; i < sizeof(rests_on_words) / sizeof(rests_on_words[0]); i++) {
		const char *word = rests_on_words[i];
		size_t n = strlen(word);

		if (len >= n && memcmp(line, word, n) == 0 && (word[n - 1] == ':') == (len > n))
			return true;
	}
	return false;
}

/* A word that this version does not know is garbage: what it means for rule 11 cannot be left out. */
static bool
rests_on_good(const struct countersign_buffer *b)
{
	size_t begin = 0;

	if (b->len == 0)
		return true;
	if (!run_is_lines(b, 1, COUNTERSIGN_RESTS_ON_LINES, COUNTERSIGN_RESTS_ON_MAX))
		return false;
	for (size_t i = 0; i <= b->len; i++) {
		if (i < b->len && b->data[i] != '\n')
			continue;
		if (!rests_on_line(b->data + begin, i - begin))
			return false;
		begin = i + 1;
	}
	return true;
}

/* Form alone; that nothing is exchanged outside an enrolment is the engine's to see. */
static bool
verdict_good(const struct countersign_verify_answer *out)
{
	bool more = out->verdict == COUNTERSIGN_MORE;

	if (!run_is_text(&out->request, 0, TEXT_MAX) || out->verdict < COUNTERSIGN_WRONG ||
	    out->verdict > COUNTERSIGN_MORE || out->secret.len > PLUGIN_SECRET_MAX || !rests_on_good(&out->rests_on))
		return false;
	if (more)
		return out->state.len > 0 && out->state.len <= COUNTERSIGN_STATE_MAX &&
		    run_steps_good(out->steps, out->steps_count, false) && out->secret.len == 0 &&
		    out->rests_on.len == 0;
	return out->state.len == 0 && out->steps_count == 0;
}

static void
put_verdict(struct run *r, const struct countersign_verify_answer *out)
{
	struct json_writer *w;

	r->reply = varlink_reply_begin(r->out, false);
	w = &r->reply;
	run_member(r, "request", &out->request);
	json_member_bool(w, "verdict", out->verdict == COUNTERSIGN_RIGHT);
	json_member_int(w, "step", out->verdict == COUNTERSIGN_MORE ? -1 : out->step);
	run_put_bytes(w, "secret", &out->secret);
	if (out->rests_on.len > 0)
		run_put_lines(w, "rests_on", &out->rests_on, 0);
	if (out->verdict == COUNTERSIGN_MORE) {
		json_member_bool(w, "more", true);
		run_put_bytes(w, "state", &out->state);
		run_put_steps(w, out->steps, out->steps_count);
	}
	varlink_end(w);
}

/* What the plugin is given beside the parameters as they are, and what it may write. */
struct verify_memory {
	uint8_t secret[PLUGIN_SECRET_MAX], kept[PLUGIN_SECRET_MAX], challenge[CHALLENGE_MAX];
	uint8_t state[COUNTERSIGN_STATE_MAX], left[COUNTERSIGN_STATE_MAX];
	char rests_on[COUNTERSIGN_RESTS_ON_MAX];
};

int
run_verify(struct run *r)
{
	const struct verify_parameters *p = r->parameters;
	struct verify_memory m;
	struct countersign_verify in = {
		.size = sizeof(in),
		.call = r->call,
		.answer = run_view(p->answer),
		.last_step = p->last_step,
		.operation = run_view(p->operation),
		.card = run_view(p->card),
	};
	struct countersign_verify_answer out = {
		.size = sizeof(out),
		.request = run_text(r, 0),
		.step = -1,
		.secret = {(char *)m.kept, sizeof(m.kept), 0},
		.rests_on = {m.rests_on, sizeof(m.rests_on), 0},
		.state = {(char *)m.left, sizeof(m.left), 0},
	};
	int rc = COUNTERSIGN_INVALID;

	run_steps(r, out.steps);
	if (run_bytes(p->secret, m.secret, sizeof(m.secret), &in.secret) &&
	    run_bytes(p->challenge, m.challenge, sizeof(m.challenge), &in.challenge) &&
	    run_bytes(p->state, m.state, sizeof(m.state), &in.state))
		rc = r->calls->plugin->factor->verify(r->calls->instance, &in, &out);
	if (rc == COUNTERSIGN_OK && !verdict_good(&out))
		rc = GARBAGE;
	if (rc == COUNTERSIGN_OK)
		put_verdict(r, &out);
	secret_wipe(&m, sizeof(m));
	return rc;
}
