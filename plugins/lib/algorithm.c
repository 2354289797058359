/* SPDX-License-Identifier: Apache-2.0 */
/* Names of signature algorithms. */
#include "plugins/lib/algorithm.h"
#include "plugins/lib/encoding.h"

static const char *const names[OIDC_ALGORITHM_COUNT] = {
	[OIDC_RS256] = "RS256",
	[OIDC_RS384] = "RS384",
	[OIDC_RS512] = "RS512",
	[OIDC_PS256] = "PS256",
	[OIDC_PS384] = "PS384",
	[OIDC_PS512] = "PS512",
	[OIDC_ES256] = "ES256",
	[OIDC_ES384] = "ES384",
	[OIDC_ES512] = "ES512",
	[OIDC_EDDSA] = "EdDSA",
};

const char *
algorithm_name(enum oidc_algorithm a)
{
	return a < OIDC_ALGORITHM_COUNT ? names[a] : NULL;
}

enum oidc_algorithm
algorithm_of(struct countersign_view name)
{
	int i;

	/* RFC 9864's name; EdDSA is Ed25519 here anyway. */
	if (view_is_text(name, "Ed25519"))
		return OIDC_EDDSA;
	for (i = 0; i < OIDC_ALGORITHM_COUNT; i++)
		if (view_is_text(name, names[i]))
			break;
	return (enum oidc_algorithm)i;
}
