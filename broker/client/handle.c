/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing; one call on a handle, by its deadline, asked again at most once. */
#include "broker/client/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { CALLS_MAX = 2 }; /* the call, and once again */

CS_PUBLIC enum cs_status
cs_open(const char *path, struct cs **handle)
{
	pthread_condattr_t attr;
	struct cs *h;

	if (handle == NULL)
		return CS_STATUS_ARGUMENT;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return CS_STATUS_MEMORY;
	if (!wire_init(&h->wire, path == NULL ? CS_SOCKET_DEFAULT : path)) {
		free(h);
		return CS_STATUS_ARGUMENT;
	}
	h->timeout_ms = CS_TIMEOUT_DEFAULT_MS;
	(void)pthread_mutex_init(&h->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&h->idle, &attr);
	(void)pthread_condattr_destroy(&attr);
	*handle = h;
	return CS_STATUS_OK;
}

CS_PUBLIC void
cs_close(struct cs *handle)
{
	if (handle == NULL)
		return;
	wire_close(&handle->wire);
	(void)pthread_cond_destroy(&handle->idle);
	(void)pthread_mutex_destroy(&handle->lock);
	explicit_bzero(handle->wire.in, sizeof(handle->wire.in));
	free(handle);
}

CS_PUBLIC enum cs_status
cs_set_timeout(struct cs *handle, int timeout_ms)
{
	if (handle == NULL || timeout_ms < 1 || timeout_ms > CS_TIMEOUT_MAX_MS)
		return CS_STATUS_ARGUMENT;
	(void)pthread_mutex_lock(&handle->lock);
	handle->timeout_ms = timeout_ms;
	(void)pthread_mutex_unlock(&handle->lock);
	return CS_STATUS_OK;
}

/* Waits, by the deadline that follows from the handle's time-out, until no other thread is inside a call. */
static bool
handle_take(struct cs *h, int64_t *deadline_ms)
{
	struct timespec until;
	int rc = 0;

	(void)pthread_mutex_lock(&h->lock);
	*deadline_ms = wire_now_ms() + h->timeout_ms;
	until.tv_sec = (time_t)(*deadline_ms / 1000);
	until.tv_nsec = (long)(*deadline_ms % 1000) * 1000000;
	while (h->busy && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&h->idle, &h->lock, &until);
	if (h->busy) {
		(void)pthread_mutex_unlock(&h->lock);
		return false;
	}
	h->busy = true;
	(void)pthread_mutex_unlock(&h->lock);
	return true;
}

static void
handle_give_back(struct cs *h)
{
	(void)pthread_mutex_lock(&h->lock);
	h->busy = false;
	(void)pthread_cond_signal(&h->idle);
	(void)pthread_mutex_unlock(&h->lock);
}

void
call_begin(struct call *c, struct cs *handle, const char *method, enum call_kind kind, struct cs_error *error)
{
	*c = (struct call){.handle = handle, .error = error, .kind = kind};
	if (handle == NULL) {
		call_fail(c, CS_STATUS_ARGUMENT, "handle", "the handle is NULL: open one with cs_open()");
		return;
	}
	if (!handle_take(handle, &c->deadline_ms)) {
		call_fail(c, CS_STATUS_UNREACHABLE, NULL,
		    "other threads kept the handle busy until the time was over: use more handles");
		return;
	}
	c->owns = true;
	c->out = buf_over(handle->out, sizeof(handle->out));
	c->w = varlink_call_begin(&c->out, view_str(method), kind == CALL_MORE);
}

enum cs_status
call_end(struct call *c)
{
	if (c->owns) {
		/* A watch that is not at its end would go on talking; after it the connection is of no use. */
		if (c->kind == CALL_MORE)
			wire_close(&c->handle->wire);
		explicit_bzero(c->handle->out, c->out.len);
		handle_give_back(c->handle);
		c->owns = false;
	}
	return c->status;
}

