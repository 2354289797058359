/* SPDX-License-Identifier: Apache-2.0 */
/* replay: the tally as text and as JSON. */
#include <stdio.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/core/money.h"
#include "broker/ctl/print.h"
#include "broker/ctl/replay.h"

enum { JSON_BYTES_MAX = 16 * 1024 * 1024, TEXT_REASONS = 15, TEXT_ACCOUNTS = 20 };

static const enum outcome order[] = {OUTCOME_PERMIT, OUTCOME_STEP_UP, OUTCOME_DENY};

/* --- text --- */

static void
print_escaped(const struct ctl *ctl, const char *text)
{
	struct bytes b;

	bytes_init(&b, 16 * REPLAY_NAME_MAX);
	text_escape(ctl, &b.buf, view_str(text));
	(void)fwrite(b.buf.data, 1, b.buf.len, stdout);
	bytes_clear(&b);
}

static void
print_matrix(const struct ctl *ctl, const char *title, const replay_matrix m)
{
	(void)printf("\n%s%-24s%s %12s %12s %12s\n", color_strong(ctl), title, color_off(ctl, color_strong(ctl)), "permit",
	    "step_up", "deny");
	for (int i = 0; i < 3; i++) {
		(void)printf("  recorded %-14s", outcome_name(order[i]));
		for (int j = 0; j < 3; j++) {
			const char *color = i != j && m[order[i]][order[j]] > 0 ? color_of(ctl,
			    view_str(outcome_name(order[j]))) : "";

			(void)printf(" %s%12llu%s", color, (unsigned long long)m[order[i]][order[j]], color_off(ctl, color));
		}
		(void)printf("\n");
	}
}

static void
print_money(const struct replay_tally *t)
{
	char text[32];
	bool any = false;

	for (size_t i = 0; i < t->money_n; i++) {
		const struct replay_money *m = &t->money[i];
		const struct currency *c = currency_get(m->currency);

		for (int k = 0; k < 9; k++) {
			enum outcome then = order[k / 3], now = order[k % 3];

			if (then == now || m->count[then][now] == 0)
				continue;
			if (!any)
				(void)printf("\nsums\n");
			any = true;
			(void)printf("  %-8s -> %-8s %8llu payments %16s %.3s\n", outcome_name(then), outcome_name(now),
			    (unsigned long long)m->count[then][now], replay_money_text(m->minor[then][now], m->currency, text),
			    c == NULL ? "?" : c->code);
		}
	}
}

static void
print_reasons(const struct replay_tally *t)
{
	if (t->reasons_n > 0)
		(void)printf("\nreasons\n");
	for (size_t i = 0; i < t->reasons_n && i < TEXT_REASONS; i++) {
		const struct replay_reason *r = &t->reasons[i];

		(void)printf("  %8llu  %-8s %s %s -> %s %s\n", (unsigned long long)r->count, replay_kind_name(r->kind),
		    outcome_name(reason_outcome((enum reason)r->then)), reason_name((enum reason)r->then),
		    outcome_name(reason_outcome((enum reason)r->now)), reason_name((enum reason)r->now));
	}
	if (t->reasons_n > TEXT_REASONS)
		(void)printf("  and %zu more kinds of difference; --json has them\n", t->reasons_n + t->reasons_left - TEXT_REASONS);
}

static void
print_accounts(const struct ctl *ctl, const struct replay_tally *t)
{
	char text[REPLAY_NAME_MAX];

	if (t->listed_n > 0)
		(void)printf("\naccounts\n");
	for (size_t i = 0; i < t->listed_n && i < TEXT_ACCOUNTS; i++) {
		(void)printf("  %8llu  ", (unsigned long long)t->listed[i].differ);
		print_escaped(ctl, replay_account_text(&t->listed[i], text));
		(void)printf("  (from event %llu)\n", (unsigned long long)t->listed[i].first_seq);
	}
	if (t->accounts_differ > TEXT_ACCOUNTS)
		(void)printf("  and %llu more accounts\n", (unsigned long long)(t->accounts_differ - TEXT_ACCOUNTS));
}

static uint64_t
all_differ(const struct replay_tally *t)
{
	uint64_t n = 0;

	for (unsigned k = 0; k < REPLAY_KINDS; k++)
		n += replay_differ(t->kinds[k]);
	return n;
}

static void
print_time(const struct ctl *ctl, int64_t ms)
{
	char text[CLOCK_TEXT_MAX];
	struct bytes b;

	clock_text(ms, text);
	bytes_init(&b, 256);
	text_time(ctl, &b.buf, view_str(text));
	(void)fwrite(b.buf.data, 1, b.buf.len, stdout);
	bytes_clear(&b);
}

