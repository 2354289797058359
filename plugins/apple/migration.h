/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When an app goes to another team, its users get other subs ("Bringing new apps and users into your team"). The old team asks
 * Apple for a person's transfer_sub, the new team asks Apple whose it is.
 */
#ifndef CS_PLUGIN_APPLE_MIGRATION_H
#define CS_PLUGIN_APPLE_MIGRATION_H

#include "plugins/apple/team.h"
#include "plugins/lib/oidc.h"

/*
 * The operation `rekey`. With the old team's key (before->key) Apple itself says both halves, and a given proof must be what it
 * says; without it the proof is the transfer_sub that the old team handed over, and only the new half is
 * Apple's word. BAD_ISSUER, BAD_AUDIENCE; BAD_TOKEN: no proof, not Apple's, or of somebody else; and as for any fetch.
 */
int migration_rekey(struct oidc *o, const struct team *now, const struct team *before,
    const struct countersign_rekey *in, struct countersign_rekey_answer *out);

#endif
