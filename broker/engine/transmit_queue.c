/* SPDX-License-Identifier: Apache-2.0 */
/* What is due of each stream: from the log into the queues, and out of them. */
#include "broker/engine/transmit_queue.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/core/signal.h"
#include "broker/engine/rows.h"
#include "broker/engine/transmit_set.h"
#include "broker/engine/transmit_state.h"

enum {
	PAGE_ROWS = 1024,          /* of the log, in one scan */
	PAGES_A_TURN = 4,          /* so that the loop goes on */
	FOUND_MAX = 64,            /* events for receivers in one page: they are rare */
	TOLD_MAX = 3,              /* of one event */
	RETRY_SCAN_MS = 500,
	CATCH_UP_MS = 2000,
	PAGE_BYTES = 256 * 1024,
};

/* What was taken at the front leaves the queue; what did not fit into it comes in. */
static void
queue_tidy(struct engine *e, struct receiver *r)
{
	while (r->n > 0 && r->items[r->first].done) {
		r->first = (r->first + 1) % TRANSMIT_QUEUE;
		r->n--;
	}
	if (!r->behind || r->n > TRANSMIT_QUEUE / 2)
		return;
	r->behind = false;
	if (e->transmit->scanned > r->queued)
		e->transmit->scanned = r->queued;
	e->transmit->due = true;
}

void
transmit_rewind(struct transmit *t, struct receiver *r)
{
	r->first = r->n = 0;
	r->behind = false;
	r->queued = r->of.position;
	if (t->scanned > r->queued)
		t->scanned = r->queued;
	t->due = true;
	t->retry_ms = 0;
}

void
transmit_forward(struct engine *e, struct receiver *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct transmit_item *item = &r->items[(r->first + i) % TRANSMIT_QUEUE];

		if (item->seq != 0 && item->seq <= r->of.position)
			item->done = true;
	}
	if (r->queued < r->of.position)
		r->queued = r->of.position;
	queue_tidy(e, r);
}

/* --- from the log into the queues --- */

/* What is told of an event; how many. */
static size_t
told_of(const struct event *ev, uint8_t what[TOLD_MAX])
{
	switch (ev->type) {
	case EVENT_SIGNALLED:
		if ((ev->effects & SIGNAL_SUSPEND_LINK) == 0)
			return 0;
		/* fall through */
	case EVENT_LINK_SUSPENDED:
		what[0] = TRANSMIT_LINK_SUSPENDED;
		what[1] = TRANSMIT_SESSION_REVOKED;
		return 2;
	case EVENT_LINK_REVOKED:
		what[0] = TRANSMIT_LINK_REVOKED;
		what[1] = TRANSMIT_SESSION_REVOKED;
		return 2;
	case EVENT_NOT_ME:
		what[0] = TRANSMIT_NOT_ME;
		what[1] = TRANSMIT_SESSION_REVOKED;
		what[2] = TRANSMIT_CREDENTIAL_COMPROMISE;
		return 3;
	default:
		return 0;
	}
}

void
transmit_event(struct engine *e, struct view event)
{
	uint8_t what[TOLD_MAX];
	struct event ev;

	if (e->transmit->receivers != NULL && event_decode(event, &ev) == CS_OK && told_of(&ev, what) > 0)
		e->transmit->due = true;
}

static bool
is_told(void *ctx, const struct store_row *row)
{
	uint8_t what[TOLD_MAX];
	struct event ev;

	(void)ctx;
	return event_decode(row->event, &ev) == CS_OK && told_of(&ev, what) > 0;
}

static struct transmit_item *
queue_put(struct receiver *r, const struct transmit_item *item, uint8_t what)
{
	struct transmit_item *to = &r->items[(r->first + r->n++) % TRANSMIT_QUEUE];

	CHECK(r->n <= TRANSMIT_QUEUE);
	*to = *item;
	to->what = what;
	return to;
}

/* False: it does not fit. */
static bool
queue_row(struct receiver *r, const struct store_row *row, const struct event *ev)
{
	struct transmit_item item = {.seq = row->seq, .revision = row->revision, .time_ms = ev->time_ms,
	    .provider = ev->provider, .link_no = (uint32_t)ev->link_no, .reason = ev->reason, .author = (uint8_t)ev->author};
	uint8_t what[TOLD_MAX];
	size_t n = told_of(ev, what);

	/* All of it, or nothing: one place is kept for a verification. */
	if (TRANSMIT_QUEUE - r->n < TOLD_MAX + 1)
		return false;
	memcpy(item.key.b, row->key.b, sizeof(row->key.b));
	if (ev->type != EVENT_NOT_ME)
		item.link = ev->id;
	for (size_t k = 0; k < n; k++) {
		if (r->of.status != RECEIVER_DISABLED && (r->wanted >> what[k] & 1) != 0)
			queue_put(r, &item, what[k]);
	}
	r->queued = row->seq;
	return true;
}

static void
queue_rows(struct receiver *r, const struct rows *rows)
{
	struct store_row row;
	struct event ev;
	size_t at = 0;

	while (!r->behind && rows_next(rows, &at, &row)) {
		if (row.seq > r->queued && event_decode(row.event, &ev) == CS_OK)
			r->behind = !queue_row(r, &row, &ev);
	}
	if (!r->behind && rows->next > r->queued)
		r->queued = rows->next;
}

