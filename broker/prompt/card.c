/* SPDX-License-Identifier: Apache-2.0 */
/* The card: the amount first, then who asks, to whom, through which ID, and how to refuse. */
#include <stdio.h>
#include <time.h>

#include "broker/base/clock.h"
#include "broker/prompt/prompt.h"

enum { LABEL_COLUMNS = 24 };

/* clang-format off */
/* What a card is about; another word is shown as it stands. */
static const struct {
	const char *what, *en, *zh;
} whats[] = {
	{"payment", "A payment", "付款"},
	{"spend", "A payment", "付款"},
	{"link", "Link this ID to your account", "将此第三方账号关联到您的账户"},
	{"factor", "Add a way to confirm", "添加确认方式"},
	{"factor_removal", "Remove a way to confirm", "移除确认方式"},
	{"recover", "Replace a way to confirm", "更换确认方式"},
	{"grant", "Allow payments without asking each time", "允许在限额内免确认付款"},
	{"allowance", "Allow payments without asking each time", "允许在限额内免确认付款"},
	{"mandate", "Allow regular payments", "允许定期付款"},
	{"limit", "Raise a limit", "提高限额"},
	{"thaw", "Lift a freeze", "解除冻结"},
	{"view", "Open your linked IDs", "打开您的关联账号"},
};

/* Signs that name one currency alone, and the currency's name in Chinese. What is not here stands with its code. */
static const struct {
	const char *code, *sign, *zh;
} currencies[] = {
	{"CNY", "¥", "人民币"}, {"USD", "US$", "美元"}, {"EUR", "€", "欧元"}, {"GBP", "£", "英镑"},
	{"JPY", "JP¥", "日元"}, {"HKD", "HK$", "港元"}, {"TWD", "NT$", "新台币"}, {"MOP", "MOP$", "澳门元"},
	{"KRW", "₩", "韩元"}, {"SGD", "S$", "新加坡元"}, {"AUD", "A$", "澳元"}, {"CAD", "CA$", "加元"},
	{"INR", "₹", "印度卢比"},
};
/* clang-format on */

/* "1234567.50" as "1,234,567.50"; anything else as it is. */
static void
number_put(struct prompt *p, const char *amount)
{
	size_t digits = strspn(amount, "0123456789");

	for (size_t i = 0; i < digits; i++) {
		char text[3] = {amount[i], '\0', '\0'};

		if (i + 1 < digits && (digits - i - 1) % 3 == 0)
			text[1] = ',';
		raw_put(p, text);
	}
	text_put(p, amount + digits);
}

void
money_put(struct prompt *p, const char *amount, const char *currency)
{
	size_t i = 0, n = sizeof(currencies) / sizeof(currencies[0]);

	while (i < n && strcmp(currencies[i].code, currency) != 0)
		i++;
	if (i == n || !p->utf8) {
		text_put(p, currency);
		raw_put(p, " ");
		number_put(p, amount);
		return;
	}
	raw_put(p, currencies[i].sign);
	number_put(p, amount);
	raw_put(p, " ");
	raw_put(p, p->zh ? currencies[i].zh : currency);
}

static const char *
word(const struct prompt *p, const char *en, const char *zh)
{
	return p->zh ? zh : en;
}

static void
what_put(struct prompt *p, const char *what)
{
	for (size_t i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
		if (strcmp(whats[i].what, what) == 0) {
			raw_put(p, word(p, whats[i].en, whats[i].zh));
			return;
		}
	}
	text_put(p, what);
}

static void
line_put(struct prompt *p, const char *label, const char *value, const char *more)
{
	if (value[0] == '\0')
		return;
	raw_put(p, "  ");
	label_put(p, label, LABEL_COLUMNS);
	text_put(p, value);
	if (more != NULL && more[0] != '\0' && strcmp(more, value) != 0) {
		raw_put(p, " (");
		text_put(p, more);
		raw_put(p, ")");
	}
	raw_put(p, "\n");
}

/* "14:32", with its day where that is another one. No countdown: time is no reason to hurry. */
static void
until_put(struct prompt *p, const char *rfc3339)
{
	int64_t ms = strlen(rfc3339) >= sizeof("2026-11-22T09:46:28Z") - 1 ? clock_parse(rfc3339, strlen(rfc3339)) : -1;
	time_t seconds = (time_t)(ms / 1000), now = time(NULL);
	struct tm then, today;
	char text[40];

	if (ms < 0 || localtime_r(&seconds, &then) == NULL || localtime_r(&now, &today) == NULL) {
		line_put(p, word(p, "Open until", "有效期至"), rfc3339, NULL);
		return;
	}
	(void)strftime(text, sizeof(text),
	    then.tm_yday == today.tm_yday && then.tm_year == today.tm_year ? "%H:%M" : "%Y-%m-%d %H:%M", &then);
	line_put(p, word(p, "Open until", "有效期至"), text, NULL);
}

static void
payee_put(struct prompt *p, const struct cs_prompt *c)
{
	const char *label = word(p, "To whom", "收款方");

	if (strcmp(c->payee_id, "*") == 0)
		line_put(p, label, word(p, "anyone", "任何收款方"), NULL);
	else if (c->payee[0] != '\0')
		line_put(p, c->payee_id[0] == '\0' ? word(p, "Name", "名称") : label, c->payee, c->payee_id);
	else
		line_put(p, label, c->payee_id, NULL);
}

static void
keys_put(struct prompt *p)
{
	raw_put(p, "\n  ");
	raw_put(p, word(p, "r  refuse: nothing happens", "r  拒绝：不会产生任何操作"));
	raw_put(p, "\n  ");
	raw_put(p, word(p, "n  this was not me: refuse, and freeze the ID so that nobody can spend through it",
	    "n  这不是我本人的操作：拒绝，并冻结该第三方账号，任何人都无法再通过它付款"));
	raw_put(p, "\n  ");
	raw_put(p, word(p, "Ctrl-C  leave it open", "Ctrl-C  暂不处理"));
	raw_put(p, "\n\n");
}

void
card_put(struct prompt *p, const struct cs_prompt *c)
{
	raw_put(p, "\n  ");
	style_put(p, "1");
	if (c->amount[0] != '\0')
		money_put(p, c->amount, c->currency);
	else
		what_put(p, c->what);
	style_put(p, NULL);
	if (c->amount[0] != '\0') {
		raw_put(p, "\n  ");
		what_put(p, c->what);
	}
	raw_put(p, "\n\n");
	payee_put(p, c);
	line_put(p, word(p, "What is changed", "更改对象"), c->label, NULL);
	line_put(p, word(p, "Who asks", "请求方"), c->service, NULL);
	line_put(p, word(p, "Through the ID", "通过的第三方账号"),
	    c->provider_title[0] != '\0' ? c->provider_title : c->provider, c->link);
	line_put(p, word(p, "Your account", "您的账户"), c->account_hint, NULL);
	line_put(p, word(p, "At most you could lose", "最多可能损失"), c->worst_case, NULL);
	until_put(p, c->expires_at);
	keys_put(p);
}
