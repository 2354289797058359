/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hot state of one account: what a decision reads. Flat, bounded, without pointers, so that a copy is a snapshot.
 * Things inside an account are named by a serial number (`no`, never used again); outside by the account's key and
 * their 16-byte id. Arrays are dense: entry i is valid for i < n, nothing beyond is read, nothing needs to be zeroed.
 */
#ifndef CS_CORE_ACCOUNT_H
#define CS_CORE_ACCOUNT_H

#include "broker/base/err.h"
#include "broker/core/types.h"

enum {
	ACCOUNT_LINKS_MAX = 16,
	ACCOUNT_FACTORS_MAX = 16,
	ACCOUNT_SESSIONS_MAX = 16,
	ACCOUNT_ALLOWANCES_MAX = 32,
	ACCOUNT_CHALLENGES_MAX = 8,
	ACCOUNT_HOLDS_MAX = 64,    /* open ones */
	ACCOUNT_RECENT_MAX = 16,   /* finished payments that stay in the state; older ones go to the store's table */
	ACCOUNT_PAYMENTS_MAX = ACCOUNT_HOLDS_MAX + ACCOUNT_RECENT_MAX,
	ACCOUNT_REFUNDS_MAX = 16,  /* newest refunds; older ones go to the store's table */
	ACCOUNT_COUNTERS_MAX = 64,
	ACCOUNT_LIMITS_MAX = 16,
	ACCOUNT_FREEZES_MAX = 8,
	ACCOUNT_FACTS_MAX = 32,
	LINK_FACTS_MAX = 8,        /* so that no link takes the places of the others */
	CHALLENGE_FACTORS_MAX = 4, /* factors behind one countersignature */
	CHALLENGE_WRONG_MAX = 5,   /* wrong answers that end a challenge */
	FACTOR_FAILURES_MAX = 5,   /* wrong answers in a row that lock a factor (PSD2 RTS, Article 4(3)(b)) */
	FACTOR_RESTS_MAX = 8,      /* things that a factor rests on: a mail domain and its parents, prefixes of a number */
};

enum account_status { ACCOUNT_NONE, ACCOUNT_OPEN, ACCOUNT_CLOSED };

enum link_state { LINK_PROPOSED, LINK_ACTIVE, LINK_SUSPENDED, LINK_REVOKED, LINK__STATES };

/* cooling_off is not a state of its own: a link is cooling off while it is active and usable_ms lies ahead. */
struct link {
	struct id id;
	struct id subject;         /* salted digest of (realm, provider, issuer, subject) */
	struct id was;             /* the subject that it was moved from, which nobody else may link; or zero */
	uint64_t provider;         /* tag */
	uint32_t no;
	uint8_t state;
	int64_t since_ms;
	int64_t usable_ms;
	int64_t sessions_since_ms; /* sessions opened before this are revoked */
	int64_t prompts_day;       /* day number of the prompt budget */
	uint32_t prompts;          /* challenges opened through this link on that day */
	/* The newest security event of its provider that took power away and was not lifted since; see signal.h. */
	uint8_t signal;            /* enum signal_kind */
	int64_t signalled_ms;      /* 0: there is none */
};

/* Of one printed list: the codes that were used are bits of factor.last_step, which is never negative. */
enum { RECOVERY_CODES_MAX = 63 };

/* Whether a factor's secret may have copies elsewhere, such as in the cloud of a provider. */
enum copies { COPIES_UNKNOWN, COPIES_NONE, COPIES_POSSIBLE, COPIES__COUNT };

struct factor {
	struct id id;
	uint64_t plugin;           /* tag */
	uint32_t no;
	uint8_t kind;              /* enum factor_kind */
	uint8_t removed;
	uint8_t first;             /* the account's first factor, enrolled on a service's word */
	uint8_t failures;          /* wrong answers in a row */
	uint8_t lock_level;        /* how often it was locked in a row: the time doubles */
	int64_t since_ms;
	int64_t usable_ms;
	int64_t locked_until_ms;
	int64_t last_step;         /* newest TOTP step used; of recovery codes a mask of those used */
	uint32_t rests_on[CHALLENGE_FACTORS_MAX]; /* factors that authorised its enrolment, 0 for none */
	uint64_t rests[FACTOR_RESTS_MAX]; /* tags of the things that it rests on, as policy_provider.controls; 0 for none */
	uint8_t copies;            /* enum copies */
	uint8_t attested;          /* its maker vouches for what it says of itself */
	uint32_t replaces_no;      /* the factor that goes when this one is usable, or 0 */
};

