/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a factor's plugin, and verifying again. */
#include "broker/engine/proof.h"

#include <stdlib.h>

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/json.h"
#include "broker/base/secret.h"
#include "broker/engine/card.h"
#include "broker/engine/enrolment.h"
#include "broker/engine/passkey.h"
#include "broker/engine/talk.h"

enum {
	SECRET_TEXT_MAX = BASE64URL_LEN(ENROLMENT_SECRET_MAX),
	/* secret, an answer and a card whose every byte is escaped, state, challenge, operation, two numbers */
	REQUEST_BYTES = SECRET_TEXT_MAX + 2 * PROOF_ANSWER_MAX + 2 * CARD_BYTES_MAX + BASE64URL_LEN(TALK_STATE_MAX) + 512,
	TOTP_SECRET_MIN = 16,       /* bytes: RFC 4226, 4, R6 */
	TOTP_DIGITS_MIN = 6,
	TOTP_DIGITS_MAX = 8,
};

const char *
proof_setting(const struct engine *e, enum factor_kind kind, const char *name, const char *otherwise)
{
	int i = config_find_factor(e->rules->config, view_str(factor_kind_name(kind)));
	const struct config_factor *f = i < 0 ? NULL : &e->rules->config->factors[i];

	for (uint16_t k = 0; f != NULL && k < f->setting_count; k++) {
		if (strcmp(f->settings[k].name, name) == 0 && f->settings[k].value_count > 0 && !f->settings[k].is_file)
			return f->settings[k].values[0];
	}
	return otherwise;
}

struct worker_said
proof_said(const struct engine *e, enum factor_kind kind)
{
	struct worker_said said = workers_said(e, view_str(factor_kind_name(kind)));

	if (said.heard)
		return said;
	return (struct worker_said){.begins = kind == FACTOR_OTP || kind == FACTOR_PAM, .sends = kind == FACTOR_OTP};
}

void
proof_challenge(const struct challenge *c, struct view card, uint8_t number, uint8_t to[PROOF_CHALLENGE_BYTES])
{
	uint8_t bytes[sizeof(c->content.b) + CARD_BYTES_MAX + 1];
	struct buf shown = buf_over(bytes, sizeof(bytes));
	struct hash digest;

	_Static_assert(sizeof(c->id.b) + sizeof(digest.b) == PROOF_CHALLENGE_BYTES, "id and digest");
	buf_put(&shown, c->content.b, sizeof(c->content.b));
	buf_put_view(&shown, card);
	if (number > 0)
		buf_put_u8(&shown, number);
	CHECK(!shown.full);
	sha256(buf_view(&shown), &digest);
	memcpy(to, c->id.b, sizeof(c->id.b));
	memcpy(to + sizeof(c->id.b), digest.b, sizeof(digest.b));
}

void
proof_challenge_text(const struct challenge *c, struct view card, uint8_t number, char to[PROOF_CHALLENGE_TEXT])
{
	uint8_t bytes[PROOF_CHALLENGE_BYTES];

	proof_challenge(c, card, number, bytes);
	CHECK(base64url_encode(bytes, sizeof(bytes), to) == PROOF_CHALLENGE_TEXT);
}

bool
proof_answer_fits(enum factor_kind kind, struct view answer)
{
	return answer.len <= (kind == FACTOR_WEBAUTHN || kind == FACTOR_APPROVE ? PROOF_ANSWER_MAX : kind == FACTOR_PAM ? PROOF_TEXT_MAX :
	    PROOF_CODE_MAX);
}

static void
put_bytes(struct json_writer *w, const char *name, struct view v)
{
	char text[SECRET_TEXT_MAX];

	CHECK(v.len <= ENROLMENT_SECRET_MAX);
	json_member_str(w, name, view_of(text, base64url_encode((const uint8_t *)v.data, v.len, text)));
	secret_wipe(text, sizeof(text));
}

