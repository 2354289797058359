/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection is one of four things at a time, and conn_drive() takes it as far as it goes without waiting:
 *
 *	HANDSHAKE → READING ⇄ ANSWERING → (READING | LINGER) → gone
 *
 * Output left over is always written first; while there is any, nothing is read. TLS is driven on the descriptor itself:
 * no copy of the text stands between the socket and the two buffers of the connection.
 */
#include "broker/gateway/conn.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"

enum {
	IN_MAX =
	    HTTP_HEAD_MAX + HTTP_BODY_MAX + 16 * 1024, /* one request and a record of the next */
	OUT_MAX =
	    512 * 1024, /* the engine's 64 KiB, where every byte is escaped as six, and its head */
	READ_MIN = 4 * 1024,
	KEEP = 16 * 1024, /* of an empty buffer's capacity */
	LINGER_BYTES_MAX = 1024 * 1024,
};

int64_t
conn_now_ms(void)
{
	struct clock_now now;

	clock_read(&now);
	return now.boot_ms;
}

static void
read_arm(struct conn *c, bool on)
{
	if (on == c->reading)
		return;
	if (on)
		event_add(&c->read, NULL);
	else
		event_del(&c->read);
	c->reading = on;
}

static void
write_arm(struct conn *c, bool on)
{
	if (on == c->writing)
		return;
	if (on)
		event_add(&c->write, NULL);
	else
		event_del(&c->write);
	c->writing = on;
}

static void
bytes_wipe(struct bytes *b)
{
	if (b->buf.cap > 0)
		secret_wipe(b->buf.data, b->buf.cap);
	bytes_clear(b);
}

void
conn_free(struct conn *c)
{
	struct server *s = c->server;

	exchange_clear(&c->exchange);
	read_arm(c, false);
	write_arm(c, false);
	SSL_free(c->ssl);
	close(c->fd);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	s->count--;
	if (!s->draining)
		server_accepts(s, true);
	bytes_wipe(&c->in);
	bytes_wipe(&c->out);
	free(c);
}

/* What OpenSSL wants before it can go on. False: the connection is broken. */
static bool
tls_wait(struct conn *c, int result)
{
	int what = SSL_get_error(c->ssl, result);

	if (what == SSL_ERROR_WANT_READ)
		read_arm(c, true);
	else if (what == SSL_ERROR_WANT_WRITE)
		write_arm(c, true);
	ERR_clear_error();
	return what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE;
}

enum progress { GOES_ON, WAITS, GONE };

static enum progress
conn_handshake(struct conn *c)
{
	int n = SSL_accept(c->ssl);

	if (n != 1 && tls_wait(c, n))
		return WAITS;
	if (n != 1) {
		log_debug("handshake failed ip=%s", c->ip);
		conn_free(c);
		return GONE;
	}
	if (tls_fingerprint(c->ssl, c->certificate))
		c->exchange.certificate = view_of(c->certificate, sizeof(c->certificate));
	c->state = READING;
	c->deadline_ms = conn_now_ms() + SERVER_IDLE_MS;
	return GOES_ON;
}

/* Writes what there is to write. */
static enum progress
conn_flush(struct conn *c)
{
	while (c->out_at < c->out.buf.len) {
		size_t left = c->out.buf.len - c->out_at;
		int n = SSL_write(c->ssl, c->out.buf.data + c->out_at, (int)left);

		if (n > 0) {
			c->out_at += (size_t)n;
			continue;
		}
		if (tls_wait(c, n)) {
			if (!c->writing || c->state != ANSWERING)
				read_arm(c, !c->writing);
			return WAITS;
		}
		conn_free(c);
		return GONE;
	}
	write_arm(c, false);
	c->out.buf.len = c->out_at = 0;
	bytes_shrink(&c->out, KEEP);
	return GOES_ON;
}

/* The answer was written, and it was the last: says so, and waits for the peer to close. */
static enum progress
conn_linger(struct conn *c)
{
	SSL_shutdown(c->ssl);
	ERR_clear_error();
	if (c->server->draining && !c->begun) {
		conn_free(c);
		return GONE;
	}
	shutdown(c->fd, SHUT_WR);
	c->state = LINGER;
	c->deadline_ms = conn_now_ms() + SERVER_LINGER_MS;
	read_arm(c, true);
	return GOES_ON;
}