void
replay_print_text(struct ctl *ctl, const struct replay_report *r)
{
	const struct replay_tally *t = r->tally;
	uint64_t differ = all_differ(t);

	(void)printf("%llu events of %llu accounts", (unsigned long long)t->events, (unsigned long long)t->accounts);
	if (t->events > 0) {
		(void)printf(", ");
		print_time(ctl, t->from_ms);
		(void)printf(" to ");
		print_time(ctl, t->to_ms);
	}
	(void)printf("\n%llu decisions, %llu of them by this very policy: %s%llu would have been others%s",
	    (unsigned long long)t->decisions, (unsigned long long)t->by_candidate, color_strong(ctl),
	    (unsigned long long)differ, color_off(ctl, color_strong(ctl)));
	if (t->reasons_differ > 0)
		(void)printf(", %llu the same for another reason", (unsigned long long)t->reasons_differ);
	(void)printf("\n");
	if (t->beginless > 0)
		(void)printf("%llu accounts are left out: the log does not have their beginning\n",
		    (unsigned long long)t->beginless);
	print_matrix(ctl, "payments: candidate", t->kinds[OP_SPEND]);
	for (unsigned k = 1; k < REPLAY_KINDS; k++) {
		char title[32];

		(void)snprintf(title, sizeof(title), "%s: candidate", replay_kind_name(k));
		if (k != OP_SPEND && replay_differ(t->kinds[k]) > 0)
			print_matrix(ctl, title, t->kinds[k]);
	}
	print_money(t);
	print_reasons(t);
	print_accounts(ctl, t);
	if (ctl->html != NULL) {
		(void)printf("\nreport: ");
		print_escaped(ctl, ctl->html);
		(void)printf("\n");
	}
}

/* --- JSON --- */

static void
put_matrix(struct json_writer *w, const replay_matrix m)
{
	for (int i = 0; i < 3; i++) {
		json_key(w, view_str(outcome_name(order[i])));
		json_object_begin(w);
		for (int j = 0; j < 3; j++)
			json_member_int(w, outcome_name(order[j]), (int64_t)m[order[i]][order[j]]);
		json_object_end(w);
	}
}

static void
put_operations(struct json_writer *w, const struct replay_tally *t)
{
	json_key(w, VIEW("operations"));
	json_array_begin(w);
	for (unsigned k = 1; k < REPLAY_KINDS; k++) {
		if (replay_sum(t->kinds[k]) == 0)
			continue;
		json_object_begin(w);
		json_member_str(w, "operation", view_str(replay_kind_name(k)));
		json_member_int(w, "decisions", (int64_t)replay_sum(t->kinds[k]));
		json_member_int(w, "differ", (int64_t)replay_differ(t->kinds[k]));
		json_key(w, VIEW("matrix"));
		json_object_begin(w);
		put_matrix(w, t->kinds[k]);
		json_object_end(w);
		json_object_end(w);
	}
	json_array_end(w);
}

static void
put_sums(struct json_writer *w, const struct replay_tally *t)
{
	char text[32];

	json_key(w, VIEW("sums"));
	json_array_begin(w);
	for (size_t i = 0; i < t->money_n * 9; i++) {
		const struct replay_money *m = &t->money[i / 9];
		const struct currency *c = currency_get(m->currency);
		enum outcome then = order[i % 9 / 3], now = order[i % 3];

		if (m->count[then][now] == 0)
			continue;
		json_object_begin(w);
		json_member_str(w, "currency", c == NULL ? VIEW("?") : view_of(c->code, 3));
		json_member_str(w, "recorded", view_str(outcome_name(then)));
		json_member_str(w, "candidate", view_str(outcome_name(now)));
		json_member_int(w, "count", (int64_t)m->count[then][now]);
		json_member_str(w, "amount", view_str(replay_money_text(m->minor[then][now], m->currency, text)));
		json_object_end(w);
	}
	json_array_end(w);
}

