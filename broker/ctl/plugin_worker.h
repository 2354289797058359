/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker with a plugin under test: started with the descriptors that the parent gives (broker/parent/role.h), in the cage
 * that it has in a broker, and asked over org.countersign.Worker as the engine asks.
 */
#ifndef CS_CTL_PLUGIN_WORKER_H
#define CS_CTL_PLUGIN_WORKER_H

#include <sys/types.h>

#include "broker/ctl/ctl.h"
#include "broker/parent/config.h"

enum {
	WORKER_DEADLINE_MS = 2000,  /* of its block, unless its lines say another: long for what touches no network, short for who waits */
	WORKER_SAID_MAX = 768,      /* bytes of a sentence */
	WORKER_LOG_MAX = 4 * 1024 * 1024,
};

enum worker_said {
	SAID_REPLY,
	SAID_REFUSED,  /* the plugin's no; `reason` */
	SAID_FAILED,   /* the plugin could not find out; `reason` */
	SAID_GARBAGE,  /* what the plugin answered was none; the server ended */
	SAID_UNKNOWN,  /* the worker has no such method for this plugin, or refused the parameters */
	SAID_GONE,     /* the server died, or was killed as it was late; `reason` says which */
	SAID_DOWN,     /* no server took the call in time */
};

struct trial_worker {
	struct ctl *ctl;
	pid_t pid, logger;
	int control_fd, log_fd, listen_fd;
	char directory[64];        /* of its own, removed at the end */
	struct wire *wire;
	off_t log_from;            /* where the log of the present call begins */
	unsigned calls, deaths;
	bool processes;            /* the lines of its block give it processes of its own */
	int64_t deadline_ms;       /* of its block */

	/* Of the last call. */
	char request[24];
	struct json doc;
	uint32_t reply;
	char reason[WORKER_SAID_MAX];
};

/*
 * Starts it with a block of this kind ("provider") that holds `lines`, a line each, for the file that plugin_fd is.
 * False with a sentence in w->reason; then there is nothing to stop.
 */
bool trial_worker_start(struct ctl *ctl, const char *kind, const char *lines, int plugin_fd, struct trial_worker *w);
/* Ends it as a broker does. True: in time, and with status 0; else a sentence in w->reason. */
bool trial_worker_stop(struct trial_worker *w);
/* Removes what is left of it; its log is gone then. */
void trial_worker_forget(struct trial_worker *w);

/* Begins a call: deadline_ms and request are written; the caller writes the rest and runs it. */
struct json_writer trial_call(struct trial_worker *w, const char *method, int64_t deadline_ms);
enum worker_said trial_run(struct trial_worker *w, struct json_writer *call);

/* Resident memory and child processes of its server; false where the kernel does not say. */
bool trial_worker_size(const struct trial_worker *w, int64_t *resident_bytes, unsigned *children);
/* Whether its log holds this text. */
bool trial_worker_logged(const struct trial_worker *w, const char *text);

#endif
