/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of an OpenID Connect client share: how one provider differs from the standard, the
 * settings, and the state of one configured provider. A plugin describes its provider as a
 * `struct oidc_kind`, and its operations are oidc_authorization_url() and oidc_identify().
 */
#ifndef CS_PLUGIN_LIB_OIDC_H
#define CS_PLUGIN_LIB_OIDC_H

#include <stdbool.h>

#include <jansson.h>

#include "countersign/plugin.h"
#include "plugins/lib/algorithm.h"
#include "plugins/lib/web.h"

enum {
	OIDC_URL_MAX = 1024,	    /* an endpoint; longest seen in use: about 120 */
	OIDC_SECRET_MAX = 1024,	    /* a client secret */
	OIDC_TOKEN_MAX = 16 * 1024, /* a compact ID token; Microsoft's with groups reach 6 KiB */
	OIDC_DOCUMENT_MAX = WEB_DOCUMENT_MAX,
	OIDC_TEXT_MAX = 255,  /* subject, issuer, nonce */
	OIDC_ALIASES_MAX = 4, /* other spellings of the issuer */
	OIDC_CLIENTS_MAX = 8,
	OIDC_CONDITIONS_MAX = 8, /* claims that must be so; values of acr; other audiences */
};

/* How the client proves itself at the token endpoint: OpenID Connect Core 1.0 section 9, RFC 8705. */
enum oidc_client_authentication {
	OIDC_SECRET_BASIC, OIDC_SECRET_POST, OIDC_PRIVATE_KEY_JWT, OIDC_TLS, OIDC_SECRET_NONE
};

/* Whether the request goes by RFC 9126 first. */
enum oidc_par { OIDC_PAR_WHERE_OFFERED, OIDC_PAR_ALWAYS, OIDC_PAR_NEVER };

/* A claim that must have this value. */
struct oidc_condition {
	char name[64];
	struct countersign_view value;
};

struct oidc;
struct jws;
struct jwks_key;
struct oidc_settings;

/*
 * How one provider differs from the standard. Every member may be absent. Hooks get the settings, whose
 * `own` is the plugin's; they return a result as operations do.
 */
struct oidc_kind {
	/* In place of the keys `issuer` and `issuer-alias`. */
	const char *issuer;
	const char *const *aliases;         /* ended by NULL */
	unsigned algorithms;                /* where `algorithm` is not given; 0: RS256 and ES256 */
	/*
	 * Reads what the plugin's table has besides the shared keys, after these. It may set o->metadata and its
	 * `fixed`: then there is no discovery. NULL, or a sentence that says what is wrong.
	 */
	const char *(*configure)(struct oidc *o);
	/* Frees settings.own. */
	void (*release)(struct oidc *o);
	/* In place of the comparison with the issuer and its aliases. BAD_ISSUER, BAD_TOKEN. */
	int (*check_issuer)(const struct oidc_settings *s, const struct jws *t);
	/* Whether this key may sign this token, before the signature is verified. BAD_KEY. */
	int (*check_key)(const struct oidc_settings *s, const struct jws *t, const struct jwks_key *key);
	/* Last, of a token that is good otherwise; may change what is in identity. */
	int (*check_claims)(const struct oidc_settings *s, const struct jws *t,
	    struct countersign_identity *identity);
	/*
	 * Puts the client's secret in place of the key `client-secret`, for a secret that is made anew from time
	 * to time. Sent as client_secret_post.
	 */
	int (*put_secret)(struct oidc *o, struct countersign_view client, int64_t now_ms,
	    struct countersign_buffer *to);
	/* More members of the authorization request, with put_pair(url, rc, from, ...). */
	void (*put_request)(const struct oidc_settings *s, struct countersign_buffer *url, int *rc, size_t from);
	int signals;                        /* enum set_format of its security events; 0: SET_SSF */
};

/* Views point into the host's configuration. Times in seconds, as in tokens. */
struct oidc_settings {
	const struct oidc_kind *kind;   /* NULL: the standard */
	void *own;                      /* the plugin's, for its hooks */
	struct countersign_view issuer;
	struct countersign_view aliases[OIDC_ALIASES_MAX];
	size_t aliases_count;
	struct countersign_view clients[OIDC_CLIENTS_MAX];
	size_t clients_count;
	struct countersign_view audiences[OIDC_CONDITIONS_MAX]; /* may stand beside ours */
	size_t audiences_count;
	struct countersign_view acr[OIDC_CONDITIONS_MAX];       /* one of them must be reached */
	size_t acr_count;
	struct oidc_condition conditions[OIDC_CONDITIONS_MAX];
	size_t conditions_count;
	enum oidc_client_authentication authentication;
	enum oidc_par par;
	bool email_evidence, phone_evidence; /* what the provider verifies itself */
	struct countersign_view scope, prompt, response_mode, display_claim;
	unsigned algorithms;            /* 1 << enum oidc_algorithm */
	int64_t skew_s, lifetime_max_s, age_max_s;
	int64_t max_age_s;              /* 0: not asked for */
	int64_t keys_max_age_ms, keys_min_interval_ms;
};

struct oidc_metadata {
	char authorization_endpoint[OIDC_URL_MAX], token_endpoint[OIDC_URL_MAX];
	char jwks_uri[OIDC_URL_MAX];
	char par_endpoint[OIDC_URL_MAX]; /* RFC 9126; empty: not offered */
	bool par_required;
	/* RFC 8705 section 5, for a client that shows a certificate; empty: as the ones above. */
	char tls_token_endpoint[OIDC_URL_MAX], tls_par_endpoint[OIDC_URL_MAX];
	bool iss_parameter;             /* RFC 9207: the provider always sends iss */
	bool fixed;                     /* written by the plugin: nothing to discover */
	bool known;
	int64_t fetched_boot_ms;
};

struct jwks;
struct signals;
struct signature;
struct signing_key;

struct oidc {
	const struct countersign_host_v1 *host;
	struct oidc_settings settings;
	char secret[OIDC_SECRET_MAX];
	size_t secret_len;
	struct signing_key *client_key; /* of OIDC_PRIVATE_KEY_JWT, else NULL */
	enum oidc_algorithm client_algorithm;
	struct countersign_view client_kid, client_thumbprint;
	bool assertion_for_endpoint;    /* its aud is the endpoint, not the issuer */
	struct oidc_metadata metadata;
	struct signature *signature;
	struct signals *signals;        /* see signals.h */
	struct jwks *keys;              /* NULL before the first fetch */
	int64_t keys_fetched_boot_ms;
	int64_t fetch_credit_ms;        /* see jwks.c */
	int64_t fetch_credit_boot_ms;
};

/* web_log() of its host. */
void oidc_log(const struct oidc *o, int level, const char *text, struct countersign_view detail);

/*
 * web_fetch() of its host: GET where the body is absent. An address that is not allowed is PROVIDER_ERROR,
 * and metadata that led there is forgotten.
 */
int oidc_fetch(struct oidc *o, const char *url, struct countersign_view body,
    struct countersign_view authorization, int *status, json_t **json);
/* The same with a request that has more in it. */
int oidc_send(struct oidc *o, struct countersign_http_request *request, int *status, json_t **json);

#endif
