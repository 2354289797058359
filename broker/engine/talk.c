/* SPDX-License-Identifier: Apache-2.0 */
/* The table of begun prompts, and what was sent on this day. */
#include "broker/engine/talk.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"

enum {
	TALK_BUCKETS = 1024,
	DAY_BUCKETS = 1024,
	DAYS_MAX = 65536,                 /* accounts that were sent something on one day: 40 bytes each */
	TALK_SWEEP_MS = 10000,
	TALK_RETRY_MS = 5000,             /* after a plugin that could not: a gateway that is down is not hammered */
};

#define TALK_DAY_MS (24 * INT64_C(3600000))

/* What was sent to the owner of one account on one day. */
struct day {
	struct id account;
	int64_t day;
	uint8_t sent, warned;
	struct day *next;
};

struct talks {
	struct talk *buckets[TALK_BUCKETS];   /* by the challenge's id */
	struct day *days[DAY_BUCKETS];        /* by the account's key */
	size_t n, days_n;
	int64_t swept_ms;
};

static size_t
bucket_of(const struct id *id, size_t n)
{
	return (size_t)(id->b[0] | id->b[1] << 8) % n;
}

struct talks *
talks_new(void)
{
	struct talks *all = calloc(1, sizeof(*all));

	CHECK(all != NULL);
	return all;
}

static void
free_one(struct talks *all, struct talk **at)
{
	struct talk *talk = *at;

	*at = talk->next;
	all->n--;
	bytes_clear(&talk->prompts);
	secret_wipe(talk, sizeof(*talk));
	free(talk);
}

void
talks_free(struct talks *all)
{
	for (size_t i = 0; i < TALK_BUCKETS; i++) {
		while (all->buckets[i] != NULL)
			free_one(all, &all->buckets[i]);
	}
	for (size_t i = 0; i < DAY_BUCKETS; i++) {
		for (struct day *d = all->days[i], *next; d != NULL; d = next) {
			next = d->next;
			free(d);
		}
	}
	free(all);
}

static void
sweep_days(struct talks *all, int64_t today)
{
	for (size_t i = 0; i < DAY_BUCKETS; i++) {
		for (struct day **at = &all->days[i]; *at != NULL;) {
			struct day *d = *at;

			if (d->day == today) {
				at = &d->next;
				continue;
			}
			*at = d->next;
			all->days_n--;
			free(d);
		}
	}
}

static void
sweep(struct engine *e)
{
	struct talks *all = e->talks;

	for (size_t i = 0; i < TALK_BUCKETS; i++) {
		for (struct talk **at = &all->buckets[i]; *at != NULL;) {
			if ((*at)->ends_ms <= e->now.wall_ms)
				free_one(all, at);
			else
				at = &(*at)->next;
		}
	}
	sweep_days(all, e->now.wall_ms / TALK_DAY_MS);
}

void
talks_tick(struct engine *e)
{
	struct talks *all = e->talks;

	if ((all->n == 0 && all->days_n == 0) || e->now.boot_ms - all->swept_ms < TALK_SWEEP_MS)
		return;
	all->swept_ms = e->now.boot_ms;
	sweep(e);
}

struct talk *
talk_find(const struct engine *e, const struct id *challenge, const struct id *factor)
{
	struct talk *talk = e->talks->buckets[bucket_of(challenge, TALK_BUCKETS)];

	while (talk != NULL && (!id_equal(&talk->challenge, challenge) || !id_equal(&talk->factor, factor)))
		talk = talk->next;
	return talk != NULL && talk->ends_ms > e->now.wall_ms ? talk : NULL;
}

bool
talk_begun(const struct engine *e, const struct talk *talk)
{
	return talk != NULL && talk->state_len > 0 &&
	    (talk->expires_ms == 0 || talk->expires_ms > e->now.wall_ms);
}

/* NULL: there are too many accounts, which counts like a full budget. */
static struct day *
day_of(struct engine *e, const struct id *account)
{
	struct talks *all = e->talks;
	int64_t today = e->now.wall_ms / TALK_DAY_MS;
	struct day **bucket = &all->days[bucket_of(account, DAY_BUCKETS)], *d = *bucket;

	while (d != NULL && !id_equal(&d->account, account))
		d = d->next;
	if (d == NULL) {
		if (all->days_n >= DAYS_MAX)
			sweep_days(all, today);
		if (all->days_n >= DAYS_MAX)
			return NULL;
		d = calloc(1, sizeof(*d));
		CHECK(d != NULL);
		d->account = *account;
		d->next = *bucket;
		*bucket = d;
		all->days_n++;
	}
	if (d->day != today) {
		d->day = today;
		d->sent = d->warned = 0;
	}
	return d;
}

bool
talk_sends(struct engine *e, const struct id *account)
{
	struct day *day = day_of(e, account);

	return day != NULL && day->sent < TALK_SENDS_DAY_MAX && ++day->sent > 0;
}

bool
talk_warns(struct engine *e, const struct id *account)
{
	struct day *day = day_of(e, account);

	return day != NULL && day->warned < TALK_WARNS_DAY_MAX && ++day->warned > 0;
}

