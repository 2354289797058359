/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a factor's plugin, and verifying again. */
#include "broker/engine/proof.h"

#include <stdlib.h>

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/json.h"
#include "broker/base/secret.h"

enum {
	SECRET_TEXT_MAX = 2240,     /* of ENROLMENT_SECRET_MAX bytes */
	/* secret, an answer whose every byte is escaped, challenge, operation, two numbers */
	REQUEST_BYTES = SECRET_TEXT_MAX + 2 * PROOF_ANSWER_MAX + 512,
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

void
proof_challenge(const struct challenge *c, char to[PROOF_CHALLENGE_TEXT])
{
	uint8_t bytes[PROOF_CHALLENGE_BYTES];

	_Static_assert(sizeof(c->id.b) + sizeof(c->content.b) == sizeof(bytes), "id and content");
	memcpy(bytes, c->id.b, sizeof(c->id.b));
	memcpy(bytes + sizeof(c->id.b), c->content.b, sizeof(c->content.b));
	CHECK(base64url_encode(bytes, sizeof(bytes), to) == PROOF_CHALLENGE_TEXT);
}

bool
proof_answer_fits(enum factor_kind kind, struct view answer)
{
	return answer.len <= (kind == FACTOR_WEBAUTHN ? PROOF_ANSWER_MAX : PROOF_CODE_MAX);
}

void
proof_ask(struct engine *e, enum factor_kind kind, struct view secret, struct view answer, int64_t last_step,
    const struct challenge *c, worker_done_fn *done, void *ctx)
{
	static char bytes[REQUEST_BYTES];
	char text[SECRET_TEXT_MAX], challenge[PROOF_CHALLENGE_TEXT];
	struct buf b = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&b);

	CHECK(secret.len <= SECRET_TEXT_MAX / 4 * 3);
	json_object_begin(&w);
	json_member_str(&w, "secret", view_of(text, base64url_encode((const uint8_t *)secret.data, secret.len, text)));
	json_member_str(&w, "answer", answer);
	json_member_int(&w, "last_step", last_step);
	json_member_int(&w, "now_ms", e->now.wall_ms);
	if (c != NULL) {
		proof_challenge(c, challenge);
		json_member_str(&w, "challenge", view_of(challenge, sizeof(challenge)));
		json_member_str(&w, "operation", view_str(op_name((enum op)c->op)));
	}
	json_object_end(&w);
	CHECK(!b.full && b.len > 2);
	workers_ask(e, view_str(factor_kind_name(kind)), "Verify", view_of(bytes + 1, b.len - 2), done, ctx);
	secret_wipe(bytes, sizeof(bytes));
	secret_wipe(text, sizeof(text));
}

enum cs_err
proof_verdict(const struct worker_result *result, struct verdict *v)
{
	static const struct json_field fields[] = {
		{"verdict", JSON_F_BOOL, true, offsetof(struct verdict, yes), 0, 0},
		{"step", JSON_F_INT, true, offsetof(struct verdict, step), -1, INT64_MAX},
		{"secret", JSON_F_STRING, false, offsetof(struct verdict, secret), 0, 0},
		{0},
	};
	struct verdict got = {0};
	struct json_problem problem = {0};

	*v = got;
	if (result->err == CS_ERR_DENIED)
		return CS_OK;
	if (result->err != CS_OK || result->parameters == 0 ||
	    json_bind(result->doc, result->parameters, fields, true, &got, &problem) != CS_OK)
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

bool
proof_again(const struct engine *e, enum factor_kind kind, struct view secret, struct view answer,
    const struct verdict *v, int64_t asked_ms)
{
	if (!v->yes)
		return false;
	return kind != FACTOR_TOTP || totp_again(e, secret, answer, v->step, asked_ms);
}
