/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of an enrolment, as its plugin gave them: numbered from 1, and what the user answers them with. */
#ifndef CS_ENGINE_ENROL_STEP_H
#define CS_ENGINE_ENROL_STEP_H

#include "broker/base/json.h"
#include "broker/engine/stepup.h"

enum { ENROL_STEPS_MAX = 4 };

/* "steps": [{id, type, label, ...}] */
void enrol_steps_write(struct json_writer *w, const struct json *doc, uint32_t steps);
/* A mask of those that take an answer, bit 0 for number 1; 0 where there is none, or too many steps. */
uint8_t enrol_steps_asking(const struct json *doc, uint32_t steps);
/*
 * The answers to all of them as the plugin takes them: of several a line each, in the order of the steps. False where
 * one is missing or there is one too many; `given` holds the bytes.
 */
bool enrol_steps_answer(struct stepup *given, uint8_t asking, struct view *answer);

#endif
