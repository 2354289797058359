/* SPDX-License-Identifier: Apache-2.0 */
/* What the enrolment page shows: a secret to keep, a passkey to make, the proof that it works; and how it ended. */
#ifndef CS_GATEWAY_ENROL_CARD_H
#define CS_GATEWAY_ENROL_CARD_H

#include "broker/gateway/html.h"

enum enrol_news { ENROL_FIRST, ENROL_MORE, ENROL_WRONG, ENROL_EMPTY, ENROL_TWICE };

/* From a reply of EnrolOpen whose state is "open". */
void enrol_card_write(struct page *p, const struct exchange_result *r, struct view cookie, enum enrol_news news);
/* From a reply of EnrolAnswer whose state is "done". */
void enrol_done_write(struct page *p, const struct exchange_result *r);

#endif
