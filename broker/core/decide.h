/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision: one pure function for payments and for every operation that widens power, and small ones for what only
 * narrows it or keeps the books. They read a policy, the broker's state, an account and a request, and give an outcome
 * with its reason and the events that make it so. Nothing happens until the events are committed and applied.
 */
#ifndef CS_CORE_DECIDE_H
#define CS_CORE_DECIDE_H

#include "broker/core/event.h"
#include "broker/core/note.h"
#include "broker/core/policy.h"
#include "broker/core/signal.h"

/* What a risk plugin said of this request. One that is not among the evidence was not asked, or did not answer in time. */
struct evidence {
	uint64_t plugin;          /* tag of the instance's name */
	bool answered;
	uint8_t score;            /* 0 to 100 */
};

/* What the engine knows of the caller and the moment. */
struct asked {
	const struct policy *policy;
	const struct broker_state *broker;
	uint64_t service;         /* tag; 0: an admin on the admin socket, or the broker itself */
	uint32_t door;            /* enum door */
	int64_t now_ms;           /* wall clock; the account's own time is never behind its newest */
	struct id fresh[2];       /* random ids for what the decision may make */
	struct decision_trace *trace; /* or NULL */
	const struct evidence *evidence; /* what was gathered before; or NULL */
	size_t evidence_n;
};

/* Two passes of twelve rules, and of at most 64 executed lines of a stack each. */
enum { TRACE_STEPS_MAX = 160 };

struct trace_step {
	uint8_t rule;             /* 1 to 12, or 0: a line of the stack */
	uint8_t pass;             /* 1 or 2 */
	uint8_t result;           /* enum result */
	uint8_t line_rule;        /* enum rule, of a line */
	uint8_t file;             /* index of its file in the stack, of a line */
	uint8_t note;             /* enum note, of a line */
	uint16_t line;            /* number in its file */
	uint16_t index;           /* of a line: its place in the stack as it was written; see stack_line.index */
	uint16_t reason;
	uint16_t currency;        /* of a limit, 0: a count */
	int64_t limit, used;      /* of a limit or of a risk score; limit -1: neither */
	uint16_t bound;           /* of a limit: the reason that passing it gives, whether it was passed or not; or 0 */
};

struct decision_trace {
	uint16_t n;
	struct trace_step steps[TRACE_STEPS_MAX];
};

/* Of a limit that was passed, in minor units or as a count. */
struct detail {
	int64_t limit, used;
	uint16_t currency;        /* 0: a count */
	uint16_t bound;           /* which limit: the reason that passing it gives; or 0 */
	uint32_t link_no;         /* whose limit; 0: the account's or the policy's */
	bool set;
	int64_t until_ms;         /* of a lock or a cooling-off, or 0 */
};

enum { DECISION_EVENTS_MAX = 2 };

struct decision {
	uint8_t outcome, reason;
	bool replayed;            /* the answer of an earlier decision; no event */
	uint8_t events_n;
	uint32_t no;              /* serial of the challenge (step_up), link, factor, ... that it is about */
	struct id id;             /* of the hold, challenge, session, ... */
	uint32_t notes;           /* mask of enum note: of the lines that answered success in the pass that decided */
	uint32_t notify;          /* mask over the stack's plugins: instances that a line `notify` names */
	bool assumed;             /* a permit that rests on the admin's word, assume-independent */
	struct detail detail;
	struct event events[DECISION_EVENTS_MAX];
};

/*
 * A request for power: a payment, or an operation of the kind `op`. content is the digest of all that the card shows.
 * For OP_SPEND: payment, payee, amounts. Else: target_no names the proposed link or allowance, the factor, ...
 */
struct request {
	enum op op;
	struct id session;        /* zero: none (a mandate; operations of the account) */
	struct id allowance;      /* a mandate's id, or zero */
	struct id payment;        /* keyed digest of (service, payment id) */
	struct id payee;          /* digest of the payee's id */
	struct hash content;
	uint16_t currency;
	int64_t amount_minor;
	bool capture;             /* permit and capture in one */
	bool dry;                 /* Evaluate: no challenge, no event */
	bool own;                 /* what it gives, it gives to whoever asks: see find_cover() */
	uint32_t link_no;         /* of operations without a session: the link it is about, or 0 */
	uint32_t target_no;
	struct id challenge;      /* of operations that are asked again with their completed challenge; else zero */
	const struct payment *old; /* the payment as the store's table has it, when it has left the ring; else NULL */
};

/*
 * Rules 1 to 12; see decide.c. For an operation other than spend a permit has no event of its own: the one that carries
 * the operation out does (it names the challenge, no, and so uses it up).
 */
void decide(const struct asked *asked, const struct account *a, const struct request *r, struct decision *d);

/* --- what happens when power was granted, or takes none; each gives outcome, reason and at most DECISION_EVENTS_MAX events --- */

