/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of the log: an event is refused, or it has exactly these bytes. */
#include <stdint.h>
#include <string.h>

#include "broker/base/check.h"
#include "broker/core/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct view bytes = view_of(data, len);
	uint8_t again[EVENT_BYTES_MAX];
	struct buf out = buf_over(again, sizeof(again));
	struct event event;

	if (event_decode(bytes, &event) != CS_OK)
		return 0;
	CHECK(event_type_name((enum event_type)event.type)[0] != '\0');
	CHECK(reason_name((enum reason)event.reason)[0] != '\0');
	event_encode(&event, &out);
	CHECK(!out.full && view_equal(buf_view(&out), bytes));
	return 0;
}
