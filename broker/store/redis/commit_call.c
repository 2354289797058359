/* SPDX-License-Identifier: Apache-2.0 */
/* A commit as the keys and arguments of commit.lua, where each has its place. */
#include <stdio.h>

#include "broker/base/check.h"
#include "broker/store/record.h"
#include "broker/store/redis/commit_code.h"

enum { TAIL_MORE = 16 /* of a hot value's tail besides state and making: version, checksum, length */ };

static struct layout_key *
name_add(struct commit_call *call)
{
	CHECK(call->keys_n < COMMIT_KEYS_MAX);
	return &call->names[call->keys_n++];
}

static void
arg_add(struct commit_call *call, struct view v)
{
	CHECK(call->args_n < COMMIT_ARGS_MAX);
	call->args[call->args_n++] = v;
}

static struct view
number(char to[24], uint64_t v)
{
	return view_of(to, (size_t)snprintf(to, 24, "%llu", (unsigned long long)v));
}

static size_t
count_claims(const struct store_commit *c, bool release, bool once)
{
	size_t n = 0;

	for (size_t i = 0; i < c->claims_n; i++)
		n += c->claims[i].release == release && c->claims[i].once == once;
	return n;
}

static void
put_keys(struct commit_call *call, const struct commit_where *where, const struct commit_image *image, bool takes)
{
	const struct store_commit *c = &image->commit;
	const struct layout *l = where->layout;
	unsigned bucket = layout_bucket(&c->key);

	layout_key(l, bucket, LAYOUT_HEAD, NULL, 0, name_add(call));
	layout_key_of(l, LAYOUT_RECORD, &c->key, name_add(call));
	layout_log(l, bucket, where->segment, name_add(call));
	layout_key(l, bucket, LAYOUT_SEGMENTS, NULL, 0, name_add(call));
	if (c->cold.data != NULL)
		layout_key_of(l, LAYOUT_COLD, &c->key, name_add(call));
	if (c->claims_n > 0)
		layout_key_of(l, LAYOUT_CLAIMS, &c->key, name_add(call));
	if (takes)
		layout_key(l, bucket, LAYOUT_POISON, image->id, sizeof(image->id), name_add(call));
	for (size_t i = 0; i < c->payments_n; i++)
		layout_payment(l, &c->key, &c->payments[i].payment, name_add(call));
	for (size_t i = 0; i < call->keys_n; i++)
		call->keys[i] = view_of(call->names[i].text, call->names[i].len);
}

/* Revision before with the id of the commit that made it, then the revision after. */
static void
put_revisions(struct commit_call *call, const struct commit_image *image, struct view *expected, struct view *after)
{
	static const uint8_t unknown[LAYOUT_ID_BYTES];
	const struct store_commit *c = &image->commit;
	bool known = memcmp(image->before, unknown, sizeof(unknown)) != 0;

	layout_put_be(call->revisions, c->expected);
	memcpy(call->revisions + 8, image->before, sizeof(image->before));
	layout_put_be(call->revisions + 16, c->expected + c->events_n);
	*expected = view_of(call->revisions, c->expected == 0 ? 0 : known ? 16 : 8);
	*after = view_of(call->revisions + 16, 8);
}

static struct view
put_seqs(struct commit_call *call, const uint64_t *seqs, size_t n)
{
	if (seqs == NULL)
		return view_of(NULL, 0);
	for (size_t i = 0; i < n; i++)
		layout_put_be(call->seqs + 8 * i, seqs[i]);
	return view_of(call->seqs, 8 * n);
}

/* The values are written behind one another first, since their memory may move while it grows; then each gets its view. */
static void
put_values(struct commit_call *call, const struct commit_image *image, size_t at[], bool cold)
{
	const struct store_commit *c = &image->commit;
	struct buf *b = &call->bytes.buf;
	uint64_t after = c->expected + c->events_n;
	size_t n = 0, making;

	commit_put_making(b, image);
	making = b->len;
	at[n++] = making;
	/* The tail takes a copy of what lies before it: room first, since all of it may move while it grows. */
	(void)buf_room(b, making + c->hot.len + TAIL_MORE);
	layout_put_tail(b, &c->key, after, image->id, view_of(b->data, making), c->hot);
	at[n++] = b->len;
	if (cold)
		layout_put_cold(b, &c->key, after, c->cold);
	at[n++] = b->len;
	for (size_t i = 0; i < c->events_n; i++) {
		layout_put_event(b, &c->key, c->expected + 1 + i, &c->events[i]);
		at[n++] = b->len;
	}
	for (size_t i = 0; i < c->payments_n; i++) {
		record_put_payment(b, &(struct record_payment){c->key, c->payments[i].payment, c->payments[i].summary});
		at[n++] = b->len;
	}
	CHECK(!b->full);
}

static void
put_claims(struct commit_call *call, const struct store_commit *c, bool release, bool once)
{
	for (size_t i = 0; i < c->claims_n; i++) {
		if (c->claims[i].release == release && c->claims[i].once == once)
			arg_add(call, view_of(c->claims[i].claim.b, STORE_KEY_BYTES));
	}
}

void
commit_call_make(struct commit_call *call, const struct commit_where *where, const struct commit_image *image)
{
	const struct store_commit *c = &image->commit;
	size_t releases = count_claims(c, true, false), takes = c->claims_n - releases, i = 0;
	size_t at[3 + STORE_BATCH_MAX + STORE_PAYMENTS_MAX];
	struct view expected, after;
	const uint8_t *data;
	char(*numbers)[24] = call->numbers;

	call->keys_n = call->args_n = call->bytes.buf.len = 0;
	put_keys(call, where, image, takes > 0);
	put_values(call, image, at, c->cold.data != NULL);
	put_revisions(call, image, &expected, &after);
	data = call->bytes.buf.data;
	arg_add(call, view_str(where->tenure));
	arg_add(call, view_of(call->member, (size_t)snprintf(call->member, sizeof(call->member), "w:%s", where->member)));
	arg_add(call, number(numbers[i++], where->segment));
	arg_add(call, number(numbers[i++], layout_bucket(&c->key)));
	arg_add(call, number(numbers[i++], where->floor));
	arg_add(call, view_of(image->id, sizeof(image->id)));
	arg_add(call, expected);
	arg_add(call, after);
	arg_add(call, view_of(data + at[0], at[1] - at[0]));
	arg_add(call, view_of(data + at[1], at[2] - at[1]));
	arg_add(call, number(numbers[i++], takes));
	arg_add(call, number(numbers[i++], releases));
	arg_add(call, number(numbers[i++], c->payments_n));
	arg_add(call, where->n_least > 0 ? number(numbers[i++], where->n_least) : view_of(NULL, 0));
	arg_add(call, put_seqs(call, where->seqs, c->events_n));
	arg_add(call, number(numbers[i++], c->events_n));
	arg_add(call, number(numbers[i++], where->n_known));
	arg_add(call, number(numbers[i++], count_claims(c, false, true)));
	for (size_t k = 0; k < c->events_n; k++)
		arg_add(call, view_of(data + at[2 + k], at[3 + k] - at[2 + k]));
	put_claims(call, c, false, true);
	put_claims(call, c, false, false);
	put_claims(call, c, true, false);
	for (size_t k = c->events_n; k < c->events_n + c->payments_n; k++)
		arg_add(call, view_of(data + at[2 + k], at[3 + k] - at[2 + k]));
}
