/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of security events to services: their queues, and pushing. */
#include "broker/engine/transmit.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"
#include "broker/core/signal.h"
#include "broker/engine/record.h"
#include "broker/engine/rows.h"
#include "broker/engine/things.h"
#include "broker/engine/workers.h"

enum {
	PAGE_ROWS = 1024,          /* of the log, in one scan */
	PAGES_A_TURN = 4,          /* so that the loop goes on */
	FOUND_MAX = 64,            /* events for receivers in one page: they are rare */
	TOLD_MAX = 3,              /* of one event */
	RETRY_FIRST_MS = 1000,
	RETRY_MAX_MS = 5 * 60 * 1000,
	NOTE_EVERY_MS = 1000,      /* how far streams have come is noted so often at most */
	CHANGES_BURST = 128,       /* of streams, before services are told to wait */
	CHANGE_EVERY_MS = 1000,    /* and one more is taken after so long */
	NOTE_ROWS = 100000,        /* and after so many events of others, so that a restart has little to look through */
	LOOK_EVERY_MS = 500,       /* for events of other brokers */
	RETRY_SCAN_MS = 500,
	CATCH_UP_MS = 2000,
	PAGE_BYTES = 256 * 1024,
	WISH_VERSION = 1,
};

/* Numbers of a shared store's events are times: 128 us and ten bits of where. A minute of them. */
#define NOTE_SHARED (UINT64_C(60) * 1000000 / 128 << 10)

struct receiver {
	struct record_receiver of;
	bool fed;                  /* by this broker: it pushes, or is polled */
	bool looking;              /* the account of the event that is pushed next */
	bool kept;                 /* the record still has it */
	bool allowed;              /* the service is configured, with the right */
	unsigned wanted;
	char endpoint[TRANSMIT_ENDPOINT_MAX], header[TRANSMIT_HEADER_MAX];
	size_t endpoint_len, header_len;
	struct transmit_item items[TRANSMIT_QUEUE];
	size_t first, n;
	uint64_t queued;           /* of the log: all before it is in the queue or was */
	bool behind;               /* the queue was full: more is in the log */
	bool told;                 /* something was taken since its place was noted */
	char state[TRANSMIT_STATE_MAX]; /* of the verification that waits */
	size_t state_len;
	uint64_t verifications;
	int64_t verified_ms;       /* boot clock; 0: never */
	bool in_flight;
	uint64_t flight;           /* numbers pushes: an answer to another one is late */
	unsigned failures;
	int64_t next_try_ms;       /* boot clock */
	struct receiver *next;
};

struct catching {
	transmit_looked_fn *done;
	void *ctx;
	int64_t until_ms;          /* boot clock */
	struct catching *next;
};

struct transmit {
	struct receiver *receivers;
	uint64_t scanned;          /* of the log: all before it was looked at for every stream that is not behind */
	bool due;                  /* there may be more in the log */
	int64_t noted_ms;
	struct rows_scan *scan;    /* on its way */
	struct catching *catching; /* who waits until all of the log was looked at */
	bool leads;                /* as it was when receivers were fed last */
	int64_t looked_ms, retry_ms; /* boot clock */
	int64_t credit_ms, credit_boot_ms; /* for changes; of when: 0: none was asked for */
};

struct transmit *
transmit_new(bool leads)
{
	struct transmit *t = calloc(1, sizeof(*t));

	CHECK(t != NULL);
	t->leads = leads;
	return t;
}

static void
receiver_free(struct receiver *r)
{
	secret_wipe(r->header, sizeof(r->header));
	free(r);
}

void
transmit_free(struct transmit *t)
{
	if (t == NULL)
		return;
	rows_drop(t->scan);
	while (t->catching != NULL) {
		struct catching *c = t->catching;

		t->catching = c->next;
		free(c);
	}
	while (t->receivers != NULL) {
		struct receiver *r = t->receivers;

		t->receivers = r->next;
		receiver_free(r);
	}
	free(t);
}

/* --- what is stored of a stream --- */

