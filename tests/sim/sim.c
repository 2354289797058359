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

enum { PEOPLE = 5, STEPS_DEFAULT = 12000, IN_FLIGHT = 12, CRASH_EVERY = 150, LEAVE_EVERY = 100, CALM_EVERY = 200 };

enum kind { ASK_AUTHORIZE, ASK_CAPTURE, ASK_RELEASE, ASK_REFUND, ASK_GET, ASK_EVALUATE, ASK__KINDS };

/* A call that is on its way: its answer is the next on its connection. */
struct asked_call {
	enum kind kind;
	int person, payment;
	int64_t amount;
};

struct sim {
	struct world world;
	struct ledger ledgers[PEOPLE];
	struct asked_call calls[WORLD_CLIENTS][IN_FLIGHT];
	int in_flight[WORLD_CLIENTS];
	uint64_t answers, permits, denials, unavailable, replays, captures, refunds, left;
};

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
	struct world *w = &s->world;
	struct asked_call c = {.kind = ASK_AUTHORIZE, .person = (int)world_random(w, PEOPLE),
	    .payment = (int)world_random(w, LEDGER_PAYMENTS)};
	const struct told *t = &s->ledgers[c.person].told[c.payment];
	char text[1024];
	int n;

	c.amount = amount_of(c.person, c.payment);
	if (t->permitted && world_random(w, 3) != 0)
		c.kind = (enum kind)(1 + world_random(w, ASK__KINDS - 1));
	if (c.kind == ASK_CAPTURE && c.payment % 3 == 0)
		c.amount -= c.amount / 3;
	/* The amount is part of the refund's id here: the same twice is a replay, and sums are reached. */
	if (c.kind == ASK_REFUND)
		c.amount = 1 + (int64_t)world_random(w, 40) * 13;
	n = write_call(s, &c, text, sizeof(text));
	CHECK(n > 0 && (size_t)n < sizeof(text));
	world_send(w, client, view_of(text, (size_t)n + 1));
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
	if (r.error.len > 0) {
		s->unavailable += view_equal(r.error, VIEW("org.countersign.Unavailable"));
		/* What exists is never said not to exist. */
		CHECK(!view_equal(r.error, VIEW("org.countersign.NotFound")) || (c->kind != ASK_AUTHORIZE && !t->permitted));
		CHECK(!view_equal(r.error, VIEW("org.countersign.InvalidParameter")));
		return;
	}
	outcome = text_of(&doc, r.parameters, "outcome");
	if (c->kind == ASK_AUTHORIZE && view_equal(outcome, VIEW("permit")))
		told_permit(s, t, c, &doc, r.parameters);
	else if (c->kind == ASK_AUTHORIZE)
		s->denials++;
	/* A permit sticks. */
	if (c->kind == ASK_AUTHORIZE && !view_equal(outcome, VIEW("permit")) && t->permitted) {
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

	for (int client = 0; client < WORLD_CLIENTS; client++) {
		struct buf text = buf_over(bytes, sizeof(bytes));

		while (s->in_flight[client] > 0 && world_reply(&s->world, client, &text)) {
			hear(s, &s->calls[client][0], &text);
			s->in_flight[client]--;
			memmove(&s->calls[client][0], &s->calls[client][1],
			    (size_t)s->in_flight[client] * sizeof(s->calls[client][0]));
		}
	}
}

static void
crash(struct sim *s)
{
	struct store_mem_options honest = {.seed = 1};

	world_crash(&s->world);
	memset(s->in_flight, 0, sizeof(s->in_flight));
	store_mem_misbehave(s->world.store, &honest);
	for (int i = 0; i < PEOPLE; i++)
		ledger_check(&s->world, &s->ledgers[i]);
	store_mem_misbehave(s->world.store, &s->world.faults);
}

/* Nobody hears the answers any more; what was decided is decided, once. */
static void
leave(struct sim *s)
{
	int client = (int)world_random(&s->world, WORLD_CLIENTS);

	world_leave(&s->world, client);
	s->in_flight[client] = 0;
	s->left++;
}

/* Sometimes hardly a commit meets a conflict, and sometimes nearly all do: others change the same accounts. */
static void
turn_weather(struct sim *s)
{
	static const uint16_t chances[] = {0, 20, 300, 700};

	s->world.faults.conflict = chances[world_random(&s->world, sizeof(chances) / sizeof(chances[0]))];
	store_mem_misbehave(s->world.store, &s->world.faults);
}

static void
finish(struct sim *s)
{
	struct store_mem_options honest = {.seed = 1};

	world_settle(&s->world);
	hear_all(s);
	/* Every call had exactly one answer. */
	for (int i = 0; i < WORLD_CLIENTS; i++)
		CHECK(s->in_flight[i] == 0 && s->world.clients[i]->out.buf.len == 0);
	store_mem_misbehave(s->world.store, &honest);
	for (int i = 0; i < PEOPLE; i++)
		ledger_check(&s->world, &s->ledgers[i]);
}

int
main(int argc, char **argv)
{
	static struct sim s;
	uint64_t seed = argc > 1 && argv[1][0] != '\0' ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
	uint64_t steps = argc > 2 ? strtoull(argv[2], NULL, 10) : STEPS_DEFAULT;

	printf("seed %" PRIu64 " (repeat: sim %" PRIu64 " %" PRIu64 ")\n", seed, seed, steps);
	fflush(stdout);
	/* Failed commits are this program's daily bread. */
	log_init("sim", LOG_LEVEL_ERROR);
	world_open(&s.world, seed);
	for (int i = 0; i < PEOPLE; i++)
		person_make(&s.world, i, &s.ledgers[i].person);
	for (uint64_t step = 0; step < steps; step++) {
		int client = (int)world_random(&s.world, WORLD_CLIENTS);

		if (s.in_flight[client] < IN_FLIGHT)
			ask(&s, client);
		if (world_random(&s.world, 3) == 0)
			world_turn(&s.world);
		hear_all(&s);
		if (world_random(&s.world, CRASH_EVERY) == 0)
			crash(&s);
		if (world_random(&s.world, LEAVE_EVERY) == 0)
			leave(&s);
		if (world_random(&s.world, CALM_EVERY) == 0)
			turn_weather(&s);
	}
	finish(&s);
	world_close(&s.world);
	printf("%" PRIu64 " answers: %" PRIu64 " permits (%" PRIu64 " replayed), %" PRIu64 " denials, %" PRIu64
	    " unavailable, %" PRIu64 " captures, %" PRIu64 " refunds; %" PRIu64 " crashes, %" PRIu64 " clients left; %" PRIu64 " decisions taken again%s\n",
	    s.answers, s.permits, s.replays, s.denials, s.unavailable, s.captures, s.refunds, s.world.crashes, s.left,
	    ledger_decided, s.world.shadowed ? ", with a candidate" : "");
	return ledger_decided > 0 && s.permits > 0 && s.unavailable > 0 && s.world.crashes > 0 ? 0 : 1;
}
