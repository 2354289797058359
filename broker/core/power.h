/* SPDX-License-Identifier: Apache-2.0 */
/* What the decisions on everything but payments begin with, and how they are countersigned; private to core. */
#ifndef CS_CORE_POWER_H
#define CS_CORE_POWER_H

#include "broker/core/inquiry.h"

void power_begin(struct inquiry *q, const struct asked *asked, const struct account *a, struct decision *d);
bool power_service_may(const struct inquiry *q, uint32_t right);
/* Asks decide(); true on a permit, with the serial of the challenge that gave it. Else d is the answer. */
bool power_guarded(const struct asked *asked, const struct account *a, const struct request *r, struct decision *d,
    uint32_t *challenge_no);
/* Names the countersignature in the event that uses it up, its factors, and whether it rests on the admin's word. */
void power_signed(struct event *e, const struct account *a, uint32_t challenge_no, const struct decision *d);

#endif
