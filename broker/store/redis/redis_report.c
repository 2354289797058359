/* SPDX-License-Identifier: Apache-2.0 */
/* What the shared store tells an admin, and what an admin's word does. */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/json.h"
#include "broker/store/redis/redis_int.h"

enum { OWNERS_SHOWN_MAX = 64, MEMBERS_SHOWN_MAX = JOURNAL_MEMBERS_MAX + 1 };

static const char *const owner_states[] = {
    [FLEET_OWNER_DOWN] = "down",
    [FLEET_OWNER_CHECKING] = "checking",
    [FLEET_OWNER_REFUSED] = "refused",
    [FLEET_OWNER_SHORT] = "short of replicas",
    [FLEET_OWNER_READY] = "ready",
};

static void
put_node(struct json_writer *w, const struct fleet_owner_status *o)
{
	/* One that the cluster told of, as its fleet says it. */
	bool replica = o->buckets == 0 && o->state == FLEET_OWNER_DOWN && o->connections > 0;

	json_object_begin(w);
	json_member_str(w, "address", view_str(o->address));
	json_member_str(w, "role", replica ? VIEW("replica") : VIEW("master"));
	json_member_str(w, "state", replica ? VIEW("ready") : view_str(owner_states[o->state]));
	json_member_str(w, "tenure", view_str(o->tenure));
	json_member_int(w, "buckets", o->buckets);
	json_member_int(w, "replicas", o->replicas);
	json_member_int(w, "lag_bytes", (int64_t)o->lag_bytes);
	json_member_int(w, "clock_ms", o->clock_ms);
	json_member_int(w, "memory_bytes", (int64_t)o->memory_bytes);
	if (o->memory_max_bytes > 0)
		json_member_int(w, "memory_max_bytes", (int64_t)o->memory_max_bytes);
	json_member_int(w, "latency_us", o->latency_us);
	json_member_int(w, "reconnects", (int64_t)o->reconnects);
	json_member_bool(w, "durable", o->durable);
	if (o->why[0] != '\0' && !replica)
		json_member_str(w, "problem", view_str(o->why));
	json_object_end(w);
}

static void
put_nodes(struct json_writer *w, const struct store_redis *s)
{
	static struct fleet_owner_status owners[OWNERS_SHOWN_MAX];
	size_t n = fleet_owners(s->fleet, owners, OWNERS_SHOWN_MAX);

	json_key(w, VIEW("nodes"));
	json_array_begin(w);
	for (size_t i = 0; i < n; i++) {
		/* Replicas that were learnt of: their masters count them. */
		if (owners[i].buckets > 0 || owners[i].connections > 0 || owners[i].why[0] != '\0')
			put_node(w, &owners[i]);
	}
	json_array_end(w);
}

static void
put_members(struct json_writer *w, const struct store_redis *s, int64_t now_ms)
{
	static struct member_status members[MEMBERS_SHOWN_MAX];
	size_t n = members_status(s->members, now_ms, members, MEMBERS_SHOWN_MAX);
	struct store_view view = members_view(s->members, now_ms);
	int64_t fresh_ms = members_fresh_for_ms(s->members, now_ms);
	const char *leader = "";

	for (size_t i = 0; i < n; i++)
		leader = members[i].leads ? members[i].name : leader;
	json_key(w, VIEW("lease"));
	json_object_begin(w);
	json_member_bool(w, "fresh", view.fresh);
	json_member_int(w, "fresh_for_ms", fresh_ms > 0 ? fresh_ms : 0);
	json_member_bool(w, "leads", view.leads);
	json_member_str(w, "leader", view_str(leader));
	json_object_end(w);
	json_key(w, VIEW("members"));
	json_array_begin(w);
	for (size_t i = 0; i < n; i++) {
		json_object_begin(w);
		json_member_str(w, "id", view_str(members[i].id));
		json_member_str(w, "name", view_str(members[i].name));
		json_member_bool(w, "self", members[i].self);
		json_member_bool(w, "live", members[i].live);
		json_member_int(w, "beat_ms", members[i].beat_ms);
		json_object_end(w);
	}
	json_array_end(w);
}

static void
put_buckets(struct json_writer *w, const struct store_redis *s)
{
	struct tenure_status t;

	tenure_status(s->tenure, &t);
	json_key(w, VIEW("buckets"));
	json_object_begin(w);
	json_member_int(w, "open", t.buckets[TENURE_OPEN]);
	json_member_int(w, "away", t.buckets[TENURE_AWAY]);
	json_member_int(w, "checking", t.buckets[TENURE_CHECKING] + t.buckets[TENURE_JOINING]);
	json_member_int(w, "waiting", t.buckets[TENURE_WAITING]);
	json_member_int(w, "repair", t.buckets[TENURE_REPAIR]);
	json_member_int(w, "held", t.buckets[TENURE_HELD]);
	json_key(w, VIEW("waits_for"));
	json_array_begin(w);
	for (size_t i = 0; i < t.waits_n && i < sizeof(t.waits) / sizeof(t.waits[0]); i++)
		json_put_str(w, view_str(t.waits[i]));
	json_array_end(w);
	json_member_int(w, "opened", (int64_t)t.opened);
	json_member_int(w, "lost", (int64_t)t.lost);
	json_member_int(w, "put_back", (int64_t)t.put_back);
	json_member_int(w, "records_held", (int64_t)t.held);
	json_member_int(w, "late", (int64_t)t.late);
	json_object_end(w);
}

