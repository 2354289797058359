/* SPDX-License-Identifier: Apache-2.0 */
/* The services of the simulator: what they ask at random, and what they remember of the answers. See README.md. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/core/money.h"
#include "tests/sim/ledger.h"
#include "tests/sim/shared.h"

enum {
	PEOPLE = 5,
	STEPS_DEFAULT = 12000,
	IN_FLIGHT = 12,
	CRASH_EVERY = 150,
	LEAVE_EVERY = 100,
	CALM_EVERY = 200,
	FORGET_EVERY = 250,      /* of several brokers: the store forgets up to FORGET_MAX commits */
	FORGET_OFTEN = 20,
	FORGET_MAX = 12,
	CLIENTS_MAX = SHARED_BROKERS_MAX * WORLD_CLIENTS,
};

enum kind { ASK_AUTHORIZE, ASK_CAPTURE, ASK_RELEASE, ASK_REFUND, ASK_GET, ASK_EVALUATE, ASK__KINDS };

/* A call that is on its way: its answer is the next on its connection. */
struct asked_call {
	enum kind kind;
	int person, payment;
	int64_t amount;
	struct told then;        /* what was known when it was asked */
	uint64_t born;           /* which person of that place */
};

struct sim {
	struct world worlds[SHARED_BROKERS_MAX];
	int brokers;
	struct shared *shared;   /* of several brokers; or NULL */
	bool often;              /* it forgets often */
	struct world outside;    /* the store as it is, with one broker's policy, for who looks at it */
	struct clock_now now;
	struct ledger ledgers[PEOPLE];
	uint64_t born[PEOPLE], people;
	struct asked_call calls[CLIENTS_MAX][IN_FLIGHT];
	int in_flight[CLIENTS_MAX];
	uint64_t answers, permits, denials, unavailable, replays, captures, refunds, left;
};

/* Chooses for all. */
static uint64_t
pick(struct sim *s, uint64_t below)
{
	return world_random(&s->worlds[0], below);
}

static struct world *
world_of(struct sim *s, int client)
{
	return &s->worlds[client / WORLD_CLIENTS];
}

/* Where the store is looked at from outside: honest. */
static struct world *
look(struct sim *s)
{
	static const struct world_store mem = {store_mem_misbehave, store_mem_crash};

	if (s->shared == NULL)
		return &s->worlds[0];
	s->outside = s->worlds[0];
	s->outside.of = &mem;
	s->outside.store = shared_truth(s->shared);
	s->outside.faults = (struct store_mem_options){.seed = 1};
	s->outside.now = s->now;
	return &s->outside;
}

static struct view
text_of(const struct json *doc, uint32_t object, const char *name)
{
	uint32_t at = object == 0 ? 0 : json_get(doc, object, view_str(name));

	return at == 0 || json_type(doc, at) != JSON_STRING ? view_of(NULL, 0) : json_text(doc, at);
}

static void
money(int64_t minor, char to[32])
{
	to[money_format(minor, currency_find(VIEW("CNY")), to)] = '\0';
}

/* The amount of a payment id is fixed, so that asking again is asking the same. */
static int64_t
amount_of(int person, int payment)
{
	return 100 + (int64_t)(person * 7919 + payment * 104729) % 7000;
}

static int
write_call(struct sim *s, const struct asked_call *c, char *to, size_t size)
{
	const struct ledger *l = &s->ledgers[c->person];
	const struct told *t = &l->told[c->payment];
	char amount[32];

	money(c->amount, amount);
	switch (c->kind) {
	case ASK_AUTHORIZE:
	case ASK_EVALUATE:
		return snprintf(to, size, "{\"method\":\"org.countersign.Payments.%s\",\"parameters\":{\"session\":\"%.*s\","
		    "\"payment\":{\"id\":\"p%d\",\"amount\":\"%s\",\"currency\":\"CNY\",\"payee\":{\"id\":\"m\"}}%s}}",
		    c->kind == ASK_AUTHORIZE ? "Authorize" : "Evaluate", (int)l->person.session_text.len,
		    l->person.session_text.data, c->payment, amount,
		    c->payment % 4 == 0 ? ",\"capture\":true" : "");
	case ASK_CAPTURE:
		return snprintf(to, size, "{\"method\":\"org.countersign.Payments.Capture\",\"parameters\":{\"hold\":\"%.*s\","
		    "\"capture_id\":\"c\",\"amount\":\"%s\"}}", (int)t->hold_len, t->hold, amount);
	case ASK_RELEASE:
		return snprintf(to, size, "{\"method\":\"org.countersign.Payments.Release\",\"parameters\":{\"hold\":\"%.*s\"}}",
		    (int)t->hold_len, t->hold);
	case ASK_REFUND:
		return snprintf(to, size, "{\"method\":\"org.countersign.Payments.Refund\",\"parameters\":{\"account\":\"%s\","
		    "\"payment\":\"p%d\",\"refund_id\":\"r%" PRId64 "\",\"amount\":\"%s\"}}", l->person.name, c->payment,
		    c->amount, amount);
	default:
		return snprintf(to, size, "{\"method\":\"org.countersign.Payments.Get\",\"parameters\":{\"account\":\"%s\","
		    "\"payment\":\"p%d\"}}", l->person.name, c->payment);
	}
}

