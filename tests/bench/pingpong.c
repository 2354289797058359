/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The physical limit: a server that answers every NUL-terminated frame with a frame of fixed size
 * and does nothing else, and the same client as everywhere. What is above this figure cannot be had
 * on a Unix socket by one thread.
 *
 *   pingpong serve SOCKET [--reply-bytes N] [--blocking]
 *   pingpong ask SOCKET [--request-bytes N] [--connections N ...]
 *
 * The server is a loop of epoll_wait, read and write, as any server of many clients must be. With
 * --blocking it serves one connection with blocking read and write alone.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/driver.h"

enum { FRAME_BYTES = 400, FRAME_MAX = 16 * 1024, READ_BYTES = 256 * 1024 };

static char replies[1024 * 1024];

static int
listen_on(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
		errx(1, "cannot listen on %s", path);
	memcpy(addr.sun_path, path, strlen(path));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 128) < 0)
		err(1, "cannot listen on %s", path);
	return fd;
}

static bool
write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* One read, and a reply for each frame that ended in it. Returns false at the end of the
 * connection. */
static bool
answer(int fd, size_t reply_bytes)
{
	static char in[READ_BYTES];
	ssize_t n = read(fd, in, sizeof(in));
	size_t frames = 0;

	if (n <= 0)
		return false;
	for (const char *p = in; (p = memchr(p, '\0', (size_t)(in + n - p))) != NULL; p++)
		frames++;
	while (frames > 0) {
		size_t some =
		    frames < sizeof(replies) / reply_bytes ? frames : sizeof(replies) / reply_bytes;

		if (!write_all(fd, replies, some * reply_bytes))
			return false;
		frames -= some;
	}
	return true;
}

static _Noreturn void
serve(const char *path, size_t reply_bytes, bool blocking)
{
	int listener = listen_on(path), epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = listener}, events[64];

	memset(replies, 'r', sizeof(replies));
	for (size_t at = reply_bytes; at <= sizeof(replies); at += reply_bytes)
		replies[at - 1] = '\0';
	while (blocking) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		while (fd >= 0 && answer(fd, reply_bytes))
			;
		close(fd);
	}
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev);
	for (;;) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == listener) {
				ev.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
				if (ev.data.fd >= 0)
					epoll_ctl(epoll, EPOLL_CTL_ADD, ev.data.fd, &ev);
			} else if (!answer(fd, reply_bytes)) {
				close(fd);
			}
		}
	}
}

static size_t request_bytes = FRAME_BYTES;

static size_t
ask(void *ctx, char *out)
{
	(void)ctx;
	memset(out, 'q', request_bytes - 1);
	out[request_bytes - 1] = '\0';
	return request_bytes;
}

static size_t
hear(void *ctx, const char *data, size_t have, enum heard *heard)
{
	const char *end = memchr(data, '\0', have);

	(void)ctx;
	(void)heard;
	return end != NULL ? (size_t)(end - data) + 1 : 0;
}

static size_t
frame_bytes(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end != '\0' || n < 2 || n > FRAME_MAX)
		errx(2, "a frame has 2 to %d bytes, not %s", FRAME_MAX, text);
	return n;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {DRIVER_LONG_OPTIONS,
	    {"request-bytes", required_argument, NULL, 'q'},
	    {"reply-bytes", required_argument, NULL, 'y'}, {"blocking", no_argument, NULL, 'b'},
	    {NULL, 0, NULL, 0}};
	struct driver_options options = DRIVER_DEFAULTS;
	struct traffic traffic = {.name = "pingpong", .ask = ask, .hear = hear};
	struct transport transport;
	size_t reply_bytes = FRAME_BYTES;
	bool blocking = false;
	int c;

	while ((c = getopt_long(argc, argv, DRIVER_SHORT_OPTIONS "q:y:b", longs, NULL)) != -1) {
		if (c == 'q')
			request_bytes = frame_bytes(optarg);
		else if (c == 'y')
			reply_bytes = frame_bytes(optarg);
		else if (c == 'b')
			blocking = true;
		else if (!driver_option(&options, c, optarg))
			errx(
			    2, "a bad option or value; usage: pingpong serve|ask SOCKET [options]");
	}
	if (argc - optind != 2)
		errx(2, "usage: pingpong serve|ask SOCKET [options]");
	transport = transport_unix(argv[optind + 1]);
	if (strcmp(argv[optind], "serve") == 0)
		serve(argv[optind + 1], reply_bytes, blocking);
	return driver_run(&options, &transport, &traffic);
}
