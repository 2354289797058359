/* SPDX-License-Identifier: Apache-2.0 */
/* The table of texts, and the choice of a language. */
#include "broker/gateway/texts.h"

#include <strings.h>

#include "broker/base/check.h"

static const char *const texts[TEXT_COUNT][LANGUAGE_COUNT] = {
    [TEXT_TITLE] = {"Your confirmation is needed", "需要您的确认"},
    [TEXT_PROBE] = {"A service asks for your confirmation. Nothing has been done yet.",
	"有服务请求您的确认。目前尚未进行任何操作。"},
    [TEXT_SHOW] = {"Show what is asked", "查看请求内容"},
    [TEXT_WHAT] = {"What", "事项"},
    [TEXT_SERVICE] = {"Who asks", "请求方"},
    [TEXT_AMOUNT] = {"How much", "金额"},
    [TEXT_PAYEE] = {"To whom", "收款方"},
    [TEXT_ANY_PAYEE] = {"anyone", "任何收款方"},
    [TEXT_LABEL] = {"Name", "名称"},
    [TEXT_PROVIDER] = {"Through the ID", "通过的第三方账号"},
    [TEXT_ACCOUNT] = {"Your account", "您的账户"},
    [TEXT_WORST_CASE] = {"At most you could lose", "最多可能损失"},
    [TEXT_EXPIRES] = {"Open until", "有效期至"},
    [TEXT_METHOD] = {"Confirm with", "确认方式"},
    [TEXT_CODE] = {"Code", "验证码"},
    [TEXT_CONFIRM] = {"Confirm", "确认"},
    [TEXT_REFUSE] = {"Refuse", "拒绝"},
    [TEXT_NOT_ME] = {"This was not me", "这不是我本人的操作"},
    [TEXT_HOW_TO_REFUSE] =
	{"If you do not want this, press “Refuse”: nothing happens. If you did not ask for it "
	 "yourself, press “This was not me”: the ID is frozen at once.",
	    "如果您不同意，请按“拒绝”，不会产生任何操作。如果这不是您本人发起的，请按“这不是我本人"
	    "的操作”，该第三方账号将立即被冻结。"},
    [TEXT_NO_STEP] = {"None of your ways to confirm works on this page.",
	"您的确认方式都不能在此页面使用。"},
    [TEXT_WRONG] = {"That code is not right.", "验证码不正确。"},
    [TEXT_ATTEMPTS] = {"Attempts left:", "剩余次数："},
    [TEXT_NEXT_STEP] = {"One more step is needed.", "还需要一个步骤。"},
    [TEXT_WAIT] = {"That was not accepted. Please wait a little before you try again.",
	"未被接受，请稍候再试。"},
    [TEXT_DONE] = {"Confirmed.", "已确认。"},
    [TEXT_USED] = {"This confirmation has been used already.", "此确认已被使用。"},
    [TEXT_LOCKED] = {"Too many wrong codes. This request is locked.",
	"验证码错误次数过多，此请求已锁定。"},
    [TEXT_REFUSED] = {"Refused. Nothing was done.", "已拒绝，未进行任何操作。"},
    [TEXT_REPORTED] = {"Refused, and the ID is frozen. Nobody can spend through it now.",
	"已拒绝，该第三方账号已冻结，任何人都无法再通过它付款。"},
    [TEXT_EXPIRED] = {"This request has expired. Nothing was done.",
	"此请求已过期，未进行任何操作。"},
    [TEXT_BACK] = {"Back to the service", "返回服务"},
    [TEXT_SIGNED_IN] = {"Done. You can go back to where you came from.",
	"已完成，您可以返回原来的页面。"},
    [TEXT_SIGN_IN_FAILED] = {"The sign-in did not work. Please begin again where you came from.",
	"登录未成功，请从原来的页面重新开始。"},
    [TEXT_UNKNOWN_PAGE] =
	{"There is nothing here, or no longer. Please begin again where you came from.",
	    "此页面不存在或已失效，请从原来的页面重新开始。"},
    [TEXT_OTHER_BROWSER] =
	{"This page was opened in another browser, or the form is not from this page.",
	    "此页面已在其他浏览器中打开，或表单并非来自本页面。"},
    [TEXT_BAD_REQUEST] = {"That request could not be understood.", "无法理解该请求。"},
    [TEXT_TOO_MANY] = {"Too many attempts. Please wait a little and try again.",
	"尝试次数过多，请稍后再试。"},
    [TEXT_UNAVAILABLE] = {"This does not work at the moment. Nothing was done. Please try again.",
	"暂时无法使用，未进行任何操作，请重试。"},
    [TEXT_PROBLEM] = {"Something is not right", "出现问题"},
    [TEXT_WHAT_PAYMENT] = {"A payment", "付款"},
    [TEXT_WHAT_LINK] = {"Link this ID to your account", "将此第三方账号关联到您的账户"},
    [TEXT_WHAT_FACTOR] = {"Add a way to confirm", "添加确认方式"},
    [TEXT_WHAT_FACTOR_REMOVAL] = {"Remove a way to confirm", "移除确认方式"},
    [TEXT_WHAT_ALLOWANCE] = {"Allow payments without asking each time", "允许在限额内免确认付款"},
    [TEXT_WHAT_MANDATE] = {"Allow regular payments", "允许定期付款"},
    [TEXT_WHAT_LIMIT] = {"Raise a limit", "提高限额"},
    [TEXT_WHAT_THAW] = {"Lift a freeze", "解除冻结"},
};