static void
ask(struct sim *s, int client)
{
	struct asked_call c = {.kind = ASK_AUTHORIZE, .person = (int)pick(s, PEOPLE),
	    .payment = (int)pick(s, LEDGER_PAYMENTS)};
	const struct told *t = &s->ledgers[c.person].told[c.payment];
	char text[1024];
	int n;

	c.amount = amount_of(c.person, c.payment);
	if (t->permitted && pick(s, 3) != 0)
		c.kind = (enum kind)(1 + pick(s, ASK__KINDS - 1));
	/* Brokers that do not ask the others are caught by questions. */
	if (s->shared != NULL && c.kind != ASK_AUTHORIZE && pick(s, 2) == 0)
		c.kind = ASK_GET;
	if (c.kind == ASK_CAPTURE && c.payment % 3 == 0)
		c.amount -= c.amount / 3;
	/* The amount is part of the refund's id here: the same twice is a replay, and sums are reached. */
	if (c.kind == ASK_REFUND)
		c.amount = 1 + (int64_t)pick(s, 40) * 13;
	n = write_call(s, &c, text, sizeof(text));
	CHECK(n > 0 && (size_t)n < sizeof(text));
	c.then = *t;
	c.born = s->born[c.person];
	world_send(world_of(s, client), client % WORLD_CLIENTS, view_of(text, (size_t)n + 1));
	s->calls[client][s->in_flight[client]++] = c;
}

static void
told_permit(struct sim *s, struct told *t, const struct asked_call *c, const struct json *doc, uint32_t p)
{
	uint32_t hold = json_get(doc, p, VIEW("hold"));
	struct view id = text_of(doc, hold, "id");

	CHECK(id.len > 0 && id.len <= sizeof(t->hold));
	/* One payment id, one hold, whatever happened in between. */
	CHECK(!t->permitted || view_equal(id, view_of(t->hold, t->hold_len)));
	memcpy(t->hold, id.data, id.len);
	t->hold_len = id.len;
	t->permitted = true;
	t->amount = c->amount;
	s->permits++;
	s->replays += json_get(doc, p, VIEW("replayed")) != 0;
	if (view_equal(text_of(doc, hold, "state"), VIEW("captured")))
		t->captured = true;
}

/* Whatever is told of a hold is not older than what was told before it was asked for, by whichever broker. */
static void
check_hold(const struct asked_call *c, const struct json *doc, uint32_t parameters)
{
	uint32_t hold = json_get(doc, parameters, VIEW("hold"));
	struct view state = text_of(doc, hold, "state"), refunded = text_of(doc, hold, "refunded");
	int64_t minor = 0;

	if (hold == 0)
		return;
	CHECK(!c->then.captured || view_equal(state, VIEW("captured")));
	CHECK(!c->then.released || view_equal(state, VIEW("released")));
	CHECK(refunded.len == 0 || money_parse(refunded, currency_find(VIEW("CNY")), &minor) == CS_OK);
	CHECK(minor >= c->then.refunded);
}

static void
hear(struct sim *s, const struct asked_call *c, struct buf *text)
{
	static struct json_token tokens[JSON_TOKENS_MAX];
	struct told *t = &s->ledgers[c->person].told[c->payment];
	struct varlink_reply r;
	struct json doc;
	struct view outcome;

	CHECK(varlink_read_reply((char *)text->data, text->len, tokens, JSON_TOKENS_MAX, &doc, &r, NULL) == CS_OK);
	s->answers++;
	/* Of somebody whose account is held, and whose place another one has. */
	if (c->born != s->born[c->person])
		return;
	if (r.error.len > 0) {
		s->unavailable += view_equal(r.error, VIEW("org.countersign.Unavailable"));
		/* What exists is never said not to exist. */
		CHECK(!view_equal(r.error, VIEW("org.countersign.NotFound")) || (c->kind != ASK_AUTHORIZE && !c->then.permitted));
		CHECK(!view_equal(r.error, VIEW("org.countersign.InvalidParameter")));
		return;
	}
	check_hold(c, &doc, r.parameters);
	outcome = text_of(&doc, r.parameters, "outcome");
	if (c->kind == ASK_AUTHORIZE && view_equal(outcome, VIEW("permit")))
		told_permit(s, t, c, &doc, r.parameters);
	else if (c->kind == ASK_AUTHORIZE)
		s->denials++;
	/* A permit sticks. */
	if (c->kind == ASK_AUTHORIZE && !view_equal(outcome, VIEW("permit")) && c->then.permitted) {
		struct view reason = text_of(&doc, r.parameters, "reason");

		fprintf(stderr, "account %d payment %d was permitted; now %.*s %.*s\n", c->person, c->payment,
		    (int)outcome.len, outcome.data, (int)reason.len, reason.data);
		abort();
	}
	if (c->kind == ASK_CAPTURE && view_equal(outcome, VIEW("permit"))) {
		t->captured = true;
		s->captures++;
	}
	if (c->kind == ASK_RELEASE)
		t->released = true;
	if (c->kind == ASK_REFUND && json_get(&doc, r.parameters, VIEW("replayed")) == 0) {
		t->refunded += c->amount;
		s->refunds++;
	}
	CHECK(!(t->captured && t->released));
}

