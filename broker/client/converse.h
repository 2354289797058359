/* SPDX-License-Identifier: Apache-2.0 */
/* A challenge as a conversation: what the files converse*.c share. */
#ifndef CS_CLIENT_CONVERSE_H
#define CS_CLIENT_CONVERSE_H

#include "broker/client/handle.h"

/* What is said, in two languages. A %s, where there is one, takes one text or number. */
enum say {
	SAY_CHOOSE,
	SAY_CHOOSE_MORE,
	SAY_NO_WAY,
	SAY_PASSKEY_ONLY,
	SAY_SENT,
	SAY_SENT_TO,
	SAY_CODE,
	SAY_CODE_OF,
	SAY_ANSWER,
	SAY_PASSKEY,
	SAY_NUMBER,
	SAY_APPROVE,
	SAY_WAIT,
	SAY_WRONG,
	SAY_WRONG_LEFT,
	SAY_TOO_SOON,
	SAY_BUDGET,
	SAY_NOT_SENT,
	SAY_MORE,
	SAY_NO_CHOICE,
	SAY_DONE,
	SAY_USED,
	SAY_LOCKED,
	SAY_REFUSED,
	SAY_REPORTED,
	SAY_EXPIRED,
	SAY__COUNT,
};

enum {
	ANSWER_MAX = 12 * 1024 + 1, /* with its NUL: as long as the broker takes, for the largest passkeys */
	SENTENCE_MAX = 640,
	TRIES_MAX = 64,             /* empty or impossible lines in a row: nobody is there */
};

struct given {
	char value[ANSWER_MAX];
	char step[CS_ID_MAX + 1];
	size_t question;
};

/* On the heap: a prompt and the answers are too much for a stack. */
struct talk {
	struct cs *handle;
	const char *challenge;
	const struct cs_converse *how;
	struct cs_error *error;
	bool zh;
	enum cs_status status;       /* the first that is not CS_STATUS_OK ends it */
	bool stopped;                /* the user left, or cannot answer here */
	bool again;                  /* the round begins anew */
	bool reported;               /* "this was not me" */
	struct cs_prompt prompt;
	char chosen[CS_STEPS_MAX][CS_ID_MAX + 1]; /* steps; kept from round to round, until the user wants another way */
	size_t chosen_count;
	struct given given[CS_STEPS_MAX];
	size_t given_count;
	char choices[CS_STEPS_MAX][CS_TEXT_MAX + 1];
	size_t choice_count;
	char text[SENTENCE_MAX];
};

/* The sentence in talk->text. arg may be NULL. */
const char *talk_sentence(struct talk *t, enum say say, const char *arg);
enum say talk_end_of(const struct talk *t);

/*
 * Hands a message to the conversation and does what the user wants, refusing for instance. True: there is an answer in
 * `answer`, or nothing was asked. False: look at status, stopped and again.
 */
bool talk_say(struct talk *t, const struct cs_message *message, char answer[ANSWER_MAX]);
void talk_tell(struct talk *t, enum cs_message_kind kind, const struct cs_step *step, enum say say, const char *arg);
bool talk_over(const struct talk *t);
void talk_look(struct talk *t);

/* NULL: there is no such step any more. */
const struct cs_step *talk_step(const struct talk *t, const char *id);

/* Sends what the step must send, and says so. False: it is not begun. */
bool talk_begin(struct talk *t, const char *step);

/* One round: which steps, what is asked, all the answers in one call. */
void talk_round(struct talk *t);

#endif
