/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services that show an access token over HTTPS (RFC 6750, RFC 9449). A plugin says which client of which authorization
 * server the token was given to; the configuration says which service that is. The gateway passes on what it was shown
 * and names nobody.
 */
#ifndef CS_ENGINE_BEARER_H
#define CS_ENGINE_BEARER_H

#include "broker/engine/call.h"

/* As the gateway passes it on; absent values are empty. */
struct shown_token {
	struct view token;        /* without its scheme */
	struct view scheme;       /* "Bearer" or "DPoP" */
	struct view proof;        /* header DPoP */
	int64_t request;          /* of the gateway: names the HTTP request that the call is of */
	struct view method, url;  /* of the request; url without its query */
	struct view certificate;  /* 64 hexadecimal digits of the client certificate that TLS verified */
};

/*
 * Finds the service and calls `method` in its name with the call's parameters; now where the answer is remembered, else
 * when the plugins have spoken. Who is no service is answered NotAuthenticated, with why.
 */
void bearer_dispatch(struct call *call, const struct shown_token *shown, struct view method);

struct bearers *bearers_new(void);
void bearers_free(struct bearers *b);
/* Another configuration: what was remembered of tokens is forgotten; proofs that were used stay used. */
void bearers_configure(struct engine *e);

#endif
