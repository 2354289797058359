/* SPDX-License-Identifier: Apache-2.0 */
/* The shared store over a plain fleet, for the contract: what is held against it is all but the network. */
#include "tests/store/openers.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>

#include "broker/store/redis/redis.h"
#include "tests/store/redis_server.h"

static struct redis_server server;

static bool
begin(void)
{
	if (!redis_server_there())
		return false;
	redis_server_start(&server, false);
	return true;
}

static void
end(void)
{
	redis_server_stop(&server);
}

static void
watch(void *loop, int fd, short events, poller_fn *ready, void *arg)
{
	(void)loop, (void)fd, (void)events, (void)ready, (void)arg;
}

static const struct poller poller = {NULL, watch};

/* An empty directory means an empty store. */
static void
empty(const char *dir)
{
	char path[600];
	FILE *file;
	redisContext *c;

	snprintf(path, sizeof(path), "%s/journal.db", dir);
	file = fopen(path, "r");
	if (file != NULL) {
		fclose(file);
		return;
	}
	c = redisConnectUnix(server.socket);
	assert_true(c != NULL && c->err == 0);
	freeReplyObject(redisCommand(c, "FLUSHALL"));
	redisFree(c);
}

static struct store *
open_redis(const char *dir)
{
	struct fleet_address address;
	char journal[600], why[STORE_REDIS_WHY_TEXT] = "";
	struct store_redis_options o = {.fleet = {.servers = &address, .servers_n = 1, .prefix = "test", .timeout_ms = 2000},
	    .name = "one", .journal_path = journal};
	struct store *s = NULL;

	empty(dir);
	snprintf(address.text, sizeof(address.text), "unix:%s", server.socket);
	snprintf(journal, sizeof(journal), "%s/journal.db", dir);
	if (store_redis_open(&o, &poller, &s, why) != CS_OK)
		fail_msg("%s", why);
	return s;
}

const struct opener openers[] = {
    {"redis over a plain fleet", open_redis, true, begin, end},
};

const size_t openers_n = sizeof(openers) / sizeof(openers[0]);
