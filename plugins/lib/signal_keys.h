/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of configuration tables for a provider's security events; signals_open() reads those that are in the plugin's table. */
#ifndef CS_PLUGIN_LIB_SIGNAL_KEYS_H
#define CS_PLUGIN_LIB_SIGNAL_KEYS_H

#include "plugins/lib/signals.h"

/* Of every provider that sends signals. */
#define SIGNAL_KEYS \
	{.name = "signal-audience", .type = COUNTERSIGN_CONFIG_STRING, .flags = COUNTERSIGN_CONFIG_MANY, .min = 1, \
	    .max = OIDC_TEXT_MAX, .help = "For whom security events are made, besides the client ids."}, \
	{.name = "signal-age", .type = COUNTERSIGN_CONFIG_INT, .min = 60, .max = 2592000, .default_value = "604800", \
	    .help = "Seconds since a security event was made at most; a sender may have had to try for days."}

/* Of a transmitter of OpenID Shared Signals. */
#define SIGNAL_KEYS_SSF \
	{.name = "signal-issuer", .type = COUNTERSIGN_CONFIG_URL, .min = 9, .max = OIDC_TEXT_MAX, \
	    .help = "The transmitter of security events, letter for letter as its /.well-known/ssf-configuration and its " \
		"events say it; by default the issuer, with the keys that sign ID tokens."}, \
	{.name = "signal-algorithm", .type = COUNTERSIGN_CONFIG_WORD, .flags = COUNTERSIGN_CONFIG_MANY, \
	    .words = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA", \
	    .help = "An algorithm that security events may be signed with; by default as ID tokens, of a signal-issuer " \
		"RS256 and ES256."}, \
	{.name = "signal-authorization", .type = COUNTERSIGN_CONFIG_SECRET, .min = 8, .max = OIDC_SECRET_MAX, \
	    .help = "The whole header Authorization that every push must show; the transmitter is told when the stream is " \
		"created."}, \
	{.name = "stream-id", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = OIDC_TEXT_MAX, \
	    .help = "Our stream at the transmitter, where it has several for us."}, \
	{.name = "stream-event", .type = COUNTERSIGN_CONFIG_STRING, .flags = COUNTERSIGN_CONFIG_MANY, .min = 8, \
	    .max = OIDC_TEXT_MAX, \
	    .help = "The URI of an event that the stream is to have; by default all of RISC and CAEP that concern accounts."}, \
	{.name = "stream-token", .type = COUNTERSIGN_CONFIG_SECRET, .min = 1, .max = SIGNALS_SECRET_MAX, \
	    .help = "A bearer token for the stream's management and for polling."}, \
	{.name = "stream-token-endpoint", .type = COUNTERSIGN_CONFIG_URL, .min = 9, .max = OIDC_URL_MAX, \
	    .help = "Where such a token is fetched (client credentials), in place of stream-token."}, \
	{.name = "stream-client-id", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = OIDC_TEXT_MAX, \
	    .help = "Our client id at stream-token-endpoint."}, \
	{.name = "stream-client-secret", .type = COUNTERSIGN_CONFIG_SECRET, .min = 1, .max = OIDC_SECRET_MAX, \
	    .help = "Its secret, shown as client_secret_basic."}, \
	{.name = "stream-scope", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = 255, \
	    .default_value = "ssf.read ssf.manage", .help = "The scope of such a token."}

/* Of Google's Cross-Account Protection. */
#define SIGNAL_KEYS_GOOGLE \
	{.name = "service-account", .type = COUNTERSIGN_CONFIG_SECRET, .min = 1, .max = SIGNALS_SECRET_MAX, \
	    .help = "The key file (JSON) of a service account that may manage the stream of security events."}, \
	{.name = "risc-endpoint", .type = COUNTERSIGN_CONFIG_URL, .min = 9, .max = OIDC_URL_MAX / 2, \
	    .default_value = "https://risc.googleapis.com", .help = "Where the stream of security events is managed."}, \
	{.name = "stream-event", .type = COUNTERSIGN_CONFIG_STRING, .flags = COUNTERSIGN_CONFIG_MANY, .min = 8, \
	    .max = OIDC_TEXT_MAX, .help = "The URI of an event that the stream is to have; by default all that there are."}

#endif
