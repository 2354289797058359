/* SPDX-License-Identifier: Apache-2.0 */
/* Beats: one script four times a lease, on one key that all members share. */
#include "broker/store/redis/members.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/store/redis/tenure_int.h"

enum {
	BEATS_IN_LEASE = 4,
	/* A member that beat before a failover is waited for so long where it could be left out; then it may be dead. */
	LIVE_LEASES = 10,
	DONE = 1,
	TWIN = 9,
	MOVED = 10,
	REVISION_BYTES = 8,
	/* Brokers that ever were, the forgotten ones too: what a server that lies tells of more is not listened to. */
	MEMBERS_SEEN_MAX = 1024,
};

struct member {
	char id[JOURNAL_MEMBER_TEXT], name[JOURNAL_NAME_TEXT];
	uint64_t beats;
	int64_t moved_ms;   /* when its count was last seen to move, or watching began */
	bool seen, moved;   /* in the last reply; ever */
	bool knows_us, forgotten, silent;
	bool unnoted;       /* not in the journal, for what was told */
};

struct members {
	struct members_options o;
	char process[2 * 8 + 1];
	bool beaten;              /* the first beat of this process came back */
	bool twin;
	bool asked;
	int64_t sent_ms, next_ms, now_ms;
	int64_t fresh_until_ms;
	char tenure[FLEET_TENURE_TEXT]; /* under which the beats were watched */
	uint32_t turn;            /* of their bucket, likewise */
	uint32_t told_turn;       /* of the last beat that came back */
	uint32_t history;         /* how often what was seen may have been lost */
	struct member *all;
	size_t n;
	uint64_t zero_revision;
	char why[160];
};

