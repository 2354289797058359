/* SPDX-License-Identifier: Apache-2.0 */
/* replay: the command. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/ctl/call.h"
#include "broker/ctl/check.h"
#include "broker/ctl/log_read.h"
#include "broker/ctl/replay.h"

enum { PAYEES_EACH = 64 }; /* as many as Admin.Payees takes */

/* The realm's own id of an account stands sealed in its events; the daemon opens it. */
static void
name_account(struct ctl *ctl, struct replay_account *a)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Events", false);
	uint32_t list, json;
	struct view name;

	json_member_int(&w, "after", (int64_t)a->first_seq - 1);
	json_member_int(&w, "limit", 1);
	if (call_run(ctl, &w) != CTL_OK || (list = reply_get(ctl, ctl->reply, "events", JSON_ARRAY)) == 0 ||
	    ctl->doc.tokens[list].count != 1)
		return;
	json = reply_get(ctl, json_first(&ctl->doc, list), "json", JSON_OBJECT);
	name = json == 0 ? VIEW("") : reply_text(ctl, json, "account");
	(void)snprintf(a->name, sizeof(a->name), "%.*s", (int)name.len, name.data);
}

/* Payees that a stack names are compared by digests that only the daemon's key makes. */
static int
name_payees(struct ctl *ctl, struct stack *s, uint16_t from, uint16_t n)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Payees", false);
	uint32_t list, at;
	int rc;

	json_key(&w, VIEW("payees"));
	json_array_begin(&w);
	for (uint16_t i = 0; i < n; i++)
		json_put_str(&w, s->id_texts[from + i]);
	json_array_end(&w);
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	list = reply_get(ctl, ctl->reply, "digests", JSON_ARRAY);
	if (list == 0 || ctl->doc.tokens[list].count != n)
		return ctl_fail(ctl, CTL_FAILED, "the daemon's answer has no digests of payees");
	at = json_first(&ctl->doc, list);
	for (uint16_t i = 0; i < n; i++, at = json_next(&ctl->doc, at))
		if (json_type(&ctl->doc, at) != JSON_STRING ||
		    hex_bytes(json_text(&ctl->doc, at), s->ids[from + i].b, sizeof(s->ids[0].b)) != sizeof(s->ids[0].b))
			return ctl_fail(ctl, CTL_FAILED, "the daemon gave a digest that is none");
	return CTL_OK;
}

static int
name_all_payees(struct ctl *ctl, const struct ruleset *rules)
{
	int rc = CTL_OK;

	for (uint16_t i = 0; rc == CTL_OK && i < rules->config->stack_count; i++) {
		struct stack *s = &rules->stacks[i];

		if (ctl->database != NULL && s->ids_n > 0) {
			(void)fprintf(stderr, "countersignctl: without the daemon no payee is known by its id: `payee id=` matches "
			    "none\n");
			return CTL_OK;
		}
		for (uint16_t at = 0; rc == CTL_OK && at < s->ids_n; at += PAYEES_EACH)
			rc = name_payees(ctl, s, at, s->ids_n - at < PAYEES_EACH ? (uint16_t)(s->ids_n - at) : PAYEES_EACH);
	}
	return rc;
}

/* --- the command --- */

static int
past_row(struct ctl *ctl, void *past, const struct log_row *row)
{
	return replay_past_event(past, ctl, row->seq, &row->key, row->revision, row->event);
}

static int
run(struct ctl *ctl, struct replay_tally *tally, const struct ruleset *rules)
{
	struct replay_past *past = replay_past_new(rules, tally);
	int rc = log_read(ctl, past_row, past, NULL);

	if (rc == CTL_OK)
		replay_past_end(past);
	replay_past_free(past);
	for (size_t i = 0; rc == CTL_OK && ctl->database == NULL && i < tally->listed_n; i++)
		name_account(ctl, &tally->listed[i]);
	return rc;
}

static int
replay(struct ctl *ctl, char **args, int count)
{
	static struct replay_tally tally;
	struct replay_report report = {.config = ctl->config, .tally = &tally,
	    .source = ctl->database != NULL ? ctl->database : ctl->socket};
	struct ruleset *rules = NULL;
	int rc = check_rules(ctl, &rules);

	(void)args, (void)count;
	if (rc != CTL_OK)
		return rc;
	rc = name_all_payees(ctl, rules);
	if (rc != CTL_OK) {
		ruleset_free(rules);
		return rc;
	}
	replay_tally_init(&tally);
	rc = run(ctl, &tally, rules);
	report.rules = rules;
	if (rc == CTL_OK && ctl->html != NULL)
		rc = replay_write_html(ctl, &report, ctl->html);
	if (rc == CTL_OK)
		(ctl->json ? replay_print_json : replay_print_text)(ctl, &report);
	replay_tally_clear(&tally);
	ruleset_free(rules);
	return rc;
}

const struct command replay_commands[] = {
	{"replay", NULL, "", 0, 0, OPTION_REPLAY | OPTION_DATABASE,
	    "what --config would have decided of all that was recorded", replay},
	{.noun = NULL},
};
