/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link keys, unique over all records, and payments that left the state: written in the transaction
 * of their event.
 */
#include "broker/store/sqlite_int.h"

#include "broker/base/check.h"

static enum cs_err
claim_read(struct store_sqlite *s, const struct store_key *claim, struct record_claim *out)
{
	sqlite3_stmt *stmt = s->stmt[STMT_CLAIM_GET];
	enum cs_err err = CS_ERR_NOT_FOUND;
	int rc;

	sqlite3_bind_blob(stmt, 1, claim->b, sizeof(claim->b), SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		const void *blob = sqlite3_column_blob(stmt, 0);

		err = record_get_claim(view_of(blob, (size_t)sqlite3_column_bytes(stmt, 0)), out);
		if (err != CS_OK || memcmp(out->claim.b, claim->b, sizeof(claim->b)) != 0)
			err = CS_ERR_CORRUPT;
	} else if (rc != SQLITE_DONE) {
		err = sqlite_err(rc);
	}
	sqlite3_reset(stmt);
	return err;
}

enum cs_err
claims_check(struct store_sqlite *s, const struct store_commit *c)
{
	for (size_t i = 0; i < c->claims_n; i++) {
		struct record_claim now;
		enum cs_err err = claim_read(s, &c->claims[i].claim, &now);
		bool held = err == CS_OK && now.held;
		bool own = held && memcmp(now.holder.b, c->key.b, sizeof(c->key.b)) == 0;

		if (err != CS_OK && err != CS_ERR_NOT_FOUND)
			return err;
		if (c->claims[i].release ? !own : held && (!own || c->claims[i].once))
			return CS_ERR_CONFLICT;
	}
	return CS_OK;
}

int
claims_write(struct store_sqlite *s, const struct store_commit *c)
{
	sqlite3_stmt *stmt = s->stmt[STMT_CLAIM_PUT];
	int rc = SQLITE_OK;

	for (size_t i = 0; i < c->claims_n && rc == SQLITE_OK; i++) {
		struct record_claim r = {c->claims[i].claim, c->key, !c->claims[i].release};
		uint8_t row[64];
		struct buf b = buf_over(row, sizeof(row));

		record_put_claim(&b, &r);
		CHECK(!b.full);
		sqlite3_bind_blob(stmt, 1, r.claim.b, sizeof(r.claim.b), SQLITE_STATIC);
		sqlite3_bind_blob(stmt, 2, b.data, (int)b.len, SQLITE_STATIC);
		rc = sqlite_run(stmt);
	}
	return rc;
}

void
claim_find(struct store *base, const struct store_key *claim, store_find_fn *done, void *ctx)
{
	struct record_claim r;
	enum cs_err err = claim_read((struct store_sqlite *)base, claim, &r);

	done(ctx, err, err == CS_OK ? &r.holder : NULL, err == CS_OK && !r.held);
}

int
payments_write(struct store_sqlite *s, const struct store_commit *c)
{
	sqlite3_stmt *stmt = s->stmt[STMT_PAYMENT_PUT];
	int rc = SQLITE_OK;

	for (size_t i = 0; i < c->payments_n && rc == SQLITE_OK; i++) {
		struct record_payment r = {c->key, c->payments[i].payment, c->payments[i].summary};
		uint8_t row[STORE_SUMMARY_MAX + 64];
		struct buf b = buf_over(row, sizeof(row));

		record_put_payment(&b, &r);
		CHECK(!b.full);
		sqlite3_bind_blob(stmt, 1, r.key.b, sizeof(r.key.b), SQLITE_STATIC);
		sqlite3_bind_blob(stmt, 2, r.payment.b, sizeof(r.payment.b), SQLITE_STATIC);
		sqlite3_bind_blob(stmt, 3, b.data, (int)b.len, SQLITE_STATIC);
		rc = sqlite_run(stmt);
	}
	return rc;
}

void
payment_find(struct store *base, const struct store_key *key, const struct store_key *payment,
    store_payment_fn *done, void *ctx)
{
	struct store_sqlite *s = (struct store_sqlite *)base;
	sqlite3_stmt *stmt = s->stmt[STMT_PAYMENT_GET];
	uint8_t summary[STORE_SUMMARY_MAX];
	size_t summary_len = 0;
	enum cs_err err = CS_ERR_NOT_FOUND;
	int rc;

	sqlite3_bind_blob(stmt, 1, key->b, sizeof(key->b), SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, payment->b, sizeof(payment->b), SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		const void *blob = sqlite3_column_blob(stmt, 0);
		struct record_payment r;

		err = record_get_payment(view_of(blob, (size_t)sqlite3_column_bytes(stmt, 0)), &r);
		if (err != CS_OK || memcmp(r.key.b, key->b, sizeof(r.key.b)) != 0 ||
		    memcmp(r.payment.b, payment->b, sizeof(r.payment.b)) != 0) {
			err = CS_ERR_CORRUPT;
		} else {
			summary_len = r.summary.len;
			if (summary_len > 0)
				memcpy(summary, r.summary.data, summary_len);
		}
	} else if (rc != SQLITE_DONE) {
		err = sqlite_err(rc);
	}
	sqlite3_reset(stmt);
	done(ctx, err, err == CS_OK ? view_of(summary, summary_len) : view_of(NULL, 0));
}
