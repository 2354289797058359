/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What services hear of linked IDs by OpenID Shared Signals 1.0: a link was suspended or revoked, its owner said "that was
 * not me". The broker is the transmitter, a service with the right `signals` the receiver of one stream, which is pushed
 * (RFC 8935, by a notify plugin) or polled (RFC 8936).
 *
 * The queue of a stream is a place in the log of events: what lies behind it and is for the stream is fetched from there
 * again after a restart. So nothing is lost, and some of it may come twice, with the same jti.
 *
 * transmit_queue.h is what is due of a stream, transmit_deliver.h how it is told, transmit_set.h the token that tells it.
 *
 * Where brokers share a store, one of them pushes; who takes that over begins where the record says that all before was
 * delivered. Every broker answers polls from a queue of its own, and what one of them was told is taken leaves the others'
 * queues when the record says so. Verifications are pushed by the broker that was asked for them.
 *
 * Invariants: position <= every waiting event's number; position only grows, but by an end and a new beginning; an event of one
 * number is in the queue with all that is told of it, or not at all.
 */
#ifndef CS_ENGINE_TRANSMIT_H
#define CS_ENGINE_TRANSMIT_H

#include "broker/engine/call.h"
#include "broker/engine/record_state.h"

enum {
	TRANSMIT_ENDPOINT_MAX = 512,
	TRANSMIT_HEADER_MAX = 512,
	TRANSMIT_DESCRIPTION_MAX = 255,
};

/* What is told of an event, as bits of what a stream wants. */
enum transmit_what {
	TRANSMIT_LINK_SUSPENDED, TRANSMIT_LINK_REVOKED, TRANSMIT_NOT_ME, /* our own, with link and provider */
	TRANSMIT_SESSION_REVOKED,      /* CAEP: of each of them */
	TRANSMIT_CREDENTIAL_COMPROMISE, /* RISC: of "not me" */
	TRANSMIT_WHAT_N,
	TRANSMIT_VERIFICATION = TRANSMIT_WHAT_N, /* SSF: asked for; in no stream's wishes, always delivered */
};

/* Where a stream goes and what is wanted; as stored, sealed. */
struct transmit_wish {
	unsigned wanted;               /* 1 << enum transmit_what */
	struct view endpoint, header, description;
	uint8_t bytes[2 + 3 * 3 + TRANSMIT_ENDPOINT_MAX + TRANSMIT_HEADER_MAX + TRANSMIT_DESCRIPTION_MAX];
};

struct transmit;
struct receiver;

/* leads: this broker pushes, as far as is known. */
struct transmit *transmit_new(bool leads);
void transmit_free(struct transmit *t);
/* After the record was opened, changed or the configuration was: streams as the record has them. */
void transmit_configure(struct engine *e);
/* End of a turn: fetches what is new, pushes it. */
void transmit_run(struct engine *e);
/* Time passed; milliseconds until something is due. Notes in the record how far streams have come. */
int64_t transmit_tick(struct engine *e);

/* The stream of a service, or NULL. */
struct receiver *transmit_receiver(struct engine *e, uint64_t service);
/*
 * Whether a service may change a stream now. A change is one of the broker's record, of which one at a time is made: services
 * that make them without end would keep an admin from freezing a provider.
 */
bool transmit_may_change(struct engine *e);
enum { TRANSMIT_CHANGE_S = 1 };

/* What of the record's cold state is behind a stream. CS_ERR_CORRUPT. */
enum cs_err transmit_wish_open(const struct engine *e, const struct record_receiver *of, struct transmit_wish *to);
void transmit_wish_seal(const struct engine *e, const struct record_receiver *of, const struct transmit_wish *wish,
    struct buf *out);

#endif
