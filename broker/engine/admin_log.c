/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin.Log: the log as it is stored, without the sealed texts, for who decides it again. No account is looked up, so a
 * page costs its scan and nothing else; a caller that reads all of it lets the loop go on between pages. Admin.Payees
 * gives what stands in it for a payee.
 */
#include "broker/base/check.h"
#include "broker/engine/api.h"
#include "broker/engine/call.h"
#include "broker/engine/rows.h"

enum {
	LOG_ROWS_MAX = 1000,     /* looked at for one page */
	LOG_ROW_BYTES = 8 + STORE_KEY_BYTES + 8 + STORE_EVENT_MAX,
	LOG_PAGE_TAIL = 256,     /* of a message, for what follows the rows */
};

/* seq, key, revision, event: in hexadecimal. False: the message holds no more. */
static bool
put_row(struct json_writer *w, size_t start, const struct store_row *row)
{
	static const char digits[] = "0123456789abcdef";
	static uint8_t bytes[LOG_ROW_BYTES];
	static char text[2 * LOG_ROW_BYTES];
	struct buf b = buf_over(bytes, sizeof(bytes));

	buf_put_u64(&b, row->seq);
	buf_put(&b, row->key.b, sizeof(row->key.b));
	buf_put_u64(&b, row->revision);
	buf_put_view(&b, row->event);
	CHECK(!b.full);
	if (w->out->len - start + 2 * b.len + LOG_PAGE_TAIL > VARLINK_MESSAGE_MAX)
		return false;
	for (size_t i = 0; i < 2 * b.len; i++)
		text[i] = digits[bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	json_put_str(w, view_of(text, 2 * b.len));
	return true;
}

/* The store may answer at once or later: the call is held either way. */
static void
scanned(void *ctx, struct rows *rows)
{
	struct call *call = ctx;
	uint64_t next = rows->after;
	struct store_row row;
	struct json_writer w;
	size_t at = 0;

	if (rows->err != CS_OK) {
		call_unavailable(call, "store");
	} else {
		w = call_reply(call);
		json_key(&w, VIEW("rows"));
		json_array_begin(&w);
		while (rows_next(rows, &at, &row) && put_row(&w, call->start, &row))
			next = row.seq;
		json_array_end(&w);
		json_member_int(&w, "next", (int64_t)next);
		call_end(call, &w);
	}
	rows_free(rows);
	call_release(call);
}

struct log_asked {
	int64_t after, limit;
};

void
admin_log(struct call *call)
{
	static const struct json_field fields[] = {
		{"after", JSON_F_INT, false, offsetof(struct log_asked, after), 0, INT64_MAX},
		{"limit", JSON_F_INT, false, offsetof(struct log_asked, limit), 1, LOG_ROWS_MAX},
		{0},
	};
	struct log_asked *l = CALL_MEMORY_AS(struct log_asked, call);
	struct rows_asked asked = {.keep_max = LOG_ROWS_MAX, .bytes_max = VARLINK_MESSAGE_MAX / 2, .no_extra = true};

	if (!call_bind(call, fields, l, sizeof(*l)))
		return;
	asked.scan.after = (uint64_t)l->after;
	asked.scan.limit = l->limit > 0 ? (uint64_t)l->limit : LOG_ROWS_MAX;
	(void)rows_scan(call->engine, &asked, scanned, call_hold(call));
}

enum { PAYEES_MAX = 64 };

/* What the events say for a payee's own id: only this broker's key makes it. */
void
admin_payees(struct call *call)
{
	struct payees_asked {
		uint32_t payees;
	};
	static const struct json_field fields[] = {
		{"payees", JSON_F_ARRAY, true, offsetof(struct payees_asked, payees), 0, PAYEES_MAX},
		{0},
	};
	static const char digits[] = "0123456789abcdef";
	struct payees_asked *asked = CALL_MEMORY_AS(struct payees_asked, call);
	struct json_writer w;
	uint32_t at;

	if (!call_bind(call, fields, asked, sizeof(*asked)))
		return;
	w = call_reply(call);
	json_key(&w, VIEW("digests"));
	json_array_begin(&w);
	at = json_first(&call->doc, asked->payees);
	for (unsigned n = json_token_at(&call->doc, asked->payees)->count; n > 0; n--) {
		struct view text = json_type(&call->doc, at) == JSON_STRING ? json_text(&call->doc, at) : VIEW("");
		struct id id = keyring_id(call->engine->keys, DIGEST_PAYEE, &text, 1);
		char hex[2 * sizeof(id.b)];

		for (size_t i = 0; i < sizeof(hex); i++)
			hex[i] = digits[id.b[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
		json_put_str(&w, view_of(hex, sizeof(hex)));
		at = json_next(&call->doc, at);
	}
	json_array_end(&w);
	call_end(call, &w);
}
