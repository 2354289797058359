/* SPDX-License-Identifier: Apache-2.0 */
/* How the client proves itself to the provider: OpenID Connect Core 1.0 section 9, RFC 7523, RFC 8705. */
#ifndef CS_PLUGIN_LIB_CLIENT_H
#define CS_PLUGIN_LIB_CLIENT_H

#include "plugins/lib/oidc.h"

enum { CLIENT_FORM_MAX = 16 * 1024 };  /* code and verifier are under 3 KiB, an assertion under 4 */

/*
 * Posts a form to the provider with the client's proof added to it. `form` has what there is to say so far,
 * and room; it is wiped. Results and answer as oidc_fetch().
 */
int client_post(struct oidc *o, const char *url, struct countersign_view client, int64_t now_ms,
    struct countersign_buffer *form, int *status, json_t **json);

/* CLIENT_FORM_MAX bytes of the host's scratch memory. COUNTERSIGN_INTERNAL: there is none left. */
int client_form(struct oidc *o, struct countersign_buffer *form);

/* RFC 6749 section 5.2: what a refusal of the token endpoint means to us; it is logged. */
int client_judge_refusal(const struct oidc *o, int status, const json_t *answer);

#endif
