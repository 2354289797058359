/* SPDX-License-Identifier: Apache-2.0 */
/* The client's connection: a blocking-looking socket whose every step ends by a deadline. */
#include "broker/client/wire.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int64_t
wire_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool
wire_init(struct wire *w, const char *path)
{
	size_t len = strlen(path);

	if (len == 0 || len > WIRE_PATH_MAX)
		return false;
	w->fd = -1;
	w->os_error = 0;
	w->reason = NULL;
	w->have = w->taken = w->scanned = 0;
	memcpy(w->path, path, len + 1);
	return true;
}

void
wire_close(struct wire *w)
{
	if (w->fd >= 0)
		(void)close(w->fd);
	w->fd = -1;
	w->have = w->taken = w->scanned = 0;
}

static enum wire_result
give_up(struct wire *w, enum wire_result why)
{
	wire_close(w);
	return why;
}

/* Milliseconds for poll: at least 1 before the deadline, 0 after it, -1 without one. */
static int
left_ms(int64_t deadline_ms)
{
	int64_t left;

	if (deadline_ms == WIRE_NO_DEADLINE)
		return -1;
	left = deadline_ms - wire_now_ms();
	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Waits for `events`. false: the deadline passed. Whatever else poll says shows at the next read or write. */
static bool
wait_for(struct wire *w, short events, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = {.fd = w->fd, .events = events};
		int left = left_ms(deadline_ms);
		int n = poll(&p, 1, left);

		if (n > 0 || (n < 0 && errno != EINTR))
			return true;
		if (n == 0 && left_ms(deadline_ms) == 0)
			return false;
	}
}

/* Between two calls nothing may come in: silence is the sign of a good connection. */
static bool
is_quiet(struct wire *w)
{
	char byte;
	ssize_t n;

	if (w->have > w->taken)
		return false;
	do
		n = recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/*
 * A full backlog makes connect wait as long as SO_SNDTIMEO says; poll cannot wait for that on a Unix socket. connect
 * that a signal interrupts is simply called again: on a Unix socket nothing goes on behind it.
 */
static int
connect_by(struct wire *w, const struct sockaddr_un *to, int64_t deadline_ms)
{
	for (;;) {
		int left = left_ms(deadline_ms);
		struct timeval tv = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};

		if (left == 0)
			return ETIMEDOUT;
		if (left < 0)
			tv = (struct timeval){.tv_sec = 0};
		(void)setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
		if (connect(w->fd, (const struct sockaddr *)to, sizeof(*to)) == 0)
			return 0;
		if (errno == EAGAIN)
			return ETIMEDOUT;
		if (errno != EINTR)
			return errno;
	}
}

enum wire_result
wire_connect(struct wire *w, int64_t deadline_ms)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int err;

	if (w->fd >= 0 && is_quiet(w))
		return WIRE_OK;
	wire_close(w);
	memcpy(to.sun_path, w->path, sizeof(w->path));
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	err = w->fd < 0 ? errno : connect_by(w, &to, deadline_ms);
	w->os_error = err;
	return err == 0 ? WIRE_OK : give_up(w, WIRE_UNREACHABLE);
}

/*
 * A peer that turns a connection away may say why and close without reading: the message cannot be sent, but there is
 * an answer to read.
 */
static bool
is_answered(struct wire *w)
{
	char byte;

	return recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

enum wire_result
wire_send(struct wire *w, struct view message, int64_t deadline_ms)
{
	size_t sent = 0;

	w->have = w->taken = w->scanned = 0;
	while (sent < message.len) {
		ssize_t n = send(w->fd, message.data + sent, message.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (wait_for(w, POLLOUT, deadline_ms))
				continue;
			errno = ETIMEDOUT;
		}
		w->os_error = errno;
		return is_answered(w) ? WIRE_OK : give_up(w, WIRE_UNSENT);
	}
	return WIRE_OK;
}

/* Reads until a whole message is at the front of `in`. */
static enum wire_result
fill(struct wire *w, int64_t deadline_ms, size_t *len)
{
	for (;;) {
		enum cs_err rc = varlink_frame(w->in, w->have, &w->scanned, len);
		ssize_t n;

		if (rc == CS_OK)
			return WIRE_OK;
		if (rc == CS_ERR_FULL) {
			w->reason = "the reply is longer than a message may be";
			return WIRE_GARBAGE;
		}
		if (!wait_for(w, POLLIN, deadline_ms))
			return WIRE_TIMEOUT;
		n = recv(w->fd, w->in + w->have, sizeof(w->in) - w->have, MSG_DONTWAIT);
		if (n > 0)
			w->have += (size_t)n;
		else if (n == 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)) {
			w->os_error = n == 0 ? 0 : errno;
			return WIRE_LOST;
		}
	}
}

enum wire_result
wire_receive(struct wire *w, int64_t deadline_ms, struct json *doc, struct varlink_reply *reply)
{
	struct json_error err = {.offset = 0};
	enum wire_result rc;
	size_t len = 0;

	if (w->taken > 0) {
		w->have -= w->taken;
		memmove(w->in, w->in + w->taken, w->have);
		w->taken = 0;
	}
	rc = fill(w, deadline_ms, &len);
	if (rc != WIRE_OK)
		return give_up(w, rc);
	w->taken = len + 1;
	if (varlink_read_reply(w->in, len, w->tokens, WIRE_TOKENS_MAX, doc, reply, &err) != CS_OK) {
		w->reason = err.reason == NULL ? "the reply is not of the protocol" : err.reason;
		return give_up(w, WIRE_GARBAGE);
	}
	if (!reply->continues && w->have > w->taken) {
		w->reason = "more came back than was asked for";
		return give_up(w, WIRE_GARBAGE);
	}
	return WIRE_OK;
}
