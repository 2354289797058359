/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: the only process with the store and the keys. Everything here takes time, store, keys and connections as
 * arguments; loop.c alone knows the operating system's loop, so that the simulator links the real thing.
 *
 * One turn: engine_turn_begin(now); engine_input() for each stream with something to do; engine_turn_end() commits,
 * flushes, and only then lets replies go.
 */
#ifndef CS_ENGINE_ENGINE_H
#define CS_ENGINE_ENGINE_H

#include "broker/base/clock.h"
#include "broker/core/decide.h"
#include "broker/engine/keyring.h"
#include "broker/engine/stream.h"
#include "broker/parent/config.h"
#include "broker/parent/control.h"
#include "broker/store/store.h"

struct txns;
struct signins;
struct enrolments;
struct talks;
struct pages;
struct views;
struct transmit;
struct watches;
struct workers;
struct bearers;
struct strangers;
struct shadow;
struct signals;
struct said;
struct broker_record;

/* Compiled configuration: one immutable value, swapped between two turns. */
struct ruleset {
	struct config *config;      /* owned */
	struct policy *policy;      /* owned */
	struct stack *stacks;       /* owned; policy points into it */
	uint16_t risk_ops;          /* of all stacks together: see struct stack */
};

struct engine {
	struct keyring *keys;
	struct store *store;
	struct stream_ops io;
	struct ruleset *rules;
	struct clock_now now;
	int64_t started_boot_ms;
	int64_t clock_delta_ms;     /* wall minus boot when started */
	struct broker_state broker; /* as decisions see it */
	struct store_view view;     /* of what is shared with other brokers, for this turn */
	struct broker_record *record;
	struct txns *txns;
	struct signins *signins;
	struct enrolments *enrolments;
	struct talks *talks;
	struct pages *pages;
	struct views *views;
	struct watches *watches;
	struct transmit *transmit;
	struct workers *workers;
	struct bearers *bearers;
	struct strangers *strangers;
	struct signals *signals;
	struct said *said;
	struct shadow *shadow;      /* a candidate policy that is asked beside, or NULL */
	struct stream *ready;       /* streams with something to do in this turn */
	struct stream **ready_end;
	struct json_token tokens[JSON_TOKENS_MAX];
	struct account account;     /* the one scratch value */
	uint64_t calls;             /* numbers requests, for the log */
	uint64_t outcomes[3];
	uint64_t notices_lost;
	int64_t notices_said_ms;    /* when that was logged, boot clock */
	uint64_t last_seq;
	int64_t looked_ms;          /* boot clock: who waits looked for what other brokers did */
	unsigned round_left;        /* calls that may still be read before the next commit */
	struct control_process processes[CONTROL_PROCESSES_MAX];
	uint32_t processes_n;
	int control_fd;             /* to the parent, or -1 */
	struct call *reload;        /* Admin.Reload that waits for the parent's answer, or NULL */
	bool separated;             /* this process gave up root: roles have users of their own */
	bool stopping;
};

/* *why as for keyring_open. The config is taken over on success. */
enum cs_err engine_new(struct config *config, struct keyring *keys, struct store *store, const struct stream_ops *io,
    const struct clock_now *now, struct engine **out, char why[256]);
void engine_free(struct engine *e);

void engine_turn_begin(struct engine *e, const struct clock_now *now);
/* The stream has new bytes, has ended, or may go on. */
void engine_ready(struct engine *e, struct stream *s);
void engine_turn_end(struct engine *e);
/*
 * What was asked of the store outside a turn's commits is sent, and what it has answered is taken: after engine_tick(), where
 * the store is shared. Milliseconds until it wants to be called again.
 */
int64_t engine_store_rest(struct engine *e);
/* There is something to do at once: another turn must not wait for the sockets. */
bool engine_waits(const struct engine *e);
/* Time passed; milliseconds until it wants to be called again. */
int64_t engine_tick(struct engine *e);
/* The stream is going: nothing will be sent on it any more. */
void engine_gone(struct engine *e, struct stream *s);

/* The parent answered Reload: what is in force now, and why the new one is not (or NULL). */
void engine_reloaded(struct engine *e, uint64_t generation, const char *why);

/* A new configuration of the same store and sockets. On failure the old one stays and *why says why. */
enum cs_err engine_reload(struct engine *e, struct config *config, char why[256]);

/* The store's way to rebuild a state from its events; ctx is the keyring. */
enum cs_err engine_replay(void *ctx, const struct store_key *key, uint64_t revision, struct buf *hot, struct buf *cold,
    struct view event, struct view extra);

/* ruleset.c */
enum cs_err ruleset_new(struct config *config, struct ruleset **out, char why[256]);
/* Puts the digests of the payees that stacks name where decisions compare them. */
void ruleset_payees(struct ruleset *r, const struct keyring *keys);
void ruleset_free(struct ruleset *r);
const struct config_service *ruleset_service(const struct ruleset *r, uint64_t tag);
const struct config_provider *ruleset_provider(const struct ruleset *r, uint64_t tag);
/* Names for tags in messages; "?" where the configuration has it no more. */
const char *ruleset_service_name(const struct ruleset *r, uint64_t tag);
const char *ruleset_provider_name(const struct ruleset *r, uint64_t tag);
/* What people call it, such as "Apple ID"; else its name. */
const char *ruleset_provider_title(const struct ruleset *r, uint64_t tag);
/* The line that says that this provider controls this thing (edge.thing), or NULL. */
const struct config_control *ruleset_control(const struct ruleset *r, uint64_t provider, uint64_t thing);

#endif
