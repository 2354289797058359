/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: every interleaving of the steps of several brokers, on the real scripts of a real server. A broker's steps are
 * the real ones (claim_take.c); each message may be lost, answered into the void, doubled and executed late; a broker may
 * die between any two steps; the buckets may lose in a failover what no journal has. At every state that can be reached:
 *   never do two records' sets hold the claim; whoever holds it is named by the claim's key;
 *   and a stranger who comes now gets the claim if nobody holds it, and is refused if somebody does: nothing stays blocked.
 * What one message does to one state of the server is asked once and remembered.
 */
#include "tests/store/harness.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/store/redis/claim_take.h"
#include "broker/store/redis/commit_code.h"
#include "broker/store/redis/scripts.h"
#include "tests/store/redis_server.h"

enum {
	A, B, Z, STRANGER, RECORDS,
	ACTORS_MAX = 4,
	POISON_S = 86400,
	PROBE_STEPS = 40,
	MAP_SLOTS = 1 << 20,   /* well above the states */
	SCENE_STATES_MAX = 600000,
};

static const char *const names[RECORDS] = {"A", "B", "Z", "S"};

/* What lies in Redis, as far as it matters here. */
struct server {
	size_t claim_n;
	uint8_t claim[CLAIM_BYTES];
	uint8_t revision[RECORDS], id[RECORDS]; /* of the commit: its actor's number + 1; 0: from before */
	bool holds[RECORDS];
	uint8_t poisoned;                       /* bits of commits */
	uint8_t claim_tenure, record_tenure;
};

enum message_kind { NO_MESSAGE, CAS, VERIFY, COMMIT };

struct message {
	uint8_t kind, tenure;
	size_t seen_n;
	uint8_t seen[CLAIM_BYTES], mine[CLAIM_BYTES]; /* CAS */
	uint8_t record, poison, id;                   /* VERIFY: whose set, which commit; COMMIT: of the actor */
	uint8_t expected, take, release;              /* COMMIT */
};

struct answer {
	uint8_t code;
	bool holds;
	size_t now_n;
	uint8_t now[CLAIM_BYTES];
};

enum phase { TAKE, JOURNAL, SEND, SETTLE, OVER, DEAD };

struct actor {
	uint8_t phase, record, expected;
	bool release;           /* the whole of its plan; else it takes */
	bool unsure, committed; /* a copy of its commit may have been executed; it was */
	bool lost, doubled;     /* has had its lost answer, its doubled message */
	struct claim_take take;
	struct message late;    /* a copy under way */
};

struct world {
	struct server server;
	size_t journal_n;       /* the newest value that a journal has */
	uint8_t journal[CLAIM_BYTES];
	size_t actors_n;
	struct actor actors[ACTORS_MAX];
	bool failed_claim, failed_records;
};

struct scene {
	const char *name;
	size_t actors_n;
	struct {
		uint8_t record, expected;
		bool release;
	} actors[ACTORS_MAX];
	int holder;                        /* of the claim at the start, or -1 */
	bool fail_claim, fail_records, doubles, losses;
	bool long_losses;                  /* losses too with CS_LONG=1 */
};

static redisContext *redis;
static struct commit_call commit_call;
static struct layout layout;
static struct store_key claim, records[RECORDS];
static char shas[SCRIPT__COUNT][41];
static const char *const tenures[] = {"first", "second"};

/* --- bytes for hashing --- */

struct hash {
	uint64_t a, b;
};

static void
mix(struct hash *h, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++) {
		h->a = (h->a ^ p[i]) * 0x100000001b3;
		h->b = (h->b + p[i] + 1) * 0x9e3779b97f4a7c15;
		h->b ^= h->b >> 29;
	}
}

#define MIX(h, field) mix((h), &(field), sizeof(field))

static void
mix_server(struct hash *h, const struct server *s)
{
	MIX(h, s->claim_n);
	mix(h, s->claim, s->claim_n);
	MIX(h, s->revision);
	MIX(h, s->id);
	MIX(h, s->holds);
	MIX(h, s->poisoned);
	MIX(h, s->claim_tenure);
	MIX(h, s->record_tenure);
}

static void
mix_message(struct hash *h, const struct message *m)
{
	MIX(h, m->kind);
	if (m->kind == NO_MESSAGE)
		return;
	MIX(h, m->tenure);
	MIX(h, m->seen_n);
	mix(h, m->seen, m->seen_n);
	if (m->kind == CAS)
		MIX(h, m->mine);
	MIX(h, m->record);
	MIX(h, m->poison);
	MIX(h, m->id);
	MIX(h, m->expected);
	MIX(h, m->take);
	MIX(h, m->release);
}

