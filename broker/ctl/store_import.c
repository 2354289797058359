/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store migrate --from FILE --to redis. The file is read beside its broker: first the snapshots, then link keys, old
 * payments, and the log, which makes newer states of the snapshots; then the log is followed until the broker stops. Then the
 * file is locked, what changed meanwhile is copied again, both sides are compared, and only then brokers may start on Redis.
 * Where each part is stands in Redis, so that it goes on after it was killed at any moment.
 */
#include "broker/ctl/store_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/ctl/print.h"
#include "broker/ctl/store_event_page.h"
#include "broker/engine/engine.h"
#include "broker/engine/texts.h"
#include "broker/store/sqlite.h"

enum {
	RETRY_MS = 200,
	PATIENCE_MS = 60 * 1000, /* without any progress; a failover takes seconds */
	FOLLOW_MS = 200,
	GONE_LOOKS = 5,          /* one after the other that find no broker */
	KEY_EVENTS_MAX = 100000, /* looked through for one that the key opens */
};

static void
sleep_ms(int64_t ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	(void)nanosleep(&t, NULL);
}

static int64_t
now_ms(void)
{
	struct clock_now now;

	clock_read(&now);
	return now.boot_ms;
}

int
moving_fail(struct moving *m, enum cs_err err)
{
	bar_clear(&m->bar);
	if (err == CS_ERR_UNAVAILABLE || err == CS_ERR_UNKNOWN)
		return ctl_fail(m->ctl, CTL_UNREACHABLE, "Redis does not answer: %s. Nothing is lost: say the same command again, and it goes on "
		    "from here", m->why);
	return ctl_fail(m->ctl, err == CS_ERR_CONFLICT ? CTL_REFUSED : CTL_FAILED, "%s", m->why);
}

bool
moving_again(enum cs_err err, int64_t *until)
{
	if (err != CS_ERR_UNAVAILABLE && err != CS_ERR_UNKNOWN)
		return false;
	if (*until == 0)
		*until = now_ms() + PATIENCE_MS;
	if (now_ms() > *until)
		return false;
	sleep_ms(RETRY_MS);
	return true;
}

/* --- is it the right source, and the right key --- */

static bool
first_event(void *ctx, uint64_t seq, const struct record_frame *frame)
{
	struct bytes b;

	(void)seq;
	bytes_init(&b, STORE_EVENT_MAX + STORE_KEY_BYTES);
	buf_put(&b.buf, frame->key.b, sizeof(frame->key.b));
	buf_put_view(&b.buf, frame->event);
	sha256(buf_view(&b.buf), ctx);
	bytes_clear(&b);
	return false;
}

/* Names the store by its first event, which tells when it was made. */
static int
source_of(struct moving *m, char to[IMPORT_SOURCE_TEXT])
{
	struct hash h = {{0}};
	uint64_t at = 0;
	enum cs_err err = store_pages_events(m->pages, &at, first_event, &h, m->why);

	if (err != CS_OK)
		return moving_fail(m, err);
	for (size_t i = 0; i < sizeof(h.b); i++)
		(void)snprintf(to + 2 * i, 3, "%02x", h.b[i]);
	return hash_equal(&h, &(struct hash){{0}}) ? ctl_fail(m->ctl, CTL_REFUSED, "%s is empty: there is nothing to move; let the broker "
	    "start on `store redis`", m->path) : CTL_OK;
}

struct key_trial {
	const struct keyring *keys;
	uint64_t looked;
	bool fits, other;
};

/* An account's first event brings its salt, and texts sealed with it. */
static bool
try_key(void *ctx, uint64_t seq, const struct record_frame *frame)
{
	static const struct store_key zero;
	static struct texts texts;
	struct key_trial *t = ctx;
	struct cursor c = cursor_over(frame->extra.data, frame->extra.len);
	struct view sealed = view_of(NULL, 0);
	struct id salt = {{0}}, account;
	struct extra_read item;

	(void)seq;
	if (memcmp(frame->key.b, zero.b, sizeof(zero.b)) == 0)
		return ++t->looked < KEY_EVENTS_MAX;
	memcpy(account.b, frame->key.b, sizeof(account.b));
	while (extra_next(&c, &item)) {
		if (item.item == EXTRA_SALT)
			salt = item.id;
		else if (item.item == EXTRA_TEXT)
			sealed = item.value;
	}
	if (sealed.data != NULL && !id_zero(&salt)) {
		t->fits = texts_open(t->keys, &account, &salt, sealed, &texts) == CS_OK;
		t->other = !t->fits;
	}
	return !t->fits && !t->other && ++t->looked < KEY_EVENTS_MAX;
}

