/* SPDX-License-Identifier: Apache-2.0 */
/* explain: what would be decided, rule by rule; by the daemon, or from the files alone. Nothing changes. */
#include "broker/ctl/explain.h"

#include <stdio.h>

#include "broker/ctl/call.h"
#include "broker/ctl/print.h"

static const char *const columns[] = {"rule", "result", "why", NULL};

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
		print_table(ctl, steps, columns, 0);
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
	if (count != 5)
		return ctl_fail(ctl, CTL_USAGE, "usage: countersignctl explain ACCOUNT SERVICE AMOUNT CURRENCY PAYEE, or "
		                                "explain --config FILE SERVICE AMOUNT CURRENCY PAYEE");
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
	{.noun = NULL},
};
