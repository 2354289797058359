/* SPDX-License-Identifier: Apache-2.0 */
/* Counting refusals that have no account. */
#include "broker/engine/strangers.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/engine/record.h"

enum {
	KINDS_MAX = 64,        /* of service and word; what comes beyond is counted with the last */
	EVERY_MS = 1000,
	WORDS_BYTES = 160,     /* fits what the record takes */
};

struct kind {
	uint64_t service;
	const char *what;
	uint64_t count;
};

struct strangers {
	struct kind kinds[KINDS_MAX];
	size_t n;
	int64_t written_ms;    /* boot clock */
};

struct strangers *
strangers_new(void)
{
	struct strangers *s = calloc(1, sizeof(*s));

	CHECK(s != NULL);
	s->written_ms = -EVERY_MS;
	return s;
}

void
strangers_free(struct strangers *s)
{
	free(s);
}

void
strangers_note(struct engine *e, uint64_t service, const char *what)
{
	struct strangers *s = e->strangers;

	for (size_t i = 0; i < s->n; i++) {
		if (s->kinds[i].service == service && strcmp(s->kinds[i].what, what) == 0) {
			s->kinds[i].count++;
			return;
		}
	}
	if (s->n < KINDS_MAX - 1) {
		s->kinds[s->n++] = (struct kind){service, what, 1};
		return;
	}
	if (s->n < KINDS_MAX)
		s->kinds[s->n++] = (struct kind){0, "others", 0};
	s->kinds[KINDS_MAX - 1].count++;
}

static uint64_t
count_of(const struct strangers *s, uint64_t service)
{
	uint64_t count = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->kinds[i].service == service)
			count += s->kinds[i].count;
	}
	return count;
}

/* "session 12, method 3": as many as the words hold. */
static struct view
words_for(const struct strangers *s, uint64_t service, char text[WORDS_BYTES])
{
	size_t len = 0;

	for (size_t i = 0; i < s->n; i++) {
		int n;

		if (s->kinds[i].service != service)
			continue;
		n = snprintf(text + len, WORDS_BYTES - len, "%s%s %llu", len > 0 ? ", " : "", s->kinds[i].what,
		    (unsigned long long)s->kinds[i].count);
		if (n < 0 || (size_t)n >= WORDS_BYTES - len)
			break;
		len += (size_t)n;
	}
	return view_of(text, len);
}

static void
forget(struct strangers *s, uint64_t service)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->kinds[i].service != service)
			s->kinds[kept++] = s->kinds[i];
	}
	s->n = kept;
}

void
strangers_tick(struct engine *e)
{
	struct strangers *s = e->strangers;
	struct event ev = {.type = EVENT_STRANGERS_DENIED, .reason = REASON_SERVICE_RIGHT};
	char text[WORDS_BYTES];
	uint64_t most = 0;

	if (s->n == 0 || e->now.boot_ms - s->written_ms < EVERY_MS)
		return;
	for (size_t i = 0; i < s->n; i++) {
		uint64_t count = count_of(s, s->kinds[i].service);

		if (count > most) {
			most = count;
			ev.service = s->kinds[i].service;
		}
	}
	ev.count = most > INT64_MAX ? INT64_MAX : (int64_t)most;
	/* A store that takes nothing now is not asked more often for that. */
	s->written_ms = e->now.boot_ms;
	if (record_note(e, &ev, words_for(s, ev.service, text)))
		forget(s, ev.service);
}