static void
hear_all(struct sim *s)
{
	static uint8_t bytes[VARLINK_MESSAGE_MAX + 1];

	for (int client = 0; client < s->brokers * WORLD_CLIENTS; client++) {
		struct buf text = buf_over(bytes, sizeof(bytes));

		while (s->in_flight[client] > 0 && world_reply(world_of(s, client), client % WORLD_CLIENTS, &text)) {
			hear(s, &s->calls[client][0], &text);
			s->in_flight[client]--;
			memmove(&s->calls[client][0], &s->calls[client][1],
			    (size_t)s->in_flight[client] * sizeof(s->calls[client][0]));
		}
	}
}

static void
person_new(struct sim *s, int place)
{
	s->ledgers[place] = (struct ledger){0};
	s->born[place] = ++s->people;
	person_make(look(s), (int)(s->people - 1), &s->ledgers[place].person);
	if (s->shared != NULL)
		shared_keep(s->shared);
}

/* Everything that was told is there; whose account is held makes room for another. */
static void
check_all(struct sim *s)
{
	struct world *w = look(s);

	if (s->shared != NULL && !shared_whole(s->shared))
		return;
	world_misbehave(w, true);
	for (int i = 0; i < PEOPLE; i++) {
		struct store_key key;

		memcpy(key.b, s->ledgers[i].person.key.b, sizeof(key.b));
		if (s->shared == NULL || !shared_held(s->shared, &key))
			ledger_check(w, &s->ledgers[i]);
		else
			person_new(s, i);
	}
	world_misbehave(w, false);
}

static void
crash(struct sim *s)
{
	int broker = s->brokers == 1 ? 0 : (int)pick(s, (uint64_t)s->brokers);

	if (s->shared != NULL)
		shared_settle(s->shared);
	s->worlds[broker].now = s->now;
	world_crash(&s->worlds[broker]);
	memset(s->in_flight + broker * WORLD_CLIENTS, 0, WORLD_CLIENTS * sizeof(s->in_flight[0]));
	check_all(s);
}

/* Nobody hears the answers any more; what was decided is decided, once. */
static void
leave(struct sim *s)
{
	int client = (int)pick(s, (uint64_t)s->brokers * WORLD_CLIENTS);

	world_leave(world_of(s, client), client % WORLD_CLIENTS);
	s->in_flight[client] = 0;
	s->left++;
}

/* Sometimes hardly a commit meets a conflict, and sometimes nearly all do: others change the same accounts. */
static void
turn_weather(struct sim *s)
{
	static const uint16_t chances[] = {0, 20, 300, 700};
	uint16_t chance = chances[pick(s, sizeof(chances) / sizeof(chances[0]))];

	for (int i = 0; i < s->brokers; i++) {
		s->worlds[i].faults.conflict = chance;
		world_misbehave(&s->worlds[i], false);
	}
}

/* All brokers have one clock. */
static void
turn(struct sim *s, int broker)
{
	struct world *w = &s->worlds[broker];

	w->now = s->now;
	world_turn(w);
	s->now = w->now;
	if (s->shared != NULL)
		shared_turn(s->shared);
}

static void
settle(struct sim *s)
{
	for (int i = 0; i < s->brokers; i++) {
		if (s->shared != NULL)
			shared_settle(s->shared);
		s->worlds[i].now = s->now;
		world_settle(&s->worlds[i]);
		s->now = s->worlds[i].now;
	}
}

static void
finish(struct sim *s)
{
	settle(s);
	hear_all(s);
	/* Every call had exactly one answer. */
	for (int i = 0; i < s->brokers * WORLD_CLIENTS; i++)
		CHECK(s->in_flight[i] == 0 && world_of(s, i)->clients[i % WORLD_CLIENTS]->out.buf.len == 0);
	check_all(s);
}