static struct talk *
talk_new(struct engine *e, const struct id *account, const struct id *challenge, const struct id *factor, bool sends,
    int64_t ends_ms)
{
	struct talks *all = e->talks;
	struct talk **bucket = &all->buckets[bucket_of(challenge, TALK_BUCKETS)], *talk;

	if (all->n >= TALKS_MAX)
		sweep(e);
	if (all->n >= TALKS_MAX)
		return NULL;
	talk = calloc(1, sizeof(*talk));
	CHECK(talk != NULL);
	talk->account = *account;
	talk->challenge = *challenge;
	talk->factor = *factor;
	talk->sends = sends;
	talk->ends_ms = ends_ms;
	bytes_init(&talk->prompts, TALK_PROMPTS_MAX);
	talk->next = *bucket;
	*bucket = talk;
	all->n++;
	return talk;
}

/* The first at once; then it takes longer each time, as phones and mail do. */
static int64_t
wait_after(unsigned number)
{
	static const int64_t waits_ms[] = {0, 30000, 60000, 120000};

	return waits_ms[number < 4 ? number : 3];
}

int
talk_left(const struct talk *talk)
{
	return (talk->sends ? TALK_SENDS_MAX : TALK_BEGINS_MAX) - talk->number;
}

int64_t
talk_wait_ms(const struct engine *e, const struct talk *talk)
{
	return talk->next_ms > e->now.boot_ms ? talk->next_ms - e->now.boot_ms : 0;
}

struct talk *
talk_begin(struct engine *e, const struct id *account, const struct challenge *c, const struct id *factor, bool sends,
    int64_t *wait_ms)
{
	struct talk *talk = talk_find(e, &c->id, factor);
	struct day *day = sends ? day_of(e, account) : NULL;

	*wait_ms = 0;
	if (sends && (day == NULL || day->sent >= TALK_SENDS_DAY_MAX))
		return NULL;
	if (talk == NULL)
		talk = talk_new(e, account, &c->id, factor, sends, c->expires_ms);
	if (talk == NULL || talk_left(talk) <= 0)
		return NULL;
	*wait_ms = talk_wait_ms(e, talk);
	if (*wait_ms > 0)
		return NULL;
	talk->number++;
	if (sends) {
		day->sent++;
		talk->next_ms = e->now.boot_ms + wait_after(talk->number);
	}
	talk->busy = true;
	talk->turns = 0;
	talk->verdict = TALK_OPEN;
	return talk;
}

struct talk *
talk_open(struct engine *e, const struct id *account, const struct id *challenge, const struct id *factor)
{
	struct talk *talk = talk_find(e, challenge, factor);

	return talk != NULL ? talk : talk_new(e, account, challenge, factor, false, e->now.wall_ms + TALK_OPEN_MS);
}

void
talk_failed(struct engine *e, struct talk *talk)
{
	talk->busy = false;
	talk->next_ms = e->now.boot_ms + TALK_RETRY_MS;
}

static struct view
member(const struct json *doc, uint32_t object, struct view name)
{
	uint32_t at = json_type(doc, object) == JSON_OBJECT ? json_get(doc, object, name) : 0;

	return at != 0 && json_type(doc, at) == JSON_STRING ? json_text(doc, at) : view_of(NULL, 0);
}

bool
talk_prompts(struct talk *talk, const struct json *doc, uint32_t steps)
{
	struct json_writer w;
	uint32_t at = json_first(doc, steps), n = json_token_at(doc, steps)->count;

	talk->asks = 0;
	talk->prompts.buf.len = 0;
	w = json_to(&talk->prompts.buf);
	json_array_begin(&w);
	for (uint32_t i = 0; i < n && i < TALK_PROMPTS; i++, at = json_next(doc, at)) {
		struct view type = member(doc, at, VIEW("type"));

		json_put_copy(&w, doc, at);
		if (type.len == 0 || type.len >= sizeof(talk->type) || view_equal(type, VIEW("show")))
			continue;
		if (talk->asks++ > 0)
			continue;
		memcpy(talk->type, type.data, type.len);
		talk->type[type.len] = '\0';
	}
	json_array_end(&w);
	return !talk->prompts.buf.full && talk->asks > 0;
}

void
talk_state(struct talk *talk, const uint8_t *state, size_t len)
{
	CHECK(len <= sizeof(talk->state));
	secret_wipe(talk->state, sizeof(talk->state));
	memcpy(talk->state, state, len);
	talk->state_len = len;
}

void
talk_over(struct talk *talk)
{
	secret_wipe(talk->state, sizeof(talk->state));
	talk->state_len = 0;
	talk->verdict = TALK_OPEN;
	talk->prompts.buf.len = 0;
	talk->asks = 0;
}

void
talk_end_all(struct engine *e, const struct id *challenge)
{
	struct talk **at = &e->talks->buckets[bucket_of(challenge, TALK_BUCKETS)];

	while (*at != NULL) {
		if (id_equal(&(*at)->challenge, challenge))
			free_one(e->talks, at);
		else
			at = &(*at)->next;
	}
}

struct talk *
talk_unsaid(const struct engine *e, const struct id *challenge, const struct talk *after)
{
	struct talk *talk = after != NULL ? after->next : e->talks->buckets[bucket_of(challenge, TALK_BUCKETS)];

	while (talk != NULL && (!id_equal(&talk->challenge, challenge) || talk->verdict == TALK_OPEN))
		talk = talk->next;
	return talk;
}
