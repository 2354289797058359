/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security event tokens: RFC 8417 as OpenID Shared Signals Framework 1.0 narrows it, and the formats of two providers that
 * came before it. An ID token is never taken for one, nor the other way round. The order is that of ID tokens: shape,
 * header, issuer (before any key is fetched for it), key, signature, then every claim.
 */
#ifndef CS_PLUGIN_LIB_SET_H
#define CS_PLUGIN_LIB_SET_H

#include "plugins/lib/jws.h"

enum set_format {
	SET_SSF,    /* typ secevent+jwt, sub_id, neither sub nor exp */
	SET_GOOGLE, /* Cross-Account Protection: the subject stands within the event, typ may be absent, exp says nothing */
	SET_APPLE,  /* server-to-server notification: no typ, one event as a JSON text, exp counts */
};

enum {
	SET_EVENT_NAME_MAX = 64,
	SET_DETAIL_MAX = 128,      /* of an event, for people */
	SET_STATE_MAX = 255,       /* of a verification event; ours have 32 bytes */
};

/* What a message must be. */
struct set_rules {
	enum set_format format;
	const struct countersign_view *issuers;         /* of messages; the first is canonical */
	size_t issuers_count;
	const struct countersign_view *audiences;       /* one of them must be among the message's */
	size_t audiences_count;
	const struct countersign_view *subject_issuers; /* of subjects that may be links; the first is canonical */
	size_t subject_issuers_count;
	const json_t *critical;                         /* critical_subject_members of the transmitter, or NULL */
	int64_t skew_s, age_max_s, now_s;
};

/* As jws_check_header(), of which algorithms are allowed. */
int set_check_header(const struct oidc_settings *settings, enum set_format format, struct jws *t);
int set_check_issuer(const struct set_rules *rules, const struct jws *t);
/* All other claims. On success the answer is filled, but for `request`. BAD_TYPE: an ID token, or another kind. */
int set_check_claims(const struct set_rules *rules, const struct jws *t, struct countersign_signal_answer *out);

/* The token within Apple's {"payload": "..."}; *json is to be released after use. BAD_TOKEN. */
int set_unwrap(struct countersign_view body, json_t **json, struct countersign_view *text);

#endif
