/* SPDX-License-Identifier: Apache-2.0 */
/* What a challenge asks for: its steps, one for each factor that may answer now. */
#ifndef CS_ENGINE_PROMPT_H
#define CS_ENGINE_PROMPT_H

#include "broker/engine/answer.h"
#include "broker/engine/txn.h"

/* "steps": [...] */
void prompt_steps(struct json_writer *w, struct call *call, struct txn *t, const struct account *a,
    const struct challenge *c);
/* "credential": the id of the factor's passkey: the browser asks for no other. */
void prompt_credential(struct json_writer *w, const struct engine *e, const struct account *a, struct view cold,
    const struct factor *f);
/*
 * How often one may still be wrong before this challenge ends or the last factor that may answer is locked; where several
 * factors are needed, how many rounds of theirs.
 */
int prompt_attempts_left(const struct engine *e, const struct account *a, const struct challenge *c);
/* Factors that must still answer, at least 1. */
int prompt_missing(const struct challenge *c);
/* Changes with every answer that counts, right or wrong: an answer that names an older one was sent twice. Above 0. */
int prompt_round(const struct challenge *c);

#endif
