/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's side of the plugins: for each block of the configuration that names one a queue and as many connections as its worker has
 * servers. A plugin that failed five times in a row is given a rest of 1 s to 60 s, in which calls are unavailable at once. A call gets a server, or waits; its deadline runs from the moment of queueing. Whatever goes wrong, silence
 * and garbage included, ends as a result with `err` set, exactly once.
 */
#ifndef CS_ENGINE_WORKERS_H
#define CS_ENGINE_WORKERS_H

#include "broker/engine/call.h"

enum { WORKER_REQUEST_MAX = 40 * 1024 };  /* a factor's longest answer and a card, with every byte of them escaped, and its secret */

struct worker_result {
	enum cs_err err;        /* CS_OK; CS_ERR_DENIED: the plugin's no; CS_ERR_UNAVAILABLE: no usable answer in time */
	struct view reason;     /* of CS_ERR_DENIED: as the plugin gave it, such as "bad_nonce"; else a word for the log */
	const struct json *doc; /* of CS_OK */
	uint32_t parameters;
	uint64_t server;        /* of CS_OK: who answered, for workers_lied() */
	bool *lied;             /* of CS_OK: set it where the answer contradicts the question; that server is given up */
};

/* Runs once. ctx is the asker's; the held call may have lost its stream. */
typedef void worker_done_fn(struct engine *e, void *ctx, const struct worker_result *result);

/*
 * Sends the call `method` ("Identify") of org.countersign.Worker to the plugin of that name in the configuration. `parameters` is
 * the JSON of its members without deadline_ms and request, which are added here (leading comma not included; may be
 * empty). The reply's `request` is compared. done may run before this returns.
 */
void workers_ask(struct engine *e, struct view name, const char *method, struct view parameters, worker_done_fn *done,
    void *ctx);
/* The same with a deadline that may be shorter than the configured one. */
void workers_ask_within(struct engine *e, struct view name, int64_t within_ms, const char *method, struct view parameters,
    worker_done_fn *done, void *ctx);

/* What this server said was found to be a lie after its answer was taken: it is given up, if it is still there. */
void workers_lied(struct engine *e, uint64_t server);

enum { WORKER_PARAMETER_MAX = 64 };

/* What a factor's or a provider's plugin says of itself; false in all while it was not heard. */
struct worker_said {
	bool heard;
	/* of a factor */
	bool begins;            /* answers are taken after Begin only */
	bool sends;             /* which sends something to the owner */
	bool tells;
	/* of a provider */
	bool code_alone;        /* signs nothing: takes codes alone, and its answer has no nonce */
	bool signals;           /* it has Signal */
	bool polls;             /* it has Poll, and so for the others */
	bool streams;
	bool rekeys;
	char code_parameter[WORKER_PARAMETER_MAX + 1]; /* the callback's member that holds the code; "code" where nothing is said */
};
/* Of the plugin of that name in the configuration. */
struct worker_said workers_said(const struct engine *e, struct view name);

struct worker_status {
	const char *name, *plugin;
	enum config_kind kind;
	uint32_t servers, busy, queued;
	uint64_t failures;
	int64_t rest_ms;        /* it failed too often in a row, and is asked again after so long; 0: it is asked */
	char last_error[96];
};
/* The i-th of those configured; false beyond. */
bool workers_status(const struct engine *e, size_t i, struct worker_status *out);

struct workers *workers_new(void);
void workers_free(struct workers *w);
void workers_configure(struct engine *e);
void workers_read(struct engine *e, struct stream *s);
void workers_gone(struct engine *e, struct stream *s);
/* Milliseconds until the next call's time is over; INT64_MAX: none waits. */
int64_t workers_tick(struct engine *e);

#endif
