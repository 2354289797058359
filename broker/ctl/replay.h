/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: a candidate policy over recorded events. The past (replay_past.c) walks the log in its order, keeps every
 * account as it was, and lets the core decide each recorded decision again; the tally (replay_tally.c) counts what
 * differs; text, JSON and HTML are three printers of the tally.
 */
#ifndef CS_CTL_REPLAY_H
#define CS_CTL_REPLAY_H

#include "broker/core/again.h"
#include "broker/ctl/ctl.h"
#include "broker/engine/engine.h"

enum {
	REPLAY_KINDS = OP__COUNT + 1,   /* operations, and captures at the end */
	REPLAY_CAPTURE = OP__COUNT,
	REPLAY_CURRENCIES_MAX = 64,     /* each with sums; a realm has 16 at most at a time */
	REPLAY_SERVICES_MAX = POLICY_SERVICES_MAX + 1,
	REPLAY_ACCOUNTS_MAX = 100,      /* listed; the others are counted */
	REPLAY_REASONS_MAX = 200,
	REPLAY_NAME_MAX = 260,
};

/* By outcome: [recorded][candidate]. */
typedef uint64_t replay_matrix[3][3];

struct replay_money {
	uint16_t currency;
	replay_matrix count;
	int64_t minor[3][3];
};

struct replay_day {
	int32_t day;                    /* since 1970-01-01, in the candidate's time zone */
	replay_matrix n;
};

struct replay_service {
	uint64_t tag;
	replay_matrix n;
};

struct replay_reason {
	uint8_t kind, then, now;
	uint64_t count;
};

struct replay_account {
	struct id key;
	uint64_t differ, tighter;       /* decisions whose outcome differs; of them, with less permitted */
	uint64_t first_seq;             /* of the first that differs */
	char name[REPLAY_NAME_MAX];     /* the realm's own id, where the daemon told it */
};

struct replay_tally {
	uint64_t events, accounts, decisions, by_candidate, reasons_differ, beginless;
	int64_t from_ms, to_ms;
	replay_matrix kinds[REPLAY_KINDS];
	struct replay_money money[REPLAY_CURRENCIES_MAX];
	size_t money_n;
	struct replay_day *days;
	size_t days_n, days_cap;
	struct replay_service services[REPLAY_SERVICES_MAX];
	size_t services_n;
	uint64_t *pairs;                /* [kind][then][now]: where outcome or reason differ */
	struct replay_reason reasons[REPLAY_REASONS_MAX];
	size_t reasons_n, reasons_left; /* most frequent first; how many are not listed */
	struct replay_account listed[REPLAY_ACCOUNTS_MAX];
	size_t listed_n;
	uint64_t accounts_differ;
};

void replay_tally_init(struct replay_tally *t);
void replay_tally_clear(struct replay_tally *t);
/* One decision. *differs: whether the outcome is another. */
bool replay_tally_add(struct replay_tally *t, const struct policy *p, const struct event *e, const struct again *a);
/* Sorts what is listed; after the last decision. */
void replay_tally_end(struct replay_tally *t);

uint64_t replay_sum(const replay_matrix m);
/* Off the diagonal: all, those that permit less, those that permit more. */
uint64_t replay_differ(const replay_matrix m);
uint64_t replay_tighter(const replay_matrix m);
const char *replay_kind_name(unsigned kind);
const char *replay_service_name(const struct ruleset *rules, uint64_t tag);
/* "2026-03-10" */
void replay_day_text(int32_t day, char to[16]);
/* Name, or the key in hexadecimal. */
const char *replay_account_text(const struct replay_account *a, char to[REPLAY_NAME_MAX]);
/* The amount with its digits, "-" where the currency is unknown. */
const char *replay_money_text(int64_t minor, uint16_t currency, char to[32]);

/* The past. One event after the other, as logged: CTL_OK, or a code after the problem was said. */
struct replay_past;
struct replay_past *replay_past_new(const struct ruleset *rules, struct replay_tally *tally);
int replay_past_event(struct replay_past *p, struct ctl *ctl, uint64_t seq, const struct id *key, uint64_t revision,
    struct view event);
void replay_past_end(struct replay_past *p);
void replay_past_free(struct replay_past *p);

/* Everything that is printed. */
struct replay_report {
	const struct ruleset *rules;
	const char *config, *source;
	const struct replay_tally *tally;
};
void replay_print_text(struct ctl *ctl, const struct replay_report *r);
void replay_print_json(struct ctl *ctl, const struct replay_report *r);
/* Writes the report to the file, mode 0600: CTL_OK, or CTL_FAILED after the problem was said. */
int replay_write_html(struct ctl *ctl, const struct replay_report *r, const char *path);

#endif
