/* SPDX-License-Identifier: Apache-2.0 */
/* The shared store for tools: asking and waiting. */
#include "broker/store/redis/tool.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/store/redis/pollset.h"
#include "broker/store/redis/scripts.h"

enum { LOG_PAGE = 256 /* events of a bucket in one answer */, SCAN_PAGE = 2000, SCAN_ROUNDS_TEXT = 24, NAMES_MAX = 16 << 20 };

struct tool {
	struct pollset set;
	struct fleet *fleet;
	struct layout layout;
	size_t open;
	enum cs_err err;
	char said[TOOL_WHY_TEXT];
};

struct ask {
	struct tool *tool;
	tool_fn *fn;
	void *ctx;
	uint64_t tag;
};

static int64_t
now_ms(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
turn(struct tool *t, int64_t at_most_ms)
{
	int64_t wait = fleet_tick(t->fleet);

	fleet_flush(t->fleet);
	if (fleet_ready(t->fleet))
		return;
	pollset_wait(&t->set, (int)(wait < at_most_ms ? wait : at_most_ms));
	fleet_flush(t->fleet);
}

enum cs_err
tool_open(struct fleet_options *o, int64_t patience_ms, struct tool **out, char why[TOOL_WHY_TEXT])
{
	struct tool *t = calloc(1, sizeof(*t));
	int64_t until = now_ms() + patience_ms;
	char said[FLEET_WHY_TEXT];
	enum cs_err err;

	CHECK(t != NULL);
	pollset_init(&t->set);
	o->scripts = script_texts;
	o->scripts_n = SCRIPT__COUNT;
	err = layout_init(&t->layout, o->prefix);
	if (err == CS_OK)
		err = fleet_new(o, &t->set.poller, &t->fleet, said);
	else
		(void)snprintf(said, sizeof(said), "the prefix has letters, digits, '-', '_', '.' and ':' alone, at most %d", LAYOUT_PREFIX_MAX);
	while (err == CS_OK && fleet_why(t->fleet, said) > 0) {
		if (now_ms() >= until)
			err = CS_ERR_UNAVAILABLE;
		else
			turn(t, until - now_ms());
	}
	if (err != CS_OK) {
		(void)snprintf(why, TOOL_WHY_TEXT, "%s", said);
		tool_close(t);
		return err;
	}
	*out = t;
	return CS_OK;
}

void
tool_close(struct tool *t)
{
	if (t == NULL)
		return;
	fleet_free(t->fleet);
	pollset_clear(&t->set);
	free(t);
}

const struct layout *
tool_layout(const struct tool *t)
{
	return &t->layout;
}

struct fleet *
tool_fleet(struct tool *t)
{
	return t->fleet;
}

static void
asked(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct ask a = *(struct ask *)ctx;
	struct tool *t = a.tool;

	free(ctx);
	t->open--;
	if (err == CS_OK) {
		if (a.fn != NULL && t->err == CS_OK)
			a.fn(a.ctx, a.tag, r->value);
		return;
	}
	if (t->err != CS_OK)
		return;
	t->err = err;
	if (err == CS_ERR_CORRUPT && r != NULL && r->value != NULL && r->value->str != NULL)
		(void)snprintf(t->said, sizeof(t->said), "Redis says: %.300s", r->value->str);
	else if (fleet_why(t->fleet, t->said) == 0)
		(void)snprintf(t->said, sizeof(t->said), "%s", err == CS_ERR_FULL ?
		    "Redis is out of memory: raise maxmemory, or add nodes" : "Redis did not answer in time");
}

static struct ask *
ask_new(struct tool *t, tool_fn *fn, void *ctx, uint64_t tag)
{
	struct ask *a = malloc(sizeof(*a));

	CHECK(a != NULL);
	*a = (struct ask){t, fn, ctx, tag};
	t->open++;
	return a;
}

void
tool_ask(struct tool *t, unsigned bucket, const struct view *argv, size_t argc, unsigned flags, tool_fn *fn, void *ctx,
    uint64_t tag)
{
	fleet_ask(t->fleet, bucket, argv, argc, flags | FLEET_ANY_TENURE, asked, ask_new(t, fn, ctx, tag));
}

void
tool_script(struct tool *t, unsigned bucket, unsigned script, const struct view *keys, size_t keys_n,
    const struct view *args, size_t args_n, tool_fn *fn, void *ctx, uint64_t tag)
{
	fleet_script(t->fleet, bucket, script, keys, keys_n, args, args_n, FLEET_AGAIN | FLEET_ANY_TENURE, asked,
	    ask_new(t, fn, ctx, tag));
}

size_t
tool_open_asks(const struct tool *t)
{
	return t->open;
}

enum cs_err
tool_wait(struct tool *t, char why[TOOL_WHY_TEXT])
{
	enum cs_err err;

	fleet_flush(t->fleet);
	while (t->open > 0)
		turn(t, 1000);
	err = t->err;
	if (err != CS_OK)
		(void)snprintf(why, TOOL_WHY_TEXT, "%s", t->said);
	t->err = CS_OK;
	return err;
}

void
tool_wrong(struct tool *t, unsigned bucket, const char *what)
{
	if (t->err != CS_OK)
		return;
	t->err = CS_ERR_CORRUPT;
	(void)snprintf(t->said, sizeof(t->said), "the server of bucket %u gives %s: is it the right one, and is it whole?", bucket, what);
}

struct view
tool_bytes(const struct redisReply *value)
{
	return value == NULL || (value->type != REDIS_REPLY_STRING && value->type != REDIS_REPLY_STATUS) ? view_of(NULL, 0) :
	    view_of(value->str, value->len);
}

size_t
tool_count(const struct redisReply *value)
{
	return value == NULL || value->type != REDIS_REPLY_ARRAY ? 0 : value->elements;
}

const struct redisReply *
tool_element(const struct redisReply *value, size_t i)
{
	return i < tool_count(value) ? value->element[i] : NULL;
}

int64_t
tool_number(const struct redisReply *value)
{
	struct view v = tool_bytes(value);
	int64_t n = 0;

	if (value != NULL && value->type == REDIS_REPLY_INTEGER)
		return value->integer;
	if (v.len == 0 || v.len > 18)
		return -1;
	for (size_t i = 0; i < v.len; i++) {
		if (v.data[i] < '0' || v.data[i] > '9')
			return -1;
		n = n * 10 + (v.data[i] - '0');
	}
	return n;
}

/* --- heads --- */

static void
head_read(void *ctx, uint64_t bucket, const struct redisReply *value)
{
	struct tool_head *h = (struct tool_head *)ctx + bucket;
	size_t n = tool_count(value);

	*h = (struct tool_head){.there = n > 0};
	for (size_t i = 0; i + 1 < n; i += 2) {
		struct view name = tool_bytes(tool_element(value, i)), text = tool_bytes(tool_element(value, i + 1));
		int64_t number = tool_number(tool_element(value, i + 1));

		if (view_equal(name, VIEW("t")))
			(void)snprintf(h->tenure, sizeof(h->tenure), "%.*s", (int)text.len, text.data);
		else if (view_equal(name, VIEW("l")) && number > 0)
			h->last = (uint64_t)number;
		else if (view_equal(name, VIEW("g")) && number > 0)
			h->segment = (uint64_t)number;
		else if (view_equal(name, VIEW("c")) && number > 0)
			h->in_segment = (uint64_t)number;
		else if (name.len > 2 && memcmp(name.data, "m:", 2) == 0)
			h->members++;
	}
}

enum cs_err
tool_heads(struct tool *t, struct tool_head heads[LAYOUT_BUCKETS], char why[TOOL_WHY_TEXT])
{
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		struct layout_key key;
		struct view argv[2] = {VIEW("HGETALL"), layout_key(&t->layout, b, LAYOUT_HEAD, NULL, 0, &key)};

		tool_ask(t, b, argv, 2, FLEET_READS, head_read, heads, b);
	}
	return tool_wait(t, why);
}

