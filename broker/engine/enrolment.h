/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Begun enrolments of factors. The secret that the plugin made is kept here, in memory, until the owner has proved that
 * their device has it; a restart ends them, and the user begins again.
 */
#ifndef CS_ENGINE_ENROLMENT_H
#define CS_ENGINE_ENROLMENT_H

#include "broker/engine/answer.h"
#include "broker/engine/rests.h"
#include "broker/engine/talk.h"

enum {
	ENROLMENTS_MAX = 8192,          /* about four kilobytes each */
	ENROLMENTS_PER_ACCOUNT_MAX = 4, /* so that one account cannot take all the places */
	ENROLMENT_MS = 10 * 60 * 1000,
	ENROLMENT_TRIES_MAX = 5,
	ENROLMENT_SECRET_MAX = 1664,    /* as a worker has it: a passkey with the longest id and key */
	FACTOR_LABEL_MAX = 64,
	FACTOR_ADDRESS_MAX = 254,       /* RFC 5321, 4.5.3.1.3: a path of 256 without its brackets */
	ENROLMENT_SHOWN_MAX = 16 * 1024, /* four steps of two kilobytes, with what JSON adds */
	FACTOR_LANGUAGE_MAX = 35,       /* RFC 5646 */
};

struct enrolling {
	struct id id;
	uint64_t service;                       /* tag */
	struct id account;                      /* key */
	bool recovers;                          /* by a recovery code */
	struct id replaces;                     /* the factor that goes when this one is usable; zero: none */
	char account_text[OUTSIDE_ID_MAX + 1];  /* the realm's own id */
	char label[FACTOR_LABEL_MAX + 1];       /* empty: none */
	char proof[OUTSIDE_ID_MAX + 1];         /* on what a first factor is enrolled; empty: none said */
	uint8_t kind;                           /* enum factor_kind */
	struct id challenge;                    /* the completed one that permits it; zero: none named */
	struct hash content;                    /* that it must have been for */
	uint8_t secret[ENROLMENT_SECRET_MAX];
	size_t secret_len;
	uint8_t asking;                         /* mask of the steps that take an answer; see enrol_step.h */
	uint8_t tries, turns;
	uint8_t state[TALK_STATE_MAX];          /* of a conversation that goes on */
	size_t state_len;
	struct rests rests;                     /* what its plugin says that it rests on */
	bool checking;                          /* a worker is looking at an answer */
	uint8_t door;                           /* through which the service began it: its page answers for it */
	char *shown;                            /* the steps as JSON, for the page; NULL: no page. Wiped with the rest */
	size_t shown_len;
	int64_t expires_ms;
	struct enrolling *next;
};

struct enrolments *enrolments_new(void);
void enrolments_free(struct enrolments *all);
void enrolments_tick(struct engine *e);
/* Whether one more of this account has room. */
bool enrolment_room(struct engine *e, const struct id *account);
/* With an id and a time of its own; NULL where there are too many, of all or of this account. */
struct enrolling *enrolment_begin(struct engine *e, const struct id *account);
/* NULL where it is unknown or over. */
struct enrolling *enrolment_find(struct engine *e, const struct id *id);
/* Keeps what its page shows: a JSON value, copied; the one before is wiped. */
void enrolment_show(struct enrolling *en, struct view steps);
/* Wipes it. */
void enrolment_end(struct engine *e, struct enrolling *en);

#endif
