/* SPDX-License-Identifier: Apache-2.0 */
/* Copying rows of a scan. */
#include "broker/engine/rows.h"

#include <stdlib.h>

#include "broker/base/check.h"

struct rows_scan {
	struct rows *rows;
	size_t keep_max, bytes_max;
	bool no_extra, dropped, asking, over;
	rows_keep_fn *keep;
	rows_fn *done;
	void *ctx;
};

void
rows_free(struct rows *rows)
{
	if (rows == NULL)
		return;
	bytes_clear(&rows->bytes);
	free(rows);
}

void
rows_drop(struct rows_scan *s)
{
	if (s != NULL)
		s->dropped = true;
}

static bool
on_row(void *ctx, const struct store_row *row)
{
	struct rows_scan *s = ctx;
	struct rows *rows = s->rows;
	struct buf *b = &rows->bytes.buf;

	if (s->dropped)
		return false;
	rows->seen++;
	rows->next = row->seq;
	if (s->keep == NULL || s->keep(s->ctx, row)) {
		buf_put_u64(b, row->seq);
		buf_put(b, row->key.b, sizeof(row->key.b));
		buf_put_u64(b, row->revision);
		buf_put_lv(b, row->event);
		buf_put_lv(b, s->no_extra ? view_of(NULL, 0) : row->extra);
		rows->n++;
	}
	rows->stopped = rows->n >= s->keep_max || b->len >= s->bytes_max;
	return !rows->stopped;
}

static void
on_done(void *ctx, enum cs_err err, uint64_t next)
{
	struct rows_scan *s = ctx;
	struct rows *rows = s->rows;

	CHECK(!rows->bytes.buf.full);
	rows->err = err;
	if (!rows->stopped)
		rows->next = next;
	s->over = true;
	if (s->dropped)
		rows_free(rows);
	else
		s->done(s->ctx, rows);
	if (!s->asking)
		free(s);
}

struct rows_scan *
rows_scan(struct engine *e, const struct rows_asked *asked, rows_fn *done, void *ctx)
{
	struct rows_scan *s = calloc(1, sizeof(*s));
	struct rows *rows = calloc(1, sizeof(*rows));

	CHECK(s != NULL && rows != NULL);
	bytes_init(&rows->bytes, asked->bytes_max + ROWS_ROW_MAX);
	rows->after = rows->next = asked->scan.after;
	*s = (struct rows_scan){.rows = rows, .keep_max = asked->keep_max, .bytes_max = asked->bytes_max,
	    .no_extra = asked->no_extra, .keep = asked->keep, .done = done, .ctx = ctx, .asking = true};
	store_scan(e->store, &asked->scan, on_row, on_done, s);
	s->asking = false;
	if (!s->over)
		return s;
	free(s);
	return NULL;
}

bool
rows_next(const struct rows *rows, size_t *at, struct store_row *row)
{
	struct cursor c;

	if (*at == rows->bytes.buf.len)
		return false;
	c = cursor_over(rows->bytes.buf.data + *at, rows->bytes.buf.len - *at);
	row->seq = cursor_u64(&c);
	cursor_get(&c, row->key.b, sizeof(row->key.b));
	row->revision = cursor_u64(&c);
	row->event = cursor_lv(&c, STORE_EVENT_MAX);
	row->extra = cursor_lv(&c, STORE_EXTRA_MAX);
	CHECK(!c.bad);
	*at = rows->bytes.buf.len - cursor_left(&c);
	return true;
}
