/* SPDX-License-Identifier: Apache-2.0 */
/* What "this was not me" stops: counted before, said after, on the page of linked IDs and on a step-up page alike. */
#ifndef CS_ENGINE_STOPPED_H
#define CS_ENGINE_STOPPED_H

#include "broker/base/json.h"
#include "broker/core/account.h"

struct stopped {
	uint32_t link_no;          /* 0: the whole account */
	uint16_t holds, allowances, challenges, sessions;
	struct {
		uint16_t currency;
		int64_t minor;
	} sums[4];                 /* of the holds; unused ones have currency 0. More currencies are counted, not summed. */
};

/* What there is to stop of this link (0: of all). */
void stopped_count(const struct account *a, uint32_t link_no, int64_t now_ms, struct stopped *to);
static inline bool
stopped_any(const struct stopped *s)
{
	return s->holds + s->allowances + s->challenges + s->sessions > 0;
}
/* A member "stopped": a ViewStopped of org.countersign.Internal. */
void stopped_write(struct json_writer *w, const struct stopped *s);

#endif
