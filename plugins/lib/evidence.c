/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of identity.evidence. */
#include <inttypes.h>
#include <stdio.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/evidence.h"

enum { VALUE_MAX = 254, LINE_BYTES_MAX = 32 + 1 + 20 + 1 + VALUE_MAX + 1 };

static bool
is_plain(struct countersign_view value)
{
	return value.len > 0 && value.len <= VALUE_MAX && memchr(value.data, ' ', value.len) == NULL && view_is_printable(value);
}

void
evidence_put(struct countersign_identity *identity, const char *kind, int64_t verified_s,
    struct countersign_view value)
{
	struct countersign_buffer *to = &identity->evidence;
	char line[LINE_BYTES_MAX + 1];
	int n;

	if (!COUNTERSIGN_HAS(identity, struct countersign_identity, evidence) || to->data == NULL || !is_plain(value))
		return;
	n = snprintf(line, sizeof(line), "%s%.32s %" PRId64 " %.*s", to->len > 0 ? "\n" : "", kind, verified_s,
	    (int)value.len, value.data);
	if (n < 0 || n > LINE_BYTES_MAX || (size_t)n > to->cap - to->len)
		return;
	memcpy(to->data + to->len, line, (size_t)n);
	to->len += (size_t)n;
}

bool
claim_is_true(const json_t *claims, const char *name)
{
	return json_is_true(json_object_get(claims, name));
}
