/* SPDX-License-Identifier: Apache-2.0 */
/* Pairwise digests of accounts for plugins. */
#include "broker/engine/pairwise.h"

void
pairwise_member(struct json_writer *w, const char *member, const struct engine *e, const struct id *account,
    const char *name)
{
	static const char digits[] = "0123456789abcdef";
	/* A service's receipts have another number of parts, so one of the same name does not know the account by this. */
	const struct view parts[] = {VIEW("plugin"), view_str(name), view_of(account->b, sizeof(account->b))};
	struct id id = keyring_id(e->keys, DIGEST_PAIRWISE, parts, 3);
	char text[2 * sizeof(id.b)];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = digits[id.b[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	json_member_str(w, member, view_of(text, sizeof(text)));
}
