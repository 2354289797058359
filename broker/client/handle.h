/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handle, and one call on it: begin, put the parameters, run, take the results, end. The status sticks: after the
 * first thing that goes wrong every later step does nothing, so that a function of the library reads straight down.
 */
#ifndef CS_CLIENT_HANDLE_H
#define CS_CLIENT_HANDLE_H

#include <pthread.h>

#include "broker/client/wire.h"
#include "countersign/client.h"

/* What the shared library shows. */
#define CS_PUBLIC __attribute__((visibility("default")))

struct cs {
	pthread_mutex_t lock; /* guards busy and timeout_ms */
	pthread_cond_t idle;
	bool busy;            /* a thread is inside a call and owns what follows */
	int timeout_ms;
	struct wire wire;
	char out[VARLINK_MESSAGE_MAX + 1];
};

enum call_kind {
	CALL_ONCE,   /* must not be asked again by itself when its reply was lost */
	CALL_REPEAT, /* asking again has the same effect as asking once */
	CALL_MORE,   /* gives several replies; asked by the caller */
};

struct call {
	struct cs *handle;
	struct cs_error *error; /* may be NULL */
	enum cs_status status;
	enum call_kind kind;
	bool owns;              /* the handle is ours until call_end */
	int64_t deadline_ms;
	struct buf out;
	struct json_writer w;
	struct json doc;        /* of the newest reply */
	uint32_t object;        /* its parameters, or 0 */
	bool continues;
};

/* Takes the handle, waiting for other threads. */
void call_begin(struct call *c, struct cs *handle, const char *method, enum call_kind kind, struct cs_error *error);

/* Ends the message, sends it and receives, asking again where the kind allows it. */
void call_run(struct call *c);
/* The same for a message that stands in `out` with its NUL. */
void call_send(struct call *c);
/* CALL_MORE: the next reply. */
void call_next(struct call *c);

/* Wipes the message, gives the handle back. Returns the status. */
enum cs_status call_end(struct call *c);

/* Ends the call with this status; the first one counts. field may be NULL. */
void call_fail(struct call *c, enum cs_status status, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The broker's error reply, as a status. Part of call_run. */
void call_refused(struct call *c, struct view name);

#endif
