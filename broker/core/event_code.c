/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one encoding of an event: a version byte, type, reason, time, the hash of the event before
 * it, 8 bytes of mask, then the fields whose bit is set, in the order of EVENT_FIELDS. A field that
 * is zero has no bit. Numbers are zigzag LEB128 in their shortest form, tags 8 bytes, ids and
 * hashes as they are. So one event has one encoding, which is what the chain of hashes needs.
 */
#include "broker/core/event.h"

#include "broker/core/codec.h"

/* --- names and tables --- */

static const char *const type_names[EVENT__COUNT] = {
#define X(id, name) [EVENT_##id] = name,
    EVENT_TYPES(X)
#undef X
};

const char *
event_type_name(enum event_type type)
{
	CHECK((unsigned)type < EVENT__COUNT);
	return type_names[type];
}

enum event_type
event_type_find(struct view name)
{
	for (int i = EVENT_NONE + 1; i < EVENT__COUNT; i++) {
		if (view_equal(name, view_str(type_names[i])))
			return (enum event_type)i;
	}
	return EVENT_NONE;
}

const struct event_field event_fields[] = {
#define X(member, kind, name) {name, offsetof(struct event, member), EVENT_##kind},
    EVENT_FIELDS(X)
#undef X
};

const size_t event_fields_n = sizeof(event_fields) / sizeof(event_fields[0]);

enum {
#define X(member, kind, name) FIELD_##member,
	EVENT_FIELDS(X)
#undef X
	    FIELD__COUNT
};

_Static_assert(FIELD__COUNT < 64, "the mask has a bit for every field");

#define FIELD_BIT(member) (UINT64_C(1) << FIELD_##member)
#define FIELDS_KNOWN ((UINT64_C(1) << FIELD__COUNT) - 1)

static const uint8_t kind_sizes[] = {
    [EVENT_ID] = sizeof(struct id),
    [EVENT_HASH] = sizeof(struct hash),
    [EVENT_U64] = sizeof(uint64_t),
    [EVENT_NUM] = sizeof(int64_t),
    [EVENT_NOS] = sizeof(uint32_t) * CHALLENGE_FACTORS_MAX,
    [EVENT_TAGS] = sizeof(uint64_t) * FACTOR_RESTS_MAX,
};

bool
event_field_empty(const struct event *e, const struct event_field *f)
{
	static const uint8_t zero[sizeof(uint64_t) * FACTOR_RESTS_MAX];

	return memcmp((const uint8_t *)e + f->offset, zero, kind_sizes[f->kind]) == 0;
}

/* --- one function a kind, for the two ends --- */

#define EMPTY_ID(p) id_zero(p)
#define EMPTY_HASH(p) hash_zero(p)
#define EMPTY_U64(p) (*(p) == 0)
#define EMPTY_NUM(p) (*(p) == 0)
#define EMPTY_NOS(p) nos_zero(*(p))
#define EMPTY_TAGS(p) tags_zero(*(p))

CODEC_INLINE bool
hash_zero(const struct hash *h)
{
	static const struct hash zero;

	return hash_equal(h, &zero);
}

CODEC_INLINE bool
nos_zero(const uint32_t nos[CHALLENGE_FACTORS_MAX])
{
	uint32_t any = 0;

	for (size_t i = 0; i < CHALLENGE_FACTORS_MAX; i++)
		any |= nos[i];
	return any == 0;
}

CODEC_INLINE bool
tags_zero(const uint64_t tags[FACTOR_RESTS_MAX])
{
	uint64_t any = 0;

	for (size_t i = 0; i < FACTOR_RESTS_MAX; i++)
		any |= tags[i];
	return any == 0;
}

#define CODE_ID(c, mode, p) code_id((c), (mode), (p))
#define CODE_HASH(c, mode, p) code_bytes((c), (mode), (p)->b, sizeof((p)->b))
#define CODE_U64(c, mode, p) code_u64((c), (mode), (p))
#define CODE_NUM(c, mode, p) code_num((c), (mode), (p))
#define CODE_NOS(c, mode, p) code_nos((c), (mode), *(p))
#define CODE_TAGS(c, mode, p) code_tags((c), (mode), *(p))

CODEC_INLINE void
code_nos(struct codec *c, enum codec_mode mode, uint32_t nos[CHALLENGE_FACTORS_MAX])
{
	for (size_t i = 0; i < CHALLENGE_FACTORS_MAX; i++)
		code_u32(c, mode, &nos[i]);
}