static void
mix_world(struct hash *h, const struct world *w)
{
	mix_server(h, &w->server);
	MIX(h, w->journal_n);
	mix(h, w->journal, w->journal_n);
	MIX(h, w->failed_claim);
	MIX(h, w->failed_records);
	for (size_t i = 0; i < w->actors_n; i++) {
		const struct actor *a = &w->actors[i];
		uint8_t ask = (uint8_t)a->take.ask, poison = (uint8_t)a->take.poison;

		MIX(h, a->phase);
		mix_message(h, &a->late);
		MIX(h, a->doubled);
		if (a->phase == OVER || a->phase == DEAD)
			continue;
		MIX(h, a->unsure);
		MIX(h, a->committed);
		MIX(h, a->lost);
		MIX(h, ask);
		MIX(h, poison);
		MIX(h, a->take.waited);
		MIX(h, a->take.look);
		MIX(h, a->take.seen_n);
		mix(h, a->take.seen, a->take.seen_n);
		MIX(h, a->take.mine.version);
		MIX(h, a->take.mine.has_last);
		MIX(h, a->take.mine.last);
	}
}

struct slot {
	struct hash key;
	uint32_t value; /* 0: empty */
};

/* Adds the key if it is new; *found: its value then. */
static struct slot *
map_at(struct slot *map, struct hash key, bool *found)
{
	for (size_t i = key.a & (MAP_SLOTS - 1);; i = (i + 1) & (MAP_SLOTS - 1)) {
		*found = map[i].value != 0;
		if (!*found || (map[i].key.a == key.a && map[i].key.b == key.b)) {
			map[i].key = key;
			return &map[i];
		}
	}
}

/* --- the server --- */

static void
append(int argc, const struct view *argv)
{
	const char *texts[64];
	size_t lens[64];

	CHECK(argc <= 64);
	for (int i = 0; i < argc; i++) {
		texts[i] = argv[i].len == 0 ? "" : argv[i].data;
		lens[i] = argv[i].len;
	}
	assert_int_equal(redisAppendCommandArgv(redis, argc, texts, lens), REDIS_OK);
}

#define APPEND(...) append((int)(sizeof((struct view[]){__VA_ARGS__}) / sizeof(struct view)), (struct view[]){__VA_ARGS__})

static redisReply *
reply(void)
{
	void *r = NULL;

	if (redisGetReply(redis, &r) != REDIS_OK)
		fail_msg("redis: %s", redis->errstr);
	if (((redisReply *)r)->type == REDIS_REPLY_ERROR)
		fail_msg("redis: %s", ((redisReply *)r)->str);
	return r;
}

static struct view
key_in(enum layout_kind kind, const struct store_key *of, struct layout_key *to)
{
	return kind == LAYOUT_HEAD || kind == LAYOUT_SEGMENTS ? layout_key(&layout, layout_bucket(of), kind, NULL, 0, to)
							       : layout_key_of(&layout, kind, of, to);
}

static void
id_of(uint8_t n, uint8_t id[LAYOUT_ID_BYTES])
{
	memset(id, 0, LAYOUT_ID_BYTES);
	id[LAYOUT_ID_BYTES - 1] = n;
}

static struct view
poison_key(unsigned record, uint8_t n, struct layout_key *to)
{
	uint8_t id[LAYOUT_ID_BYTES];

	id_of(n, id);
	return layout_key(&layout, layout_bucket(&records[record]), LAYOUT_POISON, id, sizeof(id), to);
}

static const struct scene *scene;
static bool losses; /* of this scene */

static uint8_t
record_of(uint8_t id)
{
	return id <= scene->actors_n && id > 0 ? scene->actors[id - 1].record : STRANGER;
}

static void
put_head(const struct store_key *of, unsigned tenure)
{
	struct layout_key k;

	APPEND(VIEW("HSET"), key_in(LAYOUT_HEAD, of, &k), VIEW("t"), view_str(tenures[tenure]), VIEW("l"), VIEW("0"), VIEW("g"),
	    VIEW("1"), VIEW("c"), VIEW("0"), VIEW("w:m"), VIEW("0"));
}

