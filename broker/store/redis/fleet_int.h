/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the fleet. fleet.c: asks and their ends; fleet_batch.c: batches and their fences; fleet_node.c: servers and connections;
 * fleet_greet.c: what is asked of a server, and who owns what.
 */
#ifndef CS_STORE_REDIS_FLEET_INT_H
#define CS_STORE_REDIS_FLEET_INT_H

#include "broker/base/secret.h"
#include "broker/store/redis/fleet.h"
#include "broker/store/redis/slots.h"
#include "broker/store/redis/wire.h"

enum {
	BATCH_ASKS_MAX = 1024,
	BATCH_BYTES_MAX = 4 * 1024 * 1024, /* more than one of the largest commits; the rest waits for the next batch */
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MAX_MS = 2000,
	PAUSE_FIRST_MS = 5,                /* before an ask that a server put off is sent again; doubles */
	PAUSE_MAX_MS = 200,
	PROBE_MS = 2000,                   /* between looks at a server that is well */
	HURRY_MS = 100,                    /* the same while something is wrong */
	KNOCK_MS = 100,                    /* between fences alone, while replicas do not acknowledge */
	SWEEP_MS = 5,                      /* between looks at deadlines */
	SPARE_MS = 30000,                  /* a server that owns nothing and was not configured is forgotten after it */
	FENCE_TRIES_MAX = 6,               /* a fence's key may be on its way to another server: other buckets' are tried */
	ROUNDS_MAX = 16,                   /* of completions that ask and end at once, in one turn */
	GREETS_MAX = FLEET_SCRIPTS_MAX + 16,
	TENURES_MAX = 1 << 20,             /* ever seen; a few a failover */
};

struct node;

struct ask {
	struct ask *next;
	char *command;
	size_t command_len;
	fleet_fn *done;
	void *ctx;
	int64_t asked_us, deadline_us, not_before_us;
	uint32_t tenure_no;       /* bound to it; 0: to none */
	uint16_t bucket;
	uint8_t flags, pauses;
	bool maybe;               /* was sent before and may have been executed */
	struct node *asking;      /* where its keys are on their way to; NULL: to the owner */
	enum cs_err err;
	struct redisReply *reply;
	uint32_t executed_no;
	int64_t ended_us;
};

struct queue {
	struct ask *head, *last;
	size_t n;
};

enum conn_state { CONN_CLOSED, CONN_OPENING, CONN_GREETING, CONN_IDLE, CONN_BUSY };

/* What the next reply of a greeting or probe answers. */
enum greet { GREET_AUTH, GREET_NAME, GREET_INFO, GREET_CONFIG, GREET_TIME, GREET_SCRIPT, GREET_DEFAULT, GREET_EPOCH, GREET_SLOTS, GREET_MASTER };

struct conn {
	struct node *node;
	struct wire wire;
	enum conn_state state;
	uint8_t greets[GREETS_MAX];
	size_t greets_n, greets_at;
	bool greeted;                     /* and since then of use */
	struct ask *asks[BATCH_ASKS_MAX]; /* NULL: ended already */
	bool asking[BATCH_ASKS_MAX];      /* it comes after ASKING, which is answered too */
	uint64_t ends[BATCH_ASKS_MAX];    /* of each one's bytes, as wire.put_bytes counts */
	size_t asks_n, answered;
	bool asking_said;                 /* the reply to ASKING has come, that of the ask itself not */
	/* The fence: SET, WAIT (both where replicas are required), INFO. */
	bool fenced, knock;
	size_t fence_answered;
	unsigned fence_tries, fence_bucket;
	bool wrote, acknowledged;         /* SET was executed; WAIT counted enough */
	bool fence_again;                 /* its key was refused in a way that another key may mend */
	bool fence_expires;               /* out of memory: PEXPIRE in place of SET */
	bool deposed;                     /* an answer said so */
	int64_t expiry_us;                /* the first deadline of its asks */
	int64_t began_us, deadline_us;
	uint32_t tenure_no;
	char replid[REPLY_ID_TEXT];
};

