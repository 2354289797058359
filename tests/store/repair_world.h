/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world for tests of repair: one Redis server that can be set back to what it was, a few brokers with journals of
 * their own, a clock that the test moves, and a list of all that was acknowledged, which must be found again.
 */
#ifndef TESTS_STORE_REPAIR_WORLD_H
#define TESTS_STORE_REPAIR_WORLD_H

#include "broker/store/redis/ground.h"
#include "broker/store/redis/members.h"
#include "tests/store/harness.h"
#include "tests/store/plain_fleet.h"
#include "tests/store/redis_server.h"

enum { BROKERS = 3, ACCOUNTS = 8, BUCKETS = 4, STEP_MS = 10, LEASE_MS = 400 };

struct world;

struct broker {
	struct world *w;
	unsigned index, life;     /* grows with each start */
	bool up, quiet;           /* quiet: alive, but it is given no time */
	struct fleet *fleet;
	struct journal *journal;
	struct tenure *tenure;
	struct members *members;
	char name[16];
	unsigned ops;             /* commits and answers under way */
	bool busy[ACCOUNTS];      /* with one of them */
	struct doubts doubts;
	unsigned asks, die_at;    /* executed asks; at that one the broker is gone (0: never) */
	bool dying, dies_unheard; /* with its next commit, which is executed */
	bool unheard;             /* its commits are executed, and it never hears of them */
};

struct acked {
	unsigned account, broker;
	uint64_t revision;
	char tag[48];
};

/* All keys of a server, as they once were. */
struct snapshot {
	struct snapshot_key {
		char *key, *dump;
		size_t key_len, dump_len;
	} *keys;
	size_t n;
	size_t acked_n;           /* when it was taken */
};

struct world {
	struct redis_server server;
	struct fleet *control;
	struct layout layout;
	struct broker brokers[BROKERS];
	char *dir;
	char real[FLEET_TENURE_TEXT];
	uint64_t random, ids;
	int64_t now_ms;
	unsigned buckets;
	bool chaos;               /* asks are refused, lost and unheard now and then */
	struct acked *acked;
	size_t acked_n, acked_cap;
	uint64_t commits, refused;
};

/* durable: the server keeps its data on disk. */
void world_init(struct world *w, unsigned buckets, bool durable, uint64_t seed);
void world_clear(struct world *w);
struct store_key account_key(unsigned account);

void broker_start(struct world *w, unsigned i);
/* As by kill -9. */
void broker_kill(struct world *w, unsigned i);
/* Begins a commit of one event; it is acknowledged, or not, in later steps. False: its bucket is not open there, or it is busy with it. */
bool broker_commit(struct world *w, unsigned i, unsigned account);
/* Begins an answer from what is there: as a question is answered, the same. */
bool broker_answer(struct world *w, unsigned i, unsigned account);
bool broker_all_open(const struct broker *b);

/* One round of every broker: clock, ticks, flush. */
void world_step(struct world *w);
/* Until every broker that is up has all buckets open and no commit under way; fails the test after so many rounds. */
void world_settle(struct world *w);
/* The same with a commit that must be acknowledged. */
void world_commit(struct world *w, unsigned i, unsigned account);

/* The tenure as it is; brokers hear of it with world_tell(). */
void world_look(struct world *w);
void world_tell(struct world *w);

struct snapshot *snapshot_take(struct world *w);
void snapshot_free(struct snapshot *s);
/* The server's data are set back; under a new tenure, or, where `same`, under the one it has. NULL: empty. */
void world_set_back(struct world *w, const struct snapshot *s, bool same);

bool account_held(struct world *w, unsigned account);
/*
 * Every acknowledged commit is in its record's history, or its record is held and the entry is kept with it; and a
 * record that is not held has revisions 1, 2, 3 and so on, each once.
 */
void world_verify(struct world *w);
size_t world_held(struct world *w);

#endif
