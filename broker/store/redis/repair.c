/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was lost comes back in two steps. Each member puts what it misses into the bucket's repair area, in the order of
 * its counts: from then on it is in Redis. When all have done so, whoever comes by applies the area, each record's entries
 * by growing revision, with the very script that commits; what does not fit exactly is held with its record. Each step may
 * be done twice, by two members at a time, and cut off anywhere.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/store/redis/tenure_int.h"

enum {
	RETRY_MS = 20,
	HELD_MS = 1000,
	DONE = 1, /* of putback.lua and settle.lua */
	PUT_ARGS = 3,
};

struct put {
	const char *member;
	struct bytes bytes;
	struct {
		char n[24];
		size_t n_len, at, len; /* of the value; the field lies before it */
	} entries[PUT_ENTRIES];
	size_t n;
};

static void
field_write(uint8_t to[REPAIR_FIELD_BYTES], const struct journal_entry *e, const char *member)
{
	to[0] = (uint8_t)e->kind;
	memcpy(to + 1, e->key.b, STORE_KEY_BYTES);
	layout_put_be(to + 1 + STORE_KEY_BYTES, e->revision);
	memcpy(to + 1 + STORE_KEY_BYTES + 8, member, JOURNAL_MEMBER_TEXT - 1);
}

static bool
put_add(void *ctx, const struct journal_entry *e)
{
	struct put *p = ctx;
	struct buf *b = &p->bytes.buf;
	uint8_t field[REPAIR_FIELD_BYTES], n[REPAIR_COUNT_BYTES];

	field_write(field, e, p->member);
	layout_put_be(n, e->n);
	buf_put(b, field, sizeof(field));
	p->entries[p->n].at = b->len;
	buf_put(b, n, sizeof(n));
	buf_put_view(b, e->body);
	CHECK(!b->full);
	p->entries[p->n].len = b->len - p->entries[p->n].at;
	p->entries[p->n].n_len = (size_t)snprintf(p->entries[p->n].n, sizeof(p->entries[p->n].n), "%llu", (unsigned long long)e->n);
	p->n++;
	return p->n < PUT_ENTRIES && b->len < PUT_BYTES;
}

static void
was_put(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct tenure_bucket *b = ctx;

	if (err != CS_OK || proof_code(reply->value) != DONE) {
		bucket_later(b, RETRY_MS, true);
		return;
	}
	/* Its proof says whether that was all. */
	b->busy = false;
	bucket_step(b);
}

static void
said_incomplete(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct tenure_bucket *b = ctx;

	(void)err;
	(void)reply;
	bucket_later(b, HELD_MS, false);
}

/* The journal cannot help: the bucket stays closed until the admin has spoken. */
static void
say_incomplete(struct tenure_bucket *b, uint64_t after_n, enum cs_err why)
{
	struct tenure *t = b->t;
	struct journal *j = t->o.journal;
	uint64_t up_to = why == CS_ERR_NOT_FOUND ? journal_pruned(j, b->index) : journal_position(j, b->index);
	struct layout_key key[2];
	struct view keys[2] = {layout_key(t->o.layout, b->index, LAYOUT_HEAD, NULL, 0, &key[0]),
	    layout_key(t->o.layout, b->index, LAYOUT_REPAIR, NULL, 0, &key[1])};
	char text[24];
	struct view args[3] = {view_str(b->tenure), view_str(journal_member(j)), view_of(text, 0)};

	args[2].len = (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)up_to);
	if (b->state != TENURE_HELD)
		log_error("store bucket=%u lost acknowledged writes after=%llu and the journal %s them up_to=%llu: restore Redis from newer data, or say 'store release --bucket %u'",
		    b->index, (unsigned long long)after_n, why == CS_ERR_NOT_FOUND ? "no longer has" : "is damaged and lacks", (unsigned long long)up_to, b->index);
	b->state = TENURE_HELD;
	snprintf(b->waits[0], sizeof(b->waits[0]), "%s", journal_member(j));
	b->waits_n = 1;
	fleet_script(t->o.fleet, b->index, SCRIPT_PUTBACK, keys, 2, args, 3, FLEET_AGAIN, said_incomplete, b);
}