static const struct {
	struct view tag, name;
} languages[LANGUAGE_COUNT] = {
    [LANGUAGE_EN] = {VIEW("en"), VIEW("English")},
    [LANGUAGE_ZH] = {VIEW("zh-Hans"), VIEW("简体中文")},
};

struct view
text_get(enum text text, enum language language)
{
	CHECK(text < TEXT_COUNT && language < LANGUAGE_COUNT && texts[text][language] != NULL);
	return view_str(texts[text][language]);
}

struct view
language_tag(enum language language)
{
	return languages[language].tag;
}

struct view
language_name(enum language language)
{
	return languages[language].name;
}

bool
language_find(struct view tag, enum language *language)
{
	for (int i = 0; i < LANGUAGE_COUNT; i++) {
		if (tag.len < 2 || strncasecmp(tag.data, languages[i].tag.data, 2) != 0 ||
		    (tag.len > 2 && tag.data[2] != '-'))
			continue;
		*language = (enum language)i;
		return true;
	}
	return false;
}

/* Thousandths of a weight in ";q=0.8"; 1000 without. */
static int
weight_of(struct view item)
{
	const char *q = memmem(item.data, item.len, "q=", 2);
	const char *end = item.data + item.len;
	int weight = 0, unit = 100;

	if (q == NULL)
		return 1000;
	q += 2;
	if (q == end || *q == '1')
		return q == end ? 0 : 1000;
	for (q += 1; q < end; q++) {
		if (*q >= '0' && *q <= '9') {
			weight += (*q - '0') * unit;
			unit /= 10;
		}
	}
	return weight;
}

enum language
language_choose(struct view accept)
{
	enum language best = LANGUAGE_EN;
	int best_weight = 0;

	while (accept.len > 0) {
		const char *comma = memchr(accept.data, ',', accept.len);
		size_t len = comma == NULL ? accept.len : (size_t)(comma - accept.data);
		struct view item = view_of(accept.data, len);
		enum language language;
		size_t tag = 0;

		while (item.len > 0 && (item.data[0] == ' ' || item.data[0] == '\t'))
			item = view_of(item.data + 1, item.len - 1);
		while (tag < item.len && item.data[tag] != ';' && item.data[tag] != ' ')
			tag++;
		if (language_find(view_of(item.data, tag), &language) &&
		    weight_of(item) > best_weight) {
			best = language;
			best_weight = weight_of(item);
		}
		accept =
		    comma == NULL ? view_of(NULL, 0) : view_of(comma + 1, accept.len - len - 1);
	}
	return best;
}