static int
check_key(struct moving *m, const struct config *config, const struct keyring *keys)
{
	struct key_trial t = {.keys = keys};
	uint64_t at = 0, before;
	enum cs_err err;

	do {
		before = at;
		err = store_pages_events(m->pages, &at, try_key, &t, m->why);
	} while (err == CS_OK && at != before && !t.fits && !t.other && t.looked < KEY_EVENTS_MAX);
	if (err != CS_OK)
		return moving_fail(m, err);
	return t.other ? ctl_fail(m->ctl, CTL_REFUSED, "%s was written with another key than %s: give the configuration the key file of the "
	    "old broker, else no text of it could ever be read", m->path, config->key_file) : CTL_OK;
}

/* --- marks --- */

int
moving_mark(struct moving *m, const char *name, const char *text)
{
	int64_t until = 0;
	enum cs_err err;

	do {
		err = import_mark(m->import, name, text, m->why);
	} while (moving_again(err, &until));
	return err == CS_OK ? CTL_OK : moving_fail(m, err);
}

int
moving_mark_number(struct moving *m, const char *name, uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return moving_mark(m, name, text);
}

int
moving_marked_number(struct moving *m, const char *name, uint64_t *value, bool *there)
{
	char text[TOOL_META_TEXT];
	enum cs_err err = import_mark_get(m->import, name, text, m->why);

	if (err != CS_OK)
		return moving_fail(m, err);
	*there = text[0] != '\0';
	*value = *there ? strtoull(text, NULL, 10) : 0;
	return CTL_OK;
}

/* --- the log --- */

static bool
touch(void *ctx, uint64_t seq, const struct record_frame *frame)
{
	(void)seq;
	(void)key_table_put(ctx, &frame->key);
	return true;
}

/* Of what an earlier run copied: whose link keys and payments may have changed since those were read. */
static int
touch_again(struct moving *m, uint64_t upto)
{
	uint64_t at = m->since, before;
	enum cs_err err = CS_OK;

	do {
		before = at;
		if (at < upto)
			err = store_pages_events(m->pages, &at, touch, &m->touched, m->why);
	} while (err == CS_OK && at != before);
	return err == CS_OK ? CTL_OK : moving_fail(m, err);
}

/* One page; *moved: there was something. */
static int
copy_events(struct moving *m, struct store_event_page *page, uint64_t *at, bool *moved)
{
	int64_t until = 0;
	enum cs_err err = store_event_page_read(page, m->pages, at, m->why);

	*moved = page->n > 0;
	if (err != CS_OK)
		return moving_fail(m, err);
	if (page->n == 0)
		return CTL_OK;
	do {
		err = import_events(m->import, page->events, page->n, m->folded, m->why);
	} while (moving_again(err, &until));
	if (err != CS_OK)
		return moving_fail(m, err);
	for (size_t i = 0; i < page->n; i++) {
		if (page->events[i].seq > m->since)
			(void)key_table_put(&m->touched, &page->events[i].key);
	}
	m->events = *at;
	return moving_mark_number(m, "log", *at);
}

/*
 * The broker has gone: from here on none can start on the file, and what it holds is final. A broker whose engine is started
 * anew lets go for a moment, too: it has to be gone a while.
 */
static int
try_lock(struct moving *m)
{
	enum cs_err err = store_pages_lock(m->path, &m->lock, m->why);

	if (err == CS_ERR_CONFLICT)
		m->gone = 0;
	if (err == CS_ERR_CONFLICT)
		return CTL_OK;
	if (err != CS_OK)
		return moving_fail(m, err);
	if (++m->gone < GONE_LOOKS) {
		(void)close(m->lock);
		m->lock = -1;
		return CTL_OK;
	}
	store_pages_close(m->pages);
	m->pages = NULL;
	err = store_pages_open(m->path, true, &m->pages, m->why);
	return err == CS_OK ? CTL_OK : moving_fail(m, err);
}

/* Until the end of the log, and until there is nobody who could write more. */
static int
copy_log(struct moving *m)
{
	struct store_event_page page;
	uint64_t at = 0, last = 0;
	bool there, moved, told = false, locked;
	int rc = moving_marked_number(m, "log", &at, &there);

	m->events = at;
	if (rc == CTL_OK)
		rc = touch_again(m, at);
	if (rc == CTL_OK && store_pages_last(m->pages, &last, m->why) != CS_OK)
		rc = moving_fail(m, CS_ERR_CORRUPT);
	bar_phase(&m->bar, "log", at, last);
	store_event_page_init(&page);
	while (rc == CTL_OK) {
		locked = m->lock >= 0;
		rc = copy_events(m, &page, &at, &moved);
		if (at > last)
			bar_total(&m->bar, last = at);
		bar_at(&m->bar, at);
		if (rc != CTL_OK || moved)
			continue;
		if (locked)
			break;
		rc = try_lock(m);
		if (rc != CTL_OK || m->lock >= 0)
			continue;
		if (!told)
			bar_note(&m->bar, "caught up: now stop the broker (systemctl stop countersignd); until then its log is followed");
		told = true;
		sleep_ms(FOLLOW_MS);
	}
	store_event_page_clear(&page);
	return rc;
}

/* --- all of it --- */

