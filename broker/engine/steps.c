/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the steps of a decision. */
#include "broker/engine/steps.h"

#include <stdio.h>

#include "broker/core/money.h"
#include "broker/engine/edge_text.h"
#include "broker/engine/engine.h"

enum { STEP_TEXT_MAX = 256, STANDING_TEXT_MAX = MONEY_TEXT_MAX + 8 };

static const char *const rule_titles[13] = {"", "service", "account", "provider", "link", "session", "payment",
	"payment id", "limits", "stack", "countersignature", "independence", "single use"};

void
steps_lines(const struct decision_trace *t, const struct steps_stack *s, const struct config_line *lines[TRACE_STEPS_MAX])
{
	for (size_t i = 0; i < t->n; i++) {
		const struct trace_step *step = &t->steps[i];

		lines[i] = step->rule != 0 || s->config == NULL || step->index >= s->stack->line_count ? NULL :
		    &s->config->lines[s->stack->first_line + step->index];
	}
}

size_t
steps_line_text(const struct config_line *line, char *to, size_t size)
{
	const char *slash = strrchr(line->file, '/');
	size_t len = (size_t)snprintf(to, size, "%s:%u %s", slash == NULL ? line->file : slash + 1, line->operation.line,
	    line->rule.text);

	for (uint16_t i = 0; i < line->argument_count && len < size; i++)
		len += (size_t)snprintf(to + len, size - len, " %s", line->arguments[i].text);
	return len < size ? len : size - 1;
}

void
step_write(struct json_writer *w, struct view rule, const char *result, const char *why)
{
	json_object_begin(w);
	json_member_str(w, "rule", rule);
	json_member_str(w, "result", view_str(result));
	json_member_str(w, "why", view_str(why));
	json_object_end(w);
}

static size_t
step_text(const struct trace_step *s, const struct config_line *line, char *text, size_t size)
{
	if (s->rule != 0)
		return (size_t)snprintf(text, size, "rule %u %s", s->rule, rule_titles[s->rule]);
	if (line != NULL)
		return steps_line_text(line, text, size);
	return (size_t)snprintf(text, size, "line %u %s", s->line, rule_name((enum rule)s->line_rule));
}

/* --- what a line of the stack adds --- */

/* The window of a limit, by the reason that passing it gives. */
static const char *const windows[REASON__COUNT] = {
    [REASON_LIMIT_PAYMENT] = "payment",
    [REASON_LIMIT_DAY] = "day",
    [REASON_LIMIT_MONTH] = "month",
    [REASON_LIMIT_YEAR] = "year",
    [REASON_LIMIT_TOTAL] = "total",
    [REASON_LIMIT_24H] = "24h",
    [REASON_LIMIT_STEPUP] = "stepup",
    [REASON_LIMIT_FIRST_USE] = "first-use",
    [REASON_LIMIT_COUNT] = "count",
    [REASON_DRAIN_SUSPECTED] = "drain",
};

