/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extra bytes of an event, and the cold map that they change. The first byte cuts the input in two: map, then extra. A map
 * that comes out is read again, and has what was put.
 */
#include "broker/base/check.h"
#include "broker/engine/cold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t first[64 * 1024], second[64 * 1024];

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t cut = len == 0 ? 0 : data[0] % len;
	struct view cold = view_of(data + (len > 0), cut), extra = view_of(data + (len > 0) + cut,
	    len - cut - (len > 0));
	struct buf out = buf_over(first, sizeof(first)), again = buf_over(second, sizeof(second));
	struct cursor c = cursor_over(extra.data, extra.len);
	struct extra_read item;
	bool changed = false;
	enum cs_err err = cold_apply(cold, extra, &out, &changed);

	CHECK(err == CS_OK || err == CS_ERR_CORRUPT || err == CS_ERR_FULL);
	if (err != CS_OK)
		return 0;
	while (extra_next(&c, &item)) {
		if (item.item == EXTRA_PUT)
			CHECK(cold_get(buf_view(&out), &item.id).data != NULL);
	}
	CHECK(!c.bad);
	/* What was made is a map, and no change changes nothing. */
	CHECK(cold_apply(buf_view(&out), view_of(NULL, 0), &again, &changed) == CS_OK && !changed);
	CHECK(view_equal(buf_view(&out), buf_view(&again)));
	return 0;
}