static void
begin(struct sim *s, uint64_t seed, int brokers, enum shared_fault fault)
{
	static const struct world_store port = {shared_misbehave, shared_crash};

	s->brokers = brokers;
	s->often = fault == SHARED_NO_TENURE || fault == SHARED_FORGETFUL || fault == SHARED_NO_GROUND;
	if (brokers == 1) {
		world_open(&s->worlds[0], seed);
	} else {
		s->shared = shared_new(seed, fault);
		for (int i = 0; i < brokers; i++)
			world_open_over(&s->worlds[i], seed + (uint64_t)i, shared_open(s->shared), &port);
	}
	s->now = s->worlds[0].now;
	for (int i = 0; i < PEOPLE; i++)
		person_new(s, i);
}

static void
end(struct sim *s)
{
	for (int i = 0; i < s->brokers; i++) {
		if (s->shared != NULL)
			shared_crash(s->worlds[i].store);
		world_close(&s->worlds[i]);
	}
	if (s->shared != NULL)
		shared_free(s->shared);
}

static void
step(struct sim *s)
{
	int client = (int)pick(s, (uint64_t)s->brokers * WORLD_CLIENTS);

	if (s->in_flight[client] < IN_FLIGHT)
		ask(s, client);
	if (pick(s, 3) == 0)
		turn(s, s->brokers == 1 ? 0 : (int)pick(s, (uint64_t)s->brokers));
	hear_all(s);
	if (pick(s, CRASH_EVERY) == 0)
		crash(s);
	if (pick(s, LEAVE_EVERY) == 0)
		leave(s);
	if (pick(s, CALM_EVERY) == 0)
		turn_weather(s);
	if (s->shared != NULL && pick(s, s->often ? FORGET_OFTEN : FORGET_EVERY) == 0)
		shared_forget(s->shared, 1 + (size_t)pick(s, FORGET_MAX));
}

static const char *const fault_names[SHARED__FAULTS] = {
	"sound", "forgetful", "no-repair", "no-journal", "no-ground", "no-question", "no-tenure",
};

/* Whether enough has happened for the run to mean something. */
static bool
report(const struct sim *s)
{
	uint64_t crashes = 0;
	struct shared_counts c = {0};

	for (int i = 0; i < s->brokers; i++)
		crashes += s->worlds[i].crashes;
	printf("%" PRIu64 " answers: %" PRIu64 " permits (%" PRIu64 " replayed), %" PRIu64 " denials, %" PRIu64
	    " unavailable, %" PRIu64 " captures, %" PRIu64 " refunds; %" PRIu64 " crashes, %" PRIu64 " clients left; %" PRIu64
	    " decisions taken again%s\n", s->answers, s->permits, s->replays, s->denials, s->unavailable, s->captures, s->refunds,
	    crashes, s->left, ledger_decided, s->worlds[0].shadowed ? ", with a candidate" : "");
	if (s->shared == NULL)
		return ledger_decided > 0 && s->permits > 0 && s->unavailable > 0 && crashes > 0;
	c = shared_counts(s->shared);
	printf("%d brokers: %" PRIu64 " commits forgotten, %" PRIu64 " put back, %" PRIu64 " accounts held; %" PRIu64
	    " conflicts, %" PRIu64 " loads of what was old\n", s->brokers, c.forgotten, c.put_back, c.held, c.conflicts, c.stale_loads);
	return ledger_decided > 0 && s->permits > 0 && s->unavailable > 0 && crashes > 0 && c.forgotten > 0 && c.conflicts > 0 &&
	    c.stale_loads > 0;
}

/* sim [SEED [STEPS [BROKERS [FAULT]]]] */
int
main(int argc, char **argv)
{
	static struct sim s;
	uint64_t seed = argc > 1 && argv[1][0] != '\0' ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
	uint64_t steps = argc > 2 && argv[2][0] != '\0' ? strtoull(argv[2], NULL, 10) : STEPS_DEFAULT;
	int brokers = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1;
	enum shared_fault fault = SHARED_SOUND;
	bool whole;

	while (argc > 4 && fault < SHARED__FAULTS && strcmp(argv[4], fault_names[fault]) != 0)
		fault++;
	if (brokers < 1 || brokers > SHARED_BROKERS_MAX || fault == SHARED__FAULTS) {
		fprintf(stderr, "usage: sim [SEED [STEPS [BROKERS [sound | forgetful | no-repair | no-journal | no-question | no-tenure]]]]\n");
		return 2;
	}
	printf("seed %" PRIu64 " (repeat: sim %" PRIu64 " %" PRIu64 " %d %s)\n", seed, seed, steps, brokers, fault_names[fault]);
	fflush(stdout);
	/* Failed commits are this program's daily bread. */
	log_init("sim", LOG_LEVEL_ERROR);
	begin(&s, seed, brokers, fault);
	for (uint64_t i = 0; i < steps; i++)
		step(&s);
	finish(&s);
	whole = report(&s);
	end(&s);
	return whole ? 0 : 1;
}
