/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: the past, event by event. The log is in the order of commits over all accounts, so every account is kept as it
 * was, encoded: about 700 bytes each. The broker's own record runs along, since decisions saw it; each event names the
 * revision that it saw, which may be a little behind the log.
 */
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/core/apply.h"
#include "broker/ctl/replay.h"
#include "broker/engine/record_state.h"

enum {
	ACCOUNTS_FIRST = 1024,   /* places in the table; a power of two */
	BROKERS_KEPT = 16,       /* newest revisions of the broker's record */
};

struct past_account {
	struct id key;
	uint64_t revision;       /* 0: an empty place */
	uint8_t *hot;            /* encoded; NULL: its beginning is not in the log */
	uint32_t hot_len, hot_cap;
	uint32_t differ, tighter;
	uint64_t first_seq;
};

struct replay_past {
	const struct ruleset *rules;
	struct replay_tally *tally;
	struct id pins[POLICY_PROVIDERS_MAX];
	struct record_state record;
	struct broker_state brokers[BROKERS_KEPT]; /* by revision */
	uint64_t newest;         /* revision of the record */
	struct past_account *table;
	size_t cap, used;
	struct past_account *open; /* whose state `account` holds */
	struct account account;
};

struct replay_past *
replay_past_new(const struct ruleset *rules, struct replay_tally *tally)
{
	struct replay_past *p = calloc(1, sizeof(*p));

	CHECK(p != NULL);
	p->rules = rules;
	p->tally = tally;
	record_pins(rules->config, p->pins);
	record_state_publish(&p->record, 0, rules->policy, p->pins, &p->brokers[0]);
	p->cap = ACCOUNTS_FIRST;
	p->table = calloc(p->cap, sizeof(p->table[0]));
	CHECK(p->table != NULL);
	return p;
}

void
replay_past_free(struct replay_past *p)
{
	for (size_t i = 0; i < p->cap; i++)
		free(p->table[i].hot);
	free(p->table);
	free(p);
}

/* Keys are salted digests: their first bytes are as good as a hash. */
static struct past_account *
place_of(const struct replay_past *p, const struct id *key)
{
	uint64_t at;

	memcpy(&at, key->b, sizeof(at));
	for (at &= p->cap - 1; p->table[at].revision != 0 && !id_equal(&p->table[at].key, key); at = (at + 1) & (p->cap - 1))
		;
	return &p->table[at];
}

static void
grow(struct replay_past *p)
{
	struct past_account *old = p->table;
	size_t cap = p->cap;

	p->cap *= 2;
	p->table = calloc(p->cap, sizeof(p->table[0]));
	CHECK(p->table != NULL);
	for (size_t i = 0; i < cap; i++)
		if (old[i].revision != 0)
			*place_of(p, &old[i].key) = old[i];
	free(old);
}

/* The open account goes back to its place. */
static void
put_away(struct replay_past *p)
{
	static uint8_t bytes[ACCOUNT_BYTES_MAX];
	struct buf b = buf_over(bytes, sizeof(bytes));
	struct past_account *a = p->open;

	p->open = NULL;
	if (a == NULL)
		return;
	account_encode(&p->account, &b);
	CHECK(!b.full);
	if (b.len > a->hot_cap) {
		a->hot_cap = (uint32_t)(b.len + b.len / 4 + 63) & ~UINT32_C(63);
		a->hot = realloc(a->hot, a->hot_cap);
		CHECK(a->hot != NULL);
	}
	memcpy(a->hot, bytes, b.len);
	a->hot_len = (uint32_t)b.len;
}

/* Puts the account before this revision into p->account; NULL where it is not known. */
static struct past_account *
take_out(struct replay_past *p, const struct id *key, uint64_t revision)
{
	struct past_account *a = p->open != NULL && id_equal(&p->open->key, key) ? p->open : NULL;

	if (a == NULL) {
		put_away(p);
		if (p->used >= p->cap / 4 * 3)
			grow(p);
		a = place_of(p, key);
	}
	if (a->revision == 0) {
		*a = (struct past_account){.key = *key, .revision = revision};
		p->used++;
		p->tally->accounts++;
		/* A log that was cut off at its front says nothing of what was before. */
		p->tally->beginless += revision != 1;
		if (revision != 1)
			return NULL;
		account_init(&p->account, key);
		p->open = a;
	} else if (a != p->open) {
		if (a->hot == NULL)
			return NULL;
		CHECK(account_decode(view_of(a->hot, a->hot_len), key, a->revision, &p->account) == CS_OK);
		p->open = a;
	}
	return a;
}

