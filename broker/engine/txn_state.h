/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of transactions share: one account's turn, and what must be decided again when its commit meets a
 * conflict. For txn*.c only; what others may do with a transaction is in txn.h.
 */
#ifndef CS_ENGINE_TXN_STATE_H
#define CS_ENGINE_TXN_STATE_H

#include "broker/engine/call.h"
#include "broker/engine/place.h"
#include "broker/engine/txn.h"

enum {
	TXN_BUCKETS = 512,
	TXN_TRIES_MAX = 3,      /* commits of one call's decision; whoever loses three times answers Unavailable */
};

/* A call that waits for an account: for its load, for the commit before it, or until all so far is durable. */
struct waiting {
	struct call *call;
	txn_fn *fn;
	bool durable;
	unsigned tries;         /* as of an attempt */
	int64_t since_ms;       /* boot clock */
	struct waiting *next;
};

/* A call that was decided and whose outcome waits for the commit: what it takes to decide it again. */
struct attempt {
	struct call *call;      /* a copy from before its fn ran */
	txn_fn *fn;
	bool answered;
	struct call *waits;     /* not answered, but goes on after this commit: itself, in the queue */
	struct place *place;    /* of its reply; NULL: nobody reads it */
	unsigned tries;         /* commits that met a conflict */
	struct attempt *next;
};

/* What was found of payments that left the ring: of one call, a payment and a refund. */
enum { TXN_FOUND_MAX = 2 };

struct found {
	struct id id;
	enum cs_err err;
	size_t len;
	uint8_t summary[STORE_SUMMARY_MAX];
};

/* A payment that the store looks for. */
struct finding {
	struct txn *txn;            /* NULL: nobody waits any more */
	struct id id;
	bool at_once;
	struct finding *next, **at; /* of all: a store that died answers none of them */
};

struct txn {
	struct engine *engine;
	struct id key;
	uint64_t expected;          /* revision that was loaded */
	uint64_t revision;
	struct bytes hot, cold;     /* state after the events so far */
	struct bytes log;           /* event and extra bytes of this turn */
	size_t event_at[STORE_BATCH_MAX], extra_at[STORE_BATCH_MAX], end_at[STORE_BATCH_MAX];
	uint8_t types[STORE_BATCH_MAX];
	size_t events_n;
	struct store_claim claims[STORE_CLAIMS_MAX];
	size_t claims_n;
	struct store_payment payments[STORE_BATCH_MAX * 2];
	uint8_t (*summaries)[PAYMENT_BYTES_MAX]; /* as many; made when first needed */
	size_t payments_n;
	bool loaded, load_failed;   /* neither: the load is on its way */
	bool cold_changed, narrows, committing, listed;
	bool looked;                /* somebody rests on what was loaded, with or without events: shared stores are asked */
	struct notice_queued *notices; /* of its events */
	struct attempt *running;    /* of the call that is being decided */
	struct attempt *attempts, **attempts_end; /* of this batch, in order */
	struct attempt *again;      /* of a batch that met a conflict: decided before anything else */
	struct store_claim asking[STORE_CLAIMS_MAX]; /* claims of that batch */
	size_t asking_n;
	struct id taken[STORE_CLAIMS_MAX]; /* those of them that another account holds, or anybody where they are taken once */
	size_t taken_n;
	struct waiting *waiting, **waiting_end;
	struct finding *finding;    /* the first that waits asked for it: nothing is decided meanwhile */
	struct found *found;        /* TXN_FOUND_MAX; made when first needed */
	size_t found_n;
	struct txn *next;           /* in its bucket, or in the free list */
	struct txn *dirty_next;
};

struct txns {
	struct txn *buckets[TXN_BUCKETS];
	struct txn *free;
	struct txn *dirty;          /* with something to commit, or only loaded in this turn */
	struct attempt *free_attempts;
	struct finding *findings;
	size_t committing;
};

/* The store failed this account: who has waited for long hears so. */
void txn_fail_tired(struct txn *t);
struct txn *txn_find(struct txns *x, const struct id *key);
/* A new one, empty and not loaded, listed for this turn's end. */
struct txn *txn_take(struct engine *e, const struct id *key);
void txn_drop(struct txns *x, struct txn *t);
/* Back to not loaded: what was decided is forgotten, what waits stays. */
void txn_forget(struct txn *t);
/* At the next commit it is looked at. */
void txn_list(struct engine *e, struct txn *t);

/* Before fn runs. */
struct attempt *attempt_new(struct txns *x, struct call *call, txn_fn *fn, unsigned tries);
/* Without its place and its call's end, if that was taken from it. */
void attempt_free(struct txns *x, struct attempt *a);

/* txn.c: decides one call; it is released here where it was held and answered by `again`. */
void txn_decide(struct txn *t, struct call *call, txn_fn *fn, unsigned tries);
/* What one call may add must still fit: a handful of events, one claim. */
bool txn_full(const struct txn *t);
/* Runs what waits, as far as it may. */
void txn_go_on(struct txn *t);
/* The call goes on with fn before all others that wait. */
struct call *txn_wait_first(struct txn *t, struct call *call, txn_fn *fn);
/* Takes what was loaded; where that failed, answers what waits. */
void txn_loaded(struct txn *t, enum cs_err err, const struct store_record *record);

/* txn_find.c: nobody waits for what the store looks for; what was found is forgotten. */
void txn_found_forget(struct txn *t);
/* After a commit: what it changed of these is forgotten. */
void txn_found_changed(struct txn *t);

/* txn_again.c: the commit of these attempts failed: each is answered Unavailable, or stays in t->again. */
void attempts_failed(struct txn *t, enum cs_err err);
/* Loads the account, with what must be known besides, and decides t->again anew. */
void attempts_reload(struct txn *t);
/* Decides them, as far as they fit into one commit. */
void attempts_again(struct txn *t);

#endif
