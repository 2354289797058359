/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store migrate --from redis --to FILE. The logs of all buckets are merged and played into a new SQLite store, event by event,
 * beside the brokers; when all of them have stopped, the rest, link keys and old payments; then both sides are compared, and
 * only then the file gets its name. Events get numbers of their own, without gaps, so places in the log that the broker's
 * own record keeps are translated, by an event of their own. How far it is, the new file itself says.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/ctl/print.h"
#include "broker/ctl/store_export_tables.h"
#include "broker/engine/engine.h"
#include "broker/engine/record_state.h"
#include "broker/store/redis/merge.h"
#include "broker/store/sqlite.h"

enum {
	TURN_EVENTS = 512,       /* one sync for so many */
	IDLE_US = 2000,
	QUIET_LOOKS = 3,         /* one after the other that find no broker's sign of life */
	FOLLOW_MIN = 1000,       /* events; with fewer behind it is told that all brokers may stop */
	BEATS_MAX = 4 << 20,     /* each of 64 brokers lists the others */
	CACHE_BYTES = 64 << 20,
};

/* The state of a shared store that was moved into a file. */
static const char moved[] = "moved";

struct position {
	uint64_t service, was, is;
};

struct export {
	struct moving m;
	char *work;              /* the file until it is whole */
	int64_t lease_ms;
	struct store *store;
	uint64_t position;       /* in Redis: all up to here was merged */
	uint64_t skip;           /* events that an earlier run has taken */
	uint64_t merged;         /* events that came by since this run began */
	unsigned in_turn;
	struct bytes hot, cold;
	uint64_t revision;
	enum cs_err err;
	struct bytes beats, beats_before;
	unsigned quiet;
	struct position positions[RECORD_RECEIVERS_MAX];
	size_t positions_n;
};

static int
fail(struct export *x, enum cs_err err)
{
	bar_clear(&x->m.bar);
	if (err == CS_ERR_UNAVAILABLE || err == CS_ERR_UNKNOWN)
		return ctl_fail(x->m.ctl, CTL_UNREACHABLE, "%s. Nothing is lost: say the same command again, and it goes on from here", x->m.why);
	return ctl_fail(x->m.ctl, CTL_FAILED, "%s", x->m.why);
}

/* --- events into the file --- */

static void
loaded(void *ctx, enum cs_err err, const struct store_record *record)
{
	struct export *x = ctx;

	x->hot.buf.len = x->cold.buf.len = 0;
	x->revision = 0;
	x->err = err == CS_ERR_NOT_FOUND ? CS_OK : err;
	if (err != CS_OK)
		return;
	x->revision = record->revision;
	buf_put_view(&x->hot.buf, record->hot);
	buf_put_view(&x->cold.buf, record->cold);
}

static void
committed(void *ctx, enum cs_err err)
{
	struct export *x = ctx;

	if (err != CS_OK && x->err == CS_OK) {
		x->err = err == CS_ERR_FULL ? CS_ERR_FULL : CS_ERR_CORRUPT;
		(void)snprintf(x->m.why, sizeof(x->m.why), err == CS_ERR_FULL ? "the disk of %.200s is nearly full: make room, and say the same "
		    "command again" : "%.200s does not take an event: delete it, and migrate again", x->work);
	}
}

static void
turn_end(struct export *x)
{
	store_flush(x->store);
	(void)store_idle(x->store, IDLE_US);
	x->in_turn = 0;
}

