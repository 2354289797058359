/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fleet for tests of what stands on it: fleet.h over one connection that blocks. What was asked is executed by
 * fleet_flush(), in order; a test decides the fate of each ask. Link it instead of the fleet: fleet_new() takes one
 * server "unix:/path".
 */
#ifndef TESTS_STORE_PLAIN_FLEET_H
#define TESTS_STORE_PLAIN_FLEET_H

#include "broker/store/redis/fleet.h"

enum plain_fate {
	FATE_DONE,
	FATE_REFUSED,   /* not executed: UNAVAILABLE */
	FATE_LOST,      /* not executed: UNKNOWN, or UNAVAILABLE for what reads */
	FATE_UNHEARD,   /* executed, and the same answer */
	FATE_FULL,
};

/* script: its number, or -1 for a command. */
typedef enum plain_fate plain_fate_fn(void *ctx, unsigned bucket, int script);

struct fleet *plain_fleet_new(const char *socket, const char *tenure);
/* Of all buckets, and of what is asked from here on. */
void plain_fleet_tenure(struct fleet *f, const char *tenure);
/* After the server was started again. */
void plain_fleet_reconnect(struct fleet *f, const char *socket);
void plain_fleet_fate(struct fleet *f, plain_fate_fn *fate, void *ctx);
/* How many were executed since the start. */
unsigned plain_fleet_asks(const struct fleet *f);
/* At once, outside of all this; the reply is the caller's. */
struct redisReply *plain_fleet_now(struct fleet *f, const struct view *argv, size_t argc);
#define PLAIN_NOW(f, ...) \
	plain_fleet_now(f, (struct view[]){__VA_ARGS__}, sizeof((struct view[]){__VA_ARGS__}) / sizeof(struct view))

#endif
