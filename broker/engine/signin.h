/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sign-ins: one begun sign-in at a provider. State, nonce and PKCE verifier are made here, bound to service, provider and,
 * in a browser, to that browser's cookie; used once. In memory: a restart ends them, and the user begins again.
 */
#ifndef CS_ENGINE_SIGNIN_H
#define CS_ENGINE_SIGNIN_H

#include "broker/engine/call.h"

enum { SIGNINS_MAX = 65536, SIGNIN_MS = 10 * 60 * 1000, SIGNIN_URL_MAX = 512, SIGNIN_SECRET_TEXT = 43,
	SIGNIN_RETURN_URL_MAX = 1024 };

enum signin_purpose { SIGNIN_SESSION, SIGNIN_LINK };
enum signin_state { SIGNIN_BEGUN, SIGNIN_STARTED, SIGNIN_CHECKING, SIGNIN_HOME, SIGNIN_FAILED };

struct signin {
	struct id id;
	uint64_t service, provider;     /* tags */
	uint32_t door;
	uint8_t purpose, state, home;   /* home: the state that it has once the browser's answer stands */
	bool native;
	struct id account;              /* of a link: the account's key */
	char nonce[SIGNIN_SECRET_TEXT + 1], verifier[SIGNIN_SECRET_TEXT + 1], oauth_state[SIGNIN_SECRET_TEXT + 1];
	uint8_t start_token[16], cookie[16];
	char return_url[SIGNIN_RETURN_URL_MAX + 1];
	int64_t expires_ms;
	uint8_t swept;                  /* ticks that found it over while it was being checked */
	/* SIGNIN_HOME of a session: what Sessions.Take gives once */
	struct id session_account, session;
	/* SIGNIN_FAILED: a denial, or what the provider's plugin found wrong; neither: nobody has linked this ID */
	uint8_t reason;
	const char *refusal;
	struct signin *next, *start_next, *state_next;
};

struct signins *signins_new(void);
void signins_free(struct signins *s);
void signins_tick(struct engine *e);
/* NULL where there are too many. */
struct signin *signin_begin(struct engine *e);
/* NULL where it is unknown or over. */
struct signin *signin_find(struct engine *e, const struct id *id);
struct signin *signin_by_start(struct engine *e, const uint8_t token[16]);
struct signin *signin_by_state(struct engine *e, struct view oauth_state);
void signin_end(struct engine *e, struct signin *s);
/*
 * A browser brought it home, or in vain: it has that state once the answer of this call stands. Until then nobody may take it, since
 * the call may be decided again, and looks into it.
 */
void signin_comes_home(struct call *call, struct signin *s, enum signin_state state);
/* Ends it once the answer of this call stands: see call_after(). */
void signin_ends(struct call *call, struct signin *s);

#endif
