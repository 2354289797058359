/* SPDX-License-Identifier: Apache-2.0 */
/* States made of events: what a store calls when it opens a log, and what tools call that copy one. Knows no engine. */
#include <stdlib.h>
#include <string.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/core/apply.h"
#include "broker/engine/cold.h"
#include "broker/engine/engine.h"
#include "broker/engine/record_state.h"

/* What the event's extra bytes change in the cold state. */
static enum cs_err
cold_replay(struct buf *cold, struct view extra)
{
	struct bytes next;
	bool changed;
	enum cs_err err;

	bytes_init(&next, STORE_COLD_MAX);
	err = cold_apply(buf_view(cold), extra, &next.buf, &changed);
	if (err == CS_OK && changed) {
		cold->len = 0;
		buf_put_view(cold, buf_view(&next.buf));
	}
	bytes_clear(&next);
	return err == CS_OK && cold->full ? CS_ERR_FULL : err;
}

/* The broker's own record has a form of its own. */
static enum cs_err
replay_record(struct buf *hot, struct buf *cold, struct view event, struct view extra)
{
	struct record_state *s = calloc(1, sizeof(*s));
	struct event ev;
	struct hash h;
	enum cs_err err;

	CHECK(s != NULL);
	err = record_state_decode(buf_view(hot), s);
	if (err == CS_OK)
		err = event_decode(event, &ev);
	if (err == CS_OK && (!hash_equal(&ev.prev, &s->chain) || !record_state_apply(s, &ev)))
		err = CS_ERR_CORRUPT;
	if (err == CS_OK) {
		sha256(event, &h);
		s->chain = h;
		hot->len = 0;
		record_state_encode(s, hot);
		err = cold_replay(cold, extra);
	}
	free(s);
	return err;
}

static enum cs_err
replay_account(const struct store_key *key, uint64_t revision, struct buf *hot, struct buf *cold, struct view event,
    struct view extra)
{
	static struct account a;
	struct cursor c = cursor_over(extra.data, extra.len);
	struct extra_read item;
	struct apply_left left;
	struct event ev;
	struct bytes next;
	struct id id;
	enum cs_err err;
	bool changed;

	memcpy(id.b, key->b, sizeof(id.b));
	if (hot->len == 0)
		account_init(&a, &id);
	else if ((err = account_decode(buf_view(hot), &id, revision - 1, &a)) != CS_OK)
		return err;
	if ((err = event_decode(event, &ev)) != CS_OK)
		return err;
	while (extra_next(&c, &item)) {
		if (item.item == EXTRA_SALT)
			a.salt = item.id;
	}
	if (c.bad || !hash_equal(&ev.prev, &a.chain) || apply(&a, &ev, &left) != CS_OK || a.revision != revision)
		return CS_ERR_CORRUPT;
	sha256(event, &a.chain);
	hot->len = 0;
	account_encode(&a, hot);
	bytes_init(&next, STORE_COLD_MAX);
	err = cold_apply(buf_view(cold), extra, &next.buf, &changed);
	if (err == CS_OK && changed) {
		cold->len = 0;
		buf_put_view(cold, buf_view(&next.buf));
	}
	bytes_clear(&next);
	return err == CS_OK && (hot->full || cold->full) ? CS_ERR_FULL : err;
}

enum cs_err
engine_replay(void *ctx, const struct store_key *key, uint64_t revision, struct buf *hot, struct buf *cold,
    struct view event, struct view extra)
{
	static const struct store_key zero;

	(void)ctx;
	if (memcmp(key->b, zero.b, sizeof(zero.b)) == 0)
		return replay_record(hot, cold, event, extra);
	return replay_account(key, revision, hot, cold, event, extra);
}