static void
put_reasons(struct json_writer *w, const struct replay_tally *t)
{
	json_key(w, VIEW("reasons"));
	json_array_begin(w);
	for (size_t i = 0; i < t->reasons_n; i++) {
		const struct replay_reason *r = &t->reasons[i];

		json_object_begin(w);
		json_member_str(w, "operation", view_str(replay_kind_name(r->kind)));
		json_member_str(w, "recorded", view_str(outcome_name(reason_outcome((enum reason)r->then))));
		json_member_str(w, "recorded_reason", view_str(reason_name((enum reason)r->then)));
		json_member_str(w, "candidate", view_str(outcome_name(reason_outcome((enum reason)r->now))));
		json_member_str(w, "candidate_reason", view_str(reason_name((enum reason)r->now)));
		json_member_int(w, "count", (int64_t)r->count);
		json_object_end(w);
	}
	json_array_end(w);
	json_member_int(w, "reasons_left", (int64_t)t->reasons_left);
}

static void
put_days(struct json_writer *w, const struct replay_tally *t)
{
	char text[16];

	json_key(w, VIEW("days"));
	json_array_begin(w);
	for (size_t i = 0; i < t->days_n; i++) {
		const struct replay_day *d = &t->days[i];

		replay_day_text(d->day, text);
		json_object_begin(w);
		json_member_str(w, "day", view_str(text));
		json_member_int(w, "payments", (int64_t)replay_sum(d->n));
		json_member_int(w, "tighter", (int64_t)replay_tighter(d->n));
		json_member_int(w, "looser", (int64_t)(replay_differ(d->n) - replay_tighter(d->n)));
		json_object_end(w);
	}
	json_array_end(w);
}

static void
put_services(struct json_writer *w, const struct replay_report *r)
{
	const struct replay_tally *t = r->tally;

	json_key(w, VIEW("services"));
	json_array_begin(w);
	for (size_t i = 0; i < t->services_n; i++) {
		json_object_begin(w);
		json_member_str(w, "service", view_str(replay_service_name(r->rules, t->services[i].tag)));
		json_key(w, VIEW("matrix"));
		json_object_begin(w);
		put_matrix(w, t->services[i].n);
		json_object_end(w);
		json_object_end(w);
	}
	json_array_end(w);
}

static void
put_accounts(struct json_writer *w, const struct replay_tally *t)
{
	char text[REPLAY_NAME_MAX];

	json_key(w, VIEW("accounts"));
	json_array_begin(w);
	for (size_t i = 0; i < t->listed_n; i++) {
		const struct replay_account *a = &t->listed[i];
		struct replay_account bare = {.key = a->key};

		json_object_begin(w);
		json_member_str(w, "key", view_str(replay_account_text(&bare, text)));
		if (a->name[0] != '\0')
			json_member_str(w, "account", view_str(a->name));
		json_member_int(w, "differ", (int64_t)a->differ);
		json_member_int(w, "tighter", (int64_t)a->tighter);
		json_member_int(w, "first_event", (int64_t)a->first_seq);
		json_object_end(w);
	}
	json_array_end(w);
	json_member_int(w, "accounts_differ", (int64_t)t->accounts_differ);
}

static void
put_time(struct json_writer *w, const char *name, int64_t ms)
{
	char text[CLOCK_TEXT_MAX];

	clock_text(ms, text);
	json_member_str(w, name, view_str(text));
}

void
replay_print_json(struct ctl *ctl, const struct replay_report *r)
{
	const struct replay_tally *t = r->tally;
	char policy[REPLAY_NAME_MAX];
	struct replay_account digest = {.key = r->rules->policy->digest};
	struct bytes b;
	struct json_writer w;

	(void)ctl;
	bytes_init(&b, JSON_BYTES_MAX);
	w = json_to(&b.buf);
	json_object_begin(&w);
	json_member_str(&w, "policy", view_str(replay_account_text(&digest, policy)));
	json_member_int(&w, "events", (int64_t)t->events);
	if (t->events > 0) {
		put_time(&w, "from", t->from_ms);
		put_time(&w, "to", t->to_ms);
	}
	json_member_int(&w, "decisions", (int64_t)t->decisions);
	json_member_int(&w, "by_this_policy", (int64_t)t->by_candidate);
	json_member_int(&w, "differ", (int64_t)all_differ(t));
	json_member_int(&w, "reasons_differ", (int64_t)t->reasons_differ);
	json_member_int(&w, "accounts_total", (int64_t)t->accounts);
	json_member_int(&w, "accounts_left_out", (int64_t)t->beginless);
	put_operations(&w, t);
	put_sums(&w, t);
	put_reasons(&w, t);
	put_days(&w, t);
	put_services(&w, r);
	put_accounts(&w, t);
	json_object_end(&w);
	CHECK(!b.buf.full);
	(void)fwrite(b.buf.data, 1, b.buf.len, stdout);
	(void)putchar('\n');
	bytes_clear(&b);
}
