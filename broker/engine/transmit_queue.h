/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of a stream: what is due, from the log, until the receiver has it. See transmit.h for what holds of it. */
#ifndef CS_ENGINE_TRANSMIT_QUEUE_H
#define CS_ENGINE_TRANSMIT_QUEUE_H

#include "broker/engine/answer.h"
#include "broker/engine/call.h"

enum {
	TRANSMIT_QUEUE = 128,          /* kept in memory; what is beyond stays in the log alone */
	TRANSMIT_STATE_MAX = 255,      /* of a verification event */
	TRANSMIT_JTI_MAX = 80,
};

/* One thing to be told. */
struct transmit_item {
	uint64_t seq;                  /* 0: of no event, but asked for */
	struct id key;
	uint64_t revision;
	int64_t time_ms;
	uint64_t provider;
	struct id link;
	uint32_t link_no;
	uint16_t reason;
	uint8_t author, what;
	bool done;
	/* Of its account, as it was looked up for the token that comes next. */
	bool looked, erased;
	uint8_t name_len;
	char name[OUTSIDE_ID_MAX];
	struct id now_link;
	uint64_t now_provider;
};

struct receiver;

/* A committed event. */
void transmit_event(struct engine *e, struct view event);
/*
 * `done` runs when what is in the log now is in the queues, as far as they hold it: at once, when the store has answered, or
 * after a while with what is there.
 */
typedef void transmit_looked_fn(struct engine *e, void *ctx);
void transmit_catch_up(struct engine *e, transmit_looked_fn *done, void *ctx);

/* The n-th event that waits; NULL beyond the last. And its id. */
const struct transmit_item *transmit_waiting(const struct receiver *r, size_t n);
struct view transmit_jti(const struct receiver *r, const struct transmit_item *item, char to[TRANSMIT_JTI_MAX]);
/* The receiver has it, or refused it for good. Unknown ids are nothing. */
void transmit_taken(struct engine *e, struct receiver *r, struct view jti, bool refused);
/* Where the stream's place in the log is now. */
uint64_t transmit_position(const struct receiver *r);
/* A verification event with this state (or none): false where one was asked for within the last minute. */
bool transmit_verify(struct engine *e, struct receiver *r, struct view state);
enum { TRANSMIT_VERIFY_S = 60 };

#endif
