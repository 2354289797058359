/* SPDX-License-Identifier: Apache-2.0 */
/* The table of rules and of their arguments: what a line may say, checked when it is loaded. */
#include "broker/core/rule.h"

#include "broker/base/check.h"
#include "broker/core/words.h"

/* A countersignature is redeemed within five minutes (rule 10); a drain is a matter of minutes. */
#define STEPUP_AGE_MS_MAX (5 * 60 * 1000)
#define DRAIN_MS_MAX (60 * 60 * 1000)

static const struct word rule_words[RULE__COUNT] = {
    [RULE_PROVIDER] = WORD("provider"),
    [RULE_SESSION] = WORD("session"),
    [RULE_LIMIT] = WORD("limit"),
    [RULE_ALLOWANCE] = WORD("allowance"),
    [RULE_STEPUP] = WORD("stepup"),
    [RULE_PERMIT] = WORD("permit"),
    [RULE_DENY] = WORD("deny"),
    [RULE_DEBUG] = WORD("debug"),
    [RULE_PAYEE] = WORD("payee"),
    [RULE_SERVICE] = WORD("service"),
    [RULE_TIME] = WORD("time"),
    [RULE_ACCOUNT] = WORD("account"),
    [RULE_DRAIN] = WORD("drain"),
    [RULE_RISK] = WORD("risk"),
    [RULE_NOTIFY] = WORD("notify"),
    [RULE_ASSURANCE] = WORD("assurance"),
};

const char *
rule_name(enum rule rule)
{
	CHECK((unsigned)rule < RULE__COUNT);
	return rule_words[rule].name;
}

/* The arguments that a rule takes, NAME=VALUE or, where the value is a flag, the word alone. RULE__COUNT: every rule. */
static const struct argument {
	struct word word;
	uint8_t rule;
	uint16_t offset;
	rule_value_fn *value;
	int64_t bound;
} arguments[] = {
#define ARGUMENT(name, rule, member, value, bound)                                                 \
	{                                                                                          \
		WORD(name), rule, offsetof(struct stack_line, member), rule_value_##value, bound   \
	}
#define SUM(name, kind)                                                                            \
	{                                                                                          \
		WORD(name), RULE_LIMIT, 0, rule_value_sums, SUM_##kind                             \
	}
    ARGUMENT("note", RULE__COUNT, note, note, 0),
    ARGUMENT("max-age", RULE_SESSION, max_age_ms, duration, 0),
    ARGUMENT("countersigned", RULE_SESSION, countersigned, flag, 0),
    SUM("per-payment", PAYMENT),
    SUM("per-day", DAY),
    SUM("per-month", MONTH),
    SUM("per-year", YEAR),
    SUM("in-all", TOTAL),
    SUM("per-24h", 24H),
    SUM("per-stepup", STEPUP),
    SUM("first-use", FIRST_USE),
    ARGUMENT("count-day", RULE_LIMIT, count_day, count, 0),
    ARGUMENT("count-month", RULE_LIMIT, count_month, count, 0),
    ARGUMENT("count-24h", RULE_LIMIT, count_24h, count, 0),
    ARGUMENT("count-stepup", RULE_LIMIT, count_stepup, count, 0),
    ARGUMENT("for", RULE_LIMIT, scope, scope, 0),
    ARGUMENT("other", RULE_LIMIT, other_ignored, other, 0),
    ARGUMENT("any", RULE_STEPUP, kinds, kinds, 0),
    ARGUMENT("all", RULE_STEPUP, all, kinds, 0),
    ARGUMENT("factors", RULE_STEPUP, need, number, 4),
    ARGUMENT("categories", RULE_STEPUP, categories, number, 3),
    ARGUMENT("strongest", RULE_STEPUP, strongest, flag, 0),
    ARGUMENT("exact", RULE_STEPUP, exact, flag, 0),
    ARGUMENT("max-age", RULE_STEPUP, signature_age_ms, duration, STEPUP_AGE_MS_MAX),
    ARGUMENT("id", RULE_PAYEE, ids_at, payees, 0),
    ARGUMENT("known", RULE_PAYEE, known, flag, 0),
    ARGUMENT("from", RULE_TIME, from_min, clock, 0),
    ARGUMENT("to", RULE_TIME, to_min, clock, 0),
    ARGUMENT("days", RULE_TIME, days, days, 0),
    ARGUMENT("age", RULE_ACCOUNT, age_ms, duration, 0),
    ARGUMENT("link-age", RULE_ACCOUNT, link_age_ms, duration, 0),
    ARGUMENT("factors", RULE_ACCOUNT, held_n, number, 4),
    ARGUMENT("holds", RULE_ACCOUNT, held, kinds, 0),
    ARGUMENT("count", RULE_DRAIN, drain_count, number, 16),
    ARGUMENT("within", RULE_DRAIN, within_ms, duration, DRAIN_MS_MAX),
    {WORD("sum"), RULE_DRAIN, 0, rule_value_sums, SUM_PAYMENT},
    ARGUMENT("max", RULE_RISK, score_max, score, 0),
    ARGUMENT("deadline", RULE_RISK, deadline_ms, short, 0),
    ARGUMENT("max-age", RULE_ASSURANCE, fact_age_ms, duration, 0),
    ARGUMENT("source", RULE_ASSURANCE, sources, sources, 0),
    ARGUMENT("result", RULE_DEBUG, debug, result, 0),
#undef SUM
#undef ARGUMENT
};

