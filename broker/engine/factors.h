/* SPDX-License-Identifier: Apache-2.0 */
/* What the methods of org.countersign.Factors share: enrol.c begins and ends enrolments, factors.c does all else. */
#ifndef CS_ENGINE_FACTORS_H
#define CS_ENGINE_FACTORS_H

#include "broker/engine/answer.h"

struct texts;

enum { FACTOR_CARD_TEXT_MAX = 128 };

/* A completed challenge that the caller names: of this account, or it does not exist. False: the call is answered. */
bool factor_read_challenge(struct call *call, struct view text, const struct id *key, struct id *challenge);
/* The challenge (zero: none) exists and is this service's; else the call is answered. */
bool factor_own_challenge(struct call *call, const struct account *a, const struct id *challenge);
/* What the card of a factor's challenge shows: what happens, and to which factor. The card borrows `text`. */
void factor_card(struct texts *card, const char *what, enum factor_kind kind, struct view label,
    char text[FACTOR_CARD_TEXT_MAX]);
/* The factor as an object; label may be absent. */
void answer_factor(struct json_writer *w, struct call *call, const struct account *a, const struct factor *f,
    struct view label);

#endif
