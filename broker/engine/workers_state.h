/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the plugins' queues share; private to them. */
#ifndef CS_ENGINE_WORKERS_STATE_H
#define CS_ENGINE_WORKERS_STATE_H

#include "broker/engine/breaker.h"
#include "broker/engine/workers.h"

enum {
	TARGETS_MAX = CONFIG_INSTANCES_MAX,
	SERVERS_MAX = 16,
};

struct ask {
	worker_done_fn *done;
	void *ctx;
	const char *method;        /* a constant */
	struct bytes members;      /* of its parameters, as JSON */
	int64_t deadline_ms;       /* boot clock */
	uint64_t request;
	bool tries;                /* the one call that shows whether a plugin at rest answers again */
	bool aside;                /* of a provider's security events: see breaker_is_aside() */
	struct ask *next;
};

struct server {
	struct target *target;
	struct stream *stream;     /* NULL: not connected */
	struct ask *ask;           /* that it works on */
	uint64_t number;           /* of this connection */
	bool lied;                 /* it is given up when its call has ended */
};

struct target {
	char name[CONFIG_NAME_MAX + 1];
	char path[CONFIG_SOCKET_PATH_MAX + 1];
	char plugin[64];
	enum config_kind kind;
	bool current;
	uint32_t servers_n, queue_max, queued;
	int64_t deadline_ms, tried_ms;
	struct worker_said said;   /* of a factor or a provider */
	bool hearing;              /* it is being asked */
	int64_t heard_ms;          /* boot clock: when it was asked last */
	uint64_t failures;
	struct breaker breaker;
	char last_error[96];
	struct server servers[SERVERS_MAX];
	struct ask *first, **last;
};

struct workers {
	struct target *targets[TARGETS_MAX * 2]; /* old ones stay until their calls have ended */
	size_t n;
	uint64_t requests, connections;
};

void worker_ask_free(struct ask *a);
/* Of that name in the configuration, or NULL. */
struct target *worker_target_find(const struct workers *w, struct view name);
/* A target that the configuration has no more closes its connections when its last call has ended. */
void worker_targets_retire(struct engine *e);

#endif
