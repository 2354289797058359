/* SPDX-License-Identifier: Apache-2.0 */
/* store status: what the broker sees of its store, one line a node and a member. */
#include "broker/ctl/store.h"

#include <stdio.h>

#include "broker/ctl/call.h"
#include "broker/ctl/print.h"

enum { BUCKETS = 1024 };

static int64_t
number(const struct ctl *ctl, uint32_t object, const char *name)
{
	uint32_t token = object == 0 ? 0 : reply_get(ctl, object, name, JSON_NUMBER);
	int64_t value = 0;

	return token != 0 && json_int(&ctl->doc, token, &value) == CS_OK ? value : 0;
}

static bool
truth(const struct ctl *ctl, uint32_t object, const char *name)
{
	return object != 0 && reply_get(ctl, object, name, JSON_TRUE) != 0;
}

/* What an admin wants to know first: may it be relied on now, and if not, why. */
static void
print_headline(struct ctl *ctl, uint32_t store)
{
	uint32_t lease = reply_get(ctl, store, "lease", JSON_OBJECT), buckets = reply_get(ctl, store, "buckets", JSON_OBJECT);
	int64_t shut = buckets == 0 ? 0 : BUCKETS - number(ctl, buckets, "open");
	struct view mode = reply_text(ctl, store, "mode");
	bool stale = lease != 0 && !truth(ctl, lease, "fresh"), narrow = truth(ctl, store, "narrow_only");
	const char *word = stale ? "stale" : shut > 0 ? "not all open" : narrow ? "nearly full" : "ready";
	struct bytes text;
	const char *color = color_of(ctl, stale || narrow ? VIEW("failed") : shut > 0 ? VIEW("backoff") : VIEW("ready"));

	bytes_init(&text, JSON_TEXT_MAX);
	text_escape(ctl, &text.buf, reply_text(ctl, ctl->reply, "kind"));
	if (mode.len > 0)
		buf_put_view(&text.buf, VIEW(", "));
	text_escape(ctl, &text.buf, mode);
	(void)printf("%.*s: %s%s%s", (int)text.buf.len, (const char *)text.buf.data, color, word, color_off(ctl, color));
	bytes_clear(&text);
	if (stale)
		(void)printf(", so payments are denied (provider_stale)");
	else if (lease != 0)
		(void)printf(" for %lld ms%s", (long long)number(ctl, lease, "fresh_for_ms"), truth(ctl, lease, "leads") ? ", leads" : "");
	if (shut > 0)
		(void)printf("; %lld buckets of 1024 are not served", (long long)shut);
	(void)printf("\n\n");
}

int
store_status_show(struct ctl *ctl, char **args, int count)
{
	struct json_writer w;
	uint32_t store;
	int rc;

	(void)args, (void)count;
	if (ctl->offline)
		return store_status_offline(ctl);
	w = call_begin(ctl, "org.countersign.Admin.Store", false);
	ctl->patience_ms = STORE_CALL_MS;
	ctl->no_answer = STORE_NO_BROKER;
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	if (ctl->json) {
		print_json(ctl, ctl->reply, false);
		return CTL_OK;
	}
	store = reply_get(ctl, ctl->reply, "store", JSON_OBJECT);
	if (store == 0)
		return ctl_fail(ctl, CTL_FAILED, "the daemon's answer has no store");
	print_headline(ctl, store);
	print_object_but(ctl, store, 0, "mode");
	return CTL_OK;
}
