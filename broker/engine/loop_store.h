/* SPDX-License-Identifier: Apache-2.0 */
/* The store's descriptors on the engine's loop. */
#ifndef CS_ENGINE_LOOP_STORE_H
#define CS_ENGINE_LOOP_STORE_H

#include <stdint.h>

#include "broker/base/poller.h"

struct event_base;
struct watched;

struct loop_store {
	struct poller poller;
	struct event_base *base;
	struct watched *all;
};

void loop_store_init(struct loop_store *s, struct event_base *base);
/* What is still watched is forgotten. */
void loop_store_clear(struct loop_store *s);
/* Until one of them is ready and was told so, or the time is over; nothing else of the loop runs meanwhile. */
void loop_store_wait(struct loop_store *s, int64_t timeout_ms);

#endif
