/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks: what a service's policy says an operation needs. Linux-PAM's controls with Linux-PAM's meaning (pam.conf(5)):
 * required, requisite, sufficient and optional are kept as the action that each result leads to. Lines are compiled when
 * the configuration is loaded; running a stack is a loop over actions.
 */
#ifndef CS_CORE_STACK_H
#define CS_CORE_STACK_H

#include "broker/base/err.h"
#include "broker/core/reason.h"

enum { STACK_LINES_MAX = 64, STACK_ARGS_MAX = 16 };

enum rule {
	RULE_PROVIDER,   /* provider NAME... */
	RULE_SESSION,    /* session [max-age=DURATION] */
	RULE_LIMIT,      /* limit [per-payment=20CNY] [per-day=...] [per-month=...] [count-day=N] [count-month=N] */
	RULE_ALLOWANCE,  /* allowance */
	RULE_STEPUP,     /* stepup [any=KIND,...] [factors=N] */
	RULE_PERMIT,     /* permit */
	RULE_DENY,       /* deny */
	RULE__COUNT
};

enum result { RESULT_SUCCESS, RESULT_IGNORE, RESULT_DENIED, RESULT_EXCEEDED, RESULT_UNVERIFIED, RESULT_UNAVAILABLE,
	RESULT_ERROR, RESULT__COUNT };

enum action { ACTION_IGNORE, ACTION_OK, ACTION_DONE, ACTION_BAD, ACTION_DIE };

const char *rule_name(enum rule rule);
const char *result_name(enum result result);

struct stack_line {
	uint8_t op;                        /* enum op */
	uint8_t rule;
	uint8_t actions[RESULT__COUNT];
	uint8_t kinds;                     /* stepup: mask, 0 for any */
	uint8_t need;                      /* stepup: distinct factors, at least 1 */
	uint8_t providers_n;
	uint16_t currency;                 /* limit */
	uint16_t number;                   /* line in its file, for traces */
	int64_t max_age_ms;                /* session, -1: not asked */
	int64_t per_payment_minor, per_day_minor, per_month_minor; /* limit, -1: none */
	int64_t count_day, count_month;
	uint64_t providers[STACK_ARGS_MAX];/* provider: tags */
};

struct stack {
	uint16_t lines_n;
	struct stack_line lines[STACK_LINES_MAX];
};

enum { STACK_AT_RULE = -1, STACK_AT_CONTROL = -2, STACK_AT_OPERATION = -3 };

/* Why a line cannot be compiled: which word, and how to mend it. The texts are constants. */
struct stack_error {
	int arg;                /* index of the argument, or STACK_AT_* */
	const char *message;
	const char *mend;
};

/* One line of text, as the configuration split it. */
struct stack_text {
	struct view operation, control, rule;
	const struct view *args;
	size_t args_n;
	uint16_t number;
	/* Tag of a configured provider's name, or 0; the configuration knows them. */
	uint64_t (*provider_tag)(void *ctx, struct view name);
	void *ctx;
};

/*
 * Appends a line. CS_ERR_SYNTAX with *err; CS_ERR_FULL, likewise, after STACK_LINES_MAX. Operation and control in any
 * case of letters, as in pam.d(5). Durations: 30d 24h 15m 30s. Amounts: 200CNY or 200.50CNY, one currency a line.
 */
enum cs_err stack_add(struct stack *s, const struct stack_text *text, struct stack_error *err);

/* The dispatch of Linux-PAM: verdict of the lines of one operation. */
struct stack_run {
	const struct stack *stack;
	uint8_t op;
	/* The result of one line, with the reason that it gives for a denial. */
	enum result (*ask)(void *ctx, const struct stack_line *line, enum reason *reason);
	void *ctx;
};

struct stack_verdict {
	bool permit;
	enum reason reason;     /* NONE of a permit; else of the first failure, STACK where no line gave one */
	uint64_t executed;      /* mask of the lines that were asked */
};

/* No line of this operation: not permitted. */
void stack_evaluate(const struct stack_run *run, struct stack_verdict *verdict);

#endif