enum { ARGUMENTS_N = sizeof(arguments) / sizeof(arguments[0]) };

_Static_assert(ARGUMENTS_N <= 64, "a mask has a bit for every argument");

/* For a word that is like none of the rule's. */
static const char *const takes[RULE__COUNT] = {
    [RULE_PROVIDER] = "provider takes names of providers, and note=NAME",
    [RULE_SESSION] = "session takes max-age=DURATION, countersigned and note=NAME",
    [RULE_LIMIT] = "limit takes per-payment= per-day= per-month= per-year= in-all= per-24h= per-stepup= first-use= "
		   "count-day= count-month= count-24h= count-stepup= for= other= note=",
    [RULE_ALLOWANCE] = "allowance takes note=NAME",
    [RULE_STEPUP] = "stepup takes any=KIND,... all=KIND,... factors=NUMBER categories=NUMBER strongest "
		    "max-age=DURATION exact note=NAME",
    [RULE_PERMIT] = "permit takes note=NAME",
    [RULE_DENY] = "deny takes note=NAME",
    [RULE_DEBUG] = "debug takes result=NAME and note=NAME",
    [RULE_PAYEE] = "payee takes id=ID,... known and note=NAME",
    [RULE_SERVICE] = "service takes names of services, and note=NAME",
    [RULE_TIME] = "time takes from=HH:MM to=HH:MM days=DAY,... and note=NAME",
    [RULE_ACCOUNT] = "account takes age=DURATION link-age=DURATION factors=NUMBER holds=KIND,... and note=NAME",
    [RULE_DRAIN] = "drain takes count=NUMBER within=DURATION sum=AMOUNT,... and note=NAME",
    [RULE_RISK] = "risk takes the plugin's name, max=SCORE deadline=DURATION and note=NAME",
    [RULE_NOTIFY] = "notify takes the plugin's name, and note=NAME",
    [RULE_ASSURANCE] = "assurance takes kinds of evidence, max-age=DURATION source=NAME,... and note=NAME",
};

/* The argument of that name which the rule takes, or NULL with the mend. */
static const struct argument *
argument_find(enum rule rule, struct view name, const char **mend)
{
	struct word words[ARGUMENTS_N];
	int found;

	/* An empty name in the place of what other rules take. */
	for (size_t i = 0; i < ARGUMENTS_N; i++)
		words[i] = arguments[i].rule == rule || arguments[i].rule == RULE__COUNT ? arguments[i].word :
		    (struct word){"", ""};
	found = word_find(name, words, ARGUMENTS_N, takes[rule], mend);
	return found < 0 ? NULL : &arguments[found];
}

static bool
named_argument(struct rule_parse *p, struct view arg, uint64_t *seen)
{
	const struct argument *argument;
	const char *mend;
	size_t name_len = 0;
	bool flag;

	while (name_len < arg.len && arg.data[name_len] != '=')
		name_len++;
	argument = argument_find((enum rule)p->line->rule, view_of(arg.data, name_len), &mend);
	if (argument == NULL)
		return rule_refuse(p, "unknown argument", mend);
	flag = argument->value == rule_value_flag;
	if (name_len == arg.len && !flag)
		return rule_refuse(
		    p, "the argument has no value", "write it as NAME=VALUE, without spaces");
	if (name_len < arg.len && flag)
		return rule_refuse(p, "the argument takes no value", "write the word alone");
	if ((*seen & UINT64_C(1) << (argument - arguments)) != 0)
		return rule_refuse(p, "the argument is written twice", "write it once");
	*seen |= UINT64_C(1) << (argument - arguments);
	return argument->value(p, flag ? view_of(NULL, 0) : view_of(arg.data + name_len + 1, arg.len - name_len - 1),
	    (char *)p->line + argument->offset, argument->bound);
}

