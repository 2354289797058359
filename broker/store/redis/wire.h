/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to one server: connects without waiting, plain or TLS, sends bytes, gives replies one by one. It knows
 * neither commands nor meanings. Nothing is called back but from the poller and from wire_tick().
 */
#ifndef CS_STORE_REDIS_WIRE_H
#define CS_STORE_REDIS_WIRE_H

#include "broker/base/bytes.h"
#include "broker/store/redis/address.h"
#include "broker/store/redis/replies.h"
#include "broker/store/redis/tls.h"

struct wire_events {
	void (*up)(void *arg);
	void (*reply)(void *arg, struct redisReply *r);  /* which is now the callee's */
	void (*down)(void *arg, const char *why);        /* after it the wire is closed */
};

enum wire_state { WIRE_CLOSED, WIRE_RESOLVING, WIRE_CONNECTING, WIRE_TLS, WIRE_UP };

struct wire {
	const struct poller *poller;
	const struct wire_events *on;
	void *arg;
	enum wire_state state;
	struct address address;
	struct lookup *lookup;
	unsigned turn;              /* which of a name's addresses */
	int fd;
	bool failed;                /* with this errno: told by the tick */
	int error;
	struct tls_client *tls_client;
	struct tls *tls;
	struct reply_reader reader;
	struct bytes out, plain;    /* out: as it goes to the kernel */
	bool wipe;                  /* what was put may hold a password: nothing stays in `out` */
	uint64_t sent_bytes;        /* given to the kernel since the connection began */
	uint64_t put_bytes;         /* put by the caller since then */
};

void wire_set_up(struct wire *w, const struct poller *p, const struct wire_events *on, void *arg);
/* tls may be NULL, and is not used for a Unix socket. The wire must be closed. */
void wire_open(struct wire *w, const struct address *to, struct tls_client *tls);
/* No callback comes after it. May be called in a callback. */
void wire_hang_up(struct wire *w);
/* Only while up. What is put is sent by wire_write(). */
void wire_put(struct wire *w, const void *data, size_t n);
void wire_write(struct wire *w);
/* Names are resolved, and failures of writes are told, here. Returns true while it wants to be called within milliseconds. */
bool wire_tick(struct wire *w);

#endif