static bool
take(void *ctx, unsigned bucket, uint64_t seq, const struct layout_event *ev)
{
	struct export *x = ctx;
	struct store_event event;
	struct store_commit c = {.events = &event, .events_n = 1};

	if (ev == NULL) {
		(void)snprintf(x->m.why, sizeof(x->m.why), "event %llu of bucket %u fails its checksum: see `countersignctl store check`",
		    (unsigned long long)seq, bucket);
		x->err = CS_ERR_CORRUPT;
		return false;
	}
	if (++x->merged <= x->skip)
		return true;
	store_load(x->store, &ev->key, loaded, x);
	if (x->err == CS_OK && (ev->revision != x->revision + 1 ||
	    engine_replay(NULL, &ev->key, ev->revision, &x->hot.buf, &x->cold.buf, ev->event, ev->extra) != CS_OK)) {
		(void)snprintf(x->m.why, sizeof(x->m.why), "event %llu of bucket %u does not follow the one before it of its account: see "
		    "`countersignctl store check`", (unsigned long long)seq, bucket);
		x->err = CS_ERR_CORRUPT;
	}
	if (x->err != CS_OK)
		return false;
	event = (struct store_event){ev->event, ev->extra};
	c.key = ev->key;
	c.expected = x->revision;
	c.hot = buf_view(&x->hot.buf);
	c.cold = x->cold.buf.len == 0 ? view_of("", 0) : buf_view(&x->cold.buf);
	store_commit(x->store, &c, committed, x);
	if (++x->in_turn == TURN_EVENTS)
		turn_end(x);
	x->m.events++;
	bar_at(&x->m.bar, x->m.events);
	return x->err == CS_OK;
}

static enum cs_err
merge(struct export *x, uint64_t upto)
{
	enum cs_err err = merge_log(x->m.tool, x->position, upto, take, x, x->m.why);

	turn_end(x);
	/* What came by is in the file, whether the rest of the pass was read or not; the next one begins where this one ended. */
	if (x->err != CS_OK)
		return x->err;
	if (err == CS_OK)
		x->position = upto;
	return err;
}

/* --- are the brokers still alive --- */

static void
beats_read(void *ctx, uint64_t tag, const struct redisReply *value)
{
	struct bytes *to = ctx;

	(void)tag;
	for (size_t i = 0; i < tool_count(value); i++)
		buf_put_lv(&to->buf, tool_bytes(tool_element(value, i)));
	CHECK(!to->buf.full); /* a reply has bounds */
}

/* Between two looks more than a lease went by: whoever is alive has given a sign. */
static enum cs_err
look_for_life(struct export *x)
{
	struct timespec pause = {x->lease_ms * 5 / 4 / 1000, x->lease_ms * 5 / 4 % 1000 * 1000000};
	struct layout_key key;
	struct view argv[2] = {VIEW("HGETALL"), layout_key(tool_layout(x->m.tool), 0, LAYOUT_BEATS, NULL, 0, &key)};
	enum cs_err err;

	(void)nanosleep(&pause, NULL);
	x->beats.buf.len = 0;
	tool_ask(x->m.tool, 0, argv, 2, FLEET_READS, beats_read, &x->beats, 0);
	err = tool_wait(x->m.tool, x->m.why);
	if (err != CS_OK)
		return err;
	if (view_equal(buf_view(&x->beats.buf), buf_view(&x->beats_before.buf)))
		x->quiet++;
	else
		x->quiet = 0;
	x->beats_before.buf.len = 0;
	buf_put_view(&x->beats_before.buf, buf_view(&x->beats.buf));
	return CS_OK;
}

static int
copy_log(struct export *x)
{
	bool told = false;
	enum cs_err err = CS_OK;

	bar_phase(&x->m.bar, "log", x->m.events, 0);
	while (err == CS_OK && x->quiet < QUIET_LOOKS) {
		uint64_t upto, before = x->m.events;

		err = merge_watermark(x->m.tool, &upto, x->m.why);
		if (err == CS_OK && upto > x->position)
			err = merge(x, upto);
		if (err != CS_OK || x->m.events - before > FOLLOW_MIN)
			continue;
		err = look_for_life(x);
		if (err == CS_OK && x->quiet == 0 && !told)
			bar_note(&x->m.bar, "caught up: now stop all brokers that share this store; until then its log is followed");
		told = told || x->quiet == 0;
	}
	if (err == CS_OK)
		err = merge(x, UINT64_MAX);
	return err == CS_OK ? CTL_OK : fail(x, err);
}

/* --- places in the log that the broker's record keeps --- */

static enum cs_err
store_start(struct export *x)
{
	struct store_sqlite_options o = {.path = x->work, .cache_bytes = CACHE_BYTES, .replay = engine_replay};
	char why[256] = "";
	enum cs_err err = store_sqlite_open(&o, &x->store, why);

	if (err != CS_OK)
		(void)snprintf(x->m.why, sizeof(x->m.why), "%s", why);
	return err;
}

static void
store_stop(struct export *x)
{
	if (x->store != NULL)
		store_close(x->store);
	x->store = NULL;
}

