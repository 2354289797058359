/* SPDX-License-Identifier: Apache-2.0 */
/* Where a server is: "unix:/path", "host:port" or "[v6]:port", and how a name becomes an address without waiting for it. */
#ifndef CS_STORE_REDIS_ADDRESS_H
#define CS_STORE_REDIS_ADDRESS_H

#include <sys/socket.h>

#include "broker/store/redis/fleet.h"

struct address {
	bool local;                      /* a Unix socket; host is its path */
	char host[FLEET_ADDRESS_TEXT];
	char port[8];
};

struct socket_address {
	struct sockaddr_storage to;
	socklen_t len;
};

enum cs_err address_read(const char *text, struct address *out);   /* CS_ERR_SYNTAX */
/* True where it needs no resolver. */
bool address_numeric(const struct address *a, struct socket_address *out);

/* One question to the resolver, in a thread of the C library's. */
struct lookup;
struct lookup *lookup_new(const struct address *a);
/* CS_ERR_NOT_FOUND: not yet; CS_ERR_UNAVAILABLE: no such name, *why says it. `turn` chooses among several addresses. */
enum cs_err lookup_result(const struct lookup *l, unsigned turn, struct socket_address *out, const char **why);
void lookup_free(struct lookup *l);   /* NULL is fine; does not wait */

#endif
