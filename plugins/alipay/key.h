/* SPDX-License-Identifier: Apache-2.0 */
/* Alipay's RSA2 (SHA256withRSA, PKCS #1 v1.5), its ways to write keys, and the names of its certificates. */
#ifndef CS_PLUGIN_ALIPAY_KEY_H
#define CS_PLUGIN_ALIPAY_KEY_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "countersign/plugin.h"

enum {
	KEY_TEXT_MAX = 4096,       /* RSA of 4096 bits in PEM has 3300 bytes */
	KEY_BITS_MIN = 2048,       /* what RSA2 asks for */
	KEY_BITS_MAX = 8192,
	KEY_SIGNATURE_MAX = 1024,  /* by a key of that size */
	KEY_SERIAL_LEN = 32,       /* an SN: MD5 in hexadecimal digits */
};

/*
 * A key in PEM, or as Alipay's tools show it: its DER in one line of base64. Private: PKCS #8 or PKCS #1. RSA
 * of KEY_BITS_MIN to KEY_BITS_MAX bits. NULL: it is none. Freed with EVP_PKEY_free(), which wipes it.
 */
EVP_PKEY *key_read_private(struct countersign_view text);
EVP_PKEY *key_read_public(struct countersign_view text);

/*
 * The key of a certificate in PEM (of several, the first), and its SN: MD5 over the issuer's name as RFC 2253
 * writes it and the serial number in decimal. NULL: it is none, or its key is not fit.
 */
EVP_PKEY *key_read_certificate(struct countersign_view pem, char serial[KEY_SERIAL_LEN + 1]);

/* base64 of the signature, appended. COUNTERSIGN_OK, FULL or INTERNAL. */
int key_sign(EVP_PKEY *key, struct countersign_view data, struct countersign_buffer *to);
/* signature: base64, strictly. */
bool key_verify(EVP_PKEY *key, struct countersign_view data, struct countersign_view signature);

#endif
