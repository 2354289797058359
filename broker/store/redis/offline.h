/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared store where no broker answers: who is waited for, as the heads of the buckets say, and the admin's words that let
 * brokers go on. Over tool.h: no member, opens nothing; what a word does is the same as through a broker (tenure_admin.c).
 */
#ifndef CS_STORE_REDIS_OFFLINE_H
#define CS_STORE_REDIS_OFFLINE_H

#include "broker/store/redis/journal.h"
#include "broker/store/redis/tool.h"
#include "broker/store/redis/word_code.h"

enum {
	OFFLINE_MEMBERS_MAX = 128, /* twice what a journal knows: some were forgotten */
	OFFLINE_WORDS_SHOWN = 16,
	OFFLINE_WORD_TEXT = WORD_BYTES_MAX + 64,
};

struct offline_member {
	char id[JOURNAL_MEMBER_TEXT], name[JOURNAL_NAME_TEXT]; /* name "" where nothing tells it */
	bool forgotten;          /* by a word that not every broker has heard yet */
	int64_t beats;           /* -1: none is there */
	bool moves;              /* the count moved between two looks */
	unsigned waited;         /* buckets that are not open and lack its proof */
	unsigned proved;         /* buckets that are not open and have it */
};

/* A word that was said offline. */
struct offline_word {
	int64_t time_ms;         /* of the machine where it was said */
	bool told;               /* a broker has made an event of it */
	char text[OFFLINE_WORD_TEXT];
};

struct offline_view {
	unsigned open, fresh, shut; /* buckets: opened since their servers started; never opened yet; the rest */
	unsigned held;           /* of the rest: lack what the journal of a member no longer has */
	unsigned first_held;
	unsigned records_held;   /* records with entries that did not fit, in any bucket */
	struct offline_member members[OFFLINE_MEMBERS_MAX];
	size_t members_n;
	struct offline_word words[OFFLINE_WORDS_SHOWN]; /* the newest, oldest first */
	size_t words_n;
};

/* Errors of all: as of tool_wait(). */
enum cs_err offline_look(struct tool *t, struct offline_view *out, char why[TOOL_WHY_TEXT]);
/* Reads the beats again after so long: `moves`. */
enum cs_err offline_watch(struct tool *t, struct offline_view *view, int64_t for_ms, char why[TOOL_WHY_TEXT]);

/* By id or by name; NULL, and *several where more than one has that name. */
const struct offline_member *offline_find(const struct offline_view *view, const char *name, bool *several);

/*
 * Both keep the word (its name and time are set here) beside the store before anything happens by it; a broker makes an event of it
 * (store_word()), also where not all of it could be done. Errors also CS_ERR_RANGE: its texts are not printable, or too long.
 */
/* word->member_id in every bucket, or it has to be said again (CS_ERR_UNAVAILABLE). */
enum cs_err offline_forget(struct tool *t, const struct store_word *word, char why[TOOL_WHY_TEXT]);
/* word->bucket; bucket 0 with the brokers' own record. CS_ERR_NOT_FOUND: it is not held, and no word is kept. */
enum cs_err offline_release(struct tool *t, const struct store_word *word, char why[TOOL_WHY_TEXT]);

#endif
