/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks: what a service's policy says an operation needs. Linux-PAM's language with Linux-PAM's meaning (pam.conf(5)),
 * compiled when the configuration is loaded: each operation has a program of its own, lines whose control is kept as the
 * action that each result leads to. Running a program is a loop over actions that never goes back.
 */
#ifndef CS_CORE_STACK_H
#define CS_CORE_STACK_H

#include "broker/base/err.h"
#include "broker/core/account.h"
#include "broker/core/reason.h"

enum {
	STACK_LINES_MAX = 256,   /* of all operations, with what is included: more than anybody reads */
	STACK_ARGS_MAX = 16,
	STACK_LEVELS_MAX = 16,   /* of substacks, the outermost included; as Linux-PAM */
	STACK_JUMP_MAX = 64,     /* lines that one action may skip; an int8_t holds it */
	STACK_FILES_MAX = 64,    /* that one stack is made of */
	STACK_SUMS_MAX = 256,    /* currencies of all lines `limit` and `drain` together */
	STACK_IDS_MAX = 256,     /* payees of all lines together */
	STACK_PLUGINS_MAX = 16,  /* that all lines `risk` and `notify` ask together; a mask of 32 bits names them */
};

enum rule {
	RULE_PROVIDER,   /* provider NAME... */
	RULE_SESSION,    /* session [max-age=DURATION] [countersigned] */
	RULE_LIMIT,      /* limit [per-payment=20CNY,...] ... [count-day=N] ... [for=WHOSE] [other=ANSWER] */
	RULE_ALLOWANCE,  /* allowance */
	RULE_STEPUP,     /* stepup [any=KIND,...] [all=KIND,...] [factors=N] [categories=N] [strongest] ... */
	RULE_PERMIT,     /* permit */
	RULE_DENY,       /* deny */
	RULE_DEBUG,      /* debug result=NAME; in files under test only */
	RULE_PAYEE,      /* payee [id=ID,...] [known] */
	RULE_SERVICE,    /* service NAME... */
	RULE_TIME,       /* time [from=HH:MM to=HH:MM] [days=mon-fri,...] */
	RULE_ACCOUNT,    /* account [age=DURATION] [link-age=DURATION] [factors=N] [holds=KIND,...] */
	RULE_DRAIN,      /* drain [count=N] [within=DURATION] [sum=20CNY,...] */
	RULE_RISK,       /* risk NAME [max=SCORE] [deadline=DURATION] */
	RULE_NOTIFY,     /* notify NAME */
	RULE_ASSURANCE,  /* assurance KIND... [max-age=DURATION] [source=NAME,...] */
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

/* Amounts of a line `limit` in one currency. */
enum stack_sum_kind { SUM_PAYMENT, SUM_DAY, SUM_MONTH, SUM_YEAR, SUM_TOTAL, SUM_24H, SUM_STEPUP, SUM_FIRST_USE,
	SUM__COUNT };

struct stack_sums {
	uint16_t currency;
	int64_t minor[SUM__COUNT];         /* -1: none */
};

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
	uint8_t note;                      /* enum note */
	union {                            /* what the rule was told */
		struct {                   /* provider, service */
			uint8_t providers_n;
			uint64_t providers[STACK_ARGS_MAX]; /* tags */
		};
		struct {                   /* session */
			int64_t max_age_ms;/* -1: not asked */
			bool countersigned;
		};
		struct {                   /* limit, drain */
			uint16_t sums_at;  /* the line's sums in stack.sums, one a currency */
			uint8_t sums_n;
			uint8_t scope;     /* enum need_scope: whose spending */
			bool other_ignored;/* a currency without a sum is ignored, not denied */
			uint8_t drain_count;
			int32_t count_day, count_month, count_24h, count_stepup; /* -1: none */
			int64_t within_ms; /* drain */
		};
		struct {                   /* stepup */
			uint8_t kinds;     /* mask of those that count, 0 for any */
			uint8_t need;      /* distinct factors, at least 1 */
			uint8_t all;       /* mask of kinds of which one each must be there */
			uint8_t categories;/* distinct ones, 0: not asked */
			bool strongest;    /* the strongest kind that the account has must be there */
			bool exact;        /* made for exactly this, as every countersignature here is; see rule_ask.c */
			int64_t signature_age_ms; /* 0: not asked */
		};
		struct {                   /* payee */
			uint16_t ids_at;   /* the line's payees in stack.ids */
			uint8_t ids_n;
			bool known;
		};
		struct {                   /* time, in the policy's zone */
			int16_t from_min, to_min; /* minutes of the day, -1: any */
			uint8_t days;      /* mask, bit 0 is Monday; 0: any */
		};
		struct {                   /* account, -1 and 0: not asked */
			int64_t age_ms, link_age_ms;
			uint8_t held_n;    /* usable factors */
			uint8_t held;      /* mask of kinds */
		};
		struct {                   /* risk, notify */
			uint64_t plugin;   /* tag of the instance's name */
			bool plugin_named;
			uint8_t plugin_at; /* index in stack.plugins */
			uint8_t score_max;
			int32_t deadline_ms;
		};
		struct {                   /* assurance */
			uint8_t facts_n, sources_n; /* all of the kinds, by any of the sources; 0 sources: by anybody */
			uint8_t sources_services;   /* mask of sources that are services */
			uint64_t facts[8];
			uint64_t sources[8];
			int64_t fact_age_ms; /* -1: not asked */
		};
		uint8_t debug;             /* debug: enum result */
	};
};

struct stack {
	uint16_t lines_n;
	/* The program of each operation: count[op] lines from first[op]. */
	uint16_t first[OP__COUNT], count[OP__COUNT];
	struct stack_line lines[STACK_LINES_MAX];
	/* What lines refer to by index. */
	uint16_t sums_n, ids_n;
	uint8_t plugins_n;
	uint16_t risk_ops;                 /* mask of enum op: those with a line `risk` */
	uint32_t needs;                    /* mask of enum need: counters that the lines of `spend` read */
	uint64_t plugins[STACK_PLUGINS_MAX];
	struct stack_sums sums[STACK_SUMS_MAX];
	/* Payees: as written (borrowed from the line's text), and their digests, which who has the key puts there. */
	struct view id_texts[STACK_IDS_MAX];
	struct id ids[STACK_IDS_MAX];
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
enum stack_name { STACK_NAME_PROVIDER, STACK_NAME_SERVICE, STACK_NAME_RISK, STACK_NAME_NOTIFY, STACK_NAME_EVIDENCE };

/* One line of text, as the configuration split it. */
struct stack_text {
	struct view operation, control, rule; /* control: a keyword, or "[result=action ...]" with its brackets */
	const struct view *args;
	size_t args_n;
	uint16_t number;
	/* Tag of a configured thing's name, or 0; the configuration knows them. NULL: any name will do. */
	uint64_t (*name_tag)(void *ctx, enum stack_name kind, struct view name);
	void *ctx;
	uint8_t file;
	uint8_t level;          /* deeper than the line before it only after the mark of a substack */
	bool under_test;        /* the rule `debug` is allowed */
};

/*
 * The actions of a control that is a keyword (in any case of letters) or stands in brackets (where case counts). In
 * brackets blanks are spaces, tabs and joined line ends. A result that is not mentioned is `bad`. False
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
 * of a file, which is not looked at. Durations: 30d 24h 15m 30s. Amounts: 200CNY or 200.50CNY.
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
