/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main process of a worker: forks the servers, kills one that passes its deadline, replaces one
 * that is gone, and ends them all on SIGTERM. It never runs a line of the plugin.
 */
#ifndef CS_WORKER_SUPERVISE_H
#define CS_WORKER_SUPERVISE_H

#include "broker/parent/role.h"
#include "broker/worker/serve.h"

enum {
	SUPERVISE_SERVERS_MAX = 64,
	SUPERVISE_GRACE_MS = 50,	/* past the deadline: the reply may be on its way */
	SUPERVISE_START_MS = 20 * 1000, /* loading and self-test, on the slowest machine */
	SUPERVISE_BACKOFF_MIN_MS = 10,
	SUPERVISE_BACKOFF_MAX_MS = 5 * 1000,
	SUPERVISE_SETTLED_MS =
	    10 * 1000, /* who lived so long begins again with the shortest wait */
};

/* Returns the exit status of the worker. Says ready to the parent once every server is. */
int supervise(struct role *role, const struct settings *settings);

#endif
