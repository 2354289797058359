/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal.ViewHistory: what happened in an account, for its owner: newest first, in pages. Steps that only lead to
 * something (proposals, single answers, sign-ins that ended) are left out. A page looks at HISTORY_ROWS_MAX events at most
 * and then says where to go on, whether it is full or not.
 */
#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/event_json.h"
#include "broker/engine/rows.h"
#include "broker/engine/view_acts.h"

enum {
	HISTORY_ENTRIES_MAX = 25,  /* of one page */
	HISTORY_ROWS_MAX = 400,
	HISTORY_BYTES_MAX = 48 * 1024,
	HISTORY_READ_MAX = 1024 * 1024,
};

struct view_history {
	struct view_call of;
	int64_t before;
	struct rows *rows;         /* once the store has given them; the call's end frees them */
};

static const struct json_field history_fields[] = {
	VIEW_CALL_FIELDS,
	{"before", JSON_F_INT, false, offsetof(struct view_history, before), 0, INT64_MAX},
	{0},
};

/* What people are told of, and in which word. */
static const char *
kind_of(const struct event *ev)
{
	switch ((enum event_type)ev->type) {
	case EVENT_PAYMENT_PERMITTED:
		return "payment";
	case EVENT_PAYMENT_RELEASED:
		return "payment_released";
	case EVENT_PAYMENT_EXPIRED:
		return "payment_expired";
	case EVENT_PAYMENT_REFUNDED:
		return "payment_refunded";
	case EVENT_DENIED:
		return ev->op == OP_SPEND ? "payment_denied" : NULL;
	case EVENT_CHALLENGE_OPENED:
		return "asked";
	case EVENT_CHALLENGE_REFUSED:
		return "refused";
	case EVENT_FACTOR_FAILED:
		return "wrong_answer";
	case EVENT_CHALLENGE_ANSWERED:
		if ((ev->flags & EVENT_FLAG_COMPLETE) == 0)
			return NULL;
		return ev->op == OP_LINK ? "linked" : ev->op == OP_GRANT ? "allowance_opened" : NULL;
	case EVENT_LINK_SUSPENDED:
		return "suspended";
	case EVENT_SIGNALLED:
		return ev->effects != 0 ? "signalled" : NULL;
	case EVENT_LINK_REVOKED:
		return "unlinked";
	case EVENT_LINK_REKEYED:
		return "link_moved";
	case EVENT_LINK_ATTESTED:
		return (ev->flags & EVENT_FLAG_LOWERED) != 0 ? "evidence_lowered" : NULL;
	case EVENT_ALLOWANCE_REVOKED:
		return "allowance_revoked";
	case EVENT_SESSION_OPENED:
		return "signed_in";
	case EVENT_LIMIT_SET:
		return ev->challenge_no != 0 ? "limit_raised" : "limit_set";
	case EVENT_FROZEN:
		return "frozen";
	case EVENT_THAWED:
		return "thawed";
	case EVENT_NOT_ME:
		return "not_me";
	case EVENT_FACTOR_ENROLLED:
		return "factor_added";
	case EVENT_FACTOR_REMOVED:
		return "factor_removed";
	case EVENT_FACTOR_UNLOCKED:
		return "factor_unlocked";
	case EVENT_VIEW_OPENED:
		return "viewed";
	default:
		return NULL;
	}
}

/* How a payment stands now, as long as the state has it. */
static const char *
payment_state(const struct account *a, const struct event *ev)
{
	static const char *const names[PAYMENT__STATES] = {[PAYMENT_HELD] = "held", [PAYMENT_CAPTURED] = "captured",
		[PAYMENT_RELEASED] = "released", [PAYMENT_EXPIRED] = "expired"};
	const struct payment *p = account_payment(a, &ev->payment);

	return p != NULL ? names[p->state] : (ev->flags & EVENT_FLAG_CAPTURE) != 0 ? "captured" : NULL;
}

static bool
has_factor_kind(const struct event *ev)
{
	return ev->type == EVENT_FACTOR_ENROLLED || ev->type == EVENT_FACTOR_REMOVED || ev->type == EVENT_FACTOR_FAILED ||
	    ev->type == EVENT_FACTOR_UNLOCKED;
}

static void
write_money(struct json_writer *w, const struct event *ev)
{
	if (ev->type == EVENT_LIMIT_SET || ev->amount_minor <= 0 || currency_get((uint16_t)ev->currency) == NULL)
		return;
	answer_amount(w, "amount", ev->amount_minor, (uint16_t)ev->currency);
	answer_currency(w, "currency", (uint16_t)ev->currency);
}

/* Of a limit all that was set; stored plus one, so that none is the empty field. */
static void
write_limit(struct json_writer *w, const struct event *ev)
{
	const struct {
		const char *name;
		int64_t minor;
	} sums[] = {{"per_payment", ev->per_payment_minor - 1}, {"per_day", ev->per_day_minor - 1},
	    {"per_month", ev->per_month_minor - 1}};

	if (ev->type != EVENT_LIMIT_SET || currency_get((uint16_t)ev->currency) == NULL)
		return;
	answer_currency(w, "currency", (uint16_t)ev->currency);
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		if (sums[i].minor >= 0)
			answer_amount(w, sums[i].name, sums[i].minor, (uint16_t)ev->currency);
	}
	if (ev->usable_ms > 0)
		answer_time(w, "effective_at", ev->usable_ms);
}

