/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of Apple's. */
#include "plugins/apple/claims.h"

#include <stdio.h>
#include <strings.h>

#include "plugins/lib/encoding.h"

enum { ADDRESS_MAX = 254, SUBJECT_MAX = 255 };

static const char relay_domain[] = "@privaterelay.appleid.com";

/* Apple writes booleans as such or as text. Anything else, "TRUE" and 1 included, is neither. */
enum truth { TRUTH_ODD, TRUTH_NO, TRUTH_YES };

static enum truth
truth_of(const json_t *v)
{
	struct countersign_view text = json_text(v);

	if (json_is_true(v) || view_is_text(text, "true"))
		return TRUTH_YES;
	if (v == NULL || json_is_false(v) || view_is_text(text, "false"))
		return TRUTH_NO;
	return TRUTH_ODD;
}

static bool
is_printable(struct countersign_view v, size_t max, char least)
{
	if (v.len == 0 || v.len > max)
		return false;
	for (size_t i = 0; i < v.len; i++)
		if ((unsigned char)v.data[i] < (unsigned char)least || v.data[i] == 0x7f)
			return false;
	return view_is_printable(v);
}

static bool
is_relay(struct countersign_view address)
{
	size_t len = sizeof(relay_domain) - 1;

	return address.len >= len && strncasecmp(address.data + address.len - len, relay_domain, len) == 0;
}

void
claims_put_evidence(const json_t *claims, struct countersign_buffer *evidence)
{
	struct countersign_view address = json_member_text(claims, "email");
	char line[ADDRESS_MAX + 16];
	int n;

	evidence->len = 0;
	/* No blanks, nor line breaks: a line of evidence is words. */
	if (!is_printable(address, ADDRESS_MAX, '!') || memchr(address.data, '@', address.len) == NULL ||
	    is_relay(address) || truth_of(json_object_get(claims, "email_verified")) != TRUTH_YES ||
	    truth_of(json_object_get(claims, "is_private_email")) != TRUTH_NO)
		return;
	n = snprintf(line, sizeof(line), "email 0 %.*s", (int)address.len, address.data);
	if (n > 0 && (size_t)n < sizeof(line))
		(void)countersign_put(evidence, line, (size_t)n);
}

int
claims_read_migrated(const json_t *answer, const char *name, struct countersign_view *to)
{
	struct countersign_view got = json_member_text(answer, name);

	if (!is_printable(got, SUBJECT_MAX, '!'))
		return COUNTERSIGN_PROVIDER_ERROR;
	*to = got;
	return COUNTERSIGN_OK;
}
