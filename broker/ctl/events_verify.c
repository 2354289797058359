/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events verify: whether the log is what was logged. Every event holds the hash of the account's event before it and of
 * its texts; sequence numbers have no gap; and with a file, each account's snapshot holds the hash of the newest event
 * that it knows. The first event that does not fit is named. What nothing of this can show is a log whose newest events
 * and snapshots were replaced together by older ones: for that, keep what this command prints as `head` elsewhere.
 */
#include "broker/ctl/events_verify.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/core/account.h"
#include "broker/core/event.h"
#include "broker/ctl/log_read.h"
#include "broker/ctl/print.h"
#include "broker/engine/keyring.h"
#include "broker/store/sqlite_read.h"

enum { FIRST_CHAINS = 1024, WHY_BYTES = 512 };

/* One account's events, or the broker's own at the zero key. */
struct chain {
	struct id key;
	bool used;
	uint64_t revision;          /* newest that was read */
	struct hash newest;         /* its hash: what the next must name */
	uint64_t snapshot_revision; /* 0: none */
	struct hash snapshot;
};

struct verifying {
	struct chain *chains;       /* open addressing: keys are digests */
	size_t n, cap;
	uint64_t seq, events, folded;
	struct hash head;           /* over the hashes of all events */
	bool bad;
	uint64_t bad_seq, bad_revision; /* 0: not known */
	struct id bad_key;
	char why[WHY_BYTES];
};

static struct chain *
place_of(const struct verifying *v, const struct id *key)
{
	uint64_t at;

	memcpy(&at, key->b, sizeof(at));
	for (at %= v->cap; v->chains[at].used && !id_equal(&v->chains[at].key, key); at = (at + 1) % v->cap)
		continue;
	return &v->chains[at];
}

static void
grow(struct verifying *v)
{
	struct verifying old = *v;

	v->cap = old.cap == 0 ? FIRST_CHAINS : old.cap * 2;
	v->chains = calloc(v->cap, sizeof(v->chains[0]));
	CHECK(v->chains != NULL);
	for (size_t i = 0; i < old.cap; i++) {
		if (old.chains[i].used)
			*place_of(v, &old.chains[i].key) = old.chains[i];
	}
	free(old.chains);
}

static struct chain *
chain_of(struct verifying *v, const struct id *key)
{
	struct chain *c;

	if (v->n * 2 >= v->cap)
		grow(v);
	c = place_of(v, key);
	if (!c->used) {
		*c = (struct chain){.key = *key, .used = true};
		v->n++;
	}
	return c;
}

/* Each event is one line of the log: the first bad one ends the reading. */
static int
bad(struct verifying *v, uint64_t seq, const struct id *key, uint64_t revision, const char *why)
{
	v->bad = true;
	v->bad_seq = seq;
	v->bad_revision = revision;
	v->bad_key = *key;
	(void)snprintf(v->why, sizeof(v->why), "%s", why);
	return CTL_REFUSED;
}

static const char *
look(struct chain *c, const struct log_row *row, struct hash *hash)
{
	struct event ev;
	struct hash extra;

	if (row->revision != c->revision + 1)
		return c->revision == 0 ? "its account's events before it are missing" :
		    row->revision <= c->revision ? "it stands where a later event of its account should stand" :
		    "an event of its account before it is missing";
	if (event_decode(row->event, &ev) != CS_OK)
		return "it is no event";
	if (!hash_equal(&ev.prev, &c->newest))
		return "it names another event as the one before it: that one or this one was changed";
	if (row->whole && row->extra.len > 0) {
		sha256(row->extra, &extra);
		if (memcmp(extra.b, ev.extra.b, sizeof(ev.extra.b)) != 0)
			return "its texts are not those that it was logged with";
	} else if (row->whole && !id_zero(&ev.extra)) {
		return "its texts are missing";
	}
	sha256(row->event, hash);
	if (row->revision == c->snapshot_revision && !hash_equal(hash, &c->snapshot))
		return "it is not the event that the account's snapshot was made of";
	return NULL;
}

static int
row_read(struct ctl *ctl, void *ctx, const struct log_row *row)
{
	struct verifying *v = ctx;
	struct chain *c = chain_of(v, &row->key);
	struct view parts;
	struct hash both[2];
	const char *why;

	(void)ctl;
	if (row->seq != v->seq + 1)
		return bad(v, v->seq + 1, &(struct id){{0}}, 0, "it is missing");
	if ((why = look(c, row, &both[1])) != NULL)
		return bad(v, row->seq, &row->key, row->revision, why);
	c->revision = row->revision;
	c->newest = both[1];
	both[0] = v->head;
	parts = view_of(both, sizeof(both));
	sha256(parts, &v->head);
	v->seq = row->seq;
	v->events++;
	return CTL_OK;
}

