/* SPDX-License-Identifier: Apache-2.0 */
/* countersign-worker: one plugin, its servers, and nothing else. See README.md for its states. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/log.h"
#include "broker/base/sandbox.h"
#include "broker/worker/cage.h"
#include "broker/worker/describe.h"
#include "broker/worker/supervise.h"

enum {
	OPEN_FILES_MAX = 256
}; /* a server has its listener, one connection, and what its plugin opens */

static _Noreturn void
fail(const char *problem)
{
	log_error("start msg=%s", log_value(view_str(problem)));
	exit(ROLE_EXIT_FAILED);
}

int
main(int argc, char **argv)
{
	static struct settings settings;
	char problem[SETTINGS_PROBLEM_MAX];
	struct role role;
	bool own_user;
	int status;

	if (argc == 3 && strcmp(argv[1], "--check") == 0)
		return describe_file(argv[2]);
	role_start("worker", argc, argv, &role);
	if (role.name == NULL || role.plugin_fd < 0 || role_listener(&role, "worker") < 0)
		fail("--name, --listen worker=FD and --plugin FD are needed");
	if (settings_load(role.config, role.name, &settings, problem) != CS_OK)
		fail(problem);
	own_user = role_become(&role, settings.user != NULL ? settings.user : role.config->users[CONFIG_WORKER]);
	if (sandbox_limits(OPEN_FILES_MAX) != CS_OK)
		fail("the limits of the process cannot be set");
	if (cage_main(&settings, role.plugin_fd, own_user, problem) != CS_OK)
		fail(problem);
	status = supervise(&role, &settings);
	settings_clear(&settings);
	config_free(role.config);
	return status;
}
