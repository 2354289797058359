/* SPDX-License-Identifier: Apache-2.0 */
/* The table of rules and of their arguments: what a line may say, checked when it is loaded. */
#include "broker/core/rule.h"

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/core/words.h"

/*
 * Longer ages say nothing: no session lives longer than a day, and who signed in ten years ago is
 * asked again anyway.
 */
#define MAX_AGE_MS_MAX (3650 * DAY_MS)

/* Payments in one window: above any real number, and far below where a sum could overflow. */
#define COUNT_MAX INT64_C(1000000000)

static const struct word rule_words[RULE__COUNT] = {
    [RULE_PROVIDER] = WORD("provider"),
    [RULE_SESSION] = WORD("session"),
    [RULE_LIMIT] = WORD("limit"),
    [RULE_ALLOWANCE] = WORD("allowance"),
    [RULE_STEPUP] = WORD("stepup"),
    [RULE_PERMIT] = WORD("permit"),
    [RULE_DENY] = WORD("deny"),
    [RULE_DEBUG] = WORD("debug"),
};

static const struct word kind_words[FACTOR__COUNT] = {
    [FACTOR_TOTP] = WORD("totp"),
    [FACTOR_WEBAUTHN] = WORD("webauthn"),
    [FACTOR_OTP] = WORD("otp"),
    [FACTOR_PAM] = WORD("pam"),
    [FACTOR_RECOVERY] = WORD("recovery"),
    [FACTOR_APPROVE] = WORD("approve"),
};

const char *
rule_name(enum rule rule)
{
	CHECK((unsigned)rule < RULE__COUNT);
	return rule_words[rule].name;
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
		char unit;
		int64_t ms;
	} units[] = {{'d', DAY_MS}, {'h', HOUR_MS}, {'m', 60 * 1000}, {'s', 1000}};
	struct view rest;
	int64_t n;

	if (!number_parse(text, MAX_AGE_MS_MAX / 1000, &n, &rest) || rest.len != 1 || n == 0)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (rest.data[0] == units[i].unit && n <= MAX_AGE_MS_MAX / units[i].ms) {
			*ms = n * units[i].ms;
			return true;
		}
	}
	return false;
}

/* --- arguments: one function a form of value; each says what is wrong --- */

struct parse {
	struct stack_line *line;
	struct stack_error *err;
	int at;
};

static bool
refuse(struct parse *p, const char *message, const char *mend)
{
	*p->err = (struct stack_error){.arg = p->at, .message = message, .mend = mend};
	return false;
}

static bool
duration_value(struct parse *p, struct view value, void *to)
{
	int64_t ms;

	if (!duration_parse(value, &ms))
		return refuse(p, "not a duration",
		    "write a number above zero and a unit, at most ten years: 30d, 24h, 15m, 30s");
	*(int64_t *)to = ms;
	return true;
}

static bool
amount_value(struct parse *p, struct view value, void *to)
{
	uint16_t currency;
	struct view digits;
	int64_t minor;

	if (value.len < 4)
		return refuse(
		    p, "not an amount", "write digits and a currency, like 200CNY or 200.50CNY");
	digits = view_of(value.data, value.len - 3);
	currency = currency_find(view_of(value.data + digits.len, 3));
	if (currency == CURRENCY_NONE)
		return refuse(p, "no such currency",
		    "end it with a code of ISO 4217 in capitals, like 200CNY");
	switch (money_parse(digits, currency, &minor)) {
	case CS_OK:
		break;
	case CS_ERR_RANGE:
		return refuse(p, "the amount is too large",
		    "write at most 100000000000000 of the smallest unit");
	default:
		return refuse(p, "not an amount",
		    "write digits, with at most the decimals that the currency has, then its code: "
		    "200CNY or 200.50CNY");
	}
	if (p->line->currency != CURRENCY_NONE && p->line->currency != currency)
		return refuse(p, "a second currency on one line",
		    "write a line of its own for each currency");
	p->line->currency = currency;
	*(int64_t *)to = minor;
	return true;
}

