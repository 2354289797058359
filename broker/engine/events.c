/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin.Events and Events.Watch: the log in pages, and as it grows. A page is what one scan of the store gives: the rows
 * are copied, and only then is each one's account looked up, because its texts open with the account's own key alone.
 */
#include "broker/base/check.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/event_json.h"
#include "broker/engine/things.h"
#include "broker/engine/watch.h"

enum {
	PAGE_EVENTS = 100,            /* unless the caller says */
	PAGE_EVENTS_MAX = 1000,
	PAGE_ROWS_MAX = 4096,         /* looked at for one page, so that the loop goes on */
	PAGE_BYTES_MAX = 512 * 1024,  /* copied for one page; a message holds less */
	ROW_JSON_MAX = 48 * 1024,     /* one event, its texts at their longest and all escaped */
	PAGE_TAIL = 256,              /* of a message, for what follows the events */
};

struct listing {
	int64_t after, limit;
	struct view account;
	bool follow;
	bool one;                 /* of one account */
	struct store_key key;
};

/* One page as the store gave it. The store answers at once; rows that come later find `open` false. */
static struct page_rows {
	bool open, done;
	enum cs_err err;
	uint64_t next, seen;
	uint64_t service;         /* 0: all */
	struct bytes bytes;
	size_t n, max;
} rows;

/* --- gathering --- */

/* What any service may hear without having a part in it: its calls are about to be denied, or no longer. */
static bool
for_all_services(const struct event *ev)
{
	return ev->type == EVENT_BROKER_FROZEN || ev->type == EVENT_BROKER_THAWED ||
	    ev->type == EVENT_PROVIDER_FROZEN || ev->type == EVENT_PROVIDER_THAWED;
}

/* Power that was taken from an account, or given back: its services hear it, whoever did it. */
static bool
about_power(const struct event *ev)
{
	return ev->type == EVENT_FROZEN || ev->type == EVENT_THAWED || ev->type == EVENT_NOT_ME ||
	    ev->type == EVENT_LINK_SUSPENDED || ev->type == EVENT_LINK_RESUMED || ev->type == EVENT_LINK_REVOKED ||
	    ev->type == EVENT_LINK_REKEYED || (ev->type == EVENT_SIGNALLED && ev->effects != 0) ||
	    ev->type == EVENT_ACCOUNT_CLOSED || ev->type == EVENT_PAYMENT_EXPIRED;
}

static bool
keep_row(const struct store_row *row)
{
	struct event ev;

	if (rows.service == 0)
		return true;
	return event_decode(row->event, &ev) == CS_OK &&
	    (ev.service == rows.service || for_all_services(&ev) || about_power(&ev));
}

static bool
gather_row(void *ctx, const struct store_row *row)
{
	struct buf *b = &rows.bytes.buf;

	(void)ctx;
	if (!rows.open)
		return false;
	rows.seen++;
	if (!keep_row(row))
		return true;
	buf_put_u64(b, row->seq);
	buf_put(b, row->key.b, sizeof(row->key.b));
	buf_put_u64(b, row->revision);
	buf_put_lv(b, row->event);
	buf_put_lv(b, row->extra);
	rows.n++;
	return rows.n < rows.max && b->len < PAGE_BYTES_MAX;
}

static void
gather_done(void *ctx, enum cs_err err, uint64_t next)
{
	(void)ctx;
	if (!rows.open)
		return;
	rows.done = true;
	rows.err = err;
	rows.next = next;
}

