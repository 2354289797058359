/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value of a claim's key. It does not say who holds the claim: it says whose set of claims is to be asked. Every change
 * compares with the whole value that was seen and makes the version one greater, and the key is never deleted: so no value
 * ever comes twice, a late or doubled message finds another value than it expects, and of two values the newer is known.
 *
 *   absent   nobody ever took it
 *   FREE     somebody tried; nobody ever had it
 *   PENDING  the commit with this id, of this record, may put it into the record's set, or has done so
 *   SETTLED  no commit is under way: it is held if the holder's set has it; else this was its last holder
 */
#ifndef CS_STORE_REDIS_CLAIM_CODE_H
#define CS_STORE_REDIS_CLAIM_CODE_H

#include "broker/store/redis/layout.h"

enum claim_state { CLAIM_FREE, CLAIM_PENDING, CLAIM_SETTLED, CLAIM_STATE__COUNT };

struct claim_value {
	uint64_t version;
	enum claim_state state;
	struct store_key holder;          /* PENDING, SETTLED; else zeros */
	uint8_t commit[LAYOUT_ID_BYTES];  /* that set it pending; else zeros */
	bool has_last;                    /* PENDING: somebody had it before */
	struct store_key last;
};

enum { CLAIM_BYTES = 8 + 1 + STORE_KEY_BYTES + LAYOUT_ID_BYTES + 1 + STORE_KEY_BYTES + 4 };

void claim_encode(uint8_t out[CLAIM_BYTES], const struct store_key *claim, const struct claim_value *in);
/* CS_ERR_NOT_FOUND: no bytes, which is how an absent key looks. CS_ERR_CORRUPT. */
enum cs_err claim_decode(struct view in, const struct store_key *claim, struct claim_value *out);

/* What a pending one becomes when its commit is done, or surely not done. */
struct claim_value claim_after(const struct claim_value *pending, bool committed);

#endif
