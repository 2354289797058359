/* SPDX-License-Identifier: Apache-2.0 */
/* See openers.h. */
#include "tests/store/openers.h"

#include <stdio.h>

#include "broker/store/redis/pollset.h"
#include "broker/store/redis/redis.h"
#include "tests/store/redis_server.h"

enum { TINY_CACHE_BYTES = 48 * 1024, REDIS_TIMEOUT_MS = 4000, WAIT_MS = 5 };

static struct redis_server server, masters[REDIS_CLUSTER_MASTERS];
static struct pollset pollset;

static struct store *
open_sqlite_sized(const char *dir, size_t cache_bytes, uint64_t wal_max_bytes)
{
	struct store *s = NULL;
	char why[256] = "";

	if (sqlite_open_at(dir, cache_bytes, wal_max_bytes, &s, why) != CS_OK)
		fail_msg("%s", why);
	return s;
}

static struct store *
open_sqlite(const char *dir)
{
	return open_sqlite_sized(dir, 0, 0);
}

static struct store *
open_sqlite_tiny(const char *dir)
{
	return open_sqlite_sized(dir, TINY_CACHE_BYTES, 1);
}

static struct store *
open_mem(const char *dir)
{
	(void)dir;
	return store_mem_open(NULL);
}

static void
redis_wait(void)
{
	pollset_wait(&pollset, WAIT_MS);
}

static bool
redis_begin(void)
{
	if (!redis_server_there())
		return false;
	redis_server_start(&server, true);
	pollset_init(&pollset);
	harness_wait = redis_wait;
	return true;
}

static void
redis_end(void)
{
	harness_wait = NULL;
	pollset_clear(&pollset);
	redis_server_stop(&server);
}

static bool
cluster_begin(void)
{
	if (!redis_server_there())
		return false;
	redis_cluster_start(masters);
	pollset_init(&pollset);
	harness_wait = redis_wait;
	return true;
}

static void
cluster_end(void)
{
	harness_wait = NULL;
	pollset_clear(&pollset);
	redis_cluster_stop(masters);
}

/* The scratch directory's name is the prefix: what another test left behind is not seen. */
static struct store *
open_redis_at(const char *dir, enum fleet_mode mode, const struct fleet_address *address, size_t cache_bytes)
{
	char journal[600], why[STORE_REDIS_WHY_TEXT] = "";
	struct store_redis_options o = {.fleet = {.mode = mode,
					    .servers = address,
					    .servers_n = 1,
					    .prefix = strrchr(dir, '/') + 1,
					    .timeout_ms = REDIS_TIMEOUT_MS},
	    .name = "test",
	    .journal_path = journal,
	    .cache_bytes = cache_bytes};
	struct store *s = NULL;

	snprintf(journal, sizeof(journal), "%s/journal.db", dir);
	if (store_redis_open(&o, &pollset.poller, &s, why) != CS_OK)
		fail_msg("%s", why);
	return s;
}

static struct store *
open_redis(const char *dir)
{
	struct fleet_address address;

	snprintf(address.text, sizeof(address.text), "unix:%s", server.socket);
	return open_redis_at(dir, FLEET_SINGLE, &address, 0);
}

/* Told of one server only: it finds the others. */
static struct store *
open_redis_cluster(const char *dir)
{
	struct fleet_address address;

	snprintf(address.text, sizeof(address.text), "127.0.0.1:%u", masters[1].port);
	return open_redis_at(dir, FLEET_CLUSTER, &address, TINY_CACHE_BYTES);
}

const struct opener openers[] = {
    {"mem", open_mem, false, NULL, NULL},
    {"sqlite", open_sqlite, true, NULL, NULL},
    {"sqlite with a tiny cache", open_sqlite_tiny, true, NULL, NULL},
    {"redis", open_redis, true, redis_begin, redis_end},
    {"redis cluster, with a tiny cache", open_redis_cluster, true, cluster_begin, cluster_end},
};

const size_t openers_n = sizeof(openers) / sizeof(openers[0]);
