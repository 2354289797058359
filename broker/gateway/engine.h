/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to the engine: Varlink calls over RUN/gateway.sock.
 *
 * The fast lane is a few connections with many calls in flight each, whose replies come in order;
 * what is written in one turn of the loop leaves in one write. The slow lane is a bounded pool of
 * connections with one call each, for calls that wait for a plugin; watches have their own; more wait in a bounded queue. A
 * call that gets no answer ends as unavailable: the engine is away, the queue is full, its deadline
 * passed, or the connection broke. It is never repeated here: it may have happened.
 */
#ifndef CS_GATEWAY_ENGINE_H
#define CS_GATEWAY_ENGINE_H

#include "broker/base/varlink.h"

struct event_base;
struct engine;
struct engine_call;

enum engine_lane { ENGINE_FAST, ENGINE_SLOW, ENGINE_WATCH };

enum {
	ENGINE_FAST_CONNECTIONS =
	    2, /* the engine has one thread: a second hides the turn of the first */
	ENGINE_SLOW_CONNECTIONS = 32,	 /* calls that wait for a plugin at once */
	ENGINE_WATCH_CONNECTIONS = 96, /* calls with `more`: each holds up its connection for minutes */
	ENGINE_SLOW_QUEUE = 256,	 /* more would pass their deadline in the queue */
	ENGINE_CALLS_MAX = 4096,	 /* in flight and queued, all lanes */
	ENGINE_FAST_DEADLINE_MS = 5000,	 /* an answer without a plugin takes milliseconds */
	ENGINE_SLOW_DEADLINE_MS = 30000, /* longer than any plugin may take */
	ENGINE_BACKOFF_FIRST_MS = 10,
	ENGINE_BACKOFF_MAX_MS = 1000,
	ENGINE_RETRY_MS = 1000, /* what callers are told to wait */
};

/* doc is NULL where there is no answer; then `why` says so in static text. Lives until the callback
 * returns. In the lane for watches reply.continues says that another answer follows. */
struct engine_answer {
	const struct json *doc;
	struct varlink_reply reply;
	const char *why;
};

typedef void engine_done(void *arg, const struct engine_answer *answer);

/* socket_path must outlive it. Connects at once. Aborts where it runs out of memory. */
struct engine *engine_new(struct event_base *base, const char *socket_path);
void engine_free(struct engine *e);

/*
 * A call is written between begin and commit, as one message with its NUL (varlink_call_begin ...
 * varlink_end). Nothing else may be done with the engine in between. begin: NULL where no call can
 * be taken now. affinity: calls of the same number in the fast lane are answered in the order in
 * which they were made, unless a connection goes away between them.
 */
struct buf *engine_begin(struct engine *e, enum engine_lane lane, unsigned affinity);
/*
 * Sends it. done is called exactly once, later (of a watch until an answer does not continue), unless engine_cancel comes first. NULL: the message
 * was too large and was taken back; done is not called.
 */
struct engine_call *engine_commit(struct engine *e, engine_done *done, void *arg);
/* The caller no longer cares. The call itself may still happen; a watch ends. */
void engine_cancel(struct engine_call *call);

/* Calls in flight or queued. */
size_t engine_pending(const struct engine *e);
/* Drops what passed its deadline; to be called a few times a second. */
void engine_tick(struct engine *e);

#endif