static int
damaged(struct ctl *ctl, void *ctx, const char *why)
{
	struct verifying *v = ctx;

	(void)ctl, (void)why;
	return bad(v, v->seq + 1, &(struct id){{0}}, 0, "its bytes fail their checksum, or are another event's");
}

static void
snapshot_read(void *ctx, const struct store_key *key, uint64_t revision, struct view hot)
{
	static struct account a;
	static const struct id broker;
	struct verifying *v = ctx;
	struct chain *c;
	struct id id;

	memcpy(id.b, key->b, sizeof(id.b));
	c = chain_of(v, &id);
	/* The broker's own record has a form of its own. */
	if (id_equal(&id, &broker) || account_decode(hot, &id, revision, &a) != CS_OK)
		return;
	c->snapshot_revision = revision;
	c->snapshot = a.chain;
}

/* What the file knows besides its log. */
static int
read_snapshots(struct ctl *ctl, struct verifying *v)
{
	struct store_reader *reader;
	char why[256];
	enum cs_err err = store_reader_open(ctl->database, &reader, why);

	if (err != CS_OK)
		return ctl_fail(ctl, err == CS_ERR_NOT_FOUND ? CTL_NOT_FOUND : CTL_FAILED, "%s", why);
	v->folded = store_reader_folded(reader);
	err = store_reader_snapshots(reader, snapshot_read, v, why);
	store_reader_close(reader);
	return err == CS_OK ? CTL_OK : ctl_fail(ctl, CTL_FAILED, "%s", why);
}

/* The end of the log is a line, too. */
static int
look_at_ends(struct verifying *v)
{
	for (size_t i = 0; i < v->cap; i++) {
		const struct chain *c = &v->chains[i];

		if (c->used && c->revision < c->snapshot_revision)
			return bad(v, v->seq + 1, &c->key, c->revision + 1,
			    "it is missing: the account's snapshot was made after it");
	}
	if (v->seq < v->folded)
		return bad(v, v->seq + 1, &(struct id){{0}}, 0, "it is missing, though snapshots were made after it");
	return CTL_OK;
}

static const char *
hex(const uint8_t *bytes, size_t len, char to[65])
{
	for (size_t i = 0; i < len; i++)
		(void)snprintf(to + 2 * i, 3, "%02x", bytes[i]);
	return to;
}

static void
tell_text(const struct verifying *v, const char *source)
{
	char text[65];

	if (!v->bad) {
		(void)printf("whole: %llu events of %llu accounts in %s\nhead: %s\n", (unsigned long long)v->events,
		    (unsigned long long)v->n, source, hex(v->head.b, sizeof(v->head.b), text));
		return;
	}
	(void)printf("event %llu", (unsigned long long)v->bad_seq);
	if (v->bad_revision != 0)
		(void)printf(" (account %s, revision %llu)", hex(v->bad_key.b, sizeof(v->bad_key.b), text),
		    (unsigned long long)v->bad_revision);
	(void)printf(": %s\n%llu events before it are whole; compare with a backup from before it was touched\n", v->why,
	    (unsigned long long)v->events);
}

static void
tell_json(const struct verifying *v)
{
	char bytes[1024], text[65];
	struct buf out = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&out);

	json_object_begin(&w);
	json_member_bool(&w, "whole", !v->bad);
	json_member_int(&w, "events", (int64_t)v->events);
	if (!v->bad) {
		json_member_int(&w, "accounts", (int64_t)v->n);
		json_member_str(&w, "head", view_str(hex(v->head.b, sizeof(v->head.b), text)));
	} else {
		json_member_int(&w, "seq", (int64_t)v->bad_seq);
		json_member_str(&w, "problem", view_str(v->why));
	}
	if (v->bad_revision != 0) {
		json_member_str(&w, "key", view_str(hex(v->bad_key.b, sizeof(v->bad_key.b), text)));
		json_member_int(&w, "revision", (int64_t)v->bad_revision);
	}
	json_object_end(&w);
	CHECK(!out.full);
	(void)printf("%.*s\n", (int)out.len, bytes);
}

int
events_verify(struct ctl *ctl, char **args, int count)
{
	struct verifying v = {.cap = 0};
	int rc = CTL_OK;

	(void)args, (void)count;
	grow(&v);
	if (ctl->database != NULL)
		rc = read_snapshots(ctl, &v);
	if (rc == CTL_OK)
		rc = log_read(ctl, row_read, &v, damaged);
	if (rc == CTL_OK)
		rc = look_at_ends(&v);
	if (rc == CTL_OK || v.bad) {
		if (ctl->json)
			tell_json(&v);
		else
			tell_text(&v, ctl->database != NULL ? ctl->database : ctl->socket);
	}
	free(v.chains);
	return rc;
}
