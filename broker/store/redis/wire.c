/* SPDX-License-Identifier: Apache-2.0 */
/* One connection. */
#include "broker/store/redis/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"

enum {
	READ_CHUNK = 64 * 1024,
	READ_ROUNDS = 16,             /* a busy server does not keep the loop from others */
	OUT_MAX = 64 * 1024 * 1024,   /* batches are bounded far below it */
	KEEP_BYTES = 256 * 1024,
};

static void wire_ready(void *arg, int fd, short events);

void
wire_set_up(struct wire *w, const struct poller *p, const struct wire_events *on, void *arg)
{
	*w = (struct wire){.poller = p, .on = on, .arg = arg, .fd = -1};
	bytes_init(&w->out, OUT_MAX);
	bytes_init(&w->plain, OUT_MAX);
}

static void
watch(struct wire *w)
{
	short events = POLLIN;

	if (w->fd < 0)
		return;
	if (w->state == WIRE_CONNECTING)
		events = POLLOUT;
	else if (w->out.buf.len > 0)
		events |= POLLOUT;
	w->poller->watch(w->poller->loop, w->fd, events, wire_ready, w);
}

void
wire_hang_up(struct wire *w)
{
	if (w->fd >= 0) {
		w->poller->watch(w->poller->loop, w->fd, 0, NULL, NULL);
		close(w->fd);
		w->fd = -1;
	}
	lookup_free(w->lookup);
	w->lookup = NULL;
	tls_free(w->tls);
	w->tls = NULL;
	if (w->wipe && w->out.buf.data != NULL)
		secret_wipe(w->out.buf.data, w->out.buf.cap);
	w->wipe = false;
	reply_reader_clear(&w->reader);
	bytes_clear(&w->out);
	bytes_clear(&w->plain);
	w->state = WIRE_CLOSED;
	w->failed = false;
}

static void
down(struct wire *w, const char *why)
{
	char copy[FLEET_WHY_TEXT];

	snprintf(copy, sizeof(copy), "%s", why); /* it may point into what is closed here */
	wire_hang_up(w);
	w->on->down(w->arg, copy);
}

static void
connect_to(struct wire *w, const struct socket_address *to)
{
	int on = 1;

	w->fd = socket(to->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	w->state = WIRE_CONNECTING;
	if (w->fd < 0) {
		w->failed = true;
		w->error = errno;
		return;
	}
	if (to->to.ss_family != AF_UNIX)
		setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(w->fd, (const struct sockaddr *)&to->to, to->len) != 0 && errno != EINPROGRESS) {
		w->failed = true; /* told by the tick */
		w->error = errno;
		return;
	}
	watch(w);
}

void
wire_open(struct wire *w, const struct address *to, struct tls_client *tls)
{
	struct socket_address at;

	CHECK(w->state == WIRE_CLOSED);
	w->address = *to;
	w->tls_client = to->local ? NULL : tls;
	w->sent_bytes = w->put_bytes = 0;
	reply_reader_init(&w->reader);
	if (address_numeric(to, &at)) {
		connect_to(w, &at);
		return;
	}
	w->lookup = lookup_new(to);
	w->state = WIRE_RESOLVING;
	w->failed = w->lookup == NULL;
	w->error = EAGAIN;
}

static void
begin(struct wire *w)
{
	char why[FLEET_WHY_TEXT];
	bool up = false;

	if (w->tls_client == NULL) {
		w->state = WIRE_UP;
		watch(w);
		w->on->up(w->arg);
		return;
	}
	w->state = WIRE_TLS;
	w->tls = tls_new(w->tls_client, w->address.host);
	if (tls_feed(w->tls, NULL, 0, &w->plain, &w->out, &up, why, sizeof(why)) != CS_OK) {
		down(w, why);
		return;
	}
	wire_write(w);
}

static void
connected(struct wire *w)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0) {
		down(w, strerror(error));
		return;
	}
	begin(w);
}