/* Fills `rows`. CS_ERR_UNAVAILABLE where the store does not answer at once. */
static enum cs_err
gather(struct engine *e, const struct listing *l, uint64_t service)
{
	uint64_t after = (uint64_t)l->after;

	if (rows.bytes.buf.grow == NULL)
		bytes_init(&rows.bytes, 2 * PAGE_BYTES_MAX);
	rows.bytes.buf.len = 0;
	rows.n = 0;
	rows.seen = 0;
	rows.max = (size_t)l->limit;
	rows.service = service;
	do {
		struct store_scan scan = {.after = after, .limit = service == 0 ? (uint64_t)l->limit : PAGE_ROWS_MAX,
		    .key = l->one ? &l->key : NULL};

		rows.open = true;
		rows.done = false;
		store_scan(e->store, &scan, gather_row, gather_done, NULL);
		rows.open = false;
		if (!rows.done)
			return CS_ERR_UNAVAILABLE;
		if (rows.err != CS_OK)
			return rows.err;
		if (rows.next == after)
			break;
		after = rows.next;
	} while (rows.n == 0 && rows.seen < PAGE_ROWS_MAX);
	return rows.bytes.buf.full ? CS_ERR_FULL : CS_OK;
}

/* --- writing --- */

/* The account behind a row, as it is now; kept from row to row, since neighbours often share it. */
static struct owner {
	bool open, found;
	struct id key;
	struct account account;
	struct texts texts;
	struct view name;
	const struct keyring *keys;
} owner;

static void
owner_loaded(void *ctx, enum cs_err err, const struct store_record *record)
{
	(void)ctx;
	if (!owner.open || err != CS_OK)
		return;
	if (account_decode(record->hot, &owner.key, record->revision, &owner.account) != CS_OK)
		return;
	owner.found = true;
	owner.name = things_account(owner.keys, &owner.account, record->cold, &owner.texts);
}

static void
owner_load(struct engine *e, struct event_row *row)
{
	struct store_key key;

	row->account = NULL;
	row->name = view_of(NULL, 0);
	if (id_zero(&row->key))
		return;
	if (!owner.found || !id_equal(&owner.key, &row->key)) {
		owner.key = row->key;
		owner.found = false;
		owner.keys = e->keys;
		memcpy(key.b, row->key.b, sizeof(key.b));
		owner.open = true;
		store_load(e->store, &key, owner_loaded, NULL);
		owner.open = false;
	}
	if (!owner.found)
		return;
	row->account = &owner.account;
	row->name = owner.name;
}

/* Whether the service has had to do with the account: then a freeze of it is its business. */
static bool
has_part(const struct account *a, uint64_t service)
{
	bool part = false;

	for (size_t i = 0; i < a->payments_n; i++)
		part |= a->payments[i].service == service;
	for (size_t i = 0; i < a->sessions_n; i++)
		part |= a->sessions[i].service == service;
	for (size_t i = 0; i < a->challenges_n; i++)
		part |= a->challenges[i].service == service;
	for (size_t i = 0; i < a->allowances_n; i++)
		part |= a->allowances[i].service == service;
	return part;
}

static bool
row_is_for(const struct event_row *row, const struct caller *caller)
{
	if (caller->admin || row->event.service == caller->service || for_all_services(&row->event))
		return true;
	return row->account != NULL && ((caller->rights & RIGHT_LOOKUP) != 0 || has_part(row->account, caller->service));
}

static bool
next_row(struct cursor *c, struct event_row *row)
{
	struct view event;

	if (cursor_left(c) == 0)
		return false;
	row->seq = cursor_u64(c);
	cursor_get(c, row->key.b, sizeof(row->key.b));
	row->revision = cursor_u64(c);
	event = cursor_lv(c, STORE_EVENT_MAX);
	row->extra = cursor_lv(c, STORE_EXTRA_MAX);
	CHECK(!c->bad);
	if (event_decode(event, &row->event) != CS_OK)
		row->event = (struct event){.type = EVENT_NONE};
	return true;
}

