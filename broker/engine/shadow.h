/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadow mode: a candidate policy beside the live one. Whatever was decided and recorded is decided again by the
 * candidate, on the same account and by the core's own function; nothing comes of it but a count. So the counts are those
 * that `countersignctl replay` would give, for as long as it runs. The live answer is made before and never waits: where
 * the candidate differs is remembered by service, operation and the two reasons, and written once a second at most.
 */
#ifndef CS_ENGINE_SHADOW_H
#define CS_ENGINE_SHADOW_H

#include "broker/base/json.h"
#include "broker/engine/engine.h"

struct shadow;

/* Takes config->shadow over on success; *out is NULL where there is none. *why names the candidate's file. */
enum cs_err shadow_new(struct config *config, struct shadow **out, char why[256]);
void shadow_free(struct shadow *s);
/* As ruleset_payees(). s may be NULL. */
void shadow_payees(struct shadow *s, const struct keyring *keys);

/* An event that is about to be applied to this account. Only where e->shadow is not NULL. */
void shadow_look(struct engine *e, const struct account *before, const struct event *ev);
/* What the candidate sees of the broker, after a change of the broker's record. */
void shadow_publish(struct engine *e);

void shadow_tick(struct engine *e);
/* Everything that was counted and not written: before it ends, or gives its place to another. */
void shadow_write_all(struct engine *e);

/* A member "shadow" of the object, where there is one. */
void shadow_status(struct json_writer *w, const struct engine *e);

#endif