static void
wish_place(const struct record_receiver *of, uint8_t to[32])
{
	memset(to, 0, 32);
	memcpy(to, "receiver", 8);
	memcpy(to + 8, &of->service, sizeof(of->service));
	memcpy(to + 16, of->id.b, sizeof(of->id.b));
}

void
transmit_wish_seal(const struct engine *e, const struct record_receiver *of, const struct transmit_wish *wish,
    struct buf *out)
{
	uint8_t plain[sizeof(wish->bytes)], place[32];
	struct buf b = buf_over(plain, sizeof(plain));

	buf_put_u8(&b, WISH_VERSION);
	buf_put_u8(&b, (uint8_t)wish->wanted);
	buf_put_lv(&b, wish->endpoint);
	buf_put_lv(&b, wish->header);
	buf_put_lv(&b, wish->description);
	CHECK(!b.full);
	wish_place(of, place);
	keyring_seal(e->keys, NULL, view_of(place, sizeof(place)), buf_view(&b), out);
	secret_wipe(plain, sizeof(plain));
}

enum cs_err
transmit_wish_open(const struct engine *e, const struct record_receiver *of, struct transmit_wish *to)
{
	struct view sealed = record_cold(e, &of->id);
	struct buf b = buf_over(to->bytes, sizeof(to->bytes));
	struct cursor c;
	uint8_t place[32];
	enum cs_err err = CS_ERR_CORRUPT;

	wish_place(of, place);
	if (sealed.data != NULL)
		err = keyring_open_sealed(e->keys, NULL, view_of(place, sizeof(place)), sealed, &b);
	if (err != CS_OK)
		return err;
	c = cursor_over(b.data, b.len);
	if (cursor_u8(&c) != WISH_VERSION)
		return CS_ERR_CORRUPT;
	to->wanted = cursor_u8(&c);
	to->endpoint = cursor_lv(&c, TRANSMIT_ENDPOINT_MAX);
	to->header = cursor_lv(&c, TRANSMIT_HEADER_MAX);
	to->description = cursor_lv(&c, TRANSMIT_DESCRIPTION_MAX);
	return c.bad ? CS_ERR_CORRUPT : CS_OK;
}

/* --- streams as the record has them --- */

struct receiver *
transmit_receiver(struct engine *e, uint64_t service)
{
	for (struct receiver *r = e->transmit->receivers; r != NULL; r = r->next) {
		if (r->of.service == service)
			return r;
	}
	return NULL;
}

static void queue_tidy(struct engine *e, struct receiver *r);

/* Begins anew at its place in the log. */
static void
receiver_rewind(struct transmit *t, struct receiver *r)
{
	r->first = r->n = 0;
	r->behind = false;
	r->queued = r->of.position;
	if (t->scanned > r->queued)
		t->scanned = r->queued;
	t->due = true;
	t->retry_ms = 0;
}

/* What another broker was told is taken. */
static void
receiver_forward(struct engine *e, struct receiver *r)
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

/* Whether the bytes are others than before. */
static bool
keep_text(char *to, size_t *len, struct view text)
{
	bool changed = *len != text.len || (text.len > 0 && memcmp(to, text.data, text.len) != 0);

	*len = text.len;
	if (text.len > 0)
		memcpy(to, text.data, text.len);
	return changed;
}

/* False: it cannot be read. */
static bool
receiver_wish(struct engine *e, struct receiver *r, bool *changed)
{
	struct transmit_wish wish;
	bool read = transmit_wish_open(e, &r->of, &wish) == CS_OK;

	if (read) {
		*changed = r->wanted != wish.wanted;
		r->wanted = wish.wanted;
		*changed |= keep_text(r->endpoint, &r->endpoint_len, wish.endpoint);
		*changed |= keep_text(r->header, &r->header_len, wish.header);
	}
	secret_wipe(wish.bytes, sizeof(wish.bytes));
	return read;
}