/* --- names without "=" --- */

/* Where names are not resolved, two different ones must stay different. */
static uint64_t
name_unresolved(struct view name)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (uint8_t)name.data[i]) * UINT64_C(1099511628211);
	return h == 0 ? 1 : h;
}

uint64_t
rule_name_tag(struct rule_parse *p, enum stack_name kind, struct view name)
{
	return p->text->name_tag == NULL ? name_unresolved(name) : p->text->name_tag(p->text->ctx, kind, name);
}

static bool
name_keep(struct rule_parse *p, uint64_t tag)
{
	struct stack_line *line = p->line;

	for (size_t i = 0; i < line->providers_n; i++) {
		if (line->providers[i] == tag)
			return rule_refuse(p, "a name is written twice", "write it once");
	}
	line->providers[line->providers_n++] = tag;
	return true;
}

/* The form in which plugins and services name it, whether anybody vouches for such a thing or not. */
static bool
evidence_word(struct view name)
{
	for (size_t i = 0; i < name.len; i++) {
		bool letter = name.data[i] >= 'a' && name.data[i] <= 'z';

		if (!letter && (i == 0 || name.data[i] != '-'))
			return false;
	}
	return name.len > 0 && name.len <= EVIDENCE_WORD_MAX;
}

static bool
evidence_keep(struct rule_parse *p, struct view name)
{
	struct stack_line *line = p->line;
	uint64_t tag = rule_name_tag(p, STACK_NAME_EVIDENCE, name);

	if (!evidence_word(name) || tag == 0)
		return rule_refuse(p, "not a kind of evidence",
		    "write lower-case letters and hyphens, like: assurance phone identity-document");
	for (size_t i = 0; i < line->facts_n; i++) {
		if (line->facts[i] == tag)
			return rule_refuse(p, "a kind is written twice", "write it once");
	}
	if (line->facts_n == sizeof(line->facts) / sizeof(line->facts[0]))
		return rule_refuse(p, "too many kinds", "write at most 8 on one line");
	line->facts[line->facts_n++] = tag;
	return true;
}

static bool
plugin_name(struct rule_parse *p, struct view name)
{
	struct stack *s = p->stack;
	struct stack_line *line = p->line;
	bool notify = line->rule == RULE_NOTIFY;
	uint64_t tag = rule_name_tag(p, notify ? STACK_NAME_NOTIFY : STACK_NAME_RISK, name);

	if (line->plugin_named)
		return rule_refuse(p, "a second plugin on one line", "write a line of its own for each plugin");
	line->plugin_named = true;
	if (tag == 0 && !line->lenient)
		return notify ? rule_refuse(p, "no such notify plugin",
		    "name a notify block of the configuration, or write \"-\" before the operation to go on without it") :
		    rule_refuse(p, "no such risk plugin",
		    "name a risk block of the configuration, or write \"-\" before the operation to go on without it");
	line->absent = tag == 0;
	line->plugin = tag;
	for (line->plugin_at = 0; line->plugin_at < s->plugins_n; line->plugin_at++) {
		if (s->plugins[line->plugin_at] == tag)
			return true;
	}
	if (tag == 0)
		return true;
	if (s->plugins_n == STACK_PLUGINS_MAX)
		return rule_refuse(p, "the stack asks too many plugins", "write at most 16");
	s->plugins[s->plugins_n++] = tag;
	return true;
}

/* False with *ok where the rule takes no names. */
static bool
name_argument(struct rule_parse *p, struct view arg, bool *ok)
{
	uint64_t tag;

	switch ((enum rule)p->line->rule) {
	case RULE_PROVIDER:
		tag = rule_name_tag(p, STACK_NAME_PROVIDER, arg);
		*ok = tag == 0 ? rule_refuse(p, "no such provider", "name a provider of the configuration") :
		    name_keep(p, tag);
		return true;
	case RULE_SERVICE:
		tag = rule_name_tag(p, STACK_NAME_SERVICE, arg);
		*ok = tag == 0 ? rule_refuse(p, "no such service", "name a service of the configuration") :
		    name_keep(p, tag);
		return true;
	case RULE_RISK:
	case RULE_NOTIFY:
		*ok = plugin_name(p, arg);
		return true;
	case RULE_ASSURANCE:
		*ok = evidence_keep(p, arg);
		return true;
	default:
		return false;
	}
}

