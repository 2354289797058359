/* SPDX-License-Identifier: Apache-2.0 */
/* The values of arguments: amounts, durations, lists of words. Each function says what is wrong, and how to mend it. */
#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/core/note.h"
#include "broker/core/rule.h"
#include "broker/core/words.h"

/*
 * Longer ages say nothing: no session lives longer than a day, and who signed in ten years ago is
 * asked again anyway.
 */
#define MAX_AGE_MS_MAX (3650 * DAY_MS)

/* Payments in one window: above any real number, and far below where a sum could overflow. */
#define COUNT_MAX INT64_C(1000000000)

/* A plugin that answers faster than this does not exist, and a user who waits longer has gone. */
enum { DEADLINE_MS_MIN = 10, DEADLINE_MS_MAX = 5000 };

enum { LINE_SUMS_MAX = 8, LINE_IDS_MAX = 64, PAYEE_ID_MAX = 128 };

static const struct word kind_words[FACTOR__COUNT] = {
    [FACTOR_TOTP] = WORD("totp"),
    [FACTOR_WEBAUTHN] = WORD("webauthn"),
    [FACTOR_OTP] = WORD("otp"),
    [FACTOR_PAM] = WORD("pam"),
    [FACTOR_RECOVERY] = WORD("recovery"),
    [FACTOR_APPROVE] = WORD("approve"),
};

bool
rule_refuse(struct rule_parse *p, const char *message, const char *mend)
{
	*p->err = (struct stack_error){.arg = p->at, .message = message, .mend = mend};
	return false;
}

/* --- numbers --- */

/* Digits without a sign or leading zeros, at most max. *rest is what follows. */
static bool
number_parse(struct view text, int64_t max, int64_t *value, struct view *rest)
{
	int64_t v = 0;
	size_t i = 0;

	for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
		v = v * 10 + (text.data[i] - '0');
		if (v > max)
			return false;
	}
	if (i == 0 || (i > 1 && text.data[0] == '0'))
		return false;
	*value = v;
	*rest = view_of(text.data + i, text.len - i);
	return true;
}

static bool
duration_parse(struct view text, int64_t *ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"d", DAY_MS}, {"h", HOUR_MS}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}};
	struct view rest;
	int64_t n;

	if (!number_parse(text, MAX_AGE_MS_MAX / 1000, &n, &rest) || n == 0)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (view_equal(rest, view_str(units[i].unit)) && n <= MAX_AGE_MS_MAX / units[i].ms) {
			*ms = n * units[i].ms;
			return true;
		}
	}
	return false;
}

bool
rule_value_duration(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	int64_t ms;

	if (!duration_parse(value, &ms) || ms < 1000)
		return rule_refuse(p, "not a duration",
		    "write a number above zero and a unit, at most ten years: 30d, 24h, 15m, 30s");
	if (bound != 0 && ms > bound)
		return rule_refuse(p, "the duration is too long", bound == 5 * 60 * 1000 ?
		    "a countersignature is good for five minutes: write at most 5m" : "write at most 60m");
	*(int64_t *)to = ms;
	return true;
}

bool
rule_value_short(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	int64_t ms;

	(void)bound;
	if (!duration_parse(value, &ms) || ms < DEADLINE_MS_MIN || ms > DEADLINE_MS_MAX)
		return rule_refuse(p, "not a deadline", "write 10ms to 5s, like deadline=500ms");
	*(int32_t *)to = (int32_t)ms;
	return true;
}

bool
rule_value_count(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	struct view rest;
	int64_t n;

	(void)bound;
	if (!number_parse(value, COUNT_MAX, &n, &rest) || rest.len != 0)
		return rule_refuse(p, "not a count", "write a number of payments, like 20");
	*(int32_t *)to = (int32_t)n;
	return true;
}

bool
rule_value_number(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	struct view rest;
	int64_t n;

	if (!number_parse(value, bound, &n, &rest) || rest.len != 0 || n == 0)
		return rule_refuse(p, "not a number of that range", bound == 3 ? "write 1, 2 or 3" :
		    bound == 4 ? "write 1, 2, 3 or 4" : "write a number from 2 to 16");
	if (bound == 16 && n < 2)
		return rule_refuse(p, "not a number of that range", "write a number from 2 to 16");
	*(uint8_t *)to = (uint8_t)n;
	return true;
}

bool
rule_value_score(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	struct view rest;
	int64_t n;

	(void)bound;
	if (!number_parse(value, 100, &n, &rest) || rest.len != 0)
		return rule_refuse(p, "not a score", "write the highest score that passes, 0 to 100");
	*(uint8_t *)to = (uint8_t)n;
	return true;
}

/* --- lists: each part between commas --- */

static bool
list_each(struct rule_parse *p, struct view value, bool (*one)(struct rule_parse *p, struct view part, void *to,
    int64_t bound), void *to, int64_t bound)
{
	size_t start = 0;

	for (size_t i = 0; i <= value.len; i++) {
		if (i < value.len && value.data[i] != ',')
			continue;
		if (!one(p, view_of(value.data + start, i - start), to, bound))
			return false;
		start = i + 1;
	}
	return true;
}

