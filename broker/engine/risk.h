/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of risk for a decision: the plugins that the service's stack names for the operation are asked before it, all
 * at once, each within its line's time. They give scores; what follows from a score is the stack's business. Whatever
 * goes wrong leaves the evidence without an answer, which the rule takes for `unavailable`.
 */
#ifndef CS_ENGINE_RISK_H
#define CS_ENGINE_RISK_H

#include "broker/engine/call.h"
#include "broker/engine/txn.h"

/* What is asked for, as far as the account does not say it. */
struct risk_question {
	uint64_t service;         /* tag: whose stack, and who asks */
	const struct id *session; /* of the account, or NULL */
	uint32_t link_no;         /* without a session: the link that it is about, or 0 */
	uint64_t provider;        /* tag, of a link that is not there yet; else 0 */
	uint16_t currency;        /* 0: no amount */
	int64_t amount_minor;
	struct view payee;        /* these three in the service's words; data NULL: none */
	struct view ip, device;
};

/* Whether any service asks before this operation: all that others pay. */
static inline bool
risk_any(const struct call *call, enum op op)
{
	return (call->engine->rules->risk_ops & 1U << op) != 0;
}

/*
 * True: the call waits for answers, and fn runs again for it, with the account as it is then, when all have answered or
 * their time is over; the caller must return at once and must not touch the call again. False: go on, call_asked() has
 * the evidence, if any. No plugin is asked twice for one operation of one call. Adds no event.
 */
bool risk_wait(const struct account *a, struct call *call, enum op op, const struct risk_question *q, txn_fn *fn);
/* The same for an operation of the account that moves no money. link_no: that it is about, or 0. */
bool risk_wait_operation(const struct account *a, struct call *call, enum op op, uint32_t link_no, txn_fn *fn);

#endif
