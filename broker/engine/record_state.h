/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's own record as a value, without the store: what was frozen and pinned, what its events do to it, and what
 * decisions see of it. The engine keeps one; a replay of the log makes it anew.
 */
#ifndef CS_ENGINE_RECORD_STATE_H
#define CS_ENGINE_RECORD_STATE_H

#include "broker/base/buf.h"
#include "broker/core/event.h"
#include "broker/core/policy.h"
#include "broker/parent/config.h"

enum { RECORD_ENTRIES_MAX = POLICY_PROVIDERS_MAX * 4 + 1 }; /* providers that were removed are remembered */

struct record_entry {
	uint64_t tag;              /* 0: the broker itself */
	struct id pin;             /* of plugin, issuer and client ids at the first load, or when an admin accepted others */
	struct id was_pin;         /* the one before that; or zero */
	int64_t rekey_until_ms;    /* until then its links may be moved to new subjects */
	uint8_t frozen;
	int64_t since_ms;          /* of the freeze */
	int64_t sessions_since_ms;
	uint8_t limits_n;
	struct policy_limit limits[POLICY_LIMITS_MAX];
};

enum { RECORD_RECEIVERS_MAX = 16 }; /* streams of services that are told of security events: a realm has a handful of services */

enum receiver_method { RECEIVER_PUSH = 1, RECEIVER_POLL = 2 };
enum receiver_status { RECEIVER_ENABLED = 1, RECEIVER_PAUSED = 2, RECEIVER_DISABLED = 3 };

/* A service's stream. Where it goes, and which events it wants, is in the record's cold state under its id, sealed. */
struct record_receiver {
	uint64_t service;          /* tag */
	struct id id;
	uint8_t method, status;
	uint64_t position;         /* of the log: all before it was delivered */
};

struct record_state {
	struct hash chain;
	int64_t time_ms;
	uint16_t n;
	struct record_entry entries[RECORD_ENTRIES_MAX];
	uint16_t receivers_n;
	struct record_receiver receivers[RECORD_RECEIVERS_MAX];
};

/* Borrowed, or NULL. */
struct record_entry *record_entry_of(const struct record_state *s, uint64_t tag);

/* Borrowed, or NULL. */
struct record_receiver *record_receiver_of(const struct record_state *s, uint64_t service);

void record_state_encode(const struct record_state *s, struct buf *out);
/* Nothing at all is the empty record. CS_ERR_CORRUPT, CS_ERR_VERSION; *s may have been changed on failure. */
enum cs_err record_state_decode(struct view bytes, struct record_state *s);

/* The next state; like core's apply(), total and without decisions. false: it does not fit. */
bool record_state_apply(struct record_state *s, const struct event *ev);

/* Of each configured provider, a digest of what makes it the one that it is: plugin, issuer and aliases, where its word comes from, client ids. */
void record_pins(const struct config *c, struct id pins[POLICY_PROVIDERS_MAX]);

/* What decisions see: every provider of the policy, as the record has it. b->clock_ok is left as it is. */
void record_state_publish(const struct record_state *s, uint64_t revision, const struct policy *p, const struct id *pins,
    struct broker_state *b);

#endif
