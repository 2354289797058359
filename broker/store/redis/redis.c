/* SPDX-License-Identifier: Apache-2.0 */
/* The shared store's operations as a whole: opening, the turn, time, status, closing. */
#include "broker/store/redis/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/store/redis/redis_int.h"

enum {
	CACHE_BYTES_DEFAULT = 64 << 20,
	OPEN_MS_DEFAULT = 10000,
	OPEN_POLL_MS = 20,
	PARKED_MS = 5, /* until calls are tried again whose bucket was not open */
};

/* Never the same twice here, as it is one step of a permutation; nor elsewhere, as every store begins at a random place. */
void
redis_next_id(struct store_redis *s, uint8_t id[LAYOUT_ID_BYTES])
{
	uint64_t x = s->ids += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	x ^= x >> 31;
	memcpy(id, &x, LAYOUT_ID_BYTES);
}

static void
bucket_opened(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct redis_bucket *b = ctx;

	b->opening = false;
	if (err == CS_OK)
		snprintf(b->open, sizeof(b->open), "%s", r->tenure);
}

/* A member writes only where it has its count. */
const char *
redis_open_tenure(void *arg, unsigned bucket)
{
	struct store_redis *s = arg;
	struct redis_bucket *b = &s->buckets[bucket];
	const char *tenure = fleet_tenure(s->fleet, bucket);
	struct layout_key name;
	char field[48];
	struct view argv[6] = {VIEW("HSET"), layout_key(&s->layout, bucket, LAYOUT_HEAD, NULL, 0, &name), VIEW("t"),
	    view_str(tenure), view_of(field, (size_t)snprintf(field, sizeof(field), "w:%s", s->member)), VIEW("0")};

	if (tenure == NULL)
		return NULL;
	if (strcmp(b->open, tenure) == 0)
		return b->open;
	if (!b->opening) {
		b->opening = true;
		fleet_ask(s->fleet, bucket, argv, 6, 0, bucket_opened, b);
	}
	return NULL;
}

static void
turn(struct store_redis *s)
{
	calls_ask(s);
	fleet_flush(s->fleet);
	calls_settle(s);
	/* What the journal let go, and what completions asked: on its way at once, and complete in another turn. */
	calls_ask(s);
	scans_tick(s->scans, clock_steady_ms());
	fleet_flush(s->fleet);
}

static void
op_flush(struct store *base)
{
	turn((struct store_redis *)base);
}

static int64_t
op_tick(struct store *base, int64_t now_mono_ms)
{
	struct store_redis *s = (struct store_redis *)base;
	int64_t again_ms, claims_ms, scans_ms;

	(void)now_mono_ms;
	calls_expire(s);
	again_ms = fleet_tick(s->fleet);
	claims_ms = claims_tick(s->claims, clock_steady_ms());
	turn(s);
	scans_ms = scans_tick(s->scans, clock_steady_ms());
	again_ms = claims_ms < again_ms ? claims_ms : again_ms;
	again_ms = scans_ms < again_ms ? scans_ms : again_ms;
	if (s->ended.first != NULL || fleet_ready(s->fleet))
		return 0;
	if (s->ready.first != NULL && again_ms > PARKED_MS)
		again_ms = PARKED_MS;
	return again_ms;
}

static bool
op_idle(struct store *base, int64_t budget_us)
{
	struct store_redis *s = (struct store_redis *)base;

	(void)budget_us;
	cache_trim(&s->cache);
	return false;
}

static void
op_view(struct store *base, struct store_view *out)
{
	(void)base;
	*out = (struct store_view){.fresh = true, .leads = true};
}

static void
op_scan(struct store *base, const struct store_scan *scan, store_row_fn *row, store_scan_fn *done, void *ctx)
{
	scans_start(((struct store_redis *)base)->scans, scan, row, done, ctx);
}

static void
op_status(struct store *base, struct store_status *out)
{
	struct store_redis *s = (struct store_redis *)base;
	char why[FLEET_WHY_TEXT];

	out->log_first = s->last_seq == 0 ? 0 : 1;
	out->log_last = out->folded = s->last_seq;
	out->cache_bytes = s->cache.bytes;
	out->cache_records = s->cache.records;
	out->narrow_only = s->full;
	fleet_why(s->fleet, why);
	snprintf(out->detail, sizeof(out->detail), "%.*s", (int)sizeof(out->detail) - 1, why);
}

static void
destroy(struct store_redis *s)
{
	if (s->claims != NULL) {
		claims_stop(s->claims);
		scans_stop(s->scans);
	}
	if (s->fleet != NULL)
		fleet_free(s->fleet);
	if (s->claims != NULL) {
		claims_free(s->claims);
		scans_free(s->scans);
	}
	if (s->journal != NULL)
		journal_close(s->journal);
	pollset_hand_over(&s->pollset, NULL);
	pollset_clear(&s->pollset);
	cache_clear(&s->cache);
	commit_call_clear(&s->commit_call);
	free(s);
}

