/* SPDX-License-Identifier: Apache-2.0 */
/* Cards and notices to messages. */
#include "plugins/otp/message.h"

#include <jansson.h>
#include <stdio.h>

#include "plugins/otp/template.h"

enum { ABOUT_MAX = 512 };

/* Words of the broker's, for people: what is confirmed, then what happened. An unknown one is said as it is. */
static const struct {
	const char *word, *text[OTP_LANGUAGE_COUNT];
} phrases[] = {
    {"link", {"link a new ID to your account", "为账户绑定新的第三方账号"}},
    {"allowance", {"allow payments without asking each time", "开通免密支付额度"}},
    {"grant", {"allow payments without asking each time", "开通免密支付额度"}},
    {"mandate", {"allow regular payments", "开通自动扣款"}},
    {"factor_removal", {"remove a way to confirm payments", "移除一种验证方式"}},
    {"factor_unlock", {"unlock a way to confirm payments", "解锁一种验证方式"}},
    {"factor", {"add a way to confirm payments", "添加新的验证方式"}},
    {"limit", {"raise a limit", "提高支付限额"}},
    {"thaw", {"lift a freeze of your account", "解除账户冻结"}},
    {"recover", {"replace a way to confirm payments that was lost", "更换已丢失的验证方式"}},
    {"view", {"open your linked IDs", "查看已绑定的账号"}},
    {"factor_enrolled", {"a new way to confirm payments was added", "已添加新的验证方式"}},
    {"factor_removed", {"a way to confirm payments was removed", "已移除一种验证方式"}},
    {"factor_unlocked", {"a way to confirm payments was unlocked", "已解锁一种验证方式"}},
    {"recovery_begun", {"someone began to recover your account", "有人开始找回您的账户"}},
    {"link_rekeyed", {"an ID linked to your account goes by another name now", "已绑定的第三方账号更换了标识"}},
    {"evidence_lowered", {"what was verified of an ID linked to your account has changed",
			     "已绑定的第三方账号的核验信息已变更"}},
    {"recovery_code_used", {"a recovery code was used", "恢复码已被使用"}},
};

static struct countersign_view
phrase_of(struct countersign_view word, enum otp_language language)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (strlen(phrases[i].word) == word.len && memcmp(phrases[i].word, word.data, word.len) == 0)
			return countersign_view_of(phrases[i].text[language]);
	return word;
}

/* A member that is a string; else absent. */
static struct countersign_view
member(const json_t *doc, const char *name)
{
	const json_t *v = json_object_get(doc, name);

	return json_is_string(v) ? (struct countersign_view){json_string_value(v), json_string_length(v)} :
				   countersign_view_of(NULL);
}

static json_t *
read_object(struct countersign_view text)
{
	json_t *doc = text.len == 0 ? NULL : json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);

	if (doc != NULL && !json_is_object(doc)) {
		json_decref(doc);
		doc = NULL;
	}
	return doc;
}

static int
write_message(const struct otp *o, enum otp_message what, enum otp_message subject, enum otp_language language,
    const struct otp_values *values, struct otp_written *to)
{
	int rc = otp_template_fill(o->template[what][language], values, OTP_PLAIN, &to->text);

	if (rc == COUNTERSIGN_OK)
		rc = otp_template_fill(o->template[subject][language], values, OTP_PLAIN, &to->subject);
	return rc;
}

static int
append(struct countersign_buffer *to, struct countersign_view v)
{
	if (v.len > to->cap - to->len)
		return COUNTERSIGN_FULL;
	if (v.len > 0)
		memcpy(to->data + to->len, v.data, v.len);
	to->len += v.len;
	return COUNTERSIGN_OK;
}

static const char *const about_begins[OTP_LANGUAGE_COUNT] = {": ", "："};

/* ": Corner Shop, 50.00 CNY, at most 3000.00 CNY": what else a countersignature covers. */
static int
write_about(const json_t *card, enum otp_language language, struct countersign_buffer *to)
{
	static const char *const between[OTP_LANGUAGE_COUNT] = {", ", "，"};
	static const char *const most[OTP_LANGUAGE_COUNT] = {"at most ", "最多 "};
	struct countersign_view provider = member(card, "provider_title");
	const struct {
		const char *before;
		struct countersign_view value, behind;
	} parts[] = {
	    {"", provider.len > 0 ? provider : member(card, "provider"), {NULL, 0}},
	    {"", member(card, "payee"), {NULL, 0}},
	    {"", member(card, "label"), {NULL, 0}},
	    {"", member(card, "amount"), member(card, "currency")},
	    {most[language], member(card, "worst_case"), {NULL, 0}},
	};
	int rc = COUNTERSIGN_OK;

	to->len = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const struct countersign_view pieces[] = {
		    countersign_view_of(to->len == 0 ? about_begins[language] : between[language]),
		    countersign_view_of(parts[i].before), parts[i].value, countersign_view_of(parts[i].behind.len > 0 ? " " : ""),
		    parts[i].behind};

		for (size_t k = 0; parts[i].value.len > 0 && rc == COUNTERSIGN_OK && k < sizeof(pieces) / sizeof(pieces[0]); k++)
			rc = append(to, pieces[k]);
	}
	return rc;
}

