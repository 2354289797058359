/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event: what happened, in one flat value. It is the redo record (apply() turns the old state into the new one with
 * it and nothing else) and the line of the audit log. A field that is zero is not written. Texts (payment id, payee,
 * subject) are not here but in the event's extra bytes, sealed; `extra` holds their hash.
 */
#ifndef CS_CORE_EVENT_H
#define CS_CORE_EVENT_H

#include "broker/base/err.h"
#include "broker/core/account.h"
#include "broker/core/reason.h"

/* X(enum, name): numbers are stored, so the order only grows at its end. */
#define EVENT_TYPES(X) \
	X(NONE, "none") \
	X(FACTOR_ENROLLED, "factor_enrolled") \
	X(FACTOR_REMOVED, "factor_removed") \
	X(FACTOR_FAILED, "factor_failed") \
	X(LINK_PROPOSED, "link_proposed") \
	X(LINK_SUSPENDED, "link_suspended") \
	X(LINK_RESUMED, "link_resumed") \
	X(LINK_REVOKED, "link_revoked") \
	X(SESSION_OPENED, "session_opened") \
	X(SESSION_CLOSED, "session_closed") \
	X(CHALLENGE_OPENED, "challenge_opened") \
	X(CHALLENGE_ANSWERED, "challenge_answered") \
	X(CHALLENGE_REFUSED, "challenge_refused") \
	X(PAYMENT_PERMITTED, "payment_permitted") \
	X(PAYMENT_CAPTURED, "payment_captured") \
	X(PAYMENT_RELEASED, "payment_released") \
	X(PAYMENT_EXPIRED, "payment_expired") \
	X(PAYMENT_REFUNDED, "payment_refunded") \
	X(DENIED, "denied") \
	X(ALLOWANCE_PROPOSED, "allowance_proposed") \
	X(ALLOWANCE_REVOKED, "allowance_revoked") \
	X(LIMIT_SET, "limit_set") \
	X(FROZEN, "frozen") \
	X(THAWED, "thawed") \
	X(NOT_ME, "not_me") \
	X(ACCOUNT_CLOSED, "account_closed") \
	/* of the broker's own record */ \
	X(BROKER_STARTED, "broker_started") \
	X(CONFIGURED, "configured") \
	X(PROVIDER_PINNED, "provider_pinned") \
	X(PROVIDER_FROZEN, "provider_frozen") \
	X(PROVIDER_THAWED, "provider_thawed") \
	X(PROVIDER_LIMIT, "provider_limit") \
	X(BROKER_FROZEN, "broker_frozen") \
	X(BROKER_THAWED, "broker_thawed") \
	X(STRANGERS_DENIED, "strangers_denied") \
	X(SHADOW_DIFFERS, "shadow_differs") /* count decisions that a candidate would have made otherwise */ \
	/* of accounts again */ \
	X(FACTOR_UNLOCKED, "factor_unlocked") \
	X(VIEW_OPENED, "view_opened") \
	X(SIGNALLED, "signalled")                /* a link's provider told of a security event */ \
	/* of the broker's own record again */ \
	X(SIGNAL_UNKNOWN, "signal_unknown")      /* count security events of subjects that nobody has linked */ \
	X(STREAM_SILENT, "stream_silent")        /* nothing was heard of a provider's stream for long */ \
	X(STREAM_HEARD, "stream_heard")          /* and again */ \
	X(LINK_REKEYED, "link_rekeyed") /* its subject goes by another name now */ \
	X(LINK_ATTESTED, "link_attested") /* evidence on it */ \
	/* of the broker's own record again */ \
	X(PROVIDER_REKEYED, "provider_rekeyed") \
	X(PROVIDER_WINDOW, "provider_window") /* in which its links may be moved to new subjects */ \
	X(RECEIVER_SET, "receiver_set")          /* a service's stream of security events was made or changed */ \
	X(RECEIVER_SENT, "receiver_sent")        /* all before `count` was delivered to it */ \
	X(RECEIVER_ENDED, "receiver_ended") \
	X(MEMBER_FORGOTTEN, "member_forgotten")  /* a broker that shared the store will never come back */ \
	X(STORE_RELEASED, "store_released")      /* what the store held back goes on: the record `id`, or bucket `no` - 1 */

enum event_type {
#define X(id, name) EVENT_##id,
	EVENT_TYPES(X)
#undef X
	EVENT__COUNT
};

/*
 * X(member, kind, name): kinds are ID (16 bytes), HASH (32), U64 (a tag), NUM (int64), NOS (CHALLENGE_FACTORS_MAX
 * serial numbers) and TAGS (FACTOR_RESTS_MAX tags, zero where there is none). The order is the encoding's: it only grows at its end, and never beyond 64.
 */
