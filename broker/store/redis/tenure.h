/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which buckets may be served. A bucket is open under a tenure (the owner's run id and replication id); where the owner
 * has another, or the bucket's head has none, it is suspect: nothing is read or written until every broker that shares
 * the store has proved that all it acknowledged is there, or put it back. README.md, "Repair", has the states, the
 * invariants and what they rest on.
 *
 * What rests on a bucket counts only while the bucket stays open: a reply is good when tenure_holds() says so for the
 * turn that was noted when it was asked.
 */
#ifndef CS_STORE_REDIS_TENURE_H
#define CS_STORE_REDIS_TENURE_H

#include "broker/store/redis/fleet.h"
#include "broker/store/redis/journal.h"
#include "broker/store/redis/layout.h"

struct tenure;

enum tenure_state {
	TENURE_AWAY,     /* no owner is known */
	TENURE_CHECKING, /* this broker's proof is under way */
	TENURE_WAITING,  /* for the proof of others */
	TENURE_REPAIR,   /* what was lost is being put back */
	TENURE_JOINING,  /* open, but others do not know this broker yet */
	TENURE_HELD,     /* a journal lacks what is missing: the admin's word is needed */
	TENURE_OPEN,
	TENURE__STATES
};

/* Everything runs inside tenure_tick(), tenure_open(), fleet_flush() or fleet_tick(). */
struct tenure_hooks {
	/* The bucket is not open any more: forget all that was read from it. NULL: nothing to forget. */
	void (*closed)(void *arg, unsigned bucket);
	void *arg;
};

struct tenure_options {
	struct fleet *fleet;
	const struct layout *layout;
	struct journal *journal;
	const char *name;               /* of this broker, for people; JOURNAL_NAME_TEXT at most */
	unsigned buckets;               /* 0: all. Tests look at the first few */
	struct tenure_hooks hooks;
};

/* All is borrowed and must live as long. Nothing is asked before the first tick. */
struct tenure *tenure_new(const struct tenure_options *o);
/* After fleet_free(), so that no completion comes any more. */
void tenure_free(struct tenure *t);

/* Checks tenures and goes on with what is not open. Milliseconds until it wants to be called again. */
int64_t tenure_tick(struct tenure *t, int64_t now_mono_ms);

/* The tenure under which the bucket is open for this broker now; NULL: it is not, and the check is begun. */
const char *tenure_open(struct tenure *t, unsigned bucket);
enum tenure_state tenure_state(const struct tenure *t, unsigned bucket);
/* Grows whenever the bucket is no longer open; to be noted with what is asked. */
uint32_t tenure_turn(const struct tenure *t, unsigned bucket);
/* Whether the bucket has been open since that turn was noted: only then a reply may be acknowledged. */
bool tenure_holds(const struct tenure *t, unsigned bucket, uint32_t turn);
/* Something does not fit (SUSPECT, STRANGER, a count that went back): the bucket is checked anew. */
void tenure_doubt(struct tenure *t, unsigned bucket);
/* Every bucket is open, and has been for so many ms without a pause; 0: not all are. */
int64_t tenure_whole_for_ms(const struct tenure *t, int64_t now_mono_ms);
/* The tenure under which the bucket is open in Redis, though this broker may not be admitted yet; NULL: it is not. */
const char *tenure_shared(const struct tenure *t, unsigned bucket);

/* For members.c: that member has this broker in its journal. Stays so. */
void tenure_confirmed(struct tenure *t, const char *id);
/* It was alive when it was last seen; believed until then. */
void tenure_seen_live(struct tenure *t, const char *id, int64_t until_mono_ms);
/* Nothing is open for this process any more: another one has taken over its journal. */
void tenure_bar(struct tenure *t);
/*
 * Puts a silent member out of every bucket that is open: it writes there no more before it has proved itself anew, and
 * is not waited for. Safe whenever it is called; goes on with each tick until tenure_put_in() takes the word back.
 */
void tenure_put_out(struct tenure *t, const char *id);
void tenure_put_in(struct tenure *t, const char *id);

/*
 * Before an orderly end, when nothing is under way any more: nothing is open for this process from now on, and with the
 * next ticks it puts itself out of all buckets, so that nobody waits for it while it is away.
 */
void tenure_leave(struct tenure *t);
bool tenure_left(const struct tenure *t);

typedef void tenure_done_fn(void *ctx, enum cs_err err);
/*
 * The admin's words. forget: that member's proof is not waited for, wherever it is missing. CS_ERR_UNAVAILABLE: not in
 * every bucket, say it again. release of a record: what Redis has is taken as it is, and what did not fit is dropped
 * (CS_ERR_NOT_FOUND: it is not held). release of a bucket: it opens with what is there.
 */
void tenure_forget(struct tenure *t, const char *id, tenure_done_fn *done, void *ctx);
void tenure_release_record(struct tenure *t, const struct store_key *key, tenure_done_fn *done, void *ctx);
void tenure_release_bucket(struct tenure *t, unsigned bucket, tenure_done_fn *done, void *ctx);

struct tenure_status {
	unsigned buckets[TENURE__STATES];
	/* Whose proof is waited for, names or ids, NUL-terminated; waits_n may be more than fit. */
	char waits[8][JOURNAL_NAME_TEXT];
	size_t waits_n;
	unsigned first_held; /* bucket; where some are held */
	uint64_t opened;     /* buckets, since the start */
	uint64_t lost;       /* entries of this broker that were missing and put into the repair area */
	uint64_t put_back;   /* entries that this broker put back into records, of any member */
	uint64_t held;       /* entries that did not fit */
	uint64_t late;       /* entries that came back after the bucket had been opened without them */
};
void tenure_status(const struct tenure *t, struct tenure_status *out);
const char *tenure_state_name(enum tenure_state state);

#endif
