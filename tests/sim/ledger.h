/* SPDX-License-Identifier: Apache-2.0 */
/* What the services were told, and whether the state agrees. */
#ifndef CS_TESTS_SIM_LEDGER_H
#define CS_TESTS_SIM_LEDGER_H

#include "tests/sim/accounts.h"

enum { LEDGER_PAYMENTS = 64 };  /* payment ids an account uses */

/* Told of one payment id: the most that was acknowledged. */
struct told {
	bool permitted, captured, released;
	int64_t amount, refunded;
	char hold[ID_TEXT_MAX];
	size_t hold_len;
};

struct ledger {
	struct person person;
	struct told told[LEDGER_PAYMENTS];
};

/* Decisions of the log that were decided again. */
extern uint64_t ledger_decided;

/* Holds the state in the store against the ledger, the log and the limits. The store must be honest. */
void ledger_check(struct world *w, const struct ledger *l);

#endif
