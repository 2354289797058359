/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper of one conversation: a process of its own between the plugin and the PAM process. It outlives the call that
 * began it, since the answer may come through another server of the worker, and ends everything that belongs to the
 * conversation when its time is over, when it is told to, when its result was fetched, or when the worker ends.
 */
#ifndef CS_PLUGIN_PAM_KEEPER_H
#define CS_PLUGIN_PAM_KEEPER_H

#include <sys/types.h>

#include "plugins/pam/wire.h"

struct keeper {
	const char *service, *directory, *user;  /* directory: NULL for the system's */
	int64_t timeout_ms;
	int worker_fd;      /* a pidfd of the worker, or -1 */
};

/* Starts keeper and PAM process; the conversation can be connected to at once. The keeper's pid, or -1. */
pid_t keeper_start(const struct keeper *k, const struct wire_address *at);

#endif
