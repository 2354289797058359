/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting, the caps on connections, their deadlines, and the end of all of them. What one does: conn.c. */
#include "broker/gateway/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/gateway/conn.h"

enum { ACCEPT_BURST = 64 /* then others get their turn */ };

void
server_accepts(struct server *s, bool on)
{
	if (on == s->accepting)
		return;
	if (on)
		event_add(&s->accept, NULL);
	else
		event_del(&s->accept);
	s->accepting = on;
}

static void
server_on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)what;
	for (int i = 0; i < ACCEPT_BURST && s->count < SERVER_CONNECTIONS_MAX; i++) {
		struct sockaddr_storage from = {0};
		socklen_t len = sizeof(from);
		int got = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *c;

		if (got < 0 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
			break;
		if (got < 0)
			return;
		c = conn_new(s, got, &from);
		if (c == NULL) {
			close(got);
			continue;
		}
		conn_drive(c);
	}
	/* Full, or out of descriptors: the next tick or the next end of a connection looks again.
	 */
	if (s->count >= SERVER_CONNECTIONS_MAX)
		server_accepts(s, false);
}

struct server *
server_new(struct event_base *base, int listen_fd, SSL_CTX *tls, struct gateway *gateway)
{
	struct server *s = calloc(1, sizeof(*s));
	int on = 1;

	CHECK(s != NULL);
	s->base = base;
	s->gateway = gateway;
	s->tls = tls;
	/* Inherited by what is accepted: without it small answers wait for delayed
	 * acknowledgements. */
	setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	event_assign(&s->accept, base, listen_fd, EV_READ | EV_PERSIST, server_on_accept, s);
	server_accepts(s, true);
	return s;
}

void
server_drain(struct server *s)
{
	struct conn *next;

	s->draining = true;
	server_accepts(s, false);
	for (struct conn *c = s->first; c != NULL; c = next) {
		next = c->next;
		if (c->state == HANDSHAKE)
			conn_free(c);
		else if (c->state == READING && !c->begun)
			conn_drive(c);
		else if (c->state == ANSWERING && c->exchange.streaming)
			conn_wake(&c->exchange);
	}
}

size_t
server_count(const struct server *s)
{
	return s->count;
}

void
server_tick(struct server *s)
{
	int64_t now = conn_now_ms();
	struct conn *next;

	for (struct conn *c = s->first; c != NULL; c = next) {
		next = c->next;
		if (now < c->deadline_ms && c->state == ANSWERING && c->exchange.streaming && now >= c->beat_ms) {
			conn_beat(c);
			continue;
		}
		if (now < c->deadline_ms)
			continue;
		if (c->state == READING && c->begun && !c->close && c->out.buf.len == 0) {
			conn_refuse(c, 408, "the request took too long");
			conn_drive(c);
		} else {
			conn_free(c);
		}
	}
	if (!s->draining && s->count < SERVER_CONNECTIONS_MAX)
		server_accepts(s, true);
}

void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	s->draining = true;
	server_accepts(s, false);
	while (s->first != NULL)
		conn_free(s->first);
	free(s);
}
