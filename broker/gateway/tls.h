/* SPDX-License-Identifier: Apache-2.0 */
/* TLS as the gateway speaks it: 1.2 and up, HTTP/1.1 only, client certificates asked for and not
 * required. */
#ifndef CS_GATEWAY_TLS_H
#define CS_GATEWAY_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

enum { TLS_FINGERPRINT_HEX = 64 };

/*
 * Reads certificate chain and key (a file of mode 0600 or tighter), and the CA of the services'
 * certificates when not NULL. On failure logs what is wrong and how to mend it, and returns NULL.
 * Give it to SSL_CTX_free().
 */
SSL_CTX *tls_context(const char *certificate, const char *key, const char *client_ca);

/* SHA-256 of the verified client certificate in hex, without NUL; false where the client showed
 * none. */
bool tls_fingerprint(const SSL *ssl, char to[TLS_FINGERPRINT_HEX]);

#endif
