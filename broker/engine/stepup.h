/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Step-up as the interfaces and the pages share it: opening a challenge with its card, showing the card, taking an answer,
 * taking the user's no.
 */
#ifndef CS_ENGINE_STEPUP_H
#define CS_ENGINE_STEPUP_H

#include "broker/engine/answer.h"
#include "broker/engine/texts.h"
#include "broker/engine/txn.h"

/*
 * Adds the events of a decision that is no permit: with a new challenge what its card shows (TEXT_WHAT, TEXT_WORST_CASE,
 * TEXT_PAYEE_ID, TEXT_LABEL, TEXT_RETURN_URL, ...), else the denial.
 */
void stepup_open(struct txn *t, struct account *a, struct call *call, struct decision *d, struct texts *card);
/* outcome, reason, and the challenge where there is one. */
void stepup_outcome(struct json_writer *w, struct call *call, const struct account *a, const struct decision *d,
    struct view return_url);

/* "open", "done", "used", "locked", "refused", "expired". */
const char *stepup_state(const struct engine *e, const struct account *a, const struct challenge *c);
bool stepup_open_now(const struct engine *e, const struct account *a, const struct challenge *c);
/* "card", "steps", "state", "attempts_left". */
void stepup_write(struct json_writer *w, struct call *call, struct txn *t, const struct account *a,
    const struct challenge *c);
enum { STEPUP_ANSWERS_MAX = 4 };

/* In the memory of a call that answers or refuses a challenge; pages put their own behind it. */
struct stepup {
	struct id key, id;          /* account and challenge */
	bool any_service;           /* a page: it was opened for this very challenge */
	bool report;
	struct {
		struct view step, value;
	} answers[STEPUP_ANSWERS_MAX];
	size_t answers_n, at;
	/* while a worker looks at answer `at` */
	struct id factor;
	int64_t asked_ms;
	bool asking, yes;
	int64_t step;
	/* what a page adds to the reply: given the challenge's state */
	void (*more)(struct json_writer *w, struct call *call, struct view state);
};

/* Reads the array of answers; answers InvalidParameter itself. */
bool stepup_read_answers(struct call *call, uint32_t array, struct stepup *s);
/* Answers the call, now or later. */
void stepup_answer(struct call *call);
void stepup_no(struct call *call);
/* What a decision on an answer needs: a page answers for the service whose challenge it is. */
void stepup_asked(struct call *call, const struct challenge *c, struct asked *asked);
/* Reads a call whose only parameter is a challenge into its memory; answers the call itself where it is none. */
bool stepup_named(struct call *call);
/* The challenge, if this call may see it; answers NotFound itself. */
const struct challenge *stepup_find(struct call *call, const struct account *a, const struct stepup *s);

#endif