static bool
count_value(struct parse *p, struct view value, void *to)
{
	struct view rest;
	int64_t n;

	if (!number_parse(value, COUNT_MAX, &n, &rest) || rest.len != 0)
		return refuse(p, "not a count", "write a number of payments, like 20");
	*(int64_t *)to = n;
	return true;
}

static bool
factors_value(struct parse *p, struct view value, void *to)
{
	if (value.len != 1 || value.data[0] < '1' || value.data[0] > '4')
		return refuse(p, "not a number of factors", "write 1, 2, 3 or 4");
	*(uint8_t *)to = (uint8_t)(value.data[0] - '0');
	return true;
}

static bool
result_value(struct parse *p, struct view value, void *to)
{
	enum result result = result_find(value);

	if (result == RESULT__COUNT)
		return refuse(p, "no such result",
		    "the results are success, ignore, denied, exceeded, unverified, unavailable and error");
	*(uint8_t *)to = (uint8_t)result;
	return true;
}

/* A comma-separated list of kinds of factor, each once. */
static bool
kinds_value(struct parse *p, struct view value, void *to)
{
	uint8_t mask = 0;
	size_t start = 0;

	for (size_t i = 0; i <= value.len; i++) {
		const char *mend;
		int kind;

		if (i < value.len && value.data[i] != ',')
			continue;
		kind = word_find(view_of(value.data + start, i - start), kind_words, FACTOR__COUNT,
		    "the kinds are totp, webauthn, otp, pam, recovery and approve, with commas "
		    "between",
		    &mend);
		if (kind < 0)
			return refuse(p, "no such kind of factor", mend);
		if ((mask & 1 << kind) != 0)
			return refuse(
			    p, "a kind of factor is written twice", "write each kind once");
		mask |= (uint8_t)(1 << kind);
		start = i + 1;
	}
	*(uint8_t *)to = mask;
	return true;
}

/* The arguments that a rule takes, all of them NAME=VALUE. */
static const struct argument {
	struct word word;
	uint8_t rule;
	uint16_t offset;
	bool (*value)(struct parse *p, struct view value, void *to);
	const char *all; /* of this rule, for a word that is like none */
} arguments[] = {
#define ARGUMENT(name, rule, member, value, all)                                                   \
	{                                                                                          \
		WORD(name), rule, offsetof(struct stack_line, member), value, all                  \
	}
#define LIMIT_ALL "limit takes per-payment= per-day= per-month= count-day= count-month="
#define STEPUP_ALL "stepup takes any=KIND,... and factors=NUMBER"
    ARGUMENT("max-age", RULE_SESSION, max_age_ms, duration_value, "session takes max-age=DURATION"),
    ARGUMENT("per-payment", RULE_LIMIT, per_payment_minor, amount_value, LIMIT_ALL),
    ARGUMENT("per-day", RULE_LIMIT, per_day_minor, amount_value, LIMIT_ALL),
    ARGUMENT("per-month", RULE_LIMIT, per_month_minor, amount_value, LIMIT_ALL),
    ARGUMENT("count-day", RULE_LIMIT, count_day, count_value, LIMIT_ALL),
    ARGUMENT("count-month", RULE_LIMIT, count_month, count_value, LIMIT_ALL),
    ARGUMENT("any", RULE_STEPUP, kinds, kinds_value, STEPUP_ALL),
    ARGUMENT("factors", RULE_STEPUP, need, factors_value, STEPUP_ALL),
    ARGUMENT("result", RULE_DEBUG, debug, result_value, "debug takes result=NAME"),
#undef STEPUP_ALL
#undef LIMIT_ALL
#undef ARGUMENT
};

enum { ARGUMENTS_N = sizeof(arguments) / sizeof(arguments[0]) };

/* The argument of that name which the rule takes, or NULL with the mend. */
static const struct argument *
argument_find(enum rule rule, struct view name, const char **mend)
{
	struct word words[ARGUMENTS_N];
	const char *all = "this rule takes no arguments";
	int found;

	/* An empty name in the place of what other rules take. */
	for (size_t i = 0; i < ARGUMENTS_N; i++) {
		words[i] = arguments[i].rule == rule ? arguments[i].word : (struct word){"", ""};
		if (arguments[i].rule == rule)
			all = arguments[i].all;
	}
	found = word_find(name, words, ARGUMENTS_N, all, mend);
	return found < 0 ? NULL : &arguments[found];
}

