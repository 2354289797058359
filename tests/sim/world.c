/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, moving bytes, crashing. */
#include "tests/sim/world.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "tests/sim/bare.h"

static const struct bare bare = {
    .realm = "simulated", .shop = "rights spend refund lookup", .sandbox = "limits CNY { per-day 300 }"};
static const struct bare shadowed = {.realm = "simulated", .shop = "rights spend refund lookup",
    .sandbox = "limits CNY { per-day 300 }", .candidate = "limits CNY { per-day 100 }"};

uint64_t
world_random(struct world *w, uint64_t below)
{
	/* splitmix64: small, and good enough to choose with */
	uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % below;
}

/* Bytes that were sent and have not arrived: kept apart from the stream. */
struct wire {
	struct stream stream;
	struct bytes sent;
};

static struct stream *
client_new(void)
{
	struct wire *x = calloc(1, sizeof(*x));

	CHECK(x != NULL);
	stream_init(&x->stream, STREAM_SERVICE, WORLD_UID);
	bytes_init(&x->sent, 1024 * 1024);
	return &x->stream;
}

static void
start(struct world *w)
{
	w->engine = bare_engine(w->policy != NULL ? w->policy : w->shadowed ? &shadowed : &bare, w->keys, w->store, &w->now);
	for (int i = 0; i < WORLD_CLIENTS; i++)
		w->clients[i] = client_new();
}

static void
client_free(struct world *w, int client)
{
	struct wire *x = (struct wire *)w->clients[client];

	engine_gone(w->engine, &x->stream);
	stream_clear(&x->stream);
	bytes_clear(&x->sent);
	free(x);
}

static void
stop(struct world *w)
{
	for (int i = 0; i < WORLD_CLIENTS; i++)
		client_free(w, i);
	engine_free(w->engine);
}

void
world_misbehave(struct world *w, bool honest)
{
	struct store_mem_options none = {.seed = w->faults.seed};

	w->of->misbehave(w->store, honest ? &none : &w->faults);
}

void
world_open_over(struct world *w, uint64_t seed, struct store *store, const struct world_store *of)
{
	world_open_with(w, seed, store, of, NULL);
}

void
world_open_with(struct world *w, uint64_t seed, struct store *store, const struct world_store *of, const struct bare *policy)
{
	static const uint8_t master[32] = {1, 2, 3};

	*w = (struct world){.random = seed, .of = of, .policy = policy, .shadowed = seed % 2 == 1, .now = {.wall_ms = INT64_C(1790000000000),
	    .boot_ms = 1000000, .steady_ms = 1000000}, .store = store};
	w->keys = keyring_from(master);
	w->faults = (struct store_mem_options){.seed = seed, .delay = 200, .reorder = 300, .fail = 20, .lose_reply = 10,
	    .lose_write = 10, .conflict = 20};
	world_misbehave(w, true);
	start(w);
	world_misbehave(w, false);
}

void
world_open(struct world *w, uint64_t seed)
{
	static const struct world_store mem = {store_mem_misbehave, store_mem_crash};
	const struct store_mem_options honest = {.seed = seed};

	world_open_over(w, seed, store_mem_open(&honest), &mem);
}

void
world_close(struct world *w)
{
	stop(w);
	store_close(w->store);
	keyring_free(w->keys);
}

void
world_send(struct world *w, int client, struct view bytes)
{
	buf_put_view(&((struct wire *)w->clients[client])->sent.buf, bytes);
}

static void
arrive(struct world *w, struct wire *x, bool all)
{
	struct stream *s = &x->stream;
	size_t n = x->sent.buf.len;

	/* What calls look into must not move: nothing is read meanwhile. */
	if (s->held != NULL || s->unsettled > 0)
		return;
	if (n > 0) {
		if (!all)
			n = world_random(w, n + 1);
		buf_put(&s->in.buf, x->sent.buf.data, n);
		CHECK(!s->in.buf.full);
		bytes_consume(&x->sent, n);
	}
	engine_ready(w->engine, s);
}

static void
turn(struct world *w, bool all)
{
	w->turns++;
	w->now.wall_ms += 3;
	w->now.boot_ms += 3;
	w->now.steady_ms += 3;
	engine_turn_begin(w->engine, &w->now);
	for (int i = 0; i < WORLD_CLIENTS; i++) {
		if (all || world_random(w, 3) != 0)
			arrive(w, (struct wire *)w->clients[i], all);
	}
	engine_turn_end(w->engine);
	engine_tick(w->engine);
	store_idle(w->store, 1000);
	engine_turn_end(w->engine);
}

void
world_turn(struct world *w)
{
	turn(w, false);
}

void
world_everybody(struct world *w)
{
	turn(w, true);
}

void
world_settle(struct world *w)
{
	world_misbehave(w, true);
	for (int i = 0; i < 64; i++)
		turn(w, true);
	for (int i = 0; i < WORLD_CLIENTS; i++)
		CHECK(w->clients[i]->held == NULL && w->clients[i]->unsettled == 0);
	world_misbehave(w, false);
}

bool
world_reply(struct world *w, int client, struct buf *text)
{
	struct stream *s = w->clients[client];
	size_t len;

	if (s->unsettled > 0 || varlink_frame((char *)s->out.buf.data, s->out.buf.len, NULL, &len) != CS_OK)
		return false;
	text->len = 0;
	buf_put(text, s->out.buf.data, len);
	CHECK(!text->full);
	bytes_consume(&s->out, len + 1);
	return true;
}

void
world_leave(struct world *w, int client)
{
	client_free(w, client);
	w->clients[client] = client_new();
}

void
world_crash(struct world *w)
{
	w->crashes++;
	w->of->crash(w->store);
	stop(w);
	/* The next one starts on a store that works; it fails again when it serves. */
	world_misbehave(w, true);
	start(w);
	world_misbehave(w, false);
}
