/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an account's IDs spent on each of the last days, for a chart. The state keeps the running day and month alone, so
 * this is read from the account's events, newest first: SPENDING_STEP_ROWS a call, so that the loop goes on between, and
 * SPENDING_ROWS_MAX in all; an account with more events in those days has a chart of fewer days, and it says so. It is
 * never on the way of a payment. What was released, expired or stopped counts as not spent; refunds give nothing back.
 */
#ifndef CS_ENGINE_SPENDING_H
#define CS_ENGINE_SPENDING_H

#include "broker/base/buf.h"
#include "broker/base/err.h"
#include "broker/core/account.h"
#include "broker/engine/txn.h"

struct call;

enum {
	SPENDING_DAYS = 30,
	SPENDING_STEP_ROWS = 256,   /* a few milliseconds: a row is read through the record's own chain */
	SPENDING_ROWS_MAX = 4096,
	SPENDING_LINES_MAX = 64,    /* IDs times currencies */
	SPENDING_NAME_MAX = 128,
};

/* One ID, one currency. */
struct spending_line {
	struct id subject;
	uint16_t currency;
	int64_t days_minor[SPENDING_DAYS]; /* the last is today */
};

/* Whom a hold is for. */
struct spending_payee {
	struct id payment;
	uint8_t len;
	char name[SPENDING_NAME_MAX];
};

struct spending {
	uint64_t revision;          /* of the account when it was begun */
	int32_t today;              /* number of the day */
	int from;                   /* days before this index are not known */
	bool done;
	size_t lines_n, payees_n;
	struct spending_line lines[SPENDING_LINES_MAX];
	struct spending_payee payees[ACCOUNT_HOLDS_MAX];
	struct spending_scan *scan; /* while it is not done */
};

/*
 * Goes on, or begins where *s is NULL or of an older revision. CS_OK with (*s)->done: all is there. CS_OK without: to be
 * called again, at once or when the store has answered.
 */
enum cs_err spending_step(struct engine *e, const struct account *a, struct spending **s);
/*
 * Where the store has not answered yet: the call is held, and fn runs for it when it has; the caller returns at once. False:
 * nobody is waited for, or somebody waits already.
 */
bool spending_wait(struct spending *s, struct call *call, txn_fn *fn);
/* NULL where nothing was spent. */
const struct spending_line *spending_line(const struct spending *s, const struct id *subject, uint16_t currency);
/* Empty where it is not known. */
struct view spending_payee(const struct spending *s, const struct id *payment);
void spending_free(struct spending *s);

#endif
