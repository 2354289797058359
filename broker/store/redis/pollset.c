/* SPDX-License-Identifier: Apache-2.0 */
/* A poller over poll(). A descriptor that is no longer watched is skipped in the round that runs, and its place used again. */
#include "broker/store/redis/pollset.h"

#include <poll.h>
#include <stdlib.h>

#include "broker/base/check.h"

struct pollset_watch {
	poller_fn *ready;
	void *arg;
};

static size_t
place_of(struct pollset *p, int fd)
{
	size_t i = 0;

	while (i < p->n && p->fds[i].fd != fd)
		i++;
	if (i < p->n)
		return i;
	for (i = 0; i < p->n && p->fds[i].fd >= 0; i++)
		;
	if (i == p->cap) {
		p->cap = p->cap == 0 ? 16 : p->cap * 2;
		p->fds = realloc(p->fds, p->cap * sizeof(p->fds[0]));
		p->watches = realloc(p->watches, p->cap * sizeof(p->watches[0]));
		CHECK(p->fds != NULL && p->watches != NULL);
	}
	p->n = i == p->n ? i + 1 : p->n;
	return i;
}

static void
pollset_watch(void *loop, int fd, short events, poller_fn *ready, void *arg)
{
	struct pollset *p = loop;
	size_t i = place_of(p, fd);

	p->fds[i] = (struct pollfd){.fd = events != 0 ? fd : -1, .events = events};
	p->watches[i] = (struct pollset_watch){ready, arg};
	if (p->other != NULL)
		p->other->watch(p->other->loop, fd, events, ready, arg);
}

void
pollset_init(struct pollset *p)
{
	*p = (struct pollset){.poller = {.watch = pollset_watch}};
	p->poller.loop = p;
}

void
pollset_clear(struct pollset *p)
{
	free(p->fds);
	free(p->watches);
	*p = (struct pollset){.n = 0};
}

void
pollset_wait(struct pollset *p, int timeout_ms)
{
	size_t n = p->n;

	CHECK(p->other == NULL);
	if (poll(p->fds, n, timeout_ms) <= 0)
		return;
	for (size_t i = 0; i < n; i++) {
		short got = p->fds[i].revents;

		if (p->fds[i].fd < 0 || got == 0)
			continue;
		p->fds[i].revents = 0;
		p->watches[i].ready(p->watches[i].arg, p->fds[i].fd, got);
	}
}

void
pollset_hand_over(struct pollset *p, const struct poller *other)
{
	const struct poller *from = p->other;

	p->other = other;
	for (size_t i = 0; i < p->n; i++) {
		if (p->fds[i].fd < 0)
			continue;
		if (from != NULL)
			from->watch(from->loop, p->fds[i].fd, 0, p->watches[i].ready, p->watches[i].arg);
		if (other != NULL)
			other->watch(other->loop, p->fds[i].fd, p->fds[i].events, p->watches[i].ready, p->watches[i].arg);
	}
}
