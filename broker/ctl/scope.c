/* SPDX-License-Identifier: Apache-2.0 */
/* Taking power away, giving it back, and bounding it. */
#include "broker/ctl/scope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/ctl/call.h"
#include "broker/ctl/print.h"

/* Limits by amount come first, then those by count, which are integers on the wire. */
enum { LIMITS_BY_AMOUNT = 3 };

const char *const limit_names[CTL_LIMITS] = {"per_payment", "per_day", "per_month", "count_day", "count_month"};

static void
print_done(struct ctl *ctl, const char *what, const char *scope, const char *target)
{
	struct bytes text;

	if (ctl->json) {
		print_json(ctl, ctl->reply, false);
		return;
	}
	bytes_init(&text, CTL_LIMITS * JSON_TEXT_MAX);
	if (target != NULL)
		text_escape(ctl, &text.buf, view_str(target));
	(void)printf("%s%s%.*s %s\n", scope, target == NULL ? "" : " ", (int)text.buf.len, (const char *)text.buf.data,
	    what);
	bytes_clear(&text);
}

static int
scope_set(struct ctl *ctl, const char *method, const char *scope, const char *target, const char *reason,
    const char *done)
{
	struct json_writer w = call_begin(ctl, method, false);
	int rc;

	call_put(&w, "scope", scope);
	call_put(&w, "target", target);
	call_put(&w, "reason", reason == NULL ? "none given" : reason);
	rc = call_run(ctl, &w);
	if (rc == CTL_OK)
		print_done(ctl, done, scope, target);
	return rc;
}

int
scope_freeze(struct ctl *ctl, const char *scope, const char *target, const char *reason)
{
	return scope_set(ctl, "org.countersign.Admin.Freeze", scope, target, reason, "frozen");
}

int
scope_thaw(struct ctl *ctl, const char *scope, const char *target, const char *reason)
{
	return scope_set(ctl, "org.countersign.Admin.Thaw", scope, target, reason, "thawed");
}

static int
put_limit(struct ctl *ctl, struct json_writer *w, int i)
{
	const char *text = ctl->limits[i];
	long long count;
	char *end;

	if (text == NULL)
		return CTL_OK;
	if (i < LIMITS_BY_AMOUNT) {
		call_put(w, limit_names[i], text);
		return CTL_OK;
	}
	errno = 0;
	count = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || count < 0)
		return ctl_fail(ctl, CTL_USAGE, "a count is an integer from 0, and not %s", text);
	json_member_int(w, limit_names[i], count);
	return CTL_OK;
}

int
scope_limit(struct ctl *ctl, const char *scope, const char *target, const char *currency)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.SetLimit", false);
	int rc = CTL_OK;

	if ((ctl->given & OPTION_LIMITS) == 0)
		return ctl_fail(ctl, CTL_USAGE,
		    "say which limit: --per-payment, --per-day, --per-month AMOUNT, --count-day, --count-month COUNT");
	call_put(&w, "scope", scope);
	call_put(&w, "target", target);
	json_key(&w, VIEW("limits"));
	json_object_begin(&w);
	call_put(&w, "currency", currency);
	for (int i = 0; i < CTL_LIMITS && rc == CTL_OK; i++)
		rc = put_limit(ctl, &w, i);
	json_object_end(&w);
	if (rc == CTL_OK)
		rc = call_run(ctl, &w);
	if (rc == CTL_OK)
		print_done(ctl, "limited", scope, target);
	return rc;
}
