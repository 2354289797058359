/* SPDX-License-Identifier: Apache-2.0 */
/* explain: what the daemon would decide, rule by rule. Nothing changes. */
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
	bytes_clear(&text);
	if (steps != 0 && ctl->doc.tokens[steps].count > 0) {
		(void)printf("\n");
		print_table(ctl, steps, columns, 0);
	}
}

static int
explain(struct ctl *ctl, char **args, int count)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Explain", false);
	struct view outcome;
	int rc;

	(void)count;
	put_question(ctl, &w, args);
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	outcome = reply_text(ctl, ctl->reply, "outcome");
	if (ctl->json)
		print_json(ctl, ctl->reply, false);
	else
		print_answer(ctl, outcome);
	return view_equal(outcome, VIEW("permit")) ? CTL_OK : CTL_REFUSED;
}

const struct command explain_commands[] = {
	{"explain", NULL, "ACCOUNT SERVICE AMOUNT CURRENCY PAYEE", 5, 5,
	    OPTION_SESSION | OPTION_LINK | OPTION_OPERATION | OPTION_PAYMENT, "what would be decided, rule by rule",
	    explain},
	{.noun = NULL},
};
