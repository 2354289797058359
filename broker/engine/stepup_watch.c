/* SPDX-License-Identifier: Apache-2.0 */
/* StepUp.Watch: each change of a challenge's state, told to whoever waits for it. */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/api.h"
#include "broker/engine/stepup.h"
#include "broker/engine/watch.h"

/*
 * A waiting call must not stand in an account's queue, since it may go at any time: a look at the account is a
 * call of its own, with nobody behind it, that leaves what it saw in the waiting call, if that is still there.
 */
struct looking {
	struct stepup of;
	uint64_t watcher;
	bool seen;
	const char *state;      /* last one told */
	const char *now;        /* that a look has seen */
};

static void
tell(struct call *call, const char *state)
{
	struct looking *l = CALL_MEMORY_AS(struct looking, call);
	bool last = strcmp(state, "open") != 0 || !call->more;
	struct json_writer w = last ? call_reply(call) : call_reply_more(call);

	l->state = state;
	json_member_str(&w, "state", view_str(state));
	call_end(call, &w);
}

static void
look_txn(struct txn *t, struct account *a, struct call *look)
{
	struct looking *l = CALL_MEMORY_AS(struct looking, look);
	struct engine *e = look->engine;
	const struct challenge *c = account_challenge(a, &l->of.id);
	struct call *watcher = watch_find(e, l->watcher);

	/* What is not committed is not told; its commit wakes the watcher again. */
	if (watcher != NULL && !txn_pending(t)) {
		struct looking *to = CALL_MEMORY_AS(struct looking, watcher);

		to->now = c == NULL ? "expired" : stepup_state(e, a, c);
		to->seen = true;
		watch_again(e, watcher);
	}
	call_done(look);
}

static void
wake(struct call *call)
{
	struct looking *l = CALL_MEMORY_AS(struct looking, call), *to;
	struct call *look;

	if (l->seen) {
		l->seen = false;
		if (strcmp(l->now, l->state) != 0)
			tell(call, l->now);
		return;
	}
	look = calloc(1, sizeof(*look));
	CHECK(look != NULL);
	look->engine = call->engine;
	look->caller = call->caller;
	to = CALL_MEMORY_AS(struct looking, look);
	to->of.key = l->of.key;
	to->of.id = l->of.id;
	to->watcher = call->number;
	txn_run_held(call->engine, &l->of.key, look, look_txn);
}

static void
watch_txn(struct txn *t, struct account *a, struct call *call)
{
	struct looking *l = CALL_MEMORY_AS(struct looking, call);
	const struct challenge *c = stepup_find(call, a, &l->of);

	if (c == NULL)
		return;
	if (txn_pending(t)) {
		txn_then(t, call, watch_txn);
		return;
	}
	tell(call, stepup_state(call->engine, a, c));
	if (call->answered)
		return;
	if (watch_add(call->engine, call, &a->key, wake))
		watch_until(call->engine, call, c->expires_ms);
	else
		call_too_many(call, "watches", 1000);
}

void
stepup_watch(struct call *call)
{
	struct looking *l = CALL_MEMORY_AS(struct looking, call);

	if (!stepup_named(call))
		return;
	/* The memory is zeroed as far as the parameters need it. */
	l->seen = false;
	txn_run(call->engine, &l->of.key, call, watch_txn);
}
