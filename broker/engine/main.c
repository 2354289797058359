/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's process: start, drop, open keys and store, say ready, serve. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/log.h"
#include "broker/base/sandbox.h"
#include "broker/engine/loop.h"
#include "broker/engine/shadow.h"
#include "broker/engine/store_open.h"

/* Clients and workers (see loop.c), and of a shared store up to four connections to each of its masters. */
enum { OPEN_FILES_MAX = 8192 };

static _Noreturn void
fail(const char *why)
{
	log_error("msg=\"%s\"", why);
	exit(ROLE_EXIT_FAILED);
}

int
main(int argc, char **argv)
{
	struct role role;
	struct keyring *keys;
	struct store *store;
	struct engine *engine;
	struct loop *loop;
	struct stream_ops io;
	struct clock_now now;
	char why[256] = "";
	bool root;

	role_start("engine", argc, argv, &role);
	root = geteuid() == 0;
	role_drop(&role, CONFIG_ENGINE);
	if (sandbox_limits(OPEN_FILES_MAX) != CS_OK)
		fail("the limits of the process cannot be set");
	if (keyring_open(role.config->key_file, &keys, why) != CS_OK)
		fail(why);
	loop = loop_new(&role);
	if (engine_store_open(role.config, keys, loop_poller(loop), &store, why) != CS_OK)
		fail(why);
	clock_read(&now);
	io = loop_stream_ops(loop);
	if (engine_new(role.config, keys, store, &io, &now, &engine, why) != CS_OK)
		fail(why);
	role.config = NULL;
	engine->separated = root && geteuid() != 0;
	role_ready(&role);
	log_info("msg=ready realm=%s", engine->rules->config->realm);
	loop_run(loop, engine);
	shadow_write_all(engine);
	loop_end(loop);
	store_close(store);
	loop_free(loop);
	engine_free(engine);
	keyring_free(keys);
	return 0;
}
