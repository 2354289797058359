/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet: the Redis servers (one server, Sentinel, or Cluster) behind one interface. Commands are asked of a bucket,
 * gathered, and sent in one write to the bucket's owner; a reply counts only when the batch was fenced: the required
 * replicas acknowledged (WAIT), and the owner is still the one that was asked (its tenure). README.md has the life of a batch.
 *
 * One thread. Nothing here waits: descriptors are watched through a poller, and fleet_flush() and fleet_tick() do the rest.
 */
#ifndef CS_STORE_REDIS_FLEET_H
#define CS_STORE_REDIS_FLEET_H

#include "broker/base/buf.h"
#include "broker/base/err.h"
#include "broker/base/poller.h"

struct redisReply;
struct fleet;

enum {
	FLEET_CONNECTIONS = 2,      /* to one owner: while one batch is under way the next may be; with more, batches and their fsyncs get small */
	FLEET_ADDRESS_TEXT = 120,   /* "unix:" and a socket's path of 107 bytes, or a host's name and a port */
	FLEET_SERVERS_MAX = 32,     /* named in the configuration; the others of a cluster are learnt */
	FLEET_OWNERS_MAX = 1024,    /* masters and what was a master: as many as buckets */
	FLEET_SCRIPTS_MAX = 64,
	FLEET_WHY_TEXT = 320,
	FLEET_TENURE_TEXT = 82,     /* run_id ":" master_replid, 40 hex digits each, NUL */
	FLEET_REPLY_MAX = 32 * 1024 * 1024, /* bytes of one reply; a longer one ends the connection */
};

enum fleet_mode { FLEET_SINGLE, FLEET_SENTINEL, FLEET_CLUSTER };

/* "unix:/path", "host:port", "[v6]:port". */
struct fleet_address {
	char text[FLEET_ADDRESS_TEXT];
};

/* Everything is copied. Files are read once, in fleet_new(): before the caller gives up what may read them. */
struct fleet_options {
	enum fleet_mode mode;
	const struct fleet_address *servers;  /* SINGLE: one. SENTINEL: the sentinels. CLUSTER: any of the servers */
	size_t servers_n;
	const char *sentinel_master;          /* its name in the sentinels' configuration */
	const char *user;                     /* NULL: the default user */
	const char *password_file;            /* NULL: none. As secret_read_file() has it */
	const char *sentinel_user, *sentinel_password_file;
	bool tls;                             /* for every TCP connection, the sentinels' too */
	const char *ca_file;                  /* NULL: the system's */
	const char *certificate_file, *key_file; /* NULL: no client certificate */
	const char *server_name;              /* NULL: the certificate must have the host's name or address that was connected to */
	const char *prefix;                   /* of every key, 1 to 32 of [A-Za-z0-9_.:-] */
	unsigned replicas;                    /* that must acknowledge; 0: the owner's own disk is enough */
	bool weaker_fsync;                    /* appendfsync everysec is accepted */
	bool weaker_persistence;              /* a server without append only file is accepted */
	bool log;                             /* changes of the servers' states, a line each: daemons only */
	int64_t timeout_ms;                   /* of one command, its time in the queue included; of a connection; WAIT gets 3/4 of it */
	const char *const *scripts;           /* Lua texts; on every server before it is used */
	size_t scripts_n;
};

/*
 * Does not wait; connections are made from then on. Errors: CS_ERR_RANGE (an option is wrong), CS_ERR_SYSTEM or
 * CS_ERR_DENIED (a file), each with words in `why`.
 */
enum cs_err fleet_new(const struct fleet_options *o, const struct poller *p, struct fleet **out, char why[FLEET_WHY_TEXT]);
/* What is open ends, before this returns, with CS_ERR_UNAVAILABLE (never sent) or CS_ERR_UNKNOWN. */
void fleet_free(struct fleet *f);

/* Borrowed until the completion returns. */
struct fleet_reply {
	const struct redisReply *value;
	const char *tenure;   /* of the owner that executed it */
	int64_t took_us;      /* from the asking to the end of the fence */
};

/*
 * Runs inside fleet_flush(), fleet_tick() and fleet_free() only. It may ask more; it may not flush, tick or free.
 *   CS_OK               executed and fenced; r->value is no error reply
 *   CS_ERR_UNAVAILABLE  surely not executed (or only read): no owner in time, or its tenure is not the one it was asked under
 *   CS_ERR_UNKNOWN      may have been executed: the connection was lost, the fence was not reached, or the tenure changed
 *   CS_ERR_FULL         the server is out of memory; not executed
 *   CS_ERR_DENIED       the server may not be used (persistence, eviction, password, rights, version, TLS); not executed; why is in fleet_owners()
 *   CS_ERR_CORRUPT      any other error reply (WRONGTYPE, a script that failed midway): r->value is the error, and a script
 *                       may have been executed in part
 * r is NULL but with CS_OK and CS_ERR_CORRUPT.
 */
