/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin.Events and Events.Watch: the log in pages, and as it grows. A page is what a scan of the store gives: the rows
 * are copied, and only then is each one's account looked up, because its texts open with the account's own key alone. The
 * store may answer each of that later: the page is put together meanwhile, and the call may go.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/event_json.h"
#include "broker/engine/rows.h"
#include "broker/engine/things.h"
#include "broker/engine/watch.h"

enum {
	PAGE_EVENTS = 100,            /* unless the caller says */
	PAGE_EVENTS_MAX = 1000,
	PAGE_ROWS_MAX = 4096,         /* looked at for one page, so that the loop goes on */
	PAGE_BYTES_MAX = 512 * 1024,  /* copied for one page; a message holds less */
	ROW_JSON_MAX = 48 * 1024,     /* one event, its texts at their longest and all escaped */
	PAGE_TAIL = 512,              /* of a message, for what stands around the events */
};

struct listing {
	int64_t after, limit;
	struct view account;
	bool follow;
	bool one;                 /* of one account */
	struct store_key key;
	struct page *page;        /* of a watch, while it is put together or waits to be told; or NULL */
};

/* --- whose business a row is --- */

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

/* A page on its way. */
struct page {
	struct engine *engine;
	struct call *call;        /* held, to be answered; NULL: a watch looks when it is done, or is gone */
	uint64_t number;          /* of the watch's call */
	struct caller caller;
	uint64_t after, limit;
	bool one;
	struct store_key key;
	struct rows *rows;
	size_t at, seen;          /* in rows; of all scans */
	struct event_row row;     /* whose account is being looked up */
	bool looking, asking;     /* that is so; it is being asked for at this moment */
	struct bytes text;        /* of the events, with a comma before each but the first */
	size_t written;
	uint64_t next;
	enum cs_err err;
	bool done, gone, missed;  /* told of more meanwhile */
};

static void page_scan(struct page *p);

static bool
keep_row(void *ctx, const struct store_row *row)
{
	const struct page *p = ctx;
	struct event ev;

	if (p->caller.service == 0)
		return true;
	return event_decode(row->event, &ev) == CS_OK &&
	    (ev.service == p->caller.service || for_all_services(&ev) || about_power(&ev));
}

static void
page_free(struct page *p)
{
	rows_free(p->rows);
	bytes_clear(&p->text);
	free(p);
}

/* --- writing --- */

/* The account behind a row, as it is now; kept from row to row, since neighbours often share it. */
static struct owner {
	bool found;
	struct id key;
	struct account account;
	struct texts texts;
	struct view name;
} owner;

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

static void
row_read(const struct store_row *row, struct event_row *to)
{
	*to = (struct event_row){.seq = row->seq, .revision = row->revision, .extra = row->extra};
	memcpy(to->key.b, row->key.b, sizeof(to->key.b));
	if (event_decode(row->event, &to->event) != CS_OK)
		to->event = (struct event){.type = EVENT_NONE};
}

/* False: the message holds no more. */
static bool
row_write(struct page *p)
{
	static uint8_t scratch[ROW_JSON_MAX];
	struct buf b = buf_over(scratch, sizeof(scratch));
	struct json_writer one = json_to(&b);
	bool known = owner.found && !id_zero(&p->row.key) && id_equal(&owner.key, &p->row.key);

	p->row.account = known ? &owner.account : NULL;
	p->row.name = known ? owner.name : view_of(NULL, 0);
	if (!row_is_for(&p->row, &p->caller))
		return true;
	if (p->caller.admin)
		event_row_admin(&one, p->engine, &p->row);
	else
		event_row_service(&one, p->engine, &p->row);
	CHECK(!b.full);
	if (p->text.buf.len + b.len + PAGE_TAIL > VARLINK_MESSAGE_MAX) {
		CHECK(p->written > 0);
		p->next = p->row.seq - 1;
		return false;
	}
	if (p->written++ > 0)
		buf_put_u8(&p->text.buf, ',');
	buf_put_view(&p->text.buf, buf_view(&b));
	return true;
}

static void tell(struct page *p);

static void
page_done(struct page *p, enum cs_err err)
{
	struct call *watcher;

	p->err = err;
	p->done = true;
	if (p->call != NULL) {
		tell(p);
		return;
	}
	watcher = p->gone ? NULL : watch_find(p->engine, p->number);
	if (watcher != NULL)
		watch_again(p->engine, watcher);
	else
		page_free(p);
}

static void page_write(struct page *p);

static void
owner_loaded(void *ctx, enum cs_err err, const struct store_record *record)
{
	struct page *p = ctx;

	p->looking = false;
	owner.key = p->row.key;
	owner.found = err == CS_OK && account_decode(record->hot, &owner.key, record->revision, &owner.account) == CS_OK;
	if (owner.found)
		owner.name = things_account(p->engine->keys, &owner.account, record->cold, &owner.texts);
	if (p->asking)
		return;
	if (row_write(p))
		page_write(p);
	else
		page_done(p, CS_OK);
}

