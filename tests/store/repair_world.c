/* SPDX-License-Identifier: Apache-2.0 */
/* See repair_world.h. */
#include "tests/store/repair_world.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/store/redis/commit_code.h"
#include "broker/store/redis/scripts.h"

enum { SETTLE_STEPS = 3000, ASK_AGAIN_MAX = 4 };

static const struct store_key realm = {{42}};

/* The bucket is the first ten bits. */
struct store_key
account_key(unsigned account)
{
	struct store_key key = {{0}};
	unsigned bucket = account % BUCKETS;

	key.b[0] = (uint8_t)(bucket >> 2);
	key.b[1] = (uint8_t)(bucket << 6 | 1);
	key.b[15] = (uint8_t)account;
	return key;
}

void
world_init(struct world *w, unsigned buckets, bool durable, uint64_t seed)
{
	*w = (struct world){.random = seed, .buckets = buckets, .now_ms = 1000};
	log_init("test", LOG_LEVEL_ERROR + (getenv("CS_VERBOSE") != NULL ? 2 : 0));
	redis_server_start(&w->server, durable);
	w->dir = scratch_make();
	assert_int_equal(layout_init(&w->layout, "t"), CS_OK);
	w->control = plain_fleet_new(w->server.socket, "control");
	world_look(w);
	for (unsigned i = 0; i < BROKERS; i++)
		w->brokers[i] = (struct broker){.w = w, .index = i};
}

void
world_clear(struct world *w)
{
	for (unsigned i = 0; i < BROKERS; i++)
		broker_kill(w, i);
	fleet_free(w->control);
	redis_server_stop(&w->server);
	scratch_remove(w->dir);
	free(w->acked);
}

void
world_look(struct world *w)
{
	redisReply *server = PLAIN_NOW(w->control, VIEW("INFO"), VIEW("server"));
	redisReply *replication = PLAIN_NOW(w->control, VIEW("INFO"), VIEW("replication"));
	const char *run = strstr(server->str, "run_id:"), *id = strstr(replication->str, "master_replid:");

	assert_true(run != NULL && id != NULL);
	snprintf(w->real, sizeof(w->real), "%.40s:%.40s", run + strlen("run_id:"), id + strlen("master_replid:"));
	freeReplyObject(server);
	freeReplyObject(replication);
}

void
world_tell(struct world *w)
{
	for (unsigned i = 0; i < BROKERS; i++)
		if (w->brokers[i].up)
			plain_fleet_tenure(w->brokers[i].fleet, w->real);
}

static enum plain_fate
fate_of(void *ctx, unsigned bucket, int script)
{
	struct broker *b = ctx;
	struct world *w = b->w;
	bool stale = strcmp(fleet_tenure(b->fleet, bucket), w->real) != 0;
	uint64_t r = random_next(&w->random) % 100;

	if (b->dies_unheard && script == SCRIPT_COMMIT) {
		b->dying = true;
		return FATE_UNHEARD;
	}
	if (b->unheard && script == SCRIPT_COMMIT)
		return FATE_UNHEARD;
	if (b->dying || (b->die_at != 0 && ++b->asks > b->die_at)) {
		b->dying = true;
		return FATE_REFUSED;
	}
	/* Nobody with an old idea of the tenure ever hears an answer: the fence does not hold. */
	if (stale)
		return r < 50 ? FATE_REFUSED : FATE_UNHEARD;
	if (!w->chaos)
		return FATE_DONE;
	return r < 2 ? FATE_REFUSED : r < 4 ? FATE_LOST : r < 8 ? FATE_UNHEARD : FATE_DONE;
}

void
broker_start(struct world *w, unsigned i)
{
	struct broker *b = &w->brokers[i];
	char path[200], why[JOURNAL_WHY_TEXT];
	struct journal_options jo = {.path = path, .realm = &realm, .keep_ms = 3600000};
	struct tenure_options to = {.layout = &w->layout, .name = b->name, .buckets = w->buckets};
	struct members_options mo = {.layout = &w->layout, .name = b->name, .lease_ms = LEASE_MS};

	assert_false(b->up);
	snprintf(b->name, sizeof(b->name), "broker-%u", i);
	snprintf(path, sizeof(path), "%s/journal-%u", w->dir, i);
	if (journal_open(&jo, &b->journal, why) != CS_OK)
		fail_msg("%s", why);
	b->fleet = plain_fleet_new(w->server.socket, w->real);
	plain_fleet_fate(b->fleet, fate_of, b);
	to.fleet = mo.fleet = b->fleet;
	to.journal = mo.journal = b->journal;
	b->tenure = mo.tenure = tenure_new(&to);
	doubts_init(&b->doubts);
	memset(b->busy, 0, sizeof(b->busy));
	b->members = members_new(&mo);
	b->up = true;
	b->dying = b->dies_unheard = b->unheard = b->quiet = false;
	b->asks = b->die_at = 0;
	b->life++;
}

