/* SPDX-License-Identifier: Apache-2.0 */
/* Events as JSON. Every field that an event has is shown; event_fields.c says how. */
#include "broker/engine/event_json.h"

#include "broker/engine/answer.h"

struct id_text
event_row_id(const struct event_row *row)
{
	struct id id = {{0}};

	for (int i = 0; i < 8; i++)
		id.b[15 - i] = (uint8_t)(row->revision >> (8 * i));
	return id_format(ID_EVENT, &row->key, &id);
}

/* --- texts --- */

/* Those of the broker's own record are in the clear; an account's need its salt, and are gone once that is destroyed. */
bool
event_row_texts(const struct engine *e, const struct event_row *row, struct texts *t)
{
	struct cursor c = cursor_over(row->extra.data, row->extra.len);
	struct extra_read item;

	texts_init(t);
	while (extra_next(&c, &item)) {
		if (item.item != EXTRA_TEXT)
			continue;
		if (id_zero(&row->key)) {
			t->of[TEXT_REASON] = item.value;
			return true;
		}
		return row->account != NULL &&
		    texts_open(e->keys, &row->key, &row->account->salt, item.value, t) == CS_OK;
	}
	return false;
}

/* A card's amount stands beside the event's own, and an admin's words beside the reason: each has a name of its own. */
static const char *
text_member(enum text_kind kind)
{
	switch (kind) {
	case TEXT_REASON:
		return "words";
	case TEXT_AMOUNT:
		return "card_amount";
	case TEXT_CURRENCY:
		return "card_currency";
	default:
		return text_name(kind);
	}
}

static void
put_texts(struct json_writer *w, const struct engine *e, const struct event_row *row)
{
	struct texts t;

	if (row->name.len > 0)
		json_member_str(w, "account", row->name);
	if (!event_row_texts(e, row, &t))
		return;
	for (int i = 0; i < TEXT__COUNT; i++) {
		/* The event has a reason of its own; these are the admin's words. */
		if (i != TEXT_ACCOUNT)
			json_member_str(w, text_member((enum text_kind)i), t.of[i]);
	}
}

static void
put_head(struct json_writer *w, const struct event_row *row)
{
	struct id_text id = event_row_id(row);

	json_member_int(w, "seq", (int64_t)row->seq);
	json_member_str(w, "id", id_view(&id));
	answer_time(w, "time", row->event.time_ms);
	json_member_str(w, "type", view_str(event_type_name((enum event_type)row->event.type)));
}

/* What is written as nothing because its number is zero, where it says something all the same. */
static bool
zero_says(const struct event *ev, const char *name)
{
	switch ((enum event_type)ev->type) {
	case EVENT_FACTOR_ENROLLED:
	case EVENT_FACTOR_REMOVED:
	case EVENT_FACTOR_FAILED:
	case EVENT_FACTOR_UNLOCKED:
	case EVENT_CHALLENGE_ANSWERED:
	case EVENT_ALLOWANCE_PROPOSED:
		return strcmp(name, "kind") == 0;
	case EVENT_LIMIT_SET:
	case EVENT_FROZEN:
	case EVENT_THAWED:
	case EVENT_NOT_ME:
		return strcmp(name, "author") == 0;
	case EVENT_PAYMENT_PERMITTED:
		return strncmp(name, "seen_", 5) == 0;
	default:
		return false;
	}
}