static bool
amount_parse(struct rule_parse *p, struct view value, uint16_t *currency, int64_t *minor)
{
	struct view digits;

	if (value.len < 4)
		return rule_refuse(
		    p, "not an amount", "write digits and a currency, like 200CNY or 200.50CNY");
	digits = view_of(value.data, value.len - 3);
	*currency = currency_find(view_of(value.data + digits.len, 3));
	if (*currency == CURRENCY_NONE)
		return rule_refuse(p, "no such currency",
		    "end it with a code of ISO 4217 in capitals, like 200CNY");
	switch (money_parse(digits, *currency, minor)) {
	case CS_OK:
		return true;
	case CS_ERR_RANGE:
		return rule_refuse(p, "the amount is too large",
		    "write at most 100000000000000 of the smallest unit");
	default:
		return rule_refuse(p, "not an amount",
		    "write digits, with at most the decimals that the currency has, then its code: "
		    "200CNY or 200.50CNY");
	}
}

/* The line's sums in a currency, made where there are none. The line is the newest: its part of the pool is the last. */
static struct stack_sums *
sums_for(struct rule_parse *p, uint16_t currency)
{
	struct stack *s = p->stack;
	struct stack_sums *sums;

	for (uint8_t i = 0; i < p->line->sums_n; i++) {
		sums = &s->sums[p->line->sums_at + i];
		if (sums->currency == currency)
			return sums;
	}
	if (p->line->sums_n == LINE_SUMS_MAX) {
		rule_refuse(p, "too many currencies on one line", "write at most eight, and the rest on another line");
		return NULL;
	}
	if (s->sums_n == STACK_SUMS_MAX) {
		rule_refuse(p, "the stack has too many limits", "write at most 256 currencies in all lines together");
		return NULL;
	}
	if (p->line->sums_n == 0)
		p->line->sums_at = s->sums_n;
	p->line->sums_n++;
	sums = &s->sums[s->sums_n++];
	sums->currency = currency;
	for (int i = 0; i < SUM__COUNT; i++)
		sums->minor[i] = -1;
	return sums;
}

static bool
sum_one(struct rule_parse *p, struct view part, void *to, int64_t bound)
{
	struct stack_sums *sums;
	uint16_t currency = CURRENCY_NONE;
	int64_t minor = 0;

	(void)to;
	if (!amount_parse(p, part, &currency, &minor))
		return false;
	sums = sums_for(p, currency);
	if (sums == NULL)
		return false;
	if (sums->minor[bound] >= 0)
		return rule_refuse(p, "a currency is written twice", "write one amount in each currency");
	sums->minor[bound] = minor;
	return true;
}

bool
rule_value_sums(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	return list_each(p, value, sum_one, to, bound);
}

static bool
kind_one(struct rule_parse *p, struct view part, void *to, int64_t bound)
{
	uint8_t *mask = to;
	const char *mend;
	int kind = word_find(part, kind_words, FACTOR__COUNT,
	    "the kinds are totp, webauthn, otp, pam, recovery and approve, with commas between", &mend);

	(void)bound;
	if (kind < 0)
		return rule_refuse(p, "no such kind of factor", mend);
	if ((*mask & 1 << kind) != 0)
		return rule_refuse(p, "a kind of factor is written twice", "write each kind once");
	*mask |= (uint8_t)(1 << kind);
	return true;
}

bool
rule_value_kinds(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	return list_each(p, value, kind_one, to, bound);
}

static bool
payee_one(struct rule_parse *p, struct view part, void *to, int64_t bound)
{
	struct stack *s = p->stack;

	(void)to, (void)bound;
	if (part.len == 0 || part.len > PAYEE_ID_MAX)
		return rule_refuse(p, "not a payee's id", "write ids as the service sends them, with commas between");
	if (s->ids_n == STACK_IDS_MAX || p->line->ids_n == LINE_IDS_MAX)
		return rule_refuse(p, "too many payees", "write at most 64 on a line and 256 in all");
	if (p->line->ids_n == 0)
		p->line->ids_at = s->ids_n;
	p->line->ids_n++;
	s->id_texts[s->ids_n] = part;
	s->ids[s->ids_n++] = (struct id){{0}};
	return true;
}

bool
rule_value_payees(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	return list_each(p, value, payee_one, to, bound);
}