void
broker_kill(struct world *w, unsigned i)
{
	struct broker *b = &w->brokers[i];

	if (!b->up)
		return;
	b->dying = true;
	fleet_free(b->fleet);
	members_free(b->members);
	tenure_free(b->tenure);
	journal_close(b->journal);
	doubts_clear(&b->doubts);
	b->up = false;
	assert_int_equal(b->ops, 0);
}

bool
broker_all_open(const struct broker *b)
{
	for (unsigned i = 0; i < b->w->buckets; i++)
		if (tenure_open(b->tenure, i) == NULL)
			return false;
	return true;
}

struct op {
	struct broker *b;
	unsigned account, bucket, tries;
	uint32_t turn;
	struct store_key key;
	uint64_t segment;
	struct commit_image image;
	struct store_event event;
	struct bytes ground;
	char tag[48];
	bool maybe, doubted;
	bool answers, asked, acked;
};

static void
op_end(struct op *op)
{
	if (op->asked && !op->answers && !op->acked)
		doubts_add(&op->b->doubts, op->image.id, buf_view(&op->ground.buf));
	bytes_clear(&op->ground);
	op->b->busy[op->account] = false;
	op->b->ops--;
	free(op);
}

static void
acknowledge(struct op *op, uint64_t n, uint64_t seq)
{
	struct broker *b = op->b;
	struct world *w = b->w;
	struct bytes body, grounded;
	struct journal_entry e = {.kind = JOURNAL_COMMIT,
	    .bucket = (uint16_t)op->bucket,
	    .n = n,
	    .key = op->key,
	    .revision = op->image.commit.expected + op->image.commit.events_n,
	    .seq = seq};

	bytes_init(&body, COMMIT_CODE_MAX);
	bytes_init(&grounded, JOURNAL_BODY_MAX);
	if (!op->answers) {
		commit_encode(&body.buf, &op->image);
		commit_seal(&body.buf, seq);
	}
	e.body = buf_view(&body.buf);
	if (op->ground.buf.len > 0) {
		commit_put_grounded(&grounded.buf, buf_view(&op->ground.buf), e.body);
		e.body = buf_view(&grounded.buf);
	}
	journal_put(b->journal, &e);
	assert_int_equal(journal_sync(b->journal, w->now_ms), CS_OK);
	bytes_clear(&body);
	bytes_clear(&grounded);
	op->acked = true;
	if (w->acked_n == w->acked_cap) {
		w->acked_cap = w->acked_cap == 0 ? 256 : w->acked_cap * 2;
		w->acked = realloc(w->acked, w->acked_cap * sizeof(*w->acked));
		CHECK(w->acked != NULL);
	}
	w->acked[w->acked_n] = (struct acked){.account = op->account, .broker = b->index, .revision = e.revision};
	memcpy(w->acked[w->acked_n++].tag, op->tag, sizeof(op->tag));
}

static void op_ask(struct op *op);

static void
op_answered(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct op *op = ctx;
	struct broker *b = op->b;
	const redisReply *r = err == CS_OK ? reply->value : NULL;
	bool again = err == CS_ERR_UNKNOWN;

	if (b->dying) {
		op_end(op);
		return;
	}
	if (r != NULL) {
		assert_int_equal(r->type, REDIS_REPLY_ARRAY);
		switch (r->element[0]->integer) {
		case ANSWER_DONE:
			if (!tenure_holds(b->tenure, op->bucket, op->turn)) {
				again = true;
				break;
			}
			if ((uint64_t)r->element[1]->integer <= journal_position(b->journal, op->bucket) && !op->doubted) {
				/* The count went back: this server has forgotten something. Or an answer was long on its way. */
				tenure_doubt(b->tenure, op->bucket);
				again = op->doubted = true;
				break;
			}
			acknowledge(op, (uint64_t)r->element[1]->integer, op->answers ? op->segment : (uint64_t)r->element[2]->integer);
			break;
		case ANSWER_SEGMENT:
			op->segment = (uint64_t)r->element[1]->integer;
			op_ask(op);
			return;
		case ANSWER_SUSPECT:
		case ANSWER_STRANGER:
			tenure_doubt(b->tenure, op->bucket);
			again = op->maybe;
			break;
		default:
			b->w->refused++;
			break;
		}
	}
	if (again && op->tries++ < ASK_AGAIN_MAX && tenure_open(b->tenure, op->bucket) != NULL) {
		op->maybe = true;
		op_ask(op);
		return;
	}
	op_end(op);
}

