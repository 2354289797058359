/* SPDX-License-Identifier: Apache-2.0 */
/* Who is waited for, and an admin's word, where no broker answers. */
#include "broker/store/redis/offline.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/store/redis/scripts.h"

/* What putout.lua and release.lua answer. */
enum { DONE = 1, NOTHING = 2 };

/* --- looking --- */

/* 16 hex digits. They come from Redis, and an admin reads them. */
static bool
is_id(struct view id)
{
	for (size_t i = 0; i < id.len; i++)
		if (memchr("0123456789abcdef", id.data[i], 16) == NULL)
			return false;
	return id.len == JOURNAL_MEMBER_TEXT - 1;
}

static struct offline_member *
member_of(struct offline_view *v, struct view id)
{
	struct offline_member *m;

	if (!is_id(id))
		return NULL;
	for (size_t i = 0; i < v->members_n; i++)
		if (memcmp(v->members[i].id, id.data, id.len) == 0)
			return &v->members[i];
	if (v->members_n == OFFLINE_MEMBERS_MAX)
		return NULL;
	m = &v->members[v->members_n++];
	*m = (struct offline_member){.beats = -1};
	memcpy(m->id, id.data, id.len);
	return m;
}

static void
name_take(struct offline_member *m, struct view name)
{
	if (m->name[0] == '\0' && memchr(name.data == NULL ? "" : name.data, '\0', name.len) == NULL)
		(void)snprintf(m->name, sizeof(m->name), "%.*s", (int)(name.len < sizeof(m->name) ? name.len : sizeof(m->name) - 1),
		    name.data == NULL ? "" : name.data);
}

/* A field of that kind and member in a head. */
static const struct redisReply *
field_of(const struct redisReply *head, char kind, struct view id)
{
	for (size_t i = 0; i + 1 < tool_count(head); i += 2) {
		struct view name = tool_bytes(tool_element(head, i));

		if (name.len == id.len + 2 && name.data[0] == kind && memcmp(name.data + 2, id.data, id.len) == 0)
			return tool_element(head, i + 1);
	}
	return NULL;
}

struct looking {
	struct offline_view *view;
	struct tool *tool;
};

/* As prove.lua sees it, but for who seems to be alive. */
static void
head_read(void *ctx, uint64_t bucket, const struct redisReply *head)
{
	struct looking *l = ctx;
	struct offline_view *v = l->view;
	const char *owner = fleet_tenure(tool_fleet(l->tool), (unsigned)bucket);
	struct view tenure = view_of(NULL, 0), real = view_str(owner == NULL ? "" : owner);
	bool open, held = false;

	for (size_t i = 0; i + 1 < tool_count(head); i += 2)
		if (view_equal(tool_bytes(tool_element(head, i)), VIEW("t")))
			tenure = tool_bytes(tool_element(head, i + 1));
	open = tenure.len > 0 && view_equal(tenure, real);
	for (size_t i = 0; i + 1 < tool_count(head); i += 2) {
		struct view name = tool_bytes(tool_element(head, i)), id;
		struct offline_member *m;
		bool proved;

		held = held || (name.len > 2 && memcmp(name.data, "b:", 2) == 0);
		if (view_equal(name, VIEW("y")) && tool_number(tool_element(head, i + 1)) > 0)
			v->records_held += (unsigned)tool_number(tool_element(head, i + 1));
		if (name.len <= 2 || memcmp(name.data, "m:", 2) != 0)
			continue;
		id = view_of(name.data + 2, name.len - 2);
		m = member_of(v, id);
		if (m == NULL)
			continue;
		name_take(m, tool_bytes(tool_element(head, i + 1)));
		proved = real.len > 0 && view_equal(tool_bytes(field_of(head, 'v', id)), real);
		m->proved += !open && proved;
		m->waited += !open && !proved && (field_of(head, 'w', id) != NULL || field_of(head, 'x', id) == NULL);
	}
	v->open += open;
	v->fresh += tenure.len == 0;
	v->shut += !open && tenure.len > 0;
	if (held && v->held++ == 0)
		v->first_held = (unsigned)bucket;
}

static void
beats_read(void *ctx, uint64_t again, const struct redisReply *beats)
{
	struct offline_view *v = ctx;

	for (size_t i = 0; i + 1 < tool_count(beats); i += 2) {
		struct view name = tool_bytes(tool_element(beats, i));
		struct offline_member *m;
		int64_t count;

		if (name.len <= 2 || memchr("cnf", name.data[0], 3) == NULL || (m = member_of(v, view_of(name.data + 2, name.len - 2))) == NULL)
			continue;
		if (name.data[0] == 'n')
			name_take(m, tool_bytes(tool_element(beats, i + 1)));
		m->forgotten = m->forgotten || name.data[0] == 'f';
		if (name.data[0] != 'c')
			continue;
		count = tool_number(tool_element(beats, i + 1));
		m->moves = m->moves || (again != 0 && count != m->beats);
		m->beats = count;
	}
}

