/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security events of providers: pushed through the gateway, or polled. A message goes to the provider's plugin, which says
 * whether it is the provider's and what it tells; each of its events then goes to the account whose link has the subject,
 * as an event of that account's log. Only what is durable is answered, or acknowledged at the next poll.
 */
#ifndef CS_ENGINE_SIGNALS_H
#define CS_ENGINE_SIGNALS_H

#include "broker/engine/call.h"

enum {
	SIGNALS_JOBS_MAX = 256,        /* messages that are looked at, all together */
	SIGNAL_TEXT_MAX = 255,         /* issuer, subject, id: bytes, as a worker gives them */
	SIGNAL_NAME_MAX = 64,
	SIGNAL_EVENTS_MAX = 4,         /* of one message: COUNTERSIGN_SIGNAL_EVENTS */
	SIGNAL_BODY_TEXT_MAX = 21848,  /* 16 KiB in base64url */
	SIGNAL_SETS_MAX = 4,           /* of one poll: COUNTERSIGN_SETS_MAX */
	SIGNAL_ACKS_MAX = 16,          /* that one poll may tell of */
	SIGNAL_STATE_MAX = 64,         /* of a verification that was asked for */
};

/* What is known of one provider's events since this engine started. */
struct signal_stats {
	const char *provider;
	bool can, polls, streams;      /* by its plugin: takes messages, can be polled, manages a stream */
	int64_t poll_ms;               /* -1: events are pushed */
	int64_t heard_ms;              /* of the newest message or poll, wall clock; 0: none */
	int64_t silent_after_ms;       /* -1: silence says nothing yet */
	bool silent;
	uint64_t taken, duplicates, unknown, refused, failed; /* messages; unknown: events of subjects that nobody has linked */
	int64_t asked_ms, verified_ms; /* of the newest verification; 0: none */
	char status[SIGNAL_TEXT_MAX + 1]; /* as the provider told of the stream itself, or empty */
};

struct signals *signals_new(void);
void signals_free(struct signals *s);
/* The i-th configured provider; false beyond. */
bool signals_stats(const struct engine *e, size_t i, struct signal_stats *out);
/* Goes on with messages on their way, asks what is to be polled, looks for silence. Milliseconds until it has to again. */
int64_t signals_tick(struct engine *e);
/* A verification with this state was asked for: the event that brings it back is expected. */
void signals_verification(struct engine *e, uint64_t provider, struct view state);

enum signal_end {
	SIGNAL_TAKEN,     /* durable and in force, or was before */
	SIGNAL_REFUSED,   /* err and description say why, in the words of RFC 8935, section 2.4 */
	SIGNAL_FAILED,    /* could not be looked at: to be sent again */
};
/*
 * Runs once, outside of transactions. The call is held still, not answered, and to be released here; NULL where its transaction
 * failed, and answered it.
 */
typedef void signal_done_fn(struct engine *e, void *ctx, struct call *call, enum signal_end end, const char *err,
    const char *description);

/* body: base64url. content_type and authorization may be empty. The call must be held. done may run before this returns. */
void signal_take(struct engine *e, struct call *call, uint64_t provider, struct view body, struct view content_type,
    struct view authorization, signal_done_fn *done, void *ctx);

#endif
