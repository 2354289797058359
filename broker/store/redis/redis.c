/* SPDX-License-Identifier: Apache-2.0 */
/* The shared store's operations as a whole: the turn, time, status, closing. */
#include "broker/store/redis/redis.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/store/redis/redis_int.h"

enum {
	CACHE_BYTES_DEFAULT = 64 << 20,
	CLOSE_POLL_MS = 20,
	WAITS_SHOWN = 3, /* names of brokers in one sentence */
	PARKED_MS = 5, /* until calls are tried again whose bucket was not open */
};

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
	int64_t again_ms, scans_ms;

	(void)now_mono_ms; /* calls in between read the same clock */
	calls_expire(s);
	again_ms = redis_tick_parts(s);
	turn(s);
	scans_ms = scans_tick(s->scans, clock_steady_ms());
	again_ms = scans_ms < again_ms ? scans_ms : again_ms;
	if (s->ended.first != NULL || fleet_ready(s->fleet))
		return 0;
	return s->ready.first != NULL && again_ms > PARKED_MS ? PARKED_MS : again_ms;
}

static bool
op_idle(struct store *base, int64_t budget_us)
{
	struct store_redis *s = (struct store_redis *)base;
	int64_t now_ms = clock_steady_ms();

	cache_trim(&s->cache);
	return journal_idle(s->journal, now_ms, tenure_whole_for_ms(s->tenure, now_ms) >= s->keep_ms, budget_us);
}

static void
op_view(struct store *base, struct store_view *out)
{
	*out = members_view(((struct store_redis *)base)->members, clock_steady_ms());
}

static void
op_scan(struct store *base, const struct store_scan *scan, store_row_fn *row, store_scan_fn *done, void *ctx)
{
	scans_start(((struct store_redis *)base)->scans, scan, row, done, ctx);
}

/* "a, b and others" */
static void
waits_text(const struct tenure_status *t, char *to, size_t size)
{
	size_t len = 0, shown = t->waits_n < WAITS_SHOWN ? t->waits_n : WAITS_SHOWN;

	snprintf(to, size, "others");
	for (size_t i = 0; i < shown && len < size; i++)
		len += (size_t)snprintf(to + len, size - len, "%s%s", i > 0 ? ", " : "", t->waits[i]);
	if (t->waits_n > shown && len < size)
		snprintf(to + len, size - len, " and others");
}

/* Names come from Redis, and an admin may copy the line: what the configuration takes for a name, and nothing else. */
static void
name_clean(char *name)
{
	for (; *name != '\0'; name++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *name) == NULL)
			*name = '?';
}

/* What waits for others or for an admin's word, and the way out. */
static void
trouble_buckets(const struct store_redis *s, struct store_status *out)
{
	struct tenure_status tenure;
	char waits[(WAITS_SHOWN + 1) * JOURNAL_NAME_TEXT];

	tenure_status(s->tenure, &tenure);
	for (size_t i = 0; i < tenure.waits_n && i < sizeof(tenure.waits) / sizeof(tenure.waits[0]); i++)
		name_clean(tenure.waits[i]);
	waits_text(&tenure, waits, sizeof(waits));
	if (tenure.buckets[TENURE_HELD] > 0) {
		snprintf(out->detail, sizeof(out->detail), "%u buckets are held: the journal of %.180s no longer has what they lack", tenure.buckets[TENURE_HELD], waits);
		snprintf(out->way_out, sizeof(out->way_out), "restore newer data of the servers, or: countersignctl store release --bucket %u REASON",
		    tenure.first_held);
	} else if (tenure.buckets[TENURE_WAITING] > 0) {
		snprintf(out->detail, sizeof(out->detail), "%u buckets wait for the proof of %.200s", tenure.buckets[TENURE_WAITING], waits);
		snprintf(out->way_out, sizeof(out->way_out), "start that broker, or, if its disk is lost: countersignctl store forget %s REASON",
		    tenure.waits_n > 0 ? tenure.waits[0] : "NAME");
	} else if (tenure.buckets[TENURE_JOINING] > 0) {
		snprintf(out->detail, sizeof(out->detail), "%u buckets are open, but %.180s does not know this broker yet", tenure.buckets[TENURE_JOINING], waits);
	} else if (s->zero_held) {
		snprintf(out->detail, sizeof(out->detail), "the brokers' own record is held: what was acknowledged does not fit together");
		snprintf(out->way_out, sizeof(out->way_out), "take it as it stands in Redis: countersignctl store release --bucket 0 REASON");
	}
}

