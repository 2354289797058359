/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's descriptors on the engine's loop: by libevent while it runs; by poll(), and without anything else, where the
 * engine cannot go on before the store has answered.
 */
#include "broker/engine/loop_store.h"

#include <poll.h>
#include <stdlib.h>

#include <event2/event.h>

#include "broker/base/check.h"

/* Of a descriptor; few, as a store has a handful of servers, so a list will do. */
struct watched {
	int fd;
	short events;
	poller_fn *ready;
	void *arg;
	struct event *event;
	struct watched *next;
};

enum { WAIT_FDS_MAX = 256 };

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct watched *w = arg;

	/* A descriptor that failed is ready for whatever was asked. */
	w->ready(w->arg, fd, (short)(((what & EV_READ) != 0 ? POLLIN : 0) | ((what & EV_WRITE) != 0 ? POLLOUT : 0)));
}

static struct watched **
find(struct loop_store *s, int fd)
{
	struct watched **at = &s->all;

	while (*at != NULL && (*at)->fd != fd)
		at = &(*at)->next;
	return at;
}

static void
unwatch(struct watched **at)
{
	struct watched *w = *at;

	*at = w->next;
	event_free(w->event);
	free(w);
}

static void
watch(void *loop, int fd, short events, poller_fn *ready, void *arg)
{
	struct loop_store *s = loop;
	struct watched **at = find(s, fd), *w = *at;
	short what = (short)(EV_PERSIST | ((events & POLLIN) != 0 ? EV_READ : 0) | ((events & POLLOUT) != 0 ? EV_WRITE : 0));

	if (events == 0) {
		if (w != NULL)
			unwatch(at);
		return;
	}
	if (w == NULL) {
		w = calloc(1, sizeof(*w));
		CHECK(w != NULL);
		w->fd = fd;
		w->next = s->all;
		s->all = w;
	}
	w->ready = ready;
	w->arg = arg;
	if (w->event != NULL && w->events == events)
		return;
	w->events = events;
	if (w->event == NULL) {
		w->event = event_new(s->base, fd, what, on_event, w);
		CHECK(w->event != NULL);
	} else {
		CHECK(event_del(w->event) == 0 && event_assign(w->event, s->base, fd, what, on_event, w) == 0);
	}
	CHECK(event_add(w->event, NULL) == 0);
}

void
loop_store_init(struct loop_store *s, struct event_base *base)
{
	*s = (struct loop_store){.poller = {s, watch}, .base = base};
}

void
loop_store_clear(struct loop_store *s)
{
	while (s->all != NULL)
		unwatch(&s->all);
}

void
loop_store_wait(struct loop_store *s, int64_t timeout_ms)
{
	struct pollfd fds[WAIT_FDS_MAX];
	nfds_t n = 0;

	for (struct watched *w = s->all; w != NULL && n < WAIT_FDS_MAX; w = w->next)
		fds[n++] = (struct pollfd){.fd = w->fd, .events = w->events};
	if (poll(fds, n, (int)(timeout_ms < 0 ? 0 : timeout_ms)) <= 0)
		return;
	for (nfds_t i = 0; i < n; i++) {
		struct watched *w = fds[i].revents == 0 ? NULL : *find(s, fds[i].fd);

		/* One that was told before may have closed this one. */
		if (w != NULL && w->events == fds[i].events)
			w->ready(w->arg, w->fd, fds[i].revents);
	}
}
