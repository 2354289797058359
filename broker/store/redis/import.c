/* SPDX-License-Identifier: Apache-2.0 */
/* Filling an empty shared store. */
#include "broker/store/redis/import.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/store/redis/claim_code.h"
#include "broker/store/redis/scripts.h"

enum {
	SCRIPT_EVENTS_MAX = 256, /* in one call: a script holds up its server */
	RUN_TEXT = 17,
};

/* Of no broker; not zeros, which stand for "not known". */
static const uint8_t no_commit[LAYOUT_ID_BYTES] = {0x69, 0x6d, 0x70, 0x6f, 0x72, 0x74, 0x65, 0x64};

struct import {
	struct tool *tool;
	store_replay_fn *replay;
	char run[RUN_TEXT];
	struct tool_head *heads;  /* as this run left them */
	bool heads_known;
	struct bytes put, put_cold; /* values */
	struct bytes hot, cold;
	enum cs_err err;          /* of what a completion found */
	char said[TOOL_WHY_TEXT];
};

/* --- begin and marks --- */

static enum cs_err
ask_mark(struct import *im, const char *const *texts, size_t n, int64_t *done, char why[TOOL_WHY_TEXT]);

static void
number_read(void *ctx, uint64_t tag, const struct redisReply *value)
{
	(void)tag;
	*(int64_t *)ctx = tool_number(value);
}

