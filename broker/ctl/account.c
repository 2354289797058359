/* SPDX-License-Identifier: Apache-2.0 */
/* account: one account with all that the broker knows of it. */
#include "broker/ctl/call.h"
#include "broker/ctl/scope.h"

static int
account_show(struct ctl *ctl, char **args, int count)
{
	(void)count;
	return call_and_print(ctl, "org.countersign.Admin.Account", "account", args[0], "account");
}

static int
account_freeze(struct ctl *ctl, char **args, int count)
{
	return scope_freeze(ctl, "account", args[0], count > 1 ? args[1] : NULL);
}

static int
account_thaw(struct ctl *ctl, char **args, int count)
{
	return scope_thaw(ctl, "account", args[0], count > 1 ? args[1] : NULL);
}

static int
account_limit(struct ctl *ctl, char **args, int count)
{
	(void)count;
	return scope_limit(ctl, "account", args[0], args[1]);
}

const struct command account_commands[] = {
	{"account", "show", "ACCOUNT", 1, 1, 0, "state, links, factors, limits, holds", account_show},
	{"account", "freeze", "ACCOUNT [REASON]", 1, 2, 0, "deny at once everything of it", account_freeze},
	{"account", "thaw", "ACCOUNT [REASON]", 1, 2, 0, "lift an admin's freeze", account_thaw},
	{"account", "limit", "ACCOUNT CURRENCY", 2, 2, OPTION_LIMITS, "bound what it may spend", account_limit},
	{.noun = NULL},
};
