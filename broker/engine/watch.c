/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting calls, in one list: they are few beside what they wait for. */
#include "broker/engine/watch.h"

#include <stdlib.h>

#include "broker/base/check.h"

struct watch {
	struct call *call;
	watch_fn *wake;
	struct id key;
	bool any, due;
	int64_t until_ms;       /* wall clock; 0: none */
	struct watch *next;
};

struct watches {
	struct watch *first;
	size_t n;
	bool due;
};

struct watches *
watches_new(void)
{
	struct watches *w = calloc(1, sizeof(*w));

	CHECK(w != NULL);
	return w;
}

void
watches_free(struct watches *w)
{
	while (w->first != NULL) {
		struct watch *next = w->first->next;

		free(w->first);
		w->first = next;
	}
	free(w);
}

bool
watch_add(struct engine *e, struct call *call, const struct id *key, watch_fn *wake)
{
	struct watches *all = e->watches;
	struct watch *w;

	if (all->n == WATCHES_MAX)
		return false;
	w = calloc(1, sizeof(*w));
	CHECK(w != NULL);
	w->call = call_hold(call);
	w->wake = wake;
	w->any = key == NULL;
	if (key != NULL)
		w->key = *key;
	w->next = all->first;
	all->first = w;
	all->n++;
	return true;
}

void
watches_event(struct engine *e, const struct id *key, struct view event)
{
	(void)event;
	for (struct watch *w = e->watches->first; w != NULL; w = w->next) {
		if (w->any || id_equal(&w->key, key))
			w->due = e->watches->due = true;
	}
}

void
watch_again(struct engine *e, const struct call *call)
{
	for (struct watch *w = e->watches->first; w != NULL; w = w->next) {
		if (w->call == call)
			w->due = e->watches->due = true;
	}
}

void
watch_until(struct engine *e, const struct call *call, int64_t wall_ms)
{
	/* The call that was given to watch_add() may be the one on the stack: the copy has the same number. */
	for (struct watch *w = e->watches->first; w != NULL; w = w->next) {
		if (w->call->number == call->number)
			w->until_ms = wall_ms;
	}
}

struct call *
watch_find(const struct engine *e, uint64_t number)
{
	for (struct watch *w = e->watches->first; w != NULL; w = w->next) {
		if (w->call->number == number)
			return w->call;
	}
	return NULL;
}

void
watches_tick(struct engine *e)
{
	for (struct watch *w = e->watches->first; w != NULL; w = w->next) {
		if (w->until_ms == 0 || w->until_ms > e->now.wall_ms)
			continue;
		w->until_ms = 0;
		w->due = e->watches->due = true;
	}
}

void
watches_all(struct engine *e)
{
	for (struct watch *w = e->watches->first; w != NULL; w = w->next)
		w->due = e->watches->due = true;
}

void
watches_run(struct engine *e)
{
	struct watches *all = e->watches;

	if (!all->due)
		return;
	all->due = false;
	for (struct watch **at = &all->first; *at != NULL;) {
		struct watch *w = *at;

		if (w->due && w->call->stream != NULL && w->call->stream->out.buf.len >= STREAM_OUT_FULL) {
			all->due = true;
		} else if (w->due && w->call->stream != NULL) {
			w->due = false;
			w->call->txn = NULL;
			w->wake(w->call);
			if (w->call->stream != NULL)
				engine_ready(e, w->call->stream);
		}
		if (!w->call->answered && w->call->stream != NULL) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		all->n--;
		call_release(w->call);
		free(w);
	}
}

void
watches_gone(struct engine *e, struct call *call)
{
	for (struct watch *w = e->watches->first; w != NULL; w = w->next) {
		if (w->call == call)
			w->due = e->watches->due = true;
	}
}
