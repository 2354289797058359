/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the store that the configuration names. */
#include "broker/engine/store_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/engine/engine.h"
#include "broker/store/mem.h"
#include "broker/store/sqlite.h"

/* What the accounts of a file did since it was moved, nobody would know who starts on it again. */
static enum cs_err
not_moved(const char *path, char why[256])
{
	char *mark = NULL;
	bool there;

	CHECK(asprintf(&mark, "%s" STORE_MOVED_SUFFIX, path) > 0);
	there = access(mark, F_OK) == 0;
	if (there)
		snprintf(why, 256, "there is %.120s, as this store was moved: use `store redis`; or remove that, and lose what came since", mark);
	free(mark);
	return there ? CS_ERR_DENIED : CS_OK;
}

/* Looked at before the file is touched, and again when nobody else can be moving it. */
static enum cs_err
open_sqlite(const struct config *c, struct store **out, char why[256])
{
	struct store_sqlite_options options = {.replay = engine_replay, .path = c->store.path,
	    .cache_bytes = c->store.cache_bytes};
	struct store *store;
	enum cs_err err = not_moved(c->store.path, why);

	if (err == CS_OK)
		err = store_sqlite_open(&options, &store, why);
	if (err != CS_OK)
		return err;
	err = not_moved(c->store.path, why);
	if (err != CS_OK)
		store_close(store);
	else
		*out = store;
	return err;
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
