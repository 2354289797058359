/* SPDX-License-Identifier: Apache-2.0 */
/* What a stack lets through, and which of its lines do nothing: told from all its executions. */
#include <stdio.h>

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/ctl/check.h"
#include "broker/engine/engine.h"

enum { PLACE_MAX = 96, RULE_MAX = 120 };

/* At the end of an execution: */
enum mark {
	MARK_PROVED = 1 << 0,  /* a stepup or an allowance succeeded, or a line whose note names an exemption */
	MARK_LIMITED = 1 << 1, /* a limit named the currency, or an allowance succeeded, which has limits of its own */
	MARK_ALLOWED = 1 << 2, /* an allowance succeeded: it may cover the payment, whatever else the line does */
};

enum {
	CURRENCIES_MAX = STACK_SUMS_MAX + 1,
	CURRENCY_OTHER = UINT16_MAX, /* one that no line names */
};

static struct walk w;
static struct proof proof;

const struct config_line *
subject_line(const struct subject *s, uint16_t line)
{
	return &s->config->lines[s->from->first_line + s->stack->lines[line].index];
}

static const char *
text_of(const struct subject *s, uint16_t line, char to[PLACE_MAX + RULE_MAX])
{
	const struct config_line *from = subject_line(s, line);
	char place[PLACE_MAX], rule[RULE_MAX];

	(void)snprintf(to, PLACE_MAX + RULE_MAX, "%s, `%s`", finding_place(from, place, sizeof(place)),
	    finding_rule(from, rule, sizeof(rule)));
	return to;
}

static const struct config_line *
first_line(const struct subject *s)
{
	return s->stack->count[s->op] == 0 ? NULL : subject_line(s, s->stack->first[s->op]);
}

/* Included files say different things in different stacks. */
static void
name_stack(const struct subject *s, struct finding *f)
{
	const char *slash = f->at == NULL ? NULL : strrchr(f->at->file, '/');

	if (slash != NULL && strcmp(slash + 1, s->from->name) != 0)
		finding_why(f, "%sin the stack \"%s\"", f->why[0] == '\0' ? "" : "; ", s->from->name);
}

static void
example(const struct subject *s, struct finding *f, const struct walk_step *steps, size_t n, uint16_t first)
{
	f->rows_n = (uint16_t)n;
	for (size_t i = 0; i < n; i++) {
		f->rows[i].line = subject_line(s, (uint16_t)(first + steps[i].line));
		f->rows[i].result = steps[i].result;
	}
}

/* --- the proof --- */

static void
report_proof(const struct subject *s)
{
	const char *op = op_name(s->op);
	struct finding *f;

	if (proof.end == PROOF_TOO_LARGE) {
		f = finding_add(s->to, first_line(s), "the lines for %s are too large to enumerate: %u states and more; nothing "
		    "is proved of them", op, proof.states);
		finding_why(f, "substacks in substacks with `reset` multiply what every line may see");
		finding_mend(f, "nest fewer substacks, or do without reset in the deepest");
	} else if (proof.end == PROOF_BROKEN) {
		f = finding_add(s->to, first_line(s), "%s is permitted to %s: rules 10 to 12 were not asked", op, proof.account);
		finding_why(f, "this is a fault of the broker, not of the stack");
		finding_mend(f, "do not run this broker; report it with this example");
	} else {
		f = finding_add(s->to, first_line(s), "the model that proves %s and the broker's own dispatch differ: nothing is "
		    "proved%s%s", op, proof.account == NULL ? "" : "; denied was ", proof.account == NULL ? "" : proof.account);
		finding_mend(f, "report it with this example");
	}
	finding_fail(s->to, f);
	name_stack(s, f);
	example(s, f, proof.steps, proof.steps_n, 0);
}

static bool
prove(const struct subject *s, struct proved *sum)
{
	prove_stack(s->stack, s->op, decide, &proof);
	if (proof.end != PROOF_HOLDS) {
		report_proof(s);
		return false;
	}
	sum->operations++;
	sum->combinations = sum->combinations > UINT64_MAX - proof.combinations ? UINT64_MAX :
	    sum->combinations + proof.combinations;
	sum->runs += proof.runs;
	return true;
}

/* --- lines that do nothing --- */

static bool
is_mark(uint16_t line)
{
	return w.lines[line].results == 0;
}

static size_t
results_count(uint8_t results)
{
	size_t n = 0;

	for (int r = 0; r < RESULT__COUNT; r++)
		n += (results & 1 << r) != 0;
	return n;
}