static enum cs_err
make_run(struct import *im)
{
	uint8_t random[(RUN_TEXT - 1) / 2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return CS_ERR_SYSTEM;
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(im->run + 2 * i, 3, "%02x", random[i]);
	return CS_OK;
}

/* Nothing of another store stands under the prefix. */
static enum cs_err
look_empty(struct import *im, char why[TOOL_WHY_TEXT])
{
	enum cs_err err = tool_heads(im->tool, im->heads, why);

	for (unsigned b = 0; err == CS_OK && b < LAYOUT_BUCKETS; b++) {
		if (im->heads[b].there) {
			(void)snprintf(why, TOOL_WHY_TEXT, "there are records under the prefix \"%s\" already (bucket %u): give this store a "
			    "prefix of its own, or delete the keys that begin with \"%s{\"", tool_layout(im->tool)->prefix, b,
			    tool_layout(im->tool)->prefix);
			err = CS_ERR_CONFLICT;
		}
	}
	return err;
}

static enum cs_err
set_fields(struct import *im, const char *const *texts, size_t n, char why[TOOL_WHY_TEXT])
{
	struct layout_key key;
	struct view argv[2 + 2 * IMPORT_MARKS_MAX] = {VIEW("HSET"), tool_meta_key(im->tool, &key)};

	CHECK(n <= 2 * IMPORT_MARKS_MAX);
	for (size_t i = 0; i < n; i++)
		argv[2 + i] = view_str(texts[i]);
	tool_ask(im->tool, 0, argv, 2 + n, FLEET_AGAIN, NULL, NULL, 0);
	return tool_wait(im->tool, why);
}

static enum cs_err
begin_new(struct import *im, const char *source, const char *realm, char why[TOOL_WHY_TEXT])
{
	char format[16], buckets[16];
	const char *texts[] = {"format", format, "buckets", buckets, "realm", realm, "import_run", im->run, "import_source", source};
	struct layout_key key;
	struct view argv[4] = {VIEW("HSETNX"), tool_meta_key(im->tool, &key), VIEW("state"), VIEW("import")};
	int64_t mine = 0;
	enum cs_err err = look_empty(im, why);

	/* The first word of all: from here on no broker begins a store here, and where one did, this is not the place. */
	if (err == CS_OK) {
		tool_ask(im->tool, 0, argv, 4, 0, number_read, &mine, 0);
		err = tool_wait(im->tool, why);
	}
	if (err == CS_OK && mine != 1) {
		(void)snprintf(why, TOOL_WHY_TEXT, "a broker or another migration has just begun a store under the prefix \"%s\": look, and say it again",
		    tool_layout(im->tool)->prefix);
		err = CS_ERR_CONFLICT;
	}
	(void)snprintf(format, sizeof(format), "%d", LAYOUT_VERSION);
	(void)snprintf(buckets, sizeof(buckets), "%d", LAYOUT_BUCKETS);
	return err == CS_OK ? set_fields(im, texts, sizeof(texts) / sizeof(texts[0]), why) : err;
}

static enum cs_err
begin_again(struct import *im, const char *source, const char *realm, const char *state, char why[TOOL_WHY_TEXT])
{
	char text[TOOL_META_TEXT], format[16], buckets[16];
	const char *texts[] = {"import_run", im->run};
	const char *all[] = {"format", format, "buckets", buckets, "realm", realm, "import_run", im->run, "import_source", source};
	const char *prefix = tool_layout(im->tool)->prefix;
	enum cs_err err = tool_meta(im->tool, "realm", text, why);

	(void)snprintf(format, sizeof(format), "%d", LAYOUT_VERSION);
	(void)snprintf(buckets, sizeof(buckets), "%d", LAYOUT_BUCKETS);
	if (err == CS_OK && strcmp(text, realm) != 0 && text[0] != '\0') {
		(void)snprintf(why, TOOL_WHY_TEXT, "under the prefix \"%s\" is a store of another key file: give this one a prefix of its own, "
		    "or the right `keys { file ... }`", prefix);
		return CS_ERR_CONFLICT;
	}
	if (err == CS_OK && strcmp(state, "import") != 0)
		err = tool_meta(im->tool, "import_source", text, why);
	if (err == CS_OK && strcmp(state, "import") != 0) {
		/* Perhaps the one before was through, and was not told so. */
		if (strcmp(state, "moved") == 0)
			(void)snprintf(why, TOOL_WHY_TEXT, "under the prefix \"%s\" is a store that was moved into a file: give this one a prefix of its "
			    "own, or delete the keys that begin with \"%s{\"", prefix, prefix);
		else if (strcmp(text, source) == 0)
			(void)snprintf(why, TOOL_WHY_TEXT, "this store was moved to the prefix \"%s\" before, and all of it: there is a store that "
			    "brokers use. Start them with the new configuration, and never again on the file", prefix);
		else
			(void)snprintf(why, TOOL_WHY_TEXT, "under the prefix \"%s\" is a store that brokers use: give this one a prefix of its own", prefix);
		return CS_ERR_CONFLICT;
	}
	if (err == CS_OK)
		err = tool_meta(im->tool, "import_source", text, why);
	/* One that was killed at its very first step. */
	if (err == CS_OK && text[0] == '\0')
		return set_fields(im, all, sizeof(all) / sizeof(all[0]), why);
	if (err == CS_OK && strcmp(text, source) != 0) {
		(void)snprintf(why, TOOL_WHY_TEXT, "under the prefix \"%s\" is the half of another migration: finish that one, or delete the keys "
		    "that begin with \"%s{\"", prefix, prefix);
		return CS_ERR_CONFLICT;
	}
	return err == CS_OK ? set_fields(im, texts, 2, why) : err;
}

enum cs_err
import_begin(struct tool *t, const char *source, const char *realm, store_replay_fn *replay, struct import **out,
    bool *resumed, char why[TOOL_WHY_TEXT])
{
	struct import *im = calloc(1, sizeof(*im));
	char state[TOOL_META_TEXT];
	enum cs_err err;

	CHECK(im != NULL && strlen(source) < IMPORT_SOURCE_TEXT);
	im->tool = t;
	im->replay = replay;
	im->heads = calloc(LAYOUT_BUCKETS, sizeof(im->heads[0]));
	CHECK(im->heads != NULL);
	bytes_init(&im->put, LAYOUT_HOT_MAX);
	bytes_init(&im->put_cold, LAYOUT_COLD_MAX);
	bytes_init(&im->hot, STORE_HOT_MAX);
	bytes_init(&im->cold, STORE_COLD_MAX);
	err = make_run(im);
	if (err != CS_OK)
		(void)snprintf(why, TOOL_WHY_TEXT, "the system gives no random bytes");
	if (err == CS_OK)
		err = tool_meta(t, "state", state, why);
	if (err == CS_OK)
		err = state[0] == '\0' ? begin_new(im, source, realm, why) : begin_again(im, source, realm, state, why);
	if (err != CS_OK) {
		import_free(im);
		return err;
	}
	*resumed = state[0] != '\0';
	*out = im;
	return CS_OK;
}

void
import_free(struct import *im)
{
	if (im == NULL)
		return;
	free(im->heads);
	bytes_clear(&im->put);
	bytes_clear(&im->put_cold);
	bytes_clear(&im->hot);
	bytes_clear(&im->cold);
	free(im);
}

enum cs_err
import_mark_get(struct import *im, const char *name, char to[TOOL_META_TEXT], char why[TOOL_WHY_TEXT])
{
	char field[64];

	(void)snprintf(field, sizeof(field), "import_%s", name);
	return tool_meta(im->tool, field, to, why);
}

static enum cs_err
ask_mark(struct import *im, const char *const *texts, size_t n, int64_t *done, char why[TOOL_WHY_TEXT])
{
	struct layout_key key;
	struct view meta = tool_meta_key(im->tool, &key), args[1 + 2 * IMPORT_MARKS_MAX] = {view_str(im->run)};

	CHECK(n <= 2 * IMPORT_MARKS_MAX);
	for (size_t i = 0; i < n; i++)
		args[1 + i] = view_str(texts[i]);
	tool_script(im->tool, 0, SCRIPT_IMPORT_MARK, &meta, 1, args, 1 + n, number_read, done, 0);
	return tool_wait(im->tool, why);
}

enum cs_err
import_mark(struct import *im, const char *name, const char *value, char why[TOOL_WHY_TEXT])
{
	char field[64];
	const char *texts[] = {field, value};
	int64_t done = 0;
	enum cs_err err;

	(void)snprintf(field, sizeof(field), "import_%s", name);
	err = ask_mark(im, texts, 2, &done, why);
	if (err == CS_OK && done != 1) {
		(void)snprintf(why, TOOL_WHY_TEXT, "another run of this migration has taken over: let that one go on");
		err = CS_ERR_CONFLICT;
	}
	return err;
}

enum cs_err
import_end(struct import *im, char why[TOOL_WHY_TEXT])
{
	const char *texts[] = {"state", "ready"};
	char state[TOOL_META_TEXT];
	int64_t done = 0;
	enum cs_err err = ask_mark(im, texts, 2, &done, why);

	/* The one before may have done it, and its answer was lost. */
	if (err == CS_OK && done != 1) {
		err = tool_meta(im->tool, "state", state, why);
		if (err == CS_OK && strcmp(state, "ready") != 0) {
			(void)snprintf(why, TOOL_WHY_TEXT, "another run of this migration has taken over: let that one go on");
			err = CS_ERR_CONFLICT;
		}
	}
	return err;
}

/* --- records, claims, payments --- */

static void
put_key(struct import *im, enum layout_kind kind, const struct store_key *key, struct view value)
{
	struct layout_key name;
	struct view argv[3] = {VIEW("SET"), layout_key_of(tool_layout(im->tool), kind, key, &name), value};

	tool_ask(im->tool, layout_bucket(key), argv, 3, FLEET_AGAIN, NULL, NULL, 0);
}

/* Hot value, and the cold one where it is new: in one command, so that none of them is ever there without the other. */
static void
put_state(struct import *im, const struct store_key *key, uint64_t revision, uint64_t last_seq, uint64_t cold_revision,
    struct view hot, struct view cold)
{
	struct buf *b = &im->put.buf, *c = &im->put_cold.buf;
	const struct layout *l = tool_layout(im->tool);
	struct layout_key names[2];
	struct view argv[5] = {VIEW("MSET"), layout_key_of(l, LAYOUT_RECORD, key, &names[0]), [3] = layout_key_of(l, LAYOUT_COLD, key, &names[1])};
	uint8_t number[8];

	b->len = c->len = 0;
	layout_put_be(number, revision);
	buf_put(b, number, sizeof(number));
	buf_put(b, no_commit, sizeof(no_commit));
	layout_put_be(number, last_seq);
	buf_put(b, number, sizeof(number));
	layout_put_be(number, 0);
	buf_put(b, number, sizeof(number));
	layout_put_be(number, cold_revision);
	buf_put(b, number, sizeof(number));
	layout_put_tail(b, key, revision, no_commit, view_of(NULL, 0), hot);
	if (cold_revision == revision)
		layout_put_cold(c, key, revision, cold);
	CHECK(!b->full && !c->full);
	argv[2] = buf_view(b);
	argv[4] = buf_view(c);
	tool_ask(im->tool, layout_bucket(key), argv, cold_revision == revision ? 5 : 3, FLEET_AGAIN, NULL, NULL, 0);
}

void
import_record(struct import *im, const struct record_snapshot *s)
{
	put_state(im, &s->key, s->revision, s->last_seq, s->cold.len > 0 ? s->revision : 0, s->hot, s->cold);
}

void
import_claim(struct import *im, const struct record_claim *claim)
{
	struct claim_value value = {.version = 1, .state = CLAIM_SETTLED, .holder = claim->holder};
	uint8_t bytes[CLAIM_BYTES];
	struct layout_key name;
	struct view argv[3] = {claim->held ? VIEW("SADD") : VIEW("SREM"),
	    layout_key_of(tool_layout(im->tool), LAYOUT_CLAIMS, &claim->holder, &name),
	    view_of(claim->claim.b, sizeof(claim->claim.b))};

	claim_encode(bytes, &claim->claim, &value);
	put_key(im, LAYOUT_CLAIM, &claim->claim, view_of(bytes, sizeof(bytes)));
	tool_ask(im->tool, layout_bucket(&claim->holder), argv, 3, FLEET_AGAIN, NULL, NULL, 0);
}

void
import_claims_drop(struct import *im, const struct store_key *key)
{
	struct layout_key name;
	struct view argv[2] = {VIEW("DEL"), layout_key_of(tool_layout(im->tool), LAYOUT_CLAIMS, key, &name)};

	tool_ask(im->tool, layout_bucket(key), argv, 2, FLEET_AGAIN, NULL, NULL, 0);
}

void
import_payment(struct import *im, const struct record_payment *payment)
{
	uint8_t row[STORE_SUMMARY_MAX + 64];
	struct buf b = buf_over(row, sizeof(row));
	struct layout_key name;
	struct view argv[3] = {VIEW("SET"), layout_payment(tool_layout(im->tool), &payment->key, &payment->payment, &name)};

	record_put_payment(&b, payment);
	CHECK(!b.full);
	argv[2] = buf_view(&b);
	tool_ask(im->tool, layout_bucket(&payment->key), argv, 3, FLEET_AGAIN, NULL, NULL, 0);
}

enum cs_err
import_wait(struct import *im, char why[TOOL_WHY_TEXT])
{
	return tool_wait(im->tool, why);
}

/* --- events --- */

static int
by_bucket(const void *a, const void *b)
{
	const struct import_event *x = *(const struct import_event *const *)a, *y = *(const struct import_event *const *)b;
	unsigned i = layout_bucket(&x->key), k = layout_bucket(&y->key);

	return i != k ? (i < k ? -1 : 1) : x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int
by_key(const void *a, const void *b)
{
	const struct import_event *x = *(const struct import_event *const *)a, *y = *(const struct import_event *const *)b;
	int order = memcmp(x->key.b, y->key.b, sizeof(x->key.b));

	return order != 0 ? order : x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void
log_written(void *ctx, uint64_t bucket, const struct redisReply *value)
{
	struct import *im = ctx;
	struct tool_head *h = &im->heads[bucket];

	if (tool_number(tool_element(value, 0)) == ANSWER_DONE) {
		h->segment = (uint64_t)tool_number(tool_element(value, 1));
		h->in_segment = (uint64_t)tool_number(tool_element(value, 2));
	} else {
		/* Another answer of this run was lost: the heads are read again, and all of it is asked again. */
		im->err = CS_ERR_UNKNOWN;
	}
}

/* Some events of one bucket, for one segment. */
static void
write_log(struct import *im, unsigned bucket, uint64_t segment, const struct import_event *const *events, size_t n)
{
	static char numbers[SCRIPT_EVENTS_MAX][24];
	struct layout_key names[3];
	struct view keys[3] = {layout_key(tool_layout(im->tool), bucket, LAYOUT_HEAD, NULL, 0, &names[0]),
	    layout_log(tool_layout(im->tool), bucket, segment, &names[1]),
	    layout_key(tool_layout(im->tool), bucket, LAYOUT_SEGMENTS, NULL, 0, &names[2])};
	struct view args[1 + 2 * SCRIPT_EVENTS_MAX];
	char number[24];
	struct bytes values;

	bytes_init(&values, SCRIPT_EVENTS_MAX * (size_t)LAYOUT_EVENT_MAX);
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)segment);
	args[0] = view_str(number);
	for (size_t i = 0; i < n; i++) {
		struct store_event ev = {events[i]->event, events[i]->extra};
		size_t start = values.buf.len;
		uint8_t back[8];

		layout_put_be(back, events[i]->back);
		buf_put(&values.buf, back, sizeof(back));
		layout_put_event(&values.buf, &events[i]->key, events[i]->revision, &ev);
		CHECK(!values.buf.full);
		(void)snprintf(numbers[i], sizeof(numbers[i]), "%llu", (unsigned long long)events[i]->seq);
		args[1 + 2 * i] = view_str(numbers[i]);
		args[2 + 2 * i] = view_of(NULL, values.buf.len - start);
	}
	/* The buffer may have moved while it grew. */
	for (size_t i = 0, at = 0; i < n; i++) {
		args[2 + 2 * i].data = (const char *)values.buf.data + at;
		at += args[2 + 2 * i].len;
	}
	tool_script(im->tool, bucket, SCRIPT_IMPORT, keys, 3, args, 1 + 2 * n, log_written, im, bucket);
	bytes_clear(&values);
}

static void
write_logs(struct import *im, const struct import_event *const *sorted, size_t n)
{
	for (size_t i = 0; i < n;) {
		unsigned bucket = layout_bucket(&sorted[i]->key);
		struct tool_head *h = &im->heads[bucket];
		bool fresh = h->segment == 0 || h->in_segment >= LAYOUT_SEGMENT_EVENTS;
		uint64_t segment = fresh ? h->segment + 1 : h->segment, room = LAYOUT_SEGMENT_EVENTS - (fresh ? 0 : h->in_segment);
		size_t k = i;

		while (k < n && k - i < SCRIPT_EVENTS_MAX && k - i < room && layout_bucket(&sorted[k]->key) == bucket)
			k++;
		write_log(im, bucket, segment, sorted + i, k - i);
		/* As it will be where all of these are new; else the script says so. */
		h->segment = segment;
		h->in_segment = (fresh ? 0 : h->in_segment) + (k - i);
		i = k;
	}
}

/* --- states --- */

struct state {
	const struct import_event *const *events;
	size_t n;
	struct bytes hot, cold;     /* as they stand in Redis */
};

static void
state_read(void *ctx, uint64_t cold, const struct redisReply *value)
{
	struct state *s = ctx;

	buf_put_view(cold != 0 ? &s->cold.buf : &s->hot.buf, tool_bytes(value));
}

static enum cs_err
misfit(const struct import_event *ev, char why[TOOL_WHY_TEXT])
{
	(void)snprintf(why, TOOL_WHY_TEXT, "event %llu does not fit the record that it is of: see `countersignctl store check`",
	    (unsigned long long)ev->seq);
	return CS_ERR_CORRUPT;
}

/* The events that the record has not yet, one after the other. */
static enum cs_err
fold_one(struct import *im, const struct state *s, char why[TOOL_WHY_TEXT])
{
	const struct store_key *key = &s->events[0]->key;
	struct layout_hot was = {.revision = 0};
	struct view cold = view_of(NULL, 0);
	uint64_t revision, last = 0;

	if (s->hot.buf.len > 0 && layout_get_hot(buf_view(&s->hot.buf), key, &was) != CS_OK)
		return misfit(s->events[0], why);
	if (was.cold_revision != 0 && layout_get_cold(buf_view(&s->cold.buf), key, was.cold_revision, &cold) != CS_OK)
		return misfit(s->events[0], why);
	im->hot.buf.len = im->cold.buf.len = 0;
	buf_put_view(&im->hot.buf, was.hot);
	buf_put_view(&im->cold.buf, cold);
	revision = was.revision;
	for (size_t i = 0; i < s->n; i++) {
		const struct import_event *ev = s->events[i];

		if (ev->revision <= revision)
			continue;
		if (ev->revision != revision + 1 ||
		    im->replay(NULL, key, ev->revision, &im->hot.buf, &im->cold.buf, ev->event, ev->extra) != CS_OK)
			return misfit(ev, why);
		revision = ev->revision;
		last = ev->seq;
	}
	if (revision == was.revision)
		return CS_OK;
	put_state(im, key, revision, last, view_equal(buf_view(&im->cold.buf), cold) ? was.cold_revision : revision,
	    buf_view(&im->hot.buf), buf_view(&im->cold.buf));
	return CS_OK;
}

static void
state_ask(struct import *im, struct state *s)
{
	const struct store_key *key = &s->events[0]->key;
	struct layout_key names[2];
	struct view hot[2] = {VIEW("GET"), layout_key_of(tool_layout(im->tool), LAYOUT_RECORD, key, &names[0])};
	struct view cold[2] = {VIEW("GET"), layout_key_of(tool_layout(im->tool), LAYOUT_COLD, key, &names[1])};

	bytes_init(&s->hot, LAYOUT_HOT_MAX);
	bytes_init(&s->cold, LAYOUT_COLD_MAX);
	tool_ask(im->tool, layout_bucket(key), hot, 2, FLEET_READS, state_read, s, 0);
	tool_ask(im->tool, layout_bucket(key), cold, 2, FLEET_READS, state_read, s, 1);
}

static enum cs_err
fold(struct import *im, const struct import_event *const *sorted, size_t n, char why[TOOL_WHY_TEXT])
{
	struct state *states = calloc(n, sizeof(states[0]));
	size_t states_n = 0;
	enum cs_err err;

	CHECK(states != NULL);
	for (size_t i = 0; i < n; states_n++) {
		struct state *s = &states[states_n];

		*s = (struct state){.events = sorted + i};
		while (i < n && memcmp(sorted[i]->key.b, s->events[0]->key.b, STORE_KEY_BYTES) == 0) {
			s->n++;
			i++;
		}
		state_ask(im, s);
	}
	err = tool_wait(im->tool, why);
	for (size_t i = 0; err == CS_OK && i < states_n; i++)
		err = fold_one(im, &states[i], why);
	if (err == CS_OK || tool_open_asks(im->tool) > 0) {
		char also[TOOL_WHY_TEXT];
		enum cs_err waited = tool_wait(im->tool, also);

		if (err == CS_OK && waited != CS_OK) {
			memcpy(why, also, sizeof(also));
			err = waited;
		}
	}
	for (size_t i = 0; i < states_n; i++) {
		bytes_clear(&states[i].hot);
		bytes_clear(&states[i].cold);
	}
	free(states);
	return err;
}

enum cs_err
import_events(struct import *im, const struct import_event *events, size_t n, uint64_t folded, char why[TOOL_WHY_TEXT])
{
	const struct import_event **sorted = calloc(n + 1, sizeof(sorted[0]));
	size_t folds = 0;
	enum cs_err err = CS_OK;

	CHECK(sorted != NULL);
	if (!im->heads_known) {
		err = tool_heads(im->tool, im->heads, why);
		im->heads_known = err == CS_OK;
	}
	for (size_t i = 0; i < n; i++)
		sorted[i] = &events[i];
	qsort(sorted, n, sizeof(sorted[0]), by_bucket);
	im->err = CS_OK;
	if (err == CS_OK) {
		write_logs(im, sorted, n);
		err = tool_wait(im->tool, why);
		if (err == CS_OK && im->err != CS_OK) {
			(void)snprintf(why, TOOL_WHY_TEXT, "the log of a bucket is not as it was left");
			err = im->err;
		}
		im->heads_known = err == CS_OK;
	}
	for (size_t i = 0; i < n; i++) {
		if (events[i].seq > folded)
			sorted[folds++] = &events[i];
	}
	if (err == CS_OK && folds > 0) {
		qsort(sorted, folds, sizeof(sorted[0]), by_key);
		err = fold(im, sorted, folds, why);
	}
	free(sorted);
	return err;
}
