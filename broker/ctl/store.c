/* SPDX-License-Identifier: Apache-2.0 */
/* store: the noun. What the broker sees of its store, and an admin's word on what is shared in it; the rest is in files of its own. */
#include "broker/ctl/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/ctl/call.h"
#include "broker/ctl/print.h"

enum { RELEASE_MAX = 64 }; /* accounts in one command */

static int
store_forget_name(struct ctl *ctl, char **args, int count)
{
	struct json_writer w;
	struct bytes text;
	int rc;

	(void)count;
	if (ctl->offline)
		return store_forget_offline(ctl, args[0], args[1]);
	w = call_begin(ctl, "org.countersign.Admin.StoreForget", false);
	ctl->patience_ms = STORE_CALL_MS;
	ctl->no_answer = STORE_NO_BROKER;
	call_put(&w, "name", args[0]);
	call_put(&w, "reason", args[1]);
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	if (ctl->json) {
		print_json(ctl, ctl->reply, false);
		return CTL_OK;
	}
	bytes_init(&text, JSON_TEXT_MAX);
	text_escape(ctl, &text.buf, view_str(args[0]));
	(void)printf("%.*s is forgotten: nothing waits for it any more\n", (int)text.buf.len, (const char *)text.buf.data);
	bytes_clear(&text);
	return CTL_OK;
}

static int
release_one(struct ctl *ctl, const char *account, const char *reason)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.StoreRelease", false);
	struct bytes text;
	int rc;

	ctl->patience_ms = STORE_CALL_MS;
	ctl->no_answer = account == NULL ? STORE_NO_BROKER : NULL;
	if (account != NULL)
		call_put(&w, "account", account);
	else
		json_member_int(&w, "bucket", ctl->bucket);
	call_put(&w, "reason", reason);
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	if (ctl->json) {
		print_json(ctl, ctl->reply, false);
		return CTL_OK;
	}
	bytes_init(&text, JSON_TEXT_MAX);
	if (account != NULL)
		text_escape(ctl, &text.buf, view_str(account));
	if (account != NULL)
		(void)printf("%.*s released\n", (int)text.buf.len, (const char *)text.buf.data);
	else
		(void)printf("bucket %lld released\n", (long long)ctl->bucket);
	bytes_clear(&text);
	return CTL_OK;
}

static int
store_release_accounts(struct ctl *ctl, char **args, int count)
{
	const char *reason = args[count - 1];
	int rc = CTL_OK;

	if ((ctl->given & OPTION_BUCKET) != 0)
		return count > 1 ? ctl_fail(ctl, CTL_USAGE, "give accounts, or --bucket, and then the reason") :
		    ctl->offline ? store_release_offline(ctl, ctl->bucket, reason) : release_one(ctl, NULL, reason);
	if (ctl->offline)
		return ctl_fail(ctl, CTL_USAGE, "--offline releases a --bucket: no account keeps a broker from starting");
	if (count < 2)
		return ctl_fail(ctl, CTL_USAGE, "say which accounts, and why: countersignctl store release ACCOUNT... REASON");
	for (int i = 0; rc == CTL_OK && i < count - 1; i++)
		rc = release_one(ctl, args[i], reason);
	return rc;
}

const struct command store_commands[] = {
	{"store", "status", "", 0, 0, OPTION_OFFLINE, "the store as the broker sees it: nodes, lease, members, buckets", store_status_show},
	{"store", "check", "", 0, 0, OPTION_DATABASE | OPTION_REPAIR, "walk all of it; say what is not right, and how to mend it",
	    store_check_any},
	{"store", "migrate", "", 0, 0, OPTION_MIGRATE, "copy a running broker's store into a store of another kind", store_migrate},
	{"store", "forget", "NAME REASON", 2, 2, OPTION_OFFLINE, "a broker that shared the store will never come back", store_forget_name},
	{"store", "release", "ACCOUNT... REASON", 1, RELEASE_MAX, OPTION_BUCKET | OPTION_OFFLINE, "let go on what is held back, as it stands",
	    store_release_accounts},
	{.noun = NULL},
};