/* --- what must be there, and what must not stand together --- */

static bool
limit_complete(struct rule_parse *p)
{
	const struct stack_line *l = p->line;
	bool counts = l->count_day >= 0 || l->count_month >= 0 || l->count_24h >= 0 || l->count_stepup >= 0;

	if (l->sums_n == 0 && !counts)
		return rule_refuse(
		    p, "limit limits nothing", "write at least one limit, like per-payment=200CNY");
	if (l->sums_n == 0 && l->other_ignored)
		return rule_refuse(p, "other= without an amount", "leave it out: counts are over all currencies");
	for (uint8_t i = 0; l->scope != NEED_OF_ACCOUNT && i < l->sums_n; i++) {
		if (p->stack->sums[l->sums_at + i].minor[SUM_FIRST_USE] >= 0)
			return rule_refuse(p, "first-use is the account's", "write first-use= on a line without for=");
	}
	return true;
}

static bool
time_complete(struct rule_parse *p)
{
	const struct stack_line *l = p->line;

	if ((l->from_min < 0) != (l->to_min < 0))
		return rule_refuse(p, "half of a span", "write both from=HH:MM and to=HH:MM");
	if (l->from_min < 0 && l->days == 0)
		return rule_refuse(p, "time says no time", "write from=08:00 to=20:00, or days=mon-fri, or both");
	if (l->from_min >= 0 && l->from_min == l->to_min)
		return rule_refuse(p, "the span is empty", "leave from= and to= out for the whole day");
	return true;
}

static bool
line_complete(struct rule_parse *p)
{
	const struct stack_line *l = p->line;

	p->at = STACK_AT_RULE;
	switch ((enum rule)l->rule) {
	case RULE_PROVIDER:
		return l->providers_n > 0 || rule_refuse(p, "provider names nobody",
		    "write the providers that may be used, like: provider apple google");
	case RULE_SERVICE:
		return l->providers_n > 0 || rule_refuse(p, "service names nobody",
		    "write the services that may ask, like: service checkout");
	case RULE_LIMIT:
		return limit_complete(p);
	case RULE_DEBUG:
		return l->debug != RESULT__COUNT ||
		    rule_refuse(p, "debug has no result", "write the result that it gives: debug result=denied");
	case RULE_PAYEE:
		return l->ids_n > 0 || l->known ||
		    rule_refuse(p, "payee names nobody", "write id=ID,... or known");
	case RULE_TIME:
		return time_complete(p);
	case RULE_ACCOUNT:
		return l->age_ms >= 0 || l->link_age_ms >= 0 || l->held_n > 0 || l->held != 0 ||
		    rule_refuse(p, "account asks nothing", "write at least one of age= link-age= factors= holds=");
	case RULE_RISK:
		return l->plugin_named || rule_refuse(p, "risk names no plugin", "write its name: risk NAME max=50");
	case RULE_NOTIFY:
		return l->plugin_named || rule_refuse(p, "notify names no plugin", "write its name: notify NAME");
	case RULE_ASSURANCE:
		return l->facts_n > 0 || rule_refuse(p, "assurance asks for nothing",
		    "write what must be vouched for, like: assurance phone max-age=365d");
	default:
		return true;
	}
}

static bool
is_name(struct view arg)
{
	for (size_t i = 0; i < arg.len; i++) {
		if (arg.data[i] == '=')
			return false;
	}
	return arg.len > 0;
}

static bool
arguments_parse(struct rule_parse *p)
{
	const struct stack_text *text = p->text;
	uint64_t seen = 0;
	bool ok = false;

	if (text->args_n > STACK_ARGS_MAX) {
		p->at = STACK_ARGS_MAX;
		return rule_refuse(p, "too many arguments", "write at most 16");
	}
	for (size_t i = 0; i < text->args_n; i++) {
		const struct view arg = text->args[i];

		p->at = (int)i;
		if (is_name(arg) && name_argument(p, arg, &ok)) {
			if (!ok)
				return false;
		} else if (!named_argument(p, arg, &seen)) {
			return false;
		}
	}
	return line_complete(p);
}

