/* SPDX-License-Identifier: Apache-2.0 */
/* The client's secret at Apple. */
#include "plugins/apple/team.h"

const char *
team_read(const struct countersign_host_v1 *h, const char *id_name, const char *key_id_name, const char *key_name,
    struct team *team)
{
	char memory[SIGNING_PEM_MAX];
	struct countersign_buffer pem = {memory, sizeof(memory), 0};
	bool has_key = h->config_secret(h->context, key_name, &pem) == COUNTERSIGN_OK;

	team->id = h->config_text(h->context, id_name, 0);
	team->key_id = h->config_text(h->context, key_id_name, 0);
	if (has_key)
		team->key = signing_key_new((struct countersign_view){pem.data, pem.len});
	explicit_bzero(memory, sizeof(memory));
	if (!has_key && team->id.len == 0 && team->key_id.len == 0)
		return NULL;
	if (!has_key || team->id.len == 0 || team->key_id.len == 0)
		return "a team's id, its key's id and the key belong together: give all three or none";
	if (team->key == NULL || !signing_key_can(team->key, OIDC_ES256))
		return "a team's key must be the .p8 file as Apple gives it: a P-256 key in PEM";
	return NULL;
}

void
team_clear(struct team *team)
{
	signing_key_free(team->key);
	memset(team, 0, sizeof(*team));
}

int
team_put_secret(const struct team *team, struct countersign_view audience, struct countersign_view client,
    int64_t now_ms, struct countersign_buffer *to)
{
	int64_t now_s = now_ms / 1000;
	json_t *header = json_pack("{ss%}", "kid", team->key_id.data, team->key_id.len);
	json_t *claims = json_pack("{ss% sI sI ss% ss%}", "iss", team->id.data, team->id.len, "iat",
	    (json_int_t)now_s - TEAM_SECRET_SKEW_S, "exp", (json_int_t)now_s + TEAM_SECRET_LIFETIME_S, "aud",
	    audience.data, audience.len, "sub", client.data, client.len);
	int rc = header == NULL || claims == NULL ? COUNTERSIGN_INTERNAL :
	    signing_put_jwt(team->key, OIDC_ES256, header, claims, to);

	json_decref(header);
	json_decref(claims);
	return rc;
}
