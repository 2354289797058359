/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of security events to services: as the record has them, a turn of all of them, and how far they have come. */
#include "broker/engine/transmit.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"
#include "broker/engine/record.h"
#include "broker/engine/rows.h"
#include "broker/engine/transmit_state.h"

enum {
	NOTE_EVERY_MS = 1000,      /* how far streams have come is noted so often at most */
	NOTE_ROWS = 100000,        /* and after so many events of others, so that a restart has little to look through */
	CHANGES_BURST = 128,       /* of streams, before services are told to wait */
	CHANGE_EVERY_MS = 1000,    /* and one more is taken after so long */
	LOOK_EVERY_MS = 500,       /* for events of other brokers */
	WISH_VERSION = 1,
};

/* Numbers of a shared store's events are times: 128 us and ten bits of where. A minute of them. */
#define NOTE_SHARED (UINT64_C(60) * 1000000 / 128 << 10)

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
		transmit_rewind(e->transmit, r);
	else
		transmit_forward(e, r);
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
			transmit_rewind(t, r);
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

/* --- a turn --- */

void
transmit_run(struct engine *e)
{
	if (e->transmit->receivers == NULL) {
		transmit_caught_up(e);
		return;
	}
	lead(e);
	transmit_fill(e);
	transmit_caught_up(e);
	for (struct receiver *r = e->transmit->receivers; r != NULL; r = r->next)
		transmit_push(e, r);
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
	transmit_fill(e);
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
	return transmit_may_fill(e) ? 0 : due_ms;
}
