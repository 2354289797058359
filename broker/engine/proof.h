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
	PROOF_CODE_MAX = 64,               /* what people type: a code */
	PROOF_TEXT_MAX = 512,              /* the same: a password, or the answers to several prompts */
	PROOF_CHALLENGE_BYTES = 48,
	PROOF_CHALLENGE_TEXT = PROOF_CHALLENGE_BYTES / 3 * 4,
};

/* What a plugin said of an answer. Views and tokens are of its message. */
struct verdict {
	bool yes;
	bool more;              /* right so far: state and steps are there; yes is false */
	int64_t step;
	struct view secret;     /* base64url: what is kept from now on; of an enrolment alone, else absent */
	uint32_t rests_on;      /* the array of what the factor rests on, or 0; of an enrolment alone */
	struct view state;      /* base64url: what the next answer is given with */
	uint32_t steps;         /* the array of what is asked next, or 0 */
};

/* An answer, and all that it is judged by. */
struct proof_question {
	enum factor_kind kind;
	struct view secret, answer;
	int64_t last_step;                  /* the newest step used */
	const struct challenge *challenge;  /* NULL: the answer ends an enrolment */
	struct view card;                   /* of the challenge, as card_write() has it */
	struct view state;                  /* what was left of a prompt that was begun; data NULL: nothing */
	uint8_t number;                     /* of an approval: the one that was shown elsewhere; else 0 */
};

/*
 * What a factor that signs must have signed: the challenge's id (16 bytes), which is random and used once, then SHA-256 of
 * its content (the digest of what it is for), the card's bytes and, where it is above 0, the number (one byte). So what is
 * signed is what was shown.
 */
void proof_challenge(const struct challenge *c, struct view card, uint8_t number, uint8_t to[PROOF_CHALLENGE_BYTES]);
/* The same as base64url: PROOF_CHALLENGE_TEXT characters. */
void proof_challenge_text(const struct challenge *c, struct view card, uint8_t number, char to[PROOF_CHALLENGE_TEXT]);

/* What the factor's plugin says of itself; until it was heard, what plugins of this kind do. */
struct worker_said proof_said(const struct engine *e, enum factor_kind kind);

/* What is longer is no answer of this kind: the caller says so, and nothing is counted. */
bool proof_answer_fits(enum factor_kind kind, struct view answer);

/* A setting of the factor, or `otherwise`. */
const char *proof_setting(const struct engine *e, enum factor_kind kind, const char *name, const char *otherwise);

/* Asks the factor's plugin. done as for workers_ask(). */
void proof_ask(struct engine *e, const struct proof_question *q, worker_done_fn *done, void *ctx);
/* Asks it to make itself ready for an answer: q without one. number: 1 the first time for this challenge. */
void proof_begin(struct engine *e, const struct proof_question *q, struct view language, int64_t number,
    worker_done_fn *done, void *ctx);
/* CS_OK with the verdict, a plugin's refusal being a no; CS_ERR_UNAVAILABLE. */
enum cs_err proof_verdict(const struct worker_result *result, struct verdict *v);
/*
 * The engine's own look at a yes. asked_ms: the time when the plugin was asked. False where the answer is wrong. For a
 * kind that the engine cannot verify the plugin's yes stands (and counts only up to the trusted-factor-limit).
 */
bool proof_again(const struct engine *e, const struct proof_question *q, const struct verdict *v, int64_t asked_ms);

#endif
