/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How one record takes one claim for one commit, as a value: it says what to ask next and is told the answers. No I/O,
 * so that a test can walk through every interleaving. README.md, "Claims", says why it is right; in short:
 *
 *   At any time, whatever commit may still put the claim into a set is the one that the claim's value names (PENDING), and
 *   whichever set has it is that of the value's holder. A value is replaced only when its commit is surely over (SETTLED,
 *   or done, or poisoned in the bucket of its record) and its holder does not have the claim or is the taker itself.
 *
 * An answer that got lost: ask the same again. What may stop it for good is a claim that another record holds.
 */
#ifndef CS_STORE_REDIS_CLAIM_TAKE_H
#define CS_STORE_REDIS_CLAIM_TAKE_H

#include "broker/store/redis/claim_code.h"

enum claim_ask {
	CLAIM_ASK_CAS,     /* claim_cas: from claim_take_seen() to `mine` */
	CLAIM_ASK_VERIFY,  /* claim_verify: of `holder`, with `poison` */
	CLAIM_ASK_WAIT,    /* the other commit has time to end */
	CLAIM_TAKEN,       /* `mine` stands; once it is in the journal the commit may be sent */
	CLAIM_REFUSED,     /* another record holds it */
};

/* As claim_verify.lua has it. */
enum claim_poison { CLAIM_POISON_NEVER, CLAIM_POISON_UNLESS_HELD, CLAIM_POISON_ALWAYS };

struct claim_take {
	struct store_key claim, record;
	uint8_t commit[LAYOUT_ID_BYTES];
	enum claim_ask ask;
	struct claim_value now;           /* what was seen last; version 0: absent */
	struct claim_value mine;
	uint8_t seen[CLAIM_BYTES];        /* encoded `now` */
	size_t seen_n;                    /* 0: absent */
	enum claim_poison poison;
	bool waited;                      /* `now` was given its time */
	bool look;                        /* what is there may have changed: compares with an absent key, and so is told */
};

void claim_take_begin(struct claim_take *t, const struct store_key *claim, const struct store_key *record,
    const uint8_t commit[LAYOUT_ID_BYTES]);
struct view claim_take_seen(const struct claim_take *t);
/* done: the value was set (or stood already); else `now` is what is there. CS_ERR_CORRUPT: it is no claim's value. */
enum cs_err claim_take_cas_told(struct claim_take *t, bool done, struct view now);
void claim_take_verify_told(struct claim_take *t, bool holds);
/* After a CLAIM_ASK_WAIT. enough: the same value was there for as long as a commit may take. */
void claim_take_waited(struct claim_take *t, bool enough);

#endif
