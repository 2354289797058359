/* SPDX-License-Identifier: Apache-2.0 */
/* A redis-server of the test's own, in a scratch directory, on a Unix socket; for tests of the shared store. */
#ifndef TESTS_STORE_REDIS_SERVER_H
#define TESTS_STORE_REDIS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct redis_server {
	pid_t pid;
	char *dir;          /* from scratch_make() */
	char socket[100];
	bool durable;
	unsigned port;      /* on 127.0.0.1, of a cluster's server; 0: the socket only */
};

enum { REDIS_CLUSTER_MASTERS = 3 };

/*
 * Whether there is a program to start; else the test skips itself: `if (!redis_server_there()) return 77;`. It says so
 * on standard error.
 */
bool redis_server_there(void);
/* s->port is read, the rest is set. durable: appendonly yes, appendfsync always; else nothing is kept. Ends the test where it does not start. */
void redis_server_start(struct redis_server *s, bool durable);
void redis_server_stop(struct redis_server *s);
/* Masters of a cluster, without replicas, each with its third of the slots; ends the test where they do not agree. */
void redis_cluster_start(struct redis_server masters[REDIS_CLUSTER_MASTERS]);
void redis_cluster_stop(struct redis_server masters[REDIS_CLUSTER_MASTERS]);
/* kill -9, and a start on what is in its directory then. */
void redis_server_kill(struct redis_server *s);
void redis_server_again(struct redis_server *s);

#endif
