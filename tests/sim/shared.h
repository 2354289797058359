/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that several brokers share, as the one on Redis is: one truth, which may forget the last commits although it had
 * acknowledged them, and for each broker a way to it that remembers what it saw, loses replies, and keeps a journal of what was
 * acknowledged. After it forgot, the truth serves nobody until what the journals hold was put back. A record of which something
 * in between is gone is held for good.
 */
#ifndef CS_TESTS_SIM_SHARED_H
#define CS_TESTS_SIM_SHARED_H

#include "broker/store/mem.h"

enum { SHARED_BROKERS_MAX = 4, SHARED_HISTORY = 64 };

/* What is wrong with it, on purpose: the checker must find each. */
enum shared_fault {
	SHARED_SOUND,
	SHARED_FORGETFUL,      /* sound, but forgets often */
	SHARED_NO_REPAIR,      /* nothing is put back */
	SHARED_NO_JOURNAL,     /* nothing is noted before it is acknowledged */
	SHARED_NO_GROUND,      /* forgets often, and what an answer alone rests on is in no journal */
	SHARED_NO_QUESTION,    /* whether a record is still at a revision is said without asking */
	SHARED_NO_TENURE,      /* what was remembered counts after a failover */
	SHARED__FAULTS
};

struct shared;

struct shared *shared_new(uint64_t seed, enum shared_fault fault);
/* Its brokers' stores are closed. */
void shared_free(struct shared *s);
/* The truth itself, for who looks from outside; honest. */
struct store *shared_truth(struct shared *s);
/* A broker's store, with its chances (delay, reorder, fail, lose_reply, lose_write, conflict). */
struct store *shared_open(struct shared *s);
void shared_misbehave(struct store *port, const struct store_mem_options *options);
/* The broker dies: what was sent may have arrived, and nobody hears. Its journal stays. */
void shared_crash(struct store *port);

/* Another server takes over, which has not heard of the last n commits. */
void shared_forget(struct shared *s, size_t n);
/* An admin says, while no broker answers, that the member of this name (at most 15 bytes) will never come back. */
void shared_say(struct shared *s, const char *name);
/* Every word is marked as told. */
bool shared_told(const struct shared *s);
/* From now on each broker that has its lease believes that it leads. */
void shared_all_lead(struct shared *s);
/* What is there now is never forgotten: it came from outside. */
void shared_keep(struct shared *s);
/* Time passes: what was forgotten is put back, leases end and come again. */
void shared_turn(struct shared *s);
/* The broker hears nothing for so many turns. */
void shared_lose_lease(struct store *port, unsigned turns);
/* All is put back at once, and all leases are good. */
void shared_settle(struct shared *s);
/* It serves. */
bool shared_whole(const struct shared *s);
/* The record is held: what it was cannot be proven. */
bool shared_held(const struct shared *s, const struct store_key *key);

struct shared_counts {
	uint64_t forgotten, put_back, held, conflicts, stale_loads;
};
struct shared_counts shared_counts(const struct shared *s);

#endif