/* As an admin reads it; what this version cannot read, as it stands. */
static void
word_text(char to[OFFLINE_WORD_TEXT], struct view name, struct view value)
{
	struct store_word w;

	if (word_decode(name, value, &w) != CS_OK)
		(void)snprintf(to, OFFLINE_WORD_TEXT, "%.*s", (int)(value.len < OFFLINE_WORD_TEXT ? value.len : OFFLINE_WORD_TEXT - 1),
		    value.data == NULL ? "" : value.data);
	else if (w.bucket >= 0)
		(void)snprintf(to, OFFLINE_WORD_TEXT, "release bucket %d, by %.*s: %.*s", w.bucket, (int)w.by.len, w.by.data, (int)w.reason.len,
		    w.reason.data);
	else
		(void)snprintf(to, OFFLINE_WORD_TEXT, "forget %.*s (%.*s), by %.*s: %.*s", (int)w.member.len, w.member.data, (int)w.member_id.len,
		    w.member_id.data, (int)w.by.len, w.by.data, (int)w.reason.len, w.reason.data);
}

static bool
word_told(const struct redisReply *meta, struct view name)
{
	char text[WORD_NAME_TEXT];

	word_told_name(text, name);
	for (size_t i = 0; i + 1 < tool_count(meta); i += 2)
		if (view_equal(tool_bytes(tool_element(meta, i)), view_str(text)))
			return true;
	return false;
}

/* At its place by time; the oldest one gives way. */
static void
word_add(struct offline_view *v, const struct offline_word *w)
{
	size_t at = 0;

	while (at < v->words_n && v->words[at].time_ms <= w->time_ms)
		at++;
	if (v->words_n == OFFLINE_WORDS_SHOWN) {
		if (at == 0)
			return;
		memmove(&v->words[0], &v->words[1], (at - 1) * sizeof(v->words[0]));
		at--;
	} else {
		memmove(&v->words[at + 1], &v->words[at], (v->words_n - at) * sizeof(v->words[0]));
		v->words_n++;
	}
	v->words[at] = *w;
}

static void
words_read(void *ctx, uint64_t tag, const struct redisReply *meta)
{
	(void)tag;
	for (size_t i = 0; i + 1 < tool_count(meta); i += 2) {
		struct view name = tool_bytes(tool_element(meta, i));
		struct offline_word w;

		if (!word_named(name))
			continue;
		w = (struct offline_word){.time_ms = word_said_ms(name), .told = word_told(meta, name)};
		word_text(w.text, name, tool_bytes(tool_element(meta, i + 1)));
		word_add(ctx, &w);
	}
}

static void
beats_ask(struct tool *t, struct offline_view *v, uint64_t again)
{
	struct layout_key key;
	struct view argv[2] = {VIEW("HGETALL"), layout_key(tool_layout(t), 0, LAYOUT_BEATS, NULL, 0, &key)};

	tool_ask(t, 0, argv, 2, FLEET_READS, beats_read, v, again);
}

enum cs_err
offline_look(struct tool *t, struct offline_view *out, char why[TOOL_WHY_TEXT])
{
	struct looking l = {out, t};
	struct layout_key key;
	struct view meta[2] = {VIEW("HGETALL"), tool_meta_key(t, &key)};

	memset(out, 0, sizeof(*out));
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		struct layout_key head;
		struct view argv[2] = {VIEW("HGETALL"), layout_key(tool_layout(t), b, LAYOUT_HEAD, NULL, 0, &head)};

		tool_ask(t, b, argv, 2, FLEET_READS, head_read, &l, b);
	}
	beats_ask(t, out, 0);
	tool_ask(t, 0, meta, 2, FLEET_READS, words_read, out, 0);
	return tool_wait(t, why);
}

enum cs_err
offline_watch(struct tool *t, struct offline_view *view, int64_t for_ms, char why[TOOL_WHY_TEXT])
{
	struct timespec pause = {for_ms / 1000, for_ms % 1000 * 1000000};

	while (nanosleep(&pause, &pause) != 0)
		;
	beats_ask(t, view, 1);
	return tool_wait(t, why);
}