/* Gives the replies in n bytes of the protocol. False: the wire was closed. */
static bool
protocol_take(struct wire *w, const void *data, size_t n)
{
	struct redisReply *r = NULL;
	const char *why = NULL;
	char text[FLEET_WHY_TEXT];
	enum cs_err rc = reply_feed(&w->reader, data, n, &why);

	while (rc == CS_OK) {
		rc = reply_next(&w->reader, &r, &why);
		if (rc != CS_OK || r == NULL)
			break;
		w->on->reply(w->arg, r);
		if (w->state != WIRE_UP)
			return false;
	}
	if (rc == CS_OK)
		return true;
	snprintf(text, sizeof(text), "it does not speak the Redis protocol: %s", why);
	down(w, text);
	return false;
}

/* False: the wire was closed. */
static bool
network_take(struct wire *w, const void *data, size_t n)
{
	char why[FLEET_WHY_TEXT];
	bool up = w->state == WIRE_UP, was_up = up;

	if (w->tls == NULL)
		return protocol_take(w, data, n);
	if (tls_feed(w->tls, data, n, &w->plain, &w->out, &up, why, sizeof(why)) != CS_OK) {
		down(w, why);
		return false;
	}
	if (up && !was_up) {
		w->state = WIRE_UP;
		w->on->up(w->arg);
		if (w->state != WIRE_UP)
			return false;
	}
	wire_write(w);
	if (w->plain.buf.len > 0) {
		struct bytes plain = w->plain; /* a callback may close the wire */
		bool open;

		bytes_init(&w->plain, OUT_MAX);
		open = protocol_take(w, plain.buf.data, plain.buf.len);
		bytes_clear(&plain);
		return open;
	}
	return true;
}

static void
read_some(struct wire *w)
{
	static uint8_t chunk[READ_CHUNK];

	for (int i = 0; i < READ_ROUNDS; i++) {
		ssize_t n = recv(w->fd, chunk, sizeof(chunk), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			down(w, n == 0 ? "it closed the connection" : strerror(errno));
			return;
		}
		if (!network_take(w, chunk, (size_t)n) || (size_t)n < sizeof(chunk))
			return;
	}
}

static void
wire_ready(void *arg, int fd, short events)
{
	struct wire *w = arg;

	if (w->fd != fd)
		return; /* it was closed in this round */
	if (w->state == WIRE_CONNECTING) {
		connected(w);
		return;
	}
	if ((events & POLLOUT) != 0)
		wire_write(w);
	if ((events & (POLLIN | POLLERR | POLLHUP)) != 0)
		read_some(w);
}

void
wire_put(struct wire *w, const void *data, size_t n)
{
	CHECK(w->state == WIRE_UP);
	w->put_bytes += n;
	if (w->tls == NULL) {
		buf_put(&w->out.buf, data, n);
		if (w->out.buf.full) { /* it answers what it has not read */
			w->failed = true;
			w->error = EPROTO;
		}
	} else if (tls_write(w->tls, data, n, &w->out) != CS_OK || w->out.buf.full) {
		w->failed = true;
		w->error = EPROTO;
	}
}

void
wire_write(struct wire *w)
{
	while (w->out.buf.len > 0) {
		ssize_t n = send(w->fd, w->out.buf.data, w->out.buf.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN) {
				w->failed = true;
				w->error = errno;
			}
			break;
		}
		if (w->state == WIRE_UP)
			w->sent_bytes += (uint64_t)n;
		bytes_consume(&w->out, (size_t)n);
		if (w->out.buf.len == 0 && w->wipe) {
			secret_wipe(w->out.buf.data, w->out.buf.cap);
			w->wipe = false;
		}
	}
	bytes_shrink(&w->out, KEEP_BYTES);
	watch(w);
}

bool
wire_tick(struct wire *w)
{
	struct socket_address at;
	const char *why = "";

	if (w->failed) {
		down(w, strerror(w->error));
		return false;
	}
	if (w->state != WIRE_RESOLVING)
		return false;
	switch (lookup_result(w->lookup, w->turn, &at, &why)) {
	case CS_OK:
		w->turn++; /* another address the next time */
		lookup_free(w->lookup);
		w->lookup = NULL;
		connect_to(w, &at);
		return true;
	case CS_ERR_NOT_FOUND:
		return true;
	default:
		down(w, why);
		return false;
	}
}
