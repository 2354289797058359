/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers say, read with suspicion: hiredis' reader with bounds of our own, errors sorted by what they mean for a
 * command, INFO, and the slots of a cluster. Pure but for the heap of replies; fuzzed by tests/fuzz/fuzz_redis.c.
 */
#ifndef CS_STORE_REDIS_REPLIES_H
#define CS_STORE_REDIS_REPLIES_H

#include "broker/store/redis/fleet.h"
#include "broker/store/redis/slots.h"

struct redisReader;

enum {
	/* Objects in one reply, array slots included: the slots of a cluster whose map is in 16,384 pieces are 300,000. 64 MiB at most. */
	REPLY_OBJECTS_MAX = 1 << 20,
	REPLY_ID_TEXT = 41, /* run_id and replication ids: 40 hex digits, NUL */
};

/*
 * A reader whose replies are bounded: REPLY_OBJECTS_MAX objects and FLEET_REPLY_MAX bytes of strings, however large the
 * numbers are that the server writes before them. redisReader itself holds what was fed.
 */
struct reply_reader {
	struct redisReader *reader;
	struct {
		size_t objects, bytes; /* left, of the reply that is being read */
	} budget;
};

void reply_reader_init(struct reply_reader *r);
void reply_reader_clear(struct reply_reader *r);
/*
 * Feeds n bytes, then gives reply after reply, which the caller frees: *out is NULL when more bytes are needed.
 * CS_ERR_SYNTAX: not the protocol, or over a bound; *why says it, borrowed. The reader is of no use any more.
 */
enum cs_err reply_feed(struct reply_reader *r, const void *data, size_t n, const char **why);
enum cs_err reply_next(struct reply_reader *r, struct redisReply **out, const char **why);
void reply_free(struct redisReply *r);

/* What a reply means for the command it answers. Each but FINE, FULL, DENIED and OTHER also means that it was not executed. */
enum reply_sort {
	REPLY_FINE,      /* no error */
	REPLY_MOVED,     /* another server owns the slot */
	REPLY_ASK,       /* this key is on its way to another server */
	REPLY_LATER,     /* TRYAGAIN, LOADING, CLUSTERDOWN, BUSY, NOREPLICAS, MISCONF, MASTERDOWN: not now, here */
	REPLY_READONLY,  /* not the master any more */
	REPLY_NOSCRIPT,
	REPLY_FULL,      /* OOM: over maxmemory; not executed */
	REPLY_DENIED,    /* NOPERM, NOAUTH, WRONGPASS, protected mode; not executed */
	REPLY_OTHER,
};
enum reply_sort reply_sort(const struct redisReply *r);

/* "MOVED 3999 10.0.0.1:6381": the address, with `host` (of who said it) where it names none. False where it is malformed. */
bool reply_redirect(const struct redisReply *r, const char *host, unsigned *slot, struct fleet_address *to);
bool reply_is_status(const struct redisReply *r, const char *text);
struct view reply_view(const struct redisReply *r); /* of a string or status; else empty */

/* What of INFO we read; sections may come one by one. Unknown lines are passed over. */
struct reply_info {
	char run_id[REPLY_ID_TEXT], replid[REPLY_ID_TEXT];
	unsigned version;          /* 70015 for 7.0.15; 0 unknown */
	bool cluster, master;
	bool said_role;
	char master_address[FLEET_ADDRESS_TEXT]; /* of a replica: whose */
	unsigned online;           /* replicas in state online */
	uint64_t offset, lag_bytes;
	bool loading, aof, aof_fails;
	uint64_t memory, memory_max;
	char eviction[24];
	char version_text[16];
};
/* Reads over what `i` has: of the lines that are there, the last counts. False where an id is no 40 hex digits. */
bool reply_info(struct view text, struct reply_info *i);
/* Of CONFIG GET's flat list: the value of `name` into `to`; false where it is absent. */
bool reply_config(const struct redisReply *r, const char *name, char *to, size_t cap);

/* cluster_current_epoch of CLUSTER INFO; 0 where it is not there. */
uint64_t reply_epoch(struct view text);

/* One range of CLUSTER SLOTS: its master. */
typedef void reply_slots_fn(void *ctx, unsigned first, unsigned last, const struct fleet_address *master);
/* `host` stands for an address that the server does not know itself. CS_ERR_SYNTAX: nothing of it may be used; `fn` may have been called. */
enum cs_err reply_slots(const struct redisReply *r, const char *host, reply_slots_fn *fn, void *ctx);
/* Host (or address) and port as one text, a colon in the host in brackets; false where it does not fit or is not printable. */
bool reply_address(struct view host, unsigned port, struct fleet_address *to);

#endif
