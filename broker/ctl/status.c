/* SPDX-License-Identifier: Apache-2.0 */
/* status, reload, shadow: the daemon as a whole. */
#include <stdio.h>

#include "broker/ctl/call.h"
#include "broker/ctl/print.h"

enum { PATIENCE_MS = 15 * 1000 }; /* it answers at once, or is starting, and may wait for other brokers */

static void
print_seconds(int64_t s)
{
	if (s >= 86400)
		(void)printf("up %lld d %lld h", (long long)(s / 86400), (long long)(s / 3600 % 24));
	else if (s >= 3600)
		(void)printf("up %lld h %lld min", (long long)(s / 3600), (long long)(s / 60 % 60));
	else
		(void)printf("up %lld min %lld s", (long long)(s / 60), (long long)(s % 60));
}

/* What an admin wants to know first, in one line; then everything. */
static void
print_headline(struct ctl *ctl)
{
	struct view frozen = reply_text(ctl, ctl->reply, "frozen");
	uint32_t uptime = reply_get(ctl, ctl->reply, "uptime_s", JSON_NUMBER);
	const char *color = color_of(ctl, frozen.len > 0 ? VIEW("frozen") : VIEW("running"));
	int64_t seconds = 0;

	(void)printf("%s%s%s", color, frozen.len > 0 ? "FROZEN: everything is denied" : "running", color_off(ctl, color));
	if (uptime != 0 && json_int(&ctl->doc, uptime, &seconds) == CS_OK) {
		(void)printf(", ");
		print_seconds(seconds);
	}
	(void)printf("\n\n");
}

static int
status(struct ctl *ctl, char **args, int count)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Status", false);
	int rc;

	(void)args, (void)count;
	ctl->patience_ms = PATIENCE_MS;
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	if (ctl->json) {
		print_json(ctl, ctl->reply, false);
	} else {
		print_headline(ctl);
		print_object_but(ctl, ctl->reply, 0, "uptime_s");
	}
	return CTL_OK;
}

static int
reload(struct ctl *ctl, char **args, int count)
{
	(void)args, (void)count;
	return call_and_print(ctl, "org.countersign.Admin.Reload", NULL, NULL, NULL);
}

/* What the candidate beside the live policy would have decided otherwise, since it was loaded. */
static int
shadow(struct ctl *ctl, char **args, int count)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Status", false);
	int rc = call_run(ctl, &w);
	uint32_t shadow;

	(void)args, (void)count;
	if (rc != CTL_OK)
		return rc;
	shadow = reply_get(ctl, ctl->reply, "shadow", JSON_OBJECT);
	if (shadow == 0)
		return ctl_fail(ctl, CTL_NOT_FOUND, "no candidate runs beside the policy: name its file with shadow-config in the "
		    "configuration, and `countersignctl reload`");
	print_reply(ctl, shadow);
	return CTL_OK;
}

const struct command status_commands[] = {
	{"status", NULL, "", 0, 0, 0, "the daemon, its processes and providers", status},
	{"reload", NULL, "", 0, 0, 0, "read the configuration again; a bad one changes nothing", reload},
	{"shadow", NULL, "", 0, 0, 0, "what the candidate of shadow-config would have decided otherwise", shadow},
	{.noun = NULL},
};
