/* SPDX-License-Identifier: Apache-2.0 */
/* What the fleet's tests share: redis-server processes with any settings, a server that lies, and asks that wait. */
#ifndef TESTS_STORE_FLEET_WORLD_H
#define TESTS_STORE_FLEET_WORLD_H

#include <sys/types.h>

#include "broker/store/redis/fleet.h"
#include "broker/store/redis/pollset.h"
#include "tests/store/harness.h"

enum { PROCESSES_MAX = 12, ANSWER_TEXT = 256 };

struct process {
	pid_t pid;
	int port;        /* 0: none */
	int unix_only;
	char dir[200];   /* its own; the socket is in it */
};

/* A server in a directory of its own beneath the scratch directory; settings: "appendonly yes\n..." as in redis.conf. */
void process_start(struct process *p, const char *settings);
void process_again(struct process *p);  /* on what is there */
void process_signal(const struct process *p, int signal);
void process_kill(struct process *p);
void processes_end(void);               /* all that were started, and their directories */
int port_free(void);
/* The reply to a command, by redis-cli; the test ends where it fails. */
const char *cli(const struct process *p, const char *arguments);
/* A command of the shell in the scratch directory; the test ends where it fails. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *scratch(void);

/* A server that lies, in a process of its own, on a Unix socket. */
enum lie {
	LIE_NONE, LIE_BYTE_BY_BYTE,
	/* Of the answers to asks. */
	LIE_GARBAGE, LIE_HUGE_BULK, LIE_HUGE_ARRAY, LIE_DEEP, LIE_EXTRA_REPLY, LIE_NO_REPLY, LIE_HALF_REPLY, LIE_CLOSES, LIE_MOVED, LIE_ASK,
	LIE_READONLY, LIE_RESP3,
	/* Of the fence. */
	LIE_WAIT_FEW, LIE_WAIT_TEXT, LIE_SET_REFUSED, LIE_NEW_HISTORY, LIE_REPLICA_NOW, LIE_EMPTY_INFO, LIE_INFO_ERROR,
	/* Of everything. */
	LIE_SILENT,
	LIE__COUNT,
	/* None: it stands still before each answer until that is allowed. */
	LIE_WAITS
};
struct liar {
	pid_t pid;
	char socket[200];
	volatile int *lie;           /* an enum lie; shared with it */
	volatile long *executed;     /* writes that it has executed */
	volatile long *allowed, *begun; /* LIE_WAITS: answers that may be given; that were to be given */
};
void liar_start(struct liar *l);

struct world {
	struct pollset set;
	struct fleet *fleet;
};

struct answer {
	int calls;
	enum cs_err err;
	int type;
	long long integer;
	char text[ANSWER_TEXT];
	char tenure[FLEET_TENURE_TEXT];
	int64_t took_us;
};

/* The options' mode, servers, timeout and what else is set; the rest is filled in. */
void world_begin(struct world *w, const struct fleet_options *o);
void world_end(struct world *w);
/* A round: a few ms of waiting at most. */
void world_turn(struct world *w);
/* Until all buckets have a READY owner, or the time is over; what fleet_why() says then is in `why`. */
bool world_ready(struct world *w, int timeout_ms, char why[FLEET_WHY_TEXT]);
bool world_says(struct world *w, const char *part, int timeout_ms); /* until fleet_why() has that in it */
/* argv as words without spaces; %k stands for a key of the bucket. */
void world_ask(struct world *w, unsigned bucket, unsigned flags, const char *words, struct answer *to);
void world_wait(struct world *w, const struct answer *a);      /* until it was called */
enum cs_err world_do(struct world *w, unsigned bucket, unsigned flags, const char *words, struct answer *to);
void answer_take(void *ctx, enum cs_err err, const struct fleet_reply *r);
int64_t now_ms(void);

#endif
