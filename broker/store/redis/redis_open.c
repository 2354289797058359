/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the shared store: the journal first, since a broker without it may not write; then the servers; then whose
 * store it is; then the proof that nothing acknowledged is missing, and the other brokers.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/store/redis/redis_int.h"

enum {
	OPEN_MS_DEFAULT = 10000,
	OTHERS_MS = 2000, /* for other brokers that start at the same time */
	POLL_MS = 20,
	LEAVE_MS = 300, /* an end is never held up for longer */
	KEEP_MS_DEFAULT = 10 * 60 * 1000,
	META_FIELDS = 4,
	REALM_TEXT = 2 * STORE_KEY_BYTES + 1,
};

/* What every broker of a store must agree on; the first one writes it. */
static const char *const meta_fields[META_FIELDS] = {"format", "buckets", "realm", "state"};

struct meta {
	struct store_redis *s;
	char realm[REALM_TEXT];
	unsigned open; /* commands that are not answered */
	enum cs_err err;
	char why[STORE_REDIS_WHY_TEXT];
};

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t
redis_tick_parts(struct store_redis *s)
{
	int64_t now_ms = clock_steady_ms(), again_ms = fleet_tick(s->fleet);

	again_ms = sooner(again_ms, tenure_tick(s->tenure, now_ms));
	again_ms = sooner(again_ms, members_tick(s->members, now_ms));
	return sooner(again_ms, claims_tick(s->claims, now_ms));
}

static void
wait_a_little(struct store_redis *s, int64_t again_ms)
{
	if (!fleet_ready(s->fleet))
		pollset_wait(&s->pollset, (int)sooner(again_ms, POLL_MS));
}

/* The values in the order of meta_fields. */
static void
meta_judge(struct meta *m, const struct redisReply *r)
{
	const char *want[META_FIELDS] = {"1", "1024", m->realm, "ready"};
	static const char *const wrong[META_FIELDS] = {
	    "it was made by a newer version of the broker: use that version",
	    "it was made with another number of buckets: use another prefix",
	    "it belongs to brokers with another key file: give this broker their key file, or the store another prefix",
	    "it is being filled by `countersignctl store migrate`: let it finish, or empty this prefix",
	};
	static const char moved[] = "it was moved into a file by `countersignctl store migrate`: use that, with `store sqlite`, or move the "
	    "file to another prefix";

	for (size_t i = 0; i < META_FIELDS; i++) {
		const struct redisReply *got = r->type == REDIS_REPLY_ARRAY && r->elements == META_FIELDS ? r->element[i] : NULL;

		if (got != NULL && got->type == REDIS_REPLY_STRING && strcmp(got->str, want[i]) == 0)
			continue;
		m->err = CS_ERR_DENIED;
		snprintf(m->why, sizeof(m->why), "the shared store \"%s\": %s", m->s->layout.prefix,
		    got != NULL && got->type == REDIS_REPLY_STRING && strcmp(got->str, "moved") == 0 ? moved : wrong[i]);
		return;
	}
}

static void
meta_answered(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct meta *m = ctx;

	m->open--;
	if (err != CS_OK && m->err == CS_OK)
		m->err = CS_ERR_UNAVAILABLE;
	else if (m->open == 0 && m->err == CS_OK)
		meta_judge(m, r->value);
}

static void
meta_ask(struct meta *m)
{
	struct store_redis *s = m->s;
	static const struct store_key zero;
	unsigned bucket = layout_bucket(&zero);
	struct layout_key name;
	struct view key = layout_key(&s->layout, bucket, LAYOUT_META, "eta", 3, &name);
	const char *values[META_FIELDS] = {"1", "1024", m->realm, "ready"};
	struct view argv[2 + META_FIELDS] = {VIEW("HSETNX"), key};

	m->err = CS_OK;
	m->open = META_FIELDS + 1;
	for (size_t i = 0; i < META_FIELDS; i++) {
		argv[2] = view_str(meta_fields[i]);
		argv[3] = view_str(values[i]);
		fleet_ask(s->fleet, bucket, argv, 4, FLEET_AGAIN | FLEET_ANY_TENURE, meta_answered, m);
	}
	argv[0] = VIEW("HMGET");
	for (size_t i = 0; i < META_FIELDS; i++)
		argv[2 + i] = view_str(meta_fields[i]);
	fleet_ask(s->fleet, bucket, argv, 2 + META_FIELDS, FLEET_READS | FLEET_ANY_TENURE, meta_answered, m);
}

