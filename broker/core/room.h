/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which place a new thing takes in a full account. Pending and finished things give theirs to new
 * ones, oldest first; what is in force never does. decide() asks here whether there is a place and
 * apply() takes it, so that the two agree.
 */
#ifndef CS_CORE_ROOM_H
#define CS_CORE_ROOM_H

#include "broker/core/account.h"

/* Index of the entry that goes, the array's count where a place is free, or -1: there is no room.
 */
int room_factor(const struct account *a);
/* An older proposal of the same subject goes first. */
int room_link(const struct account *a, const struct id *subject);
/* The very same is replaced; else that of a link that is only proposed. */
int room_fact(const struct account *a, const struct fact *f);
/* Open, or done and to be redeemed, as far as the account itself knows. */
bool challenge_kept(const struct challenge *c, int64_t now_ms);
int room_challenge(const struct account *a, int64_t time_ms);

/* Whether one link's freeze finds a place that is not kept for freezes of the whole account. */
bool room_freeze(const struct account *a);

#endif
