/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a SQLite store out of Redis: link keys and old payments, when no broker writes any more. */
#include "broker/ctl/store_export_tables.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/store/redis/claim_code.h"
#include "broker/store/sqlite_fill.h"

enum { CLAIMS_AT_ONCE = 2000 };

struct claims_page {
	struct moving *m;
	enum cs_err err;         /* of what was read */
	struct bytes ids;        /* of all */
	struct claim_asked {
		struct store_key claim;
		struct claim_value value;
		bool there, held;
	} *asked;
};

static bool
claim_name(void *ctx, unsigned bucket, struct view rest)
{
	struct claims_page *p = ctx;

	(void)bucket;
	if (rest.len == STORE_KEY_BYTES)
		buf_put_view(&p->ids.buf, rest);
	return !p->ids.buf.full;
}

static void
claim_value_read(void *ctx, uint64_t i, const struct redisReply *value)
{
	struct claims_page *p = ctx;
	struct claim_asked *a = &p->asked[i];
	enum cs_err err = claim_decode(tool_bytes(value), &a->claim, &a->value);

	a->there = err == CS_OK;
	if (err == CS_ERR_CORRUPT)
		p->err = err;
}

static void
claim_held_read(void *ctx, uint64_t i, const struct redisReply *value)
{
	((struct claims_page *)ctx)->asked[i].held = tool_number(value) == 1;
}

static enum cs_err
claims_ask(struct claims_page *p, size_t n)
{
	struct tool *t = p->m->tool;
	struct layout_key name;
	enum cs_err err;

	for (size_t i = 0; i < n; i++) {
		struct view argv[2] = {VIEW("GET"), layout_key_of(tool_layout(t), LAYOUT_CLAIM, &p->asked[i].claim, &name)};

		tool_ask(t, layout_bucket(&p->asked[i].claim), argv, 2, FLEET_READS, claim_value_read, p, i);
	}
	err = tool_wait(t, p->m->why);
	for (size_t i = 0; err == CS_OK && i < n; i++) {
		const struct claim_asked *a = &p->asked[i];
		struct view argv[3] = {VIEW("SISMEMBER"), layout_key_of(tool_layout(t), LAYOUT_CLAIMS, &a->value.holder, &name),
			view_of(a->claim.b, sizeof(a->claim.b))};

		if (a->there && a->value.state != CLAIM_FREE)
			tool_ask(t, layout_bucket(&a->value.holder), argv, 3, FLEET_READS, claim_held_read, p, i);
	}
	return err == CS_OK ? tool_wait(t, p->m->why) : err;
}

/* One whose commit never came is its last holder's tombstone, or nobody's. */
static enum cs_err
claim_fill(struct moving *m, struct store_fill *fill, const struct claim_asked *a)
{
	struct record_claim claim = {a->claim, a->value.holder, a->held};

	if (!a->there || a->value.state == CLAIM_FREE)
		return CS_OK;
	if (a->value.state == CLAIM_PENDING && !a->held) {
		if (!a->value.has_last)
			return CS_OK;
		claim.holder = a->value.last;
	}
	m->claims++;
	return store_fill_claim(fill, &claim, m->why);
}

static enum cs_err
fill_claims(struct moving *m, struct store_fill *fill)
{
	struct claims_page p = {.m = m};
	size_t all;
	enum cs_err err;

	p.asked = calloc(CLAIMS_AT_ONCE, sizeof(p.asked[0]));
	CHECK(p.asked != NULL);
	bytes_init(&p.ids, SIZE_MAX / 2);
	err = tool_keys(m->tool, LAYOUT_CLAIM, claim_name, &p, m->why);
	all = p.ids.buf.len / STORE_KEY_BYTES;
	bar_phase(&m->bar, "claims", 0, all);
	for (size_t at = 0; err == CS_OK && at < all;) {
		size_t n = all - at < CLAIMS_AT_ONCE ? all - at : CLAIMS_AT_ONCE;

		for (size_t i = 0; i < n; i++) {
			p.asked[i] = (struct claim_asked){.there = false};
			memcpy(p.asked[i].claim.b, (const uint8_t *)p.ids.buf.data + (at + i) * STORE_KEY_BYTES, STORE_KEY_BYTES);
		}
		err = claims_ask(&p, n);
		if (err == CS_OK && p.err != CS_OK) {
			(void)snprintf(m->why, sizeof(m->why), "a link key fails its checksum: see `countersignctl store check`");
			err = p.err;
		}
		for (size_t i = 0; err == CS_OK && i < n; i++)
			err = claim_fill(m, fill, &p.asked[i]);
		at += n;
		bar_at(&m->bar, at);
	}
	bytes_clear(&p.ids);
	free(p.asked);
	return err == CS_OK ? store_fill_sync(fill, m->why) : err;
}

struct payments_page {
	struct moving *m;
	struct store_fill *fill;
	enum cs_err err;
	size_t open;
};

static void
payment_read(void *ctx, uint64_t tag, const struct redisReply *value)
{
	struct payments_page *p = ctx;
	struct record_payment payment;

	(void)tag;
	if (p->err != CS_OK)
		return;
	p->err = record_get_payment(tool_bytes(value), &payment);
	if (p->err != CS_OK)
		(void)snprintf(p->m->why, sizeof(p->m->why), "an old payment fails its checksum: see `countersignctl store check`");
	else
		p->err = store_fill_payment(p->fill, &payment, p->m->why);
	p->m->payments++;
}

static bool
payment_name(void *ctx, unsigned bucket, struct view rest)
{
	struct payments_page *p = ctx;
	struct layout_key name;
	struct view argv[2] = {VIEW("GET"), layout_key(tool_layout(p->m->tool), bucket, LAYOUT_PAYMENT, rest.data, rest.len, &name)};
	enum cs_err err = CS_OK;

	if (rest.len != 2 * STORE_KEY_BYTES)
		return true;
	tool_ask(p->m->tool, bucket, argv, 2, FLEET_READS, payment_read, p, 0);
	if (tool_open_asks(p->m->tool) >= CLAIMS_AT_ONCE)
		err = tool_wait(p->m->tool, p->m->why);
	p->err = p->err == CS_OK ? err : p->err;
	bar_at(&p->m->bar, p->m->payments);
	return p->err == CS_OK;
}

static enum cs_err
fill_payments(struct moving *m, struct store_fill *fill)
{
	struct payments_page p = {.m = m, .fill = fill};
	char also[TOOL_WHY_TEXT];
	enum cs_err err;

	bar_phase(&m->bar, "payments", 0, 0);
	err = tool_keys(m->tool, LAYOUT_PAYMENT, payment_name, &p, m->why);
	if (err == CS_OK)
		err = tool_wait(m->tool, m->why);
	else
		(void)tool_wait(m->tool, also);
	err = p.err != CS_OK ? p.err : err;
	return err == CS_OK ? store_fill_sync(fill, m->why) : err;
}

enum cs_err
store_export_tables(struct moving *m, const char *file)
{
	struct store_fill *fill;
	enum cs_err err = store_fill_open(file, &fill, m->why);

	if (err != CS_OK)
		return err;
	err = fill_claims(m, fill);
	if (err == CS_OK)
		err = fill_payments(m, fill);
	store_fill_close(fill);
	return err;
}