static void
fail_wire(struct call *c, enum wire_result rc, bool asked)
{
	const struct wire *w = &c->handle->wire;
	const char *path = w->path;
	const char *why = strerror(w->os_error); /* safe between threads in glibc since 2.32, and in musl */

	if (asked && (rc == WIRE_UNREACHABLE || rc == WIRE_UNSENT))
		rc = WIRE_LOST;
	switch (rc) {
	case WIRE_OK:
		return;
	case WIRE_UNREACHABLE:
	case WIRE_UNSENT:
		call_fail(c, CS_STATUS_UNREACHABLE, NULL,
		    "cannot reach the broker at %s: %s; look whether countersignd runs and this is its socket", path,
		    why);
		break;
	case WIRE_LOST:
		call_fail(c, CS_STATUS_LOST, NULL,
		    "the broker at %s closed the connection before it answered: it may have acted, ask again with the "
		    "same ids",
		    path);
		break;
	case WIRE_TIMEOUT:
		call_fail(c, CS_STATUS_TIMEOUT, NULL,
		    "the broker at %s did not answer in time: it may have acted, ask again with the same ids", path);
		break;
	case WIRE_GARBAGE:
		call_fail(c, CS_STATUS_PROTOCOL, NULL,
		    "what answers at %s does not speak as the broker does: %s", path, w->reason);
		break;
	}
	if (c->error != NULL)
		c->error->os_error = w->os_error;
}

void
call_next(struct call *c)
{
	struct varlink_reply reply;
	enum wire_result rc;

	if (c->status != CS_STATUS_OK)
		return;
	rc = wire_receive(&c->handle->wire, c->deadline_ms, &c->doc, &reply);
	if (rc != WIRE_OK) {
		fail_wire(c, rc, true);
		return;
	}
	c->object = reply.parameters;
	c->continues = reply.continues;
	if (reply.error.len > 0)
		call_refused(c, reply.error);
}

/* One try, as far as the reply for a plain call, and as far as the sending for one with many replies. */
static enum wire_result
ask(struct call *c)
{
	struct wire *w = &c->handle->wire;
	struct varlink_reply reply;
	enum wire_result rc = wire_connect(w, c->deadline_ms);

	if (rc == WIRE_OK)
		rc = wire_send(w, buf_view(&c->out), c->deadline_ms);
	if (rc != WIRE_OK || c->kind == CALL_MORE)
		return rc;
	rc = wire_receive(w, c->deadline_ms, &c->doc, &reply);
	if (rc != WIRE_OK)
		return rc;
	if (reply.continues) {
		w->reason = "one reply was asked for, and more are announced";
		wire_close(w);
		return WIRE_GARBAGE;
	}
	c->object = reply.parameters;
	if (reply.error.len > 0)
		call_refused(c, reply.error);
	return WIRE_OK;
}

/*
 * A message of which the peer cannot have had all is sent again whatever it says. One whose reply was lost is asked
 * again only where that has the same effect; and once it was asked, a failure to reach the broker again is no longer
 * "nothing was sent".
 */
void
call_send(struct call *c)
{
	enum wire_result rc = WIRE_UNSENT;
	bool asked = false;

	if (c->status != CS_STATUS_OK)
		return;
	if (c->out.full) {
		call_fail(c, CS_STATUS_TOO_BIG, NULL, "the call is longer than a message may be (%d bytes)",
		    VARLINK_MESSAGE_MAX);
		return;
	}
	for (int i = 0; i < CALLS_MAX; i++) {
		rc = ask(c);
		if (rc == WIRE_LOST)
			asked = true;
		if (rc != WIRE_UNSENT && !(rc == WIRE_LOST && c->kind == CALL_REPEAT))
			break;
		if (wire_now_ms() >= c->deadline_ms)
			break;
	}
	fail_wire(c, rc, asked);
}

void
call_run(struct call *c)
{
	if (c->status != CS_STATUS_OK)
		return;
	varlink_end(&c->w);
	call_send(c);
}
