/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An account that nobody has, for `explain --config`: made by the events that would make it in earnest, through the
 * core's apply(), and asked with its decide(). No daemon, no store, no key.
 */
#ifndef CS_CTL_SUPPOSE_H
#define CS_CTL_SUPPOSE_H

#include "broker/core/decide.h"
#include "broker/engine/engine.h"

enum {
	SUPPOSE_PAYEE_MARK = 255, /* what the ids of payees begin with, and no other id that is given out here */
	SUPPOSE_THING = 1,        /* the tag of an address that no provider controls */
};

struct suppose {
	/* what is supposed; all cooling-off is over */
	const struct ruleset *rules;
	int64_t now_ms;
	const struct config_service *service;
	const struct policy_provider *provider; /* of the one link; NULL: no link */
	uint8_t kinds[FACTOR__COUNT];           /* one factor of each, enrolled in this order */
	size_t kinds_n;
	bool bound;                             /* they say of themselves what is best: no copies, an address of their own */
	enum op op;
	bool countersigned;                     /* the session was, once */
	bool allowance;                         /* of the session, open */
	int64_t per_payment_minor, per_day_minor, total_minor;
	struct id payee;                        /* as the stack's ids have it; zero: one that is not named there */
	bool payee_known;                       /* it was paid before, in windows that are over */
	int64_t spent_minor;                    /* today; by the allowance where it covers that */
	uint16_t currency;
	int64_t amount_minor;                   /* of the payment that is asked for */

	/* what suppose_account makes of it */
	struct account account;
	struct broker_state broker;
	struct request request;
	struct event event;
	uint8_t ids;                            /* given out */
};

/* Every member above the account must be set. Without a factor there is no account: it stays unknown. */
void suppose_account(struct suppose *s);

/* What would be decided; trace may be NULL. dry: no events, as in the daemon's Explain. */
void suppose_decide(const struct suppose *s, bool dry, struct decision_trace *trace, struct decision *d);

/* As the decision is asked. */
struct asked suppose_asked(const struct suppose *s);

#endif
