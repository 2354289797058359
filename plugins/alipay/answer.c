/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of Alipay's gateway. */
#include "plugins/alipay/answer.h"

#include "plugins/lib/encoding.h"

/* ---- the bytes of a member ------------------------------------------------------------------- */

/* The text is known to be one valid JSON object, so that these need to find ends alone. */
static size_t
skip_blank(struct countersign_view t, size_t at)
{
	while (at < t.len && strchr(" \t\r\n", t.data[at]) != NULL && t.data[at] != '\0')
		at++;
	return at;
}

/* Past the string that begins at `at`. */
static size_t
skip_string(struct countersign_view t, size_t at)
{
	for (at++; at < t.len && t.data[at] != '"'; at++)
		if (t.data[at] == '\\')
			at++;
	return at < t.len ? at + 1 : t.len;
}

/* Past the value that begins at `at`. */
static size_t
skip_value(struct countersign_view t, size_t at)
{
	size_t depth = 0;

	while (at < t.len) {
		char c = t.data[at];

		if (depth == 0 && strchr(",} \t\r\n", c) != NULL)
			return at;
		if (c == '"') {
			at = skip_string(t, at);
			if (depth == 0)
				return at;
			continue;
		}
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		at++;
		if (depth == 0 && (c == '}' || c == ']'))
			return at;
	}
	return at;
}

static struct countersign_view
part(struct countersign_view t, size_t from, size_t to)
{
	return (struct countersign_view){t.data + from, to - from};
}

/* A string without escapes: signs and serial numbers have none. */
static bool
plain_string(struct countersign_view value, struct countersign_view *to)
{
	if (value.len < 2 || value.data[0] != '"' || memchr(value.data, '\\', value.len) != NULL)
		return false;
	*to = (struct countersign_view){value.data + 1, value.len - 2};
	return true;
}

/* One member of the outer object; false: not of the type that it must have. */
static bool
take(struct alipay_cut *to, const char *node, struct countersign_view name, struct countersign_view value)
{
	bool error = view_is_text(name, "error_response");

	if (view_is_text(name, "sign"))
		return plain_string(value, &to->sign);
	if (view_is_text(name, "alipay_cert_sn"))
		return plain_string(value, &to->cert_sn);
	if (!error && !view_is_text(name, node))
		return true;
	if (to->inner.data != NULL || value.data[0] != '{')
		return false;
	to->inner = value;
	to->error = error;
	return true;
}

int
answer_cut(struct countersign_view text, const char *node, struct alipay_cut *to)
{
	json_t *whole = json_read_object(text.data, text.len);
	struct alipay_cut got = {0};
	size_t at;

	/* Valid, and no name twice, however it is spelt: what is found below is what any reader finds. */
	if (whole == NULL)
		return COUNTERSIGN_PROVIDER_ERROR;
	json_decref(whole);
	at = skip_blank(text, skip_blank(text, 0) + 1);
	while (at < text.len && text.data[at] == '"') {
		size_t name = at, value;

		at = skip_string(text, at);
		value = skip_blank(text, skip_blank(text, at) + 1);
		name++;
		if (value >= text.len)
			return COUNTERSIGN_PROVIDER_ERROR;
		if (!take(&got, node, part(text, name, at - 1), part(text, value, skip_value(text, value))))
			return COUNTERSIGN_PROVIDER_ERROR;
		at = skip_blank(text, skip_value(text, value));
		at = skip_blank(text, at + 1);
	}
	if (got.inner.data == NULL)
		return COUNTERSIGN_PROVIDER_ERROR;
	*to = got;
	return COUNTERSIGN_OK;
}

/* ---- what it says ---------------------------------------------------------------------------- */

static bool
is_word(struct countersign_view v, size_t max, const char *besides)
{
	if (v.len == 0 || v.len > max)
		return false;
	for (size_t i = 0; i < v.len; i++)
		if (!((v.data[i] >= 'a' && v.data[i] <= 'z') || (v.data[i] >= 'A' && v.data[i] <= 'Z') ||
			(v.data[i] >= '0' && v.data[i] <= '9') ||
			(v.data[i] != '\0' && strchr(besides, v.data[i]) != NULL)))
			return false;
	return true;
}

/* Absent is well; of another type, empty or odd is not. */
static bool
read_id(const json_t *document, const char *name, struct countersign_view *to)
{
	*to = json_member_text(document, name);
	return json_object_get(document, name) == NULL || is_word(*to, ALIPAY_ID_MAX, "-_");
}

static bool
begins(struct countersign_view v, const char *with)
{
	size_t len = strlen(with);

	return v.len >= len && memcmp(v.data, with, len) == 0;
}

/* code and sub_code: open.alipay.com, "public error codes". isp. and aop. are their own trouble. */
static int
judge_error(struct alipay_answer *a)
{
	struct countersign_view code = json_member_text(a->document, "code"),
				sub = json_member_text(a->document, "sub_code");
	struct countersign_view word = is_word(sub, ALIPAY_WORD_MAX, ".-_") ? sub : code;

	if (is_word(word, ALIPAY_WORD_MAX, ".-_"))
		memcpy(a->word, word.data, word.len);
	if (view_is_text(sub, "isv.code-invalid"))
		return COUNTERSIGN_BAD_CODE;
	if (view_is_text(code, "20000") || begins(sub, "isp.") || begins(sub, "aop.unknow"))
		return COUNTERSIGN_UNREACHABLE;
	return COUNTERSIGN_PROVIDER_ERROR;
}

static int
check_signature(const struct alipay_cut *cut, EVP_PKEY *key, struct countersign_view cert_sn)
{
	if (!view_is(cut->cert_sn, cert_sn))
		return COUNTERSIGN_BAD_KEY;
	return cut->sign.len > 0 && key_verify(key, cut->inner, cut->sign) ? COUNTERSIGN_OK :
	    COUNTERSIGN_BAD_SIGNATURE;
}

static int
read_members(struct alipay_answer *a)
{
	const json_t *code = json_object_get(a->document, "code");

	/* Success of the older methods has no code. */
	if (code != NULL && !view_is_text(json_text(code), "10000"))
		return judge_error(a);
	if (!read_id(a->document, "user_id", &a->user_id) || !read_id(a->document, "open_id", &a->open_id) ||
	    (a->user_id.len == 0 && a->open_id.len == 0))
		return COUNTERSIGN_PROVIDER_ERROR;
	a->access_token = json_member_text(a->document, "access_token");
	a->nickname = json_member_text(a->document, "nick_name");
	return a->access_token.len > ALIPAY_TOKEN_MAX ? COUNTERSIGN_PROVIDER_ERROR : COUNTERSIGN_OK;
}

int
answer_judge(const struct alipay_cut *cut, struct alipay_answer *to)
{
	memset(to, 0, sizeof(*to));
	to->document = json_read_object(cut->inner.data, cut->inner.len);
	if (to->document == NULL)
		return COUNTERSIGN_PROVIDER_ERROR;
	return cut->error ? judge_error(to) : read_members(to);
}

int
answer_read(struct countersign_view text, const char *node, EVP_PKEY *key, struct countersign_view cert_sn,
    struct alipay_answer *to)
{
	struct alipay_cut cut;
	int rc = answer_cut(text, node, &cut);

	memset(to, 0, sizeof(*to));
	if (rc == COUNTERSIGN_OK && !cut.error)
		rc = check_signature(&cut, key, cert_sn);
	return rc != COUNTERSIGN_OK ? rc : answer_judge(&cut, to);
}

void
answer_clear(struct alipay_answer *a)
{
	json_decref(a->document);
	memset(a, 0, sizeof(*a));
}