/* Waits for what was asked, then answers the rest. */
static void
op_close(struct store *base)
{
	struct store_redis *s = (struct store_redis *)base;
	int64_t until_ms = clock_steady_ms() + s->timeout_ms;

	pollset_hand_over(&s->pollset, NULL);
	while (s->oldest != NULL && clock_steady_ms() < until_ms) {
		op_tick(base, 0);
		if (s->oldest != NULL && !fleet_ready(s->fleet))
			pollset_wait(&s->pollset, OPEN_POLL_MS);
	}
	s->closing = true;
	claims_stop(s->claims);
	scans_stop(s->scans);
	fleet_free(s->fleet);
	s->fleet = NULL;
	for (struct call *call = s->oldest; call != NULL; call = call->newer) {
		if (call->state != CALL_ENDED)
			call_end(call, CS_ERR_UNAVAILABLE);
	}
	while (s->oldest != NULL)
		calls_settle(s);
	store_clear(base);
	destroy(s);
}

static const struct store_ops ops = {
    .kind = "redis",
    .shared = true,
    .load = redis_load,
    .commit = redis_commit,
    .find = redis_find,
    .find_payment = redis_find_payment,
    .scan = op_scan,
    .flush = op_flush,
    .idle = op_idle,
    .tick = op_tick,
    .view = op_view,
    .status = op_status,
    .close = op_close,
};

static bool
all_open(struct store_redis *s)
{
	bool all = true;

	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++)
		all = redis_open_tenure(s, b) != NULL && all;
	return all;
}

static enum cs_err
wait_until_open(struct store_redis *s, int64_t open_ms, char why[STORE_REDIS_WHY_TEXT])
{
	int64_t until_ms = clock_steady_ms() + open_ms;
	char fleet[FLEET_WHY_TEXT];

	while (!all_open(s)) {
		int64_t again_ms;

		if (clock_steady_ms() >= until_ms) {
			fleet_why(s->fleet, fleet);
			snprintf(why, STORE_REDIS_WHY_TEXT, "the shared store is not there after %lld s: %.200s",
			    (long long)(open_ms / 1000), fleet[0] != '\0' ? fleet : "buckets are not open");
			return CS_ERR_UNAVAILABLE;
		}
		fleet_flush(s->fleet);
		again_ms = fleet_tick(s->fleet);
		if (!fleet_ready(s->fleet))
			pollset_wait(&s->pollset, (int)(again_ms < OPEN_POLL_MS ? again_ms : OPEN_POLL_MS));
	}
	return CS_OK;
}

static enum cs_err
start_journal(struct store_redis *s, const struct store_redis_options *o, char why[STORE_REDIS_WHY_TEXT])
{
	struct journal_options options = {
	    .path = o->journal_path, .realm = &o->realm, .bytes_max = o->journal_bytes, .keep_ms = o->journal_keep_ms};
	enum cs_err err = journal_open(&options, &s->journal, why);

	if (err == CS_OK)
		s->member = journal_member(s->journal);
	return err;
}

static void
start_parts(struct store_redis *s)
{
	s->scans = scans_new(&(struct scans_options){.fleet = s->fleet,
	    .layout = &s->layout,
	    .open = redis_open_tenure,
	    .open_ctx = s,
	    .timeout_ms = s->timeout_ms});
	s->claims = claims_new(&(struct claims_options){.fleet = s->fleet,
	    .layout = &s->layout,
	    .journal = s->journal,
	    .member = s->member,
	    .open = redis_open_tenure,
	    .open_ctx = s,
	    .timeout_ms = s->timeout_ms / 2});
}

static enum cs_err
start(struct store_redis *s, const struct store_redis_options *o, char why[STORE_REDIS_WHY_TEXT])
{
	struct fleet_options fleet = o->fleet;
	enum cs_err err;

	if (layout_init(&s->layout, o->fleet.prefix) != CS_OK) {
		snprintf(why, STORE_REDIS_WHY_TEXT,
		    "the prefix of the shared store has 1 to %d letters, digits, \"-\", \"_\", \".\" or \":\"", LAYOUT_PREFIX_MAX);
		return CS_ERR_RANGE;
	}
	err = start_journal(s, o, why);
	if (err != CS_OK)
		return err;
	fleet.scripts = script_texts;
	fleet.scripts_n = SCRIPT__COUNT;
	fleet.timeout_ms = o->fleet.timeout_ms / 2;
	err = fleet_new(&fleet, &s->pollset.poller, &s->fleet, why);
	if (err == CS_OK)
		start_parts(s);
	return err;
}

enum cs_err
store_redis_open(const struct store_redis_options *o, const struct poller *poller, struct store **out,
    char why[STORE_REDIS_WHY_TEXT])
{
	struct store_redis *s = calloc(1, sizeof(*s));
	enum cs_err err;

	CHECK(s != NULL);
	s->timeout_ms = o->fleet.timeout_ms;
	snprintf(s->name, sizeof(s->name), "%s", o->name);
	CHECK(getrandom(&s->ids, sizeof(s->ids), 0) == sizeof(s->ids));
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++)
		s->buckets[b].segment = 1;
	pollset_init(&s->pollset);
	cache_init(&s->cache, o->cache_bytes > 0 ? o->cache_bytes : CACHE_BYTES_DEFAULT);
	commit_call_init(&s->commit_call);
	err = start(s, o, why);
	if (err == CS_OK)
		err = wait_until_open(s, o->open_ms > 0 ? o->open_ms : OPEN_MS_DEFAULT, why);
	if (err != CS_OK) {
		destroy(s);
		return err;
	}
	pollset_hand_over(&s->pollset, poller);
	store_init(&s->base, &ops);
	*out = &s->base;
	return CS_OK;
}