static int
broker_event(struct replay_past *p, struct ctl *ctl, uint64_t seq, uint64_t revision, const struct event *e)
{
	if (!record_state_apply(&p->record, e))
		return ctl_fail(ctl, CTL_FAILED, "event %llu does not fit the broker's own record: the log is damaged",
		    (unsigned long long)seq);
	p->newest = revision;
	record_state_publish(&p->record, revision, p->rules->policy, p->pins, &p->brokers[revision % BROKERS_KEPT]);
	return CTL_OK;
}

static struct broker_state *
broker_seen(struct replay_past *p, const struct event *e)
{
	struct broker_state *b = &p->brokers[(uint64_t)e->broker % BROKERS_KEPT];

	return e->broker > 0 && b->revision == (uint64_t)e->broker ? b : &p->brokers[p->newest % BROKERS_KEPT];
}

static void
decided(struct replay_past *p, struct past_account *a, uint64_t seq, const struct event *e)
{
	static struct again again;

	if (!decide_again(p->rules->policy, broker_seen(p, e), &p->account, e, &again))
		return;
	if (!replay_tally_add(p->tally, p->rules->policy, e, &again))
		return;
	if (a->differ++ == 0)
		a->first_seq = seq;
	a->tighter += again.now.outcome < again.outcome;
}

/*
 * What was recorded happens. The candidate's wider windows (a year, an hour, a payee) are counted as if it had always been
 * in force, unless the account has no room for them.
 */
static bool
happen(struct replay_past *p, const struct event *e)
{
	static struct account before;
	struct event wider = *e;
	struct apply_left left;

	if (e->type != EVENT_PAYMENT_PERMITTED || (p->rules->policy->needs & ~(uint64_t)e->needs) == 0)
		return apply(&p->account, e, &left) == CS_OK;
	before = p->account;
	wider.needs |= p->rules->policy->needs;
	if (apply(&p->account, &wider, &left) == CS_OK)
		return true;
	p->account = before;
	return apply(&p->account, e, &left) == CS_OK;
}

int
replay_past_event(struct replay_past *p, struct ctl *ctl, uint64_t seq, const struct id *key, uint64_t revision,
    struct view event)
{
	struct replay_tally *t = p->tally;
	struct past_account *a;
	struct event e;

	if (event_decode(event, &e) != CS_OK)
		return ctl_fail(ctl, CTL_FAILED, "event %llu cannot be read: it is damaged, or of a newer version than this "
		    "program", (unsigned long long)seq);
	t->events++;
	t->from_ms = t->events == 1 || e.time_ms < t->from_ms ? e.time_ms : t->from_ms;
	t->to_ms = e.time_ms > t->to_ms ? e.time_ms : t->to_ms;
	if (id_zero(key))
		return broker_event(p, ctl, seq, revision, &e);
	a = take_out(p, key, revision);
	if (a == NULL)
		return CTL_OK;
	decided(p, a, seq, &e);
	if (p->account.revision + 1 != revision || !happen(p, &e))
		return ctl_fail(ctl, CTL_FAILED, "event %llu does not follow from those before it: the log is damaged, or was "
		    "written by another version", (unsigned long long)seq);
	a->revision = revision;
	return CTL_OK;
}

static int
by_differ(const void *x, const void *y)
{
	const struct replay_account *a = x, *b = y;

	return a->differ != b->differ ? (a->differ < b->differ ? 1 : -1) : memcmp(&a->key, &b->key, sizeof(a->key));
}

static void
list_account(struct replay_tally *t, const struct past_account *a)
{
	struct replay_account r = {.key = a->key, .differ = a->differ, .tighter = a->tighter, .first_seq = a->first_seq};
	size_t least = 0;

	t->accounts_differ++;
	if (t->listed_n < REPLAY_ACCOUNTS_MAX) {
		t->listed[t->listed_n++] = r;
		return;
	}
	for (size_t i = 1; i < t->listed_n; i++)
		if (t->listed[i].differ < t->listed[least].differ)
			least = i;
	if (t->listed[least].differ < r.differ)
		t->listed[least] = r;
}

void
replay_past_end(struct replay_past *p)
{
	struct replay_tally *t = p->tally;

	for (size_t i = 0; i < p->cap; i++)
		if (p->table[i].differ > 0)
			list_account(t, &p->table[i]);
	qsort(t->listed, t->listed_n, sizeof(t->listed[0]), by_differ);
	replay_tally_end(t);
}
