/* SPDX-License-Identifier: Apache-2.0 */
/* Places in a full account. */
#include "broker/core/room.h"

/* A removed factor goes when nothing rests on it, not even one that was removed: the closure of
 * rule 11 goes through it. */
static bool
factor_needed(const struct account *a, const struct factor *f)
{
	if (!f->removed)
		return true;
	for (size_t i = 0; i < a->factors_n; i++) {
		for (size_t k = 0; k < CHALLENGE_FACTORS_MAX; k++) {
			if (a->factors[i].rests_on[k] == f->no)
				return true;
		}
	}
	return false;
}

int
room_factor(const struct account *a)
{
	if (a->factors_n < ACCOUNT_FACTORS_MAX)
		return a->factors_n;
	for (int i = 0; i < a->factors_n; i++) {
		if (!factor_needed(a, &a->factors[i]))
			return i;
	}
	return -1;
}

/* An admin's freeze follows the subject, and so needs the link that names it. */
static bool
link_held(const struct account *a, const struct link *l)
{
	for (size_t i = 0; i < a->freezes_n; i++) {
		if (a->freezes[i].link_no == l->no && a->freezes[i].author != AUTHOR_USER)
			return true;
	}
	return false;
}

int
room_link(const struct account *a, const struct id *subject)
{
	static const uint8_t first[] = {LINK_PROPOSED, LINK_REVOKED};

	for (int i = 0; i < a->links_n; i++) {
		if (a->links[i].state == LINK_PROPOSED && id_equal(&a->links[i].subject, subject) &&
		    !link_held(a, &a->links[i]))
			return i;
	}
	if (a->links_n < ACCOUNT_LINKS_MAX)
		return a->links_n;
	for (size_t s = 0; s < sizeof(first); s++) {
		for (int i = 0; i < a->links_n; i++) {
			if (a->links[i].state == first[s] && !link_held(a, &a->links[i]))
				return i;
		}
	}
	return -1;
}

int
room_fact(const struct account *a, const struct fact *f)
{
	const struct fact *same = account_fact(a, f);
	size_t of_link = 0;

	if (same != NULL)
		return (int)(same - a->facts);
	for (int i = 0; i < a->facts_n; i++)
		of_link += a->facts[i].link_no == f->link_no;
	if (of_link == LINK_FACTS_MAX)
		return -1;
	if (a->facts_n < ACCOUNT_FACTS_MAX)
		return a->facts_n;
	for (int i = 0; i < a->facts_n; i++) {
		if (account_link_by_no(a, a->facts[i].link_no)->state == LINK_PROPOSED)
			return i;
	}
	return -1;
}

bool
challenge_kept(const struct challenge *c, int64_t now_ms)
{
	return (c->state == CHALLENGE_OPEN || c->state == CHALLENGE_DONE) && c->expires_ms > now_ms;
}

int
room_challenge(const struct account *a, int64_t time_ms)
{
	if (a->challenges_n < ACCOUNT_CHALLENGES_MAX)
		return a->challenges_n;
	for (int i = 0; i < a->challenges_n; i++) {
		if (!challenge_kept(&a->challenges[i], time_ms))
			return i;
	}
	return -1;
}

bool
room_freeze(const struct account *a)
{
	return a->freezes_n < ACCOUNT_FREEZES_MAX - AUTHOR__COUNT;
}
