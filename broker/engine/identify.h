/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a provider's plugin who signed in. What it answers is held against what it was asked (attack L9): nonce, audience,
 * issuer, times. A plugin that contradicts the question counts as one that could not answer.
 */
#ifndef CS_ENGINE_IDENTIFY_H
#define CS_ENGINE_IDENTIFY_H

#include "broker/engine/evidence.h"
#include "broker/engine/signin.h"

enum {
	IDENTITY_TEXT_MAX = 255,        /* issuer, subject and display: bytes, as OpenID Connect Core, 2 bounds sub */
	ID_TOKEN_MAX = 16 * 1024,       /* Microsoft's reach 8 KiB */
	CODE_MAX = 2048,
	IDENTITY_FACTS_MAX = 4,         /* as plugin.h */
};

/* What the provider vouches for besides; see decide_attest(). */
struct identity_fact {
	struct id value;                /* digest; zero: not said */
	int64_t verified_ms;            /* 0: not said */
	char kind[EVIDENCE_KIND_MAX + 1];
};

/* Fits into a call's memory beside what else a handler keeps. */
struct identity {
	struct id claim;                /* of realm, provider, issuer, subject: the only link key */
	struct id was;                  /* the same of the subject that the provider called the same person before; or zero */
	int64_t auth_ms;                /* 0: the provider did not say */
	char issuer[IDENTITY_TEXT_MAX + 1], subject[IDENTITY_TEXT_MAX + 1];
	char display[IDENTITY_TEXT_MAX + 1]; /* decides nothing; may be empty */
	uint8_t facts_n;
	struct identity_fact facts[IDENTITY_FACTS_MAX];
};

/*
 * Exactly one of id_token and code. iss: what came with the code (RFC 9207), or empty. client_id: whom an app's code was given
 * to, one of the service's; empty: the client for browsers.
 */
struct proof {
	struct view id_token, code, iss, client_id;
};

/*
 * who: the answer. Else refusal: the plugin's reason, one of a fixed list. Else both NULL: it could not be found out. The
 * call is held; the sign-in is in SIGNIN_CHECKING, and it is for this function to end it.
 */
typedef void identify_fn(struct call *call, struct signin *s, const struct identity *who, const char *refusal);

/* The sign-in is used up by this, whatever comes of it. The call must be held. done may run before this returns. */
void identify(struct call *call, struct signin *s, const struct proof *proof, identify_fn *done);

/* Answers the call where there is no answer to who it is. Neither ends the sign-in nor releases the call. */
void identify_failed(struct call *call, const struct signin *s, const char *refusal);
/* Reads {sign_in, id_token | code, client_id?} and finds the caller's sign-in, not used yet; else answers and gives NULL. */
struct signin *proof_bind(struct call *call, enum signin_purpose purpose, struct proof *proof);

/* A new sign-in of the caller at this provider; answers the call itself where there can be none, and gives NULL. */
struct signin *signin_for(struct call *call, enum signin_purpose purpose, struct view provider, struct view return_url);
/* The caller's sign-in of that id; answers NotFound itself. */
struct signin *signin_of(struct call *call, enum signin_purpose purpose, struct view text);
/* sign_in, nonce, start_url (for a browser, where there is HTTPS), expires_at */
void answer_signin(struct json_writer *w, const struct engine *e, const struct signin *s, bool nonce, bool browser);

/* The service's client id for browsers: the one that the provider's plugin is configured with; else its first; or NULL. */
const char *client_id_for_browser(const struct engine *e, uint64_t service, uint64_t provider);
/* Where that provider sends browsers back to; false without HTTPS. One a provider (attack L7). */
bool redirect_uri_of(const struct engine *e, uint64_t provider, char to[SIGNIN_URL_MAX]);

#endif
