/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain --payment ID ACCOUNT SERVICE: a payment that was asked for. What was decided stands in the log with the evidence
 * that it rests on; what would be decided now is asked of the daemon, for another payment of the same amount and payee.
 */
#include <stdio.h>

#include "broker/ctl/call.h"
#include "broker/ctl/explain.h"
#include "broker/ctl/print.h"

enum { PAGE = 100, WORD_MAX = 600 /* more than a name or an id from outside takes */ };

/* What the newest event that told of it said of the payment; NUL-terminated, "" where it did not. */
struct asked_payment {
	char amount[WORD_MAX], currency[WORD_MAX], payee[WORD_MAX], payee_name[WORD_MAX], link[WORD_MAX];
	unsigned found;
};

/* The evidence, in this order; the rest stands in `events`. */
static const char *const evidence[] = {"basis", "factors", "notes", "seen_day", "seen_month", "seen_count", "limit", "used",
    "policy", "hold", "challenge"};

static void
keep(char to[WORD_MAX], struct view v)
{
	if (v.len > 0 && v.len < WORD_MAX)
		(void)snprintf(to, WORD_MAX, "%.*s", (int)v.len, v.data);
}

static void
print_evidence(struct ctl *ctl, struct bytes *text, uint32_t json)
{
	bool any = false;

	for (size_t i = 0; i < sizeof(evidence) / sizeof(evidence[0]); i++) {
		uint32_t value = json_get(&ctl->doc, json, view_str(evidence[i]));

		if (value == 0)
			continue;
		text->buf.len = 0;
		text_value(ctl, &text->buf, value);
		(void)printf("%s%s=%.*s", any ? " " : "      ", evidence[i], (int)text->buf.len, (const char *)text->buf.data);
		any = true;
	}
	if (any)
		(void)printf("\n");
}

static void
print_head(struct ctl *ctl, struct bytes *text, uint32_t event)
{
	static const char *const members[] = {"type", "outcome", "reason"};

	text->buf.len = 0;
	text_time(ctl, &text->buf, reply_text(ctl, event, "time"));
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		buf_put_view(&text->buf, VIEW("  "));
		text_escape(ctl, &text->buf, reply_text(ctl, event, members[i]));
	}
	(void)printf("  %.*s\n", (int)text->buf.len, (const char *)text->buf.data);
}

static void
take_event(struct ctl *ctl, struct bytes *text, struct asked_payment *p, uint32_t event, uint32_t json)
{
	if (ctl->json)
		(void)printf("%s", p->found > 0 ? ", " : "{\"recorded\": [");
	else if (p->found == 0)
		(void)printf("recorded:\n");
	p->found++;
	if (ctl->json) {
		print_json_value(ctl, event);
	} else {
		print_head(ctl, text, event);
		print_evidence(ctl, text, json);
	}
	keep(p->amount, reply_text(ctl, json, "amount"));
	keep(p->currency, reply_text(ctl, json, "currency"));
	keep(p->payee, reply_text(ctl, json, "payee"));
	keep(p->payee_name, reply_text(ctl, json, "payee_name"));
	keep(p->link, reply_text(ctl, json, "link"));
}

/* The events of one page that tell of this payment of this service. */
static void
take_page(struct ctl *ctl, struct bytes *text, struct asked_payment *p, const char *service)
{
	uint32_t events = reply_get(ctl, ctl->reply, "events", JSON_ARRAY);
	uint32_t at = events == 0 ? 0 : json_first(&ctl->doc, events);
	unsigned count = events == 0 ? 0 : ctl->doc.tokens[events].count;

	for (unsigned i = 0; i < count; i++, at = json_next(&ctl->doc, at)) {
		uint32_t json = reply_get(ctl, at, "json", JSON_OBJECT);

		if (json != 0 && view_equal(reply_text(ctl, json, "payment"), view_str(ctl->payment)) &&
		    view_equal(reply_text(ctl, at, "service"), view_str(service)))
			take_event(ctl, text, p, at, json);
	}
}

static int64_t
reply_next(struct ctl *ctl, int64_t after)
{
	uint32_t token = reply_get(ctl, ctl->reply, "next", JSON_NUMBER);
	int64_t next = after;

	return token != 0 && json_int(&ctl->doc, token, &next) == CS_OK && next > after ? next : after;
}

static int
read_log(struct ctl *ctl, struct bytes *text, struct asked_payment *p, char **args)
{
	for (int64_t after = 0, next = -1; next != after;) {
		struct json_writer w = call_begin(ctl, "org.countersign.Admin.Events", false);
		int rc;

		after = next < 0 ? 0 : next;
		json_member_int(&w, "after", after);
		json_member_int(&w, "limit", PAGE);
		call_put(&w, "account", args[0]);
		rc = call_run(ctl, &w);
		if (rc != CTL_OK)
			return rc;
		take_page(ctl, text, p, args[1]);
		next = reply_next(ctl, after);
	}
	return CTL_OK;
}

static int
ask_again(struct ctl *ctl, const struct asked_payment *p, char **args)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Explain", false);

	call_put(&w, "account", args[0]);
	call_put(&w, "service", args[1]);
	if (p->link[0] != '\0')
		call_put(&w, "link", p->link);
	json_key(&w, VIEW("payment"));
	json_object_begin(&w);
	call_put(&w, "id", "explain");
	call_put(&w, "amount", p->amount);
	call_put(&w, "currency", p->currency);
	json_key(&w, VIEW("payee"));
	json_object_begin(&w);
	call_put(&w, "id", p->payee);
	if (p->payee_name[0] != '\0')
		call_put(&w, "name", p->payee_name);
	json_object_end(&w);
	json_object_end(&w);
	return call_run(ctl, &w);
}

/* What was recorded is printed already. */
static int
print_now(struct ctl *ctl, int rc)
{
	if (!ctl->json) {
		(void)printf("%s", rc == CTL_OK ? "\nthe same asked now, as another payment beside it:\n" : "");
		return rc == CTL_OK ? explain_print(ctl) : rc;
	}
	(void)printf("], \"now\": ");
	if (rc == CTL_OK)
		print_json_value(ctl, ctl->reply);
	else
		(void)printf("null");
	(void)printf("}\n");
	return rc != CTL_OK ? rc : view_equal(reply_text(ctl, ctl->reply, "outcome"), VIEW("permit")) ? CTL_OK : CTL_REFUSED;
}

int
explain_payment(struct ctl *ctl, char **args)
{
	static struct asked_payment p;
	struct bytes text;
	int rc;

	bytes_init(&text, 2 * VARLINK_MESSAGE_MAX);
	rc = read_log(ctl, &text, &p, args);
	bytes_clear(&text);
	if (rc != CTL_OK)
		return rc;
	if (p.found == 0)
		return ctl_fail(ctl, CTL_NOT_FOUND, "no event of account %s tells of a payment %s of service %s", args[0],
		    ctl->payment, args[1]);
	if (p.amount[0] == '\0' || p.payee[0] == '\0')
		return print_now(ctl, ctl_fail(ctl, CTL_FAILED, "the log does not hold what was to be paid, so it cannot be asked "
		                                                "again"));
	return print_now(ctl, ask_again(ctl, &p, args));
}