#define EVENT_FIELDS(X) \
	X(op, NUM, "op") \
	X(service, U64, "service") \
	X(provider, U64, "provider") \
	X(plugin, U64, "plugin") \
	X(no, NUM, "no")                      /* serial of what the event makes or is about */ \
	X(link_no, NUM, "link_no") \
	X(target_no, NUM, "target_no") \
	X(id, ID, "id")                       /* of what the event makes or is about */ \
	X(session, ID, "session") \
	X(subject, ID, "subject") \
	X(payment, ID, "payment") \
	X(content, HASH, "content") \
	X(payee, ID, "payee") \
	X(kind, NUM, "kind") \
	X(state, NUM, "state") \
	X(author, NUM, "author") \
	X(basis, NUM, "basis") \
	X(currency, NUM, "currency") \
	X(amount_minor, NUM, "amount") \
	X(captured_minor, NUM, "captured") \
	X(challenge_no, NUM, "challenge_no") \
	X(allowance_no, NUM, "allowance_no") \
	X(factors, NOS, "factors") \
	X(capture, ID, "capture") \
	X(kinds, NUM, "kinds") \
	X(need, NUM, "need") \
	X(step, NUM, "step") \
	X(usable_ms, NUM, "usable_ms") \
	X(expires_ms, NUM, "expires_ms") \
	X(auth_ms, NUM, "auth_ms") \
	X(per_payment_minor, NUM, "per_payment") \
	X(per_day_minor, NUM, "per_day") \
	X(per_month_minor, NUM, "per_month") \
	X(total_minor, NUM, "total") \
	X(count_day, NUM, "count_day") \
	X(count_month, NUM, "count_month") \
	X(day, NUM, "day") \
	X(month, NUM, "month") \
	X(seen_day_minor, NUM, "seen_day")    /* the account's counters that the decision saw */ \
	X(seen_month_minor, NUM, "seen_month") \
	X(seen_count, NUM, "seen_count") \
	X(policy, ID, "policy")               /* digest of the policy that decided */ \
	X(count, NUM, "count") \
	X(flags, NUM, "flags") \
	X(extra, ID, "extra")                 /* first half of the SHA-256 of the extra bytes */ \
	X(notes, NUM, "notes")                /* mask of enum note: of the lines that let it through */ \
	X(needs, NUM, "needs")                /* mask of enum need: counters beyond the usual ones to keep */ \
	X(requires, NUM, "requires")          /* what the answers to a challenge must be */ \
	X(broker, NUM, "broker")              /* revision of the broker's own record that the decision saw */ \
	X(risk, U64, "risk")                  /* risk instances that answered in time; of more than two, the first two */ \
	X(risk_score, NUM, "risk_score")      /* plus one */ \
	X(other_risk, U64, "other_risk") \
	X(other_risk_score, NUM, "other_risk_score") \
	X(candidate, NUM, "candidate")        /* enum reason: what a candidate would have answered */ \
	X(rests, TAGS, "rests")               /* of a new factor: the things that it rests on */ \
	X(copies, NUM, "copies")              /* of a new factor: enum copies */ \
	X(replaces_no, NUM, "replaces_no")    /* the factor that goes when the new one is usable */ \
	X(effects, NUM, "effects")            /* mask of enum signal_effect: what a security event did */ \
	X(digest, ID, "digest")               /* of a re-key: what was before; of evidence: of what it vouches for */

enum event_flag {
	EVENT_FLAG_FIRST = 1 << 0,      /* first factor */
	EVENT_FLAG_CAPTURE = 1 << 1,    /* permitted and captured in one */
	EVENT_FLAG_COMPLETE = 1 << 2,   /* this answer completed the challenge */
	EVENT_FLAG_REPORT = 1 << 3,     /* "this was not me" */
	EVENT_FLAG_ASSUMED = 1 << 4,    /* independence rests on the admin's word */
	EVENT_FLAG_REVIVED = 1 << 5,    /* brings a payment back into the ring */
	EVENT_FLAG_HTTPS = 1 << 6,      /* asked through the HTTPS door */
	EVENT_FLAG_ATTESTED = 1 << 7,   /* of a new factor: its maker vouches for it */
	EVENT_FLAG_VOIDS = 1 << 8,      /* this wrong answer voids the right ones of the challenge */
	EVENT_FLAG_OWN = 1 << 9,        /* asked for a challenge of its own */
	EVENT_FLAG_RESUMES = 1 << 10,   /* this answer lifts the pause of the link's allowances */
	EVENT_FLAG_LOWERED = 1 << 11,   /* this evidence counts for nothing for now */
	EVENT_FLAG_UNDONE = 1 << 12,    /* a re-key that is taken back */
	EVENT_FLAG_SERVICE = 1 << 13,   /* this evidence is a service's, not the provider's */
	EVENT_FLAG_OFFLINE = 1 << 14,   /* said to the store itself, while no broker answered */
};

struct event {
	uint16_t type;    /* enum event_type */
	uint16_t reason;  /* enum reason */
	int64_t time_ms;
	struct hash prev; /* chain: hash of the event before, set by the engine */
#define X(member, kind, name) EVENT_DECLARE_##kind(member);
#define EVENT_DECLARE_ID(member) struct id member
#define EVENT_DECLARE_HASH(member) struct hash member
#define EVENT_DECLARE_U64(member) uint64_t member
#define EVENT_DECLARE_NUM(member) int64_t member
#define EVENT_DECLARE_NOS(member) uint32_t member[CHALLENGE_FACTORS_MAX]
#define EVENT_DECLARE_TAGS(member) uint64_t member[FACTOR_RESTS_MAX]
	EVENT_FIELDS(X)
#undef X
};

const char *event_type_name(enum event_type type);
/* EVENT_NONE where there is no such word. */
enum event_type event_type_find(struct view name);

enum event_field_kind { EVENT_ID, EVENT_HASH, EVENT_U64, EVENT_NUM, EVENT_NOS, EVENT_TAGS };

struct event_field {
	const char *name;
	uint16_t offset;
	uint8_t kind;
};

/* The fields in the order of the encoding; for printers. */
extern const struct event_field event_fields[];
extern const size_t event_fields_n;
/* Whether the field is zero, and therefore not written. */
bool event_field_empty(const struct event *e, const struct event_field *f);

enum { EVENT_VERSION = 1, EVENT_BYTES_MAX = 1024 };

void event_encode(const struct event *e, struct buf *out);
/* CS_ERR_CORRUPT, CS_ERR_VERSION; *e is untouched on failure. */
enum cs_err event_decode(struct view bytes, struct event *e);

#endif
