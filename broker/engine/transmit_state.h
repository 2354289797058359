/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of streams share; private to them. */
#ifndef CS_ENGINE_TRANSMIT_STATE_H
#define CS_ENGINE_TRANSMIT_STATE_H

#include "broker/engine/transmit.h"
#include "broker/engine/transmit_queue.h"

struct receiver {
	struct record_receiver of;
	bool fed;                  /* by this broker: it pushes, or is polled */
	bool looking;              /* the account of the event that is pushed next */
	bool kept;                 /* the record still has it */
	bool allowed;              /* the service is configured, with the right */
	unsigned wanted;
	char endpoint[TRANSMIT_ENDPOINT_MAX], header[TRANSMIT_HEADER_MAX];
	size_t endpoint_len, header_len;
	struct transmit_item items[TRANSMIT_QUEUE];
	size_t first, n;
	uint64_t queued;           /* of the log: all before it is in the queue or was */
	bool behind;               /* the queue was full: more is in the log */
	bool told;                 /* something was taken since its place was noted */
	char state[TRANSMIT_STATE_MAX]; /* of the verification that waits */
	size_t state_len;
	uint64_t verifications;
	int64_t verified_ms;       /* boot clock; 0: never */
	bool in_flight;
	uint64_t flight;           /* numbers pushes: an answer to another one is late */
	unsigned failures;
	int64_t next_try_ms;       /* boot clock */
	struct receiver *next;
};

struct catching {
	transmit_looked_fn *done;
	void *ctx;
	int64_t until_ms;          /* boot clock */
	struct catching *next;
};

struct transmit {
	struct receiver *receivers;
	uint64_t scanned;          /* of the log: all before it was looked at for every stream that is not behind */
	bool due;                  /* there may be more in the log */
	int64_t noted_ms;
	struct rows_scan *scan;    /* on its way */
	struct catching *catching; /* who waits until all of the log was looked at */
	bool leads;                /* as it was when receivers were fed last */
	int64_t looked_ms, retry_ms; /* boot clock */
	int64_t credit_ms, credit_boot_ms; /* for changes; of when: 0: none was asked for */
};

/* transmit_queue.c: begins anew at its place in the log. */
void transmit_rewind(struct transmit *t, struct receiver *r);
/* What another broker was told is taken. */
void transmit_forward(struct engine *e, struct receiver *r);
/* Whether there may be more in the log that can be looked at now. */
bool transmit_may_fill(const struct engine *e);
/* Looks at what is new in the log. */
void transmit_fill(struct engine *e);
/* Tells those that have what they waited for, or have waited long enough. */
void transmit_caught_up(struct engine *e);

/* transmit_deliver.c: what may be pushed now of one stream, one after the other, in their order. */
void transmit_push(struct engine *e, struct receiver *r);

#endif
