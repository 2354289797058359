/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of configuration tables that several providers have. oidc_open() reads those that are in the
 * plugin's table; what is not there keeps its value from struct oidc_kind or from here.
 */
#ifndef CS_PLUGIN_LIB_KEYS_H
#define CS_PLUGIN_LIB_KEYS_H

#include "plugins/lib/oidc.h"
#include "plugins/lib/signing.h"

#define OIDC_KEYS_CLIENT \
	{.name = "client-id", .type = COUNTERSIGN_CONFIG_STRING, \
	    .flags = COUNTERSIGN_CONFIG_REQUIRED | COUNTERSIGN_CONFIG_MANY, .min = 1, .max = OIDC_TEXT_MAX, \
	    .help = "A client id that may begin the code flow."}

#define OIDC_KEYS_SECRET \
	{.name = "client-secret", .type = COUNTERSIGN_CONFIG_SECRET, .min = 1, .max = OIDC_SECRET_MAX, \
	    .help = "The client's secret at the token endpoint."}

/* private_key_jwt and tls_client_auth. */
#define OIDC_KEYS_PRIVATE_KEY \
	{.name = "client-key", .type = COUNTERSIGN_CONFIG_SECRET, .min = 1, .max = SIGNING_PEM_MAX, \
	    .help = "The private key, in PEM, that private_key_jwt signs with."}, \
	{.name = "client-key-id", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = OIDC_TEXT_MAX, \
	    .help = "The kid of client-key, as the provider knows it."}, \
	{.name = "client-key-algorithm", .type = COUNTERSIGN_CONFIG_WORD, \
	    .words = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA", \
	    .help = "What client-key signs with; by default its curve's own, and RS256 for RSA."}, \
	{.name = "client-key-thumbprint", .type = COUNTERSIGN_CONFIG_STRING, .min = 43, .max = 43, \
	    .help = "SHA-256 of the certificate of client-key, base64url, sent as x5t#S256."}

#define OIDC_KEYS_TIMES \
	{.name = "clock-skew", .type = COUNTERSIGN_CONFIG_INT, .min = 0, .max = 300, .default_value = "10", \
	    .help = "Seconds that the provider's clock may be off."}, \
	{.name = "token-lifetime", .type = COUNTERSIGN_CONFIG_INT, .min = 1, .max = 604800, \
	    .default_value = "86400", \
	    .help = "Seconds from iat to exp at most; a token that lasts longer is refused."}, \
	{.name = "token-age", .type = COUNTERSIGN_CONFIG_INT, .min = 1, .max = 86400, .default_value = "600", \
	    .help = "Seconds since iat at most; a sign-in is fresh."}

#define OIDC_KEYS_MAX_AGE \
	{.name = "max-age", .type = COUNTERSIGN_CONFIG_INT, .min = 0, .max = 2592000, .default_value = "0", \
	    .help = "Asks for a sign-in at most so many seconds old and checks auth_time; 0: not."}

#define OIDC_KEYS_PROMPT \
	{.name = "prompt", .type = COUNTERSIGN_CONFIG_WORD, .words = "login consent select_account", \
	    .help = "What the provider should show."}

#define OIDC_KEYS_DISPLAY(usual) \
	{.name = "display-claim", .type = COUNTERSIGN_CONFIG_WORD, \
	    .words = "none email name preferred_username phone_number", .default_value = usual, \
	    .help = "The claim by which people are shown which ID it was; proves nothing."}

#define OIDC_KEYS_FETCHING \
	{.name = "keys-max-age", .type = COUNTERSIGN_CONFIG_INT, .min = 60, .max = 86400, \
	    .default_value = "3600", \
	    .help = "Seconds that fetched keys are used; they are fetched again at half of it."}, \
	{.name = "keys-min-interval", .type = COUNTERSIGN_CONFIG_INT, .min = 1, .max = 3600, \
	    .default_value = "60", .help = "Seconds between two fetches of keys, after a burst of four."}

#endif
