/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of tables that stand beside the log. */
#include "broker/store/sqlite_fill.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/store/sqlite_int.h"

struct store_fill {
	sqlite3 *db;
	sqlite3_stmt *claim, *payment;
	bool open;
};

static enum cs_err
fail(const struct store_fill *f, int rc, char why[256])
{
	snprintf(why, WHY_MAX, "%.200s", sqlite3_errmsg(f->db));
	return sqlite_err(rc);
}

enum cs_err
store_fill_open(const char *path, struct store_fill **out, char why[256])
{
	struct store_fill *f = calloc(1, sizeof(*f));
	enum cs_err err;
	int rc;

	CHECK(f != NULL);
	rc = sqlite_connect(path, NULL, &f->db);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(f->db, "REPLACE INTO claim(claim, row) VALUES(?, ?)", -1, &f->claim, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(f->db, "REPLACE INTO payment(key, payment, row) VALUES(?, ?, ?)", -1, &f->payment, NULL);
	if (rc != SQLITE_OK) {
		err = fail(f, rc, why);
		store_fill_close(f);
		return err;
	}
	*out = f;
	return CS_OK;
}

static int
begin(struct store_fill *f)
{
	int rc = f->open ? SQLITE_OK : sqlite3_exec(f->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	f->open = f->open || rc == SQLITE_OK;
	return rc;
}

enum cs_err
store_fill_claim(struct store_fill *f, const struct record_claim *claim, char why[256])
{
	uint8_t row[64];
	struct buf b = buf_over(row, sizeof(row));
	int rc = begin(f);

	record_put_claim(&b, claim);
	CHECK(!b.full);
	sqlite3_bind_blob(f->claim, 1, claim->claim.b, sizeof(claim->claim.b), SQLITE_STATIC);
	sqlite3_bind_blob(f->claim, 2, b.data, (int)b.len, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite_run(f->claim);
	return rc == SQLITE_OK ? CS_OK : fail(f, rc, why);
}

enum cs_err
store_fill_payment(struct store_fill *f, const struct record_payment *payment, char why[256])
{
	uint8_t row[STORE_SUMMARY_MAX + 64];
	struct buf b = buf_over(row, sizeof(row));
	int rc = begin(f);

	record_put_payment(&b, payment);
	CHECK(!b.full);
	sqlite3_bind_blob(f->payment, 1, payment->key.b, sizeof(payment->key.b), SQLITE_STATIC);
	sqlite3_bind_blob(f->payment, 2, payment->payment.b, sizeof(payment->payment.b), SQLITE_STATIC);
	sqlite3_bind_blob(f->payment, 3, b.data, (int)b.len, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite_run(f->payment);
	return rc == SQLITE_OK ? CS_OK : fail(f, rc, why);
}

enum cs_err
store_fill_sync(struct store_fill *f, char why[256])
{
	int rc = f->open ? sqlite3_exec(f->db, "COMMIT", NULL, NULL, NULL) : SQLITE_OK;

	f->open = f->open && rc != SQLITE_OK;
	return rc == SQLITE_OK ? CS_OK : fail(f, rc, why);
}

void
store_fill_close(struct store_fill *f)
{
	if (f == NULL)
		return;
	sqlite3_finalize(f->claim);
	sqlite3_finalize(f->payment);
	sqlite3_close(f->db);
	free(f);
}