static void
filled(void *ctx, struct rows *rows)
{
	struct engine *e = ctx;
	struct transmit *t = e->transmit;

	t->scan = NULL;
	if (rows->err != CS_OK) {
		t->retry_ms = e->now.boot_ms + RETRY_SCAN_MS;
	} else if (rows->after == t->scanned) {
		/* Else somebody went back meanwhile. */
		for (struct receiver *r = t->receivers; r != NULL; r = r->next) {
			if (r->fed)
				queue_rows(r, rows);
		}
		t->due = rows->next != t->scanned;
		t->scanned = rows->next;
	}
	rows_free(rows);
}

bool
transmit_may_fill(const struct engine *e)
{
	const struct transmit *t = e->transmit;

	if (!t->due || t->scan != NULL || e->now.boot_ms < t->retry_ms)
		return false;
	for (const struct receiver *r = t->receivers; r != NULL; r = r->next) {
		if (r->fed)
			return true;
	}
	return false;
}

void
transmit_fill(struct engine *e)
{
	for (int i = 0; transmit_may_fill(e) && i < PAGES_A_TURN; i++) {
		const struct rows_asked asked = {.scan = {.after = e->transmit->scanned, .limit = PAGE_ROWS},
		    .keep_max = FOUND_MAX, .bytes_max = PAGE_BYTES, .no_extra = true, .keep = is_told};

		e->transmit->scan = rows_scan(e, &asked, filled, e);
	}
}

void
transmit_caught_up(struct engine *e)
{
	struct transmit *t = e->transmit;
	bool all = t->scan == NULL && !transmit_may_fill(e);

	for (struct catching **at = &t->catching; *at != NULL;) {
		struct catching *c = *at;

		if (!all && e->now.boot_ms < c->until_ms) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		c->done(e, c->ctx);
		free(c);
	}
}

void
transmit_catch_up(struct engine *e, transmit_looked_fn *done, void *ctx)
{
	struct catching *c = malloc(sizeof(*c));

	CHECK(c != NULL);
	*c = (struct catching){done, ctx, e->now.boot_ms + CATCH_UP_MS, e->transmit->catching};
	e->transmit->catching = c;
	if (e->store->ops->shared)
		e->transmit->due = true;
	transmit_fill(e);
	transmit_caught_up(e);
}

/* --- out of the queues --- */

const struct transmit_item *
transmit_waiting(const struct receiver *r, size_t n)
{
	return n < r->n ? &r->items[(r->first + n) % TRANSMIT_QUEUE] : NULL;
}

uint64_t
transmit_position(const struct receiver *r)
{
	if (!r->fed)
		return r->of.position;
	for (size_t i = 0; i < r->n; i++) {
		const struct transmit_item *item = transmit_waiting(r, i);

		if (item->seq != 0)
			return item->seq - 1;
	}
	return r->queued;
}

struct view
transmit_jti(const struct receiver *r, const struct transmit_item *item, char to[TRANSMIT_JTI_MAX])
{
	struct id_text event;
	struct id id = {{0}};
	char stream[32];
	int n;

	if (item->seq == 0) {
		struct view s = transmit_stream_id(&r->of.id, stream);

		n = snprintf(to, TRANSMIT_JTI_MAX, "ver_%.*s.%llu", (int)s.len, s.data, (unsigned long long)item->revision);
	} else {
		for (int i = 0; i < 8; i++)
			id.b[15 - i] = (uint8_t)(item->revision >> (8 * i));
		event = id_format(ID_EVENT, &item->key, &id);
		n = snprintf(to, TRANSMIT_JTI_MAX, "%.*s.%u", (int)event.len, event.data, (unsigned)item->what);
	}
	CHECK(n > 0 && n < TRANSMIT_JTI_MAX);
	return view_of(to, (size_t)n);
}

void
transmit_taken(struct engine *e, struct receiver *r, struct view jti, bool refused)
{
	char text[TRANSMIT_JTI_MAX];

	for (size_t i = 0; i < r->n; i++) {
		struct transmit_item *item = &r->items[(r->first + i) % TRANSMIT_QUEUE];

		if (item->done || !view_equal(transmit_jti(r, item, text), jti))
			continue;
		item->done = r->told = true;
		if (refused)
			log_warn("msg=\"a service refused a security event\" service=%s jti=%.*s",
			    ruleset_service_name(e->rules, r->of.service), (int)jti.len, jti.data);
		break;
	}
	queue_tidy(e, r);
}

bool
transmit_verify(struct engine *e, struct receiver *r, struct view state)
{
	struct transmit_item item = {.revision = r->verifications + 1, .time_ms = e->now.wall_ms};

	if (r->verified_ms != 0 && e->now.boot_ms - r->verified_ms < TRANSMIT_VERIFY_S * 1000)
		return false;
	/* The one before was not fetched in a minute: this one takes its place. */
	for (size_t i = 0; i < r->n; i++) {
		struct transmit_item *old = &r->items[(r->first + i) % TRANSMIT_QUEUE];

		if (old->seq == 0)
			old->done = true;
	}
	queue_tidy(e, r);
	if (r->n == TRANSMIT_QUEUE)
		return false;
	CHECK(state.len <= sizeof(r->state));
	if (state.len > 0)
		memcpy(r->state, state.data, state.len);
	r->state_len = state.len;
	r->verified_ms = e->now.boot_ms > 0 ? e->now.boot_ms : 1;
	r->verifications++;
	queue_put(r, &item, TRANSMIT_VERIFICATION);
	return true;
}
