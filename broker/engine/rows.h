/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the log, copied: for who looks at them when the scan is over. A store may give them at once or in a later turn;
 * whoever asked may be gone by then.
 */
#ifndef CS_ENGINE_ROWS_H
#define CS_ENGINE_ROWS_H

#include "broker/base/bytes.h"
#include "broker/engine/engine.h"

enum { ROWS_ROW_MAX = 64 + STORE_EVENT_MAX + STORE_EXTRA_MAX };

struct rows {
	enum cs_err err;
	uint64_t after, next;    /* of the scan; where it was stopped by `enough`, next is the last row's number */
	size_t seen, n;          /* rows that came, and those that were kept */
	bool stopped;            /* enough: there may be more */
	struct bytes bytes;
};

struct rows_scan;

/* Whether a row is to be kept; all are where this is NULL. */
typedef bool rows_keep_fn(void *ctx, const struct store_row *row);
/* Owns rows from here on: rows_free(). Runs inside rows_scan(), or later. */
typedef void rows_fn(void *ctx, struct rows *rows);

struct rows_asked {
	struct store_scan scan;
	size_t keep_max, bytes_max; /* enough: so many rows are kept, so many bytes taken (one row more at most) */
	bool no_extra;              /* extra is left out */
	rows_keep_fn *keep;
};

/* NULL: done has run. Else what rows_drop() takes. */
struct rows_scan *rows_scan(struct engine *e, const struct rows_asked *asked, rows_fn *done, void *ctx);
/* done will not run. */
void rows_drop(struct rows_scan *s);
void rows_free(struct rows *rows);
/* The next row from *at on, which begins with 0; false: no more. Views into rows. */
bool rows_next(const struct rows *rows, size_t *at, struct store_row *row);

#endif
