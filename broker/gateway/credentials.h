/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service shows of itself with a request: a client certificate, which TLS has verified, or an access token (RFC
 * 6750), perhaps with a proof that it holds the token's key (RFC 9449). It is passed on; who that is, the engine finds.
 */
#ifndef CS_GATEWAY_CREDENTIALS_H
#define CS_GATEWAY_CREDENTIALS_H

#include "broker/gateway/exchange.h"

/* Finds what the request shows. NULL, or static text that says what to show. */
const char *credentials_read(struct exchange *x);
/* The members of Internal.Forward that hold it. */
void credentials_write(const struct exchange *x, struct json_writer *w);
/* The engine's word on a token that it did not take, for the header of the answer. */
void credentials_refused(struct exchange *x, struct view reason);
/* The headers WWW-Authenticate of an answer 401. */
void credentials_ask(struct exchange *x);

#endif
