/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts that are ready to spend: a factor, a link, a session that was countersigned, an open allowance. */
#ifndef CS_TESTS_SIM_ACCOUNTS_H
#define CS_TESTS_SIM_ACCOUNTS_H

#include "broker/engine/ids.h"
#include "tests/sim/world.h"

struct person {
	struct id key, session;
	struct id_text session_text;
	char name[16];
};

/* Amounts in minor units (fen). */
enum { ALLOWANCE_EACH = 6000, ALLOWANCE_DAY = 25000, ALLOWANCE_TOTAL = 60000 };

void person_make(struct world *w, int number, struct person *p);

#endif