/* The events of `rows` as far as the message holds them: how many. *next: what to go on after. */
static size_t
write_page(struct call *call, struct json_writer *w, uint64_t *next)
{
	static uint8_t scratch[ROW_JSON_MAX];
	struct cursor c = cursor_over(rows.bytes.buf.data, rows.bytes.buf.len);
	struct event_row row;
	size_t written = 0;

	*next = rows.next;
	owner.found = false;
	json_key(w, VIEW("events"));
	json_array_begin(w);
	while (next_row(&c, &row)) {
		struct buf b = buf_over(scratch, sizeof(scratch));
		struct json_writer one = json_to(&b);

		owner_load(call->engine, &row);
		if (!row_is_for(&row, &call->caller))
			continue;
		if (call->caller.admin)
			event_row_admin(&one, call->engine, &row);
		else
			event_row_service(&one, call->engine, &row);
		CHECK(!b.full);
		if (w->out->len - call->start + b.len + PAGE_TAIL > VARLINK_MESSAGE_MAX) {
			CHECK(written > 0);
			*next = row.seq - 1;
			break;
		}
		json_put_raw(w, buf_view(&b));
		written++;
	}
	json_array_end(w);
	json_member_int(w, "next", (int64_t)*next);
	return written;
}

static void
one_page(struct call *call, struct listing *l)
{
	struct json_writer w;
	uint64_t next;

	if (gather(call->engine, l, call->caller.service) != CS_OK) {
		call_unavailable(call, "store");
		return;
	}
	w = call_reply(call);
	write_page(call, &w, &next);
	call_end(call, &w);
}

/* Page after page; then waits, or ends with an empty one. */
static void
go_on(struct call *call)
{
	struct listing *l = CALL_MEMORY_AS(struct listing, call);
	struct json_writer w;
	uint64_t next;

	if (gather(call->engine, l, call->caller.service) != CS_OK) {
		call_unavailable(call, "store");
		return;
	}
	if (rows.next == (uint64_t)l->after && l->follow)
		return;
	if (rows.next == (uint64_t)l->after) {
		w = call_reply(call);
		write_page(call, &w, &next);
		call_end(call, &w);
		return;
	}
	w = call_reply_more(call);
	/* A page without events for this caller says nothing, not even that something happened. */
	if (write_page(call, &w, &next) > 0)
		call_end(call, &w);
	else
		w.out->len = call->start;
	l->after = (int64_t)next;
	watch_again(call->engine, call);
}

static void
list(struct call *call, struct listing *l)
{
	if (l->limit == 0)
		l->limit = PAGE_EVENTS;
	if (!call->more) {
		one_page(call, l);
		return;
	}
	call = call_hold(call);
	if (!watch_add(call->engine, call, NULL, go_on)) {
		call_too_many(call, "too many calls wait for events", 1000);
		call_release(call);
		return;
	}
	watch_again(call->engine, call);
}

void
admin_events(struct call *call)
{
	static const struct json_field fields[] = {
		{"after", JSON_F_INT, false, offsetof(struct listing, after), 0, INT64_MAX},
		{"limit", JSON_F_INT, false, offsetof(struct listing, limit), 1, PAGE_EVENTS_MAX},
		{"account", JSON_F_ID, false, offsetof(struct listing, account), 1, OUTSIDE_ID_MAX},
		{"follow", JSON_F_BOOL, false, offsetof(struct listing, follow), 0, 0},
		{0},
	};
	struct listing *l = CALL_MEMORY_AS(struct listing, call);
	struct id key;

	if (!call_bind(call, fields, l, sizeof(*l)))
		return;
	if (l->follow && !call->more) {
		call_invalid(call, "follow", "needs a call with \"more\"");
		return;
	}
	if (l->account.data != NULL) {
		key = account_key_of(call->engine, l->account);
		memcpy(l->key.b, key.b, sizeof(l->key.b));
		l->one = true;
	}
	list(call, l);
}

void
events_watch(struct call *call)
{
	static const struct json_field fields[] = {
		{"after", JSON_F_INT, false, offsetof(struct listing, after), 0, INT64_MAX},
		{"limit", JSON_F_INT, false, offsetof(struct listing, limit), 1, PAGE_EVENTS_MAX},
		{0},
	};
	struct listing *l = CALL_MEMORY_AS(struct listing, call);

	if (!call_bind(call, fields, l, sizeof(*l)))
		return;
	l->follow = true;
	list(call, l);
}
