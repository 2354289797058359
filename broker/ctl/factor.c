/* SPDX-License-Identifier: Apache-2.0 */
/* factor: what an account's owner steps up with. Never a secret. */
#include "broker/ctl/call.h"
#include "broker/ctl/member.h"

static const char *const columns[] = {"id", "kind", "label", "state", "since", "usable_from", NULL};

static int
factor_list(struct ctl *ctl, char **args, int count)
{
	(void)count;
	return member_list(ctl, args[0], "factors", columns);
}

static int
factor_show(struct ctl *ctl, char **args, int count)
{
	(void)count;
	return call_and_print(ctl, "org.countersign.Admin.Factor", "factor", args[0], "factor");
}

const struct command factor_commands[] = {
	{"factor", "list", "ACCOUNT", 1, 1, 0, "the factors of an account", factor_list},
	{"factor", "show", "FACTOR", 1, 1, 0, "one factor", factor_show},
	{.noun = NULL},
};