static void
put_amount(struct json_writer *w, const char *name, int64_t value, uint16_t currency)
{
	const struct currency *c = currency_get(currency);
	char text[STANDING_TEXT_MAX];
	size_t len;

	if (c == NULL) {
		(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	} else {
		len = money_format(value, currency, text);
		(void)snprintf(text + len, sizeof(text) - len, " %s", c->code);
	}
	json_member_str(w, name, view_str(text));
}

/* Where the counter stood before this payment, and how far it may go; of a risk plugin, its score. */
static void
put_standing(struct json_writer *w, const struct trace_step *s)
{
	if (s->limit < 0)
		return;
	put_amount(w, "used", s->used, s->currency);
	put_amount(w, "limit", s->limit, s->currency);
	if (s->bound < REASON__COUNT && windows[s->bound] != NULL)
		json_member_str(w, "window", view_str(windows[s->bound]));
}

static void
put_line(struct json_writer *w, const struct trace_step *s, const struct config_line *line, bool outside)
{
	const char *slash = line == NULL || !outside ? NULL : strrchr(line->file, '/');
	char text[STEP_TEXT_MAX];

	if (line != NULL) {
		json_member_str(w, "file", view_str(slash == NULL ? line->file : slash + 1));
		json_member_int(w, "line", line->operation.line);
		if (line->note != NULL && line->note[0] != '\0')
			json_member_str(w, "note", view_str(line->note));
	}
	if (s->note == NOTE_NONE || s->result != RESULT_SUCCESS)
		return;
	(void)snprintf(text, sizeof(text), "%s: %s", note_name((enum note)s->note), note_text((enum note)s->note));
	json_member_str(w, "records", view_str(text));
}

static void
put_step(struct json_writer *w, const struct trace_step *s, const struct config_line *line, bool outside)
{
	char text[STEP_TEXT_MAX];
	bool silent = s->reason == REASON_NONE;

	json_object_begin(w);
	json_member_str(w, "rule", view_of(text, step_text(s, line, text, sizeof(text))));
	json_member_str(w, "result", view_str(result_name((enum result)s->result)));
	json_member_str(w, "why", view_str(silent ? "" : reason_name((enum reason)s->reason)));
	if (!silent)
		json_member_str(w, "words", view_str(reason_text_en((enum reason)s->reason)));
	json_member_int(w, "pass", s->pass);
	put_standing(w, s);
	if (s->rule == 0)
		put_line(w, s, line, outside);
	json_object_end(w);
}

void
steps_write(struct json_writer *w, const struct decision_trace *t, const struct steps_stack *s)
{
	const struct config_line *lines[TRACE_STEPS_MAX];
	size_t start = w->out->len;

	steps_lines(t, s, lines);
	for (size_t i = 0; i < t->n; i++) {
		const struct trace_step *step = &t->steps[i];

		if (w->out->len - start > STEPS_BYTES_MAX) {
			step_write(w, VIEW("the rest"), "cut", "the answer would be too long");
			return;
		}
		if (step->pass == 2 && (i == 0 || t->steps[i - 1].pass != 2))
			step_write(w, VIEW("a countersignature"), "supposed", "from here on");
		put_step(w, step, lines[i], s->outside);
	}
}

/* --- factors --- */

/* Whose it is not, and why. */
static void
dependent_text(const struct ruleset *rules, const struct account *a, const struct factor *f, const struct edge *edge,
    enum independence is, char *to, size_t size)
{
	char why[EDGE_TEXT_MAX];

	(void)edge_text(rules, a, f, edge, why);
	(void)snprintf(to, size, "not %sindependent of %s: %s", is == DEPENDENT ? "" : "known to be ",
	    ruleset_provider_name(rules, edge->provider), why);
}

void
steps_factors(struct json_writer *w, const struct ruleset *rules, const struct asked *asked, const struct account *a,
    uint64_t provider)
{
	for (size_t i = 0; i < a->factors_n; i++) {
		const struct factor *f = &a->factors[i];
		struct view kind = view_str(factor_kind_name((enum factor_kind)f->kind));
		char text[EDGE_TEXT_MAX + STEP_TEXT_MAX];
		enum independence is;
		bool assumed = false;
		struct edge edge;

		if (factor_gone(a, f, asked->now_ms))
			continue;
		is = factor_stands(asked, a, f, provider, &edge, &assumed);
		if (is != INDEPENDENT) {
			dependent_text(rules, a, f, &edge, is, text, sizeof(text));
			step_write(w, kind, "unusable", text);
		} else if (f->usable_ms > asked->now_ms) {
			step_write(w, kind, "unusable", "still cooling off");
		} else if (f->locked_until_ms > asked->now_ms) {
			step_write(w, kind, "unusable", "locked after wrong answers");
		} else if (assumed) {
			step_write(w, kind, "usable", "independent by the admin's word, assume-independent");
		} else {
			step_write(w, kind, "usable", "independent");
		}
	}
}
