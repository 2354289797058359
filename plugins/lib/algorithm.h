/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature algorithms (RFC 7518 section 3, RFC 8037), as bits of a set. HS* is not among them: a client
 * secret is not an issuer's key.
 */
#ifndef CS_PLUGIN_LIB_ALGORITHM_H
#define CS_PLUGIN_LIB_ALGORITHM_H

#include "countersign/plugin.h"

enum oidc_algorithm {
	OIDC_RS256, OIDC_RS384, OIDC_RS512, OIDC_PS256, OIDC_PS384, OIDC_PS512,
	OIDC_ES256, OIDC_ES384, OIDC_ES512, OIDC_EDDSA,
	OIDC_ALGORITHM_COUNT
};

/* NULL where it is none; its inverse gives OIDC_ALGORITHM_COUNT where the name is unknown. Case counts. */
const char *algorithm_name(enum oidc_algorithm a);
enum oidc_algorithm algorithm_of(struct countersign_view name);

#endif
