/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of factors: enrolling one, and judging an answer. */
#include "broker/worker/calls_run.h"

/* ---- Enrol ----------------------------------------------------------------------------------- */

const struct json_field enrol_fields[] = {
	HEAD(enrol_parameters),
	NOW(enrol_parameters),
	TEXT(enrol_parameters, account_hint, true, TEXT_MAX),
	TEXT(enrol_parameters, issuer, true, TEXT_MAX),
	{.name = NULL},
};

static const char base64url_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Without padding; the secret is wiped from here by its caller. */
static size_t
base64url_encode(const uint8_t *data, size_t len, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)data[i] << 16 |
				(have > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
				(have > 2 ? data[i + 2] : 0);

		for (size_t k = 0; k <= have; k++)
			to[n++] = base64url_letters[bits >> (18 - 6 * k) & 63];
	}
	return n;
}

static bool
base64url_decode(struct view text, uint8_t *to, size_t cap, size_t *len)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *at =
		    text.data[i] == '\0' ? NULL : strchr(base64url_letters, text.data[i]);

		if (at == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(at - base64url_letters);
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (n == cap)
			return false;
		to[n++] = (uint8_t)(bits >> have);
		bits &= (1U << have) - 1;
	}
	*len = n;
	return bits == 0 && text.len % 4 != 1;
}

static bool
steps_are_good(const struct countersign_enrol_answer *out)
{
	if (out->steps_count == 0 || out->steps_count > COUNTERSIGN_STEPS_MAX)
		return false;
	for (size_t i = 0; i < out->steps_count; i++) {
		const struct countersign_step *s = &out->steps[i];

		if (s->kind != COUNTERSIGN_STEP_CODE && !run_is_text(&s->value, 1, STEP_VALUE_MAX))
			return false;
		if (s->kind == COUNTERSIGN_STEP_CODE && (s->digits == 0 || s->digits > 12))
			return false;
		if (s->kind < COUNTERSIGN_STEP_SHOW || s->kind > COUNTERSIGN_STEP_PASSKEY)
			return false;
	}
	return true;
}

static void
put_steps(struct json_writer *w, const struct countersign_enrol_answer *out)
{
	json_key(w, VIEW("steps"));
	json_array_begin(w);
	for (size_t i = 0; i < out->steps_count; i++) {
		const struct countersign_step *s = &out->steps[i];

		json_object_begin(w);
		if (s->kind == COUNTERSIGN_STEP_SHOW) {
			json_member_str(w, "type", VIEW("show"));
			json_member_str(w, "uri", view_of(s->value.data, s->value.len));
		} else if (s->kind == COUNTERSIGN_STEP_PASSKEY) {
			json_member_str(w, "type", VIEW("passkey"));
			json_member_str(w, "options", view_of(s->value.data, s->value.len));
		} else {
			json_member_str(w, "type", VIEW("code"));
			json_member_int(w, "digits", s->digits);
		}
		json_object_end(w);
	}
	json_array_end(w);
}

int
run_enrol(struct run *r)
{
	const struct enrol_parameters *p = r->parameters;
	struct countersign_enrol in = {
		.size = sizeof(in),
		.call = r->call,
		.account_hint = run_view(p->account_hint),
		.issuer = run_view(p->issuer),
	};
	struct countersign_enrol_answer out = {.size = sizeof(out), .request = run_text(r, 0)};
	uint8_t secret[PLUGIN_SECRET_MAX];
	char text[SECRET_TEXT_MAX];
	int rc;

	out.secret = (struct countersign_buffer){(char *)secret, sizeof(secret), 0};
	for (size_t i = 0; i < COUNTERSIGN_STEPS_MAX; i++)
		out.steps[i].value = (struct countersign_buffer){r->big + i * STEP_VALUE_MAX, STEP_VALUE_MAX, 0};
	rc = r->calls->plugin->factor->enrol(r->calls->instance, &in, &out);
	if (rc == COUNTERSIGN_OK && (out.secret.len == 0 || out.secret.len > sizeof(secret) ||
	    !run_is_text(&out.request, 0, TEXT_MAX) || !steps_are_good(&out)))
		rc = GARBAGE;
	if (rc == COUNTERSIGN_OK) {
		r->reply = varlink_reply_begin(r->out, false);
		run_member(r, "request", &out.request);
		json_member_str(&r->reply, "secret",
		    view_of(text, base64url_encode(secret, out.secret.len, text)));
		put_steps(&r->reply, &out);
		varlink_end(&r->reply);
	}
	secret_wipe(secret, sizeof(secret));
	secret_wipe(text, sizeof(text));
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
    {.name = NULL},
};

static int
put_verdict(struct run *r, const struct countersign_verify_answer *out)
{
	char text[SECRET_TEXT_MAX];

	if (!run_is_text(&out->request, 0, TEXT_MAX) || (out->verdict != 0 && out->verdict != 1) ||
	    out->secret.len > PLUGIN_SECRET_MAX)
		return GARBAGE;
	r->reply = varlink_reply_begin(r->out, false);
	run_member(r, "request", &out->request);
	json_member_bool(&r->reply, "verdict", out->verdict == 1);
	json_member_int(&r->reply, "step", out->step);
	if (out->secret.len > 0)
		json_member_str(&r->reply, "secret", view_of(text,
		    base64url_encode((const uint8_t *)out->secret.data, out->secret.len, text)));
	varlink_end(&r->reply);
	secret_wipe(text, sizeof(text));
	return COUNTERSIGN_OK;
}

int
run_verify(struct run *r)
{
	const struct verify_parameters *p = r->parameters;
	uint8_t secret[PLUGIN_SECRET_MAX], kept[PLUGIN_SECRET_MAX], challenge[CHALLENGE_MAX];
	struct countersign_verify in = {
		.size = sizeof(in),
		.call = r->call,
		.answer = run_view(p->answer),
		.last_step = p->last_step,
		.operation = run_view(p->operation),
	};
	struct countersign_verify_answer out = {
		.size = sizeof(out),
		.request = run_text(r, 0),
		.step = -1,
		.secret = {(char *)kept, sizeof(kept), 0},
	};
	int rc = COUNTERSIGN_INVALID;

	in.secret.data = (char *)secret;
	in.challenge.data = (char *)challenge;
	if (base64url_decode(p->secret, secret, sizeof(secret), &in.secret.len) &&
	    base64url_decode(p->challenge, challenge, sizeof(challenge), &in.challenge.len))
		rc = r->calls->plugin->factor->verify(r->calls->instance, &in, &out);
	if (rc == COUNTERSIGN_OK)
		rc = put_verdict(r, &out);
	secret_wipe(secret, sizeof(secret));
	secret_wipe(kept, sizeof(kept));
	return rc;
}