/* --- logs --- */

struct log_walk {
	struct tool *tool;
	tool_event_fn *fn;
	void *ctx;
	bool more;
	unsigned first;
	struct walking {
		uint64_t *segments;
		size_t segments_n, at;
		uint64_t after;
		bool done;
	} *buckets;
};

static void
segments_read(void *ctx, uint64_t i, const struct redisReply *value)
{
	struct log_walk *w = ctx;
	struct walking *b = &w->buckets[i];
	size_t n = tool_count(value);

	if (value->type != REDIS_REPLY_ARRAY)
		tool_wrong(w->tool, w->first + (unsigned)i, "no list of the parts of its log");
	free(b->segments);
	b->segments = calloc(n + 1, sizeof(b->segments[0]));
	CHECK(b->segments != NULL);
	b->segments_n = 0;
	for (size_t k = 0; k < n; k++) {
		int64_t number = tool_number(tool_element(value, k));

		if (number <= 0)
			tool_wrong(w->tool, w->first + (unsigned)i, "a part of its log without a number");
		b->segments[b->segments_n++] = (uint64_t)number;
	}
	b->done = b->segments_n == 0;
}

static void
events_read(void *ctx, uint64_t i, const struct redisReply *value)
{
	struct log_walk *w = ctx;
	struct walking *b = &w->buckets[i];
	size_t n = tool_count(value);

	if (value->type != REDIS_REPLY_ARRAY)
		tool_wrong(w->tool, w->first + (unsigned)i, "no events where events were asked for");
	for (size_t k = 0; k < n && w->more; k++) {
		const struct redisReply *row = tool_element(value, k), *fields = tool_element(row, 1);
		struct view id = tool_bytes(tool_element(row, 0));
		struct layout_event ev;
		uint64_t seq = 0;

		for (size_t d = 0; d < id.len && id.data[d] >= '0' && id.data[d] <= '9'; d++)
			seq = seq * 10 + (uint64_t)(id.data[d] - '0');
		/* Else the walk would never end. */
		if (seq <= b->after) {
			tool_wrong(w->tool, w->first + (unsigned)i, "events that are not in their order");
			return;
		}
		w->more = w->fn(w->ctx, w->first + (unsigned)i, seq,
		    layout_get_event(tool_bytes(tool_element(fields, 1)), &ev) == CS_OK ? &ev : NULL);
		b->after = seq;
	}
	if (n < LOG_PAGE)
		b->at++;
	b->done = b->at == b->segments_n;
}