static void
put_server(const struct server *s)
{
	struct layout_key k;

	APPEND(VIEW("FLUSHALL"));
	put_head(&claim, s->claim_tenure);
	if (s->claim_n > 0)
		APPEND(VIEW("SET"), key_in(LAYOUT_CLAIM, &claim, &k), view_of(s->claim, s->claim_n));
	for (unsigned i = 0; i < RECORDS; i++) {
		uint8_t header[LAYOUT_HEADER_BYTES] = {0};

		put_head(&records[i], s->record_tenure);
		header[7] = s->revision[i];
		header[15] = s->id[i];
		header[23] = 1;
		if (s->revision[i] > 0)
			APPEND(VIEW("SET"), key_in(LAYOUT_RECORD, &records[i], &k), view_of(header, sizeof(header)));
		if (s->holds[i])
			APPEND(VIEW("SADD"), key_in(LAYOUT_CLAIMS, &records[i], &k), view_of(claim.b, sizeof(claim.b)));
	}
	for (uint8_t id = 1; id < 8; id++) {
		if ((s->poisoned & 1u << id) != 0)
			APPEND(VIEW("SET"), poison_key(record_of(id), id, &k), VIEW(""));
	}
}

static int
put_answers(const struct server *s)
{
	int n = 2 + (s->claim_n > 0);

	for (unsigned i = 0; i < RECORDS; i++)
		n += 1 + (s->revision[i] > 0) + s->holds[i];
	for (uint8_t id = 1; id < 8; id++)
		n += (s->poisoned >> id) & 1;
	return n;
}

static void
send_cas(const struct message *m)
{
	struct layout_key k[2];

	APPEND(VIEW("EVALSHA"), view_of(shas[SCRIPT_CLAIM_CAS], 40), VIEW("2"), key_in(LAYOUT_HEAD, &claim, &k[0]),
	    key_in(LAYOUT_CLAIM, &claim, &k[1]), view_str(tenures[m->tenure]), VIEW("w:m"), view_of(m->seen, m->seen_n),
	    view_of(m->mine, sizeof(m->mine)), VIEW("0"));
}

static void
send_verify(const struct message *m)
{
	static const char *const modes[] = {"0", "1", "2"};
	const struct store_key *r = &records[m->record];
	struct layout_key k[5];

	APPEND(VIEW("EVALSHA"), view_of(shas[SCRIPT_CLAIM_VERIFY], 40), VIEW("5"), key_in(LAYOUT_HEAD, r, &k[0]),
	    key_in(LAYOUT_RECORD, r, &k[1]), key_in(LAYOUT_CLAIMS, r, &k[2]), key_in(LAYOUT_HELD_MARK, r, &k[3]),
	    poison_key(m->record, m->id, &k[4]), view_str(tenures[m->tenure]), view_of(claim.b, sizeof(claim.b)),
	    view_str(modes[m->poison]), VIEW("86400"));
}

static void
send_commit(const struct message *m)
{
	struct store_event event = {.event = VIEW("event")};
	struct store_claim c = {claim, m->release != 0, false};
	struct commit_image image = {.commit = {.key = records[m->record], .expected = m->expected, .events = &event, .events_n = 1,
	    .hot = VIEW("hot"), .claims = &c, .claims_n = 1}};
	struct commit_where where = {.layout = &layout, .tenure = tenures[m->tenure], .member = "m", .segment = 1};
	struct view argv[3 + COMMIT_KEYS_MAX + COMMIT_ARGS_MAX] = {VIEW("EVALSHA"), view_of(shas[SCRIPT_COMMIT], 40)};
	char keys_n[24];

	id_of(m->id, image.id);
	commit_call_make(&commit_call, &where, &image);
	snprintf(keys_n, sizeof(keys_n), "%zu", commit_call.keys_n);
	argv[2] = view_str(keys_n);
	memcpy(argv + 3, commit_call.keys, commit_call.keys_n * sizeof(argv[0]));
	memcpy(argv + 3 + commit_call.keys_n, commit_call.args, commit_call.args_n * sizeof(argv[0]));
	append((int)(3 + commit_call.keys_n + commit_call.args_n), argv);
}

static void
ask_state(void)
{
	struct layout_key k;

	APPEND(VIEW("GET"), key_in(LAYOUT_CLAIM, &claim, &k));
	for (unsigned i = 0; i < RECORDS; i++) {
		APPEND(VIEW("GETRANGE"), key_in(LAYOUT_RECORD, &records[i], &k), VIEW("0"), VIEW("15"));
		APPEND(VIEW("SISMEMBER"), key_in(LAYOUT_CLAIMS, &records[i], &k), view_of(claim.b, sizeof(claim.b)));
	}
	for (uint8_t id = 1; id < 8; id++)
		APPEND(VIEW("EXISTS"), poison_key(record_of(id), id, &k));
}