/* Reads away what still comes, without a look at it. */
static enum progress
conn_discard(struct conn *c)
{
	char away[4096];
	ssize_t n;

	while ((n = recv(c->fd, away, sizeof(away), 0)) > 0) {
		c->lingered += (size_t)n;
		if (c->lingered > LINGER_BYTES_MAX)
			break;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return WAITS;
	conn_free(c);
	return GONE;
}

/* An answer to what is no request. It is the connection's last. */
void
conn_refuse(struct conn *c, unsigned status, const char *reason)
{
	struct buf *out = &c->out.buf;
	struct json_writer w;
	size_t mark;

	log_debug("refused ip=%s status=%u reason=\"%s\"", c->ip, status, reason);
	http_response_begin(out, status, true);
	http_response_body(out, VIEW("application/problem+json"), &mark);
	w = json_to(out);
	json_object_begin(&w);
	json_member_str(&w, "type", VIEW("about:blank"));
	json_member_str(&w, "title", view_str(http_status_text(status)));
	json_member_int(&w, "status", status);
	json_member_str(&w, "error", VIEW("org.countersign.InvalidParameter"));
	json_member_str(&w, "detail", view_str(reason));
	json_object_end(&w);
	http_response_end(out, mark);
	c->close = true;
	c->deadline_ms = conn_now_ms() + SERVER_WRITE_MS;
}

/* The exchange has ended: its bytes are wiped and dropped, and the next request may be read. */
static void
conn_answered(struct conn *c)
{
	bool fits = !c->out.buf.full;

	exchange_clear(&c->exchange);
	if (c->request.close || c->exchange.close || c->server->draining || !fits)
		c->close = true;
	secret_wipe(c->in.buf.data, c->used);
	bytes_consume(&c->in, c->used);
	bytes_shrink(&c->in, KEEP);
	c->used = c->need = 0;
	c->begun = c->continued = false;
	c->state = READING;
	c->deadline_ms = conn_now_ms() + SERVER_WRITE_MS;
	if (!fits) {
		log_error("an answer did not fit");
		c->out.buf.full = false;
		c->out.buf.len = c->out_at = 0;
		conn_refuse(c, 500, "the answer is too large");
	}
}

void
conn_wake(struct exchange *x)
{
	struct conn *c = (struct conn *)(void *)((char *)x - offsetof(struct conn, exchange));

	conn_answered(c);
	conn_drive(c);
}

/* Of a stream: sends what was written, and hears when the peer goes. */
static void
conn_push(struct exchange *x)
{
	struct conn *c = (struct conn *)(void *)((char *)x - offsetof(struct conn, exchange));
	int64_t now = conn_now_ms();

	if (c->beat_ms == 0)
		c->deadline_ms = now + SERVER_STREAM_MS;
	c->beat_ms = now + SERVER_BEAT_MS;
	read_arm(c, true);
	conn_drive(c);
}

/* A comment (server-sent events, HTML Living Standard section 9.2.6), unless the peer has not read the one before. */
void
conn_beat(struct conn *c)
{
	if (c->out_at < c->out.buf.len) {
		conn_free(c);
		return;
	}
	buf_put_view(&c->out.buf, VIEW(":\n\n"));
	conn_push(&c->exchange);
}

static void
conn_begin(struct conn *c)
{
	struct exchange *x = &c->exchange;

	x->request = &c->request;
	x->out = &c->out.buf;
	c->state = ANSWERING;
	c->beat_ms = 0;
	c->deadline_ms = conn_now_ms() + SERVER_ANSWER_MS;
	exchange_start(x);
	if (x->finished)
		conn_answered(c);
}

/* Looks for a request in what was read. WAITS: more bytes are needed. */
static enum progress
conn_parse(struct conn *c)
{
	struct http_refusal refusal;
	struct bytes *in = &c->in;

	if (in->buf.len == 0 || in->buf.len < c->need)
		return WAITS;
	if (!c->begun) {
		c->begun = true;
		c->deadline_ms = conn_now_ms() + SERVER_REQUEST_MS;
	}
	switch (http_read(
	    (char *)in->buf.data, in->buf.len, &c->request, &c->used, &c->need, &refusal)) {
	case HTTP_BAD:
		conn_refuse(c, refusal.status, refusal.reason);
		return GOES_ON;
	case HTTP_DONE:
		conn_begin(c);
		return GOES_ON;
	case HTTP_MORE:
		break;
	}
	if (c->need > 0 && c->request.expect_continue && !c->continued) {
		buf_put_view(&c->out.buf, VIEW("HTTP/1.1 100 Continue\r\n\r\n"));
		c->continued = true;
		return GOES_ON;
	}
	return WAITS;
}

/* One record's worth of bytes. */
static enum progress
conn_read(struct conn *c)
{
	struct buf *in = &c->in.buf;
	uint8_t *to = buf_room(in, READ_MIN);
	int n;

	CHECK(to != NULL);
	n = SSL_read(c->ssl, to, (int)(in->cap - in->len));
	if (n > 0) {
		in->len += (size_t)n;
		return GOES_ON;
	}
	if (tls_wait(c, n))
		return WAITS;
	conn_free(c);
	return GONE;
}

static enum progress
conn_step(struct conn *c)
{
	enum progress p;

	if (c->state == HANDSHAKE)
		return conn_handshake(c);
	if (c->state == LINGER)
		return conn_discard(c);
	if (c->out_at < c->out.buf.len)
		return conn_flush(c);
	if (c->state == ANSWERING)
		return WAITS;
	if (c->close)
		return conn_linger(c);
	p = conn_parse(c);
	if (p != WAITS)
		return p;
	/* Nothing more in OpenSSL: the event loop says when there is, which saves a read that finds
	 * nothing. */
	if (!SSL_has_pending(c->ssl) && c->reading && !c->server->draining)
		return WAITS;
	if (!c->begun && c->server->draining) {
		c->close = true;
		return GOES_ON;
	}
	if (!c->begun)
		c->deadline_ms = conn_now_ms() + SERVER_IDLE_MS;
	return conn_read(c);
}

void
conn_drive(struct conn *c)
{
	enum progress p;

	do
		p = conn_step(c);
	while (p == GOES_ON);
}

static void
conn_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->state == READING && c->out_at == c->out.buf.len && !c->close) {
		if (conn_read(c) == GONE)
			return;
	} else if (c->state == ANSWERING && c->exchange.streaming) {
		/* The end of it: whoever listens has nothing to say. */
		conn_free(c);
		return;
	} else if (c->state == ANSWERING) {
		/* It waits in the kernel until the answer is out. */
		read_arm(c, false);
		return;
	}
	conn_drive(c);
}