static struct record_state *
read_record(struct export *x)
{
	static const struct store_key zero;
	struct record_state *s = calloc(1, sizeof(*s));

	CHECK(s != NULL);
	store_load(x->store, &zero, loaded, x);
	if (x->err == CS_OK && record_state_decode(buf_view(&x->hot.buf), s) == CS_OK)
		return s;
	free(s);
	return NULL;
}

static int
read_positions(struct export *x)
{
	struct record_state *s = read_record(x);

	if (s == NULL)
		return ctl_fail(x->m.ctl, CTL_FAILED, "the broker's own record cannot be read: see `countersignctl store check`");
	for (uint16_t i = 0; i < s->receivers_n; i++)
		x->positions[x->positions_n++] = (struct position){s->receivers[i].service, s->receivers[i].position, 0};
	free(s);
	return CTL_OK;
}

/* What was delivered is all before its number: as many as that have a number up to it. */
static void
count_positions(void *ctx, uint64_t seq)
{
	struct export *x = ctx;

	for (size_t i = 0; i < x->positions_n; i++)
		x->positions[i].is += seq <= x->positions[i].was;
}

static enum cs_err
write_position(struct export *x, const struct position *p)
{
	static const struct store_key zero;
	struct record_state *s = read_record(x);
	struct event ev = {.type = EVENT_RECEIVER_SENT, .reason = REASON_ASKED, .author = AUTHOR_ADMIN, .service = p->service,
	    .count = (int64_t)p->is};
	struct bytes bytes;
	struct clock_now now;
	struct store_event event;
	struct store_commit c = {.key = zero, .expected = x->revision, .events = &event, .events_n = 1};

	if (s == NULL) {
		(void)snprintf(x->m.why, sizeof(x->m.why), "the broker's own record cannot be read in %.200s: remove it, and migrate again", x->work);
		return CS_ERR_CORRUPT;
	}
	bytes_init(&bytes, STORE_EVENT_MAX);
	clock_read(&now);
	ev.time_ms = now.wall_ms > s->time_ms ? now.wall_ms : s->time_ms;
	ev.prev = s->chain;
	event_encode(&ev, &bytes.buf);
	CHECK(record_state_apply(s, &ev));
	sha256(buf_view(&bytes.buf), &s->chain);
	x->hot.buf.len = 0;
	record_state_encode(s, &x->hot.buf);
	event = (struct store_event){buf_view(&bytes.buf), view_of(NULL, 0)};
	c.hot = buf_view(&x->hot.buf);
	store_commit(x->store, &c, committed, x);
	turn_end(x);
	bytes_clear(&bytes);
	free(s);
	return x->err;
}

static int
write_positions(struct export *x)
{
	enum cs_err err = store_start(x);

	for (size_t i = 0; err == CS_OK && i < x->positions_n; i++) {
		if (x->positions[i].is != x->positions[i].was)
			err = write_position(x, &x->positions[i]);
	}
	store_stop(x);
	return err == CS_OK ? CTL_OK : fail(x, err);
}

/* --- all of it --- */

/* Every bucket stands as brokers left it: nothing is suspect, nothing is held. */
static int
look_at_heads(struct export *x, uint64_t *sum)
{
	struct tool_head *heads = calloc(LAYOUT_BUCKETS, sizeof(heads[0]));
	enum cs_err err;
	int rc = CTL_OK;

	CHECK(heads != NULL);
	err = tool_heads(x->m.tool, heads, x->m.why);
	*sum = 0;
	for (unsigned b = 0; err == CS_OK && rc == CTL_OK && b < LAYOUT_BUCKETS; b++) {
		const char *tenure = fleet_tenure(tool_fleet(x->m.tool), b);

		*sum += heads[b].last;
		if (heads[b].tenure[0] != '\0' && (tenure == NULL || strcmp(tenure, heads[b].tenure) != 0))
			rc = ctl_fail(x->m.ctl, CTL_REFUSED, "bucket %u was not looked at by every broker since its server started or a failover: start the "
			    "brokers until `countersignctl store status` shows all buckets open, and then migrate", b);
	}
	free(heads);
	return err == CS_OK ? rc : fail(x, err);
}