static void
get_state(struct server *s)
{
	redisReply *r = reply();

	assert_true(r->type == REDIS_REPLY_NIL || r->len == CLAIM_BYTES);
	s->claim_n = r->type == REDIS_REPLY_NIL ? 0 : CLAIM_BYTES;
	memcpy(s->claim, r->str == NULL ? "" : r->str, s->claim_n);
	freeReplyObject(r);
	for (unsigned i = 0; i < RECORDS; i++) {
		r = reply();
		s->revision[i] = r->len == 0 ? 0 : (uint8_t)r->str[7];
		s->id[i] = r->len == 0 ? 0 : (uint8_t)r->str[15];
		freeReplyObject(r);
		r = reply();
		s->holds[i] = r->integer == 1;
		freeReplyObject(r);
	}
	s->poisoned = 0;
	for (uint8_t id = 1; id < 8; id++) {
		r = reply();
		s->poisoned |= (uint8_t)(r->integer << id);
		freeReplyObject(r);
	}
}

struct effect {
	struct server after;
	struct answer answer;
};

static struct slot *effects_map;
static struct effect *effects;
static size_t effects_n, effects_cap;

static void
effect_ask(const struct server *before, const struct message *m, struct effect *e)
{
	static void (*const send[])(const struct message *) = {[CAS] = send_cas, [VERIFY] = send_verify, [COMMIT] = send_commit};
	redisReply *r;

	*e = (struct effect){.after = *before};
	put_server(before);
	send[m->kind](m);
	ask_state();
	for (int n = put_answers(before); n > 0; n--)
		freeReplyObject(reply());
	r = reply();
	assert_true(r->type == REDIS_REPLY_ARRAY && r->elements >= 1);
	e->answer.code = (uint8_t)r->element[0]->integer;
	if (m->kind == VERIFY && e->answer.code == ANSWER_DONE)
		e->answer.holds = r->element[1]->integer == 1;
	if (m->kind == CAS && e->answer.code == ANSWER_CONFLICT) {
		e->answer.now_n = r->element[1]->len;
		memcpy(e->answer.now, r->element[1]->str, r->element[1]->len);
	}
	freeReplyObject(r);
	get_state(&e->after);
}

static struct answer
execute(struct server *s, const struct message *m)
{
	struct hash h = {1469598103934665603u, 1};
	struct slot *slot;
	bool found;

	mix_server(&h, s);
	mix_message(&h, m);
	slot = map_at(effects_map, h, &found);
	if (!found) {
		if (effects_n == effects_cap) {
			effects_cap = effects_cap == 0 ? 1024 : effects_cap * 2;
			effects = realloc(effects, effects_cap * sizeof(effects[0]));
			CHECK(effects != NULL);
		}
		effect_ask(s, m, &effects[effects_n++]);
		slot->value = (uint32_t)effects_n;
	}
	*s = effects[slot->value - 1].after;
	return effects[slot->value - 1].answer;
}

/* --- one broker --- */

static struct message
message_of(const struct world *w, size_t i)
{
	const struct actor *a = &w->actors[i];
	struct message m = {.record = a->record, .id = (uint8_t)(i + 1)};
	struct claim_value after;
	struct view seen;

	switch (a->phase) {
	case TAKE:
		m.kind = a->take.ask == CLAIM_ASK_CAS ? CAS : VERIFY;
		m.tenure = m.kind == CAS ? w->server.claim_tenure : w->server.record_tenure;
		m.poison = (uint8_t)a->take.poison;
		m.id = a->take.now.commit[LAYOUT_ID_BYTES - 1];
		for (uint8_t r = 0; m.kind == VERIFY && r < RECORDS; r++) {
			if (memcmp(a->take.now.holder.b, records[r].b, STORE_KEY_BYTES) == 0)
				m.record = r;
		}
		seen = claim_take_seen(&a->take);
		m.seen_n = m.kind == CAS ? seen.len : 0;
		memcpy(m.seen, seen.data, m.seen_n);
		claim_encode(m.mine, &claim, &a->take.mine);
		break;
	case SEND:
		/* As the contract has it: under the tenure from before the claim was taken. */
		m = (struct message){.kind = COMMIT, .record = a->record, .id = m.id, .expected = a->expected, .take = !a->release,
		    .release = a->release, .tenure = a->release ? w->server.record_tenure : 0};
		break;
	case SETTLE:
		m.kind = CAS;
		m.tenure = w->server.claim_tenure;
		m.seen_n = CLAIM_BYTES;
		claim_encode(m.seen, &claim, &a->take.mine);
		after = claim_after(&a->take.mine, a->committed);
		claim_encode(m.mine, &claim, &after);
		break;
	default:
		break;
	}
	return m;
}

