/* SPDX-License-Identifier: Apache-2.0 */
/* replay: counting what differs. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/ctl/replay.h"

enum { DAYS_FIRST = 64 };

static size_t
pair_at(unsigned kind, unsigned then, unsigned now)
{
	return ((size_t)kind * REASON__COUNT + then) * REASON__COUNT + now;
}

void
replay_tally_init(struct replay_tally *t)
{
	*t = (struct replay_tally){0};
	t->pairs = calloc(pair_at(REPLAY_KINDS, 0, 0), sizeof(t->pairs[0]));
	CHECK(t->pairs != NULL);
}

void
replay_tally_clear(struct replay_tally *t)
{
	free(t->pairs);
	free(t->days);
}

static struct replay_money *
money_of(struct replay_tally *t, uint16_t currency)
{
	for (size_t i = 0; i < t->money_n; i++)
		if (t->money[i].currency == currency)
			return &t->money[i];
	if (t->money_n == REPLAY_CURRENCIES_MAX)
		return NULL;
	t->money[t->money_n].currency = currency;
	return &t->money[t->money_n++];
}

/* Days come nearly in order: a clock that was set back is looked for from the end. */
static struct replay_day *
day_of(struct replay_tally *t, int32_t day)
{
	size_t at = t->days_n;

	while (at > 0 && t->days[at - 1].day > day)
		at--;
	if (at > 0 && t->days[at - 1].day == day)
		return &t->days[at - 1];
	if (t->days_n == t->days_cap) {
		t->days_cap = t->days_cap == 0 ? DAYS_FIRST : 2 * t->days_cap;
		t->days = realloc(t->days, t->days_cap * sizeof(t->days[0]));
		CHECK(t->days != NULL);
	}
	memmove(&t->days[at + 1], &t->days[at], (t->days_n - at) * sizeof(t->days[0]));
	t->days[at] = (struct replay_day){.day = day};
	t->days_n++;
	return &t->days[at];
}

static struct replay_service *
service_of(struct replay_tally *t, uint64_t tag)
{
	for (size_t i = 0; i < t->services_n; i++)
		if (t->services[i].tag == tag)
			return &t->services[i];
	/* Services that are configured no more share the last place. */
	if (t->services_n == REPLAY_SERVICES_MAX)
		return &t->services[t->services_n - 1];
	t->services[t->services_n].tag = tag;
	return &t->services[t->services_n++];
}

bool
replay_tally_add(struct replay_tally *t, const struct policy *p, const struct event *e, const struct again *a)
{
	unsigned kind = a->capture ? REPLAY_CAPTURE : (unsigned)a->op, then = a->outcome, now = a->now.outcome;
	struct replay_money *m;

	t->decisions++;
	t->by_candidate += id_equal(&e->policy, &p->digest);
	t->kinds[kind][then][now]++;
	if (again_differs(a))
		t->pairs[pair_at(kind, a->reason, a->now.reason)]++;
	t->reasons_differ += then == now && a->reason != a->now.reason;
	if (kind != OP_SPEND)
		return then != now;
	day_of(t, window_day(p, e->time_ms))->n[then][now]++;
	service_of(t, e->service)->n[then][now]++;
	m = money_of(t, a->currency);
	if (m != NULL) {
		m->count[then][now]++;
		m->minor[then][now] = money_add(m->minor[then][now], a->amount_minor);
	}
	return then != now;
}

static int
by_count(const void *x, const void *y)
{
	const struct replay_reason *a = x, *b = y;

	return a->count != b->count ? (a->count < b->count ? 1 : -1) :
	    a->kind != b->kind ? a->kind - b->kind : a->then != b->then ? a->then - b->then : a->now - b->now;
}

/* Keeps the most frequent: the least frequent of those kept gives its place. */
static void
keep_reason(struct replay_tally *t, const struct replay_reason *r)
{
	size_t least = 0;

	if (t->reasons_n < REPLAY_REASONS_MAX) {
		t->reasons[t->reasons_n++] = *r;
		return;
	}
	t->reasons_left++;
	for (size_t i = 1; i < t->reasons_n; i++)
		if (t->reasons[i].count < t->reasons[least].count)
			least = i;
	if (t->reasons[least].count < r->count)
		t->reasons[least] = *r;
}

static int
by_currency(const void *x, const void *y)
{
	const struct replay_money *a = x, *b = y;

	return a->currency - b->currency;
}

void
replay_tally_end(struct replay_tally *t)
{
	for (unsigned k = 0; k < REPLAY_KINDS; k++)
		for (unsigned then = 0; then < REASON__COUNT; then++)
			for (unsigned now = 0; now < REASON__COUNT; now++) {
				struct replay_reason r = {(uint8_t)k, (uint8_t)then, (uint8_t)now,
				    t->pairs[pair_at(k, then, now)]};

				if (r.count > 0)
					keep_reason(t, &r);
			}
	qsort(t->reasons, t->reasons_n, sizeof(t->reasons[0]), by_count);
	qsort(t->money, t->money_n, sizeof(t->money[0]), by_currency);
}

uint64_t
replay_sum(const replay_matrix m)
{
	uint64_t n = 0;

	for (int i = 0; i < 9; i++)
		n += m[i / 3][i % 3];
	return n;
}

uint64_t
replay_differ(const replay_matrix m)
{
	return replay_sum(m) - m[0][0] - m[1][1] - m[2][2];
}

uint64_t
replay_tighter(const replay_matrix m)
{
	return m[OUTCOME_PERMIT][OUTCOME_STEP_UP] + m[OUTCOME_PERMIT][OUTCOME_DENY] + m[OUTCOME_STEP_UP][OUTCOME_DENY];
}

const char *
replay_kind_name(unsigned kind)
{
	return kind == REPLAY_CAPTURE ? "capture" : op_name((enum op)kind);
}

const char *
replay_service_name(const struct ruleset *rules, uint64_t tag)
{
	return ruleset_service(rules, tag) == NULL ? "(not in this configuration)" : ruleset_service_name(rules, tag);
}

/* Civil date of a day, in eras of 400 years that begin on 1 March. */
void
replay_day_text(int32_t day, char to[16])
{
	int64_t z = (int64_t)day + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100), shifted = (5 * of_year + 2) / 153;
	int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;

	(void)snprintf(to, 16, "%04u-%02u-%02u", (unsigned)(year + era * 400 + (month <= 2)) % 10000,
	    (unsigned)month % 100, (unsigned)(of_year - (153 * shifted + 2) / 5 + 1) % 100);
}

const char *
replay_account_text(const struct replay_account *a, char to[REPLAY_NAME_MAX])
{
	static const char digits[] = "0123456789abcdef";

	if (a->name[0] != '\0')
		return a->name;
	for (size_t i = 0; i < 2 * sizeof(a->key.b); i++)
		to[i] = digits[a->key.b[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	to[2 * sizeof(a->key.b)] = '\0';
	return to;
}

const char *
replay_money_text(int64_t minor, uint16_t currency, char to[32])
{
	size_t n;

	if (currency_get(currency) == NULL || minor < 0)
		return "-";
	n = money_format(minor, currency, to);
	to[n] = '\0';
	return to;
}
