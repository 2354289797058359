/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that this worker gives to its plugin (struct countersign_host_v1), over its
 * settings.
 */
#ifndef CS_WORKER_HOST_H
#define CS_WORKER_HOST_H

#include "broker/worker/http.h"
#include "broker/worker/settings.h"

enum {
	HOST_SCRATCH_MAX = 512 * 1024,  /* of one call, as plugin.h promises */
	HOST_SCRATCH_BLOCKS = 64,
};

struct host {
	struct countersign_host_v1 table;  /* what the plugin sees */
	const struct countersign_plugin_v1 *plugin;
	const struct settings
	    *settings; /* NULL while there is no configuration: self-test and --check */
	struct http *http;                 /* NULL: the plugin uses none */
	int64_t deadline_boot_ms;          /* of the call in progress; 0: none */
	size_t scratch_count, scratch_bytes;
	struct {
		void *data;
		size_t len;
	} scratch[HOST_SCRATCH_BLOCKS];
};

void host_init(struct host *h, const struct countersign_plugin_v1 *plugin,
    const struct settings *settings, struct http *http);
/* Round every operation: limits HTTP to the deadline, and wipes the scratch memory after it. */
void host_call_begin(struct host *h, int64_t deadline_boot_ms);
void host_call_end(struct host *h);

#endif