/* Row after row, until an account has to be waited for. */
static void
page_write(struct page *p)
{
	struct store_row row;

	while (rows_next(p->rows, &p->at, &row)) {
		row_read(&row, &p->row);
		if (!id_zero(&p->row.key) && (!owner.found || !id_equal(&owner.key, &p->row.key))) {
			p->looking = p->asking = true;
			store_load(p->engine->store, &row.key, owner_loaded, p);
			p->asking = false;
			if (p->looking)
				return;
		}
		if (!row_write(p))
			break;
	}
	page_done(p, CS_OK);
}

/* --- gathering --- */

static void
page_rows(void *ctx, struct rows *rows)
{
	struct page *p = ctx;
	bool more = rows->err == CS_OK && rows->n == 0 && rows->next != rows->after;

	rows_free(p->rows);
	p->rows = rows;
	p->next = rows->next;
	p->seen += rows->seen;
	if (rows->err != CS_OK) {
		page_done(p, rows->err);
	} else if (more && p->seen < PAGE_ROWS_MAX && !p->gone) {
		p->after = rows->next;
		page_scan(p);
	} else {
		/* What others looked up meanwhile may be older than this page. */
		owner.found = false;
		page_write(p);
	}
}

static void
page_scan(struct page *p)
{
	const struct rows_asked asked = {.scan = {.after = p->after,
	    .limit = p->caller.service == 0 ? p->limit : PAGE_ROWS_MAX, .key = p->one ? &p->key : NULL},
	    .keep_max = p->limit, .bytes_max = PAGE_BYTES_MAX, .keep = keep_row};

	/* The page may be told, and gone, when this returns. */
	(void)rows_scan(p->engine, &asked, page_rows, p);
}

static struct page *
page_new(struct call *call, const struct listing *l)
{
	struct page *p = calloc(1, sizeof(*p));

	CHECK(p != NULL);
	*p = (struct page){.engine = call->engine, .number = call->number, .caller = call->caller,
	    .after = (uint64_t)l->after, .limit = (uint64_t)l->limit, .one = l->one, .key = l->key};
	bytes_init(&p->text, VARLINK_MESSAGE_MAX);
	return p;
}

static void
write_page(const struct page *p, struct json_writer *w)
{
	json_key(w, VIEW("events"));
	json_array_begin(w);
	if (p->text.buf.len > 0)
		json_put_raw(w, buf_view(&p->text.buf));
	json_array_end(w);
	json_member_int(w, "next", (int64_t)p->next);
}

/* To who asked for one page. */
static void
tell(struct page *p)
{
	struct call *call = p->call;
	struct json_writer w;

	if (p->err != CS_OK) {
		call_unavailable(call, "store");
	} else {
		w = call_reply(call);
		write_page(p, &w);
		call_end(call, &w);
	}
	call_release(call);
	page_free(p);
}

/* The watch goes, with a page on its way or not told. */
static void
watch_ends(struct call *call, void *ctx)
{
	struct page *p = ctx;

	(void)call;
	p->gone = true;
	if (p->done)
		page_free(p);
}

/* What is there is told. */
static void
tell_watcher(struct call *call, struct listing *l)
{
	struct page *p = l->page;
	bool empty = p->err == CS_OK && p->next == (uint64_t)l->after;
	struct json_writer w;

	l->page = NULL;
	call_after(call, NULL, NULL);
	if (p->err != CS_OK) {
		call_unavailable(call, "store");
	} else if (empty && !l->follow) {
		w = call_reply(call);
		write_page(p, &w);
		call_end(call, &w);
	} else if (p->written > 0) {
		/* A page without events for this caller says nothing, not even that something happened. */
		w = call_reply_more(call);
		write_page(p, &w);
		call_end(call, &w);
	}
	if (!call->answered) {
		l->after = (int64_t)p->next;
		if (!empty || p->missed)
			watch_again(call->engine, call);
	}
	page_free(p);
}

/* Page after page; then waits, or ends with an empty one. */
static void
go_on(struct call *call)
{
	struct listing *l = CALL_MEMORY_AS(struct listing, call);

	if (l->page != NULL && !l->page->done) {
		l->page->missed = true;
		return;
	}
	if (l->page == NULL) {
		l->page = page_new(call, l);
		call_after(call, watch_ends, l->page);
		page_scan(l->page);
	}
	if (l->page->done)
		tell_watcher(call, l);
}

static void
list(struct call *call, struct listing *l)
{
	if (l->limit == 0)
		l->limit = PAGE_EVENTS;
	l->page = NULL;
	if (!call->more) {
		struct page *p = page_new(call, l);

		p->call = call_hold(call);
		page_scan(p);
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