static void
write_entry(struct json_writer *w, const struct engine *e, const struct account *a, const struct event_row *row,
    const char *kind)
{
	static struct texts texts;
	const struct event *ev = &row->event;
	bool spoken = event_row_texts(e, row, &texts);
	const struct view none = view_of(NULL, 0);
	const char *state = ev->type == EVENT_PAYMENT_PERMITTED ? payment_state(a, ev) : NULL;

	json_object_begin(w);
	json_member_str(w, "kind", view_str(kind));
	answer_time(w, "at", ev->time_ms);
	if (ev->provider != 0)
		json_member_str(w, "title", view_str(view_provider_title(e, ev->provider)));
	if (ev->service != 0)
		json_member_str(w, "service", view_str(ruleset_service_name(e->rules, ev->service)));
	write_money(w, ev);
	write_limit(w, ev);
	json_member_str(w, "payee", !spoken ? none : texts.of[TEXT_PAYEE_NAME].data != NULL ? texts.of[TEXT_PAYEE_NAME] :
	    texts.of[TEXT_PAYEE_ID]);
	json_member_str(w, "label", spoken ? texts.of[TEXT_LABEL] : none);
	if (state != NULL)
		json_member_str(w, "state", view_str(state));
	if (ev->op > OP_NONE && ev->op < OP__COUNT)
		json_member_str(w, "op", view_str(op_name((enum op)ev->op)));
	if (has_factor_kind(ev) && ev->kind >= 0 && ev->kind < FACTOR__COUNT)
		json_member_str(w, "factor", view_str(factor_kind_name((enum factor_kind)ev->kind)));
	if (ev->type == EVENT_FROZEN || ev->type == EVENT_THAWED || ev->type == EVENT_LIMIT_SET)
		json_member_str(w, "author", view_str(author_name((enum author)ev->author)));
	if (ev->type == EVENT_DENIED) {
		json_member_str(w, "text_en", view_str(reason_text_en((enum reason)ev->reason)));
		json_member_str(w, "text_zh", view_str(reason_text_zh((enum reason)ev->reason)));
	}
	json_object_end(w);
}

/* Entries of the rows, as many as a page holds. What to go on below; 0: that was all. */
static uint64_t
write_entries(struct json_writer *w, const struct call *call, const struct account *a, const struct rows *rows)
{
	struct store_row row;
	size_t at = 0, entries = 0;

	while (rows_next(rows, &at, &row)) {
		struct event_row of = {.extra = row.extra, .account = a};
		const char *kind;

		memcpy(of.key.b, row.key.b, sizeof(of.key.b));
		if (event_decode(row.event, &of.event) != CS_OK || (kind = kind_of(&of.event)) == NULL)
			continue;
		write_entry(w, call->engine, a, &of, kind);
		if (++entries == HISTORY_ENTRIES_MAX || w->out->len - call->start >= HISTORY_BYTES_MAX)
			return row.seq;
	}
	return rows->next;
}

static void
answer_history(struct call *call, const struct account *a, const struct rows *rows)
{
	struct json_writer w = call_reply(call);
	uint64_t next = 0;

	json_key(&w, VIEW("entries"));
	json_array_begin(&w);
	if (rows->err == CS_OK)
		next = write_entries(&w, call, a, rows);
	json_array_end(&w);
	json_member_bool(&w, "unavailable", rows->err != CS_OK);
	json_member_int(&w, "offset_s", zone_offset_s(call->engine->rules->policy, call->engine->now.wall_ms));
	answer_time(&w, "now", call->engine->now.wall_ms);
	if (next != 0)
		json_member_int(&w, "next", (int64_t)next);
	call_end(call, &w);
}

static void
history_over(struct call *call, void *rows)
{
	(void)call;
	rows_free(rows);
}

static void
history_txn(struct txn *t, struct account *a, struct call *call)
{
	struct view_history *h = CALL_MEMORY_AS(struct view_history, call);

	(void)t;
	call_after(call, history_over, h->rows);
	if (view_call_here(call, a) != NULL)
		answer_history(call, a, h->rows);
}

/* The store answers at once or later: the call is held either way. */
static void
on_rows(void *ctx, struct rows *rows)
{
	struct call *call = ctx;
	struct view_history *h = CALL_MEMORY_AS(struct view_history, call);

	h->rows = rows;
	call_after(call, history_over, rows);
	txn_run_held(call->engine, &h->of.key, call, history_txn);
}

void
internal_view_history(struct call *call)
{
	const struct view_history *h;
	struct store_key key;
	struct rows_asked asked = {.scan = {.limit = HISTORY_ROWS_MAX, .key = &key, .back = true},
	    .keep_max = HISTORY_ROWS_MAX, .bytes_max = HISTORY_READ_MAX};

	if (!view_call_bind(call, history_fields, sizeof(struct view_history)))
		return;
	h = CALL_MEMORY_AS(struct view_history, call);
	memcpy(key.b, h->of.key.b, sizeof(key.b));
	asked.scan.after = (uint64_t)h->before;
	(void)rows_scan(call->engine, &asked, on_rows, call_hold(call));
}