/* Whoever pays must read how much, and to whom, before the code: without these no code is sent. */
static bool
is_payment(struct countersign_view operation)
{
	return operation.len == 5 && memcmp(operation.data, "spend", 5) == 0;
}

static bool
has(const struct otp_values *values, enum otp_field field)
{
	return values->of[field].len > 0;
}

int
otp_message_code(const struct otp *o, struct countersign_view operation, struct countersign_view card,
    enum otp_language language, const char *code, struct otp_written *to)
{
	json_t *doc = read_object(card);
	struct otp_values values = {.of = {[OTP_CODE] = countersign_view_of(code)}};
	enum otp_message what = is_payment(operation) ? OTP_PAYMENT : OTP_OTHER;
	char minutes[16], about[ABOUT_MAX];
	struct countersign_buffer more = {about, sizeof(about), 0};
	int rc;

	if (doc == NULL)
		return COUNTERSIGN_INVALID;
	snprintf(minutes, sizeof(minutes), "%u", (o->lifetime_s + 59) / 60);
	values.of[OTP_MINUTES] = countersign_view_of(minutes);
	values.of[OTP_SERVICE] = member(doc, "service");
	values.of[OTP_ACCOUNT] = member(doc, "account_hint");
	values.of[OTP_AMOUNT] = member(doc, "amount");
	values.of[OTP_CURRENCY] = member(doc, "currency");
	values.of[OTP_PAYEE] = member(doc, "payee");
	values.of[OTP_WHAT] = phrase_of(member(doc, "what"), language);
	rc = write_about(doc, language, &more);
	values.of[OTP_ABOUT] = (struct countersign_view){about, more.len};
	if (rc == COUNTERSIGN_OK &&
	    (!has(&values, OTP_SERVICE) || (what == OTP_PAYMENT && (!has(&values, OTP_AMOUNT) ||
	    !has(&values, OTP_CURRENCY) || !has(&values, OTP_PAYEE))) || (what == OTP_OTHER && !has(&values, OTP_WHAT))))
		rc = COUNTERSIGN_INVALID;
	if (rc == COUNTERSIGN_OK)
		rc = write_message(o, what, OTP_SUBJECT, language, &values, to);
	json_decref(doc);
	return rc;
}

int
otp_message_enrolment(const struct otp *o, struct countersign_view issuer, struct countersign_view account,
    enum otp_language language, const char *code, struct otp_written *to)
{
	struct otp_values values = {.of = {[OTP_CODE] = countersign_view_of(code), [OTP_SERVICE] = issuer, [OTP_ACCOUNT] = account}};
	char minutes[16];

	if (issuer.len == 0)
		values.of[OTP_SERVICE] = o->issuer;
	snprintf(minutes, sizeof(minutes), "%u", (o->lifetime_s + 59) / 60);
	values.of[OTP_MINUTES] = countersign_view_of(minutes);
	return write_message(o, OTP_ENROLMENT, OTP_SUBJECT, language, &values, to);
}

int
otp_message_notice(const struct otp *o, struct countersign_view message, enum otp_language language, struct otp_written *to)
{
	json_t *doc = read_object(message);
	struct otp_values values = {.of = {[OTP_SERVICE] = o->issuer}};
	struct countersign_view detail;
	char about[ABOUT_MAX];
	struct countersign_buffer more = {about, sizeof(about), 0};
	int rc = COUNTERSIGN_OK;

	if (doc == NULL)
		return COUNTERSIGN_INVALID;
	detail = member(doc, "detail");
	if (detail.len > 0)
		rc = append(&more, countersign_view_of(about_begins[language]));
	if (rc == COUNTERSIGN_OK)
		rc = append(&more, detail);
	values.of[OTP_WHAT] = phrase_of(member(doc, "what"), language);
	values.of[OTP_ABOUT] = (struct countersign_view){about, more.len};
	values.of[OTP_ACCOUNT] = member(doc, "account_hint");
	values.of[OTP_TIME] = member(doc, "at");
	if (rc == COUNTERSIGN_OK)
		rc = has(&values, OTP_WHAT) ? write_message(o, OTP_NOTICE, OTP_NOTICE_SUBJECT, language, &values, to) :
					      COUNTERSIGN_INVALID;
	json_decref(doc);
	return rc;
}
