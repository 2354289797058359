/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over the core: an owner, a thief, an admin and a clock take steps that a source of numbers
 * chooses, and an oracle with bookkeeping of its own looks at every outcome. The thief has the
 * stolen Apple ID, and the passkey that it syncs; the owner has a TOTP and printed codes, and answers
 * only what the owner asked for. What must never be aborts.
 */
#ifndef CS_TESTS_UNIT_CORE_WALK_H
#define CS_TESTS_UNIT_CORE_WALK_H

#include "tests/unit/core_fixture.h"

struct walk_source {
	/* A number below n. */
	uint32_t (*pick)(struct walk_source *s, uint32_t n);
};

enum {
	WALK_SESSIONS_MAX = 64,
	WALK_PROMPTS_MAX = 256,
	WALK_ALLOWANCES_MAX = 64,
	WALK_PERMITS_MAX = 4096,
	WALK_FACTS_MAX = 256
};

struct walk_session {
	struct id id;
	uint64_t service;
	int64_t opened_ms;
	uint32_t link_no;
	bool thief, countersigned;
};

struct walk_prompt {
	struct id id, session;
	struct request request;
	uint64_t service;
	int64_t done_ms; /* 0: not yet */
	uint32_t no;
	bool thief, used;
};

struct walk_allowance {
	struct grant grant;
	struct id id;
	uint64_t service;
	uint32_t no, link_no;
	int64_t spent, day_spent;
	int64_t paused_ms; /* by the newest security event; 0: none */
	int32_t day;
	bool thief, open;
};

struct walk_permit {
	struct id id, subject;
	uint64_t n, service;
	int64_t counted, ms;
	uint32_t allowance_no;
	uint16_t currency;
	bool held;
};

/* What somebody vouches for of a link. */
struct walk_fact {
	uint64_t kind, by, value;
	int64_t verified, since;
	uint32_t link_no;
	bool lowered;
};

struct walk {
	struct fixture f;
	struct walk_source *source;
	struct walk_session sessions[WALK_SESSIONS_MAX];
	struct walk_prompt prompts[WALK_PROMPTS_MAX];
	struct walk_allowance allowances[WALK_ALLOWANCES_MAX];
	struct walk_permit permits[WALK_PERMITS_MAX];
	struct walk_fact facts[WALK_FACTS_MAX];
	size_t sessions_n, prompts_n, allowances_n, permits_n, facts_n;
	uint64_t payments;
	int64_t began_ms;
	uint32_t codes, spare; /* serials: the recovery codes, and the newest factor that nobody answers with */
	unsigned permitted, captured, linked, enrolled, recovered, unlocked, resumed,
	    taken_back, rekeyed, raised; /* so that a test sees that the walk got somewhere */
};

void walk_begin(struct walk *w, struct walk_source *source);
void walk_step(struct walk *w);

#endif