/* As check_ask() of redis_commit.c. */
static void
op_ask_answer(struct op *op, const char *tenure)
{
	struct broker *b = op->b;
	struct layout_key head, record;
	struct view keys[2] = {layout_key(&b->w->layout, op->bucket, LAYOUT_HEAD, NULL, 0, &head),
	    layout_key_of(&b->w->layout, LAYOUT_RECORD, &op->key, &record)}, args[4] = {view_str(tenure)};
	uint8_t expected[8 + LAYOUT_ID_BYTES];
	char member[JOURNAL_MEMBER_TEXT + 2], known[24];

	layout_put_be(expected, op->image.commit.expected);
	memcpy(expected + 8, op->image.before, LAYOUT_ID_BYTES);
	snprintf(member, sizeof(member), "w:%s", journal_member(b->journal));
	snprintf(known, sizeof(known), "%llu", (unsigned long long)journal_position(b->journal, op->bucket));
	args[1] = view_of(expected, sizeof(expected));
	args[2] = view_str(member);
	args[3] = view_str(known);
	fleet_script(b->fleet, op->bucket, SCRIPT_CHECK, keys, 2, args, 4, FLEET_AGAIN, op_answered, op);
}

static void
op_ask(struct op *op)
{
	struct broker *b = op->b;
	struct commit_where where = {.layout = &b->w->layout,
	    .tenure = tenure_open(b->tenure, op->bucket),
	    .member = journal_member(b->journal),
	    .segment = op->segment,
	    .n_known = journal_position(b->journal, op->bucket)};
	struct commit_call call;

	if (where.tenure == NULL) {
		op_end(op);
		return;
	}
	op->turn = tenure_turn(b->tenure, op->bucket);
	op->asked = true;
	if (op->answers) {
		op_ask_answer(op, where.tenure);
		return;
	}
	commit_call_init(&call);
	commit_call_make(&call, &where, &op->image);
	fleet_script(b->fleet, op->bucket, SCRIPT_COMMIT, call.keys, call.keys_n, call.args, call.args_n, 0, op_answered, op);
	commit_call_clear(&call);
}

static void
ground_read(struct op *op, const struct layout_hot *hot)
{
	struct cache_entry *e = cache_entry_new_made(&op->key, hot->revision, hot->hot, view_of(NULL, 0), hot->making);

	e->last_seq = hot->last_seq;
	memcpy(&e->row_id, hot->id, sizeof(e->row_id));
	if (!doubts_known(&op->b->doubts, hot->id))
		ground_put(&op->b->doubts, e, &op->ground.buf);
	cache_entry_free(e);
}

static void
op_read(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct op *op = ctx;
	struct broker *b = op->b;
	const redisReply *r = err == CS_OK ? reply->value : NULL;
	struct layout_hot hot = {0};

	if (b->dying || r == NULL || r->elements < 2 || r->element[0]->integer != ANSWER_DONE || !tenure_holds(b->tenure, op->bucket, op->turn)) {
		if (!b->dying && r != NULL && r->element[0]->integer == ANSWER_SUSPECT)
			tenure_doubt(b->tenure, op->bucket);
		op_end(op);
		return;
	}
	if (r->element[1]->type == REDIS_REPLY_STRING) {
		assert_int_equal(layout_get_hot(view_of(r->element[1]->str, r->element[1]->len), &op->key, &hot), CS_OK);
		if (hot.held) {
			op_end(op);
			return;
		}
	}
	memcpy(op->image.before, hot.id, sizeof(op->image.before));
	if (hot.revision > 0)
		ground_read(op, &hot);
	if (op->answers) {
		/* What it acknowledged itself needs no more than it has. */
		if (op->ground.buf.len == 0) {
			op_end(op);
			return;
		}
		snprintf(op->tag, sizeof(op->tag), "%.*s", (int)hot.hot.len, hot.hot.data);
		op->segment = hot.last_seq;
		op->image.commit = (struct store_commit){.key = op->key, .expected = hot.revision};
		op_ask(op);
		return;
	}
	doubts_next_id(&b->doubts, op->image.id);
	snprintf(op->tag, sizeof(op->tag), "commit %llu of broker %u", (unsigned long long)++b->w->ids, b->index);
	op->event.event = view_str(op->tag);
	op->image.commit = (struct store_commit){.key = op->key, .expected = hot.revision, .events = &op->event, .events_n = 1, .hot = view_str(op->tag)};
	b->w->commits++;
	op_ask(op);
}

