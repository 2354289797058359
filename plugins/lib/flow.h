/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authorization code flow (OpenID Connect Core 1.0 section 3.1) with PKCE (RFC 7636, S256 only)
 * and the issuer in the answer (RFC 9207). What is sent is fixed by the configuration: nothing that
 * a client says becomes a parameter, but for the state, nonce and challenge that the broker made.
 */
#ifndef CS_PLUGIN_LIB_FLOW_H
#define CS_PLUGIN_LIB_FLOW_H

#include "plugins/lib/oidc.h"

int flow_authorization_url(struct oidc *o, const struct countersign_authorize *in,
    struct countersign_authorize_answer *out);

/* Either way to an identity: a token as it is, or a code that is exchanged for one. */
int flow_identify(struct oidc *o, const struct countersign_identify *in,
    struct countersign_identity *out);

#endif