static void
page_ask(struct log_walk *w, unsigned i)
{
	struct walking *b = &w->buckets[i];
	struct layout_key key;
	char after[32], count[16];
	struct view argv[6] = {VIEW("XRANGE"), layout_log(&w->tool->layout, w->first + i, b->segments[b->at], &key),
	    [3] = VIEW("+"), VIEW("COUNT")};

	(void)snprintf(after, sizeof(after), "(%llu", (unsigned long long)b->after);
	(void)snprintf(count, sizeof(count), "%d", LOG_PAGE);
	argv[2] = view_str(after);
	argv[5] = view_str(count);
	tool_ask(w->tool, w->first + i, argv, 6, FLEET_READS, events_read, w, i);
}

enum cs_err
tool_log(struct tool *t, unsigned first, unsigned n, tool_event_fn *fn, void *ctx, char why[TOOL_WHY_TEXT])
{
	struct log_walk w = {.tool = t, .fn = fn, .ctx = ctx, .more = true, .first = first};
	bool open = true;
	enum cs_err err;

	w.buckets = calloc(n, sizeof(w.buckets[0]));
	CHECK(w.buckets != NULL && first + n <= LAYOUT_BUCKETS);
	for (unsigned i = 0; i < n; i++) {
		struct layout_key key;
		struct view argv[4] = {VIEW("ZRANGE"), layout_key(&t->layout, first + i, LAYOUT_SEGMENTS, NULL, 0, &key), VIEW("0"), VIEW("-1")};

		tool_ask(t, first + i, argv, 4, FLEET_READS, segments_read, &w, i);
	}
	err = tool_wait(t, why);
	while (err == CS_OK && open && w.more) {
		open = false;
		for (unsigned i = 0; i < n; i++) {
			if (w.buckets[i].done)
				continue;
			page_ask(&w, i);
			open = true;
		}
		err = tool_wait(t, why);
	}
	for (unsigned i = 0; i < n; i++)
		free(w.buckets[i].segments);
	free(w.buckets);
	return err;
}

