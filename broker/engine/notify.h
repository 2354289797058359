/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices: what was decided, told to the notify plugins that a line of the stack named. They leave when the decision's
 * events are committed, never before, and nobody waits for them: what does not fit a plugin's queue or is not delivered
 * in time is lost, counted and logged. At most once; the log of events is the truth.
 */
#ifndef CS_ENGINE_NOTIFY_H
#define CS_ENGINE_NOTIFY_H

#include "broker/engine/txn.h"

/* What a notice tells beside the decision; views are copied. */
struct notice {
	enum op op;
	uint64_t service;         /* tag: whose stack decided; 0: the caller's */
	uint64_t provider;        /* tag; 0: none */
	uint16_t currency;        /* 0: no payment */
	int64_t amount_minor;
	struct view payment, payee; /* ids in the service's words */
};

/* After the decision's events were added; nothing where it has none, or names nobody. */
void notify_decision(struct txn *t, const struct account *a, struct call *call, const struct notice *n,
    const struct decision *d);
/* The same of an operation of the account that moves no money. */
void notify_operation(struct txn *t, const struct account *a, struct call *call, enum op op, const struct decision *d);

/* A transaction's notices, in order. */
struct notice_queued;
/*
 * One for a factor's Tell, to be added with txn_notice(). *parameters takes the call's parameters as a JSON object, the
 * factor's secret among them; wiped with it.
 */
struct notice_queued *notify_tell(const char *kind, struct buf **parameters);
/* They are committed: to the plugins with them. *list is NULL afterwards. */
void notify_send(struct engine *e, struct notice_queued **list);
/* They are not. */
void notify_drop(struct notice_queued **list);
void notify_append(struct notice_queued **list, struct notice_queued *q);

#endif