static void
tell_end(struct moving *m, const char *head)
{
	char records[32], claims[32], payments[32], events[32];

	bar_clear(&m->bar);
	if (m->ctl->json)
		(void)printf("{\"complete\": true, \"records\": %llu, \"claims\": %llu, \"payments\": %llu, \"events\": %llu, \"digest\": \"%s\"}\n",
		    (unsigned long long)m->records, (unsigned long long)m->claims, (unsigned long long)m->payments,
		    (unsigned long long)m->events, head);
	else
		(void)printf("complete and the same on both sides: %s records, %s link keys, %s old payments, %s events\n"
		    "digest of the log: %s\n"
		    "Now start the broker with the new configuration. Keep %s, which no broker starts on any more.\n",
		    bar_number(m->records, records), bar_number(m->claims, claims), bar_number(m->payments, payments),
		    bar_number(m->events, events), head, m->path);
}

/* From before the word that lets brokers start on Redis: none starts on the file again. The file itself stays as it is. */
static int
mark_moved(struct moving *m)
{
	static const char words[] = "The store beside this was moved by `countersignctl store migrate`: while this file is here, no broker starts "
	    "on it.\n";
	char *mark = NULL;
	int fd, rc = CTL_OK;

	CHECK(asprintf(&mark, "%s" STORE_MOVED_SUFFIX, m->path) > 0);
	fd = open(mark, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, words, sizeof(words) - 1) != (ssize_t)sizeof(words) - 1 || fsync(fd) != 0 || store_sync_directory(m->path) != CS_OK) {
		bar_clear(&m->bar);
		rc = ctl_fail(m->ctl, CTL_FAILED, "cannot write %s, which keeps brokers from the old file: %s. All is copied: mend that, and say the "
		    "same command again", mark, strerror(errno));
	}
	if (fd >= 0)
		(void)close(fd);
	free(mark);
	return rc;
}

static int
move(struct moving *m, const char *source, const char *realm)
{
	char head[65];
	bool resumed = false;
	int64_t until = 0;
	int rc;
	enum cs_err err = import_begin(m->tool, source, realm, engine_replay, &m->import, &resumed, m->why);

	if (err != CS_OK)
		return moving_fail(m, err);
	if (resumed)
		bar_note(&m->bar, "going on with the migration that was begun");
	rc = moving_tables(m);
	if (rc == CTL_OK)
		rc = copy_log(m);
	if (rc == CTL_OK) {
		bar_phase(&m->bar, "changed", 0, m->touched.n);
		rc = moving_claims_again(m);
	}
	if (rc == CTL_OK)
		rc = moving_payments_again(m);
	if (rc == CTL_OK) {
		bar_at(&m->bar, m->touched.n);
		rc = store_import_verify(m, head);
	}
	if (rc == CTL_OK)
		rc = mark_moved(m);
	if (rc == CTL_OK) {
		do
			err = import_end(m->import, m->why);
		while (moving_again(err, &until));
		rc = err == CS_OK ? CTL_OK : moving_fail(m, err);
	}
	bar_phase(&m->bar, NULL, 0, 0);
	if (rc == CTL_OK)
		tell_end(m, head);
	import_free(m->import);
	return rc;
}

/* The file, locked where no broker has it. */
static int
open_file(struct moving *m)
{
	enum cs_err err = store_pages_lock(m->path, &m->lock, m->why);

	if (err != CS_OK && err != CS_ERR_CONFLICT)
		return moving_fail(m, err);
	err = store_pages_open(m->path, m->lock >= 0, &m->pages, m->why);
	if (err == CS_ERR_NOT_FOUND)
		return ctl_fail(m->ctl, CTL_NOT_FOUND, "%s", m->why);
	return err == CS_OK ? CTL_OK : moving_fail(m, err);
}

int
store_import(struct ctl *ctl, const char *path, const struct config *config)
{
	struct moving m = {.ctl = ctl, .path = path, .lock = -1};
	char source[IMPORT_SOURCE_TEXT], realm[STORE_REALM_TEXT];
	struct keyring *keys = NULL;
	int rc;

	bar_init(&m.bar, ctl);
	key_table_init(&m.touched);
	if (access(path, F_OK) != 0)
		rc = ctl_fail(ctl, CTL_NOT_FOUND, "%s: there is no such file: give the one that `store sqlite` names", path);
	else
		rc = store_become_owner(ctl, path);
	if (rc == CTL_OK)
		rc = store_keys(ctl, config, &keys);
	if (rc == CTL_OK)
		rc = open_file(&m);
	if (rc == CTL_OK)
		rc = source_of(&m, source);
	if (rc == CTL_OK)
		rc = check_key(&m, config, keys);
	if (rc == CTL_OK)
		rc = store_tool(ctl, config, &m.tool);
	if (rc == CTL_OK) {
		store_realm(keys, config, realm);
		rc = move(&m, source, realm);
	}
	tool_close(m.tool);
	store_pages_close(m.pages);
	keyring_free(keys);
	key_table_clear(&m.touched);
	if (m.lock >= 0)
		(void)close(m.lock);
	return rc;
}
