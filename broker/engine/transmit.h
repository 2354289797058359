/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What services hear of linked IDs by OpenID Shared Signals 1.0: a link was suspended or revoked, its owner said "that was
 * not me". The broker is the transmitter, a service with the right `signals` the receiver of one stream, which is pushed
 * (RFC 8935, by a notify plugin) or polled (RFC 8936).
 *
 * The queue of a stream is a place in the log of events: what lies behind it and is for the stream is fetched from there
 * again after a restart. So nothing is lost, and some of it may come twice, with the same jti.
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

#include "broker/engine/answer.h"
#include "broker/engine/call.h"
#include "broker/engine/record_state.h"

enum {
	TRANSMIT_QUEUE = 128,          /* kept in memory; what is beyond stays in the log alone */
	TRANSMIT_ENDPOINT_MAX = 512,
	TRANSMIT_HEADER_MAX = 512,
	TRANSMIT_DESCRIPTION_MAX = 255,
	TRANSMIT_STATE_MAX = 255,      /* of a verification event */
	TRANSMIT_JTI_MAX = 80,
	TRANSMIT_SET_MAX = 4096,
};

/* What is told of an event, as bits of what a stream wants. */
enum transmit_what {
	TRANSMIT_LINK_SUSPENDED, TRANSMIT_LINK_REVOKED, TRANSMIT_NOT_ME, /* our own, with link and provider */
	TRANSMIT_SESSION_REVOKED,      /* CAEP: of each of them */
	TRANSMIT_CREDENTIAL_COMPROMISE, /* RISC: of "not me" */
	TRANSMIT_WHAT_N,
	TRANSMIT_VERIFICATION = TRANSMIT_WHAT_N, /* SSF: asked for; in no stream's wishes, always delivered */
};
/* The URI of the event. */
struct view transmit_uri(enum transmit_what what);

/* Where a stream goes and what is wanted; as stored, sealed. */
struct transmit_wish {
	unsigned wanted;               /* 1 << enum transmit_what */
	struct view endpoint, header, description;
	uint8_t bytes[2 + 3 * 3 + TRANSMIT_ENDPOINT_MAX + TRANSMIT_HEADER_MAX + TRANSMIT_DESCRIPTION_MAX];
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

struct transmit;
struct receiver;

/* leads: this broker pushes, as far as is known. */
struct transmit *transmit_new(bool leads);
void transmit_free(struct transmit *t);
/* After the record was opened, changed or the configuration was: streams as the record has them. */
void transmit_configure(struct engine *e);
/* A committed event. */
void transmit_event(struct engine *e, struct view event);
/* End of a turn: fetches what is new, pushes it. */
void transmit_run(struct engine *e);
/* Time passed; milliseconds until something is due. Notes in the record how far streams have come. */
int64_t transmit_tick(struct engine *e);

/* The stream of a service, or NULL. */
struct receiver *transmit_receiver(struct engine *e, uint64_t service);
/* Where its place in the log is now. */
uint64_t transmit_position(const struct receiver *r);
/* A verification event with this state (or none): false where one was asked for within the last minute. */
bool transmit_verify(struct engine *e, struct receiver *r, struct view state);
enum { TRANSMIT_VERIFY_S = 60 };

/*
 * Whether a service may change a stream now. A change is one of the broker's record, of which one at a time is made: services
 * that make them without end would keep an admin from freezing a provider.
 */
bool transmit_may_change(struct engine *e);
enum { TRANSMIT_CHANGE_S = 1 };

/* The n-th event that waits; NULL beyond the last. And its id, and the token that tells it: CS_ERR_NOT_FOUND where its account is erased. */
const struct transmit_item *transmit_waiting(const struct receiver *r, size_t n);
struct view transmit_jti(const struct receiver *r, const struct transmit_item *item, char to[TRANSMIT_JTI_MAX]);
enum cs_err transmit_set(struct engine *e, struct receiver *r, const struct transmit_item *item, struct buf *out);
/*
 * `done` runs when what is in the log now is in the queues, as far as they hold it: at once, when the store has answered, or
 * after a while with what is there.
 */
typedef void transmit_looked_fn(struct engine *e, void *ctx);
void transmit_catch_up(struct engine *e, transmit_looked_fn *done, void *ctx);
/*
 * Looks up the accounts of the first events that wait, `most` of them, each for one transmit_set(). `done` runs at once or
 * when the store has answered; the stream may be gone by then. An event whose account could not be looked up is unavailable.
 */
void transmit_look(struct engine *e, struct receiver *r, size_t most, transmit_looked_fn *done, void *ctx);
/* The receiver has it, or refused it for good. Unknown ids are nothing. */
void transmit_taken(struct engine *e, struct receiver *r, struct view jti, bool refused);

/* What of the record's cold state is behind a stream. CS_ERR_CORRUPT. */
enum cs_err transmit_wish_open(const struct engine *e, const struct record_receiver *of, struct transmit_wish *to);
void transmit_wish_seal(const struct engine *e, const struct record_receiver *of, const struct transmit_wish *wish,
    struct buf *out);

/* transmit_set.c */
struct transmit_facts {
	struct view base, audience, jti, account; /* account: the realm's own id; absent of a verification event */
	struct view stream, state;                /* of a verification event */
	struct view link, provider;               /* absent where they are not known */
};
void transmit_set_write(const struct engine *e, const struct transmit_item *item, const struct transmit_facts *facts,
    struct buf *out);
/* "https://..." that SETs and the metadata are issued by. */
struct view transmit_issuer(const struct engine *e);
/* A stream's id as text: 32 hexadecimal digits. */
struct view transmit_stream_id(const struct id *id, char to[32]);

#endif
