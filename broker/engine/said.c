/* SPDX-License-Identifier: Apache-2.0 */
/* Words that were said offline: found by the leader, told once. */
#include "broker/engine/said.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/engine/record.h"

enum {
	EVERY_MS = 1000,   /* one small question of the leader */
	NAME_BYTES = 64,   /* of a word's name */
};

enum said_state {
	SAID_IDLE,
	SAID_ASKED,        /* the store is asked, or told */
	SAID_FOUND,        /* and nobody has told it: to be told with the next tick */
};

struct said {
	enum said_state state;
	int64_t next_ms;   /* boot clock */
	char name[NAME_BYTES];
	size_t name_len;
	struct event event;
	struct store_claim once;
	char words[RECORD_WORDS_MAX];
	size_t words_len;
};

struct said *
said_new(void)
{
	struct said *s = calloc(1, sizeof(*s));

	CHECK(s != NULL);
	return s;
}

void
said_free(struct said *s)
{
	free(s);
}

static void
rest(struct engine *e)
{
	e->said->state = SAID_IDLE;
	e->said->next_ms = e->now.boot_ms + EVERY_MS;
}

static void
told(void *ctx, enum cs_err err)
{
	struct engine *e = ctx;

	rest(e);
	/* Perhaps there is another one. What could not be marked is found again, with its claim. */
	if (err == CS_OK)
		e->said->next_ms = e->now.boot_ms;
}

static void
tell(struct engine *e)
{
	struct said *s = e->said;

	s->state = SAID_ASKED;
	store_word_told(e->store, view_of(s->name, s->name_len), told, e);
}

static void
claim_found(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	static const struct store_key zero;
	struct engine *e = ctx;

	if (err == CS_OK && !tombstone && memcmp(holder->b, zero.b, sizeof(zero.b)) == 0)
		tell(e);
	else if (err == CS_ERR_NOT_FOUND)
		e->said->state = SAID_FOUND;
	else
		rest(e);
}

/* As the event of a word that a broker heard itself, and who said it where. */
static void
words_of(struct said *s, const struct store_word *word)
{
	bool forget = word->bucket < 0;
	int n = snprintf(s->words, sizeof(s->words), "%.*s%s%.*s (offline by %.*s%s%.*s)", (int)word->member.len, forget ? word->member.data : "",
	    forget ? ": " : "", (int)word->reason.len, word->reason.data, (int)word->by.len, word->by.data, forget ? ", of " : "",
	    (int)word->member_id.len, forget ? word->member_id.data : "");

	CHECK(n >= 0 && (size_t)n < sizeof(s->words));
	s->words_len = (size_t)n;
}

static bool
fits(const struct store_word *word)
{
	enum { AROUND = 32 };

	return word->name.len <= NAME_BYTES &&
	    word->member.len + word->member_id.len + word->by.len + word->reason.len + AROUND <= RECORD_WORDS_MAX;
}

static void
word_found(void *ctx, enum cs_err err, const struct store_word *word)
{
	struct engine *e = ctx;
	struct said *s = e->said;
	struct id id;

	if (err != CS_OK || !fits(word)) {
		if (err == CS_OK)
			log_error("msg=\"an admin's word that was said offline is too long for an event\" word=%s", log_value(word->name));
		rest(e);
		return;
	}
	memcpy(s->name, word->name.data, word->name.len);
	s->name_len = word->name.len;
	words_of(s, word);
	s->event = (struct event){.type = word->bucket < 0 ? EVENT_MEMBER_FORGOTTEN : EVENT_STORE_RELEASED, .reason = REASON_ASKED,
	    .no = (uint32_t)(word->bucket + 1), .usable_ms = word->said_ms, .flags = EVENT_FLAG_OFFLINE};
	id = keyring_id(e->keys, DIGEST_SAID, &word->name, 1);
	s->once = (struct store_claim){.once = true};
	memcpy(s->once.claim.b, id.b, sizeof(s->once.claim.b));
	store_find(e->store, &s->once.claim, claim_found, e);
}

void
said_tick(struct engine *e)
{
	struct said *s = e->said;
	bool may = e->store->ops->shared && e->view.leads && !e->broker.stale;

	if (s->state == SAID_FOUND) {
		/* Whoever finds it again sees by the claim whether it is told. */
		rest(e);
		if (may && record_note_once(e, &s->event, view_of(s->words, s->words_len), &s->once)) {
			log_warn("msg=\"an admin's word on the store was said offline\" what=%s words=%s", event_type_name(s->event.type),
			    log_value(view_of(s->words, s->words_len)));
			tell(e);
		}
	} else if (s->state == SAID_IDLE && may && e->now.boot_ms >= s->next_ms) {
		s->state = SAID_ASKED;
		store_word(e->store, word_found, e);
	}
}
