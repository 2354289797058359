/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A poller over poll(), for who waits while no loop runs: a store that is being opened, tools, tests. What is watched
 * can be handed to another poller afterwards.
 */
#ifndef CS_STORE_REDIS_POLLSET_H
#define CS_STORE_REDIS_POLLSET_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/base/poller.h"

struct pollfd;
struct pollset_watch;

struct pollset {
	struct poller poller; /* what others get */
	const struct poller *other; /* who watches in its place; NULL: pollset_wait() does */
	struct pollfd *fds;
	struct pollset_watch *watches;
	size_t n, cap;
};

void pollset_init(struct pollset *p);
void pollset_clear(struct pollset *p);
/* Waits for one of the descriptors, for timeout_ms at most, and calls those that are ready. */
void pollset_wait(struct pollset *p, int timeout_ms);
/* From here on `other` watches, all that is watched now too; NULL: take it back. */
void pollset_hand_over(struct pollset *p, const struct poller *other);

#endif
