/* SPDX-License-Identifier: Apache-2.0 */
/* explain: what would be decided, rule by rule; by the daemon, or from the files alone. Nothing changes. */
#include "broker/ctl/explain.h"

#include <stdio.h>

#include "broker/ctl/call.h"
#include "broker/ctl/print.h"

enum { STEP_INDENT = 2, NOTE_INDENT = 6 }; /* blanks before a step, and before what belongs to it */

/* ACCOUNT SERVICE AMOUNT CURRENCY PAYEE */
static void
put_question(struct ctl *ctl, struct json_writer *w, char **args)
{
	call_put(w, "account", args[0]);
	call_put(w, "service", args[1]);
	call_put(w, "session", ctl->session);
	call_put(w, "link", ctl->link);
	call_put(w, "operation", ctl->operation);
	json_key(w, VIEW("payment"));
	json_object_begin(w);
	call_put(w, "id", ctl->payment == NULL ? "explain" : ctl->payment);
	call_put(w, "amount", args[2]);
	call_put(w, "currency", args[3]);
	json_key(w, VIEW("payee"));
	json_object_begin(w);
	call_put(w, "id", args[4]);
	json_object_end(w);
	json_object_end(w);
}

static void
print_mend(const struct ctl *ctl, struct bytes *text, uint32_t mend)
{
	uint32_t at = mend == 0 ? 0 : json_first(&ctl->doc, mend);
	unsigned count = mend == 0 ? 0 : ctl->doc.tokens[mend].count;

	for (unsigned i = 0; i < count; i++) {
		text->buf.len = 0;
		text_value(ctl, &text->buf, at);
		(void)printf("%s  %.*s\n", i == 0 ? "\nto make it pass:\n" : "", (int)text->buf.len,
		    (const char *)text->buf.data);
		at = json_next(&ctl->doc, at);
	}
}

/* --- steps --- */

struct widths {
	size_t rule, result;
};

static size_t
put_cell(struct ctl *ctl, struct buf *line, uint32_t step, const char *name, size_t width)
{
	size_t from = line->len, wide;

	text_escape(ctl, line, reply_text(ctl, step, name));
	wide = text_width(ctl, view_of((const char *)line->data + from, line->len - from));
	for (size_t i = wide; i < width; i++)
		buf_put_u8(line, ' ');
	return wide;
}

/* "      why: text", where the step has this member. */
static void
print_more(struct ctl *ctl, struct bytes *line, uint32_t step, const char *name, const char *before)
{
	if (reply_text(ctl, step, name).len == 0)
		return;
	line->buf.len = 0;
	(void)put_cell(ctl, &line->buf, step, name, 0);
	(void)printf("%*s%s%.*s\n", NOTE_INDENT, "", before, (int)line->buf.len, (const char *)line->buf.data);
}