void
event_row_admin(struct json_writer *w, const struct engine *e, const struct event_row *row)
{
	const struct event *ev = &row->event;

	json_object_begin(w);
	put_head(w, row);
	event_put_hex(w, "key", row->key.b, sizeof(row->key.b));
	json_member_int(w, "revision", (int64_t)row->revision);
	if (ev->reason != REASON_NONE) {
		json_member_str(w, "outcome", view_str(outcome_name(reason_outcome((enum reason)ev->reason))));
		json_member_str(w, "reason", view_str(reason_name((enum reason)ev->reason)));
	}
	if (ev->service != 0)
		json_member_str(w, "service", view_str(ruleset_service_name(e->rules, ev->service)));
	json_key(w, VIEW("json"));
	json_object_begin(w);
	put_texts(w, e, row);
	for (size_t i = 0; i < event_fields_n; i++) {
		if (!event_field_empty(ev, &event_fields[i]) || zero_says(ev, event_fields[i].name))
			event_put_field(w, e, row, &event_fields[i]);
	}
	event_put_hex(w, "prev", ev->prev.b, sizeof(ev->prev.b));
	json_object_end(w);
	json_object_end(w);
}

/* --- for services --- */

/* What the thing that the event is about has become. */
static const char *
state_after(const struct event *ev)
{
	switch ((enum event_type)ev->type) {
	case EVENT_PAYMENT_PERMITTED:
		return (ev->flags & EVENT_FLAG_CAPTURE) != 0 ? "captured" : "open";
	case EVENT_PAYMENT_CAPTURED:
	case EVENT_PAYMENT_REFUNDED:
		return "captured";
	case EVENT_PAYMENT_RELEASED:
		return "released";
	case EVENT_PAYMENT_EXPIRED:
		return "expired";
	case EVENT_CHALLENGE_OPENED:
		return "open";
	case EVENT_CHALLENGE_ANSWERED:
		return (ev->flags & EVENT_FLAG_COMPLETE) != 0 ? "done" : "open";
	case EVENT_CHALLENGE_REFUSED:
		return "refused";
	case EVENT_LINK_PROPOSED:
		return "proposed";
	case EVENT_LINK_SUSPENDED:
		return "suspended";
	case EVENT_SIGNALLED:
		return (ev->effects & SIGNAL_SUSPEND_LINK) != 0 ? "suspended" :
		    (ev->effects & SIGNAL_PAUSE_ALLOWANCES) != 0 ? "paused" : "active";
	case EVENT_LINK_RESUMED:
		return "active";
	case EVENT_LINK_REVOKED:
		return "revoked";
	default:
		return NULL;
	}
}

static void
put_things(struct json_writer *w, const struct event_row *row)
{
	const struct event *ev = &row->event;
	enum id_kind kind = event_id_kind((enum event_type)ev->type);
	const struct link *l = row->account == NULL ? NULL : account_link_by_no(row->account, (uint32_t)ev->link_no);

	if (kind == ID_CHALLENGE && !id_zero(&ev->id))
		event_put_id(w, "challenge", ID_CHALLENGE, row, &ev->id);
	if (kind == ID_LINK)
		event_put_id(w, "link", ID_LINK, row, &ev->id);
	else if (l != NULL)
		event_put_id(w, "link", ID_LINK, row, &l->id);
	if (!id_zero(&ev->payment))
		event_put_id(w, "hold", ID_HOLD, row, &ev->payment);
}

void
event_row_service(struct json_writer *w, const struct engine *e, const struct event_row *row)
{
	json_object_begin(w);
	put_head(w, row);
	if (row->name.len > 0)
		json_member_str(w, "account", row->name);
	if (row->event.reason != REASON_NONE)
		json_member_str(w, "reason", view_str(reason_name((enum reason)row->event.reason)));
	if (!id_zero(&row->key))
		put_things(w, row);
	if (id_zero(&row->key) && row->event.provider != 0)
		json_member_str(w, "provider", view_str(ruleset_provider_name(e->rules, row->event.provider)));
	if (row->event.type == EVENT_SIGNALLED && row->event.kind > SIGNAL_KIND_NONE && row->event.kind < SIGNAL_KIND__COUNT)
		json_member_str(w, "signal", view_str(signal_name((enum signal_kind)row->event.kind)));
	if (state_after(&row->event) != NULL)
		json_member_str(w, "state", view_str(state_after(&row->event)));
	json_object_end(w);
}
