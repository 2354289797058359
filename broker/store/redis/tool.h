/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared store for tools: they wait, are no member, open nothing and repair nothing. What they read is what stands
 * there; whoever writes (see import.h) writes where no broker is.
 */
#ifndef CS_STORE_REDIS_TOOL_H
#define CS_STORE_REDIS_TOOL_H

#include "broker/store/redis/fleet.h"
#include "broker/store/redis/layout.h"

struct redisReply;
struct tool;

enum { TOOL_WHY_TEXT = 512, TOOL_META_TEXT = 128 };

/*
 * Waits until every bucket's owner may be used, or patience_ms is over (CS_ERR_UNAVAILABLE). o->scripts is set here. Errors
 * as of fleet_new().
 */
enum cs_err tool_open(struct fleet_options *o, int64_t patience_ms, struct tool **out, char why[TOOL_WHY_TEXT]);
void tool_close(struct tool *t);

const struct layout *tool_layout(const struct tool *t);
struct fleet *tool_fleet(struct tool *t);

/*
 * Asks gather until tool_wait(), which runs their completions. fn is called with CS_OK alone: with anything else the
 * whole wait fails. fn NULL: the reply does not matter.
 */
typedef void tool_fn(void *ctx, uint64_t tag, const struct redisReply *value);
void tool_ask(struct tool *t, unsigned bucket, const struct view *argv, size_t argc, unsigned flags, tool_fn *fn, void *ctx,
    uint64_t tag);
void tool_script(struct tool *t, unsigned bucket, unsigned script, const struct view *keys, size_t keys_n,
    const struct view *args, size_t args_n, tool_fn *fn, void *ctx, uint64_t tag);
/* How many wait. */
size_t tool_open_asks(const struct tool *t);
/* From a completion: what the server gave cannot be so, and the wait ends with CS_ERR_CORRUPT. what: "events that ..." */
void tool_wrong(struct tool *t, unsigned bucket, const char *what);
/* CS_OK, or the first error: CS_ERR_UNAVAILABLE and CS_ERR_UNKNOWN where it is worth asking all of it again. */
enum cs_err tool_wait(struct tool *t, char why[TOOL_WHY_TEXT]);

/* Of a reply: its bytes, or data NULL where there are none. */
struct view tool_bytes(const struct redisReply *value);
/* Of an array or a map flattened to one. */
size_t tool_count(const struct redisReply *value);
const struct redisReply *tool_element(const struct redisReply *value, size_t i);
/* A decimal text or an integer; -1 where it is none. */
int64_t tool_number(const struct redisReply *value);

/* --- what stands there --- */

struct tool_head {
	bool there;
	uint64_t last, segment, in_segment;
	char tenure[FLEET_TENURE_TEXT];  /* "" where it never was opened */
	unsigned members;
};

/* Heads of all buckets. */
enum cs_err tool_heads(struct tool *t, struct tool_head heads[LAYOUT_BUCKETS], char why[TOOL_WHY_TEXT]);

/* One event as it stands; `value` NULL: what is there does not decode. False: enough. */
typedef bool tool_event_fn(void *ctx, unsigned bucket, uint64_t seq, const struct layout_event *event);
/*
 * The whole log of the buckets from `first` on, `n` of them at once, each in its order; the events of different buckets come
 * in between each other.
 */
enum cs_err tool_log(struct tool *t, unsigned first, unsigned n, tool_event_fn *fn, void *ctx, char why[TOOL_WHY_TEXT]);

/*
 * All keys of a kind, perhaps one twice; rest: the name after the kind. False: enough. fn may ask and wait. CS_ERR_UNAVAILABLE
 * where a bucket changed its owner meanwhile: keys may have been missed, and all of it is to be asked again.
 */
typedef bool tool_key_fn(void *ctx, unsigned bucket, struct view rest);
enum cs_err tool_keys(struct tool *t, enum layout_kind kind, tool_key_fn *fn, void *ctx, char why[TOOL_WHY_TEXT]);

/* A field of the meta hash; "" where it is not there. */
enum cs_err tool_meta(struct tool *t, const char *field, char to[TOOL_META_TEXT], char why[TOOL_WHY_TEXT]);
/* The name of the meta hash. */
struct view tool_meta_key(const struct tool *t, struct layout_key *to);

#endif
