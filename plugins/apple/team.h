/* SPDX-License-Identifier: Apache-2.0 */
/* A developer team and its key, which stand for a client's secret at Apple. */
#ifndef CS_PLUGIN_APPLE_TEAM_H
#define CS_PLUGIN_APPLE_TEAM_H

#include "plugins/lib/signing.h"

enum {
	TEAM_ID_LEN = 10,            /* of a team and of a key */
	TEAM_SECRET_LIFETIME_S = 300, /* Apple takes six months; made for one request, it need not last */
	TEAM_SECRET_SKEW_S = 30,     /* our clock may be ahead of Apple's */
};

/* Views point into the host's configuration. */
struct team {
	struct countersign_view id, key_id;
	struct signing_key *key;
};

/*
 * Reads the settings of these names, all or none of them. NULL, or a sentence that says what is wrong; team->key
 * is NULL where none is given.
 */
const char *team_read(const struct countersign_host_v1 *host, const char *id_name, const char *key_id_name,
    const char *key_name, struct team *team);
void team_clear(struct team *team);

/*
 * The client's secret, appended: a JWT by ES256 with the key's id, the team as its issuer, the client as its subject, `audience`
 * (Apple's issuer). Made anew each time, so that it is never about to expire. Results as signing_put_jwt().
 */
int team_put_secret(const struct team *team, struct countersign_view audience, struct countersign_view client,
    int64_t now_ms, struct countersign_buffer *to);

#endif
