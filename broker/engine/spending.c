/* SPDX-License-Identifier: Apache-2.0 */
/* Spending by day, from the events. */
#include "broker/engine/spending.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/engine/call.h"
#include "broker/engine/event_json.h"
#include "broker/engine/rows.h"

enum {
	SEEN_SLOTS = 2 * SPENDING_ROWS_MAX, /* at most one entry a row: half full */
	STEP_BYTES_MAX = 1024 * 1024,
};

/* How a payment ended, which is met before the payment itself. */
struct seen {
	struct id payment;
	bool used, given_back;
	int64_t captured_minor;
};

struct spending_scan {
	struct spending *of;
	struct engine *engine;
	const struct account *account;
	uint64_t next;              /* to go on below */
	size_t rows;
	bool ended;                 /* the first day, or the first event, was passed */
	struct reading *reading;    /* the store answers later */
	struct rows *got;           /* and has: not looked at yet */
	uint32_t stopped[ACCOUNT_LINKS_MAX + 1];   /* links of a newer "not me", 0 the account */
	size_t stopped_n;
	struct seen seen[SEEN_SLOTS];
};

/* Ids of payments are keyed digests: their bytes are as good as random. */
static struct seen *
seen_of(struct spending_scan *s, const struct id *payment)
{
	size_t i = (size_t)(payment->b[0] | payment->b[1] << 8) % SEEN_SLOTS;

	while (s->seen[i].used && !id_equal(&s->seen[i].payment, payment))
		i = (i + 1) % SEEN_SLOTS;
	return &s->seen[i];
}

static struct seen *
seen_take(struct spending_scan *s, const struct id *payment)
{
	struct seen *at = seen_of(s, payment);

	if (!at->used)
		*at = (struct seen){.payment = *payment, .used = true, .captured_minor = -1};
	return at;
}

static bool
was_stopped(const struct spending_scan *s, const struct event *ev)
{
	for (size_t i = 0; i < s->stopped_n; i++) {
		if (s->stopped[i] == 0 || s->stopped[i] == (uint32_t)ev->link_no)
			return true;
	}
	return false;
}

/* What it came to in the end. */
static int64_t
spent_minor(struct spending_scan *s, const struct event *ev)
{
	const struct seen *end = seen_of(s, &ev->payment);

	if ((ev->flags & EVENT_FLAG_CAPTURE) != 0)
		return ev->amount_minor;
	if (end->used && end->given_back)
		return 0;
	if (end->used && end->captured_minor >= 0)
		return end->captured_minor;
	/* A hold that "not me" voided has no event of its own. */
	return was_stopped(s, ev) ? 0 : ev->amount_minor;
}

static void
add(struct spending *sp, const struct event *ev, int day, int64_t minor)
{
	struct spending_line *l = (struct spending_line *)spending_line(sp, &ev->subject, (uint16_t)ev->currency);

	if (minor == 0)
		return;
	if (l == NULL && sp->lines_n == SPENDING_LINES_MAX)
		return;
	if (l == NULL) {
		l = &sp->lines[sp->lines_n++];
		*l = (struct spending_line){.subject = ev->subject, .currency = (uint16_t)ev->currency};
	}
	l->days_minor[day] = money_add(l->days_minor[day], minor);
}

/* Texts of payments leave the state with them; of the few that are held the page says for whom. */
static void
note_payee(struct spending_scan *s, const struct event *ev, const struct store_row *row)
{
	static struct texts texts;
	const struct payment *p = account_payment(s->account, &ev->payment);
	struct event_row of = {.event = *ev, .extra = row->extra, .account = s->account};
	struct spending_payee *to;
	struct view name;

	if (p == NULL || p->state != PAYMENT_HELD || s->of->payees_n == ACCOUNT_HOLDS_MAX)
		return;
	memcpy(of.key.b, row->key.b, sizeof(of.key.b));
	if (!event_row_texts(s->engine, &of, &texts))
		return;
	name = texts.of[texts.of[TEXT_PAYEE_NAME].data != NULL ? TEXT_PAYEE_NAME : TEXT_PAYEE_ID];
	if (name.len == 0 || name.len > SPENDING_NAME_MAX)
		return;
	to = &s->of->payees[s->of->payees_n++];
	to->payment = ev->payment;
	to->len = (uint8_t)name.len;
	memcpy(to->name, name.data, name.len);
}

static void
look_at(struct spending_scan *s, const struct event *ev, const struct store_row *row, int day)
{
	switch ((enum event_type)ev->type) {
	case EVENT_PAYMENT_PERMITTED:
		add(s->of, ev, day, spent_minor(s, ev));
		note_payee(s, ev, row);
		break;
	case EVENT_PAYMENT_CAPTURED:
		seen_take(s, &ev->payment)->captured_minor = ev->captured_minor;
		break;
	case EVENT_PAYMENT_RELEASED:
	case EVENT_PAYMENT_EXPIRED:
		seen_take(s, &ev->payment)->given_back = true;
		break;
	case EVENT_NOT_ME:
		if (!was_stopped(s, ev) && s->stopped_n < sizeof(s->stopped) / sizeof(s->stopped[0]))
			s->stopped[s->stopped_n++] = (uint32_t)ev->link_no;
		break;
	default:
		break;
	}
}