static void
receiver_take(struct engine *e, struct receiver *r, const struct record_receiver *of, bool is_new)
{
	const struct config_service *s = ruleset_service(e->rules, of->service);
	bool again = is_new || !id_equal(&r->of.id, &of->id) || r->of.status == RECEIVER_DISABLED || r->of.method != of->method;
	bool changed = false, was_allowed = r->allowed;
	unsigned wanted = r->wanted;

	changed = again || r->of.status != of->status;
	r->of = *of;
	r->kept = true;
	r->allowed = s != NULL && (s->rights & RIGHT_SIGNALS) != 0;
	r->fed = of->method == RECEIVER_POLL || e->view.leads;
	if (is_new)
		r->verifications = (uint64_t)e->now.wall_ms;
	if (!receiver_wish(e, r, &changed)) {
		if (is_new || was_allowed)
			log_error("msg=\"the stream of a service cannot be read; it stays still\" service=%s",
			    ruleset_service_name(e->rules, of->service));
		r->allowed = false;
	}
	if (changed) {
		r->failures = 0;
		r->next_try_ms = 0;
	}
	if (again || wanted != r->wanted)
		receiver_rewind(e->transmit, r);
	else
		receiver_forward(e, r);
}

/* Who pushes has changed: it begins where all before was delivered, or leaves that to the other. */
static void
lead(struct engine *e)
{
	struct transmit *t = e->transmit;

	if (t->leads == e->view.leads)
		return;
	t->leads = e->view.leads;
	for (struct receiver *r = t->receivers; r != NULL; r = r->next) {
		if (r->of.method != RECEIVER_PUSH)
			continue;
		r->fed = t->leads;
		if (r->fed)
			receiver_rewind(t, r);
		else
			r->first = r->n = 0;
	}
}

void
transmit_configure(struct engine *e)
{
	const struct record_state *s = record_state_of(e);
	struct transmit *t = e->transmit;

	for (struct receiver *r = t->receivers; r != NULL; r = r->next)
		r->kept = false;
	for (uint16_t i = 0; i < s->receivers_n; i++) {
		struct receiver *r = transmit_receiver(e, s->receivers[i].service);
		bool is_new = r == NULL;

		if (is_new) {
			r = calloc(1, sizeof(*r));
			CHECK(r != NULL);
			r->next = t->receivers;
			t->receivers = r;
			if (t->receivers->next == NULL)
				t->scanned = s->receivers[i].position;
		}
		receiver_take(e, r, &s->receivers[i], is_new);
	}
	for (struct receiver **at = &t->receivers; *at != NULL;) {
		struct receiver *r = *at;

		if (r->kept) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		receiver_free(r);
	}
}

