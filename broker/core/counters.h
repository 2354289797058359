/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters: what one payment counts in, and what they stand at. The days of the account and of the subject are always
 * kept; the rest where `needs` asks for it. decide() tries the very function that apply() runs, so that a full account is
 * denied before it is decided. Private to core.
 */
#ifndef CS_CORE_COUNTERS_H
#define CS_CORE_COUNTERS_H

#include "broker/core/account.h"

/*
 * Payees that an account is remembered to have paid. Beyond them the one that was paid longest ago is forgotten, and so
 * counts as new again: stricter, never wider.
 */
enum { COUNTER_KNOWN_MAX = 24 };

/* Buckets that together cover 24 hours at any minute: the running hour and the 24 before it. */
enum { COUNTER_HOURS_KEPT = 25 };

struct counting {
	const struct id *subject, *payee;
	uint32_t needs;
	uint16_t currency;
	bool countersigned;       /* then what counts since the last step-up begins anew */
	int32_t day, month;
	int64_t ms, amount_minor;
};

/* False where there is no room; then the counters are half changed. */
bool counters_add(struct counter *counters, uint8_t *n, const struct counting *k);
/* Whether counters_add() would find room. */
bool counters_room(const struct account *a, const struct counting *k);

/*
 * Gives an amount back where it was counted: by the payment's subject and by the whole account, in windows that still
 * run. Counts of payments stand, and so does what was counted for a payee, whom a hold does not name any more.
 */
void counters_give_back(struct account *a, const struct payment *p, int32_t day, int32_t month, int64_t amount_minor);

/* What was counted for one subject counts for another, beside what that has: never less. */
void counters_move(struct account *a, const struct id *from, const struct id *to);

/* What stands in one kind of counter of one owner: the sum in a currency, and the count over all. */
struct standing {
	int64_t minor;
	int64_t count;
};

/* Of COUNTER_YEAR, COUNTER_TOTAL, COUNTER_HOURS and COUNTER_STEPUP. */
struct standing counters_standing(const struct account *a, enum counter_kind kind, enum counter_of of,
    const struct id *owner, uint16_t currency, int32_t month, int64_t now_ms);
/* Of a payee's COUNTER_DAYS. */
void counters_payee_days(const struct account *a, const struct id *payee, uint16_t currency, int32_t day, int32_t month,
    struct standing *today, struct standing *this_month);
/* Whether the account is remembered to have paid this payee. */
bool counters_known(const struct account *a, const struct id *payee);

#endif
