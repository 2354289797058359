/* SPDX-License-Identifier: Apache-2.0 */
/* The owner's page of linked IDs. */
#include "broker/engine/view.h"

struct hash
view_content(const struct engine *e, const struct account *a, uint64_t service)
{
	struct view parts[] = {VIEW("view"), view_of(&service, sizeof(service)), view_of(a->key.b, sizeof(a->key.b))};
	struct hash content;

	keyring_digest(e->keys, DIGEST_CONTENT, parts, 3, &content);
	return content;
}
