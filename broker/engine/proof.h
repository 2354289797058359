/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this the right answer of a factor? Its plugin is asked, and where the engine can it verifies again by itself, so
 * that a plugin that lies can refuse an answer but never make a wrong one right.
 */
#ifndef CS_ENGINE_PROOF_H
#define CS_ENGINE_PROOF_H

#include "broker/engine/workers.h"

enum { PROOF_ANSWER_MAX = 64 };

/* What a plugin said of an answer. */
struct verdict {
	bool yes;
	int64_t step;
};

/* A setting of the factor, or `otherwise`. */
const char *proof_setting(const struct engine *e, enum factor_kind kind, const char *name, const char *otherwise);

/* Asks the factor's plugin to verify; last_step: the newest step used. done as for workers_ask(). */
void proof_ask(struct engine *e, enum factor_kind kind, struct view secret, struct view answer, int64_t last_step,
    worker_done_fn *done, void *ctx);
/* CS_OK with the verdict, a plugin's refusal being a no; CS_ERR_UNAVAILABLE. */
enum cs_err proof_verdict(const struct worker_result *result, struct verdict *v);
/*
 * The engine's own look at a yes. asked_ms: the time when the plugin was asked. False where the answer is wrong. For a
 * kind that the engine cannot verify the plugin's yes stands (and counts only up to the trusted-factor-limit).
 */
bool proof_again(const struct engine *e, enum factor_kind kind, struct view secret, struct view answer,
    const struct verdict *v, int64_t asked_ms);

#endif
