/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this plugin share: the settings, and the state of one configured provider. */
#ifndef CS_PLUGIN_OIDC_H
#define CS_PLUGIN_OIDC_H

#include <stdbool.h>

#include <jansson.h>

#include "countersign/plugin.h"

enum {
	OIDC_URL_MAX = 1024,	    /* an endpoint; longest seen in use: about 120 */
	OIDC_SECRET_MAX = 1024,	    /* a client secret */
	OIDC_TOKEN_MAX = 16 * 1024, /* a compact ID token; Microsoft's with groups reach 6 KiB */
	OIDC_DOCUMENT_MAX =
	    64 * 1024,	      /* discovery, keys, token answer; Microsoft's keys are 16 KiB */
	OIDC_TEXT_MAX = 255,  /* subject, issuer, nonce */
	OIDC_ALIASES_MAX = 4, /* other spellings of the issuer */
	OIDC_CLIENTS_MAX = 8,
};

/*
 * Signature algorithms, as bits of a set. HS* is not among them: a client secret is not an issuer's
 * key.
 */
enum oidc_algorithm {
	OIDC_RS256, OIDC_RS384, OIDC_RS512, OIDC_PS256, OIDC_PS384, OIDC_PS512,
	OIDC_ES256, OIDC_ES384, OIDC_ES512, OIDC_EDDSA,
	OIDC_ALGORITHM_COUNT
};

enum oidc_client_authentication { OIDC_SECRET_BASIC, OIDC_SECRET_POST, OIDC_SECRET_NONE };

/* Views point into the host's configuration. Times in seconds, as in tokens. */
struct oidc_settings {
	struct countersign_view issuer;
	struct countersign_view aliases[OIDC_ALIASES_MAX];
	size_t aliases_count;
	struct countersign_view clients[OIDC_CLIENTS_MAX];
	size_t clients_count;
	enum oidc_client_authentication authentication;
	struct countersign_view scope, prompt, response_mode, display_claim;
	unsigned algorithms;            /* 1 << enum oidc_algorithm */
	int64_t skew_s, lifetime_max_s, age_max_s;
	int64_t max_age_s;              /* 0: not asked for */
	int64_t keys_max_age_ms, keys_min_interval_ms;
};

struct oidc_metadata {
	char authorization_endpoint[OIDC_URL_MAX], token_endpoint[OIDC_URL_MAX];
	char jwks_uri[OIDC_URL_MAX];
	bool iss_parameter;             /* RFC 9207: the provider always sends iss */
	bool known;
	int64_t fetched_boot_ms;
};

struct jwks;
struct signature;

struct oidc {
	const struct countersign_host_v1 *host;
	struct oidc_settings settings;
	char secret[OIDC_SECRET_MAX];
	size_t secret_len;
	struct oidc_metadata metadata;
	struct signature *signature;
	struct jwks *keys;              /* NULL before the first fetch */
	int64_t keys_fetched_boot_ms;
	int64_t fetch_credit_ms;        /* see jwks.c */
	int64_t fetch_credit_boot_ms;
};

/* One line to the host's log; detail may come from outside and is absent when {NULL, 0}. */
void oidc_log(const struct oidc *o, int level, const char *text, struct countersign_view detail);

/*
 * One exchange by way of the host, with the answer parsed: an object, to be released by
 * json_decref(). body absent: GET. What is not a JSON object is *json = NULL with COUNTERSIGN_OK;
 * the caller judges by status.
 */
int oidc_fetch(struct oidc *o, const char *url, struct countersign_view body,
    struct countersign_view authorization, int *status, json_t **json);

#endif
