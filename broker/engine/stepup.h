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

enum {
	STEPUP_ANSWERS_MAX = 4,
	STEPUP_JOINED_MAX = 512,    /* bytes of all answers that have several parts, as PROOF_TEXT_MAX */
};

/* One answer, and what became of it while the call lasts. */
struct stepup_answer {
	struct view step, value;
	uint8_t parts;              /* how many it was made of; the value is the only one's */
	uint8_t prompts;            /* mask of the prompts that they are for */
	uint16_t joined_at, joined_len; /* of several parts: where they are, as lines */
	struct id factor;
	int64_t asked_ms;           /* when its plugin was asked */
	int64_t last_step;          /* the newest step or counter, as it was told then */
	bool yes;                   /* what that said */
	uint64_t server;            /* which of its servers */
	bool kept;                  /* of a conversation that was over before: yes is what came of it */
	int64_t step_no;
};

/* In the memory of a call that answers or refuses a challenge; pages put their own behind it. */
struct stepup {
	struct id key, id;          /* account and challenge */
	bool any_service;           /* a page: it was opened for this very challenge */
	bool report;
	bool asking;                /* a worker is being asked at this moment */
	bool whole;                 /* with these answers all that is needed was given */
	bool closed;                /* the answers ended the challenge */
	bool device;                /* the owner's own device answers, for a factor that approves: it counts whenever it comes */
	int64_t round;              /* that the answers are for; 0: not said */
	bool stale;                 /* it was another round's: nothing was counted */
	struct view step, language; /* of Begin */
	struct stepup_answer answers[STEPUP_ANSWERS_MAX];
	size_t answers_n, at;       /* at: the one that a worker looks at */
	char joined[STEPUP_JOINED_MAX];
	uint16_t joined_len;
	/* what a page adds to the reply: given the challenge's state */
	void (*more)(struct json_writer *w, struct call *call, struct view state);
};

/* Reads the array of answers; answers InvalidParameter itself. */
bool stepup_read_answers(struct call *call, uint32_t array, struct stepup *s);
/* Answer i as its plugin is given it. */
struct view stepup_value(const struct stepup *s, size_t i);
/* "state", "reason", "steps" of one that is open, "attempts_left", "round", "retry_after_ms" where it is above 0. */
void stepup_reply(struct call *call, struct txn *t, const struct account *a, enum reason reason, int64_t retry_after_ms);
/* The factor that a step names; answers NotFound itself. */
const struct factor *stepup_factor(struct call *call, const struct account *a, struct view step, struct id *id);
/* Answers the call, now or later. */
void stepup_answer(struct call *call);
/* The same of a call that is held, within a transaction of its account. */
void stepup_answer_txn(struct txn *t, struct account *a, struct call *call);
/* Makes the factor of s->step ready. */
void stepup_begin_step(struct call *call);
void stepup_no(struct call *call);
/* The same within a transaction of its account. */
void stepup_no_txn(struct txn *t, struct account *a, struct call *call);
/* What a decision on an answer needs: a page answers for the service whose challenge it is. */
void stepup_asked(struct call *call, const struct challenge *c, struct asked *asked);
/* Reads a call whose only parameter is a challenge into its memory; answers the call itself where it is none. */
bool stepup_named(struct call *call);
/* The challenge, if this call may see it; answers NotFound itself. */
const struct challenge *stepup_find(struct call *call, const struct account *a, const struct stepup *s);

#endif
