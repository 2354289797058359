/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every route of the gateway, in one table: what it answers to, which call it makes, with which
 * parameters, and with which status it succeeds. openapi.json describes the same, and a test holds
 * the two against each other.
 */
#ifndef CS_GATEWAY_ROUTES_H
#define CS_GATEWAY_ROUTES_H

#include "broker/base/buf.h"
#include "broker/base/err.h"

struct exchange;

enum {
	ROUTE_PARAMS_MAX = 3, /* {members} of a path */
	ROUTE_ALLOW_MAX = 64,
};

enum route_flag {
	ROUTE_SERVICE = 1 << 0, /* needs a client certificate */
	ROUTE_BODY = 1 << 1,	/* takes a JSON object */
	ROUTE_AUTHZEN = 1 << 2, /* errors are strings, as AuthZEN says */
	ROUTE_PAGE = 1 << 3,	/* for people: errors are pages */
	ROUTE_SLOW = 1 << 4,	/* waits for a plugin */
	ROUTE_SET = 1 << 5,	/* for security events: errors are {err, description}, as RFC 8935 says */
};

struct route {
	const char *method;
	const char
	    *path; /* "/v1/links/{link}": {member} stands for one segment and names the parameter */
	const char *call; /* the Varlink method that is forwarded; NULL: the handler's own calls */
	unsigned status;  /* of a success */
	unsigned flags;
	const char *query; /* members of the query that become parameters; a name with '#' before it
			      is an integer */
	void (*handle)(struct exchange *x);
};

extern const struct route routes[];
extern const size_t route_count;

/*
 * The route for method and path, with the path's members (still encoded) in params.
 * CS_ERR_NOT_FOUND: no such path. CS_ERR_CONFLICT: the path is there, but not for this method;
 * allow then lists those that are ("GET, POST").
 */
enum cs_err route_find(struct view method, struct view path, const struct route **route,
    struct view params[ROUTE_PARAMS_MAX], char allow[ROUTE_ALLOW_MAX]);

/* The name of the n-th {member} of a path; empty where there is none. */
struct view route_member(const char *path, size_t n);

#endif