/* What both questions begin with. */
static void
put_question(struct json_writer *w, const struct engine *e, const struct proof_question *q)
{
	char challenge[PROOF_CHALLENGE_TEXT];

	put_bytes(w, "secret", q->secret);
	json_member_int(w, "now_ms", e->now.wall_ms);
	if (q->state.data != NULL)
		put_bytes(w, "state", q->state);
	if (q->challenge == NULL)
		return;
	proof_challenge_text(q->challenge, q->card, q->number, challenge);
	json_member_str(w, "challenge", view_of(challenge, sizeof(challenge)));
	json_member_str(w, "operation", view_str(op_name((enum op)q->challenge->op)));
	json_member_str(w, "card", q->card);
}

static void
ask(struct engine *e, const struct proof_question *q, const char *method, struct buf *b, worker_done_fn *done, void *ctx)
{
	CHECK(!b->full && b->len > 2);
	workers_ask(e, view_str(factor_kind_name(q->kind)), method, view_of(b->data + 1, b->len - 2), done, ctx);
	secret_wipe(b->data, b->len);
}

void
proof_ask(struct engine *e, const struct proof_question *q, worker_done_fn *done, void *ctx)
{
	static char bytes[REQUEST_BYTES];
	struct buf b = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&b);

	json_object_begin(&w);
	put_question(&w, e, q);
	json_member_str(&w, "answer", q->answer);
	json_member_int(&w, "last_step", q->last_step);
	json_object_end(&w);
	ask(e, q, "Verify", &b, done, ctx);
}

void
proof_begin(struct engine *e, const struct proof_question *q, struct view language, int64_t number, worker_done_fn *done,
    void *ctx)
{
	static char bytes[REQUEST_BYTES];
	struct buf b = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&b);

	json_object_begin(&w);
	put_question(&w, e, q);
	json_member_str(&w, "language", language);
	json_member_int(&w, "number", number);
	json_object_end(&w);
	ask(e, q, "Begin", &b, done, ctx);
}

enum cs_err
proof_verdict(const struct worker_result *result, struct verdict *v)
{
	static const struct json_field fields[] = {
		{"verdict", JSON_F_BOOL, true, offsetof(struct verdict, yes), 0, 0},
		{"step", JSON_F_INT, true, offsetof(struct verdict, step), -1, INT64_MAX},
		{"secret", JSON_F_STRING, false, offsetof(struct verdict, secret), 0, 0},
		{"more", JSON_F_BOOL, false, offsetof(struct verdict, more), 0, 0},
		{"rests_on", JSON_F_ARRAY, false, offsetof(struct verdict, rests_on), 1, 8},
		{"state", JSON_F_STRING, false, offsetof(struct verdict, state), 1, 2048},
		{"steps", JSON_F_ARRAY, false, offsetof(struct verdict, steps), 1, 4},
		{0},
	};
	struct verdict got = {0};
	struct json_problem problem = {0};

	*v = got;
	if (result->err == CS_ERR_DENIED)
		return CS_OK;
	if (result->err != CS_OK || result->parameters == 0 ||
	    json_bind(result->doc, result->parameters, fields, true, &got, &problem) != CS_OK ||
	    (got.more && (got.yes || got.state.data == NULL || got.steps == 0)))
		return CS_ERR_UNAVAILABLE;
	*v = got;
	return CS_OK;
}

static int64_t
number(const struct engine *e, const char *name, const char *otherwise)
{
	return strtoll(proof_setting(e, FACTOR_TOTP, name, otherwise), NULL, 10);
}

