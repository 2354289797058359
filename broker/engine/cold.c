/* SPDX-License-Identifier: Apache-2.0 */
/* The cold map: entries of id, length and bytes, one after the other. Few entries, so a walk finds them. */
#include "broker/engine/cold.h"

#include "broker/base/check.h"

void
extra_init(struct extra *x)
{
	x->buf = buf_over(x->bytes, sizeof(x->bytes));
}

void
extra_text(struct extra *x, struct view sealed)
{
	buf_put_u8(&x->buf, EXTRA_TEXT);
	buf_put_lv(&x->buf, sealed);
}

void
extra_put(struct extra *x, const struct id *id, struct view value)
{
	buf_put_u8(&x->buf, EXTRA_PUT);
	buf_put(&x->buf, id->b, sizeof(id->b));
	buf_put_lv(&x->buf, value);
}

void
extra_drop(struct extra *x, const struct id *id)
{
	buf_put_u8(&x->buf, EXTRA_DROP);
	buf_put(&x->buf, id->b, sizeof(id->b));
}

void
extra_salt(struct extra *x, const struct id *salt)
{
	buf_put_u8(&x->buf, EXTRA_SALT);
	buf_put(&x->buf, salt->b, sizeof(salt->b));
}

bool
extra_next(struct cursor *c, struct extra_read *item)
{
	if (cursor_left(c) == 0)
		return false;
	*item = (struct extra_read){.item = (enum extra_item)cursor_u8(c)};
	switch (item->item) {
	case EXTRA_TEXT:
		item->value = cursor_lv(c, EXTRA_BYTES_MAX);
		break;
	case EXTRA_PUT:
		cursor_get(c, item->id.b, sizeof(item->id.b));
		item->value = cursor_lv(c, COLD_VALUE_MAX);
		break;
	case EXTRA_DROP:
	case EXTRA_SALT:
		cursor_get(c, item->id.b, sizeof(item->id.b));
		break;
	default:
		c->bad = true;
	}
	return !c->bad;
}

bool
extra_changes_cold(struct view extra)
{
	struct cursor c = cursor_over(extra.data, extra.len);
	struct extra_read item;

	while (extra_next(&c, &item)) {
		if (item.item == EXTRA_PUT || item.item == EXTRA_DROP)
			return true;
	}
	CHECK(!c.bad);
	return false;
}

struct view
cold_get(struct view cold, const struct id *id)
{
	struct cursor c = cursor_over(cold.data, cold.len);

	while (cursor_left(&c) > 0) {
		const uint8_t *key = cursor_take(&c, sizeof(id->b));
		struct view value = cursor_lv(&c, COLD_VALUE_MAX);

		if (!c.bad && memcmp(key, id->b, sizeof(id->b)) == 0)
			return value;
	}
	return view_of(NULL, 0);
}

/* Whether extra says something of this id. */
static bool
touched(struct view extra, const uint8_t *key)
{
	struct cursor c = cursor_over(extra.data, extra.len);
	struct extra_read item;

	while (extra_next(&c, &item)) {
		if ((item.item == EXTRA_PUT || item.item == EXTRA_DROP) &&
		    memcmp(item.id.b, key, sizeof(item.id.b)) == 0)
			return true;
	}
	return false;
}

enum cs_err
cold_apply(struct view cold, struct view extra, struct buf *out, bool *changed)
{
	struct cursor c = cursor_over(extra.data, extra.len);
	struct extra_read item;
	bool any = false;

	while (extra_next(&c, &item))
		any |= item.item == EXTRA_PUT || item.item == EXTRA_DROP;
	if (c.bad)
		return CS_ERR_CORRUPT;
	*changed = any;
	c = cursor_over(cold.data, cold.len);
	while (cursor_left(&c) > 0) {
		const uint8_t *key = cursor_take(&c, sizeof(item.id.b));
		struct view value = cursor_lv(&c, COLD_VALUE_MAX);

		if (c.bad)
			return CS_ERR_CORRUPT;
		if (any && touched(extra, key))
			continue;
		buf_put(out, key, sizeof(item.id.b));
		buf_put_lv(out, value);
	}
	if (c.bad)
		return CS_ERR_CORRUPT;
	c = cursor_over(extra.data, extra.len);
	while (extra_next(&c, &item)) {
		if (item.item != EXTRA_PUT)
			continue;
		buf_put(out, item.id.b, sizeof(item.id.b));
		buf_put_lv(out, item.value);
	}
	return out->full ? CS_ERR_FULL : CS_OK;
}