const struct offline_member *
offline_find(const struct offline_view *view, const char *name, bool *several)
{
	const struct offline_member *found = NULL;

	*several = false;
	for (size_t i = 0; i < view->members_n; i++) {
		const struct offline_member *m = &view->members[i];

		if (strcmp(m->id, name) == 0) {
			*several = false;
			return m;
		}
		if (strcmp(m->name, name) != 0)
			continue;
		*several = *several || found != NULL;
		found = m;
	}
	return *several ? NULL : found;
}

/* --- words --- */

struct word {
	unsigned left;   /* buckets where it is not done */
	bool nothing;    /* release: there was nothing to do */
};

static void
word_read(void *ctx, uint64_t tag, const struct redisReply *value)
{
	struct word *w = ctx;
	int64_t code = tool_number(tool_element(value, 0));

	(void)tag;
	if (code == DONE || code == NOTHING)
		w->left--;
	if (code == DONE)
		w->nothing = false;
}

/* Stands there before anything happens by it, for a broker to make an event of it: there is no engine here. */
static enum cs_err
word_keep(struct tool *t, const struct store_word *word, char field[WORD_NAME_TEXT], char why[TOOL_WHY_TEXT])
{
	struct layout_key key;
	struct clock_now now;
	struct bytes value;
	struct view argv[4] = {VIEW("HSET"), tool_meta_key(t, &key)};
	enum cs_err err;

	clock_read(&now);
	word_name(field, now.wall_ms);
	bytes_init(&value, 2 * WORD_BYTES_MAX);
	err = word_encode(&value.buf, word);
	if (err == CS_OK) {
		argv[2] = view_str(field);
		argv[3] = buf_view(&value.buf);
		tool_ask(t, 0, argv, 4, FLEET_AGAIN, NULL, NULL, 0);
		err = tool_wait(t, why);
	} else {
		(void)snprintf(why, TOOL_WHY_TEXT, "the reason is too long, or has characters that cannot be printed");
	}
	bytes_clear(&value);
	return err;
}

/* There was nothing to do by it. */
static void
word_drop(struct tool *t, const char *field)
{
	char why[TOOL_WHY_TEXT];
	struct layout_key key;
	struct view argv[3] = {VIEW("HDEL"), tool_meta_key(t, &key), view_str(field)};

	tool_ask(t, 0, argv, 3, FLEET_AGAIN, NULL, NULL, 0);
	(void)tool_wait(t, why);
}

static enum cs_err
word_done(struct tool *t, const struct word *w, char why[TOOL_WHY_TEXT])
{
	enum cs_err err = tool_wait(t, why);

	if (err != CS_OK || w->left == 0)
		return err;
	(void)snprintf(why, TOOL_WHY_TEXT, "a server was restarted or replaced meanwhile, %u buckets did not hear it: say it again", w->left);
	return CS_ERR_UNAVAILABLE;
}

static void
forget_beats(struct tool *t, const char *id)
{
	static const char kinds[5] = {'c', 'n', 'k', 'b', 'f'};
	char fields[5][JOURNAL_MEMBER_TEXT + 2];
	struct layout_key key;
	struct view beats = layout_key(tool_layout(t), 0, LAYOUT_BEATS, NULL, 0, &key);
	struct view drop[6] = {VIEW("HDEL"), beats}, mark[4] = {VIEW("HSET"), beats, {NULL, 0}, VIEW("1")};

	for (size_t i = 0; i < 5; i++)
		(void)snprintf(fields[i], sizeof(fields[i]), "%c:%s", kinds[i], id);
	for (size_t i = 0; i < 4; i++)
		drop[2 + i] = view_str(fields[i]);
	mark[2] = view_str(fields[4]);
	tool_ask(t, 0, drop, 6, FLEET_AGAIN, NULL, NULL, 0);
	tool_ask(t, 0, mark, 4, FLEET_AGAIN, NULL, NULL, 0);
}

enum cs_err
offline_forget(struct tool *t, const struct store_word *word, char why[TOOL_WHY_TEXT])
{
	struct word w = {.left = LAYOUT_BUCKETS};
	char field[WORD_NAME_TEXT], id[JOURNAL_MEMBER_TEXT];
	enum cs_err err;

	CHECK(word->bucket < 0 && word->member_id.len == sizeof(id) - 1);
	(void)snprintf(id, sizeof(id), "%.*s", (int)word->member_id.len, word->member_id.data);
	err = word_keep(t, word, field, why);
	if (err != CS_OK)
		return err;
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		const char *tenure = fleet_tenure(tool_fleet(t), b);
		struct layout_key name;
		struct view keys[1] = {layout_key(tool_layout(t), b, LAYOUT_HEAD, NULL, 0, &name)};
		struct view args[3] = {view_str(tenure == NULL ? "" : tenure), view_str(id), VIEW("1")};

		tool_script(t, b, SCRIPT_PUTOUT, keys, 1, args, 3, word_read, &w, b);
	}
	forget_beats(t, id);
	return word_done(t, &w, why);
}