/* False: what is asked for is known. */
static bool
take_row(struct spending_scan *s, const struct store_row *row)
{
	struct event ev;
	int32_t day;

	s->rows++;
	if (event_decode(row->event, &ev) != CS_OK)
		return true;
	day = window_day(s->engine->rules->policy, ev.time_ms) - (s->of->today - (SPENDING_DAYS - 1));
	if (day < 0) {
		s->ended = true;
		return false;
	}
	look_at(s, &ev, row, day < SPENDING_DAYS ? day : SPENDING_DAYS - 1);
	/* Of a day that is not read to its end nothing is said. */
	s->of->from = day + 1;
	return s->rows < SPENDING_ROWS_MAX;
}

static void
take_rows(struct spending_scan *s)
{
	struct rows *rows = s->got;
	struct store_row row;
	size_t at = 0;

	s->got = NULL;
	while (rows_next(rows, &at, &row) && take_row(s, &row))
		;
	s->next = rows->next;
	s->ended |= !rows->stopped && rows->next == 0;
	rows_free(rows);
}

/* A scan under way. */
struct reading {
	struct spending_scan *of;   /* NULL: nobody wants it any more */
	struct id key;
	struct call *call;          /* that waits for it, or NULL */
	txn_fn *fn;
};

static void
on_rows(void *ctx, struct rows *rows)
{
	struct reading r = *(struct reading *)ctx;

	free(ctx);
	if (r.of != NULL) {
		r.of->reading = NULL;
		r.of->got = rows;
	} else {
		rows_free(rows);
	}
	if (r.call != NULL)
		txn_run_held(r.call->engine, &r.key, r.call, r.fn);
}

bool
spending_wait(struct spending *s, struct call *call, txn_fn *fn)
{
	struct reading *r = s == NULL || s->scan == NULL ? NULL : s->scan->reading;

	if (r == NULL || r->call != NULL)
		return false;
	r->call = call_hold(call);
	r->fn = fn;
	return true;
}

/* What the store still looks for is for nobody. */
static void
scan_free(struct spending_scan *scan)
{
	if (scan == NULL)
		return;
	if (scan->reading != NULL)
		scan->reading->of = NULL;
	rows_free(scan->got);
	free(scan);
}

static void
begin(struct engine *e, const struct account *a, struct spending **s)
{
	spending_free(*s);
	*s = calloc(1, sizeof(**s));
	CHECK(*s != NULL);
	(*s)->scan = calloc(1, sizeof(*(*s)->scan));
	CHECK((*s)->scan != NULL);
	(*s)->scan->of = *s;
	(*s)->revision = a->revision;
	(*s)->today = window_day(e->rules->policy, e->now.wall_ms > a->time_ms ? e->now.wall_ms : a->time_ms);
}

static void
finish(struct spending *s)
{
	if (s->scan->ended)
		s->from = 0;
	for (size_t i = 0; i < s->lines_n; i++)
		memset(s->lines[i].days_minor, 0, (size_t)s->from * sizeof(s->lines[i].days_minor[0]));
	scan_free(s->scan);
	s->scan = NULL;
	s->done = true;
}

static void
ask(struct engine *e, const struct account *a, struct spending_scan *scan)
{
	struct store_key key;
	const struct rows_asked asked = {.scan = {.after = scan->next, .limit = SPENDING_STEP_ROWS, .key = &key, .back = true},
	    .keep_max = SPENDING_STEP_ROWS, .bytes_max = STEP_BYTES_MAX};

	scan->reading = malloc(sizeof(*scan->reading));
	CHECK(scan->reading != NULL);
	*scan->reading = (struct reading){.of = scan, .key = a->key};
	memcpy(key.b, a->key.b, sizeof(key.b));
	(void)rows_scan(e, &asked, on_rows, scan->reading);
}

enum cs_err
spending_step(struct engine *e, const struct account *a, struct spending **s)
{
	struct spending_scan *scan;

	/* What is under way is brought to its end, whatever happens meanwhile: else a busy account never saw one. */
	if (*s == NULL || ((*s)->done && (*s)->revision != a->revision))
		begin(e, a, s);
	if ((*s)->done)
		return CS_OK;
	scan = (*s)->scan;
	scan->engine = e;
	scan->account = a;
	if (scan->reading == NULL && scan->got == NULL)
		ask(e, a, scan);
	if (scan->got == NULL)
		return CS_OK;
	if (scan->got->err != CS_OK) {
		enum cs_err err = scan->got->err;

		spending_free(*s);
		*s = NULL;
		return err;
	}
	take_rows(scan);
	if (scan->ended || scan->rows >= SPENDING_ROWS_MAX)
		finish(*s);
	return CS_OK;
}

const struct spending_line *
spending_line(const struct spending *s, const struct id *subject, uint16_t currency)
{
	for (size_t i = 0; s != NULL && i < s->lines_n; i++) {
		if (s->lines[i].currency == currency && id_equal(&s->lines[i].subject, subject))
			return &s->lines[i];
	}
	return NULL;
}

struct view
spending_payee(const struct spending *s, const struct id *payment)
{
	for (size_t i = 0; s != NULL && i < s->payees_n; i++) {
		if (id_equal(&s->payees[i].payment, payment))
			return view_of(s->payees[i].name, s->payees[i].len);
	}
	return view_of(NULL, 0);
}

void
spending_free(struct spending *s)
{
	if (s == NULL)
		return;
	scan_free(s->scan);
	free(s);
}
