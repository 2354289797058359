/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one client behind every figure of the benchmark: connections × requests in flight on each,
 * one thread, epoll. Who is measured differs only in its traffic (how a request is written, where a
 * reply ends) and its transport, so a ratio compares servers and not clients.
 *
 * Closed loop: every reply is followed by the next request at once. Open loop (rate > 0): requests
 * have a time-table, and latency counts from the time at which a request was due, so that a stall
 * is not hidden by the requests that it kept from being sent.
 */
#ifndef CS_BENCH_DRIVER_H
#define CS_BENCH_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	DRIVER_CONNECTIONS_MAX = 256,
	DRIVER_DEPTH_MAX =
	    4096, /* requests in flight on one connection; in an open loop the backlog too */
	DRIVER_REQUEST_MAX = 16 * 1024, /* one request; an ID token fits */
	DRIVER_READ_BYTES = 256 * 1024,
};

struct driver_options {
	unsigned connections, depth;
	double seconds; /* what is counted, after the warm-up; 0: no bound */
	double warmup_seconds;
	uint64_t count; /* requests to send in all, warm-up included; 0: no bound */
	double rate;	/* requests a second in an open loop; 0: closed loop */
};

enum heard {
	HEARD_OK,
	HEARD_OTHER, /* a whole reply that is not the one expected */
};

struct traffic {
	const char *name;
	/* Writes a request to out (DRIVER_REQUEST_MAX bytes) and returns its length; 0: there is
	 * nothing more to ask. */
	size_t (*ask)(void *ctx, char *out);
	/* Length of the first whole reply in data, or 0 while it is not all there. */
	size_t (*hear)(void *ctx, const char *data, size_t have, enum heard *heard);
	void *ctx;
};

/*
 * open: connects and returns a connected descriptor, not blocking, or -1 after a message on stderr;
 * *io is handed to read and write, which are as read(2) and write(2): -1 with EAGAIN where they
 * would block. `drain`: bytes may be left inside the transport, so read until EAGAIN.
 */
struct transport {
	int (*open)(void *ctx, void **io);
	ssize_t (*read)(int fd, void *io, void *buf, size_t len);
	ssize_t (*write)(int fd, void *io, const void *buf, size_t len);
	bool drain;
	void *ctx;
};

/* Plain Unix socket: ctx is the path. */
struct transport transport_unix(const char *path);

/* Takes the options that all programs share out of argv: --connections --depth --seconds --warmup
 * --count --rate. */
bool driver_option(struct driver_options *options, int c, const char *value);
/* clang-format off */
#define DRIVER_LONG_OPTIONS \
	{"connections", required_argument, NULL, 'c'}, {"depth", required_argument, NULL, 'd'}, \
	{"seconds", required_argument, NULL, 's'}, {"warmup", required_argument, NULL, 'w'}, \
	{"count", required_argument, NULL, 'n'}, {"rate", required_argument, NULL, 'r'}
#define DRIVER_SHORT_OPTIONS "c:d:s:w:n:r:"
#define DRIVER_DEFAULTS {.connections = 1, .depth = 1, .seconds = 2, .warmup_seconds = 0.3}
/* clang-format on */

/* Runs, prints one line of JSON to stdout, and returns the exit status: 0, or 1 after a message on
 * stderr. */
int driver_run(const struct driver_options *options, const struct transport *transport,
    const struct traffic *traffic);

/* A random number; always the same sequence, so that runs are alike. */
uint64_t driver_random(void);

#endif