/* A mask of the places used, then their tags. */
CODEC_INLINE void
code_tags(struct codec *c, enum codec_mode mode, uint64_t tags[FACTOR_RESTS_MAX])
{
	uint8_t used = 0;

	for (uint8_t i = 0; mode == CODEC_WRITE && i < FACTOR_RESTS_MAX; i++)
		used |= tags[i] != 0 ? (uint8_t)(1 << i) : 0;
	code_u8(c, mode, &used);
	for (uint8_t i = 0; i < FACTOR_RESTS_MAX; i++) {
		if ((used & 1 << i) == 0)
			continue;
		code_u64(c, mode, &tags[i]);
		c->bad |= tags[i] == 0;
	}
}

/* No field is longer than this when written. */
enum {
	LONGEST_ID = sizeof(struct id),
	LONGEST_HASH = sizeof(struct hash),
	LONGEST_U64 = sizeof(uint64_t),
	LONGEST_NUM = VAR_BYTES_MAX,
	LONGEST_NOS = 5 * CHALLENGE_FACTORS_MAX,
	LONGEST_TAGS = 1 + 8 * FACTOR_RESTS_MAX,
	LONGEST_HEAD = 1 + 3 + 3 + VAR_BYTES_MAX + sizeof(struct hash) + 8,
#define X(member, kind, name) +LONGEST_##kind
	LONGEST_EVENT = LONGEST_HEAD EVENT_FIELDS(X)
#undef X
};

_Static_assert((int)LONGEST_EVENT <= (int)EVENT_BYTES_MAX, "an event fits its bound");

CODEC_INLINE void
code_head(struct codec *c, enum codec_mode mode, struct event *e)
{
	code_u16(c, mode, &e->type);
	code_u16(c, mode, &e->reason);
	code_num(c, mode, &e->time_ms);
	code_bytes(c, mode, e->prev.b, sizeof(e->prev.b));
}

void
event_encode(const struct event *event, struct buf *out)
{
	struct event *e = (struct event *)event; /* writing only reads it */
	uint8_t mem[EVENT_BYTES_MAX], *mask_at;
	struct codec c = {.to = mem}, patch;
	uint64_t mask = 0;

	CHECK(e->type < EVENT__COUNT && e->reason < REASON__COUNT);
	*c.to++ = EVENT_VERSION;
	code_head(&c, CODEC_WRITE, e);
	mask_at = c.to;
	c.to += sizeof(mask);
#define X(member, kind, name)                                                                      \
	if (!EMPTY_##kind(&e->member)) {                                                           \
		mask |= FIELD_BIT(member);                                                         \
		CODE_##kind(&c, CODEC_WRITE, &e->member);                                          \
	}
	EVENT_FIELDS(X)
#undef X
	patch = (struct codec){.to = mask_at};
	code_u64(&patch, CODEC_WRITE, &mask);
	CHECK((size_t)(c.to - mem) <= sizeof(mem));
	buf_put(out, mem, (size_t)(c.to - mem));
}

enum cs_err
event_decode(struct view bytes, struct event *out)
{
	const uint8_t *from = (const uint8_t *)bytes.data;
	struct codec c = {.from = from, .end = from + bytes.len};
	struct event event, *e = &event;
	uint64_t mask = 0;
	uint8_t version = 0;

	memset(e, 0, sizeof(*e));
	code_u8(&c, CODEC_READ, &version);
	if (c.bad || version == 0)
		return CS_ERR_CORRUPT;
	if (version != EVENT_VERSION)
		return CS_ERR_VERSION;
	code_head(&c, CODEC_READ, e);
	code_u64(&c, CODEC_READ, &mask);
	if (c.bad)
		return CS_ERR_CORRUPT;
	/* Types, reasons and fields only grow: what is beyond ours was written by a newer version.
	 */
	if (e->type >= EVENT__COUNT || e->reason >= REASON__COUNT || (mask & ~FIELDS_KNOWN) != 0)
		return CS_ERR_VERSION;
#define X(member, kind, name)                                                                      \
	if ((mask & FIELD_BIT(member)) != 0) {                                                     \
		CODE_##kind(&c, CODEC_READ, &e->member);                                           \
		c.bad |= EMPTY_##kind(&e->member);                                                 \
	}
	EVENT_FIELDS(X)
#undef X
	if (c.bad || c.from != c.end)
		return CS_ERR_CORRUPT;
	*out = event;
	return CS_OK;
}
