/* SPDX-License-Identifier: Apache-2.0 */
/* Loads and payments. A record that is remembered is given at once: what rests on it is proven by its commit. */
#include <hiredis/hiredis.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/store/record.h"
#include "broker/store/redis/redis_int.h"

static const struct store_key zero_key;

/* A value of an answer of read.lua; false where there is none. */
static bool
answer_value(const struct redisReply *r, size_t i, struct view *out)
{
	if (i >= r->elements || r->element[i]->type != REDIS_REPLY_STRING)
		return false;
	*out = view_of(r->element[i]->str, (size_t)r->element[i]->len);
	return true;
}

/* Reads what read.lua gives; CS_OK: the values are there. The call goes on or ends otherwise. */
static bool
read_succeeded(struct call *call, enum cs_err err, const struct fleet_reply *r)
{
	long long code = err == CS_OK ? answer_code(r->value) : 0;

	if (code == ANSWER_DONE && call_holds(call))
		return true;
	if (code == ANSWER_SUSPECT)
		tenure_doubt(call->s->tenure, layout_bucket(&call->key));
	if (err == CS_OK || err == CS_ERR_UNAVAILABLE || err == CS_ERR_UNKNOWN)
		call_later(call, CS_ERR_UNAVAILABLE);
	else
		call_finish(call, err == CS_ERR_CORRUPT ? CS_ERR_CORRUPT : CS_ERR_UNAVAILABLE);
	return false;
}

static enum cs_err
entry_read(struct call *call, const struct redisReply *r)
{
	struct view hot_bytes, cold_bytes, cold = view_of(NULL, 0);
	struct layout_hot hot;
	enum cs_err err;

	if (!answer_value(r, 1, &hot_bytes))
		return CS_ERR_NOT_FOUND;
	err = layout_get_hot(hot_bytes, &call->key, &hot);
	if (err != CS_OK)
		return CS_ERR_CORRUPT;
	if (memcmp(call->key.b, zero_key.b, sizeof(zero_key.b)) == 0)
		call->s->zero_held = hot.held;
	if (hot.held)
		return CS_ERR_UNAVAILABLE;
	if (hot.cold_revision > 0 &&
	    (!answer_value(r, 2, &cold_bytes) || layout_get_cold(cold_bytes, &call->key, hot.cold_revision, &cold) != CS_OK))
		return CS_ERR_CORRUPT;
	call->entry = cache_entry_new_made(&call->key, hot.revision, hot.hot, cold,
	    doubts_known(&call->s->doubts, hot.id) ? view_of(NULL, 0) : hot.making);
	call->entry->last_seq = hot.last_seq;
	memcpy(&call->entry->row_id, hot.id, sizeof(call->entry->row_id));
	return CS_OK;
}

static void
load_answered(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct call *call = ctx;

	if (!read_succeeded(call, err, r))
		return;
	err = entry_read(call, r->value);
	if (err == CS_ERR_CORRUPT)
		log_error("msg=\"a record in Redis fails its checksum\" bucket=%u", layout_bucket(&call->key));
	call_finish(call, err);
}

/*
 * What the cache has, unless the lease has seen a newer one: that is only of the broker's own record, which all brokers
 * look at four times in a lease.
 */
static struct cache_entry *
entry_known(struct store_redis *s, const struct store_key *key)
{
	struct cache_entry *e = cache_get(&s->cache, key);

	if (e != NULL && memcmp(key->b, zero_key.b, sizeof(zero_key.b)) == 0 &&
	    e->revision < members_view(s->members, clock_steady_ms()).zero_revision)
		return NULL;
	return e;
}

void
load_ask(struct call *call, const char *tenure)
{
	struct store_redis *s = call->s;
	unsigned bucket = layout_bucket(&call->key);
	struct cache_entry *known = entry_known(s, &call->key);
	struct layout_key names[3];
	struct view keys[3], arg = view_str(tenure);

	if (known != NULL) { /* an earlier call in its lane has read or written it */
		call->known = known;
		known->pins++;
		call_finish(call, CS_OK);
		return;
	}
	keys[0] = layout_key(&s->layout, bucket, LAYOUT_HEAD, NULL, 0, &names[0]);
	keys[1] = layout_key_of(&s->layout, LAYOUT_RECORD, &call->key, &names[1]);
	keys[2] = layout_key_of(&s->layout, LAYOUT_COLD, &call->key, &names[2]);
	fleet_script(s->fleet, bucket, SCRIPT_READ, keys, 3, &arg, 1, FLEET_READS, load_answered, call);
}

void
redis_load(struct store *base, const struct store_key *key, store_load_fn *done, void *ctx)
{
	struct store_redis *s = (struct store_redis *)base;
	struct cache_entry *e = entry_known(s, key);
	struct store_record record;
	struct call *call;

	if (e != NULL && !lanes_busy(&s->lanes, key) && tenure_open(s->tenure, layout_bucket(key)) != NULL) {
		record = (struct store_record){e->revision, cache_hot(e), cache_cold(e)};
		e->pins++;
		done(ctx, CS_OK, &record);
		e->pins--;
		return;
	}
	call = call_new(s, CALL_LOAD, key, ctx);
	call->done.load = done;
	call_begin(call, NULL, 0);
}

static void
payment_answered(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct call *call = ctx;
	struct record_payment payment;
	struct view bytes;

	if (!read_succeeded(call, err, r))
		return;
	if (!answer_value(r->value, 1, &bytes)) {
		call_finish(call, CS_ERR_NOT_FOUND);
		return;
	}
	err = record_get_payment(bytes, &payment);
	if (err == CS_OK && memcmp(payment.key.b, call->key.b, STORE_KEY_BYTES) == 0 &&
	    memcmp(payment.payment.b, call->payment.b, STORE_KEY_BYTES) == 0)
		buf_put_view(&call->body.buf, payment.summary);
	else
		err = CS_ERR_CORRUPT;
	call_finish(call, err);
}

void
payment_ask(struct call *call, const char *tenure)
{
	struct store_redis *s = call->s;
	unsigned bucket = layout_bucket(&call->key);
	struct layout_key names[2];
	struct view keys[2] = {layout_key(&s->layout, bucket, LAYOUT_HEAD, NULL, 0, &names[0]),
	    layout_payment(&s->layout, &call->key, &call->payment, &names[1])};
	struct view arg = view_str(tenure);

	fleet_script(s->fleet, bucket, SCRIPT_READ, keys, 2, &arg, 1, FLEET_READS, payment_answered, call);
}

void
redis_find_payment(struct store *base, const struct store_key *key, const struct store_key *payment,
    store_payment_fn *done, void *ctx)
{
	struct call *call = call_new((struct store_redis *)base, CALL_PAYMENT, key, ctx);

	call->payment = *payment;
	call->done.payment = done;
	call_begin(call, NULL, 0);
}

void
redis_find(struct store *base, const struct store_key *claim, store_find_fn *done, void *ctx)
{
	struct call *call = call_new((struct store_redis *)base, CALL_FIND, claim, ctx);

	call->done.find = done;
	call_begin(call, NULL, 0);
}

static void
found(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct call *call = ctx;

	if (holder != NULL)
		call->holder = *holder;
	call->tombstone = tombstone;
	call_finish(call, err);
}

void
find_ask(struct call *call)
{
	claims_find(call->s->claims, &call->key, found, call);
}
