/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that can stand behind the gateway: every message on the socket gets one fixed permit.
 * What the gateway costs by itself is measured against this. Usage: fake_engine SOCKET
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { EVENTS = 64, CHUNK = 256 * 1024 };

static const char reply[] =
    "{\"parameters\":{\"reply\":{\"outcome\":\"permit\",\"reason\":\"allowance\",\"hold\":{\"id\":"
    "\"hold_abcdefghijklmnopqrstuvwxyz234567\",\"state\":\"open\",\"expires_at\":\"2026-11-29T10:"
    "00:00Z\","
    "\"amount\":\"20.00\",\"currency\":\"CNY\"},\"replayed\":false}}}";

static int
listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof(at.sun_path))
		return -1;
	memcpy(at.sun_path, path, strlen(path));
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 128) != 0)
		return -1;
	return fd;
}

/* As many replies as there are messages in what has come, in one write. */
static int
answer(int fd)
{
	static char in[CHUNK], out[CHUNK];
	size_t have = 0;
	ssize_t n = read(fd, in, sizeof(in));

	if (n <= 0)
		return -1;
	for (char *p = in; (p = memchr(p, '\0', (size_t)(in + n - p))) != NULL; p++) {
		if (have + sizeof(reply) > sizeof(out))
			return -1;
		memcpy(out + have, reply, sizeof(reply));
		have += sizeof(reply);
	}
	return write(fd, out, have) == (ssize_t)have ? 0 : -1;
}

int
main(int argc, char **argv)
{
	int poll = epoll_create1(EPOLL_CLOEXEC), at = argc == 2 ? listen_at(argv[1]) : -1;
	struct epoll_event events[EVENTS], e = {.events = EPOLLIN, .data.fd = at};

	if (at < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, at, &e) != 0) {
		fprintf(stderr, "fake_engine: cannot listen (%s); usage: fake_engine SOCKET\n",
		    strerror(errno));
		return EXIT_FAILURE;
	}
	for (;;) {
		int n = epoll_wait(poll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == at) {
				e.data.fd = accept(at, NULL, NULL);
				epoll_ctl(poll, EPOLL_CTL_ADD, e.data.fd, &e);
			} else if (answer(fd) != 0) {
				close(fd);
			}
		}
	}
}