bool
transmit_may_change(struct engine *e)
{
	struct transmit *t = e->transmit;
	const int64_t full_ms = (int64_t)CHANGES_BURST * CHANGE_EVERY_MS;

	t->credit_ms = t->credit_boot_ms == 0 ? full_ms : t->credit_ms + e->now.boot_ms - t->credit_boot_ms;
	t->credit_boot_ms = e->now.boot_ms > 0 ? e->now.boot_ms : 1;
	if (t->credit_ms > full_ms)
		t->credit_ms = full_ms;
	if (t->credit_ms < CHANGE_EVERY_MS)
		return false;
	t->credit_ms -= CHANGE_EVERY_MS;
	return true;
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

static bool
may_fill(const struct engine *e)
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

/* Looks at what is new in the log. */
static void
fill(struct engine *e)
{
	for (int i = 0; may_fill(e) && i < PAGES_A_TURN; i++) {
		const struct rows_asked asked = {.scan = {.after = e->transmit->scanned, .limit = PAGE_ROWS},
		    .keep_max = FOUND_MAX, .bytes_max = PAGE_BYTES, .no_extra = true, .keep = is_told};

		e->transmit->scan = rows_scan(e, &asked, filled, e);
	}
}

/* Those that have what they waited for, or have waited long enough. */
static void
caught_up(struct engine *e)
{
	struct transmit *t = e->transmit;
	bool all = t->scan == NULL && !may_fill(e);

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
	fill(e);
	caught_up(e);
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

/* --- the accounts behind events --- */

struct look {
	struct engine *engine;
	uint64_t service;
	struct id key;
	size_t most;
	bool asking, answered, failed;
	transmit_looked_fn *done;
	void *ctx;
};

static void look_on(struct look *l);

/* Of the account as it is now, for all its events. */
static void
look_put(struct look *l, const struct account *a, struct view name)
{
	struct receiver *r = transmit_receiver(l->engine, l->service);

	for (size_t i = 0; r != NULL && i < r->n; i++) {
		struct transmit_item *item = &r->items[(r->first + i) % TRANSMIT_QUEUE];
		const struct link *of = a == NULL ? NULL : account_link_by_no(a, item->link_no);

		if (item->seq == 0 || item->looked || !id_equal(&item->key, &l->key))
			continue;
		item->looked = true;
		item->erased = name.len == 0;
		item->name_len = (uint8_t)name.len;
		if (name.len > 0)
			memcpy(item->name, name.data, name.len);
		item->now_link = of != NULL ? of->id : (struct id){{0}};
		item->now_provider = of != NULL ? of->provider : 0;
	}
}

static void
look_loaded(void *ctx, enum cs_err err, const struct store_record *record)
{
	static struct account a;
	static struct texts texts;
	struct look *l = ctx;
	struct view name;

	if (err == CS_OK && account_decode(record->hot, &l->key, record->revision, &a) == CS_OK) {
		name = things_account(l->engine->keys, &a, record->cold, &texts);
		CHECK(name.len <= OUTSIDE_ID_MAX);
		look_put(l, &a, name);
	} else {
		l->failed = true;
	}
	l->answered = true;
	if (!l->asking)
		look_on(l);
}

static struct transmit_item *
look_next(const struct look *l)
{
	struct receiver *r = transmit_receiver(l->engine, l->service);
	size_t seen = 0;

	for (size_t i = 0; r != NULL && i < r->n && seen < l->most; i++) {
		struct transmit_item *item = &r->items[(r->first + i) % TRANSMIT_QUEUE];

		if (item->done)
			continue;
		seen++;
		if (item->seq != 0 && !item->looked)
			return item;
	}
	return NULL;
}

static void
look_on(struct look *l)
{
	struct transmit_item *item;
	struct store_key key;

	while (!l->failed && (item = look_next(l)) != NULL) {
		l->key = item->key;
		memcpy(key.b, l->key.b, sizeof(key.b));
		l->asking = true;
		l->answered = false;
		store_load(l->engine->store, &key, look_loaded, l);
		l->asking = false;
		if (!l->answered)
			return;
	}
	l->done(l->engine, l->ctx);
	free(l);
}

void
transmit_look(struct engine *e, struct receiver *r, size_t most, transmit_looked_fn *done, void *ctx)
{
	struct look *l = malloc(sizeof(*l));

	CHECK(l != NULL);
	*l = (struct look){.engine = e, .service = r->of.service, .most = most, .done = done, .ctx = ctx};
	look_on(l);
}

enum cs_err
transmit_set(struct engine *e, struct receiver *r, const struct transmit_item *item, struct buf *out)
{
	struct transmit_item *own = &r->items[item - r->items];
	char jti[TRANSMIT_JTI_MAX], stream[32];
	struct transmit_facts f = {.base = transmit_issuer(e), .jti = transmit_jti(r, item, jti),
	    .audience = view_str(ruleset_service_name(e->rules, r->of.service)),
	    .stream = transmit_stream_id(&r->of.id, stream), .state = view_of(r->state, r->state_len)};
	struct id_text link;
	struct id id = item->link;

	if (item->what == TRANSMIT_VERIFICATION) {
		transmit_set_write(e, item, &f, out);
		return CS_OK;
	}
	if (!item->looked)
		return CS_ERR_UNAVAILABLE;
	/* The next token looks again: an account may be erased in between. */
	own->looked = false;
	if (item->erased)
		return CS_ERR_NOT_FOUND;
	f.account = view_of(item->name, item->name_len);
	if (id_zero(&id))
		id = item->now_link;
	if (!id_zero(&id)) {
		link = id_format(ID_LINK, &item->key, &id);
		f.link = id_view(&link);
	}
	if (item->provider != 0 || item->now_provider != 0)
		f.provider = view_str(ruleset_provider_name(e->rules, item->provider != 0 ? item->provider : item->now_provider));
	transmit_set_write(e, item, &f, out);
	return out->full ? CS_ERR_FULL : CS_OK;
}

/* --- pushing --- */

struct flight {
	uint64_t service, number;
	char jti[TRANSMIT_JTI_MAX];
	size_t jti_len;
};

static void
push_failed(struct engine *e, struct receiver *r, struct view why)
{
	int64_t wait = RETRY_FIRST_MS;

	for (unsigned i = 0; i < r->failures && wait < RETRY_MAX_MS; i++)
		wait *= 2;
	if (wait > RETRY_MAX_MS)
		wait = RETRY_MAX_MS;
	r->failures++;
	r->next_try_ms = e->now.boot_ms + wait;
	log_warn("msg=\"a security event was not delivered; it is tried again\" service=%s why=%s tries=%u again_ms=%lld",
	    ruleset_service_name(e->rules, r->of.service), log_value(why), r->failures, (long long)wait);
}

static void
pushed(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct flight *f = ctx;
	struct receiver *r = transmit_receiver(e, f->service);

	/* The stream may be another by now: then the event is told again, with the same jti. */
	if (r != NULL && r->in_flight && r->flight == f->number) {
		r->in_flight = false;
		if (result->err == CS_OK || result->err == CS_ERR_DENIED) {
			r->failures = 0;
			transmit_taken(e, r, view_of(f->jti, f->jti_len), result->err == CS_ERR_DENIED);
		} else {
			push_failed(e, r, result->reason);
		}
	}
	free(f);
}

static void
push_send(struct engine *e, struct receiver *r, struct view name, struct view jti, struct view set)
{
	struct flight *f = calloc(1, sizeof(*f));
	struct bytes document, members;
	struct json_writer w;

	CHECK(f != NULL);
	*f = (struct flight){.service = r->of.service, .number = ++r->flight, .jti_len = jti.len};
	memcpy(f->jti, jti.data, jti.len);
	bytes_init(&document, WORKER_REQUEST_MAX);
	w = json_to(&document.buf);
	json_object_begin(&w);
	json_member_str(&w, "endpoint_url", view_of(r->endpoint, r->endpoint_len));
	if (r->header_len > 0)
		json_member_str(&w, "authorization_header", view_of(r->header, r->header_len));
	json_member_str(&w, "set", set);
	json_object_end(&w);
	bytes_init(&members, WORKER_REQUEST_MAX);
	w = json_to(&members.buf);
	json_object_begin(&w);
	json_member_str(&w, "id", jti);
	json_member_str(&w, "document", buf_view(&document.buf));
	json_member_int(&w, "now_ms", e->now.wall_ms);
	json_object_end(&w);
	CHECK(!members.buf.full && !document.buf.full);
	r->in_flight = true;
	workers_ask(e, name, "Deliver", view_of(members.buf.data + 1, members.buf.len - 2), pushed, f);
	secret_wipe(members.buf.data, members.buf.len);
	secret_wipe(document.buf.data, document.buf.len);
	bytes_clear(&members);
	bytes_clear(&document);
}

static bool
may_push(const struct engine *e, const struct receiver *r)
{
	return r->allowed && r->of.method == RECEIVER_PUSH && r->of.status == RECEIVER_ENABLED && !r->in_flight && !r->looking &&
	    r->n > 0 && e->now.boot_ms >= r->next_try_ms;
}

/* The next run pushes it; or the store is asked again after a while. */
static void
push_looked(struct engine *e, void *ctx)
{
	struct flight *f = ctx;
	struct receiver *r = transmit_receiver(e, f->service);

	if (r != NULL) {
		const struct transmit_item *item = transmit_waiting(r, 0);

		r->looking = false;
		if (item != NULL && item->seq != 0 && !item->looked)
			push_failed(e, r, VIEW("store"));
	}
	free(f);
}

static void
push_look(struct engine *e, struct receiver *r)
{
	struct flight *f = calloc(1, sizeof(*f));

	CHECK(f != NULL);
	f->service = r->of.service;
	r->looking = true;
	transmit_look(e, r, 1, push_looked, f);
}

/* One after the other, in their order. */
static void
push(struct engine *e, struct receiver *r)
{
	const struct config_service *s = ruleset_service(e->rules, r->of.service);
	uint8_t bytes[2 * TRANSMIT_SET_MAX];

	while (may_push(e, r)) {
		const struct transmit_item *item = transmit_waiting(r, 0);
		struct buf set = buf_over(bytes, sizeof(bytes));
		char text[TRANSMIT_JTI_MAX];
		struct view jti = transmit_jti(r, item, text);
		enum cs_err err;

		if (s->push != NULL && item->seq != 0 && !item->looked) {
			push_look(e, r);
			continue;
		}
		err = s->push == NULL ? CS_ERR_DENIED : transmit_set(e, r, item, &set);

		if (err == CS_OK)
			push_send(e, r, view_str(s->push), jti, buf_view(&set));
		else if (err == CS_ERR_NOT_FOUND)
			transmit_taken(e, r, jti, false);
		else
			push_failed(e, r, err == CS_ERR_DENIED ? VIEW("no push plugin is configured for it") : VIEW("store"));
	}
}

void
transmit_run(struct engine *e)
{
	if (e->transmit->receivers == NULL) {
		caught_up(e);
		return;
	}
	lead(e);
	fill(e);
	caught_up(e);
	for (struct receiver *r = e->transmit->receivers; r != NULL; r = r->next)
		push(e, r);
}

/* --- how far they have come --- */

static void
note_position(struct engine *e, struct receiver *r)
{
	struct event ev = {.type = EVENT_RECEIVER_SENT, .reason = REASON_ASKED, .service = r->of.service,
	    .count = (int64_t)transmit_position(r)};

	if (record_note(e, &ev, view_of(NULL, 0)))
		r->of.position = (uint64_t)ev.count;
}

/* Nothing is on its way and nothing was found: all of the log was looked at. */
static void
skip_to_end(struct engine *e)
{
	struct transmit *t = e->transmit;
	struct store_status status;

	if (t->due)
		return;
	if (e->store->ops->shared) {
		/* What other brokers commit is told to nobody here. */
		t->due = e->now.boot_ms - t->looked_ms >= LOOK_EVERY_MS;
		if (t->due)
			t->looked_ms = e->now.boot_ms;
		return;
	}
	store_status(e->store, &status);
	if (status.log_last < t->scanned + NOTE_ROWS)
		return;
	t->due = true;
	fill(e);
}

int64_t
transmit_tick(struct engine *e)
{
	struct transmit *t = e->transmit;
	uint64_t note_rows = e->store->ops->shared ? NOTE_SHARED : NOTE_ROWS;
	int64_t due_ms = INT64_MAX;

	if (t->receivers == NULL) {
		transmit_run(e);
		return due_ms;
	}
	skip_to_end(e);
	transmit_run(e);
	for (struct receiver *r = t->receivers; r != NULL; r = r->next) {
		uint64_t position = transmit_position(r);
		bool worth_it = (r->told && position > r->of.position) || position >= r->of.position + note_rows;

		if (r->fed && worth_it && e->now.boot_ms - t->noted_ms >= NOTE_EVERY_MS) {
			note_position(e, r);
			r->told = false;
			t->noted_ms = e->now.boot_ms;
		}
		if (r->next_try_ms > e->now.boot_ms && r->next_try_ms - e->now.boot_ms < due_ms)
			due_ms = r->next_try_ms - e->now.boot_ms;
	}
	return may_fill(e) ? 0 : due_ms;
}