static void
told(struct actor *a, const struct message *m, const struct answer *r)
{
	switch (a->phase) {
	case TAKE:
		if (r->code == ANSWER_SUSPECT)
			return; /* asked again under the tenure of now */
		assert_true(r->code == ANSWER_DONE || r->code == ANSWER_CONFLICT);
		if (m->kind == CAS)
			assert_int_equal(claim_take_cas_told(&a->take, r->code == ANSWER_DONE, view_of(r->now, r->now_n)), CS_OK);
		else
			claim_take_verify_told(&a->take, r->holds);
		if (a->take.ask == CLAIM_TAKEN)
			a->phase = JOURNAL;
		else if (a->take.ask == CLAIM_REFUSED)
			a->phase = OVER;
		return;
	case SEND:
		a->committed = r->code == ANSWER_DONE;
		/* Refused now, but a copy may have been executed: left alone. */
		a->phase = a->release || (!a->committed && a->unsure) ? OVER : SETTLE;
		return;
	default:
		a->phase = OVER;
	}
}

/* --- all of them --- */

static struct slot *states_map, *probes_map;
static struct world *stack;
static size_t stack_n, stack_cap, states, probes;

static void
say(const struct world *w)
{
	struct claim_value v = {0};

	print_error("in \"%s\": claim version %llu state %d holder %02x last %d; poisoned %x; sets", scene->name,
	    claim_decode(view_of(w->server.claim, w->server.claim_n), &claim, &v) == CS_OK ? (unsigned long long)v.version : 0ull,
	    (int)v.state, v.holder.b[0], v.has_last, w->server.poisoned);
	for (unsigned i = 0; i < RECORDS; i++)
		print_error(" %s%s(%02x) revision %u by %u;", names[i], w->server.holds[i] ? " HOLDS" : "", records[i].b[0], w->server.revision[i],
		    w->server.id[i]);
	for (size_t i = 0; i < w->actors_n; i++)
		print_error(" broker %zu of %s: phase %u late %u;", i + 1, names[w->actors[i].record], w->actors[i].phase,
		    w->actors[i].late.kind);
	print_error("\n");
}

/* Nobody else moves any more: what does one get who comes now? */
static void
probe(const struct world *before)
{
	struct world w = {.server = before->server, .actors_n = 1};
	struct actor *a = &w.actors[0];
	uint8_t id[LAYOUT_ID_BYTES];
	bool held = false;

	for (unsigned i = 0; i < RECORDS; i++)
		held = held || w.server.holds[i];
	id_of(7, id);
	a->record = STRANGER;
	claim_take_begin(&a->take, &claim, &records[STRANGER], id);
	for (int i = 0; i < PROBE_STEPS && a->phase == TAKE; i++) {
		struct message m;
		struct answer r;

		if (a->take.ask == CLAIM_ASK_WAIT) {
			claim_take_waited(&a->take, true);
			continue;
		}
		m = message_of(&w, 0);
		r = execute(&w.server, &m);
		told(a, &m, &r);
	}
	if (a->phase != (held ? OVER : JOURNAL)) {
		say(before);
		fail_msg("a stranger %s", a->phase == TAKE ? "waits for ever" : held ? "takes what is held" : "is refused what nobody holds");
	}
}

static void
check(const struct world *w)
{
	struct claim_value v = {0};
	unsigned holders = 0;
	struct hash h = {1469598103934665603u, 7};
	struct slot *slot;
	bool found;

	mix_server(&h, &w->server);
	slot = map_at(probes_map, h, &found);
	if (found)
		return;
	slot->value = 1;
	probes++;
	if (w->server.claim_n > 0)
		assert_int_equal(claim_decode(view_of(w->server.claim, w->server.claim_n), &claim, &v), CS_OK);
	for (unsigned i = 0; i < RECORDS; i++) {
		if (!w->server.holds[i])
			continue;
		holders++;
		if (memcmp(v.holder.b, records[i].b, STORE_KEY_BYTES) != 0) {
			say(w);
			fail_msg("%s holds the claim, which says another", names[i]);
		}
	}
	if (holders > 1) {
		say(w);
		fail_msg("two records hold the claim");
	}
	probe(w);
}