struct session {
	struct id id;
	uint64_t service;
	uint32_t link_no;
	uint8_t countersigned;     /* a countersignature was completed in it */
	int64_t opened_ms;
	int64_t used_ms;
	int64_t auth_ms;           /* the provider's auth_time, or 0 */
};

enum allowance_kind { ALLOWANCE_SESSION, ALLOWANCE_MANDATE };
enum allowance_state { ALLOWANCE_PROPOSED, ALLOWANCE_OPEN, ALLOWANCE_REVOKED };

struct allowance {
	struct id id;
	struct id payee;           /* digest; all zero: any payee */
	uint64_t service;
	uint32_t no;
	uint32_t link_no;
	uint32_t factors[CHALLENGE_FACTORS_MAX]; /* that signed it: rule 11, and void when one is removed */
	uint16_t currency;
	uint8_t kind, state;
	int32_t day;               /* number of the window that day_spent_minor belongs to */
	int64_t per_payment_minor, per_day_minor, total_minor;
	int64_t spent_minor, day_spent_minor;
	int64_t granted_ms, expires_ms;
	/*
	 * When a security event paused it, or 0. It covers nothing until a countersignature was completed in a session of its
	 * link that was opened later.
	 */
	int64_t paused_ms;
};

enum challenge_state {
	CHALLENGE_OPEN,
	CHALLENGE_DONE,     /* a countersignature, not yet used */
	CHALLENGE_USED,
	CHALLENGE_REFUSED,
	CHALLENGE_VOID,     /* by a freeze, a newer one or a change of factors */
	CHALLENGE__STATES
};

/*
 * What one executed line `stepup` asks of the factors that answer. The answer decides nothing by meeting it: the stack is
 * asked again with the factors that were really used. It says who is asked, and when there is enough to ask again.
 */
enum { REQUIREMENTS_MAX = 2 };

struct requirement {
	uint8_t any;               /* mask of the kinds that count; 0: there is no requirement here */
	uint8_t all;               /* mask of kinds of which there must be one each */
	uint8_t need;              /* distinct factors, low four bits; distinct categories, high four */
};

struct challenge {
	struct id id;
	struct hash content;       /* of everything that the card shows, and of what it is for */
	struct id payment;         /* of a payment; else zero */
	struct id session;
	uint64_t service;
	uint32_t no;
	uint32_t link_no;          /* whose provider the factors must be independent of; 0: every link */
	uint32_t target_no;        /* link, allowance or factor that it is about */
	uint8_t op, state;
	uint8_t kinds;             /* mask of factor kinds that may answer */
	uint8_t need;              /* how many distinct factors */
	uint8_t wrong;             /* wrong answers to it */
	struct requirement requires[REQUIREMENTS_MAX]; /* what the answers must be together; unused ones are zero */
	int64_t opened_ms, expires_ms, done_ms;
	uint32_t factors[CHALLENGE_FACTORS_MAX]; /* that answered rightly so far */
};

enum payment_state { PAYMENT_HELD, PAYMENT_CAPTURED, PAYMENT_RELEASED, PAYMENT_EXPIRED, PAYMENT__STATES };
enum basis { BASIS_NONE, BASIS_COUNTERSIGNATURE, BASIS_ALLOWANCE, BASIS_MANDATE };

/* Grows with every answer, right or wrong, so that who answers twice can be told so. */
unsigned challenge_round(const struct challenge *c);

struct payment {
	struct id id;              /* keyed digest of (service, payment id): also the hold's id */
	struct id content;         /* digest of amount, currency and payee */
	struct id capture;         /* digest of the capture id; zero before capture */
	struct id subject;         /* whose counters it stands in */
	uint64_t service;
	uint32_t link_no;
	uint32_t allowance_no;     /* that it debited, or 0 */
	uint16_t currency;
	uint8_t state, basis;
	uint16_t needs;            /* mask of enum need: where it was counted beyond the usual counters */
	int64_t amount_minor;      /* as permitted */
	int64_t captured_minor;
	int64_t refunded_minor;
	int64_t permitted_ms, expires_ms;
};