/* One finding for lines that follow each other. */
static void
report_dead(const struct subject *s)
{
	char text[PLACE_MAX + RULE_MAX];
	int asked = -1;

	for (uint16_t i = 0; i < w.lines_n; i++) {
		uint16_t n = 0;
		struct finding *f;

		if (is_mark(i) || w.asked[i]) {
			asked = w.asked[i] ? i : asked;
			continue;
		}
		for (uint16_t k = i; k < w.lines_n && (is_mark(k) || !w.asked[k]); k++)
			n = (uint16_t)(n + !is_mark(k));
		f = n == 1 ? finding_add(s->to, subject_line(s, w.lines[i].line), "this line is never asked") :
		    finding_add(s->to, subject_line(s, w.lines[i].line), "this line and the next %u of %s are never asked", n - 1u,
		    op_name(s->op));
		if (asked >= 0)
			finding_why(f, "whatever the lines before it answer, the stack ends or jumps before it; the last that is "
			    "asked before it is %s", text_of(s, w.lines[asked].line, text));
		name_stack(s, f);
		finding_mend(f, "take it away, or move it up");
		for (; i + 1 < w.lines_n && (is_mark((uint16_t)(i + 1)) || !w.asked[i + 1]); i++)
			continue;
	}
}

static bool
jumps(uint16_t line, uint8_t results, bool all)
{
	bool any = false, every = true;

	for (int r = 0; r < RESULT__COUNT; r++) {
		if ((results & 1 << r) == 0)
			continue;
		any = any || w.lines[line].actions[r] > 0;
		every = every && w.lines[line].actions[r] > 0;
	}
	return all ? every : any;
}

static void
report_jump(const struct subject *s, uint16_t i)
{
	const struct config_line *at = subject_line(s, w.lines[i].line);
	struct finding *f;

	if (!jumps(i, WALK_ALL_RESULTS, false))
		return;
	if (!jumps(i, w.lines[i].results, false)) {
		f = finding_add(s->to, at, "the jump of this line never happens");
		finding_why(f, "`%s` never gives a result that jumps", at->rule.text);
		finding_mend(f, "write the jump for a result that it gives, or take it away");
		name_stack(s, f);
	} else if (results_count(w.lines[i].results) > 1 && jumps(i, w.lines[i].results, true)) {
		f = finding_add(s->to, at, "this line always jumps");
		finding_why(f, "every result that `%s` gives jumps", at->rule.text);
		finding_mend(f, "take the line away, with what it jumps over");
		name_stack(s, f);
	}
}

static bool
permits(void)
{
	for (uint32_t i = 0; i < w.states_n; i++)
		if (walk_end_permits(&w, i))
			return true;
	return false;
}

static bool
denies_on_purpose(const struct subject *s)
{
	for (uint16_t i = 0; i < w.lines_n; i++)
		if (w.asked[i] && s->stack->lines[w.lines[i].line].rule == RULE_DENY)
			return true;
	return false;
}

/* Of rules that are asked for their result. A note stands in the event where its line succeeds, so it matters by itself. */
static void
report_idle(const struct subject *s, uint16_t i)
{
	const struct stack_line *line = &s->stack->lines[w.lines[i].line];
	struct finding *f;

	if (!w.asked[i] || w.matters[i] || results_count(w.lines[i].results) < 2 || line->note != NOTE_NONE ||
	    jumps(i, w.lines[i].results, true))
		return;
	f = finding_add(s->to, subject_line(s, w.lines[i].line), "whatever this line answers, %s ends the same",
	    op_name(s->op));
	finding_why(f, "its control does nothing with the results that it gives, or later lines undo it");
	name_stack(s, f);
	finding_mend(f, "make it required or requisite, or take it away");
}

static void
report_idle_lines(const struct subject *s)
{
	struct finding *f;

	if (permits()) {
		for (uint16_t i = 0; i < w.lines_n; i++)
			report_idle(s, i);
	} else if (w.lines_n > 0 && !denies_on_purpose(s)) {
		f = finding_add(s->to, first_line(s), "no results of these lines say yes to %s: it is always denied",
		    op_name(s->op));
		finding_mend(f, "where that is meant, say so: %s requisite deny", op_name(s->op));
		name_stack(s, f);
	}
}

/* --- yeses that are too cheap --- */

/* A limit that was passed has spoken too: what follows was written for that. */
static void
put_marks(const struct stack_line *line, uint8_t wanted, struct walk_line *to)
{
	uint8_t marks = line->note != NOTE_NONE ? MARK_PROVED : 0;

	if (line->rule == RULE_STEPUP)
		marks |= MARK_PROVED;
	else if (line->rule == RULE_ALLOWANCE)
		marks |= MARK_PROVED | MARK_LIMITED | MARK_ALLOWED;
	else if (line->rule == RULE_LIMIT)
		marks |= MARK_LIMITED;
	to->marks = marks & wanted;
	to->marking = line->rule == RULE_LIMIT ? 1 << RESULT_SUCCESS | 1 << RESULT_EXCEEDED : 1 << RESULT_SUCCESS;
}

