/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: link keys that one record holds at a time, though each lies in another bucket than the record and no script
 * reaches both. README.md, "Claims", says why it holds; claim_code.h what the keys say; claim_take.h has the steps.
 *
 * The life of a commit that takes claims:
 *   claims_take()     each is put down as pending for this commit, fenced, and gathered in the journal
 *   claims_synced()   the journal is on disk: now the commit may be sent, under claims_tenure() and no other tenure
 *   the commit        refuses where its id was poisoned, else puts the claims into the record's set
 *   claims_settle()   pending becomes settled; or what it was, where the commit surely did not happen
 * A commit that only releases needs none of this: the set is the truth.
 *
 * What may go wrong, and what becomes of it:
 *   a broker dies, or its message is lost, before it put a claim down    nothing happened
 *   ... with claims put down, commit not sent        who comes next asks the holder's set, poisons the commit, takes it
 *   ... commit sent, fate unknown                    the same: in the set it is held; not in it, it is poisoned and can never be
 *   ... committed, not settled                       it is in the set, so it is held; the next change of the claim tidies up
 *   a message comes twice, or late                   it compares with a value that is gone for ever, or a tenure that is over
 *   two take one claim                               one compare-and-set succeeds; the other asks the set, gives a pending one
 *                                                    CLAIMS_PATIENCE_MS, and then poisons it: one of them gets it, never both
 *   a release races a take                           the set decides at one moment: held, or not held
 *   the claim's bucket loses a write in a failover   the journal puts it back before the bucket opens; without an entry in a
 *                                                    journal no commit was sent
 *   the record's bucket loses a poison               the commit is bound to the tenure from before the claims, which is over
 *   the record is held (its repair is not done)      nobody can say; UNAVAILABLE
 */
#ifndef CS_STORE_REDIS_CLAIMS_H
#define CS_STORE_REDIS_CLAIMS_H

#include "broker/store/redis/gate.h"
#include "broker/store/redis/layout.h"

struct claims;
struct claims_hold;
struct commit_image;
struct journal;

enum {
	CLAIMS_PATIENCE_MS = 300,   /* a pending claim is left alone so long: the commit it waits for takes a few ms */
	CLAIMS_AGAIN_MS = 20,       /* what has to wait is looked at again after that */
	CLAIMS_POISON_S = 86400,    /* far longer than any message can be under way */
};

/* Everything is borrowed, for as long as the claims live. */
struct claims_options {
	struct fleet *fleet;
	const struct layout *layout;
	struct journal *journal;
	const char *member;         /* as in the head's field "w:<member>" */
	struct gate gate;
	int64_t timeout_ms;         /* of all claims of one commit, or of one find */
};

struct claims *claims_new(const struct claims_options *o);
/* Nothing new is asked from here on; what waits ends. Then free the fleet, which ends the rest, then this. */
void claims_stop(struct claims *c);
/* Every hold must have been settled. */
void claims_free(struct claims *c);

/* Whether the commit takes any claim. */
bool claims_needed(const struct commit_image *image);

/*
 * CS_OK: all are put down and in the durable journal; hold goes to claims_settle(), once. Otherwise hold is NULL and nothing
 * is left of it that blocks anybody: CS_ERR_CONFLICT (another record holds one), CS_ERR_UNAVAILABLE, CS_ERR_FULL,
 * CS_ERR_CORRUPT. Completions run inside fleet_flush(), fleet_tick(), claims_synced(), claims_tick() or claims_stop().
 */
typedef void claims_taken_fn(void *ctx, enum cs_err err, struct claims_hold *hold);
void claims_take(struct claims *c, const struct commit_image *image, claims_taken_fn *done, void *ctx);

/* Of the record's bucket: what the commit must be asked under, the first time and every time. */
const char *claims_tenure(const struct claims_hold *hold);

enum claims_outcome {
	CLAIMS_COMMITTED,
	/* Surely, and for good: every copy that was ever sent was refused. */
	CLAIMS_NOT_COMMITTED,
	/* Also where a copy of it may be under way, or was asked and never answered. */
	CLAIMS_UNKNOWN,
};

typedef void claims_settled_fn(void *ctx);
/* Runs `done` in any case, perhaps at once: whether it could be written changes nothing about who holds what. */
void claims_settle(struct claims_hold *hold, enum claims_outcome outcome, claims_settled_fn *done, void *ctx);

/* As store_find(). It may run at once. */
void claims_find(struct claims *c, const struct store_key *claim, store_find_fn *done, void *ctx);

/* To be called after each sync of the journal, with what it gave, before the completions of that turn. */
void claims_synced(struct claims *c, enum cs_err err);
/* Returns in how many ms it wants to be called again; INT64_MAX: not before something is asked. Time is taken from here only. */
int64_t claims_tick(struct claims *c, int64_t now_mono_ms);

#endif