static void
reach(const struct world *w)
{
	struct hash h = {1469598103934665603u, 3};
	struct slot *slot;
	bool found;

	mix_world(&h, w);
	slot = map_at(states_map, h, &found);
	if (found)
		return;
	slot->value = 1;
	if (++states > SCENE_STATES_MAX)
		fail_msg("%s: more than %d states", scene->name, SCENE_STATES_MAX);
	check(w);
	if (stack_n == stack_cap) {
		stack_cap = stack_cap == 0 ? 1024 : stack_cap * 2;
		stack = realloc(stack, stack_cap * sizeof(stack[0]));
		CHECK(stack != NULL);
	}
	stack[stack_n++] = *w;
}

static void
journal(struct world *w, const struct claim_value *v)
{
	struct claim_value old;

	if (w->journal_n > 0) {
		assert_int_equal(claim_decode(view_of(w->journal, w->journal_n), &claim, &old), CS_OK);
		if (old.version >= v->version)
			return;
	}
	claim_encode(w->journal, &claim, v);
	w->journal_n = CLAIM_BYTES;
}

/* Everything that broker i may do next. */
static void
moves_of(const struct world *now, size_t i)
{
	struct world w = *now;
	struct actor *a = &w.actors[i];
	struct message m;
	struct answer r;

	if (a->late.kind != NO_MESSAGE) {
		execute(&w.server, &a->late);
		a->late.kind = NO_MESSAGE;
		reach(&w);
		w = *now;
	}
	if (a->phase == OVER || a->phase == DEAD)
		return;
	a->phase = DEAD;
	reach(&w);
	w = *now;
	if (a->phase == JOURNAL) {
		journal(&w, &a->take.mine);
		a->phase = SEND;
		reach(&w);
		return;
	}
	if (a->phase == TAKE && a->take.ask == CLAIM_ASK_WAIT) {
		for (int enough = 0; enough < 2; enough++) {
			w = *now;
			claim_take_waited(&a->take, enough != 0);
			reach(&w);
		}
		return;
	}
	m = message_of(&w, i);
	r = execute(&w.server, &m);
	told(a, &m, &r);
	reach(&w);
	if (scene->doubles && !now->actors[i].doubled) {
		/* Sent twice: for a commit, a refusal of one copy does not speak for the other. */
		w = *now;
		a->unsure = a->unsure || m.kind == COMMIT;
		r = execute(&w.server, &m);
		told(a, &m, &r);
		a->doubled = true;
		a->late = m;
		reach(&w);
		/* Sent, and the broker died; it arrives when it likes. */
		w = *now;
		a->doubled = true;
		a->late = m;
		a->phase = DEAD;
		reach(&w);
	}
	if (losses && !now->actors[i].lost) {
		w = *now;
		execute(&w.server, &m);
		a->lost = true;
		a->unsure = a->unsure || m.kind == COMMIT;
		reach(&w);
	}
}

/* The claim's bucket: all writes since the start are gone, but those that journals put back. */
static void
fail_claim(const struct world *now, const struct server *start)
{
	struct world w = *now;
	struct claim_value back, there;

	w.failed_claim = true;
	w.server.claim_tenure = 1;
	w.server.claim_n = start->claim_n;
	memcpy(w.server.claim, start->claim, sizeof(start->claim));
	if (w.journal_n > 0) {
		assert_int_equal(claim_decode(view_of(w.journal, w.journal_n), &claim, &back), CS_OK);
		if (claim_decode(view_of(w.server.claim, w.server.claim_n), &claim, &there) != CS_OK || there.version < back.version) {
			w.server.claim_n = CLAIM_BYTES;
			memcpy(w.server.claim, w.journal, CLAIM_BYTES);
		}
	}
	/* An answer that came under a tenure that is over counts for nothing: asked again. */
	for (size_t i = 0; i < w.actors_n; i++) {
		if (w.actors[i].phase == JOURNAL) {
			w.actors[i].phase = TAKE;
			w.actors[i].take.ask = CLAIM_ASK_CAS;
		}
	}
	reach(&w);
}

