/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the log: from the daemon, page after page, or from a file of its store; with a bar that shows how far. */
#include "broker/ctl/log_read.h"

#include <stdio.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/ctl/call.h"
#include "broker/store/sqlite_read.h"

enum {
	BAR_WIDTH = 30,
	BAR_EVERY_MS = 100,
	BAR_EVERY_EVENTS = 1024,      /* between two looks at the clock */
	ROW_HEAD_BYTES = 8 + 16 + 8,  /* of a row of Admin.Log, before the event */
	ROW_BYTES_MAX = ROW_HEAD_BYTES + STORE_EVENT_MAX,
};

struct reading {
	struct ctl *ctl;
	log_row_fn *fn;
	log_damaged_fn *damaged;
	void *ctx;
	uint64_t seq, last;           /* newest given, and the log's newest when it began */
	bool bar, drawn;
	int64_t drawn_ms;
};

/* --- the progress bar --- */

static void
draw(struct reading *r)
{
	char line[BAR_WIDTH + 1];
	uint64_t part = r->last == 0 ? 100 : r->seq >= r->last ? 100 : r->seq * 100 / r->last;

	for (unsigned i = 0; i < BAR_WIDTH; i++)
		line[i] = i < part * BAR_WIDTH / 100 ? '#' : '.';
	line[BAR_WIDTH] = '\0';
	(void)fprintf(stderr, "\r[%s] %3u %%  event %llu of %llu", line, (unsigned)part, (unsigned long long)r->seq,
	    (unsigned long long)(r->last > r->seq ? r->last : r->seq));
	(void)fflush(stderr);
	r->drawn = true;
}

static void
progress(struct reading *r)
{
	struct clock_now now;

	if (!r->bar || r->seq % BAR_EVERY_EVENTS != 0)
		return;
	clock_read(&now);
	if (now.boot_ms - r->drawn_ms < BAR_EVERY_MS)
		return;
	r->drawn_ms = now.boot_ms;
	draw(r);
}

static void
erase(const struct reading *r)
{
	if (r->drawn)
		(void)fprintf(stderr, "\r%*s\r", BAR_WIDTH + 60, "");
}

static int
give(struct reading *r, const struct log_row *row)
{
	int rc = r->fn(r->ctl, r->ctx, row);

	r->seq = row->seq;
	progress(r);
	return rc;
}

/* --- a file --- */

static int
from_file(struct reading *r, const char *path)
{
	struct store_reader *reader;
	struct store_row row;
	char why[256];
	int rc = CTL_OK;
	enum cs_err err = store_reader_open(path, &reader, why);

	if (err != CS_OK)
		return ctl_fail(r->ctl, err == CS_ERR_NOT_FOUND ? CTL_NOT_FOUND : CTL_FAILED, "%s", why);
	r->last = store_reader_last(reader);
	while (rc == CTL_OK && (err = store_reader_next(reader, &row, why)) == CS_OK) {
		struct log_row to = {row.seq, {{0}}, row.revision, row.event, row.extra, true};

		memcpy(to.key.b, row.key.b, sizeof(to.key.b));
		rc = give(r, &to);
	}
	store_reader_close(reader);
	if (rc != CTL_OK || err == CS_ERR_NOT_FOUND)
		return rc;
	return r->damaged != NULL && err == CS_ERR_CORRUPT ? r->damaged(r->ctl, r->ctx, why) :
	    ctl_fail(r->ctl, CTL_FAILED, "%s", why);
}

/* --- the daemon --- */

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t
hex_bytes(struct view text, uint8_t *to, size_t max)
{
	if (text.len % 2 != 0 || text.len / 2 > max)
		return 0;
	for (size_t i = 0; i < text.len; i += 2) {
		int high = digit(text.data[i]), low = digit(text.data[i + 1]);

		if (high < 0 || low < 0)
			return 0;
		to[i / 2] = (uint8_t)(high << 4 | low);
	}
	return text.len / 2;
}

static int
give_text(struct reading *r, struct view text)
{
	static uint8_t bytes[ROW_BYTES_MAX];
	size_t len = hex_bytes(text, bytes, sizeof(bytes));
	struct cursor c = cursor_over(bytes, len);
	struct log_row row = {.whole = false};

	if (len <= ROW_HEAD_BYTES)
		return ctl_fail(r->ctl, CTL_FAILED, "the daemon gave a row of its log that is none");
	row.seq = cursor_u64(&c);
	cursor_get(&c, row.key.b, sizeof(row.key.b));
	row.revision = cursor_u64(&c);
	row.event = view_of(c.at, cursor_left(&c));
	return give(r, &row);
}

static int
give_page(struct reading *r, int64_t *next)
{
	struct ctl *ctl = r->ctl;
	uint32_t list = reply_get(ctl, ctl->reply, "rows", JSON_ARRAY), at = list == 0 ? 0 : json_first(&ctl->doc, list);
	uint32_t after = reply_get(ctl, ctl->reply, "next", JSON_NUMBER);
	unsigned n = list == 0 ? 0 : ctl->doc.tokens[list].count;
	int rc = CTL_OK;

	if (list == 0 || after == 0 || json_int(&ctl->doc, after, next) != CS_OK)
		return ctl_fail(ctl, CTL_FAILED, "the daemon's answer has no rows");
	for (unsigned i = 0; rc == CTL_OK && i < n; i++) {
		if (json_type(&ctl->doc, at) != JSON_STRING)
			return ctl_fail(ctl, CTL_FAILED, "the daemon gave a row of its log that is none");
		rc = give_text(r, json_text(&ctl->doc, at));
		at = json_next(&ctl->doc, at);
	}
	return rc;
}

/* How far the log goes now: what comes while it is read is read as well. */
static int
ask_last(struct reading *r)
{
	struct json_writer w = call_begin(r->ctl, "org.countersign.Admin.Status", false);
	int rc = call_run(r->ctl, &w);
	uint32_t store, token;
	int64_t last = 0;

	if (rc != CTL_OK)
		return rc;
	store = reply_get(r->ctl, r->ctl->reply, "store", JSON_OBJECT);
	token = store == 0 ? 0 : reply_get(r->ctl, store, "log_last", JSON_NUMBER);
	if (token != 0 && json_int(&r->ctl->doc, token, &last) == CS_OK && last > 0)
		r->last = (uint64_t)last;
	return CTL_OK;
}

static int
from_daemon(struct reading *r)
{
	int64_t after = 0, next = 0;
	int rc = ask_last(r);

	while (rc == CTL_OK) {
		struct json_writer w = call_begin(r->ctl, "org.countersign.Admin.Log", false);

		json_member_int(&w, "after", after);
		rc = call_run(r->ctl, &w);
		if (rc == CTL_OK)
			rc = give_page(r, &next);
		if (rc != CTL_OK || next <= after)
			break;
		after = next;
	}
	return rc;
}

int
log_read(struct ctl *ctl, log_row_fn *fn, void *ctx, log_damaged_fn *damaged)
{
	struct reading r = {.ctl = ctl, .fn = fn, .ctx = ctx, .damaged = damaged,
	    .bar = !ctl->json && isatty(STDERR_FILENO) != 0};
	int rc = ctl->database != NULL ? from_file(&r, ctl->database) : from_daemon(&r);

	erase(&r);
	return rc;
}
