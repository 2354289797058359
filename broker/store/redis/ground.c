/* SPDX-License-Identifier: Apache-2.0 */
/* What a commit builds on, and which of our own commits nobody knows the fate of: see ground.h. */
#include "broker/store/redis/ground.h"

#include <sys/random.h>

#include "broker/base/check.h"
#include "broker/store/redis/commit_code.h"

/* The golden ratio's odd neighbour and its inverse modulo 2^64; the constants of splitmix64 with theirs. */
static const uint64_t STEP = 0x9e3779b97f4a7c15, STEP_INVERSE = 0xf1de83e19937733d, MIX_1 = 0xbf58476d1ce4e5b9,
		      MIX_1_INVERSE = 0x96de1b173f119089, MIX_2 = 0x94d049bb133111eb, MIX_2_INVERSE = 0x319642b2d24d8ec3;

void
doubts_init(struct doubts *d)
{
	*d = (struct doubts){.given = 0};
	CHECK(getrandom(&d->first, sizeof(d->first), 0) == sizeof(d->first));
	for (size_t i = 0; i < DOUBTS_MAX; i++)
		bytes_init(&d->of[i].ground, COMMIT_GROUNDS_BYTES);
}

void
doubts_clear(struct doubts *d)
{
	for (size_t i = 0; i < DOUBTS_MAX; i++)
		bytes_clear(&d->of[i].ground);
}

/* Never the same twice here, as it is one step of a permutation; nor elsewhere, as every process begins at a random place. */
void
doubts_next_id(struct doubts *d, uint8_t id[LAYOUT_ID_BYTES])
{
	uint64_t x = d->first + ++d->given * STEP;

	x = (x ^ x >> 30) * MIX_1;
	x = (x ^ x >> 27) * MIX_2;
	x ^= x >> 31;
	memcpy(id, &x, LAYOUT_ID_BYTES);
}

/* Undoes x ^= x >> by. */
static uint64_t
unshift(uint64_t x, unsigned by)
{
	uint64_t r = x;

	for (unsigned done = by; done < 64; done += by)
		r = x ^ r >> by;
	return r;
}

/* The how manieth of ours it is; 0: it is not ours. */
static uint64_t
number_of(const struct doubts *d, const uint8_t id[LAYOUT_ID_BYTES])
{
	uint64_t x;

	memcpy(&x, id, sizeof(x));
	x = unshift(x, 31) * MIX_2_INVERSE;
	x = unshift(x, 27) * MIX_1_INVERSE;
	x = (unshift(x, 30) - d->first) * STEP_INVERSE;
	return x <= d->given ? x : 0;
}

static const struct doubt *
doubt_of(const struct doubts *d, uint64_t number)
{
	for (size_t i = 0; i < DOUBTS_MAX; i++)
		if (d->of[i].number == number)
			return &d->of[i];
	return NULL;
}

void
doubts_add(struct doubts *d, const uint8_t id[LAYOUT_ID_BYTES], struct view ground)
{
	struct doubt *to = &d->of[d->next];

	if (to->number > d->forgotten)
		d->forgotten = to->number;
	to->number = number_of(d, id);
	to->ground.buf.len = 0;
	buf_put_view(&to->ground.buf, ground);
	d->next = (d->next + 1) % DOUBTS_MAX;
}

bool
doubts_known(const struct doubts *d, const uint8_t id[LAYOUT_ID_BYTES])
{
	uint64_t number = number_of(d, id);

	return number > d->forgotten && doubt_of(d, number) == NULL;
}

void
ground_put(const struct doubts *d, const struct cache_entry *e, struct buf *out)
{
	struct commit_made made = {.key = e->key, .revision = e->revision, .last_seq = e->last_seq, .hot = cache_hot(e),
	    .cold = cache_cold(e), .making = cache_making(e)};
	const struct doubt *doubt;
	struct bytes sealed;
	uint64_t number;

	memcpy(made.id, &e->row_id, sizeof(made.id));
	number = number_of(d, made.id);
	doubt = number == 0 ? NULL : doubt_of(d, number);
	bytes_init(&sealed, COMMIT_CODE_MAX);
	if (commit_of_record(&sealed.buf, &made) == CS_OK) {
		if (doubt != NULL && commit_grounds(buf_view(&doubt->ground.buf)) < COMMIT_GROUNDS_MAX)
			buf_put_view(out, buf_view(&doubt->ground.buf));
		commit_ground_add(out, buf_view(&sealed.buf));
	}
	bytes_clear(&sealed);
}
