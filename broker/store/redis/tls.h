/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS as a filter between bytes of the network and bytes of the protocol; it knows no socket. TLS 1.2 and later, the
 * server's chain and name are verified, always. Our keys are read once.
 */
#ifndef CS_STORE_REDIS_TLS_H
#define CS_STORE_REDIS_TLS_H

#include "broker/base/bytes.h"
#include "broker/base/err.h"

struct tls_client; /* for all connections */
struct tls;        /* of one connection */

/* ca NULL: the system's; certificate and key NULL: none; server_name NULL: of the host. CS_ERR_DENIED with words in why. */
enum cs_err tls_client_new(const char *ca, const char *certificate, const char *key, const char *server_name,
    struct tls_client **out, char *why, size_t why_cap);
void tls_client_free(struct tls_client *c);

/* host: a name or an address in text; unless the client has a server_name, the certificate must be for it. */
struct tls *tls_new(struct tls_client *c, const char *host);
void tls_free(struct tls *t);
/*
 * Takes n bytes that came, puts what they say into `plain` and what is to be sent into `wire`. n 0 begins the handshake.
 * *up once the handshake is through and the server is who it should be. CS_ERR_DENIED with words in why: close.
 */
enum cs_err tls_feed(struct tls *t, const void *data, size_t n, struct bytes *plain, struct bytes *wire, bool *up, char *why,
    size_t why_cap);
/* Encrypts into `wire`; only once up. CS_ERR_DENIED: close. */
enum cs_err tls_write(struct tls *t, const void *data, size_t n, struct bytes *wire);

#endif