struct refund {
	struct id id;              /* keyed digest of (service, payment, refund id) */
	struct id payment;
	int64_t amount_minor;
};

/*
 * What a slot counts. Days are kept always, in one slot a subject and currency, with the counts of payments in a slot of
 * CURRENCY_NONE. The others are kept only where a stack asks for them (enum need), with sum and count in one slot.
 */
enum counter_kind {
	COUNTER_DAYS,              /* the running day and month */
	COUNTER_YEAR,              /* `day` is the year */
	COUNTER_TOTAL,             /* ever */
	COUNTER_HOURS,             /* two hours: `day` and `month` are hours since 1970 in UTC; several slots make 24 h */
	COUNTER_STEPUP,            /* since the account's last countersigned payment, at `month_minor` */
	COUNTER_KNOWN,             /* a payee that was paid, last on `day`; sums are zero */
	COUNTER__KINDS
};

/* Whose spending: one subject's (zero: the whole account's), or the account's at one payee. */
enum counter_of { COUNTER_OF_SUBJECT, COUNTER_OF_PAYEE };

/*
 * What was spent in the running day and month by one subject (or, with subject zero, by the whole account), in one
 * currency (or, with CURRENCY_NONE, counted over all). It follows the subject, not the link: unlinking resets nothing.
 */
struct counter {
	struct id subject;         /* or the payee's digest */
	uint16_t currency;
	uint8_t kind, of;          /* enum counter_kind, counter_of */
	int32_t day, month;        /* numbers of the window that the sums belong to */
	int64_t day_minor, month_minor;
	uint32_t day_count, month_count;
};

/* Bits of a mask: which counters a stack needs beyond the days of subject and account. */
enum need_scope { NEED_OF_ACCOUNT, NEED_OF_LINK, NEED_OF_PAYEE, NEED_OF__COUNT };

#define NEED(scope, kind) (UINT32_C(1) << ((scope) * COUNTER_KNOWN + (kind)))
#define NEED_KNOWN (UINT32_C(1) << (NEED_OF__COUNT * COUNTER_KNOWN))
#define NEEDS_ALL ((NEED_KNOWN << 1) - 1)

_Static_assert(NEEDS_ALL <= UINT16_MAX, "a payment remembers where it was counted");

/* -1: no limit of this sort at this level. */
struct limit {
	uint32_t link_no;          /* 0: the account */
	uint16_t currency;
	uint8_t author;
	int64_t per_payment_minor, per_day_minor, per_month_minor;
	int32_t count_day, count_month;
	/* 0: in force. Else a raise that binds from then on, in the place of the smaller one that stands beside it. */
	int64_t effective_ms;
};

struct freeze {
	uint32_t link_no;          /* 0: the account */
	uint8_t author;
	int64_t since_ms;
};

/*
 * Evidence on a link: what somebody vouches for of the person behind it. One for each kind and voucher. What was lowered
 * counts for nothing until it is vouched for again; see decide_attest().
 */
struct fact {
	struct id id;              /* of its texts */
	struct id value;           /* digest of what it is of, such as a number; zero: not said */
	uint64_t kind;             /* tag of its word: phone, identity-document */
	uint64_t by;               /* tag of the provider or the service that vouches for it */
	uint32_t link_no;
	uint8_t by_service;
	uint8_t lowered;
	int64_t verified_ms;       /* by their word; 0: not said */
	int64_t since_ms;          /* it stands, or was lowered */
};

