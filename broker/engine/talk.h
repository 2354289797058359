/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prompts that were begun: what a factor's plugin left when it sent a code or opened a conversation, until the challenge
 * is over. In memory only, and wiped: after a restart the user asks for another code. What costs the owner money or
 * patience has limits, of a challenge and of an account's day.
 */
#ifndef CS_ENGINE_TALK_H
#define CS_ENGINE_TALK_H

#include "broker/engine/engine.h"

enum {
	TALKS_MAX = 8192,                 /* about three kilobytes each */
	TALK_STATE_MAX = 1024,            /* bytes, as a worker has it */
	TALK_DESTINATION_MAX = 128,
	TALK_PROMPTS_MAX = 12 * 1024,     /* JSON of four steps of 2 KiB, some of it escaped */
	TALK_PROMPTS = 4,
	TALK_SENDS_MAX = 4,               /* codes sent for one challenge */
	TALK_BEGINS_MAX = 8,              /* conversations opened for one challenge: each may end in a wrong answer */
	TALK_OPEN_MS = 15 * 60 * 1000,    /* of one that nobody began: longer than a challenge is open */
	TALK_TURNS_MAX = 8,               /* answers within one conversation that are not its last */
	TALK_SENDS_DAY_MAX = 12,          /* codes sent for one account on one day */
	TALK_WARNS_DAY_MAX = 4,           /* warnings of one day that anybody with a linked ID can cause: more are noise */
};

enum talk_verdict {
	TALK_OPEN,
	TALK_RIGHT,     /* said to nobody until the answers of the other factors are there */
	TALK_WRONG,
};

struct talk {
	struct id account, challenge, factor;
	uint8_t state[TALK_STATE_MAX];
	size_t state_len;                 /* 0: not begun, or over */
	char destination[TALK_DESTINATION_MAX + 1];
	struct bytes prompts;             /* JSON: the array of what is asked */
	uint8_t asks;                     /* how many of them take an answer */
	char type[16];                    /* of the first of those */
	bool sends;
	bool busy;                        /* its plugin is being asked to begin */
	uint8_t number;                   /* how often it was begun */
	uint8_t turns;
	uint8_t verdict;                  /* enum talk_verdict */
	int64_t step;                     /* of a verdict */
	int64_t next_ms;                  /* boot clock: it is not begun again before */
	int64_t expires_ms;               /* wall clock: of what was sent */
	int64_t ends_ms;                  /* wall clock: with the challenge */
	struct talk *next;
};

struct talks *talks_new(void);
void talks_free(struct talks *all);
void talks_tick(struct engine *e);

/* NULL where this factor was not asked to begin this challenge, or what it left is over. */
struct talk *talk_find(const struct engine *e, const struct id *challenge, const struct id *factor);
/* Begun, and what was sent is still good: an answer may be given. */
bool talk_begun(const struct engine *e, const struct talk *talk);

/*
 * Counts one more beginning. NULL: not now. *wait_ms: until it may be asked for again; 0: not again for this challenge or
 * on this day.
 */
struct talk *talk_begin(struct engine *e, const struct id *account, const struct challenge *c, const struct id *factor,
    bool sends, int64_t *wait_ms);
/* Counts one more code that is sent, outside of challenges; false: not on this day. */
bool talk_sends(struct engine *e, const struct id *account);
/* The same of warnings. */
bool talk_warns(struct engine *e, const struct id *account);
/*
 * Of a factor that need not be begun, and asks for something by itself: a typing error, to be looked at again. NULL: there
 * is no room.
 */
struct talk *talk_open(struct engine *e, const struct id *account, const struct id *challenge, const struct id *factor);
/* The plugin could not. It counts all the same, since nobody knows what was sent; it may be tried again soon. */
void talk_failed(struct engine *e, struct talk *talk);
/* Milliseconds until it may be begun again; 0: at once. */
int64_t talk_wait_ms(const struct engine *e, const struct talk *talk);
/* How often it may still be begun. */
int talk_left(const struct talk *talk);

/* What the plugin said: `steps` of a Begin or a Verify, as JSON. False where there is nothing to answer. */
bool talk_prompts(struct talk *talk, const struct json *doc, uint32_t steps);
void talk_state(struct talk *talk, const uint8_t *state, size_t len);
/* A conversation is over: its state is wiped, its count stays. */
void talk_over(struct talk *talk);
/* Of a challenge that is over. */
void talk_end_all(struct engine *e, const struct id *challenge);
/* The next one of this challenge with a verdict that nobody heard, from NULL on. */
struct talk *talk_unsaid(const struct engine *e, const struct id *challenge, const struct talk *after);

#endif