/* --- keys --- */

struct key_walk {
	struct tool *tool;
	enum layout_kind kind;
	tool_key_fn *fn;
	void *ctx;
	bool more;
	char cursor[SCAN_ROUNDS_TEXT];
	struct bytes names;  /* of one page: each with its length */
	char (*tenures)[FLEET_TENURE_TEXT]; /* of each bucket when the walk began */
};

/* prefix{tag}kind rest */
static void
key_give(struct key_walk *w, struct view name)
{
	size_t prefix = strlen(w->tool->layout.prefix);
	const char *close;
	unsigned bucket;

	if (name.len < prefix + 4 || memcmp(name.data, w->tool->layout.prefix, prefix) != 0 || name.data[prefix] != '{')
		return;
	close = memchr(name.data, '}', name.len);
	if (close == NULL || close + 1 == name.data + name.len || close[1] != (char)w->kind)
		return;
	bucket = slots_of_key(name) / SLOTS_PER_BUCKET;
	w->more = w->more && w->fn(w->ctx, bucket, view_of(close + 2, name.len - (size_t)(close + 2 - name.data)));
}

static void
keys_read(void *ctx, uint64_t bucket, const struct redisReply *value)
{
	struct key_walk *w = ctx;
	struct view next = tool_bytes(tool_element(value, 0));
	const struct redisReply *names = tool_element(value, 1);

	/* What is no page must not look like the last one; nor may the same page come for ever. */
	if (next.len == 0 || next.len >= sizeof(w->cursor) || names == NULL || names->type != REDIS_REPLY_ARRAY ||
	    (strcmp(w->cursor, "0") != 0 && view_equal(next, view_str(w->cursor)))) {
		tool_wrong(w->tool, (unsigned)bucket, "no list of keys where one was asked for");
		return;
	}
	(void)snprintf(w->cursor, sizeof(w->cursor), "%.*s", (int)next.len, next.data);
	for (size_t i = 0; i < tool_count(names); i++)
		buf_put_lv(&w->names.buf, tool_bytes(tool_element(names, i)));
	if (w->names.buf.full)
		tool_wrong(w->tool, (unsigned)bucket, "more keys at once than anybody asked for");
}

/* Once nothing is open any more, so that who takes them may ask and wait. */
static void
keys_give(struct key_walk *w)
{
	struct cursor c = cursor_over(w->names.buf.data, w->names.buf.len);

	while (w->more && cursor_left(&c) > 0)
		key_give(w, cursor_lv(&c, NAMES_MAX));
	w->names.buf.len = 0;
}

/* A cursor is its server's alone, and keys that went to one that was walked through already would be missed. */
static enum cs_err
still_owns(const struct key_walk *w, unsigned bucket, char why[TOOL_WHY_TEXT])
{
	const char *now = fleet_tenure(w->tool->fleet, bucket);

	if (now != NULL && strcmp(now, w->tenures[bucket]) == 0)
		return CS_OK;
	(void)snprintf(why, TOOL_WHY_TEXT, "bucket %u went to another server, or its server was started anew, while keys were listed", bucket);
	return CS_ERR_UNAVAILABLE;
}