struct enrolment {
	struct id factor;         /* the new factor's id */
	enum factor_kind kind;
	uint64_t plugin;
	int64_t step;             /* TOTP step that proved the enrolment */
	struct id challenge;      /* a completed challenge of type factor (recover), or zero: the first */
	struct hash content;      /* that the challenge must have been for */
	uint64_t rests[FACTOR_RESTS_MAX]; /* tags of the things that it rests on */
	uint8_t copies;           /* enum copies */
	bool attested;
	bool recovers;            /* countersigned by a recovery code, in place of what was lost */
	uint32_t replaces_no;     /* goes when the new one is usable, or 0 */
};
/*
 * The first factor is enrolled on the service's word, once ever; every other one is countersigned by other factors (OP_FACTOR)
 * or, where it recovers, by a recovery code alone (OP_RECOVER), and then waits at least the policy's recovery cooling-off.
 */
void decide_enrol(const struct asked *asked, const struct account *a, const struct enrolment *e, struct decision *d);
/*
 * The factor with this no; needs a used-up challenge like enrolment does, but for one that is not usable yet: to remove
 * that narrows. The first factor is never so removed, since nothing could take its place.
 */
void decide_factor_remove(const struct asked *asked, const struct account *a, uint32_t factor_no,
    const struct id *challenge, const struct hash *content, struct decision *d);
/* Lifts the lock of wrong answers early; needs a challenge that another factor completed. */
void decide_factor_unlock(const struct asked *asked, const struct account *a, uint32_t factor_no,
    const struct id *challenge, const struct hash *content, struct decision *d);

/* A verified assertion proposes a link; the step-up follows as decide(OP_LINK) with target_no. */
void decide_link_propose(const struct asked *asked, const struct account *a, uint64_t provider, const struct id *subject,
    struct decision *d);
/* suspend, revoke; a removed link frees its subject. */
void decide_link_narrow(const struct asked *asked, const struct account *a, uint32_t link_no, enum link_state to,
    struct decision *d);

/*
 * The link's subject goes by another name: the provider says so, and the link of the old name is the other half of the proof.
 * In the provider's window, or by an admin at any time. The counters go with it, its sessions end, and it cools off again. What it was is
 * remembered, and nobody else may link it, so that `undo` can always bring it back.
 */
struct rekey {
	uint32_t link_no;
	struct id subject;        /* the new one; of an undo: not read */
	enum author author;
	bool undo;
	bool taken;               /* another account, or another link of this one, has the new subject */
};
void decide_link_rekey(const struct asked *asked, const struct account *a, const struct rekey *r, struct decision *d);
/*
 * Evidence on a link; asked->fresh[1] is its id where it is new. Said again without a change it makes no event. A value that
 * is another than before lowers it, and whatever else is vouched for in that kind. What was lowered counts again when the same
 * value is vouched for with a verification that is later, and not before the cooling-off of links is over.
 */
struct attesting {
	uint32_t link_no;
	uint64_t kind;            /* tag of its word */
	uint64_t by;              /* tag of the provider or service */
	bool by_service;          /* then the service that asks, which needs the right `link` */
	struct id value;
	int64_t verified_ms;      /* 0: not said */
};
void decide_attest(const struct asked *asked, const struct account *a, const struct attesting *what, struct decision *d);

void decide_session_open(const struct asked *asked, const struct account *a, uint32_t link_no, int64_t auth_ms,
    struct decision *d);
void decide_session_close(const struct asked *asked, const struct account *a, const struct id *session,
    struct decision *d);

/* An answer to a challenge. right: the factor's plugin and, where it can, the engine verified it. */
struct answer {
	struct id challenge;
	uint32_t factor_no;
	bool right;
	int64_t step;             /* TOTP: the step that matched; of recovery codes the index of the code */
};
void decide_answer(const struct asked *asked, const struct account *a, const struct answer *answer, struct decision *d);
void decide_refuse(const struct asked *asked, const struct account *a, const struct id *challenge, bool report,
    struct decision *d);
/* A code whose step was used is as wrong as any other (RFC 6238, 5.2), and so is a printed one that was used. */
bool decide_step_used(const struct factor *f, int64_t step);
/*
 * Whether this factor may answer this challenge now, before its plugin is asked: REASON_NONE, or why not. The decision
 * on the answer asks again.
 */
enum reason decide_may_answer(const struct asked *asked, const struct account *a, const struct challenge *c,
    const struct factor *f, int64_t *until_ms);

struct grant {
	enum allowance_kind kind;
	struct id session;
	struct id payee;          /* zero: any */
	uint16_t currency;
	int64_t per_payment_minor, per_day_minor, total_minor, expires_ms;
};
/* Proposes the allowance; the step-up follows as decide(OP_GRANT) with target_no. */
void decide_grant(const struct asked *asked, const struct account *a, const struct grant *g, struct decision *d);
void decide_allowance_revoke(const struct asked *asked, const struct account *a, uint32_t no, struct decision *d);