static bool
held_name(void *ctx, unsigned bucket, struct view rest)
{
	(void)bucket, (void)rest;
	*(bool *)ctx = true;
	return false;
}

/*
 * No broker starts on Redis any more, or they may again. Whoever runs at this moment is found afterwards, by what it writes and
 * by its signs of life.
 */
static enum cs_err
set_state(struct export *x, const char *state)
{
	struct layout_key key;
	struct view argv[4] = {VIEW("HSET"), tool_meta_key(x->m.tool, &key), VIEW("state"), view_str(state)};

	tool_ask(x->m.tool, 0, argv, 4, FLEET_AGAIN, NULL, NULL, 0);
	return tool_wait(x->m.tool, x->m.why);
}

static int
look_at_source(struct export *x, const struct keyring *keys, const struct config *config)
{
	char realm[STORE_REALM_TEXT], text[TOOL_META_TEXT];
	uint64_t sum;
	bool held = false;
	enum cs_err err = tool_meta(x->m.tool, "state", text, x->m.why);

	if (err != CS_OK)
		return fail(x, err);
	if (strcmp(text, "ready") != 0 && strcmp(text, moved) != 0)
		return ctl_fail(x->m.ctl, CTL_REFUSED, text[0] == '\0' ? "there is no store under the prefix \"%s\"" :
		    "under the prefix \"%s\" is a store that is not whole: a migration into it was not finished", tool_layout(x->m.tool)->prefix);
	store_realm(keys, config, realm);
	err = tool_meta(x->m.tool, "realm", text, x->m.why);
	if (err == CS_OK && strcmp(text, realm) != 0)
		return ctl_fail(x->m.ctl, CTL_REFUSED, "the store on Redis is of another key file than %s, or of another realm", config->key_file);
	if (err == CS_OK)
		err = tool_keys(x->m.tool, LAYOUT_HELD_MARK, held_name, &held, x->m.why);
	if (err != CS_OK)
		return fail(x, err);
	if (held)
		return ctl_fail(x->m.ctl, CTL_REFUSED, "accounts are held in this store: `countersignctl store check` lists them, `countersignctl store "
		    "release` lets them go on as they stand");
	return look_at_heads(x, &sum);
}

static void
tell_end(struct export *x, const char *head)
{
	char records[32], claims[32], payments[32], events[32];

	bar_clear(&x->m.bar);
	if (x->m.ctl->json)
		(void)printf("{\"complete\": true, \"records\": %llu, \"claims\": %llu, \"payments\": %llu, \"events\": %llu, \"digest\": \"%s\"}\n",
		    (unsigned long long)x->m.records, (unsigned long long)x->m.claims, (unsigned long long)x->m.payments,
		    (unsigned long long)x->m.events, head);
	else
		(void)printf("complete and the same on both sides: %s records, %s link keys, %s old payments, %s events\n"
		    "digest of the log: %s\n"
		    "Now start the broker with `store sqlite` on %s. No broker starts on the old store any more.\n",
		    bar_number(x->m.records, records), bar_number(x->m.claims, claims), bar_number(x->m.payments, payments),
		    bar_number(x->m.events, events), head, x->m.path);
}

static int
verify(struct export *x, char head[65])
{
	enum cs_err err = store_pages_open(x->work, true, &x->m.pages, x->m.why);
	int rc;

	if (err != CS_OK)
		return fail(x, err);
	x->m.renumbered = true;
	x->m.seen = count_positions;
	x->m.seen_ctx = x;
	rc = store_import_verify(&x->m, head);
	store_pages_close(x->m.pages);
	x->m.pages = NULL;
	return rc;
}

