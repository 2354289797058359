/* SPDX-License-Identifier: Apache-2.0 */
/* store check: which store it is, and how findings are told. */
#include "broker/ctl/store.h"

#include <stdio.h>

#include "broker/ctl/check.h"
#include "broker/ctl/print.h"

enum { TOLD_MAX = 200 }; /* further ones are counted */

static void
found_text(const struct store_findings *f, const char *what, const char *where, const char *mend)
{
	const char *color = color_of(f->ctl, mend == NULL ? VIEW("backoff") : VIEW("failed"));

	(void)printf("%s%s%s  %s\n", color, what, color_off(f->ctl, color), where);
	(void)printf("    %s\n", mend == NULL ? "mended" : mend);
}

static void
found_json(const char *what, const char *where, const char *mend)
{
	char bytes[4096];
	struct buf out = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&out);

	json_object_begin(&w);
	json_member_str(&w, "found", view_str(what));
	json_member_str(&w, "where", view_str(where));
	json_member_bool(&w, "mended", mend == NULL);
	if (mend != NULL)
		json_member_str(&w, "mend", view_str(mend));
	json_object_end(&w);
	(void)printf("%.*s\n", (int)out.len, bytes);
}

void
store_found(struct store_findings *f, const char *what, const char *where, const char *mend)
{
	if (mend == NULL)
		f->mended++;
	else
		f->bad++;
	if (f->told == TOLD_MAX)
		return;
	f->told++;
	bar_clear(f->bar);
	if (f->ctl->json)
		found_json(what, where, mend);
	else
		found_text(f, what, where, mend);
}

int
store_check_any(struct ctl *ctl, char **args, int count)
{
	struct config *config;
	int rc;

	(void)args, (void)count;
	if (ctl->database != NULL)
		return store_check_file(ctl, ctl->database);
	rc = check_load(ctl, &config);
	if (rc != CTL_OK)
		return rc;
	if (config->store.kind == CONFIG_STORE_SQLITE)
		rc = store_check_file(ctl, config->store.path);
	else if (config->store.kind == CONFIG_STORE_REDIS)
		rc = store_check_redis(ctl, config);
	else
		rc = ctl_fail(ctl, CTL_USAGE, "%s has `store mem`, which is gone with its broker: there is nothing to check",
		    ctl->config);
	config_free(config);
	return rc;
}
