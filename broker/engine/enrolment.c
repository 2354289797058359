/* SPDX-License-Identifier: Apache-2.0 */
/* The table of begun enrolments. */
#include "broker/engine/enrolment.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"

enum { ENROLMENT_BUCKETS = 1024 };

struct enrolments {
	struct enrolling *buckets[ENROLMENT_BUCKETS]; /* by the id's first two bytes */
	size_t n;
	int64_t swept_ms;
};

static struct enrolling **
bucket_of(struct enrolments *all, const struct id *id)
{
	return &all->buckets[(size_t)(id->b[0] | id->b[1] << 8) % ENROLMENT_BUCKETS];
}

struct enrolments *
enrolments_new(void)
{
	struct enrolments *all = calloc(1, sizeof(*all));

	CHECK(all != NULL);
	return all;
}

void
enrolment_show(struct enrolling *en, struct view steps)
{
	if (en->shown != NULL)
		secret_wipe(en->shown, en->shown_len);
	free(en->shown);
	en->shown = NULL;
	en->shown_len = steps.len;
	if (steps.len == 0)
		return;
	en->shown = malloc(steps.len);
	CHECK(en->shown != NULL);
	memcpy(en->shown, steps.data, steps.len);
}

static void
free_one(struct enrolments *all, struct enrolling **at)
{
	struct enrolling *en = *at;

	enrolment_show(en, VIEW(""));
	*at = en->next;
	all->n--;
	secret_wipe(en, sizeof(*en));
	free(en);
}

void
enrolments_free(struct enrolments *all)
{
	for (size_t i = 0; i < ENROLMENT_BUCKETS; i++) {
		while (all->buckets[i] != NULL)
			free_one(all, &all->buckets[i]);
	}
	free(all);
}

/* Ends what is over; counts what this account has. */
static size_t
sweep(struct engine *e, const struct id *account)
{
	struct enrolments *all = e->enrolments;
	size_t n = 0;

	for (size_t i = 0; i < ENROLMENT_BUCKETS; i++) {
		for (struct enrolling **at = &all->buckets[i]; *at != NULL;) {
			if ((*at)->expires_ms <= e->now.wall_ms) {
				free_one(all, at);
				continue;
			}
			n += account != NULL && id_equal(&(*at)->account, account);
			at = &(*at)->next;
		}
	}
	return n;
}

void
enrolments_tick(struct engine *e)
{
	struct enrolments *all = e->enrolments;

	if (all->n == 0 || e->now.boot_ms - all->swept_ms < 10000)
		return;
	all->swept_ms = e->now.boot_ms;
	sweep(e, NULL);
}

bool
enrolment_room(struct engine *e, const struct id *account)
{
	/* Enrolling is rare: walking the table is cheaper than an index of it by account. */
	return sweep(e, account) < ENROLMENTS_PER_ACCOUNT_MAX && e->enrolments->n < ENROLMENTS_MAX;
}

struct enrolling *
enrolment_begin(struct engine *e, const struct id *account)
{
	struct enrolments *all = e->enrolments;
	struct enrolling *en, **at;

	if (!enrolment_room(e, account))
		return NULL;
	en = calloc(1, sizeof(*en));
	CHECK(en != NULL);
	secret_random(en->id.b, sizeof(en->id.b));
	en->account = *account;
	en->expires_ms = e->now.wall_ms + ENROLMENT_MS;
	at = bucket_of(all, &en->id);
	en->next = *at;
	*at = en;
	all->n++;
	return en;
}

struct enrolling *
enrolment_find(struct engine *e, const struct id *id)
{
	for (struct enrolling *en = *bucket_of(e->enrolments, id); en != NULL; en = en->next) {
		if (secret_equal(en->id.b, id->b, sizeof(id->b)))
			return en->expires_ms > e->now.wall_ms ? en : NULL;
	}
	return NULL;
}

void
enrolment_end(struct engine *e, struct enrolling *en)
{
	struct enrolling **at = bucket_of(e->enrolments, &en->id);

	while (*at != en)
		at = &(*at)->next;
	free_one(e->enrolments, at);
}
