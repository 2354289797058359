/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that several answers share: outcome, hold, challenge, detail, trace, times and amounts. */
#ifndef CS_ENGINE_ANSWER_H
#define CS_ENGINE_ANSWER_H

#include "broker/engine/call.h"

void answer_outcome(struct json_writer *w, const struct decision *d);
void answer_time(struct json_writer *w, const char *name, int64_t ms);
/* "20.00" */
void answer_amount(struct json_writer *w, const char *name, int64_t minor, uint16_t currency);
void answer_currency(struct json_writer *w, const char *name, uint16_t currency);
void answer_id(struct json_writer *w, const char *name, enum id_kind kind, const struct account *a, const struct id *id);
/* "hold": {...} */
void answer_hold(struct json_writer *w, const struct account *a, const struct payment *p);
/* "challenge": {...} with a fresh page where there is a gateway. return_url may be empty. */
void answer_challenge(struct json_writer *w, struct call *call, const struct account *a, const struct challenge *c,
    struct view return_url);
void answer_kinds(struct json_writer *w, const char *name, const struct account *a, uint8_t kinds);
void answer_detail(struct json_writer *w, const struct account *a, const struct decision *d);
/* "explain": [...] */
/* For a service that may ask why: explain, mend and notes. asked->trace holds what was decided on this account. */
void answer_explain(struct json_writer *w, const struct call *call, const struct asked *asked, const struct account *a,
    const struct request *r, const struct decision *d);
/* A member with the names of the notes in the mask. */
void answer_notes(struct json_writer *w, uint32_t notes);

/* The challenge that a step_up decision is about; never NULL then. */
const struct challenge *challenge_of(const struct account *a, const struct decision *d);

/* An id from outside: 1 to 128 bytes of printable UTF-8 (JSON_F_ID with these bounds). */
enum { OUTSIDE_ID_MAX = 128, OUTSIDE_NAME_MAX = 128 };

/* The account's key from the realm's own id. */
struct id account_key_of(const struct engine *e, struct view account);

/* Whether the calling service's configuration has this return URL, exactly. None (data NULL) is fine. */
bool return_url_known(const struct call *call, struct view url);

#endif