/* Whose store it is; nothing else is written before that is known. */
static enum cs_err
check_meta(struct store_redis *s, const struct store_key *realm, int64_t until_ms, char why[STORE_REDIS_WHY_TEXT])
{
	struct meta m = {.s = s, .err = CS_ERR_UNAVAILABLE};
	char fleet[FLEET_WHY_TEXT];
	int64_t again_ms;

	for (size_t i = 0; i < STORE_KEY_BYTES; i++)
		snprintf(m.realm + 2 * i, 3, "%02x", realm->b[i]);
	while (m.open > 0 || m.err == CS_ERR_UNAVAILABLE) {
		if (m.open == 0 && clock_steady_ms() >= until_ms) {
			fleet_why(s->fleet, fleet);
			snprintf(why, STORE_REDIS_WHY_TEXT, "the servers of the shared store do not answer: %.250s",
			    fleet[0] != '\0' ? fleet : "see its address in the configuration");
			return CS_ERR_UNAVAILABLE;
		}
		if (m.open == 0)
			meta_ask(&m);
		again_ms = fleet_tick(s->fleet);
		fleet_flush(s->fleet);
		wait_a_little(s, again_ms);
	}
	if (m.err != CS_OK)
		snprintf(why, STORE_REDIS_WHY_TEXT, "%s", m.why);
	return m.err;
}

/* What a longer wait may still open here: the rest needs others, or an admin. */
static bool
more_to_come(const struct tenure_status *t)
{
	unsigned shut = LAYOUT_BUCKETS - t->buckets[TENURE_OPEN];

	return t->buckets[TENURE_WAITING] + t->buckets[TENURE_HELD] < shut;
}

/* Others may be needed for the proof: what is not open in time opens later, and what is serves. */
static void
wait_until_open(struct store_redis *s, int64_t until_ms)
{
	int64_t others_ms = clock_steady_ms() + OTHERS_MS, again_ms;
	struct tenure_status status;

	for (;;) {
		again_ms = redis_tick_parts(s);
		fleet_flush(s->fleet);
		tenure_status(s->tenure, &status);
		if (status.buckets[TENURE_OPEN] == LAYOUT_BUCKETS && members_view(s->members, clock_steady_ms()).fresh)
			return;
		if (clock_steady_ms() >= until_ms || (clock_steady_ms() >= others_ms && status.buckets[TENURE_OPEN] < LAYOUT_BUCKETS && !more_to_come(&status)))
			break;
		wait_a_little(s, again_ms);
	}
	log_warn("msg=\"the shared store is not open as a whole yet\" open=%u away=%u checking=%u waiting=%u repair=%u joining=%u held=%u%s%s",
	    status.buckets[TENURE_OPEN], status.buckets[TENURE_AWAY], status.buckets[TENURE_CHECKING],
	    status.buckets[TENURE_WAITING], status.buckets[TENURE_REPAIR], status.buckets[TENURE_JOINING],
	    status.buckets[TENURE_HELD], status.waits_n > 0 ? " waits_for=" : "", status.waits_n > 0 ? log_value(view_str(status.waits[0])) : "");
}

static const char *
bucket_open(void *ctx, unsigned bucket)
{
	return tenure_open(((struct store_redis *)ctx)->tenure, bucket);
}

static uint32_t
bucket_turn(void *ctx, unsigned bucket)
{
	return tenure_turn(((struct store_redis *)ctx)->tenure, bucket);
}

static void
bucket_doubt(void *ctx, unsigned bucket)
{
	tenure_doubt(((struct store_redis *)ctx)->tenure, bucket);
}