/* Whether a bucket has anything that release.lua would let go. */
struct held {
	bool any;
};

static void
held_head_read(void *ctx, uint64_t tag, const struct redisReply *head)
{
	struct held *h = ctx;

	(void)tag;
	for (size_t i = 0; i + 1 < tool_count(head); i += 2) {
		struct view name = tool_bytes(tool_element(head, i));

		h->any = h->any || (name.len > 2 && memcmp(name.data, "b:", 2) == 0);
	}
}

static void
held_entries_read(void *ctx, uint64_t tag, const struct redisReply *count)
{
	(void)tag;
	((struct held *)ctx)->any |= tool_number(count) > 0;
}

static void
held_record_read(void *ctx, uint64_t tag, const struct redisReply *first)
{
	struct view byte = tool_bytes(first);

	(void)tag;
	((struct held *)ctx)->any |= byte.len == 1 && ((uint8_t)byte.data[0] & LAYOUT_HELD) != 0;
}

static enum cs_err
is_held(struct tool *t, unsigned bucket, bool *out, char why[TOOL_WHY_TEXT])
{
	static const struct store_key zero;
	struct held h = {.any = false};
	struct layout_key names[3];
	struct view head[2] = {VIEW("HGETALL"), layout_key(tool_layout(t), bucket, LAYOUT_HEAD, NULL, 0, &names[0])};
	struct view entries[2] = {VIEW("HLEN"), layout_key_of(tool_layout(t), LAYOUT_HELD_MARK, &zero, &names[1])};
	struct view record[4] = {VIEW("GETRANGE"), layout_key_of(tool_layout(t), LAYOUT_RECORD, &zero, &names[2]), VIEW("0"), VIEW("0")};
	enum cs_err err;

	tool_ask(t, bucket, head, 2, FLEET_READS, held_head_read, &h, 0);
	if (bucket == 0) {
		tool_ask(t, bucket, entries, 2, FLEET_READS, held_entries_read, &h, 0);
		tool_ask(t, bucket, record, 4, FLEET_READS, held_record_read, &h, 0);
	}
	err = tool_wait(t, why);
	if (err == CS_OK)
		*out = h.any;
	return err;
}

static enum cs_err
release_all(struct tool *t, unsigned bucket, bool *nothing, char why[TOOL_WHY_TEXT])
{
	static const struct store_key zero;
	struct word w = {.left = bucket == 0 ? 2 : 1, .nothing = true};
	const char *tenure = fleet_tenure(tool_fleet(t), bucket);
	struct layout_key names[3];
	struct view keys[3] = {layout_key(tool_layout(t), bucket, LAYOUT_HEAD, NULL, 0, &names[0]),
	    layout_key_of(tool_layout(t), LAYOUT_HELD_MARK, &zero, &names[1]), layout_key_of(tool_layout(t), LAYOUT_RECORD, &zero, &names[2])};
	struct view args[1] = {view_str(tenure == NULL ? "" : tenure)};
	enum cs_err err;

	tool_script(t, bucket, SCRIPT_RELEASE, keys, 1, args, 1, word_read, &w, bucket);
	if (bucket == 0)
		tool_script(t, bucket, SCRIPT_RELEASE, keys, 3, args, 1, word_read, &w, bucket);
	err = word_done(t, &w, why);
	*nothing = err == CS_OK && w.nothing;
	return err;
}

enum cs_err
offline_release(struct tool *t, const struct store_word *word, char why[TOOL_WHY_TEXT])
{
	unsigned bucket = (unsigned)word->bucket;
	char field[WORD_NAME_TEXT];
	bool held = false, nothing;
	enum cs_err err;

	CHECK(bucket < LAYOUT_BUCKETS);
	err = is_held(t, bucket, &held, why);
	if (err == CS_OK)
		err = held ? word_keep(t, word, field, why) : CS_ERR_NOT_FOUND;
	if (err != CS_OK)
		return err;
	err = release_all(t, bucket, &nothing, why);
	if (err != CS_OK || !nothing)
		return err;
	/* Somebody else was quicker. */
	word_drop(t, field);
	return CS_ERR_NOT_FOUND;
}
