/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: accepting, TLS, reading requests, writing answers, deadlines and caps. One request
 * at a time on a connection; pipelined ones wait in order. A peer that does not read its answer is
 * not read from.
 */
#ifndef CS_GATEWAY_SERVER_H
#define CS_GATEWAY_SERVER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct gateway;
struct server;

enum {
	SERVER_CONNECTIONS_MAX = 1024, /* about 50 KiB each while TLS is up */
	SERVER_PER_PEER_MAX = 128,     /* of one address, or one IPv6 /64 */
	SERVER_HANDSHAKE_MS = 10 * 1000,
	SERVER_REQUEST_MS =
	    15 * 1000, /* from a request's first byte to its last, however slowly they trickle */
	SERVER_IDLE_MS = 75 * 1000, /* between requests */
	SERVER_ANSWER_MS =
	    65 * 1000, /* handlers; every call to the engine has a shorter deadline of its own */
	SERVER_STREAM_MS = 15 * 60 * 1000, /* an answer without an end: longer than any challenge is open */
	SERVER_BEAT_MS = 15 * 1000,	   /* a line of comment in it, so that neither side waits for one that is gone */
	SERVER_WRITE_MS = 30 * 1000, /* until an answer is read */
	SERVER_LINGER_MS = 2 * 1000, /* after an error: what the peer still sends is read away, so
					that it gets the answer */
	SERVER_TICK_MS = 100,
};

/* listen_fd stays the caller's. gateway's engine must be set. */
struct server *server_new(
    struct event_base *base, int listen_fd, SSL_CTX *tls, struct gateway *gateway);
/* Accepts no more, ends idle connections and streams, and lets the rest finish their request. */
void server_drain(struct server *s);
/* Connections that are left. */
size_t server_count(const struct server *s);
/* Closes what passed its deadline; every SERVER_TICK_MS. */
void server_tick(struct server *s);
void server_free(struct server *s);

#endif