static void
moves(const struct world *now, const struct server *start)
{
	for (size_t i = 0; i < now->actors_n; i++)
		moves_of(now, i);
	if (scene->fail_claim && !now->failed_claim)
		fail_claim(now, start);
	if (scene->fail_records && !now->failed_records) {
		struct world w = *now;

		w.failed_records = true;
		w.server.record_tenure = 1;
		w.server.poisoned = 0; /* in no journal */
		reach(&w);
	}
}

static void
begin(struct world *w)
{
	uint8_t id[LAYOUT_ID_BYTES];

	*w = (struct world){.actors_n = scene->actors_n};
	for (unsigned i = 0; i < STRANGER; i++)
		w->server.revision[i] = 1;
	if (scene->holder >= 0) {
		struct claim_value v = {.version = 2, .state = CLAIM_SETTLED, .holder = records[scene->holder]};

		w->server.holds[scene->holder] = true;
		w->server.claim_n = CLAIM_BYTES;
		claim_encode(w->server.claim, &claim, &v);
	}
	for (size_t i = 0; i < scene->actors_n; i++) {
		struct actor *a = &w->actors[i];

		a->record = scene->actors[i].record;
		a->expected = scene->actors[i].expected;
		a->release = scene->actors[i].release;
		a->phase = a->release ? SEND : TAKE;
		id_of((uint8_t)(i + 1), id);
		claim_take_begin(&a->take, &claim, &records[a->record], id);
	}
}

static const struct scene scenes[] = {
	{"two take what nobody had", 2, {{A, 1, false}, {B, 1, false}}, -1, .doubles = true, .losses = true},
	{"two take, and the records' buckets forget the poison", 2, {{A, 1, false}, {B, 1, false}}, -1, .fail_records = true, .doubles = true, .long_losses = true},
	{"two take, and the claim's bucket forgets", 2, {{A, 1, false}, {B, 1, false}}, -1, .fail_claim = true, .doubles = true},
	{"two take while its holder releases", 3, {{A, 1, false}, {B, 1, false}, {Z, 1, true}}, Z, .losses = true},
	{"one takes while its holder releases", 2, {{A, 1, false}, {Z, 1, true}}, Z, .fail_claim = true, .fail_records = true, .doubles = true, .losses = true},
	{"two brokers take for one record, another against them", 3, {{A, 1, false}, {A, 1, false}, {B, 1, false}}, -1, .long_losses = true},
	{"a holder takes anew after its own release, another against it", 3, {{A, 1, true}, {A, 2, false}, {B, 1, false}}, A, .doubles = true},
	{"a holder takes twice what it has while it releases it, another against it", 4, {{A, 1, true}, {A, 2, false}, {A, 1, false}, {B, 1, false}}, A, .losses = false},
	{"a holder takes what it has, and releases it after", 3, {{A, 1, false}, {A, 2, true}, {B, 1, false}}, A, .losses = true},
};

static void
every_interleaving_keeps_the_claim_with_one_record(void **state)
{
	struct world w;
	struct server start;

	(void)state;
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		scene = &scenes[i];
		losses = scene->losses || (scene->long_losses && getenv("CS_LONG") != NULL);
		memset(states_map, 0, MAP_SLOTS * sizeof(states_map[0]));
		memset(probes_map, 0, MAP_SLOTS * sizeof(probes_map[0]));
		memset(effects_map, 0, MAP_SLOTS * sizeof(effects_map[0]));
		states = probes = effects_n = 0;
		begin(&w);
		start = w.server;
		reach(&w);
		while (stack_n > 0) {
			w = stack[--stack_n];
			moves(&w, &start);
		}
		print_message("# %s: %zu states, %zu of the server, %zu messages\n", scene->name, states, probes, effects_n);
	}
}

/* An honest run, so that the walk above is known to reach its ends. */
static void
one_alone_takes_commits_and_settles(void **state)
{
	static const struct scene alone = {"alone", 1, {{A, 1, false}}, -1, .losses = false};
	struct claim_value v;
	struct world w;

	(void)state;
	scene = &alone;
	memset(effects_map, 0, MAP_SLOTS * sizeof(effects_map[0]));
	effects_n = 0;
	begin(&w);
	for (int i = 0; i < 10 && w.actors[0].phase != OVER; i++) {
		struct message m = message_of(&w, 0);
		struct answer r;

		if (w.actors[0].phase == JOURNAL) {
			w.actors[0].phase = SEND;
			continue;
		}
		r = execute(&w.server, &m);
		assert_int_equal(r.code, ANSWER_DONE);
		told(&w.actors[0], &m, &r);
	}
	assert_true(w.server.holds[A]);
	assert_int_equal(claim_decode(view_of(w.server.claim, w.server.claim_n), &claim, &v), CS_OK);
	assert_int_equal(v.state, CLAIM_SETTLED);
	assert_int_equal(v.version, 2);
	assert_memory_equal(v.holder.b, records[A].b, STORE_KEY_BYTES);
}