/* RFC 6238: the code of the step that the plugin named, which must be one that could be meant now. */
static bool
totp_again(const struct engine *e, struct view secret, struct view answer, int64_t step, int64_t asked_ms)
{
	int64_t period_s = number(e, "period", "30"), digits = number(e, "digits", "6"), drift = number(e, "drift", "1");
	const char *name = proof_setting(e, FACTOR_TOTP, "algorithm", "SHA1");
	unsigned algorithm = strcmp(name, "SHA512") == 0 ? 512 : strcmp(name, "SHA256") == 0 ? 256 : 1;
	char want[TOTP_DIGITS_MAX];
	uint32_t code;
	int64_t now;
	bool same;

	if (period_s <= 0 || digits < TOTP_DIGITS_MIN || digits > TOTP_DIGITS_MAX || secret.len < TOTP_SECRET_MIN ||
	    answer.len != (size_t)digits)
		return false;
	now = asked_ms / 1000 / period_s;
	if (step < 0 || step < now - drift || step > now + drift)
		return false;
	code = totp_code(secret, (uint64_t)step, (unsigned)digits, algorithm);
	for (int64_t i = digits; i-- > 0; code /= 10)
		want[i] = (char)('0' + code % 10);
	same = secret_equal(want, answer.data, answer.len);
	secret_wipe(want, sizeof(want));
	return same;
}

static size_t
settings(const struct engine *e, enum factor_kind kind, const char *name, struct view *to, size_t max)
{
	int i = config_find_factor(e->rules->config, view_str(factor_kind_name(kind)));
	const struct config_factor *f = i < 0 ? NULL : &e->rules->config->factors[i];
	size_t n = 0;

	for (uint16_t k = 0; f != NULL && k < f->setting_count; k++) {
		for (uint16_t v = 0; strcmp(f->settings[k].name, name) == 0 && v < f->settings[k].value_count && n < max; v++)
			to[n++] = view_str(f->settings[k].values[v]);
	}
	return n;
}

static bool
is_set(const struct engine *e, enum factor_kind kind, const char *name, const char *word)
{
	return strcmp(proof_setting(e, kind, name, ""), word) == 0;
}

static void
passkey_policy_of(const struct engine *e, enum factor_kind kind, struct passkey_policy *p)
{
	*p = (struct passkey_policy){.rp_id = view_str(proof_setting(e, kind, "rp-id", "")),
	    .cross_origin = is_set(e, kind, "cross-origin", "yes"),
	    .payment_confirmation = is_set(e, kind, "payment-confirmation", "yes"),
	    .verification = is_set(e, kind, "user-verification", "payments") ? PASSKEY_VERIFICATION_PAYMENTS :
	        is_set(e, kind, "user-verification", "preferred") ? PASSKEY_VERIFICATION_PREFERRED :
	        PASSKEY_VERIFICATION_REQUIRED};
	p->origins_n = settings(e, kind, "origin", p->origins, PASSKEY_ORIGINS_MAX);
	p->top_origins_n = settings(e, kind, "top-origin", p->top_origins, PASSKEY_ORIGINS_MAX);
}

static bool
passkey_again(const struct engine *e, const struct proof_question *q, const struct verdict *v)
{
	uint8_t challenge[PROOF_CHALLENGE_BYTES], record[ENROLMENT_SECRET_MAX];
	struct passkey_question asked = {.record = q->secret, .answer = q->answer, .card = q->card,
	    .counter = q->last_step, .challenge = view_of(challenge, sizeof(challenge))};
	struct passkey_policy p;
	uint32_t counter;
	size_t len;

	passkey_policy_of(e, q->kind, &p);
	if (q->challenge == NULL)
		return base64url_decode(v->secret, record, sizeof(record), &len) == CS_OK &&
		    passkey_made(&p, q->secret, q->answer, view_of(record, len));
	proof_challenge(q->challenge, q->card, q->number, challenge);
	asked.payment = q->challenge->op == OP_SPEND || q->challenge->op == OP_GRANT;
	return passkey_right(&p, &asked, &counter) && v->step == (int64_t)counter;
}

bool
proof_again(const struct engine *e, const struct proof_question *q, const struct verdict *v, int64_t asked_ms)
{
	if (!v->yes)
		return false;
	if (q->kind == FACTOR_WEBAUTHN || q->kind == FACTOR_APPROVE)
		return passkey_again(e, q, v);
	return q->kind != FACTOR_TOTP || totp_again(e, q->secret, q->answer, v->step, asked_ms);
}
