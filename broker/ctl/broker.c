/* SPDX-License-Identifier: Apache-2.0 */
/* broker: the emergency brake for everything. */
#include "broker/ctl/scope.h"

static int
broker_freeze(struct ctl *ctl, char **args, int count)
{
	return scope_freeze(ctl, "broker", NULL, count > 0 ? args[0] : NULL);
}

static int
broker_thaw(struct ctl *ctl, char **args, int count)
{
	return scope_thaw(ctl, "broker", NULL, count > 0 ? args[0] : NULL);
}

const struct command broker_commands[] = {
	{"broker", "freeze", "[REASON]", 0, 1, 0, "deny everything at once", broker_freeze},
	{"broker", "thaw", "[REASON]", 0, 1, 0, "lift that", broker_thaw},
	{.noun = NULL},
};