static enum cs_err
keys_of_owner(struct key_walk *w, unsigned bucket, char why[TOOL_WHY_TEXT])
{
	char match[LAYOUT_PREFIX_MAX + 16], count[16];
	enum cs_err err;

	(void)snprintf(match, sizeof(match), "%s{*}%c*", w->tool->layout.prefix, (int)w->kind);
	(void)snprintf(count, sizeof(count), "%d", SCAN_PAGE);
	(void)snprintf(w->cursor, sizeof(w->cursor), "0");
	do {
		struct view argv[6] = {VIEW("SCAN"), view_str(w->cursor), VIEW("MATCH"), view_str(match), VIEW("COUNT"), view_str(count)};

		tool_ask(w->tool, bucket, argv, 6, FLEET_READS, keys_read, w, bucket);
		err = tool_wait(w->tool, why);
		if (err == CS_OK)
			err = still_owns(w, bucket, why);
		if (err == CS_OK)
			keys_give(w);
	} while (err == CS_OK && w->more && strcmp(w->cursor, "0") != 0);
	return err;
}

/* Whose each bucket is now, to be held to until the end. */
static enum cs_err
owners_note(struct key_walk *w, char why[TOOL_WHY_TEXT])
{
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		const char *tenure = fleet_tenure(w->tool->fleet, b);

		if (tenure == NULL) {
			(void)snprintf(why, TOOL_WHY_TEXT, "bucket %u has no owner at the moment", b);
			return CS_ERR_UNAVAILABLE;
		}
		(void)snprintf(w->tenures[b], sizeof(w->tenures[b]), "%s", tenure);
	}
	return CS_OK;
}

enum cs_err
tool_keys(struct tool *t, enum layout_kind kind, tool_key_fn *fn, void *ctx, char why[TOOL_WHY_TEXT])
{
	struct key_walk w = {.tool = t, .kind = kind, .fn = fn, .ctx = ctx, .more = true};
	enum cs_err err;

	w.tenures = calloc(LAYOUT_BUCKETS, sizeof(w.tenures[0]));
	CHECK(w.tenures != NULL);
	bytes_init(&w.names, NAMES_MAX);
	err = owners_note(&w, why);
	for (unsigned b = 0; err == CS_OK && w.more && b < LAYOUT_BUCKETS; b++) {
		bool known = false;

		for (unsigned k = 0; k < b && !known; k++)
			known = strcmp(w.tenures[k], w.tenures[b]) == 0;
		if (!known)
			err = keys_of_owner(&w, b, why);
	}
	for (unsigned b = 0; err == CS_OK && w.more && b < LAYOUT_BUCKETS; b++)
		err = still_owns(&w, b, why);
	bytes_clear(&w.names);
	free(w.tenures);
	return err;
}

/* --- meta --- */

struct view
tool_meta_key(const struct tool *t, struct layout_key *to)
{
	int n = snprintf(to->text, sizeof(to->text), "%s{%s}meta", t->layout.prefix, slots_tag(0));

	CHECK(n > 0 && (size_t)n < sizeof(to->text));
	to->len = (size_t)n;
	return view_of(to->text, to->len);
}

static void
meta_read(void *ctx, uint64_t tag, const struct redisReply *value)
{
	struct view v = tool_bytes(value);

	(void)tag;
	(void)snprintf(ctx, TOOL_META_TEXT, "%.*s", (int)v.len, v.len == 0 ? "" : v.data);
}

enum cs_err
tool_meta(struct tool *t, const char *field, char to[TOOL_META_TEXT], char why[TOOL_WHY_TEXT])
{
	struct layout_key key;
	struct view argv[3] = {VIEW("HGET"), tool_meta_key(t, &key), view_str(field)};

	tool_ask(t, 0, argv, 3, FLEET_READS, meta_read, to, 0);
	return tool_wait(t, why);
}