/* The first thing that keeps it from serving all. */
static void
trouble(const struct store_redis *s, struct store_status *out)
{
	char fleet[FLEET_WHY_TEXT], journal[JOURNAL_WHY_TEXT];
	int n = (int)sizeof(out->detail) - 1;

	out->detail[0] = out->way_out[0] = '\0';
	if (journal_health(s->journal, journal) != CS_OK)
		snprintf(out->detail, sizeof(out->detail), "%.*s", n, journal);
	else if (members_why(s->members)[0] != '\0')
		snprintf(out->detail, sizeof(out->detail), "%.*s", n, members_why(s->members));
	else if (fleet_why(s->fleet, fleet) > 0)
		snprintf(out->detail, sizeof(out->detail), "%.*s", n, fleet);
	else
		trouble_buckets(s, out);
}

static void
op_status(struct store *base, struct store_status *out)
{
	struct store_redis *s = (struct store_redis *)base;
	int64_t now_ms = clock_steady_ms();
	struct store_view view = members_view(s->members, now_ms);

	out->log_first = s->last_seq == 0 ? 0 : 1;
	out->log_last = out->folded = s->last_seq;
	out->cache_bytes = s->cache.bytes;
	out->cache_records = s->cache.records;
	out->narrow_only = s->full;
	out->fresh = view.fresh;
	out->leads = view.leads;
	out->fresh_for_ms = members_fresh_for_ms(s->members, now_ms);
	out->shared_revision = view.zero_revision;
	trouble(s, out);
}

static void
destroy(struct store_redis *s)
{
	redis_stop(s);
	pollset_hand_over(&s->pollset, NULL);
	pollset_clear(&s->pollset);
	cache_clear(&s->cache);
	doubts_clear(&s->doubts);
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
			pollset_wait(&s->pollset, CLOSE_POLL_MS);
	}
	s->closing = true;
	redis_leave(s);
	claims_stop(s->claims);
	scans_stop(s->scans);
	fleet_free(s->fleet);
	s->fleet = NULL;
	for (struct call *call = s->oldest, *newer; call != NULL; call = newer) {
		newer = call->newer;
		if (call->state != CALL_ENDED)
			call_finish(call, call->maybe ? CS_ERR_UNKNOWN : CS_ERR_UNAVAILABLE);
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
    .report = redis_report,
    .forget_member = redis_forget_member,
    .release = redis_release,
    .word = redis_word,
    .word_told = redis_word_told,
    .close = op_close,
};

enum cs_err
store_redis_open(const struct store_redis_options *o, const struct poller *poller, struct store **out,
    char why[STORE_REDIS_WHY_TEXT])
{
	struct store_redis *s = calloc(1, sizeof(*s));
	enum cs_err err;

	CHECK(s != NULL);
	s->timeout_ms = o->fleet.timeout_ms;
	snprintf(s->name, sizeof(s->name), "%s", o->name);
	snprintf(s->journal_path, sizeof(s->journal_path), "%s", o->journal_path);
	s->mode = o->fleet.mode;
	s->replicas = o->fleet.replicas;
	s->weaker_fsync = o->fleet.weaker_fsync;
	s->weaker_persistence = o->fleet.weaker_persistence;
	doubts_init(&s->doubts);
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++)
		s->segments[b] = 1;
	pollset_init(&s->pollset);
	cache_init(&s->cache, o->cache_bytes > 0 ? o->cache_bytes : CACHE_BYTES_DEFAULT);
	commit_call_init(&s->commit_call);
	err = redis_start(s, o, why);
	if (err != CS_OK) {
		destroy(s);
		return err;
	}
	pollset_hand_over(&s->pollset, poller);
	store_init(&s->base, &ops);
	*out = &s->base;
	return CS_OK;
}