/* What journals put back is the newest, in whatever order they come. */
static void
the_newest_of_what_journals_have_is_put_back(void **state)
{
	static const uint64_t versions[] = {3, 5, 4, 5, 1};
	static const long long put[] = {1, 1, 0, 0, 0};
	uint8_t bytes[CLAIM_BYTES];
	struct layout_key k;

	(void)state;
	APPEND(VIEW("FLUSHALL"));
	freeReplyObject(reply());
	for (size_t i = 0; i < 5; i++) {
		struct claim_value v = {.version = versions[i], .state = CLAIM_PENDING, .holder = records[A]};
		redisReply *r;

		claim_encode(bytes, &claim, &v);
		APPEND(VIEW("EVALSHA"), view_of(shas[SCRIPT_CLAIM_REPAIR], 40), VIEW("1"), key_in(LAYOUT_CLAIM, &claim, &k),
		    view_of(bytes, sizeof(bytes)));
		r = reply();
		assert_int_equal(r->element[0]->integer, ANSWER_DONE);
		assert_int_equal(r->element[1]->integer, put[i]);
		freeReplyObject(r);
	}
}

static void
a_value_has_one_encoding_and_damage_is_seen(void **state)
{
	struct claim_value v = {.version = 7, .state = CLAIM_PENDING, .holder = records[A], .has_last = true, .last = records[B]}, back;
	uint8_t bytes[CLAIM_BYTES];

	(void)state;
	claim_encode(bytes, &claim, &v);
	assert_int_equal(claim_decode(view_of(bytes, sizeof(bytes)), &claim, &back), CS_OK);
	assert_int_equal(back.version, 7);
	assert_memory_equal(back.last.b, records[B].b, STORE_KEY_BYTES);
	assert_int_equal(claim_decode(view_of(NULL, 0), &claim, &back), CS_ERR_NOT_FOUND);
	assert_int_equal(claim_decode(view_of(bytes, sizeof(bytes)), &records[A], &back), CS_ERR_CORRUPT);
	for (size_t n = 1; n < sizeof(bytes); n++)
		assert_int_equal(claim_decode(view_of(bytes, n), &claim, &back), CS_ERR_CORRUPT);
	for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(claim_decode(view_of(bytes, sizeof(bytes)), &claim, &back), CS_ERR_CORRUPT);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void
load_scripts(void)
{
	for (size_t i = 0; i < SCRIPT__COUNT; i++) {
		redisReply *r;

		APPEND(VIEW("SCRIPT"), VIEW("LOAD"), view_str(script_texts[i]));
		r = reply();
		assert_int_equal(r->len, 40);
		memcpy(shas[i], r->str, 40);
		freeReplyObject(r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_alone_takes_commits_and_settles),
	    cmocka_unit_test(every_interleaving_keeps_the_claim_with_one_record),
	    cmocka_unit_test(the_newest_of_what_journals_have_is_put_back),
	    cmocka_unit_test(a_value_has_one_encoding_and_damage_is_seen),
	};
	struct redis_server server = {0};
	int failed;

	if (!redis_server_there())
		return 77;
	redis_server_start(&server, false);
	redis = redisConnectUnix(server.socket);
	CHECK(redis != NULL && redis->err == 0);
	CHECK(layout_init(&layout, "test") == CS_OK);
	load_scripts();
	commit_call_init(&commit_call);
	claim = key_of(100);
	for (unsigned i = 0; i < RECORDS; i++)
		records[i] = key_of(i + 1);
	states_map = calloc(MAP_SLOTS, sizeof(states_map[0]));
	probes_map = calloc(MAP_SLOTS, sizeof(probes_map[0]));
	effects_map = calloc(MAP_SLOTS, sizeof(effects_map[0]));
	CHECK(states_map != NULL && probes_map != NULL && effects_map != NULL);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(states_map);
	free(probes_map);
	free(effects_map);
	free(effects);
	free(stack);
	commit_call_clear(&commit_call);
	redisFree(redis);
	redis_server_stop(&server);
	return failed == 0 ? 0 : 1;
}
