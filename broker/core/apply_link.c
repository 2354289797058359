/* SPDX-License-Identifier: Apache-2.0 */
/* apply() for links whose subject goes by another name, and for evidence on links. */
#include "broker/core/apply_internal.h"
#include "broker/core/counters.h"
#include "broker/core/room.h"

void
subject_moves(struct account *a, const struct id *from, const struct id *to)
{
	if (id_equal(from, to))
		return;
	for (size_t i = 0; i < a->links_n; i++) {
		if (id_equal(&a->links[i].subject, from))
			a->links[i].subject = *to;
	}
	for (size_t i = 0; i < a->payments_n; i++) {
		if (id_equal(&a->payments[i].subject, from))
			a->payments[i].subject = *to;
	}
	counters_move(a, from, to);
}

bool
apply_link_rekeyed(struct account *a, const struct event *e, struct apply_left *left)
{
	struct link *l = account_link_by_no(a, (uint32_t)e->link_no);
	bool undone = (e->flags & EVENT_FLAG_UNDONE) != 0;

	(void)left;
	if (l == NULL || (l->state != LINK_ACTIVE && l->state != LINK_SUSPENDED) || !id_equal(&l->subject, &e->digest) ||
	    id_equal(&l->subject, &e->subject) || id_zero(&e->subject) || (undone && !id_equal(&l->was, &e->subject)))
		return false;
	/* First: an older link of either subject is one of this person's. */
	for (size_t i = 0; i < a->links_n; i++) {
		if (id_equal(&a->links[i].was, &e->subject) || id_equal(&a->links[i].was, &e->digest))
			a->links[i].was = (struct id){{0}};
	}
	subject_moves(a, &e->digest, &e->subject);
	if (!undone)
		l->was = e->digest;
	/*
	 * Whoever is behind the new name signs in anew, and is watched for a while as any new link is. Mandates go on after that:
	 * they were granted by this very person.
	 */
	if (e->usable_ms > l->usable_ms)
		l->usable_ms = e->usable_ms;
	sessions_drop(a, l->no);
	challenges_void(a, l->no, 0);
	return true;
}

/* --- evidence --- */

void
facts_drop(struct account *a, uint32_t link_no)
{
	uint8_t kept = 0;

	for (uint8_t i = 0; i < a->facts_n; i++) {
		if (a->facts[i].link_no != link_no)
			a->facts[kept++] = a->facts[i];
	}
	a->facts_n = kept;
}

void
facts_lower(struct account *a, uint32_t link_no, uint64_t kind, const struct id *but, int64_t ms)
{
	for (size_t i = 0; i < a->facts_n; i++) {
		struct fact *f = &a->facts[i];

		if (f->link_no != link_no || (kind != 0 && f->kind != kind) || (but != NULL && id_equal(&f->value, but)))
			continue;
		f->lowered = 1;
		f->since_ms = ms;
	}
}

bool
apply_link_attested(struct account *a, const struct event *e, struct apply_left *left)
{
	struct fact f, *was;
	int place;

	(void)left;
	/* Byte by byte, for what no member covers is compared by tests. */
	memset(&f, 0, sizeof(f));
	f.id = e->id;
	f.value = e->digest;
	f.kind = e->rests[0];
	f.by = e->rests[1];
	f.link_no = (uint32_t)e->link_no;
	f.by_service = (e->flags & EVENT_FLAG_SERVICE) != 0;
	f.lowered = (e->flags & EVENT_FLAG_LOWERED) != 0;
	f.verified_ms = e->auth_ms;
	f.since_ms = e->time_ms;
	place = account_link_by_no(a, f.link_no) == NULL ? -1 : room_fact(a, &f);
	if (place < 0)
		return false;
	if (place == a->facts_n) {
		a->facts[a->facts_n++] = f;
		return true;
	}
	was = account_fact(a, &f);
	/* Who says that it changed says it of all that is vouched for besides. */
	if (was != NULL && !id_equal(&was->value, &f.value))
		facts_lower(a, f.link_no, f.kind, &f.value, e->time_ms);
	/* It stays lowered since when it was. */
	if (was != NULL && was->lowered && f.lowered && id_equal(&was->value, &f.value))
		f.since_ms = was->since_ms;
	a->facts[place] = f;
	return true;
}
