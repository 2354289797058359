/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's `store redis` as the options of the shared store. */
#include <stdio.h>

#include "broker/base/check.h"
#include "broker/engine/keyring.h"
#include "broker/engine/store_open.h"
#include "broker/store/redis/redis.h"

_Static_assert((int)CONFIG_ITEMS_MAX <= (int)FLEET_SERVERS_MAX, "as many servers as can be written");

static enum fleet_mode
fleet_mode_of(const struct config_redis *redis)
{
	if (redis->server != NULL)
		return FLEET_SINGLE;
	return redis->sentinel_count > 0 ? FLEET_SENTINEL : FLEET_CLUSTER;
}

static size_t
addresses_take(const struct config_redis *redis, struct fleet_address to[CONFIG_ITEMS_MAX])
{
	const char *const *from = redis->server != NULL ? &redis->server : redis->sentinel_count > 0 ? redis->sentinels : redis->clusters;
	size_t n = redis->server != NULL ? 1 : redis->sentinel_count > 0 ? redis->sentinel_count : redis->cluster_count;

	for (size_t i = 0; i < n; i++) {
		int len = snprintf(to[i].text, sizeof(to[i].text), "%s", from[i]);

		CHECK(len > 0 && (size_t)len < sizeof(to[i].text));
	}
	return n;
}

static struct fleet_options
fleet_options_of(const struct config_redis *redis, const struct fleet_address *servers, size_t servers_n)
{
	return (struct fleet_options){
	    .mode = fleet_mode_of(redis),
	    .servers = servers,
	    .servers_n = servers_n,
	    .sentinel_master = redis->sentinel_master,
	    .user = redis->user,
	    .password_file = redis->password_file,
	    .sentinel_user = redis->sentinel_user,
	    .sentinel_password_file = redis->sentinel_password_file,
	    .tls = redis->tls.on,
	    .ca_file = redis->tls.ca,
	    .certificate_file = redis->tls.certificate,
	    .key_file = redis->tls.key,
	    .server_name = redis->tls.name,
	    .prefix = redis->prefix,
	    .replicas = (unsigned)redis->replicas,
	    .weaker_fsync = (redis->weaker & (CONFIG_WEAKER_EVERYSEC | CONFIG_WEAKER_NO_PERSISTENCE)) != 0,
	    .weaker_persistence = (redis->weaker & CONFIG_WEAKER_NO_PERSISTENCE) != 0,
	    .timeout_ms = redis->timeout_ms,
	};
}

/* What brokers with another key file or realm do not have. */
static struct store_key
realm_of(const struct config *c, const struct keyring *keys)
{
	const struct view realm = view_str(c->realm);
	struct id id = keyring_id(keys, DIGEST_REALM, &realm, 1);
	struct store_key key;

	_Static_assert(sizeof(key.b) == sizeof(id.b), "a digest is a key");
	memcpy(key.b, id.b, sizeof(key.b));
	return key;
}

enum cs_err
engine_store_redis(const struct config *c, const struct keyring *keys, const struct poller *poller, struct store **out,
    char why[256])
{
	const struct config_redis *redis = &c->store.redis;
	struct fleet_address servers[CONFIG_ITEMS_MAX];
	size_t servers_n = addresses_take(redis, servers);
	char whole[STORE_REDIS_WHY_TEXT] = "";
	struct store_redis_options options = {
	    .fleet = fleet_options_of(redis, servers, servers_n),
	    .name = redis->name,
	    .journal_path = redis->journal,
	    .journal_keep_ms = redis->journal_kept_ms,
	    .journal_bytes = redis->journal_bytes,
	    .realm = realm_of(c, keys),
	    .lease_ms = redis->lease_ms,
	    .cache_bytes = redis->cache_bytes,
	};
	enum cs_err e = store_redis_open(&options, poller, out, whole);

	if (e != CS_OK)
		snprintf(why, 256, "%.255s", whole);
	return e;
}
