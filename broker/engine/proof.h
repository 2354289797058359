/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this the right answer of a factor? Its plugin is asked, and where the engine can it verifies again by itself, so
 * that a plugin that lies can refuse an answer but never make a wrong one right.
 */
#ifndef CS_ENGINE_PROOF_H
#define CS_ENGINE_PROOF_H

#include "broker/engine/workers.h"

enum {
	PROOF_ANSWER_MAX = 12 * 1024,      /* a new passkey with the certificates of its maker */
	PROOF_CODE_MAX = 64,               /* what people type */
	PROOF_CHALLENGE_BYTES = 48,
	PROOF_CHALLENGE_TEXT = PROOF_CHALLENGE_BYTES / 3 * 4,
};

/* What a plugin said of an answer. */
struct verdict {
	bool yes;
	int64_t step;
	struct view secret;     /* base64url: what is kept from now on; of an enrolment alone, else absent */
};

/*
 * What a factor that signs must have signed: the challenge's id, which is random and used once, then its content, the
 * digest of what its card shows and of what it is for. base64url, PROOF_CHALLENGE_TEXT characters.
 */
void proof_challenge(const struct challenge *c, char to[PROOF_CHALLENGE_TEXT]);

/* What is longer is no answer of this kind: the caller says so, and nothing is counted. */
bool proof_answer_fits(enum factor_kind kind, struct view answer);

/* A setting of the factor, or `otherwise`. */
const char *proof_setting(const struct engine *e, enum factor_kind kind, const char *name, const char *otherwise);

/*
 * Asks the factor's plugin to verify an answer to c, or to an enrolment (NULL); last_step: the newest step used. done as
 * for workers_ask().
 */
void proof_ask(struct engine *e, enum factor_kind kind, struct view secret, struct view answer, int64_t last_step,
    const struct challenge *c, worker_done_fn *done, void *ctx);
/* CS_OK with the verdict, a plugin's refusal being a no; CS_ERR_UNAVAILABLE. */
enum cs_err proof_verdict(const struct worker_result *result, struct verdict *v);
/*
 * The engine's own look at a yes. asked_ms: the time when the plugin was asked. False where the answer is wrong. For a
 * kind that the engine cannot verify the plugin's yes stands (and counts only up to the trusted-factor-limit).
 */
bool proof_again(const struct engine *e, enum factor_kind kind, struct view secret, struct view answer,
    const struct verdict *v, int64_t asked_ms);

#endif
