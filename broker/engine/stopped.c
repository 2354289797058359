/* SPDX-License-Identifier: Apache-2.0 */
/* Counting what "not me" stops, and saying it. */
#include "broker/engine/stopped.h"

#include "broker/core/money.h"
#include "broker/engine/answer.h"

static void
sum_hold(struct stopped *to, const struct payment *p)
{
	size_t n = sizeof(to->sums) / sizeof(to->sums[0]), i = 0;

	while (i < n && to->sums[i].currency != p->currency && to->sums[i].currency != CURRENCY_NONE)
		i++;
	if (i == n)
		return;
	to->sums[i].currency = p->currency;
	to->sums[i].minor = money_add(to->sums[i].minor, p->amount_minor);
}

void
stopped_count(const struct account *a, uint32_t link_no, int64_t now_ms, struct stopped *to)
{
	*to = (struct stopped){.link_no = link_no};
	for (size_t i = 0; i < a->payments_n; i++) {
		if (a->payments[i].state != PAYMENT_HELD || (link_no != 0 && a->payments[i].link_no != link_no))
			continue;
		to->holds++;
		sum_hold(to, &a->payments[i]);
	}
	for (size_t i = 0; i < a->allowances_n; i++) {
		const struct allowance *w = &a->allowances[i];

		to->allowances += w->state == ALLOWANCE_OPEN && w->expires_ms > now_ms &&
		    (link_no == 0 || w->link_no == link_no);
	}
	for (size_t i = 0; i < a->challenges_n; i++) {
		const struct challenge *c = &a->challenges[i];

		to->challenges += (c->state == CHALLENGE_OPEN || c->state == CHALLENGE_DONE) && c->expires_ms > now_ms &&
		    (link_no == 0 || c->link_no == link_no);
	}
	for (size_t i = 0; i < a->sessions_n; i++)
		to->sessions += link_no == 0 || a->sessions[i].link_no == link_no;
}

void
stopped_write(struct json_writer *w, const struct stopped *s)
{
	json_key(w, VIEW("stopped"));
	json_object_begin(w);
	json_member_int(w, "holds", s->holds);
	json_member_int(w, "allowances", s->allowances);
	json_member_int(w, "challenges", s->challenges);
	json_member_int(w, "sessions", s->sessions);
	json_key(w, VIEW("sums"));
	json_array_begin(w);
	for (size_t i = 0; i < sizeof(s->sums) / sizeof(s->sums[0]); i++) {
		if (s->sums[i].currency == CURRENCY_NONE)
			continue;
		json_object_begin(w);
		answer_amount(w, "amount", s->sums[i].minor, s->sums[i].currency);
		answer_currency(w, "currency", s->sums[i].currency);
		json_object_end(w);
	}
	json_array_end(w);
	json_object_end(w);
}