struct node {
	struct fleet *fleet;
	struct fleet_address address;
	struct address where;
	bool sentinel;
	enum fleet_owner_state state;
	char why[FLEET_WHY_TEXT];
	struct queue queue;
	struct conn conns[FLEET_CONNECTIONS];
	uint32_t tenure_no;
	struct reply_info info;
	char appendonly[8], appendfsync[16], no_fsync_on_rewrite[8];
	char forgets[96];                 /* what its user default may not do, as ACL DRYRUN says; "" fine */
	bool config_denied;
	bool seed;                        /* named in the configuration */
	bool refusing;                    /* a connection is being dropped because of what was found */
	bool knock;                       /* no fence was held since its tenure began, or since one was not */
	int64_t knock_us, spare_us;
	uint64_t epoch;                   /* of the cluster, as it last said */
	unsigned buckets, failures;
	int64_t open_us, probe_us;        /* when to do it next */
	int64_t time_us, time_at_us;      /* its clock, and our monotonic one */
	int64_t clock_ms, latency_us;
	uint64_t batches, commands, reconnects;
	struct fleet_address vote;        /* of a sentinel */
	bool good;                        /* so far in this greeting */
	bool reload;                      /* it has forgotten the scripts */
};

struct fleet {
	struct poller poller;
	enum fleet_mode mode;
	char *sentinel_master, *user, *sentinel_user;
	struct secret password, sentinel_password;
	struct tls_client *tls;
	char prefix[33];
	unsigned replicas;
	bool weaker_fsync, weaker_persistence, log;
	int64_t timeout_us;
	char *scripts[FLEET_SCRIPTS_MAX];
	char shas[FLEET_SCRIPTS_MAX][41];
	size_t scripts_n;
	struct node *nodes[FLEET_OWNERS_MAX];
	size_t nodes_n;
	struct node *owner[SLOTS_BUCKETS];
	struct conn *busy_on[SLOTS_BUCKETS];
	struct queue homeless, paused, finished;
	char **tenures;                   /* by number - 1 */
	uint32_t tenures_n;
	int64_t sweep_us;
	uint64_t epoch;                   /* of the map: what servers say that know less is not heard */
	uint64_t fences;
	bool running, ending;
};

int64_t mono_us(void);
void queue_push(struct queue *q, struct ask *a);
struct ask *queue_pop(struct queue *q);

/* fleet.c */
void ask_end(struct fleet *f, struct ask *a, enum cs_err err, struct redisReply *reply, uint32_t executed_no);
/* Not now: again after a pause, while its deadline allows. */
void ask_again(struct fleet *f, struct ask *a);
void ask_route(struct fleet *f, struct ask *a);
/* Not any more: by what is known of it. */
void ask_give_up(struct fleet *f, struct ask *a);
void queue_push_front(struct queue *q, struct ask *a);
uint32_t tenure_number(struct fleet *f, const char *text);
struct node *fleet_node(struct fleet *f, const struct fleet_address *at, bool sentinel);
void fleet_own(struct fleet *f, unsigned bucket, struct node *n);

/* fleet_node.c */
struct node *node_new(struct fleet *f, const struct fleet_address *at, bool sentinel);
void node_free(struct node *n);
bool node_tick(struct node *n, int64_t now_us); /* true: wants to be called within milliseconds */
void node_send(struct node *n);
void node_set(struct node *n, enum fleet_owner_state state, const char *format, ...) __attribute__((format(printf, 3, 4)));
void node_restart(struct node *n);
bool node_spare(struct node *n, int64_t now_us); /* may be forgotten */
void conn_put(struct conn *c, int argc, const char **argv, const size_t *lens);
void conn_drop(struct conn *c, const char *why);

/* fleet_batch.c */
bool batch_send(struct conn *c);    /* false: nothing that it may carry now */
void batch_knock(struct conn *c);   /* a fence alone */
void batch_answer(struct conn *c, struct redisReply *r); /* which is now the callee's */
void batch_lost(struct conn *c);
void batch_expire(struct conn *c, int64_t now_us);

/* fleet_greet.c */
void greet_send(struct conn *c, bool first);
void greet_take(struct conn *c, struct redisReply *r);
void map_stale(struct fleet *f);

#endif
