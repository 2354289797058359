/* SPDX-License-Identifier: Apache-2.0 */
/* provider: the external identity providers. */
#include <stdio.h>

#include "broker/ctl/call.h"
#include "broker/ctl/print.h"
#include "broker/ctl/scope.h"
#include "broker/ctl/signal.h"

static const char *const columns[] = {"name", "plugin", "state", "frozen", "since", "servers", "busy", "queued",
    "failures", "rekey_until", "last_error", NULL};

static int
provider_list(struct ctl *ctl, char **args, int count)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Providers", false);
	int rc = call_run(ctl, &w);
	uint32_t list;

	(void)args, (void)count;
	if (rc != CTL_OK)
		return rc;
	list = reply_get(ctl, ctl->reply, "providers", JSON_ARRAY);
	if (ctl->json || list == 0)
		print_reply(ctl, ctl->reply);
	else if (ctl->doc.tokens[list].count == 0)
		(void)printf("no providers: add a `provider` block to the configuration\n");
	else
		print_table(ctl, list, columns, 0);
	return CTL_OK;
}

static int
provider_freeze(struct ctl *ctl, char **args, int count)
{
	return scope_freeze(ctl, "provider", args[0], count > 1 ? args[1] : NULL);
}

static int
provider_thaw(struct ctl *ctl, char **args, int count)
{
	return scope_thaw(ctl, "provider", args[0], count > 1 ? args[1] : NULL);
}

static int
provider_limit(struct ctl *ctl, char **args, int count)
{
	(void)count;
	return scope_limit(ctl, "provider", args[0], args[1]);
}

static int
provider_rekey(struct ctl *ctl, char **args, int count)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.RekeyProvider", false);
	int rc;

	(void)count;
	call_put(&w, "provider", args[0]);
	call_put(&w, "reason", args[1]);
	if (ctl->undo)
		json_member_bool(&w, "undo", true);
	rc = call_run(ctl, &w);
	if (rc == CTL_OK)
		print_reply(ctl, ctl->reply);
	return rc;
}

static int
provider_rekey_links(struct ctl *ctl, char **args, int count)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.RekeyLinks", false);
	int rc;

	(void)count;
	call_put(&w, "provider", args[0]);
	call_put(&w, "reason", args[1]);
	call_put(&w, "until", ctl->until);
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	if (ctl->json)
		print_reply(ctl, ctl->reply);
	else if (ctl->until != NULL)
		(void)printf("until %s links of this provider move to new subjects that sign-ins prove\n", ctl->until);
	else
		(void)printf("links of this provider stay with their subjects\n");
	return CTL_OK;
}

const struct command provider_commands[] = {
	{"provider", "list", "", 0, 0, 0, "all providers with their state", provider_list},
	{"provider", "freeze", "NAME [REASON]", 1, 2, 0, "deny at once everything through it", provider_freeze},
	{"provider", "thaw", "NAME [REASON]", 1, 2, 0, "lift an admin's freeze; old sessions stay dead", provider_thaw},
	{"provider", "rekey", "NAME REASON", 2, 2, OPTION_UNDO, "accept what it is by the configuration now", provider_rekey},
	{"provider", "rekey-links", "NAME REASON", 2, 2, OPTION_UNTIL, "let sign-ins move its links to new subjects",
	    provider_rekey_links},
	{"provider", "limit", "NAME CURRENCY", 2, 2, OPTION_LIMITS, "bound what every link of it may spend",
	    provider_limit},
	{"provider", "stream", "NAME ACTION", 2, 2, 0,
	    "its stream of security events: status, create, verify or delete", provider_stream},
	{.noun = NULL},
};
