/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org.countersign.Worker: from a Varlink call to an operation of the plugin, and from what it
 * answers to a reply. What comes from the plugin is checked for form here (bounds, UTF-8, control
 * characters); whether it is what was asked for, the engine judges.
 */
#ifndef CS_WORKER_CALLS_H
#define CS_WORKER_CALLS_H

#include "broker/base/varlink.h"
#include "broker/worker/host.h"

/*
 * Told before and after an operation, for the watchdog: the deadline on clock_now.boot_ms, and 0.
 */
typedef void calls_deadline_fn(void *context, int64_t deadline_boot_ms);

struct calls {
	struct host *host;
	const struct countersign_plugin_v1 *plugin;
	const struct settings *settings;
	void *instance;
	calls_deadline_fn *deadline;
	void *deadline_context;
	bool broken; /* the plugin wrote out of bounds or what is no text: this process must end */
};

/*
 * Answers one whole message (without its NUL, changed in place). out gets one reply with its NUL.
 */
void calls_answer(struct calls *c, char *text, size_t len, struct buf *out);

/* enum countersign_result of a reason of Refused or Failed; 255 where it is none. */
int calls_result_of(struct view reason);

#endif
