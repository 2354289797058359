/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Alipay's gateway says:
 *	{"alipay_system_oauth_token_response":{...},"sign":"..."}
 *	{"error_response":{"code":"40002","sub_code":"isv.code-invalid",...},"sign":"..."}
 * with "alipay_cert_sn" in certificate mode. The signature is over the very bytes of the inner object, so that
 * is cut from the text before anything is made of it.
 */
#ifndef CS_PLUGIN_ALIPAY_ANSWER_H
#define CS_PLUGIN_ALIPAY_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

#include "countersign/plugin.h"
#include "plugins/alipay/key.h"

enum {
	ALIPAY_ID_MAX = 128,     /* a user_id has 16 digits, an open_id about 50 characters */
	ALIPAY_TOKEN_MAX = 1024,
	ALIPAY_WORD_MAX = 64,    /* a sub_code */
};

/* Views into the text that was cut. */
struct alipay_cut {
	struct countersign_view inner;   /* from its "{" to its "}" */
	struct countersign_view sign, cert_sn; /* absent: {NULL, 0} */
	bool error;                      /* it is an error_response */
};

/*
 * Finds the one inner object, named `node` or "error_response". PROVIDER_ERROR where the text is no object without
 * duplicate members, has neither or both of them, or members that are no plain strings where they should be.
 */
int answer_cut(struct countersign_view text, const char *node, struct alipay_cut *to);

/* Views into the document. */
struct alipay_answer {
	json_t *document;
	char word[ALIPAY_WORD_MAX + 1];  /* of an error: its sub_code or code, harmless to print; else empty */
	struct countersign_view user_id, open_id; /* 1 to ALIPAY_ID_MAX letters, digits, "-", "_"; or absent */
	struct countersign_view access_token, nickname; /* or absent */
};

/*
 * Reads an answer of alipay.system.oauth.token (node "alipay_system_oauth_token_response") or
 * alipay.user.info.share. key verifies; cert_sn is the certificate that it is of, or absent: then the answer must
 * name none. COUNTERSIGN_OK with a user_id or an open_id; BAD_SIGNATURE; BAD_KEY: signed by another
 * certificate; BAD_CODE; UNREACHABLE: they cannot now; PROVIDER_ERROR. An error needs no signature: it gives
 * nobody anything. answer_clear() afterwards in any case.
 */
int answer_read(struct countersign_view text, const char *node, EVP_PKEY *key, struct countersign_view cert_sn,
    struct alipay_answer *to);
/* The same of an inner object whose signature was looked at, where it needs one. */
int answer_judge(const struct alipay_cut *cut, struct alipay_answer *to);
void answer_clear(struct alipay_answer *a);

#endif
