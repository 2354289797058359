/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one encoding of an account. A version byte, the scalars, the ten counts, then the used
 * entries of each array in the order of struct account. Numbers are LEB128 (signed ones zigzag).
 * What repeats is said shorter:
 *
 *   time       0 for 0; else one more than its zigzag distance from the time before it (at first,
 * the account's) expiry     its distance from its beginning, as a difference to that distance of
 * the entry before currency   as a difference to the currency before it tag        its place among
 * the tags seen so far, from 1; or 0 and the 8 bytes subject    0: zero; 1 to 16: the subject of
 * that link; 17: the 16 bytes follow id         where it may be zero: 0, or 1 and the 16 bytes
 *   captured   0: nothing; else one more than the difference to the whole amount
 *
 * A reader refuses the longer form where the shorter would do. The key and the revision are not
 * inside: the store has them, and gives them back.
 */
#include "broker/core/account.h"

#include "broker/core/codec.h"
#include "broker/core/money.h"

/*
 * Version 2 has what stacks with wider limits need: the kinds of counters, where a payment was counted, what a challenge
 * requires, and raises that wait. Version 3 has that and what factors rest on; version 4 that and what security events left;
 * version 5 that and evidence on links, and subjects that links were moved from. An account is written in the oldest version
 * that has room for it, and refused in any other.
 */
enum {
	PAYMENT_VERSION = 1,
	TAGS_SEEN_MAX = 16,
	SUBJECT_RAW = ACCOUNT_LINKS_MAX + 1
};

/*
 * Why ACCOUNT_BYTES_MAX suffices: a member of 8 bytes takes at most 10, of 4 at most 5, of 2 at
 * most 3, of 1 one, an id or a tag one more than its size. Nothing grows to more than three halves.
 */
_Static_assert(ACCOUNT_BYTES_MAX >= sizeof(struct account) * 3 / 2, "an account fits its bound");
_Static_assert(PAYMENT_BYTES_MAX >= sizeof(struct payment) * 3 / 2, "a payment fits its bound");

struct walk {
	struct codec c;
	int64_t last_ms;       /* the time before this one */
	uint64_t last_span_ms; /* how long the entry before this one lives */
	uint16_t last_currency;
	uint8_t tags_n;
	uint8_t links_n;
	uint64_t tags[TAGS_SEEN_MAX];
	const struct link *links;
	uint8_t version;       /* enum account_version; a constant where it counts */
};

/* A time of an entry, near to the one before it. */
CODEC_INLINE void
code_time(struct walk *w, enum codec_mode mode, int64_t *ms)
{
	uint64_t v = 0;

	if (mode == CODEC_WRITE && *ms != 0)
		v = zigzag((int64_t)((uint64_t)*ms - (uint64_t)w->last_ms)) + 1;
	code_var(&w->c, mode, &v);
	if (mode == CODEC_READ) {
		*ms = v == 0 ? 0 : (int64_t)((uint64_t)unzigzag(v - 1) + (uint64_t)w->last_ms);
		w->c.bad |= *ms < 0 || (v != 0 && *ms == 0);
	}
	if (v != 0)
		w->last_ms = *ms;
}

/* A beginning and an end. Holds and allowances of one account mostly live equally long. */
CODEC_INLINE void
code_span(struct walk *w, enum codec_mode mode, int64_t *from_ms, int64_t *to_ms)
{
	uint64_t span = 0;
	int64_t change = 0;

	code_time(w, mode, from_ms);
	if (mode == CODEC_WRITE) {
		span = (uint64_t)*to_ms - (uint64_t)*from_ms;
		change = (int64_t)(span - w->last_span_ms);
	}
	code_num(&w->c, mode, &change);
	if (mode == CODEC_READ) {
		span = (uint64_t)change + w->last_span_ms;
		*to_ms = (int64_t)((uint64_t)*from_ms + span);
	}
	w->last_span_ms = span;
}

CODEC_INLINE void
code_currency(struct walk *w, enum codec_mode mode, uint16_t *currency)
{
	int32_t change = mode == CODEC_WRITE ? *currency - w->last_currency : 0;

	code_i32(&w->c, mode, &change);
	if (mode == CODEC_READ) {
		int64_t v = (int64_t)w->last_currency + change;

		w->c.bad |= v < 0 || v > CURRENCY_NUMBER_MAX;
		*currency = (uint16_t)v;
	}
	w->last_currency = *currency;
}

/* Where among the tags seen it is, from 1; or 0. */
CODEC_INLINE uint8_t
tag_place(const struct walk *w, uint64_t tag)
{
	for (uint8_t i = 0; i < w->tags_n; i++) {
		if (w->tags[i] == tag)
			return (uint8_t)(i + 1);
	}
	return 0;
}

CODEC_INLINE void
code_tag(struct walk *w, enum codec_mode mode, uint64_t *tag)
{
	uint8_t place = mode == CODEC_WRITE ? tag_place(w, *tag) : 0;

	code_u8(&w->c, mode, &place);
	if (place == 0) {
		code_u64(&w->c, mode, tag);
		if (mode == CODEC_READ)
			w->c.bad |= tag_place(w, *tag) != 0;
		if (w->tags_n < TAGS_SEEN_MAX)
			w->tags[w->tags_n++] = *tag;
	} else if (mode == CODEC_READ) {
		w->c.bad |= place > w->tags_n;
		*tag = place > w->tags_n ? 0 : w->tags[place - 1];
	}
}

CODEC_INLINE uint8_t
subject_place(const struct walk *w, const struct id *subject)
{
	if (id_zero(subject))
		return 0;
	for (uint8_t i = 0; i < w->links_n; i++) {
		if (id_equal(&w->links[i].subject, subject))
			return (uint8_t)(i + 1);
	}
	return SUBJECT_RAW;
}

CODEC_INLINE void
code_subject(struct walk *w, enum codec_mode mode, struct id *subject)
{
	uint8_t place = mode == CODEC_WRITE ? subject_place(w, subject) : 0;

	code_u8(&w->c, mode, &place);
	if (place == SUBJECT_RAW)
		code_id(&w->c, mode, subject);
	else if (mode == CODEC_READ)
		*subject = place == 0 || place > w->links_n ? (struct id){{0}}
							    : w->links[place - 1].subject;
	if (mode == CODEC_READ)
		w->c.bad |= subject_place(w, subject) != place;
}

/* An id that is often zero. */
CODEC_INLINE void
code_id_or_zero(struct walk *w, enum codec_mode mode, struct id *id)
{
	uint8_t there = mode == CODEC_WRITE ? !id_zero(id) : 0;

	code_u8(&w->c, mode, &there);
	w->c.bad |= there > 1;
	if (there != 0) {
		code_id(&w->c, mode, id);
		if (mode == CODEC_READ)
			w->c.bad |= id_zero(id);
	} else if (mode == CODEC_READ) {
		*id = (struct id){{0}};
	}
}

/* Serials of factors: how many places there are up to the last one used, then those. */
CODEC_INLINE void
code_nos(struct walk *w, enum codec_mode mode, uint32_t nos[CHALLENGE_FACTORS_MAX])
{
	uint8_t n = CHALLENGE_FACTORS_MAX;

	if (mode == CODEC_WRITE) {
		while (n > 0 && nos[n - 1] == 0)
			n--;
	}
	code_u8(&w->c, mode, &n);
	if (n > CHALLENGE_FACTORS_MAX) {
		w->c.bad = true;
		n = 0;
	}
	for (uint8_t i = 0; i < n; i++)
		code_u32(&w->c, mode, &nos[i]);
	if (mode == CODEC_READ) {
		w->c.bad |= n > 0 && nos[n - 1] == 0;
		for (uint8_t i = n; i < CHALLENGE_FACTORS_MAX; i++)
			nos[i] = 0;
	}
}

/* Two small enums in one byte. */
CODEC_INLINE void
code_pair(struct walk *w, enum codec_mode mode, uint8_t *low, uint8_t *high)
{
	uint8_t both = mode == CODEC_WRITE ? (uint8_t)(*low | *high << 4) : 0;

	code_u8(&w->c, mode, &both);
	if (mode == CODEC_READ) {
		*low = both & 0x0f;
		*high = both >> 4;
	}
}

/* Mostly nothing or all of it was captured: 0, or one more than what was left. */
CODEC_INLINE void
code_captured(struct walk *w, enum codec_mode mode, int64_t amount, int64_t *captured)
{
	uint64_t v =
	    mode == CODEC_WRITE && *captured != 0 ? (uint64_t)amount - (uint64_t)*captured + 1 : 0;

	code_var(&w->c, mode, &v);
	if (mode == CODEC_READ) {
		*captured = v == 0 ? 0 : (int64_t)((uint64_t)amount - (v - 1));
		w->c.bad |= v != 0 && *captured <= 0;
	}
}

/* How many there are, then each. */
CODEC_INLINE void
code_requires(struct walk *w, enum codec_mode mode, struct requirement r[REQUIREMENTS_MAX])
{
	uint8_t n = 0;

	if (w->version < ACCOUNT_VERSION_WIDE) {
		if (mode == CODEC_READ)
			memset(r, 0, REQUIREMENTS_MAX * sizeof(*r));
		return;
	}
	while (mode == CODEC_WRITE && n < REQUIREMENTS_MAX && r[n].any != 0)
		n++;
	code_u8(&w->c, mode, &n);
	if (n > REQUIREMENTS_MAX) {
		w->c.bad = true;
		n = 0;
	}
	for (uint8_t i = 0; i < n; i++) {
		code_u8(&w->c, mode, &r[i].any);
		code_u8(&w->c, mode, &r[i].all);
		code_u8(&w->c, mode, &r[i].need);
		w->c.bad |= r[i].any == 0;
	}
	if (mode == CODEC_READ)
		memset(r + n, 0, (size_t)(REQUIREMENTS_MAX - n) * sizeof(*r));
}

/* What a factor rests on: a mask of the places used, then their tags. */
CODEC_INLINE void
code_rests(struct walk *w, enum codec_mode mode, struct factor *f)
{
	uint8_t used = 0;

	if (w->version < ACCOUNT_VERSION_RESTS) {
		if (mode == CODEC_READ) {
			memset(f->rests, 0, sizeof(f->rests));
			f->copies = f->attested = 0;
			f->replaces_no = 0;
		}
		return;
	}
	code_pair(w, mode, &f->copies, &f->attested);
	code_u32(&w->c, mode, &f->replaces_no);
	for (uint8_t i = 0; mode == CODEC_WRITE && i < FACTOR_RESTS_MAX; i++)
		used |= f->rests[i] != 0 ? (uint8_t)(1 << i) : 0;
	code_u8(&w->c, mode, &used);
	for (uint8_t i = 0; i < FACTOR_RESTS_MAX; i++) {
		if (mode == CODEC_READ)
			f->rests[i] = 0;
		if ((used & 1 << i) == 0)
			continue;
		code_u64(&w->c, mode, &f->rests[i]);
		w->c.bad |= f->rests[i] == 0;
	}
}

/* --- the entries, each member once --- */

CODEC_INLINE void
code_link(struct walk *w, enum codec_mode mode, struct link *l)
{
	code_id(&w->c, mode, &l->id);
	code_id(&w->c, mode, &l->subject);
	code_tag(w, mode, &l->provider);
	code_u32(&w->c, mode, &l->no);
	code_u8(&w->c, mode, &l->state);
	code_time(w, mode, &l->since_ms);
	code_time(w, mode, &l->usable_ms);
	code_time(w, mode, &l->sessions_since_ms);
	code_num(&w->c, mode, &l->prompts_day);
	code_u32(&w->c, mode, &l->prompts);
	if (w->version >= ACCOUNT_VERSION_SIGNALS) {
		code_u8(&w->c, mode, &l->signal);
		code_time(w, mode, &l->signalled_ms);
	} else if (mode == CODEC_READ) {
		l->signal = 0;
		l->signalled_ms = 0;
	}
	if (w->version >= ACCOUNT_VERSION_FACTS)
		code_id_or_zero(w, mode, &l->was);
	else if (mode == CODEC_READ)
		l->was = (struct id){{0}};
}

CODEC_INLINE void
code_factor(struct walk *w, enum codec_mode mode, struct factor *f)
{
	code_id(&w->c, mode, &f->id);
	code_tag(w, mode, &f->plugin);
	code_u32(&w->c, mode, &f->no);
	code_u8(&w->c, mode, &f->kind);
	code_pair(w, mode, &f->removed, &f->first);
	code_u8(&w->c, mode, &f->failures);
	code_u8(&w->c, mode, &f->lock_level);
	code_time(w, mode, &f->since_ms);
	code_time(w, mode, &f->usable_ms);
	code_time(w, mode, &f->locked_until_ms);
	code_num(&w->c, mode, &f->last_step);
	code_nos(w, mode, f->rests_on);
	code_rests(w, mode, f);
}

CODEC_INLINE void
code_session(struct walk *w, enum codec_mode mode, struct session *s)
{
	code_id(&w->c, mode, &s->id);
	code_tag(w, mode, &s->service);
	code_u32(&w->c, mode, &s->link_no);
	code_u8(&w->c, mode, &s->countersigned);
	code_time(w, mode, &s->opened_ms);
	code_time(w, mode, &s->used_ms);
	code_time(w, mode, &s->auth_ms);
}

CODEC_INLINE void
code_allowance(struct walk *w, enum codec_mode mode, struct allowance *a)
{
	code_id(&w->c, mode, &a->id);
	code_id_or_zero(w, mode, &a->payee);
	code_tag(w, mode, &a->service);
	code_u32(&w->c, mode, &a->no);
	code_u32(&w->c, mode, &a->link_no);
	code_currency(w, mode, &a->currency);
	code_pair(w, mode, &a->kind, &a->state);
	code_num(&w->c, mode, &a->per_payment_minor);
	code_num(&w->c, mode, &a->per_day_minor);
	code_num(&w->c, mode, &a->total_minor);
	code_num(&w->c, mode, &a->spent_minor);
	code_i32(&w->c, mode, &a->day);
	code_num(&w->c, mode, &a->day_spent_minor);
	code_span(w, mode, &a->granted_ms, &a->expires_ms);
	code_nos(w, mode, a->factors);
	if (w->version >= ACCOUNT_VERSION_SIGNALS)
		code_time(w, mode, &a->paused_ms);
	else if (mode == CODEC_READ)
		a->paused_ms = 0;
}

CODEC_INLINE void
code_challenge(struct walk *w, enum codec_mode mode, struct challenge *ch)
{
	code_id(&w->c, mode, &ch->id);
	code_bytes(&w->c, mode, ch->content.b, sizeof(ch->content.b));
	code_id_or_zero(w, mode, &ch->payment);
	code_id_or_zero(w, mode, &ch->session);
	code_tag(w, mode, &ch->service);
	code_u32(&w->c, mode, &ch->no);
	code_u32(&w->c, mode, &ch->link_no);
	code_u32(&w->c, mode, &ch->target_no);
	code_pair(w, mode, &ch->op, &ch->state);
	code_u8(&w->c, mode, &ch->kinds);
	code_u8(&w->c, mode, &ch->need);
	code_u8(&w->c, mode, &ch->wrong);
	code_requires(w, mode, ch->requires);
	code_span(w, mode, &ch->opened_ms, &ch->expires_ms);
	code_time(w, mode, &ch->done_ms);
	code_nos(w, mode, ch->factors);
}

CODEC_INLINE void
code_payment(struct walk *w, enum codec_mode mode, struct payment *p)
{
	code_id(&w->c, mode, &p->id);
	code_id(&w->c, mode, &p->content);
	code_id_or_zero(w, mode, &p->capture);
	code_subject(w, mode, &p->subject);
	code_tag(w, mode, &p->service);
	code_u32(&w->c, mode, &p->link_no);
	code_u32(&w->c, mode, &p->allowance_no);
	code_currency(w, mode, &p->currency);
	code_pair(w, mode, &p->state, &p->basis);
	code_num(&w->c, mode, &p->amount_minor);
	code_captured(w, mode, p->amount_minor, &p->captured_minor);
	code_num(&w->c, mode, &p->refunded_minor);
	code_span(w, mode, &p->permitted_ms, &p->expires_ms);
	if (w->version >= ACCOUNT_VERSION_WIDE)
		code_u16(&w->c, mode, &p->needs);
	else if (mode == CODEC_READ)
		p->needs = 0;
}

CODEC_INLINE void
code_refund(struct walk *w, enum codec_mode mode, struct refund *r)
{
	code_id(&w->c, mode, &r->id);
	code_id(&w->c, mode, &r->payment);
	code_num(&w->c, mode, &r->amount_minor);
}

CODEC_INLINE void
code_counter(struct walk *w, enum codec_mode mode, struct counter *k)
{
	code_subject(w, mode, &k->subject);
	code_currency(w, mode, &k->currency);
	if (w->version >= ACCOUNT_VERSION_WIDE)
		code_pair(w, mode, &k->kind, &k->of);
	else if (mode == CODEC_READ)
		k->kind = k->of = 0;
	code_i32(&w->c, mode, &k->day);
	code_i32(&w->c, mode, &k->month);
	code_num(&w->c, mode, &k->day_minor);
	code_num(&w->c, mode, &k->month_minor);
	code_u32(&w->c, mode, &k->day_count);
	code_u32(&w->c, mode, &k->month_count);
}

CODEC_INLINE void
code_limit(struct walk *w, enum codec_mode mode, struct limit *l)
{
	code_u32(&w->c, mode, &l->link_no);
	code_currency(w, mode, &l->currency);
	code_u8(&w->c, mode, &l->author);
	code_num(&w->c, mode, &l->per_payment_minor);
	code_num(&w->c, mode, &l->per_day_minor);
	code_num(&w->c, mode, &l->per_month_minor);
	code_i32(&w->c, mode, &l->count_day);
	code_i32(&w->c, mode, &l->count_month);
	if (w->version >= ACCOUNT_VERSION_WIDE)
		code_time(w, mode, &l->effective_ms);
	else if (mode == CODEC_READ)
		l->effective_ms = 0;
}

CODEC_INLINE void
code_freeze(struct walk *w, enum codec_mode mode, struct freeze *f)
{
	code_u32(&w->c, mode, &f->link_no);
	code_u8(&w->c, mode, &f->author);
	code_time(w, mode, &f->since_ms);
}

CODEC_INLINE void
code_fact(struct walk *w, enum codec_mode mode, struct fact *f)
{
	code_id(&w->c, mode, &f->id);
	code_id_or_zero(w, mode, &f->value);
	code_tag(w, mode, &f->kind);
	code_tag(w, mode, &f->by);
	code_u32(&w->c, mode, &f->link_no);
	code_pair(w, mode, &f->by_service, &f->lowered);
	code_time(w, mode, &f->verified_ms);
	code_time(w, mode, &f->since_ms);
}

CODEC_INLINE void
code_scalars(struct walk *w, enum codec_mode mode, struct account *a)
{
	code_bytes(&w->c, mode, a->chain.b, sizeof(a->chain.b));
	code_id(&w->c, mode, &a->salt);
	code_time(w, mode, &a->time_ms);
	code_time(w, mode, &a->sessions_since_ms);
	code_u32(&w->c, mode, &a->next_no);
	code_u8(&w->c, mode, &a->status);
	code_pair(w, mode, &a->enrolled, &a->overflowed);
	code_u8(&w->c, mode, &a->links_n);
	code_u8(&w->c, mode, &a->factors_n);
	code_u8(&w->c, mode, &a->sessions_n);
	code_u8(&w->c, mode, &a->allowances_n);
	code_u8(&w->c, mode, &a->challenges_n);
	code_u8(&w->c, mode, &a->payments_n);
	code_u8(&w->c, mode, &a->refunds_n);
	code_u8(&w->c, mode, &a->counters_n);
	code_u8(&w->c, mode, &a->limits_n);
	code_u8(&w->c, mode, &a->freezes_n);
	if (w->version >= ACCOUNT_VERSION_FACTS)
		code_u8(&w->c, mode, &a->facts_n);
	else if (mode == CODEC_READ)
		a->facts_n = 0;
}

/* The used entries of one array. A bad reader stops, so that a forged count costs nothing. */
#define CODE_ENTRIES(w, mode, a, array, one)                                                       \
	for (size_t i = 0; i < (a)->array##_n && !(w)->c.bad; i++)                                 \
	one((w), (mode), &(a)->array[i])

CODEC_INLINE void
code_account(struct walk *w, enum codec_mode mode, struct account *a)
{
	code_scalars(w, mode, a);
	if (w->c.bad || !account_bounded(a)) {
		w->c.bad = true;
		return;
	}
	CODE_ENTRIES(w, mode, a, links, code_link);
	w->links = a->links;
	w->links_n = a->links_n;
	CODE_ENTRIES(w, mode, a, factors, code_factor);
	CODE_ENTRIES(w, mode, a, sessions, code_session);
	CODE_ENTRIES(w, mode, a, allowances, code_allowance);
	CODE_ENTRIES(w, mode, a, challenges, code_challenge);
	CODE_ENTRIES(w, mode, a, payments, code_payment);
	CODE_ENTRIES(w, mode, a, refunds, code_refund);
	CODE_ENTRIES(w, mode, a, counters, code_counter);
	CODE_ENTRIES(w, mode, a, limits, code_limit);
	CODE_ENTRIES(w, mode, a, freezes, code_freeze);
	CODE_ENTRIES(w, mode, a, facts, code_fact);
}

/* --- the two ends --- */

/* Not the tags: only those seen are read. */
CODEC_INLINE void
walk_begin(struct walk *w, uint8_t *to, struct view bytes, enum account_version version)
{
	const uint8_t *from = (const uint8_t *)bytes.data;

	w->c = (struct codec){to, from, from + bytes.len, false};
	w->last_ms = 0;
	w->last_span_ms = 0;
	w->last_currency = CURRENCY_NONE;
	w->tags_n = w->links_n = 0;
	w->links = NULL;
	w->version = (uint8_t)version;
}

/* One pair of functions a version, so that the usual one has nothing to ask. Writing only reads the account. */
#define ACCOUNT_CODEC(name, number) \
	static __attribute__((noinline)) size_t \
	encode_##name(const struct account *a, uint8_t *mem) \
	{ \
		struct walk w; \
		walk_begin(&w, mem, VIEW(""), number); \
		*w.c.to++ = number; \
		code_account(&w, CODEC_WRITE, (struct account *)a); \
		return (size_t)(w.c.to - mem); \
	} \
	static __attribute__((noinline)) bool \
	decode_##name(struct view bytes, struct account *a) \
	{ \
		struct walk w; \
		walk_begin(&w, NULL, bytes, number); \
		code_account(&w, CODEC_READ, a); \
		return !w.c.bad && w.c.from == w.c.end; \
	}

ACCOUNT_CODEC(narrow, ACCOUNT_VERSION_NARROW)
ACCOUNT_CODEC(wide, ACCOUNT_VERSION_WIDE)
ACCOUNT_CODEC(rests, ACCOUNT_VERSION_RESTS)
ACCOUNT_CODEC(signals, ACCOUNT_VERSION_SIGNALS)
ACCOUNT_CODEC(facts, ACCOUNT_VERSION_FACTS)

void
account_encode(const struct account *a, struct buf *out)
{
	static size_t (*const encoders[ACCOUNT_VERSION__END])(const struct account *, uint8_t *) = {
		[ACCOUNT_VERSION_NARROW] = encode_narrow,
		[ACCOUNT_VERSION_WIDE] = encode_wide,
		[ACCOUNT_VERSION_RESTS] = encode_rests,
		[ACCOUNT_VERSION_SIGNALS] = encode_signals,
		[ACCOUNT_VERSION_FACTS] = encode_facts,
	};
	uint8_t mem[ACCOUNT_BYTES_MAX];
	size_t n;

	CHECK(account_bounded(a));
	n = encoders[account_version(a)](a, mem);
	CHECK(n <= sizeof(mem));
	buf_put(out, mem, n);
}

enum cs_err
account_decode(struct view bytes, const struct id *key, uint64_t revision, struct account *a)
{
	static bool (*const decoders[ACCOUNT_VERSION__END])(struct view, struct account *) = {
		[ACCOUNT_VERSION_NARROW] = decode_narrow,
		[ACCOUNT_VERSION_WIDE] = decode_wide,
		[ACCOUNT_VERSION_RESTS] = decode_rests,
		[ACCOUNT_VERSION_SIGNALS] = decode_signals,
		[ACCOUNT_VERSION_FACTS] = decode_facts,
	};
	uint8_t version = bytes.len == 0 ? 0 : (uint8_t)bytes.data[0];

	if (version == 0)
		return CS_ERR_CORRUPT;
	if (version >= ACCOUNT_VERSION__END)
		return CS_ERR_VERSION;
	a->key = *key;
	a->revision = revision;
	if (!decoders[version](view_of(bytes.data + 1, bytes.len - 1), a) || !account_valid(a))
		return CS_ERR_CORRUPT;
	/* One spelling of each account: no newer version than it needs. */
	return version == ACCOUNT_VERSION_NARROW || account_version(a) == version ? CS_OK : CS_ERR_CORRUPT;
}

void
payment_encode(const struct payment *p, struct buf *out)
{
	uint8_t mem[PAYMENT_BYTES_MAX];
	struct walk w;

	/* A finished payment gives nothing back any more: where it was counted does not matter. */
	walk_begin(&w, mem, VIEW(""), ACCOUNT_VERSION_NARROW);
	*w.c.to++ = PAYMENT_VERSION;
	code_payment(&w, CODEC_WRITE, (struct payment *)p);
	CHECK((size_t)(w.c.to - mem) <= sizeof(mem));
	buf_put(out, mem, (size_t)(w.c.to - mem));
}

enum cs_err
payment_decode(struct view bytes, struct payment *p)
{
	uint8_t version = bytes.len == 0 ? 0 : (uint8_t)bytes.data[0];
	struct payment read;
	struct walk w;

	if (version == 0)
		return CS_ERR_CORRUPT;
	if (version != PAYMENT_VERSION)
		return CS_ERR_VERSION;
	walk_begin(&w, NULL, view_of(bytes.data + 1, bytes.len - 1),
	    ACCOUNT_VERSION_NARROW);
	code_payment(&w, CODEC_READ, &read);
	if (w.c.bad || w.c.from != w.c.end || !payment_valid(&read))
		return CS_ERR_CORRUPT;
	*p = read;
	return CS_OK;
}