struct account {
	struct id key;
	uint64_t revision;
	struct hash chain;         /* of the newest event; kept by the engine */
	struct id salt;            /* the key that seals its texts derives from it; kept by the engine */
	int64_t time_ms;           /* the latest time it has seen: time never goes back in an account */
	int64_t sessions_since_ms;
	uint32_t next_no;
	uint8_t status;
	uint8_t enrolled;          /* a first factor was enrolled: once, ever */
	uint8_t overflowed;        /* payments have left the ring: the store's table must be asked */
	uint8_t links_n, factors_n, sessions_n, allowances_n, challenges_n, payments_n, refunds_n, counters_n;
	uint8_t limits_n, freezes_n, facts_n;
	struct link links[ACCOUNT_LINKS_MAX];
	struct factor factors[ACCOUNT_FACTORS_MAX];
	struct session sessions[ACCOUNT_SESSIONS_MAX];
	struct allowance allowances[ACCOUNT_ALLOWANCES_MAX];
	struct challenge challenges[ACCOUNT_CHALLENGES_MAX];
	struct payment payments[ACCOUNT_PAYMENTS_MAX];
	struct refund refunds[ACCOUNT_REFUNDS_MAX];
	struct counter counters[ACCOUNT_COUNTERS_MAX];
	struct limit limits[ACCOUNT_LIMITS_MAX];
	struct freeze freezes[ACCOUNT_FREEZES_MAX];
	struct fact facts[ACCOUNT_FACTS_MAX];
};

_Static_assert(sizeof(struct account) <= 28 * 1024, "the hot state stays small enough to copy");

void account_init(struct account *a, const struct id *key);

/* Borrowed, or NULL. The _by_no forms take 0 and find nothing. */
struct link *account_link(const struct account *a, const struct id *id);
struct link *account_link_by_no(const struct account *a, uint32_t no);
struct link *account_link_by_subject(const struct account *a, const struct id *subject);
struct factor *account_factor(const struct account *a, const struct id *id);
struct factor *account_factor_by_no(const struct account *a, uint32_t no);
/* Whether it is there no more: removed, or replaced by one that is usable now. */
bool factor_gone(const struct account *a, const struct factor *f, int64_t now_ms);
struct session *account_session(const struct account *a, const struct id *id);
struct allowance *account_allowance(const struct account *a, const struct id *id);
struct allowance *account_allowance_by_no(const struct account *a, uint32_t no);
struct challenge *account_challenge(const struct account *a, const struct id *id);
struct payment *account_payment(const struct account *a, const struct id *id);
struct refund *account_refund(const struct account *a, const struct id *id);
/* What this voucher says of that kind; or NULL. */
struct fact *account_fact(const struct account *a, const struct fact *like);
/* Of days. */
struct counter *account_counter(const struct account *a, const struct id *subject, uint16_t currency);
/* Whether this one stands for the level now: not a raise that waits, nor what a raise has taken the place of. */
bool account_limit_binds(const struct account *a, const struct limit *l, int64_t now_ms);

/* Open holds; for the cap of 64. */
size_t account_holds(const struct account *a);

/*
 * The state's own rules: counts within bounds, enums valid, sums not negative, serials below next_no, what refers to
 * something finds it. Decoding ends with it, and apply() begins and ends with it.
 */
bool account_valid(const struct account *a);
/* The part of it that makes the rest safe to read: every count is within its array. */
bool account_bounded(const struct account *a);
/* The rules of one payment, wherever it is kept. */
bool payment_valid(const struct payment *p);

/* No encoding is longer; see the proof in account_code.c. */
enum { ACCOUNT_BYTES_MAX = 44 * 1024, PAYMENT_BYTES_MAX = 256 };

/*
 * The oldest version of the encoding that has a place for all that it holds: it is written in that one, and so stays as
 * small as it was.
 */
enum account_version {
	ACCOUNT_VERSION_NARROW = 1,
	ACCOUNT_VERSION_WIDE,      /* kinds of counters, where payments were counted, requirements, raises that wait */
	ACCOUNT_VERSION_RESTS,     /* what factors rest on, and replace */
	ACCOUNT_VERSION_SIGNALS,   /* what security events left at links and allowances */
	ACCOUNT_VERSION_FACTS,     /* evidence on links, and subjects that links were moved from */
	ACCOUNT_VERSION__END
};

enum account_version account_version(const struct account *a);

/* One encoding, versioned; see account_code.c. The revision and the checksum are the store's. */
void account_encode(const struct account *a, struct buf *out);
/* CS_ERR_CORRUPT, CS_ERR_VERSION. *a may have been changed on failure. */
enum cs_err account_decode(struct view bytes, const struct id *key, uint64_t revision, struct account *a);
/* A finished payment as the store's table keeps it. */
void payment_encode(const struct payment *p, struct buf *out);
enum cs_err payment_decode(struct view bytes, struct payment *p);

#endif
