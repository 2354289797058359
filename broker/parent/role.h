/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How every role of the broker starts, so that each main reads as the same checklist:
 *
 *	role_start("engine", argc, argv, &role);
 *	... open what only the starting user may read (TLS key, client secret) ...
 *	role_drop(&role, CONFIG_ENGINE);
 *	... open what belongs to the role's own user (store, master key), be able to answer ...
 *	role_ready(&role);
 *	... loop over role_listener(&role, "service"), role.control_fd and SIGTERM ...
 *
 * The parent gives: 3 the canonical configuration, 4 the readiness pipe, 5 the control socket, and from 6 on what argv
 * names: --listen NAME=FD, --plugin FD. A role that is started by hand says so and exits with ROLE_EXIT_USAGE.
 */
#ifndef CS_PARENT_ROLE_H
#define CS_PARENT_ROLE_H

#include <stdbool.h>

#include "broker/parent/config.h"
#include "broker/parent/control.h"

enum { ROLE_CONFIG_FD = 3, ROLE_READY_FD = 4, ROLE_CONTROL_FD = 5, ROLE_FIRST_FD = 6 };
enum { ROLE_LISTENERS_MAX = 4, ROLE_EXIT_FAILED = 1, ROLE_EXIT_USAGE = 2 };

struct role {
	char title[CONTROL_ROLE_MAX];  /* "engine", "worker:apple": what the log says */
	const char *name;              /* --name, a worker's provider or factor; NULL */
	struct config *config;         /* of the role; freed by whoever replaces it */
	bool debug;
	int ready_fd;                  /* -1 once ready */
	int control_fd;
	int plugin_fd;                 /* -1: none */
	int listener_count;
	struct {
		const char *name;
		int fd;
	} listeners[ROLE_LISTENERS_MAX];  /* listening, non-blocking, close-on-exec */
};

/* Exits with a message where it cannot be done. Ignores SIGPIPE and makes every descriptor close-on-exec. */
void role_start(const char *what, int argc, char **argv, struct role *role);
/* The listening socket of that name, or -1. */
int role_listener(const struct role *role, const char *name);
/*
 * Becomes the user that the configuration names for this role, when root; then sees to it that the role ends with its
 * parent. Exits with a message where it cannot be done.
 */
void role_drop(struct role *role, enum config_role user);
/* The same with a name; NULL: none. True: it became another user. */
bool role_become(struct role *role, const char *name);
/* Tells the parent. Once. */
void role_ready(struct role *role);
/*
 * Tells the parent that this role, the engine, is not ready yet because it waits for `what`, in words; to be said again within 30 s, or
 * the parent kills it. Not after role_ready().
 */
void role_late(struct role *role, const char *what);
/*
 * Reads canonical text from a sealed memfd, as it came with CONTROL_CONFIG. The descriptor stays open. Errors:
 * CS_ERR_SYNTAX with *err, CS_ERR_SYSTEM, CS_ERR_FULL.
 */
enum cs_err role_config_read(int fd, struct config **out, struct config_error *err);

#endif
