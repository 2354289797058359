/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the store that the configuration names. */
#include "broker/engine/store_open.h"

#include "broker/engine/engine.h"
#include "broker/store/mem.h"
#include "broker/store/sqlite.h"

static enum cs_err
open_sqlite(const struct config *c, struct store **out, char why[256])
{
	struct store_sqlite_options options = {.replay = engine_replay, .path = c->store.path,
	    .cache_bytes = c->store.cache_bytes};

	return store_sqlite_open(&options, out, why);
}

enum cs_err
engine_store_open(const struct config *config, const struct keyring *keys, const struct poller *poller,
    struct store **out, char why[256])
{
	switch (config->store.kind) {
	case CONFIG_STORE_MEM:
		*out = store_mem_open(NULL);
		return CS_OK;
	case CONFIG_STORE_REDIS:
		return engine_store_redis(config, keys, poller, out, why);
	default:
		return open_sqlite(config, out, why);
	}
}