void decide_capture(const struct asked *asked, const struct account *a, const struct payment *old, const struct id *hold,
    const struct id *capture, int64_t amount_minor /* -1: all */, struct decision *d);
void decide_release(const struct asked *asked, const struct account *a, const struct id *hold, struct decision *d);
/* `old`: the payment as the store's table has it, when it has left the ring; else NULL. */
void decide_refund(const struct asked *asked, const struct account *a, const struct payment *old,
    const struct id *payment, const struct id *refund, int64_t amount_minor, struct decision *d);
/* A hold, a proposal whose time is over: at most one a call; outcome permit while there is one, deny when there is none. */
void decide_due(const struct asked *asked, const struct account *a, struct decision *d);

/*
 * Limits: lowering is instant; raising needs `challenge`, completed, of type limit and this content, and then waits for the
 * policy's cooling-off, until when the smaller one binds. Lowering takes back a raise that waits. Admins: neither.
 */
void decide_limit(const struct asked *asked, const struct account *a, const struct limit *to, const struct id *challenge,
    const struct hash *content, struct decision *d);
/* Freeze the account (link_no 0) or a link. */
void decide_freeze(const struct asked *asked, const struct account *a, uint32_t link_no, enum author author,
    struct decision *d);
/* An admin's thaw of an admin's freeze, or a user's of a user's by `challenge`, completed, of type thaw. */
void decide_thaw(const struct asked *asked, const struct account *a, uint32_t link_no, enum author author,
    const struct id *challenge, const struct hash *content, struct decision *d);
/* Freezes the link (or account) as the user, and voids its holds, challenges, allowances and sessions. */
void decide_not_me(const struct asked *asked, const struct account *a, uint32_t link_no, struct decision *d);
/*
 * Opens the owner's page of linked IDs with `challenge`, completed, of type view and this content, which that uses up. The
 * page shows and narrows; whatever it widens takes a countersignature of its own.
 */
void decide_view(const struct asked *asked, const struct account *a, const struct id *challenge,
    const struct hash *content, struct decision *d);
/*
 * What a link's provider told of it: an event of this kind, with these effects (mask of enum signal_effect; 0: recorded only), at
 * at_ms by the provider's word or 0. LINK_UNKNOWN without an event where the link is not active or suspended.
 */
void decide_signal(const struct asked *asked, const struct account *a, uint32_t link_no, enum signal_kind kind,
    uint32_t effects, int64_t at_ms, struct decision *d);
void decide_close(const struct asked *asked, const struct account *a, struct decision *d);

/* --- shared with explain and the pages --- */

/* Numbers of the windows that a time falls into, in the policy's zone: days since 1970-01-01, months since 1970-01. */
int32_t window_day(const struct policy *p, int64_t ms);
int32_t window_month(const struct policy *p, int64_t ms);
/* Seconds that the policy's zone is ahead of UTC at that time. */
int32_t zone_offset_s(const struct policy *p, int64_t ms);

/* Rule 11. What is unknown counts as dependent; it is told apart because the admin's word may mend it. */
enum independence { INDEPENDENT, DEPENDENT, INDEPENDENCE_UNKNOWN };

/* What ties a factor to a provider. */
enum edge_kind {
	EDGE_NONE,
	EDGE_PLUGIN,   /* it answers through the provider's own plugin */
	EDGE_KIND,     /* the provider controls its kind */
	EDGE_THING,    /* the provider controls a thing that it rests on */
	EDGE_COPIES,   /* unknown: the provider may keep a copy of its secret, or where it leads to was never said */
	EDGE_SUPPORT,  /* unknown: it rests on a factor that has left the account */
	EDGE_PROVIDER, /* unknown: the provider is not configured */
	EDGE__COUNT
};

struct edge {
	uint8_t what;           /* enum edge_kind */
	uint32_t factor_no;     /* whose edge it is: the factor itself, or one that its enrolment rests on */
	uint64_t provider;      /* tag */
	uint64_t thing;         /* tag, of EDGE_THING */
};

/*
 * Does the factor stand apart from the provider (0: from every linked one), with all that authorised its enrolment? edge is
 * the worst that was found, the factor's own first. *assumed is set, else untouched, where INDEPENDENT rests on the admin's
 * word. edge and assumed may be NULL.
 */
enum independence factor_stands(const struct asked *asked, const struct account *a, const struct factor *f,
    uint64_t provider, struct edge *edge, bool *assumed);

/*
 * The linked providers of which no factor of the account stands apart, as tags; returns how many. Factors that wait or are
 * locked count; recovery codes, which countersign nothing but a replacement, do not.
 */
size_t account_bare(const struct asked *asked, const struct account *a, uint64_t providers[ACCOUNT_LINKS_MAX]);

/* factor_stands() as a yes or no. */
bool factor_independent(const struct asked *asked, const struct account *a, const struct factor *f, uint64_t provider,
    bool *assumed);

#endif
