/* SPDX-License-Identifier: Apache-2.0 */
/* The world of the simulator: one engine, its store, and connections whose bytes are moved by hand. */
#ifndef CS_TESTS_SIM_WORLD_H
#define CS_TESTS_SIM_WORLD_H

#include "broker/engine/engine.h"
#include "broker/store/mem.h"

enum { WORLD_CLIENTS = 6, WORLD_UID = 1001 };

/* What may be done to the store besides its contract. */
struct bare;

struct world_store {
	void (*misbehave)(struct store *s, const struct store_mem_options *options);
	void (*crash)(struct store *s);
};

struct world {
	uint64_t random;           /* state of the generator */
	const struct world_store *of;
	const struct bare *policy; /* NULL: the usual one */
	bool shadowed;             /* a candidate policy is asked beside: with odd seeds */
	struct keyring *keys;
	struct store *store;
	struct store_mem_options faults;
	struct engine *engine;
	struct clock_now now;
	struct stream *clients[WORLD_CLIENTS];
	uint64_t crashes, turns;
};

uint64_t world_random(struct world *w, uint64_t below);
void world_open(struct world *w, uint64_t seed);
/* The same over a store of one's own, that serves now; it is closed with the world. */
void world_open_over(struct world *w, uint64_t seed, struct store *store, const struct world_store *of);
void world_open_with(struct world *w, uint64_t seed, struct store *store, const struct world_store *of, const struct bare *policy);
/* As the world's faults say, or honest. */
void world_misbehave(struct world *w, bool honest);
void world_close(struct world *w);
/* Puts bytes into a client's connection; they arrive with the next turns, cut anywhere. */
void world_send(struct world *w, int client, struct view bytes);
/* One turn: some of what was sent arrives, the engine decides and commits, the store's late completions may run. */
void world_turn(struct world *w);
/* One turn in which all that was sent arrives. */
void world_everybody(struct world *w);
/* Turns without faults until nothing is left to do. */
void world_settle(struct world *w);
/* Takes one whole reply off a client's connection; false where there is none that may be read. */
bool world_reply(struct world *w, int client, struct buf *text);
/* A client goes, whatever it asked, and another one comes in its place. */
void world_leave(struct world *w, int client);
/* The engine dies, and what was not durable with it; another one starts. */
void world_crash(struct world *w);

#endif
