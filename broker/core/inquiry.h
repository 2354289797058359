/* SPDX-License-Identifier: Apache-2.0 */
/* What one decision has found out so far; private to core. */
#ifndef CS_CORE_INQUIRY_H
#define CS_CORE_INQUIRY_H

#include "broker/core/decide.h"
#include "broker/core/room.h"

struct inquiry {
	const struct asked *asked;
	const struct account *account;
	const struct request *request;
	int64_t now_ms;                 /* never behind the account's newest time */
	int32_t day, month;
	/* what the request names; NULL where there is none */
	const struct policy_service *service;
	const struct session *session;
	const struct link *link;
	const struct policy_provider *provider;
	const struct broker_provider *provider_state;
	const struct payment *payment;  /* this payment, decided before */
	const struct allowance *allowance; /* that covers it */
	const struct challenge *signature; /* a countersignature that covers it */
	/* filled while the stack runs */
	uint8_t pass;                   /* 1: with what is there; 2: as if a countersignature were given */
	bool allowance_asked;           /* an executed line `allowance` said yes */
	uint8_t supposed[FACTOR__COUNT];/* pass 2: how many factors of each kind are supposed to have countersigned */
	struct requirement requires[REQUIREMENTS_MAX]; /* pass 2: of the executed lines `stepup`; see supposing.c */
	uint8_t requires_n;
	bool requires_more;             /* more than there is room for */
	uint8_t kinds, need;            /* what the prompt asks for */
	uint32_t notes;                 /* mask of enum note: of the executed lines that answered success */
	uint32_t notify;                /* mask over the stack's plugins, of the executed lines `notify` */
	struct detail seen;             /* what the line that was asked last compared */
	bool new_session;               /* an allowance would cover it, were this session countersigned */
	bool suppose_allowance;         /* pass 2: as if it were */
	bool paused;                    /* an allowance would cover it, had no security event paused it */
	bool assumed;                   /* independence rests on the admin's word */
	enum reason unusable;           /* why no factor could be used, where none could */
	bool counted;                   /* the payment stands in the counters already: a capture asks */
	struct detail detail;
};

/* rule_ask.c: the result of one line of the stack, with the reason that it gives for a denial. */
enum result rule_ask(struct inquiry *q, const struct stack_line *line, enum reason *reason);

/* limits.c: rule 8. */
enum reason limits_check(struct inquiry *q, uint16_t currency, int64_t amount_minor);
enum result limit_line_ask(struct inquiry *q, const struct stack_line *line, enum reason *reason);
enum result drain_line_ask(struct inquiry *q, const struct stack_line *line, enum reason *reason);
/* Whether the counters that a payment needs find room. */
bool counters_fit(const struct inquiry *q, uint16_t currency);
/* Copies what the account's counters stand at into an event. */
void counters_note(const struct inquiry *q, uint16_t currency, struct event *e);

/* guard.c: rules 2 to 4 for a link (or for none: 2 only), as payments and captures ask them. */
enum reason rule_account(const struct inquiry *q);
enum reason rule_provider(const struct inquiry *q);
enum reason rule_link(struct inquiry *q);
bool account_frozen(const struct account *a, uint32_t link_no, uint8_t but_author);
/* Whether a link of this subject is active or suspended. */
bool subject_linked(const struct account *a, const struct id *subject);

/* decide.c: rule 9, with what is there (pass 1) or supposed (pass 2). False with the reason. */
bool rule_9_stack(struct inquiry *q, enum reason *reason);

/*
 * supposing.c: pass 2. Whether some set of factors that the account really has would satisfy the stack: then q->kinds,
 * need and requires say what the prompt asks for. Else *reason.
 */
bool suppose(struct inquiry *q, enum reason *reason);
/* A line `stepup` that was satisfied by what is supposed. */
void supposed_by_line(struct inquiry *q, uint8_t kinds, uint8_t all, uint8_t need, uint8_t categories);
/* Whether so many factors of each kind are what the challenge asks for. */
bool requires_met(const struct requirement requires[REQUIREMENTS_MAX], const uint8_t given[FACTOR__COUNT]);
/* Distinct categories among them: possession, knowledge, inherence (PSD2, Article 4(30)). */
unsigned categories_of(const uint8_t given[FACTOR__COUNT]);

/*
 * cover.c: looks for what covers the request, into q->signature and q->allowance: a countersignature before an allowance, since
 * one was asked for on purpose. And rule 11 for a countersignature: each factor that gave it still counts.
 */
void find_cover(struct inquiry *q);
enum reason signature_factors(struct inquiry *q, const struct challenge *c);

/* signal.c: whether this challenge, completed, lifts the pause of allowances of its link. */
bool signature_resumes(const struct account *a, const struct challenge *c);

/* decide.c: what the last answer to a challenge asks again. */
bool grant_pending(const struct inquiry *q, uint64_t service, uint32_t no);
enum reason signature_stands(struct inquiry *q, const struct challenge *c);

/* guard.c: begins an inquiry. */
void inquiry_begin(struct inquiry *q, const struct asked *asked, const struct account *a, const struct request *r);
void inquiry_link(struct inquiry *q, const struct link *link);

/* An event of this type at this inquiry's time, with service and policy. */
struct event *decision_event(struct decision *d, const struct inquiry *q, enum event_type type, enum reason reason);
/* Sets outcome and reason together. */
void decision_set(struct decision *d, enum reason reason);
/* A denial as the outcome, with its event (none while the account is unknown). */
void decision_deny(struct decision *d, struct inquiry *q, enum reason reason);

void trace(struct inquiry *q, uint8_t rule, enum result result, enum reason reason);

/*
 * independence.c: rule 11 for what is asked, and all else that makes a factor usable for it. *assumed as factor_stands().
 */
bool factor_stands_apart(const struct inquiry *q, const struct factor *f, bool *assumed);
bool factor_usable(const struct inquiry *q, const struct factor *f, enum reason *why, int64_t *until_ms);
/* How many usable factors have one of these kinds (0: any). */
size_t factors_usable(struct inquiry *q, uint8_t kinds);

/* Of these kinds, those that may countersign this amount, or a recovery. */
uint8_t kinds_trusted(const struct inquiry *q, uint8_t kinds);

/* Whether a challenge may still be answered, or a completed one still be redeemed. */
bool challenge_open(const struct challenge *c, int64_t now_ms);
bool challenge_redeemable(const struct policy *p, const struct challenge *c, int64_t now_ms);

#endif