static void
put_journal(struct json_writer *w, const struct store_redis *s, int64_t now_ms)
{
	struct journal_status j;
	struct clock_now now;
	char text[CLOCK_TEXT_MAX];

	journal_status(s->journal, now_ms, &j);
	clock_read(&now);
	json_key(w, VIEW("journal"));
	json_object_begin(w);
	json_member_str(w, "path", view_str(s->journal_path));
	json_member_int(w, "entries", (int64_t)j.entries);
	json_member_int(w, "bytes", (int64_t)j.bytes);
	json_member_int(w, "bytes_max", (int64_t)j.bytes_max);
	if (j.entries > 0)
		json_member_str(w, "oldest", view_of(text, clock_text(now.wall_ms - j.oldest_ms, text)));
	if (j.why[0] != '\0')
		json_member_str(w, "problem", view_str(j.why));
	json_object_end(w);
}

static void
put_weaker(struct json_writer *w, const struct store_redis *s)
{
	json_key(w, VIEW("weaker"));
	json_array_begin(w);
	if (s->weaker_fsync)
		json_put_str(w, VIEW("servers may lose the last second when their power fails (appendfsync everysec is accepted)"));
	if (s->weaker_persistence)
		json_put_str(w, VIEW("servers may lose everything when they restart (no append only file is accepted)"));
	if (s->mode != FLEET_SINGLE && s->replicas == 0)
		json_put_str(w, VIEW("no replica has to have a payment before it is permitted (replicas 0)"));
	json_array_end(w);
}

void
redis_report(struct store *base, struct json_writer *w)
{
	static const char *const modes[] = {
	    [FLEET_SINGLE] = "single", [FLEET_SENTINEL] = "sentinel", [FLEET_CLUSTER] = "cluster"};
	const struct store_redis *s = (const struct store_redis *)base;
	int64_t now_ms = clock_steady_ms();
	struct store_status status = {.kind = "redis"};

	json_member_str(w, "mode", view_str(modes[s->mode]));
	json_member_str(w, "prefix", view_str(s->layout.prefix));
	put_nodes(w, s);
	put_members(w, s, now_ms);
	put_buckets(w, s);
	put_journal(w, s, now_ms);
	put_weaker(w, s);
	json_member_int(w, "cache_bytes", (int64_t)s->cache.bytes);
	json_member_int(w, "cache_records", (int64_t)s->cache.records);
	json_member_int(w, "conflicts", (int64_t)s->conflicts);
	json_member_int(w, "retries", (int64_t)s->retries);
	json_member_int(w, "unknowns", (int64_t)s->unknowns);
	base->ops->status(base, &status);
	if (status.detail[0] != '\0')
		json_member_str(w, "detail", view_str(status.detail));
	if (status.way_out[0] != '\0')
		json_member_str(w, "way_out", view_str(status.way_out));
}

static void
word_done(void *ctx, enum cs_err err)
{
	call_finish(ctx, err);
}

static struct call *
word_new(struct store_redis *s, const struct store_key *key, store_commit_fn *done, void *ctx)
{
	static const struct store_key zero;
	struct call *call = call_new(s, CALL_WORD, key != NULL ? key : &zero, ctx);

	call->done.commit = done;
	call->state = CALL_ASKED;
	return call;
}

void
redis_forget_member(struct store *base, const char *name, store_commit_fn *done, void *ctx)
{
	struct store_redis *s = (struct store_redis *)base;
	struct call *call = word_new(s, NULL, done, ctx);
	struct member_status member;
	enum cs_err err = members_find(s->members, name, clock_steady_ms(), &member);

	if (err == CS_OK && (member.live || member.self))
		err = CS_ERR_CONFLICT;
	if (err != CS_OK)
		call_finish(call, err);
	else
		tenure_forget(s->tenure, member.id, word_done, call);
}

/* Bucket 0 has the broker's own record, which has no name: it is released with it. */
struct release_first {
	struct store_redis *s;
	struct call *call;
	bool released;
};

static void
first_record_done(void *ctx, enum cs_err err)
{
	struct release_first *r = ctx;

	call_finish(r->call, err == CS_ERR_NOT_FOUND && r->released ? CS_OK : err);
	free(r);
}

static void
first_bucket_done(void *ctx, enum cs_err err)
{
	static const struct store_key zero;
	struct release_first *r = ctx;

	r->released = err == CS_OK;
	if (err == CS_OK || err == CS_ERR_NOT_FOUND) {
		tenure_release_record(r->s->tenure, &zero, first_record_done, r);
		return;
	}
	call_finish(r->call, err);
	free(r);
}

void
redis_release(struct store *base, const struct store_key *key, int bucket, store_commit_fn *done, void *ctx)
{
	struct store_redis *s = (struct store_redis *)base;
	struct call *call = word_new(s, bucket < 0 ? key : NULL, done, ctx);
	struct release_first *first;

	if (bucket < 0) {
		tenure_release_record(s->tenure, key, word_done, call);
	} else if (bucket > 0) {
		tenure_release_bucket(s->tenure, (unsigned)bucket, word_done, call);
	} else {
		first = malloc(sizeof(*first));
		CHECK(first != NULL);
		*first = (struct release_first){s, call, false};
		tenure_release_bucket(s->tenure, 0, first_bucket_done, first);
	}
}