struct members *
members_new(const struct members_options *o)
{
	struct members *m = calloc(1, sizeof(*m));
	uint8_t random[8];

	CHECK(m != NULL);
	m->o = *o;
	if (m->o.lease_ms == 0)
		m->o.lease_ms = MEMBERS_LEASE_MS_DEFAULT;
	CHECK(m->o.lease_ms >= MEMBERS_LEASE_MS_MIN);
	CHECK(getrandom(random, sizeof(random), 0) == (ssize_t)sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(m->process + 2 * i, sizeof(m->process) - 2 * i, "%02x", random[i]);
	m->fresh_until_ms = INT64_MIN;
	return m;
}

void
members_free(struct members *m)
{
	if (m == NULL)
		return;
	free(m->all);
	free(m);
}

static struct member *
member_of(struct members *m, struct view id)
{
	struct member *e;

	if (id.len != JOURNAL_MEMBER_TEXT - 1 || memchr(id.data, '\0', id.len) != NULL)
		return NULL;
	for (size_t i = 0; i < m->n; i++)
		if (memcmp(m->all[i].id, id.data, id.len) == 0)
			return &m->all[i];
	if (m->n == MEMBERS_SEEN_MAX)
		return NULL;
	m->all = realloc(m->all, (m->n + 1) * sizeof(*m->all));
	CHECK(m->all != NULL);
	e = &m->all[m->n++];
	*e = (struct member){.moved_ms = m->now_ms};
	snprintf(e->id, sizeof(e->id), "%.*s", (int)id.len, id.data);
	return e;
}

static bool
is_us(const struct members *m, const struct member *e)
{
	return strcmp(e->id, journal_member(m->o.journal)) == 0;
}

/* A list of ids, one after the other. */
static bool
ids_have(struct view ids, const char *id)
{
	for (size_t i = 0; i + JOURNAL_MEMBER_TEXT - 1 <= ids.len; i += JOURNAL_MEMBER_TEXT - 1)
		if (memcmp(ids.data + i, id, JOURNAL_MEMBER_TEXT - 1) == 0)
			return true;
	return false;
}

static void
count_seen(struct members *m, struct member *e, struct view value)
{
	char text[24];
	uint64_t beats;

	snprintf(text, sizeof(text), "%.*s", (int)value.len, value.data == NULL ? "" : value.data);
	beats = strtoull(text, NULL, 10);
	e->seen = true;
	if (beats == e->beats)
		return;
	/* A count seen for the first time may be that of a member long gone. */
	if (e->beats != 0)
		tenure_seen_live(m->o.tenure, e->id, m->now_ms + LIVE_LEASES * m->o.lease_ms);
	e->moved = true;
	e->beats = beats;
	e->moved_ms = m->now_ms;
	e->silent = false;
	tenure_put_in(m->o.tenure, e->id);
}

static void
field_seen(struct members *m, struct view field, struct view value)
{
	struct member *e;

	if (field.len < 2 || (e = member_of(m, view_of(field.data + 2, field.len - 2))) == NULL)
		return;
	switch (field.data[0]) {
	case 'c':
		count_seen(m, e, value);
		break;
	case 'n':
		snprintf(e->name, sizeof(e->name), "%.*s", (int)(value.len < sizeof(e->name) ? value.len : sizeof(e->name) - 1), value.data == NULL ? "" : value.data);
		break;
	case 'k':
		e->knows_us = ids_have(value, journal_member(m->o.journal));
		break;
	case 'f':
		e->forgotten = true;
		break;
	default:
		break;
	}
}

/* Told once, though it is tried with every beat. */
static void
note(struct members *m, struct member *e)
{
	enum cs_err err = journal_member_add(m->o.journal, e->id, e->name);

	if (err != CS_OK && !e->unnoted)
		log_error("store cannot note broker=%s id=%s in its journal, so that one cannot join err=%s: %s", log_value(view_str(e->name)), e->id,
		    cs_err_name(err), err == CS_ERR_FULL && journal_members_n(m->o.journal) == JOURNAL_MEMBERS_MAX ?
		    "'store forget' those that will never come back" : "see 'store status' for what is wrong with the journal");
	e->unnoted = err != CS_OK;
}

/* After a beat: who is new is written down, who knows us is told, who is silent is put out by the leader. */
static void
conclude(struct members *m)
{
	bool leads = members_view(m, m->now_ms).leads;

	for (size_t i = 0; i < m->n; i++) {
		struct member *e = &m->all[i];

		if (is_us(m, e))
			continue;
		if (e->forgotten) {
			(void)journal_member_drop(m->o.journal, e->id);
			continue;
		}
		if (e->seen)
			note(m, e);
		if (e->knows_us)
			tenure_confirmed(m->o.tenure, e->id);
		if (!e->silent && m->now_ms - e->moved_ms > m->o.lease_ms + m->o.lease_ms / 4) {
			e->silent = true;
			tenure_seen_live(m->o.tenure, e->id, INT64_MIN);
			log_warn("store broker=%s id=%s is silent", log_value(view_str(e->name)), e->id);
		}
		if (e->silent && leads)
			tenure_put_out(m->o.tenure, e->id);
	}
}

/* Beats may have gone back with what a failover lost: silence counts from now. */
static void
watch_anew(struct members *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (!m->all[i].silent)
			m->all[i].moved_ms = m->now_ms;
}

/* Members that have not even a beat there: brokers that left before the beats were lost. */
static void
watch_known(struct members *m)
{
	for (size_t i = 0; i < journal_members_n(m->o.journal); i++) {
		const char *name, *id = journal_member_at(m->o.journal, i, &name);
		struct member *e = member_of(m, view_str(id));

		if (e != NULL && e->name[0] == '\0')
			snprintf(e->name, sizeof(e->name), "%s", name);
	}
}

static void
beat_seen(struct members *m, const struct redisReply *r)
{
	struct view revision = proof_text(r, 1);
	const struct redisReply *fields = r->elements > 2 ? r->element[2] : NULL;

	if (m->now_ms > m->fresh_until_ms)
		watch_anew(m);
	m->beaten = true;
	m->fresh_until_ms = m->sent_ms + m->o.lease_ms;
	if (revision.len == REVISION_BYTES) {
		uint64_t at = layout_get_be((const uint8_t *)revision.data) & ~((uint64_t)LAYOUT_HELD << 56);

		if (at > m->zero_revision)
			m->zero_revision = at;
	}
	for (size_t i = 0; i < m->n; i++)
		m->all[i].seen = m->all[i].knows_us = m->all[i].forgotten = false;
	if (fields == NULL || fields->type != REDIS_REPLY_ARRAY)
		return;
	for (size_t i = 0; i + 1 < fields->elements; i += 2)
		field_seen(m, proof_text(fields, i), proof_text(fields, i + 1));
	watch_known(m);
	conclude(m);
}

static void
beat_answered(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct members *m = ctx;
	long long code = err == CS_OK ? proof_code(reply->value) : 0;

	m->asked = false;
	if (code == DONE) {
		if (strcmp(reply->tenure, m->tenure) != 0)
			watch_anew(m);
		if (strcmp(reply->tenure, m->tenure) != 0 || m->turn != m->told_turn) {
			m->history++;
			m->zero_revision = 0;
		}
		m->told_turn = m->turn;
		m->why[0] = '\0';
		snprintf(m->tenure, sizeof(m->tenure), "%s", reply->tenure);
		beat_seen(m, reply->value);
	} else if (code == TWIN) {
		m->twin = true;
		m->fresh_until_ms = INT64_MIN;
		tenure_bar(m->o.tenure);
		snprintf(m->why, sizeof(m->why), "another process has taken over this broker's journal id %s: a journal must not be copied; stop one of them",
		    journal_member(m->o.journal));
		log_error("store %s", m->why);
	} else if (code == MOVED) {
		/* A broker that stood still while the others were stopped: its lease ends, and it permits nothing more. */
		if (m->why[0] == '\0')
			log_error("store was moved into a file by 'store migrate': stop this broker, and start it on that file with 'store sqlite'");
		snprintf(m->why, sizeof(m->why), "the store was moved into a file by `countersignctl store migrate`: start the broker on that");
	} else if (code == ANSWER_SUSPECT) {
		tenure_doubt(m->o.tenure, 0);
	}
}

static void
beat(struct members *m, const char *tenure)
{
	struct journal *j = m->o.journal;
	struct store_key zero = {{0}};
	struct layout_key names[4];
	struct view keys[4] = {layout_key(m->o.layout, 0, LAYOUT_BEATS, NULL, 0, &names[0]),
	    layout_key(m->o.layout, 0, LAYOUT_HEAD, NULL, 0, &names[1]), layout_key_of(m->o.layout, LAYOUT_RECORD, &zero, &names[2]),
	    layout_key(m->o.layout, 0, LAYOUT_META, "eta", 3, &names[3])};
	char known[JOURNAL_MEMBERS_MAX * (JOURNAL_MEMBER_TEXT - 1)];
	size_t n = journal_members_n(j);
	struct view args[6];

	for (size_t i = 0; i < n; i++)
		memcpy(known + i * (JOURNAL_MEMBER_TEXT - 1), journal_member_at(j, i, NULL), JOURNAL_MEMBER_TEXT - 1);
	args[0] = view_str(tenure);
	args[1] = view_str(journal_member(j));
	args[2] = view_str(m->o.name);
	args[3] = view_str(m->process);
	/* After a failover the beats may be those of a process before this one. */
	if (strcmp(m->tenure, tenure) != 0 || m->turn != tenure_turn(m->o.tenure, 0))
		m->beaten = false;
	m->turn = tenure_turn(m->o.tenure, 0);
	args[4] = m->beaten ? VIEW("0") : VIEW("1");
	args[5] = view_of(known, n * (JOURNAL_MEMBER_TEXT - 1));
	m->asked = true;
	m->sent_ms = m->now_ms;
	m->next_ms = m->now_ms + m->o.lease_ms / BEATS_IN_LEASE;
	fleet_script(m->o.fleet, 0, SCRIPT_BEAT, keys, 4, args, 6, 0, beat_answered, m);
}

int64_t
members_tick(struct members *m, int64_t now_mono_ms)
{
	int64_t soon = m->o.lease_ms / BEATS_IN_LEASE / 2;
	const char *tenure;

	m->now_ms = now_mono_ms;
	if (m->twin || m->asked)
		return soon;
	if (m->next_ms > now_mono_ms)
		return m->next_ms - now_mono_ms;
	tenure = tenure_shared(m->o.tenure, 0);
	if (tenure == NULL)
		return soon < 20 ? soon : 20;
	beat(m, tenure);
	return soon;
}

static bool
live(const struct members *m, const struct member *e)
{
	return e->moved && !e->silent && !e->forgotten && m->now_ms - e->moved_ms <= m->o.lease_ms + m->o.lease_ms / 4;
}

struct store_view
members_view(const struct members *m, int64_t now_mono_ms)
{
	struct store_view v = {now_mono_ms < m->fresh_until_ms, true, m->zero_revision, m->history};

	/* The least id of those that are alive. */
	for (size_t i = 0; i < m->n; i++)
		if (live(m, &m->all[i]) && strcmp(m->all[i].id, journal_member(m->o.journal)) < 0)
			v.leads = false;
	v.leads = v.leads && v.fresh;
	return v;
}

int64_t
members_fresh_for_ms(const struct members *m, int64_t now_mono_ms)
{
	return now_mono_ms >= m->fresh_until_ms ? 0 : m->fresh_until_ms - now_mono_ms;
}

static void
status_of(const struct members *m, const struct member *e, const char *leader, int64_t now_mono_ms, struct member_status *out)
{
	*out = (struct member_status){.self = is_us(m, e)};
	snprintf(out->id, sizeof(out->id), "%s", e->id);
	snprintf(out->name, sizeof(out->name), "%s", e->name);
	out->live = live(m, e);
	out->leads = leader != NULL && strcmp(leader, e->id) == 0;
	out->beat_ms = e->moved ? now_mono_ms - e->moved_ms : -1;
}

static const char *
leader_of(const struct members *m)
{
	const char *least = NULL;

	for (size_t i = 0; i < m->n; i++)
		if (live(m, &m->all[i]) && (least == NULL || strcmp(m->all[i].id, least) < 0))
			least = m->all[i].id;
	return least;
}

size_t
members_status(const struct members *m, int64_t now_mono_ms, struct member_status *to, size_t max)
{
	const char *leader = leader_of(m);
	size_t n = 0;

	for (size_t i = 0; i < m->n && n < max; i++)
		if (!m->all[i].forgotten)
			status_of(m, &m->all[i], leader, now_mono_ms, &to[n++]);
	return n;
}

enum cs_err
members_find(const struct members *m, const char *name, int64_t now_mono_ms, struct member_status *out)
{
	const struct member *found = NULL;

	for (size_t i = 0; i < m->n; i++) {
		const struct member *e = &m->all[i];

		if (strcmp(e->id, name) == 0) {
			found = e;
			break;
		}
		if (strcmp(e->name, name) != 0 || e->forgotten)
			continue;
		if (found != NULL)
			return CS_ERR_CONFLICT;
		found = e;
	}
	if (found == NULL)
		return CS_ERR_NOT_FOUND;
	status_of(m, found, leader_of(m), now_mono_ms, out);
	return CS_OK;
}

const char *
members_why(const struct members *m)
{
	return m->why;
}
