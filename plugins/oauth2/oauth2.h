/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this plugin share: the settings, and a token that was found good. */
#ifndef CS_PLUGIN_OAUTH2_H
#define CS_PLUGIN_OAUTH2_H

#include "plugins/lib/oidc.h"

enum {
	OAUTH2_SCOPES_MAX = 8,
	OAUTH2_DIGEST = 32,             /* bytes of SHA-256 */
	OAUTH2_DIGEST_TEXT = 43,        /* the same as base64url */
};

/* settings.own: what the plugin's table has besides the shared keys. */
struct oauth2 {
	struct countersign_view audiences[OIDC_CONDITIONS_MAX]; /* ours: the token must be for one of them */
	size_t audiences_count;
	struct countersign_view scopes[OAUTH2_SCOPES_MAX]; /* all of them must be granted */
	size_t scopes_count;
	struct countersign_view introspection; /* absent: tokens are JWTs */
	bool plain_jwt;                 /* typ may be JWT or absent, as before RFC 9068 */
	bool bound;                     /* a token that is bound to nothing is refused */
	int64_t cache_ms, proof_age_s;
};

/* The claims of a token that is its issuer's, or what introspection says of it: judged alike. */
struct grant {
	struct countersign_view client;
	struct countersign_view certificate; /* cnf.x5t#S256, or absent */
	struct countersign_view key;    /* cnf.jkt, or absent */
	int64_t expires_s;
};

static inline const struct oauth2 *
oauth2_of(const struct oidc *o)
{
	return o->settings.own;
}

/* SHA-256 as base64url without padding. False: OpenSSL failed. */
bool oauth2_digest(struct countersign_view data, char to[OAUTH2_DIGEST_TEXT + 1]);

/* grant.c: issuer, audience, times, client, scopes. introspected: iss may be absent. */
int grant_read(const struct oidc *o, const json_t *claims, int64_t now_s, bool introspected, struct grant *g);
/* What the token is bound to is what was shown (RFC 8705 section 3, RFC 9449 section 7). jkt: of the proof, or absent. */
int grant_check_binding(const struct oidc *o, const struct grant *g, const struct countersign_token *in,
    struct countersign_view jkt);

/* proof.c: a DPoP proof (RFC 9449 section 4.3): on success thumbprint, and id and time of the answer. */
int proof_check(struct oidc *o, const struct countersign_token *in, char thumbprint[OAUTH2_DIGEST_TEXT + 1],
    struct countersign_token_answer *out);
/* RFC 7638. False: it is no public key that can sign. */
bool proof_thumbprint(const json_t *jwk, char to[OAUTH2_DIGEST_TEXT + 1]);

#endif