/* All of it is in the file, and nothing beside it: SQLite leaves its WAL there where it could not bring it in. */
static int
finish(struct export *x, const char *path)
{
	struct stat st;
	char *wal = NULL, *name = NULL;
	int rc = CTL_OK;

	CHECK(asprintf(&wal, "%s-wal", x->work) > 0);
	if (access(path, F_OK) == 0)
		rc = ctl_fail(x->m.ctl, CTL_REFUSED, "%s is there now: it was not when this began; move it away", path);
	else if (stat(wal, &st) == 0 && st.st_size > 0)
		rc = ctl_fail(x->m.ctl, CTL_FAILED, "%s could not be brought into %s: is the disk full? Make room, remove both, and say the same "
		    "command again", wal, x->work);
	else if (rename(x->work, path) != 0 || store_sync_directory(path) != CS_OK)
		rc = ctl_fail(x->m.ctl, CTL_FAILED, "cannot rename %s to %s: %s", x->work, path, strerror(errno));
	free(wal);
	if (rc != CTL_OK)
		return rc;
	CHECK(asprintf(&name, "%s.lock", x->work) > 0);
	(void)unlink(name);
	free(name);
	/* Of a file of this name that was moved to Redis once. */
	CHECK(asprintf(&name, "%s" STORE_MOVED_SUFFIX, path) > 0);
	(void)unlink(name);
	free(name);
	return CTL_OK;
}

/* Until here brokers may have been started again: then what they did is not in the file. */
static int
close_source(struct export *x, uint64_t before)
{
	uint64_t after = 0;
	enum cs_err err = set_state(x, moved);
	int rc = err == CS_OK ? look_at_heads(x, &after) : fail(x, err);

	if (rc == CTL_OK && (err = look_for_life(x)) != CS_OK)
		rc = fail(x, err);
	if (rc == CTL_OK && (before != after || x->quiet == 0))
		rc = ctl_fail(x->m.ctl, CTL_REFUSED, "a broker was started on the store while it was copied: stop all of them, and say the same "
		    "command again");
	return rc;
}

static int
move(struct export *x, const char *path)
{
	struct store_status status = {.log_last = 0};
	uint64_t before = 0;
	char head[65];
	enum cs_err err = store_start(x);
	int rc;

	if (err != CS_OK)
		return fail(x, err);
	store_status(x->store, &status);
	x->skip = x->m.events = status.log_last;
	if (x->skip > 0)
		bar_note(&x->m.bar, "going on with the migration that was begun");
	rc = copy_log(x);
	if (rc == CTL_OK)
		rc = look_at_heads(x, &before);
	if (rc == CTL_OK)
		rc = read_positions(x);
	store_stop(x);
	if (rc == CTL_OK && (err = store_export_tables(&x->m, x->work)) != CS_OK)
		rc = fail(x, err);
	if (rc == CTL_OK)
		rc = verify(x, head);
	if (rc != CTL_OK)
		return rc;
	rc = close_source(x, before);
	if (rc == CTL_OK)
		rc = write_positions(x);
	bar_phase(&x->m.bar, NULL, 0, 0);
	if (rc == CTL_OK)
		rc = finish(x, path);
	if (rc != CTL_OK && access(path, F_OK) != 0)
		(void)set_state(x, "ready"); /* there is no other store than that one */
	if (rc == CTL_OK)
		tell_end(x, head);
	return rc;
}

int
store_export(struct ctl *ctl, const struct config *config, const char *path)
{
	struct export *x = calloc(1, sizeof(*x));
	struct keyring *keys = NULL;
	int rc;

	CHECK(x != NULL && asprintf(&x->work, "%s.migrating", path) > 0);
	x->m = (struct moving){.ctl = ctl, .path = path, .lock = -1};
	x->lease_ms = config->store.redis.lease_ms;
	bar_init(&x->m.bar, ctl);
	bytes_init(&x->hot, STORE_HOT_MAX);
	bytes_init(&x->cold, STORE_COLD_MAX);
	bytes_init(&x->beats, BEATS_MAX);
	bytes_init(&x->beats_before, BEATS_MAX);
	rc = access(path, F_OK) == 0 ? ctl_fail(ctl, CTL_REFUSED, "%s is there already: give a path where nothing is", path) :
	    store_become_owner(ctl, config->key_file);
	if (rc == CTL_OK)
		rc = store_keys(ctl, config, &keys);
	if (rc == CTL_OK)
		rc = store_tool(ctl, config, &x->m.tool);
	if (rc == CTL_OK)
		rc = look_at_source(x, keys, config);
	if (rc == CTL_OK)
		rc = move(x, path);
	tool_close(x->m.tool);
	keyring_free(keys);
	bytes_clear(&x->hot);
	bytes_clear(&x->cold);
	bytes_clear(&x->beats);
	bytes_clear(&x->beats_before);
	free(x->work);
	free(x);
	return rc;
}
