/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys. They live in the engine alone, all derived from one master key (HKDF-SHA256, RFC 5869): one that makes the
 * digests of ids from outside, one that seals factor secrets, one from which each account's own sealing key comes, and
 * the P-256 key that signs receipts. Nothing here leaves a key.
 */
#ifndef CS_ENGINE_KEYRING_H
#define CS_ENGINE_KEYRING_H

#include "broker/base/err.h"
#include "broker/core/types.h"

struct keyring;

enum { SEAL_OVERHEAD = 1 + 12 + 16 }; /* version, nonce, tag */

/*
 * Reads the master key, or makes it (32 random bytes, mode 0600) where the file is absent. *why: one sentence for the
 * admin. CS_ERR_DENIED: too loose a mode, or not ours; CS_ERR_SYSTEM; CS_ERR_RANGE: not 32 bytes.
 */
enum cs_err keyring_open(const char *path, struct keyring **out, char why[256]);
/* From 32 bytes; for tests, the simulator and tools. */
struct keyring *keyring_from(const uint8_t master[32]);
void keyring_free(struct keyring *k);

/* What a digest is of: the same bytes in two roles give two digests. */
enum digest_kind {
	DIGEST_ACCOUNT = 'a',   /* realm, account id */
	DIGEST_SUBJECT = 's',   /* realm, provider, issuer, subject */
	DIGEST_PAYMENT = 'p',   /* service tag and account key, payment id */
	DIGEST_PAYEE = 'y',     /* payee id */
	DIGEST_CAPTURE = 'c',   /* hold, capture id */
	DIGEST_REFUND = 'r',    /* hold, refund id */
	DIGEST_CONTENT = 'o',   /* what a card shows */
	DIGEST_PAIRWISE = 'w',  /* account as one service's receipts name it */
	DIGEST_EVIDENCE = 'v',  /* kind, value */
	DIGEST_SIGNAL = 'g',    /* a provider's message; or one of its events: provider, issuer, id, name, subject */
	DIGEST_NUMBER = 'n',    /* challenge, as the numbers that approving it takes */
	DIGEST_SAID = 'd',      /* an admin's word that was said offline, by its name in the store */
	DIGEST_REALM = 'R',     /* the realm's name: what keeps brokers with other keys, or another realm, out of a shared store */
};

/* Keyed SHA-256 over the parts, each with its length. */
void keyring_digest(const struct keyring *k, enum digest_kind kind, const struct view *parts, size_t n, struct hash *to);
struct id keyring_id(const struct keyring *k, enum digest_kind kind, const struct view *parts, size_t n);
/* Plain SHA-256. */
void sha256(struct view bytes, struct hash *to);
/* A configured name's tag. */
uint64_t name_tag(struct view name);

/*
 * AES-256-GCM. salt: of the account's own key (texts), or NULL for the broker's key (factor secrets); aad binds the
 * place. Writes SEAL_OVERHEAD more bytes than text has.
 */
void keyring_seal(const struct keyring *k, const struct id *salt, struct view aad, struct view text, struct buf *out);
/* CS_ERR_CORRUPT where it is not what was sealed for this place. */
enum cs_err keyring_open_sealed(const struct keyring *k, const struct id *salt, struct view aad, struct view sealed,
    struct buf *out);

/* ES256 over the bytes, as JOSE wants it: 64 bytes r and s. */
void keyring_sign(const struct keyring *k, struct view bytes, uint8_t signature[64]);
/* The public key as a JWK with kid, alg and use. */
void keyring_jwk(const struct keyring *k, struct buf *out);
struct view keyring_kid(const struct keyring *k);

/* HMAC of one TOTP step (RFC 4226, 5.3): the truncated number modulo 10^digits. algorithm: 1, 256 or 512. */
uint32_t totp_code(struct view secret, uint64_t step, unsigned digits, unsigned algorithm);

#endif
