/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed tokens of an issuer, of whatever kind: compact JWS (RFC 7515) with claims, judged by RFC 8725.
 * The order is: jws_read(), jws_check_header(), the issuer (before any key is fetched for it),
 * jws_verify(), then the claims.
 */
#ifndef CS_PLUGIN_LIB_JWS_H
#define CS_PLUGIN_LIB_JWS_H

#include "plugins/lib/oidc.h"

struct jws {
	char *text;                   /* NUL-terminated copy */
	json_t *header, *claims;
	enum oidc_algorithm algorithm; /* after jws_check_header() */
	struct countersign_view kid;  /* absent: {NULL, 0} */
};

struct jwks_key;

/* Takes it apart: COUNTERSIGN_OK, BAD_TOKEN, or INTERNAL. jws_clear() after success. */
int jws_read(struct countersign_view text, struct jws *t);
void jws_clear(struct jws *t);

/*
 * typ, crit, b64, alg against the allow-list, kid: sets algorithm and kid. type: what typ must be, in any
 * case and with or without "application/" ("JWT", "secevent+jwt"); NULL: only its absence is accepted.
 * may_be_absent: no typ is as good. BAD_TYPE, BAD_TOKEN, BAD_ALGORITHM, BAD_KEY.
 */
int jws_check_header(const struct oidc_settings *settings, struct jws *t, const char *type, bool may_be_absent);

/*
 * Looks the key up and verifies. BAD_KEY, BAD_SIGNATURE, or why the key could not be learned. key may be
 * NULL; it is valid until keys are fetched again.
 */
int jws_verify(struct oidc *o, const struct jws *t, const struct jwks_key **key);

/*
 * A NumericDate (RFC 7519 section 2): seconds, a fraction is cut off; 0 to the end of the year 9999. Absent
 * is *present = false, and BAD_TOKEN only where it is required.
 */
int jws_time(const json_t *claims, const char *name, bool required, bool *present, int64_t *to);

#endif