static void
conn_on_write(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	write_arm(c, false);
	conn_drive(c);
}

/* Who the peer is for the cap: an IPv4 address, or the first half of an IPv6 address. */
static void
peer_set(struct conn *c, const struct sockaddr_storage *from)
{
	const struct sockaddr_in *v4 = (const void *)from;
	const struct sockaddr_in6 *v6 = (const void *)from;

	memset(c->peer, 0, sizeof(c->peer));
	if (from->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, c->ip, sizeof(c->ip));
		memcpy(c->peer + 12, &v4->sin_addr, 4);
	} else if (from->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], c->ip, sizeof(c->ip));
		memcpy(c->peer + 12, &v6->sin6_addr.s6_addr[12], 4);
	} else if (from->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, c->ip, sizeof(c->ip));
		memcpy(c->peer, &v6->sin6_addr, 8);
	}
}

static bool
peer_has_room(const struct server *s, const struct conn *c)
{
	size_t n = 0;

	for (const struct conn *other = s->first; other != NULL; other = other->next)
		n += memcmp(other->peer, c->peer, sizeof(c->peer)) == 0;
	return n < SERVER_PER_PEER_MAX;
}

struct conn *
conn_new(struct server *s, int fd, const struct sockaddr_storage *from)
{
	struct conn *c = calloc(1, sizeof(*c));

	CHECK(c != NULL);
	peer_set(c, from);
	c->ssl = peer_has_room(s, c) ? SSL_new(s->tls) : NULL;
	if (c->ssl == NULL || SSL_set_fd(c->ssl, fd) != 1) {
		SSL_free(c->ssl);
		free(c);
		return NULL;
	}
	SSL_set_accept_state(c->ssl);
	c->server = s;
	c->fd = fd;
	c->next = s->first;
	if (s->first != NULL)
		s->first->prev = c;
	s->first = c;
	s->count++;
	event_assign(&c->read, s->base, fd, EV_READ | EV_PERSIST, conn_on_read, c);
	event_assign(&c->write, s->base, fd, EV_WRITE | EV_PERSIST, conn_on_write, c);
	bytes_init(&c->in, IN_MAX);
	bytes_init(&c->out, OUT_MAX);
	c->deadline_ms = conn_now_ms() + SERVER_HANDSHAKE_MS;
	c->exchange.gateway = s->gateway;
	c->exchange.ip = view_str(c->ip);
	c->exchange.affinity = s->serial++;
	c->exchange.wake = conn_wake;
	c->exchange.push = conn_push;
	return c;
}
