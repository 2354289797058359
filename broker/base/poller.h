/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a loop offers to code that waits for descriptors and does not know the loop. The engine's loop offers it with
 * libevent, tests and tools with poll().
 */
#ifndef CS_BASE_POLLER_H
#define CS_BASE_POLLER_H

/* `events` as poll() gives them: what was asked for of POLLIN and POLLOUT, and POLLERR or POLLHUP unasked. */
typedef void poller_fn(void *arg, int fd, short events);

struct poller {
	void *loop;
	/*
	 * From now on `ready` is called, once a round, while fd can do one of `events`. It replaces what was asked for fd
	 * before; 0: nothing more, to be said before fd is closed. It may be called inside `ready`.
	 */
	void (*watch)(void *loop, int fd, short events, poller_fn *ready, void *arg);
};

#endif
