/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: load, decide, commit, reply. Within one turn all that is asked of one account is decided in order on one
 * state and committed as one; a reply that rests on uncommitted events waits for their commit. An account whose commit is
 * on its way holds later requests back until it is known. Where the commit meets a conflict, the account is loaded again
 * and the same calls are decided again in the same order; whoever lost three times, and everybody where the commit fails
 * otherwise, is answered Unavailable.
 *
 * Where other brokers write the store too, the account may not be what this one remembers. So an answer without events waits
 * as well: for a commit that writes nothing and says whether the account is still at the revision that was looked at. One for
 * all that was asked in the turn; a conflict is decided again like any other.
 */
#ifndef CS_ENGINE_TXN_H
#define CS_ENGINE_TXN_H

#include "broker/engine/cold.h"
#include "broker/engine/engine.h"

struct notice_queued;
struct txn;

/* What one call may take and give back: the names of a link that is moved, or given up. */
enum { TXN_CLAIMS_OF_CALL = 2 };

/*
 * Whoever has waited for an account so long when the store fails it once more answers Unavailable: there may be many before it, and
 * each may take the store's whole time.
 */
enum { TXN_PATIENCE_MS = 3000 };

/*
 * Called with the account's state (of a new account: ACCOUNT_NONE). Inside, txn_event() adds events; the state that `a`
 * points to moves with them. call is the one given to txn_run(), or a copy of it if the load had to wait. It may be called
 * again with the call's memory as it was before, so it changes nothing else that the next try would miss: see call_after().
 * It answers, or adds no event and waits for somebody, or asks for txn_then().
 */
typedef void txn_fn(struct txn *t, struct account *a, struct call *call);

/*
 * True: fn ran; a call that was held is still the caller's to release. False: the call waits, and is released here once it
 * is answered: it must not be touched any more. It is answered with Unavailable where the account cannot be loaded.
 */
bool txn_run(struct engine *e, const struct id *key, struct call *call, txn_fn *fn);
/* The same for a call that is held already: releases it as soon as it is answered. fn must not release it. */
void txn_run_held(struct engine *e, const struct id *key, struct call *call, txn_fn *fn);

/* An event that was decided on the state as it is: chained, encoded, applied. extra may be NULL. */
void txn_event(struct txn *t, struct account *a, struct event *ev, struct extra *extra);
/* All of a decision's events; the extra goes with the first. */
void txn_decision(struct txn *t, struct account *a, struct decision *d, struct extra *extra);
/* Takes or gives back a unique link key with this transaction's commit. */
void txn_claim(struct txn *t, const struct id *claim, bool release);
/* Takes one that is taken once in all time: where anybody holds it already, this account too, the commit is a conflict. */
void txn_claim_once(struct txn *t, const struct id *claim);
/* Whether it has events that are not committed. */
bool txn_pending(const struct txn *t);
/* The account's cold state as of the events so far. */
struct view txn_cold(const struct txn *t);
/*
 * A payment or refund that left the account's ring with an event of this transaction: the store does not know it yet.
 * Its summary, or data NULL.
 */
struct view txn_left(const struct txn *t, const struct id *id);
/*
 * What the store has of a payment or refund that left the ring, as of the account's state here. False: the store answers
 * later; the call waits, and fn runs for it again; the caller returns at once and does not touch the call again. *err:
 * CS_OK with the summary, until the transaction goes on; CS_ERR_NOT_FOUND, or why it cannot be told.
 */
bool txn_find_payment(struct txn *t, struct call *call, const struct id *id, txn_fn *fn, struct view *summary, enum cs_err *err);
/* Takes a notice, which goes to its plugin when the events so far are committed, and is dropped where they are not. */
void txn_notice(struct txn *t, struct notice_queued *notice);
/* A revision that takes power away, for the store's reserve. */
void txn_narrows(struct txn *t);

/*
 * The call goes on with fn, in a transaction of its own, once all events so far are durable: for what must not be asked
 * of others before. Instead of an answer; where txn_pending().
 */
void txn_then(struct txn *t, struct call *call, txn_fn *fn);
/*
 * For what is concluded from the account without an answer or an event. True: the call goes on with fn once the store has said
 * that the account is as it is here; a conflict is decided again. False: nobody else writes the store, it is so.
 */
bool txn_sure(struct txn *t, struct call *call, txn_fn *fn);
/* The commit before met a conflict, and another account holds this link key; or anybody, where it is taken once. */
bool txn_taken(const struct txn *t, const struct id *claim);

/* The call was answered, in the stream's out from `start`: that waits while the transaction has uncommitted events. */
void txn_reply(struct txn *t, struct call *call, size_t start);

struct txns *txns_new(void);
void txns_free(struct txns *x);
/* End of a turn: commits what is dirty, flushes the store. */
void txns_commit(struct engine *e);
bool txns_busy(const struct engine *e);
/* The next commit has something to do. */
bool txns_listed(const struct engine *e);

#endif
