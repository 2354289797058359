/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who vouches for a plugin: digests, and signatures by keys that the admin trusts.
 *
 * A signature stands beside the file as NAME.so.sig:
 *
 *	countersign-plugin-signature 1
 *	plugin NAME
 *	sha256 64 hexadecimal digits
 *	key 16 hexadecimal digits
 *	signature base64url
 *
 * The first three lines, with their newlines, are what is signed, by Ed25519 (RFC 8032): the first parts these signatures
 * from all others of the same key, the second keeps a file that was signed under one name from standing in for another.
 * The key's digits begin the SHA-256 of its SubjectPublicKeyInfo and are there for messages alone. Keys are PEM files
 * KEYS/NAME.pub.
 */
#ifndef CS_PARENT_PLUGIN_TRUST_H
#define CS_PARENT_PLUGIN_TRUST_H

#include <stddef.h>
#include <stdint.h>

#include "broker/base/err.h"

enum {
	TRUST_DIGEST_LEN = 32,
	TRUST_HEX_LEN = 2 * TRUST_DIGEST_LEN,
	TRUST_NAME_MAX = 255,
	TRUST_KEY_ID_LEN = 16,       /* hexadecimal digits: enough to tell the keys of one admin apart */
	TRUST_KEYS_MAX = 64,         /* files looked at */
	TRUST_KEY_FILE_MAX = 8192,   /* bytes; a PEM file of an Ed25519 key has about 120 */
	TRUST_SIGNATURE_FILE_MAX = 1024,
	TRUST_PROBLEM_MAX = 768,     /* the sentence in `problem` */
};

/* SHA-256 of what the descriptor holds from its beginning; the offset stays. CS_ERR_SYSTEM with errno. */
enum cs_err trust_digest(int fd, uint8_t sha256[TRUST_DIGEST_LEN]);
/* In lower case, with a NUL. */
void trust_hex(const uint8_t sha256[TRUST_DIGEST_LEN], char to[TRUST_HEX_LEN + 1]);

/*
 * Nobody but root and this process's user may have written what the descriptor is: NULL, or what is wrong and how to mend
 * it, as "it belongs to another user; chown it to root".
 */
const char *trust_owner_problem(int fd, int directory);

/*
 * Is this the signature, by one of the keys in the directory `keys`, of the plugin NAME with this digest? name: without
 * ".so". The directory and the keys are looked at as plugins are. signer (TRUST_NAME_MAX + 1 bytes): the key's file name.
 * CS_ERR_DENIED or CS_ERR_SYSTEM with problem.
 */
enum cs_err trust_verify(const char *keys, const char *name, const uint8_t sha256[TRUST_DIGEST_LEN],
    const char *signature, size_t len, char *signer, char *problem);

/*
 * Makes such a file's text, with NUL, by the private key in a PEM file that is open to nobody else. Errors: as
 * trust_verify.
 */
enum cs_err trust_sign(const char *key_file, const char *name, const uint8_t sha256[TRUST_DIGEST_LEN],
    char to[TRUST_SIGNATURE_FILE_MAX], char *problem);

#endif
