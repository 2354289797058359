/* SPDX-License-Identifier: Apache-2.0 */
/* getent: look-ups in the manner of getent(1). */
#include <stdlib.h>

#include "broker/ctl/call.h"
#include "broker/ctl/print.h"

static int
getent_link(struct ctl *ctl, char **args, int count)
{
	char *colon = strchr(args[0], ':');
	struct json_writer w;
	uint32_t entry;
	int rc;

	(void)count;
	if (colon == NULL || colon == args[0] || colon[1] == '\0')
		return ctl_fail(ctl, CTL_USAGE, "%s: write PROVIDER:SUBJECT, as in apple:001234.abcd", args[0]);
	*colon = '\0';
	w = call_begin(ctl, "org.countersign.Lookup.BySubject", false);
	call_put(&w, "provider", args[0]);
	call_put(&w, "issuer", ctl->issuer);
	call_put(&w, "subject", colon + 1);
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	entry = reply_get(ctl, ctl->reply, "entry", JSON_OBJECT);
	print_reply(ctl, entry == 0 ? ctl->reply : entry);
	return CTL_OK;
}

const struct command getent_commands[] = {
	{"getent", "link", "PROVIDER:SUBJECT", 1, 1, OPTION_ISSUER, "to which account a third-party ID is linked",
	    getent_link},
	{.noun = NULL},
};
