/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of taking a claim: see claim_take.h. */
#include "broker/store/redis/claim_take.h"

#include "broker/base/check.h"

static bool
same(const struct store_key *a, const struct store_key *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* Goes for it, in place of `now`. had: who had it last. */
static void
grasp(struct claim_take *t, const struct store_key *had)
{
	t->mine = (struct claim_value){.version = t->now.version + 1, .state = CLAIM_PENDING, .holder = t->record, .has_last = had != NULL};
	memcpy(t->mine.commit, t->commit, sizeof(t->commit));
	if (had != NULL)
		t->mine.last = *had;
	t->ask = CLAIM_ASK_CAS;
}

static void
verify(struct claim_take *t, enum claim_poison poison)
{
	t->poison = poison;
	t->ask = CLAIM_ASK_VERIFY;
}

void
claim_take_begin(struct claim_take *t, const struct store_key *claim, const struct store_key *record,
    const uint8_t commit[LAYOUT_ID_BYTES])
{
	*t = (struct claim_take){.claim = *claim, .record = *record};
	memcpy(t->commit, commit, sizeof(t->commit));
	grasp(t, NULL); /* most are new */
}

struct view
claim_take_seen(const struct claim_take *t)
{
	return view_of(t->seen, t->look ? 0 : t->seen_n);
}

/* What another commit left, or is about to do. */
static void
meet_pending(struct claim_take *t)
{
	if (same(&t->now.holder, &t->record) && memcmp(t->now.commit, t->commit, sizeof(t->commit)) == 0) {
		t->mine = t->now;
		t->ask = CLAIM_TAKEN;
	} else if (!t->waited) {
		verify(t, CLAIM_POISON_NEVER);
	} else {
		verify(t, same(&t->now.holder, &t->record) ? CLAIM_POISON_ALWAYS : CLAIM_POISON_UNLESS_HELD);
	}
}

enum cs_err
claim_take_cas_told(struct claim_take *t, bool done, struct view now)
{
	struct claim_value v = {0};
	enum cs_err err;

	CHECK(t->ask == CLAIM_ASK_CAS);
	t->look = false;
	if (done) {
		t->ask = CLAIM_TAKEN;
		return CS_OK;
	}
	err = claim_decode(now, &t->claim, &v);
	if (err != CS_OK && err != CS_ERR_NOT_FOUND)
		return err;
	if (!view_equal(now, view_of(t->seen, t->seen_n)))
		t->waited = false;
	t->now = v;
	t->seen_n = now.len;
	if (now.len > 0)
		memcpy(t->seen, now.data, now.len);
	if (v.version == 0 || v.state == CLAIM_FREE)
		grasp(t, NULL);
	else if (v.state == CLAIM_PENDING)
		meet_pending(t);
	else if (same(&v.holder, &t->record))
		grasp(t, &v.holder);
	else
		verify(t, CLAIM_POISON_NEVER);
	return CS_OK;
}

void
claim_take_verify_told(struct claim_take *t, bool holds)
{
	bool own = same(&t->now.holder, &t->record), pending = t->now.state == CLAIM_PENDING;

	CHECK(t->ask == CLAIM_ASK_VERIFY);
	if (holds && !own)
		t->ask = CLAIM_REFUSED;
	else if (pending && t->poison == CLAIM_POISON_NEVER)
		t->ask = CLAIM_ASK_WAIT;
	else if (pending && !holds)
		grasp(t, t->now.has_last ? &t->now.last : NULL);
	else
		grasp(t, &t->now.holder);
}

void
claim_take_waited(struct claim_take *t, bool enough)
{
	CHECK(t->ask == CLAIM_ASK_WAIT);
	t->waited = enough;
	if (enough) {
		meet_pending(t);
	} else {
		t->mine = (struct claim_value){.version = 1, .state = CLAIM_PENDING, .holder = t->record};
		memcpy(t->mine.commit, t->commit, sizeof(t->commit));
		t->look = true;
		t->ask = CLAIM_ASK_CAS;
	}
}