/* A name that a provider has is that provider's. */
static bool
source_one(struct rule_parse *p, struct view part, void *to, int64_t bound)
{
	struct stack_line *line = p->line;
	uint64_t tag = rule_name_tag(p, STACK_NAME_PROVIDER, part);
	bool service = tag == 0;

	(void)to, (void)bound;
	if (service)
		tag = rule_name_tag(p, STACK_NAME_SERVICE, part);
	if (tag == 0)
		return rule_refuse(p, "no such source", "name providers and services of the configuration, with commas between");
	for (size_t i = 0; i < line->sources_n; i++) {
		if (line->sources[i] == tag && (line->sources_services >> i & 1) == service)
			return rule_refuse(p, "a source is written twice", "write it once");
	}
	if (line->sources_n == sizeof(line->sources) / sizeof(line->sources[0]))
		return rule_refuse(p, "too many sources", "write at most 8 on one line");
	line->sources_services |= (uint8_t)((service ? 1 : 0) << line->sources_n);
	line->sources[line->sources_n++] = tag;
	return true;
}

bool
rule_value_sources(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	return list_each(p, value, source_one, to, bound);
}

static const struct word day_words[7] = {
    WORD("mon"), WORD("tue"), WORD("wed"), WORD("thu"), WORD("fri"), WORD("sat"), WORD("sun")};

static int
day_find(struct rule_parse *p, struct view word)
{
	const char *mend;
	int day = word_find(word, day_words, 7, "the days are mon, tue, wed, thu, fri, sat and sun", &mend);

	if (day < 0)
		rule_refuse(p, "no such day", mend);
	return day;
}

/* "sun", or "mon-fri"; a range may pass the end of the week. */
static bool
day_one(struct rule_parse *p, struct view part, void *to, int64_t bound)
{
	uint8_t *mask = to;
	size_t dash = 0;
	int from, until;

	(void)bound;
	while (dash < part.len && part.data[dash] != '-')
		dash++;
	from = day_find(p, view_of(part.data, dash));
	until = dash == part.len || from < 0 ? from : day_find(p, view_of(part.data + dash + 1, part.len - dash - 1));
	if (from < 0 || until < 0)
		return false;
	for (int d = from;; d = (d + 1) % 7) {
		if ((*mask & 1 << d) != 0)
			return rule_refuse(p, "a day is written twice", "write each day once");
		*mask |= (uint8_t)(1 << d);
		if (d == until)
			return true;
	}
}

bool
rule_value_days(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	return list_each(p, value, day_one, to, bound);
}

/* --- words --- */

bool
rule_value_result(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	enum result result = result_find(value);

	(void)bound;
	if (result == RESULT__COUNT)
		return rule_refuse(p, "no such result",
		    "the results are success, ignore, denied, exceeded, unverified, unavailable and error");
	*(uint8_t *)to = (uint8_t)result;
	return true;
}

bool
rule_value_note(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	static const struct word words[NOTE__COUNT] = {
		[NOTE_NONE] = {"", ""},
#define X(id, name, text) [NOTE_##id] = WORD(name),
		NOTES(X)
#undef X
	};
	const char *mend;
	int found = word_find(value, words, NOTE__COUNT, "the notes are liability-institution, liability-contract, "
	    "sca-exempt-contactless, sca-exempt-trusted, sca-exempt-recurring, sca-exempt-low-value, "
	    "afa-exempt-recurring and cooling-off", &mend);

	(void)bound;
	if (found < 0)
		return rule_refuse(p, "no such note", mend);
	*(uint8_t *)to = (uint8_t)found;
	return true;
}

bool
rule_value_scope(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	/* Spending through a provider follows the subject, as a link's does. */
	static const struct word words[] = {WORD("account"), WORD("link"), WORD("provider"), WORD("payee")};
	static const uint8_t scopes[] = {NEED_OF_ACCOUNT, NEED_OF_LINK, NEED_OF_LINK, NEED_OF_PAYEE};
	const char *mend;
	int found = word_find(value, words, 4, "write for=account, for=link, for=provider or for=payee", &mend);

	(void)bound;
	if (found < 0)
		return rule_refuse(p, "nothing that spends", mend);
	*(uint8_t *)to = scopes[found];
	return true;
}

bool
rule_value_other(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	bool ignore = view_equal(value, VIEW("ignore"));

	(void)bound;
	if (!ignore && !view_equal(value, VIEW("denied")))
		return rule_refuse(p, "not an answer for other currencies", "write other=denied or other=ignore");
	*(bool *)to = ignore;
	return true;
}

/* "08:30" */
bool
rule_value_clock(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	int digits[4], n = 0;

	(void)bound;
	for (size_t i = 0; value.len == 5 && i < 5; i++) {
		if (i == 2 ? value.data[i] != ':' : value.data[i] < '0' || value.data[i] > '9')
			break;
		if (i != 2)
			digits[n++] = value.data[i] - '0';
	}
	if (n < 4 || digits[0] * 10 + digits[1] > 23 || digits[2] > 5)
		return rule_refuse(p, "not a time of day", "write hours and minutes with two digits each, 00:00 to 23:59");
	*(int16_t *)to = (int16_t)((digits[0] * 10 + digits[1]) * 60 + digits[2] * 10 + digits[3]);
	return true;
}

bool
rule_value_flag(struct rule_parse *p, struct view value, void *to, int64_t bound)
{
	(void)p, (void)value, (void)bound;
	*(bool *)to = true;
	return true;
}