static bool
op_begin(struct world *w, unsigned i, unsigned account, bool answers)
{
	struct broker *b = &w->brokers[i];
	struct op *op;
	struct layout_key head, record;
	struct view keys[2], args[1];

	if (!b->up || b->dying || b->busy[account] || tenure_open(b->tenure, account % BUCKETS) == NULL)
		return false;
	op = calloc(1, sizeof(*op));
	CHECK(op != NULL);
	op->b = b;
	op->account = account;
	op->key = account_key(account);
	op->bucket = layout_bucket(&op->key);
	op->segment = 1;
	op->answers = answers;
	bytes_init(&op->ground, COMMIT_GROUNDS_BYTES);
	b->busy[account] = true;
	op->turn = tenure_turn(b->tenure, op->bucket);
	b->ops++;
	keys[0] = layout_key(&w->layout, op->bucket, LAYOUT_HEAD, NULL, 0, &head);
	keys[1] = layout_key_of(&w->layout, LAYOUT_RECORD, &op->key, &record);
	args[0] = view_str(tenure_open(b->tenure, op->bucket));
	fleet_script(b->fleet, op->bucket, SCRIPT_READ, keys, 2, args, 1, FLEET_READS, op_read, op);
	return true;
}

bool
broker_commit(struct world *w, unsigned i, unsigned account)
{
	return op_begin(w, i, account, false);
}

bool
broker_answer(struct world *w, unsigned i, unsigned account)
{
	return op_begin(w, i, account, true);
}

void
world_step(struct world *w)
{
	w->now_ms += STEP_MS;
	for (unsigned i = 0; i < BROKERS; i++) {
		struct broker *b = &w->brokers[i];

		if (!b->up || b->quiet)
			continue;
		if (b->dying) {
			broker_kill(w, i);
			continue;
		}
		tenure_tick(b->tenure, w->now_ms);
		members_tick(b->members, w->now_ms);
		fleet_flush(b->fleet);
	}
}

static bool
settled(const struct world *w)
{
	for (unsigned i = 0; i < BROKERS; i++) {
		const struct broker *b = &w->brokers[i];

		if (b->up && !b->quiet && (b->dying || b->ops > 0 || fleet_ready(b->fleet) || !broker_all_open(b)))
			return false;
	}
	return true;
}

static void
tell_states(const struct world *w)
{
	for (unsigned i = 0; i < BROKERS; i++)
		for (unsigned k = 0; w->brokers[i].up && k < w->buckets && k < 8; k++)
			fprintf(stderr, "broker %u bucket %u: %s\n", i, k, tenure_state_name(tenure_state(w->brokers[i].tenure, k)));
}

void
world_settle(struct world *w)
{
	for (int i = 0; i < SETTLE_STEPS; i++) {
		world_step(w);
		if (settled(w))
			return;
	}
	tell_states(w);
	fail_msg("the store did not open");
}

void
world_commit(struct world *w, unsigned i, unsigned account)
{
	size_t before = w->acked_n;

	assert_true(broker_commit(w, i, account));
	while (w->brokers[i].ops > 0)
		world_step(w);
	assert_int_equal(w->acked_n, before + 1);
}

struct snapshot *
snapshot_take(struct world *w)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	redisReply *keys = PLAIN_NOW(w->control, VIEW("KEYS"), VIEW("*"));

	CHECK(s != NULL);
	s->keys = calloc(keys->elements + 1, sizeof(*s->keys));
	CHECK(s->keys != NULL);
	for (size_t i = 0; i < keys->elements; i++) {
		struct snapshot_key *k = &s->keys[s->n];
		redisReply *dump = PLAIN_NOW(w->control, VIEW("DUMP"), view_of(keys->element[i]->str, keys->element[i]->len));

		if (dump->type == REDIS_REPLY_STRING) {
			*k = (struct snapshot_key){malloc(keys->element[i]->len + 1), malloc(dump->len + 1), keys->element[i]->len, dump->len};
			CHECK(k->key != NULL && k->dump != NULL);
			memcpy(k->key, keys->element[i]->str, k->key_len);
			memcpy(k->dump, dump->str, k->dump_len);
			s->n++;
		}
		freeReplyObject(dump);
	}
	freeReplyObject(keys);
	s->acked_n = w->acked_n;
	return s;
}