/* An unacknowledged state that was read may come back with other bytes: nothing of the bucket is remembered. */
static void
bucket_closed(void *ctx, unsigned bucket)
{
	struct store_redis *s = ctx;
	struct store_key first = {{(uint8_t)(bucket >> 2), (uint8_t)(bucket << 6)}}, last;

	memset(last.b, 0xff, sizeof(last.b));
	last.b[0] = first.b[0];
	last.b[1] = first.b[1] | 0x3f;
	cache_drop_range(&s->cache, &first, &last);
	if (s->scans != NULL)
		scans_forget(s->scans);
}

static void
start_parts(struct store_redis *s, const struct store_redis_options *o)
{
	const struct gate gate = {bucket_open, bucket_turn, bucket_doubt, s};

	s->tenure = tenure_new(&(struct tenure_options){.fleet = s->fleet,
	    .layout = &s->layout,
	    .journal = s->journal,
	    .name = s->name,
	    .hooks = {.closed = bucket_closed, .arg = s}});
	s->first_turn = tenure_turn(s->tenure, 0);
	s->members = members_new(&(struct members_options){.fleet = s->fleet,
	    .layout = &s->layout,
	    .journal = s->journal,
	    .tenure = s->tenure,
	    .name = s->name,
	    .lease_ms = o->lease_ms});
	s->scans = scans_new(&(struct scans_options){.fleet = s->fleet,
	    .layout = &s->layout,
	    .gate = gate,
	    .timeout_ms = s->timeout_ms});
	s->claims = claims_new(&(struct claims_options){.fleet = s->fleet,
	    .layout = &s->layout,
	    .journal = s->journal,
	    .member = s->member,
	    .gate = gate,
	    .timeout_ms = s->timeout_ms / 2});
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

enum cs_err
redis_start(struct store_redis *s, const struct store_redis_options *o, char why[STORE_REDIS_WHY_TEXT])
{
	struct fleet_options fleet = o->fleet;
	int64_t until_ms = clock_steady_ms() + (o->open_ms > 0 ? o->open_ms : OPEN_MS_DEFAULT);
	enum cs_err err;

	if (layout_init(&s->layout, o->fleet.prefix) != CS_OK) {
		snprintf(why, STORE_REDIS_WHY_TEXT,
		    "the prefix of the shared store has 1 to %d letters, digits, \"-\", \"_\", \".\" or \":\"", LAYOUT_PREFIX_MAX);
		return CS_ERR_RANGE;
	}
	err = start_journal(s, o, why);
	if (err != CS_OK)
		return err;
	s->keep_ms = o->journal_keep_ms > 0 ? o->journal_keep_ms : KEEP_MS_DEFAULT;
	fleet.log = true;
	fleet.scripts = script_texts;
	fleet.scripts_n = SCRIPT__COUNT;
	fleet.timeout_ms = o->fleet.timeout_ms / 2;
	err = fleet_new(&fleet, &s->pollset.poller, &s->fleet, why);
	if (err == CS_OK)
		err = check_meta(s, &o->realm, until_ms, why);
	if (err != CS_OK)
		return err;
	start_parts(s, o);
	wait_until_open(s, until_ms);
	return CS_OK;
}

/* So that nobody waits for this broker while it is away. Where the servers do not answer, others put it out. */
void
redis_leave(struct store_redis *s)
{
	int64_t until_ms = clock_steady_ms() + LEAVE_MS;

	tenure_leave(s->tenure);
	while (!tenure_left(s->tenure) && clock_steady_ms() < until_ms) {
		int64_t again_ms = redis_tick_parts(s);

		fleet_flush(s->fleet);
		wait_a_little(s, again_ms);
	}
}

void
redis_stop(struct store_redis *s)
{
	if (s->claims != NULL)
		claims_stop(s->claims);
	if (s->scans != NULL)
		scans_stop(s->scans);
	if (s->fleet != NULL)
		fleet_free(s->fleet);
	if (s->claims != NULL)
		claims_free(s->claims);
	if (s->scans != NULL)
		scans_free(s->scans);
	if (s->members != NULL)
		members_free(s->members);
	if (s->tenure != NULL)
		tenure_free(s->tenure);
	if (s->journal != NULL)
		journal_close(s->journal);
}
