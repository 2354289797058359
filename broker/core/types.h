/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small values that account, event and decision share. Ids and digests are 16 bytes; the texts behind them live in the
 * events and in the cold state. A tag is the first 8 bytes of the digest of a configured name (service, provider,
 * plugin); two names of one configuration with the same tag are refused when it is loaded.
 */
#ifndef CS_CORE_TYPES_H
#define CS_CORE_TYPES_H

#include "broker/base/buf.h"

struct id {
	uint8_t b[16];
};

struct hash {
	uint8_t b[32];
};

static inline bool
id_equal(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline bool
id_zero(const struct id *a)
{
	static const struct id zero;

	return id_equal(a, &zero);
}

static inline bool
hash_equal(const struct hash *a, const struct hash *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* What a caller may ask for. All operations but OP_SPEND widen power beyond one payment; rules 10 to 12 guard them all. */
enum op {
	OP_NONE,
	OP_SPEND,
	OP_LINK,        /* bind an ID to the account */
	OP_FACTOR,      /* add, replace or remove a factor */
	OP_GRANT,       /* open an allowance or a mandate */
	OP_LIMIT,       /* raise a limit */
	OP_THAW,        /* lift a user's own freeze */
	OP_RECOVER,     /* replace lost factors */
	OP_VIEW,        /* open the owner's page of linked IDs */
	OP__COUNT
};

const char *op_name(enum op op);
/* OP_NONE where there is no such word. */
enum op op_find(struct view name);

enum outcome { OUTCOME_DENY, OUTCOME_STEP_UP, OUTCOME_PERMIT };

const char *outcome_name(enum outcome outcome);

/* Rights of a service, as in its configuration. */
enum right {
	RIGHT_SPEND = 1 << 0,
	RIGHT_REFUND = 1 << 1,
	RIGHT_LINK = 1 << 2,
	RIGHT_ENROL = 1 << 3,
	RIGHT_RESPOND = 1 << 4,
	RIGHT_LOOKUP = 1 << 5,
	RIGHT_ENUMERATE = 1 << 6,
	RIGHT_EXPLAIN = 1 << 7,
	RIGHT_SIGNALS = 1 << 8,
};

enum door { DOOR_UNIX = 1 << 0, DOOR_HTTPS = 1 << 1 };

/* Kinds of factor. Their plugins have the same names. */
enum factor_kind {
	FACTOR_TOTP,
	FACTOR_WEBAUTHN,
	FACTOR_OTP,
	FACTOR_PAM,
	FACTOR_RECOVERY,
	FACTOR_APPROVE,
	FACTOR__COUNT
};

#define FACTOR_KINDS_ALL ((1 << FACTOR__COUNT) - 1)

const char *factor_kind_name(enum factor_kind kind);
/* FACTOR__COUNT where there is no such word. */
enum factor_kind factor_kind_find(struct view name);

/* Who wrote a freeze or a limit; a freeze is lifted only by its own class. */
enum author { AUTHOR_USER, AUTHOR_ADMIN, AUTHOR_BROKER, AUTHOR__COUNT };

const char *author_name(enum author author);

#define HOUR_MS (INT64_C(3600) * 1000)
#define DAY_MS (24 * HOUR_MS)

#endif
