/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of the gateway's server: TLS, its two buffers, its state. For server.c and conn.c alone. */
#ifndef CS_GATEWAY_CONN_H
#define CS_GATEWAY_CONN_H

#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "broker/base/bytes.h"
#include "broker/gateway/exchange.h"
#include "broker/gateway/server.h"
#include "broker/gateway/tls.h"

enum { CONN_PEER_KEY = 16 };

enum conn_state { HANDSHAKE, READING, ANSWERING, LINGER };

struct conn {
	struct server *server;
	struct conn *next, *prev;
	int fd;
	SSL *ssl;
	struct event read, write;
	bool reading, writing; /* the events are armed */
	enum conn_state state;
	bool close;	/* once the output is written */
	bool begun;	/* bytes of the next request are there: its deadline runs */
	bool continued; /* 100 Continue was sent for it */
	int64_t deadline_ms, beat_ms; /* beat: of a stream */
	struct bytes in, out;
	size_t out_at, need, used;
	size_t lingered;
	uint8_t peer[CONN_PEER_KEY];
	char ip[INET6_ADDRSTRLEN];
	char certificate[TLS_FINGERPRINT_HEX];
	struct http_request request;
	struct exchange exchange;
};

struct server {
	struct event_base *base;
	struct gateway *gateway;
	SSL_CTX *tls;
	struct event accept;
	bool accepting, draining;
	struct conn *first;
	size_t count;
	unsigned serial;
};

/* NULL where the peer has too many already, or TLS has no memory; fd stays the caller's then. */
struct conn *conn_new(struct server *s, int fd, const struct sockaddr_storage *from);
/* Closes it; one that was counted makes room to accept another. */
void conn_free(struct conn *c);
/* Takes it as far as it goes without waiting; it may be gone afterwards. */
void conn_drive(struct conn *c);
/* A stream: what its exchange has pushed goes out. */
void conn_wake(struct exchange *x);
/* A stream: a sign of life. */
void conn_beat(struct conn *c);
/* Answers with an error, and reads on only to throw away. */
void conn_refuse(struct conn *c, unsigned status, const char *reason);
int64_t conn_now_ms(void);

/* In server.c: whether connections are accepted. */
void server_accepts(struct server *s, bool on);

#endif
