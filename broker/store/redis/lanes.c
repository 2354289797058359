/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes in chains by the bits of the id; a chain is in the order of entering. */
#include "broker/store/redis/lanes.h"

#include "broker/base/check.h"

static size_t
chain_of(const struct store_key *id)
{
	return (size_t)(id->b[14] << 8 | id->b[15]) % LANES_CHAINS;
}

static bool
same(const struct store_key *a, const struct store_key *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static void
place_enter(struct lanes *l, struct lane_ticket *t, const struct store_key *id)
{
	struct lane_place **at = &l->chains[chain_of(id)], *p = &t->places[t->places_n];
	bool first = true;

	for (; *at != NULL; at = &(*at)->next) {
		if (!same(&(*at)->id, id))
			continue;
		if ((*at)->ticket == t)
			return;
		first = false;
	}
	*p = (struct lane_place){.id = *id, .ticket = t};
	*at = p;
	t->places_n++;
	t->blocked += !first;
}

bool
lanes_enter(struct lanes *l, struct lane_ticket *t, const struct store_key *ids, size_t n)
{
	CHECK(n <= LANES_PLACES_MAX);
	t->places_n = t->blocked = 0;
	for (size_t i = 0; i < n; i++)
		place_enter(l, t, &ids[i]);
	return t->blocked == 0;
}

void
lanes_leave(struct lanes *l, struct lane_ticket *t, void (*go)(void *ctx, struct lane_ticket *t), void *ctx)
{
	unsigned n = t->places_n;

	t->places_n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct lane_place *p = &t->places[i], **at = &l->chains[chain_of(&p->id)], *next;
		bool first = true;

		for (; *at != p; at = &(*at)->next) {
			CHECK(*at != NULL);
			first = first && !same(&(*at)->id, &p->id);
		}
		*at = p->next;
		for (next = p->next; next != NULL && !same(&next->id, &p->id); next = next->next)
			;
		if (first && next != NULL && --next->ticket->blocked == 0)
			go(ctx, next->ticket);
	}
}

bool
lanes_busy(const struct lanes *l, const struct store_key *id)
{
	const struct lane_place *p = l->chains[chain_of(id)];

	while (p != NULL && !same(&p->id, id))
		p = p->next;
	return p != NULL;
}
