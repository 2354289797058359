/* SPDX-License-Identifier: Apache-2.0 */
/* A list that is a member of an account. */
#include "broker/ctl/member.h"

#include <stdio.h>

#include "broker/ctl/call.h"
#include "broker/ctl/print.h"

int
member_list(struct ctl *ctl, const char *account, const char *member, const char *const *columns)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Account", false);
	uint32_t object, list;
	int rc;

	call_put(&w, "account", account);
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	object = reply_get(ctl, ctl->reply, "account", JSON_OBJECT);
	list = object == 0 ? 0 : reply_get(ctl, object, member, JSON_ARRAY);
	if (list == 0)
		return ctl_fail(ctl, CTL_FAILED, "the daemon's answer has no list of %s", member);
	if (ctl->json)
		print_json(ctl, list, false);
	else if (ctl->doc.tokens[list].count == 0)
		(void)printf("the account has no %s\n", member);
	else
		print_table(ctl, list, columns, 0);
	return CTL_OK;
}
