/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ID tokens: OpenID Connect Core 1.0 section 3.1.3.7 and RFC 8725. The order is: shape, header,
 * issuer (before any key is fetched for it), key, signature, then every claim.
 */
#ifndef CS_PLUGIN_LIB_IDTOKEN_H
#define CS_PLUGIN_LIB_IDTOKEN_H

#include "plugins/lib/jws.h"

/* What the token must have been made for. */
struct idtoken_expect {
	struct countersign_view nonce;
	const struct countersign_view *clients;
	size_t clients_count;
	int64_t now_s;
};

/* jws_check_header() of an ID token, whose typ is JWT or absent. */
int idtoken_check_header(const struct oidc_settings *settings, struct jws *t);
/* iss is the configured issuer or one of its aliases. BAD_ISSUER, BAD_TOKEN. */
int idtoken_check_issuer(const struct oidc_settings *settings, const struct jws *t);
/* All others. On success identity is filled, but for `request`. */
int idtoken_check_claims(const struct oidc_settings *settings, const struct jws *t,
    const struct idtoken_expect *expect, struct countersign_identity *identity);
/* at_hash, where the token has one (section 3.1.3.8). BAD_TOKEN. */
int idtoken_check_at_hash(const struct jws *t, struct countersign_view access_token);

/* All of the above but at_hash, with the key looked up and the signature verified. */
int idtoken_verify(struct oidc *o, struct jws *t, const struct idtoken_expect *expect,
    struct countersign_identity *identity);

#endif