void
repair_put(struct tenure_bucket *b, uint64_t after_n)
{
	struct tenure *t = b->t;
	struct put p = {.member = journal_member(t->o.journal)};
	struct view args[PUT_ARGS + 3 * PUT_ENTRIES];
	struct layout_key key[2];
	struct view keys[2] = {layout_key(t->o.layout, b->index, LAYOUT_HEAD, NULL, 0, &key[0]),
	    layout_key(t->o.layout, b->index, LAYOUT_REPAIR, NULL, 0, &key[1])};
	enum cs_err err;
	size_t n = PUT_ARGS;

	bytes_init(&p.bytes, PUT_BYTES + JOURNAL_BODY_MAX + REPAIR_FIELD_BYTES + 64);
	err = journal_since(t->o.journal, b->index, after_n, PUT_ENTRIES, put_add, &p);
	if (err != CS_OK || p.n == 0) {
		/* Not to be begun by halves: what comes before a hole is put when the admin has spoken. */
		say_incomplete(b, after_n, err == CS_OK ? CS_ERR_CORRUPT : err);
		bytes_clear(&p.bytes);
		return;
	}
	b->state = TENURE_REPAIR;
	args[0] = view_str(b->tenure);
	args[1] = view_str(journal_member(t->o.journal));
	args[2] = view_of(NULL, 0);
	for (size_t i = 0; i < p.n; i++) {
		const uint8_t *value = p.bytes.buf.data + p.entries[i].at;

		args[n++] = view_of(p.entries[i].n, p.entries[i].n_len);
		args[n++] = view_of(value - REPAIR_FIELD_BYTES, REPAIR_FIELD_BYTES);
		args[n++] = view_of(value, p.entries[i].len);
	}
	t->count.lost += p.n;
	fleet_script(t->o.fleet, b->index, SCRIPT_PUTBACK, keys, 2, args, n, FLEET_AGAIN, was_put, b);
	bytes_clear(&p.bytes);
}

void
repair_free(struct repair *r)
{
	if (r == NULL)
		return;
	bytes_clear(&r->value);
	commit_call_clear(&r->call);
	free(r->fields);
	free(r);
}

static void
repair_end(struct tenure_bucket *b)
{
	repair_free(b->repair);
	b->repair = NULL;
}

/* Not all was taken: from the beginning, with what is left then. */
static void
repair_later(struct tenure_bucket *b)
{
	repair_end(b);
	bucket_later(b, RETRY_MS, true);
}

static void repair_next(struct tenure_bucket *b);

/* By this member, not by another that was quicker. */
static void
settled_count(struct tenure_bucket *b)
{
	const struct repair *r = b->repair;
	const uint8_t *key = r->fields[r->at] + 1;

	if (r->fits) {
		b->t->count.put_back++;
	} else {
		b->t->count.held++;
		log_error("store bucket=%u record=%02x%02x%02x%02x... held: an acknowledged change to revision %llu does not fit what Redis has", b->index,
		    key[0], key[1], key[2], key[3], (unsigned long long)layout_get_be(key + STORE_KEY_BYTES));
	}
	if (r->late)
		b->t->count.late++;
}

static void
settled(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct tenure_bucket *b = ctx;
	long long code = err == CS_OK ? proof_code(reply->value) : 0;

	if (code != DONE && code != 2) {
		repair_later(b);
		return;
	}
	if (code == DONE)
		settled_count(b);
	b->repair->at++;
	repair_next(b);
}

static struct store_key
key_at(const struct repair *r)
{
	struct store_key key;

	memcpy(key.b, r->fields[r->at] + 1, STORE_KEY_BYTES);
	return key;
}

static void
settle(struct tenure_bucket *b, bool fits)
{
	struct tenure *t = b->t;
	struct repair *r = b->repair;
	struct store_key key = key_at(r);
	bool commit = r->fields[r->at][0] == JOURNAL_COMMIT;
	struct layout_key names[4];
	struct view keys[4] = {layout_key(t->o.layout, b->index, LAYOUT_HEAD, NULL, 0, &names[0]),
	    layout_key(t->o.layout, b->index, LAYOUT_REPAIR, NULL, 0, &names[1]),
	    layout_key(t->o.layout, b->index, LAYOUT_HELD_MARK, key.b, sizeof(key.b), &names[2]),
	    layout_key(t->o.layout, b->index, LAYOUT_RECORD, key.b, sizeof(key.b), &names[3])};
	struct view args[2] = {view_str(b->tenure), view_of(r->fields[r->at], REPAIR_FIELD_BYTES)};

	r->fits = fits;
	fleet_script(t->o.fleet, b->index, SCRIPT_SETTLE, keys, fits ? 2 : commit ? 4 : 3, args, 2, FLEET_AGAIN, settled, b);
}