typedef void fleet_fn(void *ctx, enum cs_err err, const struct fleet_reply *r);

enum {
	FLEET_READS = 1,     /* writes nothing: is sent again after a lost connection, and is never UNKNOWN */
	FLEET_UNFENCED = 2,  /* no promise at all: what this server says now. Implies FLEET_ANY_TENURE */
	FLEET_AGAIN = 4,     /* idempotent: is sent again after a lost connection */
	/*
	 * An ask is bound to the tenure that fleet_tenure(bucket) gives when it is asked: where the owner has another when it
	 * would be sent, it ends with CS_ERR_UNAVAILABLE, so that nothing goes to an owner that nobody has checked. Asked
	 * while that is NULL, or with this flag, it is sent to whoever is the owner: look at r->tenure.
	 */
	FLEET_ANY_TENURE = 8,
};

/*
 * argv is copied; every key in it must be of the bucket. Asks of one bucket are executed in the order they were asked,
 * as long as no server refuses one. A key of the bucket is <prefix>{<slots_tag(bucket)>}...: see slots.h.
 */
void fleet_ask(struct fleet *f, unsigned bucket, const struct view *argv, size_t argc, unsigned flags, fleet_fn *done, void *ctx);
/* EVALSHA of scripts[script], which is loaded where it is missing. */
void fleet_script(struct fleet *f, unsigned bucket, unsigned script, const struct view *keys, size_t keys_n,
    const struct view *args, size_t args_n, unsigned flags, fleet_fn *done, void *ctx);
/*
 * Runs the completions of what has ended, then sends what was asked: one write an owner, on a connection with nothing in
 * flight; while there is none, what is asked gathers. Call it once a turn, after the poller's callbacks.
 */
void fleet_flush(struct fleet *f);
/* Deadlines, reconnects, checks; completions run here too. Returns in how many ms it wants to be called again, at least 1. */
int64_t fleet_tick(struct fleet *f);
/* Whether completions wait for fleet_flush(): for loops that would sleep. */
bool fleet_ready(const struct fleet *f);

/* Of the bucket's owner, as last known; NULL where there never was one, or while the map has none. */
const char *fleet_tenure(const struct fleet *f, unsigned bucket);
/* The owner's clock now, microseconds since 1970, as its last TIME and our monotonic clock tell; -1 while unknown. */
int64_t fleet_time_us(const struct fleet *f, unsigned bucket);

enum fleet_owner_state {
	FLEET_OWNER_DOWN,       /* no connection */
	FLEET_OWNER_CHECKING,   /* connected, not yet looked at */
	FLEET_OWNER_REFUSED,    /* must not be used: why */
	FLEET_OWNER_SHORT,      /* fewer replicas acknowledge than are required: nothing is sent but fences, until one is held */
	FLEET_OWNER_READY,
};

struct fleet_owner_status {
	char address[FLEET_ADDRESS_TEXT];
	char tenure[FLEET_TENURE_TEXT];      /* "" while unknown */
	enum fleet_owner_state state;
	char why[FLEET_WHY_TEXT];            /* what is wrong and how to mend it; "" where READY */
	unsigned buckets;                    /* that it owns */
	unsigned connections;
	unsigned replicas;                   /* in step */
	uint64_t lag_bytes;                  /* of the replica in step that is farthest behind */
	int64_t clock_ms;                    /* its clock less ours */
	uint64_t memory_bytes, memory_max_bytes; /* max 0: no limit */
	int64_t latency_us;                  /* of a batch, its fence included, mean of late */
	uint64_t queued, batches, commands, reconnects;
	bool durable;                        /* every acknowledged write is on its disk: appendonly, appendfsync always */
};

/* Returns how many were written. An owner without a bucket is listed while it is connected. */
size_t fleet_owners(const struct fleet *f, struct fleet_owner_status *to, size_t max);
/* One line for people on what keeps the fleet from serving all buckets; "" where nothing does. Returns the buckets without a READY owner. */
unsigned fleet_why(const struct fleet *f, char why[FLEET_WHY_TEXT]);
/* What the user of the configuration must be allowed (ACL SETUSER rules, without keys and password). */
const char *fleet_acl_rules(void);

#endif
