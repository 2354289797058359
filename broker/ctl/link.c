/* SPDX-License-Identifier: Apache-2.0 */
/* link: an account and a third-party ID bound together. */
#include "broker/ctl/call.h"
#include "broker/ctl/member.h"
#include "broker/ctl/print.h"
#include "broker/ctl/scope.h"

static const char *const columns[] = {"id", "provider", "state", "frozen", "since", "usable_from", NULL};

static int
link_list(struct ctl *ctl, char **args, int count)
{
	(void)count;
	return member_list(ctl, args[0], "links", columns);
}

static int
link_show(struct ctl *ctl, char **args, int count)
{
	(void)count;
	return call_and_print(ctl, "org.countersign.Admin.Link", "link", args[0], "link");
}

static int
link_freeze(struct ctl *ctl, char **args, int count)
{
	return scope_freeze(ctl, "link", args[0], count > 1 ? args[1] : NULL);
}

static int
link_thaw(struct ctl *ctl, char **args, int count)
{
	return scope_thaw(ctl, "link", args[0], count > 1 ? args[1] : NULL);
}

static int
link_limit(struct ctl *ctl, char **args, int count)
{
	(void)count;
	return scope_limit(ctl, "link", args[0], args[1]);
}

static int
link_rekey(struct ctl *ctl, char **args, int count)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.RekeyLink", false);
	int rc;

	(void)count;
	call_put(&w, "link", args[0]);
	call_put(&w, "reason", args[1]);
	call_put(&w, "proof", ctl->proof);
	if (ctl->undo)
		json_member_bool(&w, "undo", true);
	rc = call_run(ctl, &w);
	if (rc == CTL_OK)
		print_reply(ctl, ctl->reply);
	return rc;
}

const struct command link_commands[] = {
	{"link", "list", "ACCOUNT", 1, 1, 0, "the links of an account", link_list},
	{"link", "show", "LINK", 1, 1, 0, "one link", link_show},
	{"link", "freeze", "LINK [REASON]", 1, 2, 0, "deny at once everything through it", link_freeze},
	{"link", "thaw", "LINK [REASON]", 1, 2, 0, "lift an admin's freeze", link_thaw},
	{"link", "rekey", "LINK REASON", 2, 2, OPTION_UNDO | OPTION_PROOF, "move it to the subject that its provider uses now",
	    link_rekey},
	{"link", "limit", "LINK CURRENCY", 2, 2, OPTION_LIMITS, "bound what may be spent through it", link_limit},
	{.noun = NULL},
};
