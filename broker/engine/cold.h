/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cold state of an account and the extra bytes of its events. Cold state is a map from a thing's id to its bytes:
 * a link's subject, a factor's sealed secret, a challenge's card. An event's extra bytes are items: texts of the event
 * alone (sealed under the account's own key), and changes to the map.
 */
#ifndef CS_ENGINE_COLD_H
#define CS_ENGINE_COLD_H

#include "broker/base/buf.h"
#include "broker/base/err.h"
#include "broker/core/types.h"

enum extra_item {
	EXTRA_TEXT = 1,   /* sealed texts of the event */
	EXTRA_PUT = 2,    /* id, bytes */
	EXTRA_DROP = 3,   /* id */
	EXTRA_SALT = 4,   /* of the account's sealing key: with its first event */
};

enum { EXTRA_BYTES_MAX = 8 * 1024, COLD_VALUE_MAX = 4 * 1024 };

struct extra {
	struct buf buf;
	uint8_t bytes[EXTRA_BYTES_MAX];
};

void extra_init(struct extra *x);
void extra_text(struct extra *x, struct view sealed);
void extra_put(struct extra *x, const struct id *id, struct view value);
void extra_drop(struct extra *x, const struct id *id);
void extra_salt(struct extra *x, const struct id *salt);

/* Next item of extra bytes; false at the end or where they are malformed (c->bad). */
struct extra_read {
	enum extra_item item;
	struct id id;
	struct view value;
};
bool extra_next(struct cursor *c, struct extra_read *item);

/* Whether it changes the map. */
bool extra_changes_cold(struct view extra);

/* The value of an id, or data NULL. */
struct view cold_get(struct view cold, const struct id *id);
/* The map after the changes in extra. Writes the whole map; *changed tells whether it is another. CS_ERR_CORRUPT, CS_ERR_FULL. */
enum cs_err cold_apply(struct view cold, struct view extra, struct buf *out, bool *changed);

#endif