static bool
named_argument(struct parse *p, struct view arg, uint32_t *seen)
{
	const struct argument *argument;
	const char *mend;
	size_t name_len = 0;

	while (name_len < arg.len && arg.data[name_len] != '=')
		name_len++;
	argument = argument_find(p->line->rule, view_of(arg.data, name_len), &mend);
	if (argument == NULL)
		return refuse(p, "unknown argument", mend);
	if (name_len == arg.len)
		return refuse(
		    p, "the argument has no value", "write it as NAME=VALUE, without spaces");
	if ((*seen & UINT32_C(1) << (argument - arguments)) != 0)
		return refuse(p, "the argument is written twice", "write it once");
	*seen |= UINT32_C(1) << (argument - arguments);
	return argument->value(p, view_of(arg.data + name_len + 1, arg.len - name_len - 1),
	    (char *)p->line + argument->offset);
}

static bool
provider_argument(struct parse *p, struct view arg, const struct stack_text *text)
{
	struct stack_line *line = p->line;
	uint64_t tag = text->name_tag(text->ctx, STACK_NAME_PROVIDER, arg);

	if (tag == 0)
		return refuse(p, "no such provider", "name a provider of the configuration");
	for (size_t i = 0; i < line->providers_n; i++) {
		if (line->providers[i] == tag)
			return refuse(p, "the provider is written twice", "write it once");
	}
	line->providers[line->providers_n++] = tag;
	return true;
}

static bool
arguments_parse(struct parse *p, const struct stack_text *text)
{
	uint32_t seen = 0;

	if (text->args_n > STACK_ARGS_MAX) {
		p->at = STACK_ARGS_MAX;
		return refuse(p, "too many arguments", "write at most 16");
	}
	for (size_t i = 0; i < text->args_n; i++) {
		p->at = (int)i;
		if (p->line->rule == RULE_PROVIDER ? !provider_argument(p, text->args[i], text)
						   : !named_argument(p, text->args[i], &seen))
			return false;
	}
	p->at = STACK_AT_RULE;
	if (p->line->rule == RULE_PROVIDER && text->args_n == 0)
		return refuse(p, "provider names nobody",
		    "write the providers that may be used, like: provider apple google");
	if (p->line->rule == RULE_LIMIT && text->args_n == 0)
		return refuse(
		    p, "limit limits nothing", "write at least one limit, like per-payment=200CNY");
	if (p->line->rule == RULE_DEBUG && text->args_n == 0)
		return refuse(p, "debug has no result", "write the result that it gives: debug result=denied");
	return true;
}

static bool
name_parse(struct parse *p, const struct stack_text *text)
{
	const char *mend;
	int found;

	p->at = STACK_AT_RULE;
	found = word_find(text->rule, rule_words, RULE__COUNT,
	    "the rules are provider, session, limit, allowance, stepup, permit and deny", &mend);
	if (found < 0)
		return refuse(p, "unknown rule", mend);
	p->line->rule = (uint8_t)found;
	if (found == RULE_DEBUG && !text->under_test)
		return refuse(p, "debug is not for a configuration",
		    "write a rule that asks something; debug is for: countersignctl stack run FILE");
	if (found == RULE_ALLOWANCE && p->line->op != OP_SPEND)
		return refuse(
		    p, "an allowance covers payments only", "write it under the operation spend");
	return true;
}

/* What is not written. */
static void
defaults_set(struct stack_line *line)
{
	switch ((enum rule)line->rule) {
	case RULE_SESSION:
		line->max_age_ms = -1;
		break;
	case RULE_LIMIT:
		line->per_payment_minor = line->per_day_minor = line->per_month_minor = -1;
		line->count_day = line->count_month = -1;
		break;
	case RULE_STEPUP:
		line->need = 1;
		break;
	default:
		break;
	}
}

bool
rule_parse(struct stack_line *line, const struct stack_text *text, struct stack_error *err)
{
	struct parse p = {line, err, STACK_AT_RULE};

	if (!name_parse(&p, text))
		return false;
	defaults_set(line);
	return arguments_parse(&p, text);
}