static bool
name_parse(struct rule_parse *p)
{
	const char *mend;
	int found;

	p->at = STACK_AT_RULE;
	found = word_find(p->text->rule, rule_words, RULE__COUNT,
	    "the rules are provider, session, limit, allowance, stepup, payee, service, time, account, drain, risk, notify, "
	    "assurance, permit and deny", &mend);
	if (found < 0)
		return rule_refuse(p, "unknown rule", mend);
	p->line->rule = (uint8_t)found;
	if (found == RULE_DEBUG && !p->text->under_test)
		return rule_refuse(p, "debug is not for a configuration",
		    "write a rule that asks something; debug is for: countersignctl stack run FILE");
	if (p->line->op == OP_SPEND)
		return true;
	if (found == RULE_ALLOWANCE)
		return rule_refuse(
		    p, "an allowance covers payments only", "write it under the operation spend");
	if (found == RULE_PAYEE || found == RULE_DRAIN)
		return rule_refuse(p, "only a payment has a payee and an amount", "write it under the operation spend");
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
		line->count_day = line->count_month = line->count_24h = line->count_stepup = -1;
		break;
	case RULE_STEPUP:
		line->need = 1;
		break;
	case RULE_TIME:
		line->from_min = line->to_min = -1;
		break;
	case RULE_ACCOUNT:
		line->age_ms = line->link_age_ms = -1;
		break;
	case RULE_DRAIN:
		line->drain_count = 3;
		line->within_ms = 5 * 60 * 1000;
		break;
	case RULE_RISK:
		line->score_max = 50;
		line->deadline_ms = 500;
		break;
	case RULE_ASSURANCE:
		line->fact_age_ms = -1;
		break;
	case RULE_DEBUG:
		line->debug = RESULT__COUNT;
		break;
	default:
		break;
	}
}

/* The counters that a line reads beyond the days of account and subject. */
static uint32_t
line_needs(const struct stack *s, const struct stack_line *l)
{
	static const struct {
		uint8_t sum, counter;
	} sums[] = {{SUM_DAY, COUNTER_DAYS}, {SUM_MONTH, COUNTER_DAYS}, {SUM_YEAR, COUNTER_YEAR},
	    {SUM_TOTAL, COUNTER_TOTAL}, {SUM_24H, COUNTER_HOURS}, {SUM_STEPUP, COUNTER_STEPUP}};
	uint32_t needs = 0;

	if (l->rule == RULE_PAYEE)
		return l->known ? NEED_KNOWN : 0;
	if (l->rule != RULE_LIMIT)
		return 0;
	for (uint8_t i = 0; i < l->sums_n; i++) {
		const struct stack_sums *of = &s->sums[l->sums_at + i];

		for (size_t k = 0; k < sizeof(sums) / sizeof(sums[0]); k++)
			needs |= of->minor[sums[k].sum] >= 0 ? NEED(l->scope, sums[k].counter) : 0;
		needs |= of->minor[SUM_FIRST_USE] >= 0 ? NEED_KNOWN : 0;
	}
	needs |= l->count_day >= 0 || l->count_month >= 0 ? NEED(l->scope, COUNTER_DAYS) : 0;
	needs |= l->count_24h >= 0 ? NEED(l->scope, COUNTER_HOURS) : 0;
	needs |= l->count_stepup >= 0 ? NEED(l->scope, COUNTER_STEPUP) : 0;
	/* Those are always kept. */
	return needs & ~(NEED(NEED_OF_ACCOUNT, COUNTER_DAYS) | NEED(NEED_OF_LINK, COUNTER_DAYS));
}

bool
rule_parse(struct stack *s, struct stack_line *line, const struct stack_text *text, struct stack_error *err)
{
	struct rule_parse p = {s, line, text, err, STACK_AT_RULE};
	uint16_t sums_n = s->sums_n, ids_n = s->ids_n;
	uint8_t plugins_n = s->plugins_n;

	if (!name_parse(&p))
		return false;
	defaults_set(line);
	if (!arguments_parse(&p)) {
		/* A refused line leaves nothing behind. */
		s->sums_n = sums_n;
		s->ids_n = ids_n;
		s->plugins_n = plugins_n;
		return false;
	}
	if (line->op == OP_SPEND)
		s->needs |= line_needs(s, line);
	return true;
}
