/* SPDX-License-Identifier: Apache-2.0 */
/* signal, provider stream: security events of providers, and the stream they come in. */
#include <stdio.h>

#include "broker/ctl/call.h"
#include "broker/ctl/print.h"
#include "broker/ctl/signal.h"

static const char *const columns[] = {"provider", "state", "by", "heard_at", "taken", "duplicates", "unknown", "refused",
    "failed", NULL};
static const char *const effect_columns[] = {"event", "effects", "configured", NULL};

static int
signal_list(struct ctl *ctl, char **args, int count)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Signals", false);
	int rc = call_run(ctl, &w);
	uint32_t list;

	(void)args, (void)count;
	if (rc != CTL_OK)
		return rc;
	list = reply_get(ctl, ctl->reply, "signals", JSON_ARRAY);
	if (ctl->json || list == 0)
		print_reply(ctl, ctl->reply);
	else if (ctl->doc.tokens[list].count == 0)
		(void)printf("no provider's plugin takes security events\n");
	else
		print_table(ctl, list, columns, 0);
	return CTL_OK;
}

static int
signal_effects(struct ctl *ctl, char **args, int count)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Signals", false);
	uint32_t list;
	int rc;

	(void)count;
	call_put(&w, "provider", args[0]);
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	list = reply_get(ctl, ctl->reply, "effects", JSON_ARRAY);
	if (ctl->json || list == 0)
		print_reply(ctl, list == 0 ? ctl->reply : list);
	else
		print_table(ctl, list, effect_columns, 0);
	return CTL_OK;
}

int
provider_stream(struct ctl *ctl, char **args, int count)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Stream", false);
	uint32_t document;
	int rc;

	(void)count;
	call_put(&w, "provider", args[0]);
	call_put(&w, "action", args[1]);
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	document = reply_get(ctl, ctl->reply, "document", JSON_OBJECT);
	print_reply(ctl, document == 0 ? ctl->reply : document);
	return CTL_OK;
}

const struct command signal_commands[] = {
	{"signal", "list", "", 0, 0, 0, "what was heard of each provider's security events", signal_list},
	{"signal", "effects", "PROVIDER", 1, 1, 0, "what each security event of this provider does", signal_effects},
	{.noun = NULL},
};
