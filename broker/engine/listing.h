/* SPDX-License-Identifier: Apache-2.0 */
/* Methods that list an account's things: one parameter `account`, one member with an array. */
#ifndef CS_ENGINE_LISTING_H
#define CS_ENGINE_LISTING_H

#include "broker/engine/call.h"

struct listing {
	const char *name;       /* of the member */
	/* Writes the elements that this caller may see. */
	void (*elements)(struct json_writer *w, struct call *call, struct txn *t, const struct account *a);
};

/* The whole method; an account that is not there is NotFound. */
void listing_answer(struct call *call, const struct listing *what);

#endif