void
snapshot_free(struct snapshot *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++) {
		free(s->keys[i].key);
		free(s->keys[i].dump);
	}
	free(s->keys);
	free(s);
}

void
world_set_back(struct world *w, const struct snapshot *s, bool same)
{
	freeReplyObject(PLAIN_NOW(w->control, VIEW("FLUSHALL")));
	for (size_t i = 0; s != NULL && i < s->n; i++)
		freeReplyObject(PLAIN_NOW(w->control, VIEW("RESTORE"), view_of(s->keys[i].key, s->keys[i].key_len), VIEW("0"),
		    view_of(s->keys[i].dump, s->keys[i].dump_len)));
	if (!same)
		freeReplyObject(PLAIN_NOW(w->control, VIEW("DEBUG"), VIEW("CHANGE-REPL-ID")));
	world_look(w);
}

static redisReply *
record_get(struct world *w, unsigned account)
{
	struct store_key key = account_key(account);
	struct layout_key name;

	return PLAIN_NOW(w->control, VIEW("GET"), layout_key_of(&w->layout, LAYOUT_RECORD, &key, &name));
}

bool
account_held(struct world *w, unsigned account)
{
	redisReply *r = record_get(w, account);
	bool held = r->type == REDIS_REPLY_STRING && r->len > 0 && ((uint8_t)r->str[0] & LAYOUT_HELD) != 0;

	freeReplyObject(r);
	return held;
}

size_t
world_held(struct world *w)
{
	size_t n = 0;

	for (unsigned a = 0; a < ACCOUNTS; a++)
		n += account_held(w, a);
	return n;
}

struct history {
	struct {
		uint64_t revision;
		char tag[48];
	} at[4096];
	size_t n;
};

/* The record's events, in the order of the log. */
static void
history_read(struct world *w, unsigned account, struct history *h)
{
	struct store_key key = account_key(account);
	struct layout_key name;

	h->n = 0;
	for (uint64_t segment = 1;; segment++) {
		redisReply *r = PLAIN_NOW(w->control, VIEW("XRANGE"), layout_log(&w->layout, layout_bucket(&key), segment, &name), VIEW("-"), VIEW("+"));
		size_t n = r->elements;

		for (size_t i = 0; i < n; i++) {
			redisReply *value = r->element[i]->element[1]->element[1];
			struct layout_event e;

			assert_int_equal(layout_get_event(view_of(value->str, value->len), &e), CS_OK);
			if (memcmp(&e.key, &key, sizeof(key)) != 0)
				continue;
			assert_true(h->n < sizeof(h->at) / sizeof(h->at[0]));
			h->at[h->n].revision = e.revision;
			snprintf(h->at[h->n++].tag, sizeof(h->at[0].tag), "%.*s", (int)e.event.len, e.event.data);
		}
		freeReplyObject(r);
		if (n == 0)
			return;
	}
}

static bool
kept_with_hold(struct world *w, unsigned account, const char *tag)
{
	struct store_key key = account_key(account);
	struct layout_key name;
	redisReply *r = PLAIN_NOW(w->control, VIEW("HVALS"), layout_key_of(&w->layout, LAYOUT_HELD_MARK, &key, &name));
	bool found = false;

	for (size_t i = 0; i < r->elements; i++)
		found = found || memmem(r->element[i]->str, r->element[i]->len, tag, strlen(tag)) != NULL;
	freeReplyObject(r);
	return found;
}

void
world_verify(struct world *w)
{
	static struct history h;

	for (unsigned a = 0; a < ACCOUNTS; a++) {
		bool held = account_held(w, a);

		history_read(w, a, &h);
		for (size_t i = 0; i < h.n && !held; i++)
			if (h.at[i].revision != i + 1)
				fail_msg("account %u: event %zu has revision %llu", a, i + 1, (unsigned long long)h.at[i].revision);
		for (size_t k = 0; k < w->acked_n; k++) {
			const struct acked *ack = &w->acked[k];
			bool found = false;

			if (ack->account != a)
				continue;
			for (size_t i = 0; i < h.n && !found; i++)
				found = h.at[i].revision == ack->revision && strcmp(h.at[i].tag, ack->tag) == 0;
			if (!found && !(held && kept_with_hold(w, a, ack->tag)))
				fail_msg("lost: \"%s\" of broker %u at revision %llu of account %u (%s)", ack->tag, ack->broker,
				    (unsigned long long)ack->revision, a, held ? "held, but without it" : "not held");
		}
	}
}