static void apply_commit(struct tenure_bucket *b);
static void apply_part(struct tenure_bucket *b);

/*
 * Perhaps what it was built on is missing, too. Or another member, which repairs the same, has come further meanwhile: it goes up
 * by a part each time that this one meets it on its way, so after as many times as there are parts nobody is there.
 */
static void
conflict_met(struct tenure_bucket *b)
{
	struct repair *r = b->repair;

	if (r->part > 0 && !r->upwards) {
		r->part--;
	} else if (++r->met < r->parts_n) {
		r->part = r->parts_n - 1;
		r->upwards = false;
	} else {
		settle(b, false);
		return;
	}
	apply_part(b);
}

static void
commit_applied(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct tenure_bucket *b = ctx;
	const struct redisReply *r = err == CS_OK ? reply->value : NULL;

	switch (proof_code(r)) {
	case ANSWER_DONE:
		if (b->repair->part + 1 == b->repair->parts_n) {
			settle(b, true);
			break;
		}
		b->repair->part++;
		b->repair->upwards = true;
		apply_part(b);
		break;
	case ANSWER_SEGMENT:
		if (r->elements < 2 || r->element[1]->type != REDIS_REPLY_INTEGER) {
			repair_later(b);
			break;
		}
		b->repair->segment = (uint64_t)r->element[1]->integer;
		apply_commit(b);
		break;
	case ANSWER_CONFLICT:
		conflict_met(b);
		break;
	case ANSWER_CLAIM:
	case ANSWER_POISONED:
	case ANSWER_CORRUPT:
	case ANSWER_HELD:
		settle(b, false);
		break;
	default: /* SUSPECT: another tenure began; or the servers did not take it */
		repair_later(b);
		break;
	}
}

static void
apply_commit(struct tenure_bucket *b)
{
	struct tenure *t = b->t;
	struct repair *r = b->repair;
	/* Its count is there already: no count changes, and the one that does not is ours, which is there for certain. */
	struct commit_where where = {.layout = t->o.layout,
	    .tenure = r->head_tenure,
	    .member = journal_member(t->o.journal),
	    .segment = r->segment,
	    .n_least = 1};

	commit_call_make(&r->call, &where, &r->image);
	fleet_script(t->o.fleet, b->index, SCRIPT_COMMIT, r->call.keys, r->call.keys_n, r->call.args, r->call.args_n, FLEET_AGAIN,
	    commit_applied, b);
}

static void
claim_applied(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct tenure_bucket *b = ctx;

	if (err != CS_OK)
		repair_later(b);
	else
		settle(b, proof_code(reply->value) == ANSWER_DONE);
}

static void
apply_claim(struct tenure_bucket *b, struct view body)
{
	struct tenure *t = b->t;
	struct store_key key = key_at(b->repair);
	struct layout_key name;
	struct view keys[1] = {layout_key(t->o.layout, b->index, LAYOUT_CLAIM, key.b, sizeof(key.b), &name)};

	fleet_script(t->o.fleet, b->index, SCRIPT_CLAIM_REPAIR, keys, 1, &body, 1, FLEET_AGAIN, claim_applied, b);
}

/*
 * A commit that takes claims cannot come late: while it was away another record may have taken them, and that the claim's
 * bucket says otherwise is not certain before all is put back there too.
 */
static bool
takes_claims(const struct commit_image *image)
{
	for (size_t i = 0; i < image->commit.claims_n; i++)
		if (!image->commit.claims[i].release)
			return true;
	return false;
}

/* Ground fits only on the very commit that it was built on. */
static bool
part_fits(const struct repair *r)
{
	static const uint8_t unknown[LAYOUT_ID_BYTES];
	const struct commit_image *image = &r->image;
	struct store_key key = key_at(r);

	if (memcmp(&image->commit.key, &key, sizeof(key)) != 0 || (r->late && takes_claims(image)))
		return false;
	return r->part + 1 == r->parts_n || image->commit.expected == 0 || memcmp(image->before, unknown, sizeof(unknown)) != 0;
}