/* "180.00 CNY of 200.00 CNY a day" */
static void
print_standing(struct ctl *ctl, struct bytes *line, uint32_t step)
{
	static const struct {
		const char *window, *text;
	} texts[] = {{"payment", " a payment"}, {"day", " a day"}, {"month", " a month"}, {"year", " a year"},
	    {"total", " in all"}, {"24h", " in 24 hours"}, {"stepup", " since the last countersignature"},
	    {"first-use", " to a new payee"}, {"count", " payments"}, {"drain", " within the drain's time"}};
	struct view window = reply_text(ctl, step, "window");

	if (reply_text(ctl, step, "limit").len == 0)
		return;
	line->buf.len = 0;
	(void)put_cell(ctl, &line->buf, step, "used", 0);
	buf_put_view(&line->buf, VIEW(" of "));
	(void)put_cell(ctl, &line->buf, step, "limit", 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (view_equal(window, view_str(texts[i].window)))
			buf_put_view(&line->buf, view_str(texts[i].text));
	(void)printf("%*s%.*s\n", NOTE_INDENT, "", (int)line->buf.len, (const char *)line->buf.data);
}

/* What begins another part of the answer, and the step itself where it says nothing else. */
static bool
print_heading(struct ctl *ctl, uint32_t step, bool *factors)
{
	struct view result = reply_text(ctl, step, "result");

	if (view_equal(result, VIEW("supposed")) && view_equal(reply_text(ctl, step, "rule"), VIEW("a countersignature"))) {
		(void)printf("\nwith a countersignature:\n");
		return true;
	}
	if (!*factors && (view_equal(result, VIEW("usable")) || view_equal(result, VIEW("unusable")))) {
		(void)printf("\nfactors of the account:\n");
		*factors = true;
	}
	return false;
}

static void
print_step(struct ctl *ctl, struct bytes *line, uint32_t step, const struct widths *widths)
{
	struct view result = reply_text(ctl, step, "result");
	const char *color = color_of(ctl, result);
	size_t to = 0;

	line->buf.len = 0;
	(void)put_cell(ctl, &line->buf, step, "rule", widths->rule);
	(void)printf("%*s%.*s  %s", STEP_INDENT, "", (int)line->buf.len, (const char *)line->buf.data, color);
	line->buf.len = 0;
	(void)put_cell(ctl, &line->buf, step, "result", widths->result);
	buf_put_view(&line->buf, VIEW("  "));
	(void)put_cell(ctl, &line->buf, step, "why", 0);
	for (to = line->buf.len; to > 0 && line->buf.data[to - 1] == ' '; to--)
		continue;
	(void)printf("%.*s%s\n", (int)to, (const char *)line->buf.data, color_off(ctl, color));
	print_standing(ctl, line, step);
	/* The stack as a whole gives the reason of a line above. */
	if (!view_equal(result, VIEW("success")) && !view_equal(reply_text(ctl, step, "rule"), VIEW("rule 9 stack")))
		print_more(ctl, line, step, "words", "");
	print_more(ctl, line, step, "note", "#: ");
	print_more(ctl, line, step, "records", "records ");
}

static void
print_steps(struct ctl *ctl, uint32_t steps, struct bytes *line)
{
	struct widths widths = {0};
	bool factors = false;
	unsigned count = ctl->doc.tokens[steps].count;
	uint32_t at = json_first(&ctl->doc, steps);

	for (unsigned i = 0; i < count; i++, at = json_next(&ctl->doc, at)) {
		size_t wide;

		line->buf.len = 0;
		wide = put_cell(ctl, &line->buf, at, "rule", 0);
		widths.rule = wide > widths.rule ? wide : widths.rule;
		wide = put_cell(ctl, &line->buf, at, "result", 0);
		widths.result = wide > widths.result ? wide : widths.result;
	}
	at = json_first(&ctl->doc, steps);
	for (unsigned i = 0; i < count; i++, at = json_next(&ctl->doc, at))
		if (!print_heading(ctl, at, &factors))
			print_step(ctl, line, at, &widths);
}

static void
print_answer(struct ctl *ctl, struct view outcome)
{
	struct view reason = reply_text(ctl, ctl->reply, "reason");
	uint32_t steps = reply_get(ctl, ctl->reply, "steps", JSON_ARRAY);
	const char *color = color_of(ctl, outcome);
	struct bytes text;

	bytes_init(&text, 2 * VARLINK_MESSAGE_MAX);
	(void)printf("%s", color);
	text_escape(ctl, &text.buf, outcome);
	(void)printf("%.*s%s (", (int)text.buf.len, (const char *)text.buf.data, color_off(ctl, color));
	text.buf.len = 0;
	text_escape(ctl, &text.buf, reason);
	(void)printf("%.*s)\n", (int)text.buf.len, (const char *)text.buf.data);
	if (steps != 0 && ctl->doc.tokens[steps].count > 0) {
		(void)printf("\n");
		print_steps(ctl, steps, &text);
	}
	print_mend(ctl, &text, reply_get(ctl, ctl->reply, "mend", JSON_ARRAY));
	bytes_clear(&text);
}

int
explain_print(struct ctl *ctl)
{
	struct view outcome = reply_text(ctl, ctl->reply, "outcome");

	if (ctl->json)
		print_json(ctl, ctl->reply, false);
	else
		print_answer(ctl, outcome);
	return view_equal(outcome, VIEW("permit")) ? CTL_OK : CTL_REFUSED;
}

static int
explain_daemon(struct ctl *ctl, char **args)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Explain", false);
	int rc;

	put_question(ctl, &w, args);
	rc = call_run(ctl, &w);
	return rc == CTL_OK ? explain_print(ctl) : rc;
}

static int
explain(struct ctl *ctl, char **args, int count)
{
	if (ctl->files) {
		if ((ctl->given & (OPTION_SESSION | OPTION_LINK | OPTION_PAYMENT)) != 0)
			return ctl_fail(ctl, CTL_USAGE, "explain --config supposes an account: it takes no session, link or "
			                                "payment; leave --config out to ask the daemon");
		if (count > 4)
			return ctl_fail(ctl, CTL_USAGE, "usage: countersignctl explain --config FILE SERVICE AMOUNT CURRENCY "
			                                "PAYEE; the account is supposed");
		return explain_files(ctl, args, count);
	}
	if ((ctl->given & OPTION_SUPPOSE) != 0)
		return ctl_fail(ctl, CTL_USAGE, "only explain --config FILE supposes a provider, factors, an allowance or what "
		                                "was spent; the daemon knows");
	if (count == 2 && ctl->payment != NULL && (ctl->given & (OPTION_SESSION | OPTION_LINK | OPTION_OPERATION)) == 0)
		return explain_payment(ctl, args);
	if (count != 5)
		return ctl_fail(ctl, CTL_USAGE, "usage: countersignctl explain ACCOUNT SERVICE AMOUNT CURRENCY PAYEE, "
		                                "explain --payment ID ACCOUNT SERVICE, or explain --config FILE SERVICE AMOUNT CURRENCY "
		                                "PAYEE");
	return explain_daemon(ctl, args);
}

enum {
	ASKED = OPTION_SESSION | OPTION_LINK | OPTION_OPERATION | OPTION_PAYMENT | OPTION_SUPPOSE,
};

const struct command explain_commands[] = {
	{"explain", NULL, "ACCOUNT SERVICE AMOUNT CURRENCY PAYEE", 1, 5, ASKED, "what would be decided, rule by rule",
	    explain},
	/* For the help: the noun finds the line above. */
	{"explain", NULL, "SERVICE AMOUNT CURRENCY PAYEE", 1, 4, ASKED, "the same with --config, without a daemon", explain},
	{"explain", NULL, "ACCOUNT SERVICE", 2, 2, ASKED, "with --payment: what was decided, and would be now", explain},
	{.noun = NULL},
};
