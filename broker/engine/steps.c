/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the steps of a decision. */
#include "broker/engine/steps.h"

#include <stdio.h>

enum { STEP_TEXT_MAX = 256 };

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

void
steps_write(struct json_writer *w, const struct decision_trace *t, const struct steps_stack *s)
{
	const struct config_line *lines[TRACE_STEPS_MAX];
	char text[STEP_TEXT_MAX];

	steps_lines(t, s, lines);
	for (size_t i = 0; i < t->n; i++) {
		const struct trace_step *step = &t->steps[i];

		if (step->pass == 2 && (i == 0 || t->steps[i - 1].pass != 2))
			step_write(w, VIEW("a countersignature"), "supposed", "from here on");
		step_write(w, view_of(text, step_text(step, lines[i], text, sizeof(text))),
		    result_name((enum result)step->result),
		    step->reason == REASON_NONE ? "" : reason_name((enum reason)step->reason));
	}
}

void
steps_factors(struct json_writer *w, const struct asked *asked, const struct account *a, uint64_t provider)
{
	for (size_t i = 0; i < a->factors_n; i++) {
		const struct factor *f = &a->factors[i];
		struct view kind = view_str(factor_kind_name((enum factor_kind)f->kind));
		bool assumed = false;

		if (f->removed)
			continue;
		if (!factor_independent(asked, a, f, provider, &assumed))
			step_write(w, kind, "unusable", "not known to be independent of the provider");
		else if (f->usable_ms > asked->now_ms)
			step_write(w, kind, "unusable", "still cooling off");
		else if (f->locked_until_ms > asked->now_ms)
			step_write(w, kind, "unusable", "locked after wrong answers");
		else
			step_write(w, kind, "usable", assumed ? "independent by the admin's word" : "independent");
	}
}