static void
apply_part(struct tenure_bucket *b)
{
	struct repair *r = b->repair;

	if (commit_decode(r->parts[r->part], &r->image) == CS_OK && part_fits(r))
		apply_commit(b);
	else
		settle(b, false);
}

static void
value_read(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct tenure_bucket *b = ctx;
	struct repair *r = b->repair;
	const struct redisReply *v = err == CS_OK ? reply->value : NULL;
	struct view body;

	if (v == NULL || (v->type != REDIS_REPLY_STRING && v->type != REDIS_REPLY_NIL)) {
		repair_later(b);
		return;
	}
	if (v->type == REDIS_REPLY_NIL) { /* another member was quicker */
		r->at++;
		repair_next(b);
		return;
	}
	if (v->len < REPAIR_COUNT_BYTES || v->len > REPAIR_COUNT_BYTES + JOURNAL_BODY_MAX) { /* no broker put it there */
		settle(b, false);
		return;
	}
	r->value.buf.len = 0;
	buf_put(&r->value.buf, v->str, v->len);
	CHECK(!r->value.buf.full);
	body = view_of(r->value.buf.data + REPAIR_COUNT_BYTES, v->len - REPAIR_COUNT_BYTES);
	if (r->fields[r->at][0] == JOURNAL_CLAIM) {
		apply_claim(b, body);
		return;
	}
	r->parts_n = commit_parts(body, r->parts);
	if (r->parts_n == 0) {
		settle(b, false);
		return;
	}
	r->part = r->parts_n - 1;
	r->met = 0;
	r->upwards = false;
	apply_part(b);
}

static void
repair_next(struct tenure_bucket *b)
{
	struct tenure *t = b->t;
	struct repair *r = b->repair;
	struct layout_key name;
	struct view argv[3];

	if (r->at == r->fields_n) {
		repair_end(b);
		b->busy = false;
		b->tries = 0;
		bucket_step(b);
		return;
	}
	argv[0] = VIEW("HGET");
	argv[1] = layout_key(t->o.layout, b->index, LAYOUT_REPAIR, NULL, 0, &name);
	argv[2] = view_of(r->fields[r->at], REPAIR_FIELD_BYTES);
	fleet_ask(t->o.fleet, b->index, argv, 3, FLEET_READS, value_read, b);
}

static int
field_order(const void *a, const void *b)
{
	return memcmp(a, b, REPAIR_FIELD_BYTES);
}

static void
fields_read(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct tenure_bucket *b = ctx;
	struct repair *r = b->repair;
	const struct redisReply *v = err == CS_OK ? reply->value : NULL;

	if (v == NULL || v->type != REDIS_REPLY_ARRAY) {
		repair_later(b);
		return;
	}
	r->fields = calloc(v->elements + 1, REPAIR_FIELD_BYTES);
	CHECK(r->fields != NULL);
	for (size_t i = 0; i < v->elements; i++) {
		if (v->element[i]->type == REDIS_REPLY_STRING && v->element[i]->len == REPAIR_FIELD_BYTES)
			memcpy(r->fields[r->fields_n++], v->element[i]->str, REPAIR_FIELD_BYTES);
	}
	if (r->fields_n < v->elements) {
		log_error("store bucket=%u has something in its repair area that no broker of this version put there", b->index);
		repair_later(b);
		return;
	}
	if (r->fields_n > 0)
		qsort(r->fields, r->fields_n, REPAIR_FIELD_BYTES, field_order);
	repair_next(b);
}

void
repair_apply(struct tenure_bucket *b, struct view head_tenure)
{
	struct tenure *t = b->t;
	struct repair *r;
	struct layout_key name;
	struct view argv[2] = {VIEW("HKEYS"), layout_key(t->o.layout, b->index, LAYOUT_REPAIR, NULL, 0, &name)};

	CHECK(b->repair == NULL);
	r = calloc(1, sizeof(*r));
	CHECK(r != NULL);
	b->repair = r;
	bytes_init(&r->value, JOURNAL_BODY_MAX + 64);
	commit_call_init(&r->call);
	snprintf(r->head_tenure, sizeof(r->head_tenure), "%.*s", (int)head_tenure.len, head_tenure.data == NULL ? "" : head_tenure.data);
	r->late = head_tenure.len > 0 && head_tenure.data[0] != '~';
	r->segment = 1;
	fleet_ask(t->o.fleet, b->index, argv, 2, FLEET_READS, fields_read, b);
}