/* Walks with what the lines can answer, and with these marks. */
static bool
walk(const struct subject *s, uint8_t marks, uint16_t currency)
{
	walk_clear(&w);
	subject_program(s, currency, &w);
	for (uint16_t i = 0; i < w.lines_n; i++)
		if (!is_mark(i))
			put_marks(&s->stack->lines[w.lines[i].line], marks, &w.lines[i]);
	return walk_run(&w);
}

/* The nearest yes without this mark. */
static bool
yes_without(uint8_t mark, struct walk_step steps[WALK_LINES_MAX], size_t *n)
{
	for (uint32_t i = 0; i < w.states_n; i++) {
		if (walk_end_permits(&w, i) && (walk_end_marks(&w, i) & mark) == 0) {
			*n = walk_way(&w, i, steps);
			return true;
		}
	}
	return false;
}

static bool
has_rule(const struct subject *s, uint8_t rule)
{
	for (uint16_t i = 0; i < s->stack->count[s->op]; i++)
		if (s->stack->lines[s->stack->first[s->op] + i].rule == rule)
			return true;
	return false;
}

static void
report_unproved(const struct subject *s)
{
	struct walk_step steps[WALK_LINES_MAX];
	struct finding *f;
	size_t n;

	if (!has_rule(s, RULE_STEPUP) && !has_rule(s, RULE_ALLOWANCE))
		return;
	if (!walk(s, MARK_PROVED, CURRENCY_NONE) || !yes_without(MARK_PROVED, steps, &n) || n == 0)
		return;
	f = finding_add(s->to, subject_line(s, w.lines[steps[n - 1].line].line),
	    "the stack says yes to %s although no `stepup` and no `allowance` line succeeded", op_name(s->op));
	finding_why(f, "rule 10 still wants a countersignature, but any one independent factor will do, whatever the `stepup` "
	    "lines ask for");
	name_stack(s, f);
	finding_mend(f, "put the line that says yes behind the `stepup` lines, or make it required; an exemption that a law "
	    "grants is told apart by note=NAME");
	example(s, f, steps, n, s->stack->first[s->op]);
}

/* Those that the lines name, and one more. */
static size_t
stack_currencies(const struct subject *s, uint16_t to[CURRENCIES_MAX])
{
	size_t n = 0;

	for (uint16_t i = 0; i < s->stack->sums_n; i++) {
		bool known = false;

		for (size_t k = 0; k < n; k++)
			known = known || to[k] == s->stack->sums[i].currency;
		if (!known)
			to[n++] = s->stack->sums[i].currency;
	}
	to[n++] = CURRENCY_OTHER;
	return n;
}

static void
report_unlimited(const struct subject *s, uint16_t currency)
{
	const struct currency *c = currency_get(currency);
	const char *code = c == NULL ? "CNY" : c->code;
	struct walk_step steps[WALK_LINES_MAX];
	struct finding *f;
	size_t n;

	if (!walk(s, MARK_LIMITED, currency) || !yes_without(MARK_LIMITED, steps, &n) || n == 0)
		return;
	if (!has_rule(s, RULE_LIMIT))
		f = finding_add(s->to, first_line(s), "the stack permits payments without any `limit` line");
	else
		f = finding_add(s->to, subject_line(s, w.lines[steps[n - 1].line].line),
		    "the stack says yes to a payment in %s that no `limit` line %s", c == NULL ? "a currency" : code,
		    c == NULL ? "names" : "bounds");
	finding_why(f, "only policy-limits, and limits of the provider, the account and the link, hold it back");
	name_stack(s, f);
	finding_mend(f, "write before it, for example: spend requisite limit per-payment=200%s per-day=800%s", code, code);
	if (has_rule(s, RULE_LIMIT))
		example(s, f, steps, n, s->stack->first[s->op]);
}

static void
report_all_unlimited(const struct subject *s)
{
	const struct policy *p = s->rules == NULL ? NULL : s->rules->policy;
	uint16_t asked[CURRENCIES_MAX];
	size_t n = 0;

	if (p == NULL)
		n = stack_currencies(s, asked);
	for (uint8_t i = 0; p != NULL && i < p->limits_n; i++)
		asked[n++] = p->limits[i].currency;
	/* Without a limit of the policy nothing can be paid at all; of a file alone nobody knows. */
	if (!has_rule(s, RULE_LIMIT) && n > 1)
		n = 1;
	for (size_t i = 0; i < n; i++)
		report_unlimited(s, asked[i]);
}

void
check_stack(const struct subject *s, struct proved *sum)
{
	if (!prove(s, sum) || !walk(s, MARK_ALLOWED, CURRENCY_NONE))
		return;
	report_dead(s);
	for (uint16_t i = 0; i < w.lines_n; i++)
		if (w.asked[i])
			report_jump(s, i);
	report_idle_lines(s);
	report_unproved(s);
	if (s->op == OP_SPEND)
		report_all_unlimited(s);
	walk_clear(&w);
}
