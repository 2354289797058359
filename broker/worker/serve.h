/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server: one process that holds the plugin and answers one connection at a time, one call at a
 * time. It loads the plugin after the fork, so that nothing of a plugin's libraries is shared with
 * a neighbour or survives a kill.
 */
#ifndef CS_WORKER_SERVE_H
#define CS_WORKER_SERVE_H

#include <stdatomic.h>

#include "broker/worker/settings.h"

/* In memory shared with the main process. The watchdog kills a server whose deadline has passed. */
struct server_slot {
	_Atomic int64_t deadline_boot_ms;  /* of the call in progress; 0: none */
	_Atomic int ready;                 /* loaded, self-tested, initialised */
	_Atomic int uses_http;             /* what the plugin said of itself: it may open sockets */
};

enum {
	SERVE_EXIT_UNFIT = 78,   /* the plugin or its configuration is no good: EX_CONFIG */
	SERVE_EXIT_BROKEN = 76,  /* the plugin answered garbage: EX_PROTOCOL */
};

struct serve {
	const struct settings *settings;
	int plugin_fd, listen_fd;
	int poke_fd;                   /* eventfd: tells the main process that a slot changed */
	int cage_fd;                   /* to the main process: see cage_first() */
	struct server_slot *slot;
};

/* The life of a server process. SIGTERM: finishes the call and exits with 0. */
_Noreturn void serve_run(const struct serve *s);

#endif
