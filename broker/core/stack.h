/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks: what a service's policy says an operation needs. Linux-PAM's language with Linux-PAM's meaning (pam.conf(5)),
 * compiled when the configuration is loaded: each operation has a program of its own, lines whose control is kept as the
 * action that each result leads to. Running a program is a loop over actions that never goes back.
 */
#ifndef CS_CORE_STACK_H
#define CS_CORE_STACK_H

#include "broker/base/err.h"
#include "broker/core/reason.h"

enum {
	STACK_LINES_MAX = 256,   /* of all operations, with what is included: more than anybody reads */
	STACK_ARGS_MAX = 16,
	STACK_LEVELS_MAX = 16,   /* of substacks, the outermost included; as Linux-PAM */
	STACK_JUMP_MAX = 64,     /* lines that one action may skip; an int8_t holds it */
	STACK_FILES_MAX = 64,    /* that one stack is made of */
};

enum rule {
	RULE_PROVIDER,   /* provider NAME... */
	RULE_SESSION,    /* session [max-age=DURATION] */
	RULE_LIMIT,      /* limit [per-payment=20CNY] [per-day=...] [per-month=...] [count-day=N] [count-month=N] */
	RULE_ALLOWANCE,  /* allowance */
	RULE_STEPUP,     /* stepup [any=KIND,...] [factors=N] */
	RULE_PERMIT,     /* permit */
	RULE_DENY,       /* deny */
	RULE_DEBUG,      /* debug result=NAME; in files under test only */
	RULE__COUNT
};

enum result { RESULT_SUCCESS, RESULT_IGNORE, RESULT_DENIED, RESULT_EXCEEDED, RESULT_UNVERIFIED, RESULT_UNAVAILABLE,
	RESULT_ERROR, RESULT__COUNT };

/* What a result leads to. Above 0: a jump over so many lines of the same level; a substack counts as one. */
enum action { ACTION_IGNORE = 0, ACTION_OK = -1, ACTION_DONE = -2, ACTION_BAD = -3, ACTION_DIE = -4, ACTION_RESET = -5 };

const char *rule_name(enum rule rule);
const char *result_name(enum result result);
/* RESULT__COUNT where there is no such word. */
enum result result_find(struct view name);

struct stack_line {
	uint8_t op;                        /* enum op */
	uint8_t rule;                      /* RULE__COUNT of a mark */
	bool substack;                     /* no rule, but a mark: the lines of a substack follow, one level deeper */
	bool lenient;                      /* written with a leading "-": its plugin may be missing */
	bool absent;                       /* and it is: the line answers `unavailable` */
	uint8_t level;                     /* of substacks; 0: the stack itself */
	int8_t actions[RESULT__COUNT];
	uint8_t file;                      /* index among the stack's files */
	uint16_t number;                   /* line in that file, for traces */
	uint16_t index;                    /* place among all lines of the stack as they were added */
	union {                            /* what the rule was told */
		struct {                   /* provider */
			uint8_t providers_n;
			uint64_t providers[STACK_ARGS_MAX]; /* tags */
		};
		int64_t max_age_ms;        /* session, -1: not asked */
		struct {                   /* limit, -1: none */
			uint16_t currency;
			int64_t per_payment_minor, per_day_minor, per_month_minor;
			int64_t count_day, count_month;
		};
		struct {                   /* stepup */
			uint8_t kinds;     /* mask, 0 for any */
			uint8_t need;      /* distinct factors, at least 1 */
		};
		uint8_t debug;             /* debug: enum result */
	};
};

struct stack {
	uint16_t lines_n;
	/* The program of each operation: count[op] lines from first[op]. */
	uint16_t first[OP__COUNT], count[OP__COUNT];
	struct stack_line lines[STACK_LINES_MAX];
};

enum { STACK_AT_RULE = -1, STACK_AT_CONTROL = -2, STACK_AT_OPERATION = -3 };

/* Why a line cannot be compiled: which word, and how to mend it. The texts are constants. */
struct stack_error {
	int arg;                /* index of the argument, or STACK_AT_* */
	const char *message;
	const char *mend;
	size_t at, len;         /* the part of a control in brackets that is wrong; len 0: all of it */
	uint16_t index;         /* of stack_finish(): the line, as stack_line.index */
};

/* What a line may name. */
enum stack_name { STACK_NAME_PROVIDER, STACK_NAME_SERVICE, STACK_NAME_RISK, STACK_NAME_NOTIFY };

/* One line of text, as the configuration split it. */
struct stack_text {
	struct view operation, control, rule; /* control: a keyword, or "[result=action ...]" with its brackets */
	const struct view *args;
	size_t args_n;
	uint16_t number;
	/* Tag of a configured thing's name, or 0; the configuration knows them. */
	uint64_t (*name_tag)(void *ctx, enum stack_name kind, struct view name);
	void *ctx;
	uint8_t file;
	uint8_t level;          /* deeper than the line before it only after the mark of a substack */
	bool under_test;        /* the rule `debug` is allowed */
};

/*
 * The actions of a control that is a keyword (in any case of letters) or stands in brackets (where case counts). In
 * brackets blanks are spaces, tabs, carriage returns and joined line ends. A result that is not mentioned is `bad`. False
 * with *err (arg STACK_AT_CONTROL) for what Linux-PAM refuses, and for a result written twice and words after `default`,
 * which Linux-PAM takes in ways that nobody expects. `include` and `substack` are no such controls.
 */
bool stack_control(struct view control, int8_t actions[RESULT__COUNT], struct stack_error *err);
/* The operation of a word, in any case of letters and with or without the leading "-"; OP_NONE with *err. */
enum op stack_operation(struct view word, bool *lenient, struct stack_error *err);
/* What lines stand for others: `include` and `substack`, in any case of letters. */
bool stack_is_include(struct view control);
bool stack_is_substack(struct view control);

/*
 * Appends a line to the program of its operation. CS_ERR_SYNTAX with *err; CS_ERR_FULL, likewise, after STACK_LINES_MAX.
 * Operation and control in any case of letters, as in pam.d(5). The control `substack` makes a mark; its rule is the name
 * of a file, which is not looked at. Durations: 30d 24h 15m 30s. Amounts: 200CNY or 200.50CNY, one currency a line.
 */
enum cs_err stack_add(struct stack *s, const struct stack_text *text, struct stack_error *err);

/* After the last line: no jump may pass the end of its stack or substack. False with *err, its index included. */
bool stack_finish(const struct stack *s, struct stack_error *err);

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
	enum result status;     /* SUCCESS of a permit; what Linux-PAM would return */
	enum reason reason;     /* NONE of a permit; else of the first failure, STACK where no line gave one */
	uint16_t executed_n;    /* lines that were asked, in order; no line is asked twice */
	struct {
		uint16_t line;  /* index into stack.lines */
		uint8_t result;
	} executed[STACK_LINES_MAX];
};

/* No line of this operation: not permitted. */
void stack_evaluate(const struct stack_run *run, struct stack_verdict *verdict);

#endif
