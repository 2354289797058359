/* SPDX-License-Identifier: Apache-2.0 */
/* Counting payments, giving amounts back, and reading what counters stand at. */
#include "broker/core/counters.h"

#include "broker/core/money.h"

static const struct id whole;

/* Since 1970 in UTC: a rolling window knows no zone. */
static int32_t
hour_of(int64_t ms)
{
	int64_t hour = ms / HOUR_MS;

	return hour > INT32_MAX ? INT32_MAX : (int32_t)hour;
}

/* The year of a month number; both count from 1970 and may be before it. */
static int32_t
year_of(int32_t month)
{
	return (month >= 0 ? month : month - 11) / 12;
}

static bool
hour_over(int32_t bucket, int32_t hour)
{
	return bucket <= hour - COUNTER_HOURS_KEPT;
}

/* Whether what the slot counted has no window any more. */
static bool
slot_over(const struct counter *c, const struct counting *k)
{
	switch ((enum counter_kind)c->kind) {
	case COUNTER_DAYS:
		return c->month < k->month;
	case COUNTER_YEAR:
		return c->day < year_of(k->month);
	case COUNTER_HOURS:
		return hour_over(c->day, hour_of(k->ms)) && hour_over(c->month, hour_of(k->ms));
	case COUNTER_STEPUP:
		return c->day_minor == 0 && c->day_count == 0;
	case COUNTER_TOTAL:
	case COUNTER_KNOWN:
	case COUNTER__KINDS:
		break;
	}
	return false;
}

/* A slot that this very payment counts in is no room for another of its own. */
static bool
slot_ours(const struct counter *c, const struct counting *k)
{
	if (c->currency != k->currency && c->currency != CURRENCY_NONE)
		return false;
	return c->of == COUNTER_OF_PAYEE ? id_equal(&c->subject, k->payee) :
	    id_equal(&c->subject, &whole) || id_equal(&c->subject, k->subject);
}

/* The payee that was paid longest ago, or NULL; *n is how many there are. */
static struct counter *
known_oldest(struct counter *counters, uint8_t n, const struct counting *k, size_t *known)
{
	struct counter *oldest = NULL;

	*known = 0;
	for (uint8_t i = 0; i < n; i++) {
		struct counter *c = &counters[i];

		if (c->kind != COUNTER_KNOWN)
			continue;
		(*known)++;
		if (!slot_ours(c, k) && (oldest == NULL || c->day < oldest->day))
			oldest = c;
	}
	return oldest;
}

/* A place: a free one, else one whose window is over, else that of the payee paid longest ago. NULL: full. */
static struct counter *
slot_take(struct counter *counters, uint8_t *n, const struct counting *k)
{
	size_t known;

	if (*n < ACCOUNT_COUNTERS_MAX)
		return &counters[(*n)++];
	for (uint8_t i = 0; i < *n; i++) {
		if (slot_over(&counters[i], k) && !slot_ours(&counters[i], k))
			return &counters[i];
	}
	return known_oldest(counters, *n, k, &known);
}

static struct counter *
slot_find(struct counter *counters, uint8_t n, enum counter_kind kind, enum counter_of of, const struct id *owner,
    uint16_t currency)
{
	for (uint8_t i = 0; i < n; i++) {
		struct counter *c = &counters[i];

		if (c->currency == currency && c->kind == kind && c->of == of && id_equal(&c->subject, owner))
			return c;
	}
	return NULL;
}

/* The slot of that kind, made where there is none. */
static struct counter *
slot_for(struct counter *counters, uint8_t *n, enum counter_kind kind, enum counter_of of, const struct id *owner,
    uint16_t currency, const struct counting *k)
{
	struct counter *c = slot_find(counters, *n, kind, of, owner, currency);

	if (c != NULL)
		return c;
	c = slot_take(counters, n, k);
	if (c != NULL) {
		/* Byte by byte, for what no member covers is compared by tests. */
		memset(c, 0, sizeof(*c));
		c->subject = *owner;
		c->currency = currency;
		c->kind = (uint8_t)kind;
		c->of = (uint8_t)of;
	}
	return c;
}

static bool
add_days(struct counter *counters, uint8_t *n, enum counter_of of, const struct id *owner, uint16_t currency,
    const struct counting *k)
{
	struct counter *c = slot_for(counters, n, COUNTER_DAYS, of, owner, currency, k);
	int64_t amount = currency == CURRENCY_NONE ? 0 : k->amount_minor;

	if (c == NULL)
		return false;
	if (c->day_count == 0 && c->month_count == 0) {
		c->day = k->day;
		c->month = k->month;
	}
	/* Never back to an emptied window of the past. */
	if (c->day < k->day) {
		c->day = k->day;
		c->day_minor = 0;
		c->day_count = 0;
	}
	if (c->month < k->month) {
		c->month = k->month;
		c->month_minor = 0;
		c->month_count = 0;
	}
	c->day_minor = money_add(c->day_minor, amount);
	c->month_minor = money_add(c->month_minor, amount);
	c->day_count++;
	c->month_count++;
	return true;
}

static bool
add_year(struct counter *counters, uint8_t *n, enum counter_of of, const struct id *owner, const struct counting *k)
{
	struct counter *c = slot_for(counters, n, COUNTER_YEAR, of, owner, k->currency, k);
	int32_t year = year_of(k->month);

	if (c == NULL)
		return false;
	if (c->day < year || c->day_count == 0) {
		c->day = year;
		c->day_minor = 0;
		c->day_count = 0;
	}
	c->day_minor = money_add(c->day_minor, k->amount_minor);
	c->day_count++;
	return true;
}

static bool
add_total(struct counter *counters, uint8_t *n, enum counter_of of, const struct id *owner, const struct counting *k)
{
	struct counter *c = slot_for(counters, n, COUNTER_TOTAL, of, owner, k->currency, k);

	if (c == NULL)
		return false;
	c->day_minor = money_add(c->day_minor, k->amount_minor);
	c->day_count++;
	return true;
}

static bool
add_stepup(struct counter *counters, uint8_t *n, enum counter_of of, const struct id *owner, const struct counting *k)
{
	struct counter *c = slot_find(counters, *n, COUNTER_STEPUP, of, owner, k->currency);

	if (c == NULL) {
		c = slot_for(counters, n, COUNTER_STEPUP, of, owner, k->currency, k);
		if (c == NULL)
			return false;
		/* What was permitted after this is in the sum. */
		c->month_minor = k->ms > 0 ? k->ms - 1 : 0;
	}
	c->day_minor = money_add(c->day_minor, k->amount_minor);
	c->day_count++;
	return true;
}

/* A countersigned payment begins all of them anew, and stands in none. They stay, for they say since when. */
static void
reset_stepups(struct counter *counters, uint8_t n, int64_t ms)
{
	for (uint8_t i = 0; i < n; i++) {
		if (counters[i].kind != COUNTER_STEPUP)
			continue;
		counters[i].day_minor = 0;
		counters[i].day_count = 0;
		counters[i].month_minor = ms;
	}
}

static void
bucket_add(int32_t *bucket, int64_t *minor, uint32_t *count, int32_t hour, int64_t amount)
{
	if (*bucket != hour) {
		*bucket = hour;
		*minor = 0;
		*count = 0;
	}
	*minor = money_add(*minor, amount);
	++*count;
}

static bool
add_hours(struct counter *counters, uint8_t *n, enum counter_of of, const struct id *owner, const struct counting *k)
{
	int32_t hour = hour_of(k->ms);
	struct counter *c, *free = NULL;
	bool second = false;

	for (uint8_t i = 0; i < *n; i++) {
		c = &counters[i];
		if (c->currency != k->currency || c->kind != COUNTER_HOURS || c->of != of ||
		    !id_equal(&c->subject, owner))
			continue;
		if (c->day == hour && c->day_count > 0) {
			bucket_add(&c->day, &c->day_minor, &c->day_count, hour, k->amount_minor);
			return true;
		}
		if (c->month == hour && c->month_count > 0) {
			bucket_add(&c->month, &c->month_minor, &c->month_count, hour, k->amount_minor);
			return true;
		}
		if (free == NULL && (hour_over(c->day, hour) || hour_over(c->month, hour))) {
			free = c;
			second = !hour_over(c->day, hour);
		}
	}
	if (free == NULL) {
		free = slot_take(counters, n, k);
		if (free == NULL)
			return false;
		memset(free, 0, sizeof(*free));
		free->subject = *owner;
		free->currency = k->currency;
		free->kind = COUNTER_HOURS;
		free->of = (uint8_t)of;
	}
	if (second)
		bucket_add(&free->month, &free->month_minor, &free->month_count, hour, k->amount_minor);
	else
		bucket_add(&free->day, &free->day_minor, &free->day_count, hour, k->amount_minor);
	return true;
}

static bool
add_known(struct counter *counters, uint8_t *n, const struct counting *k)
{
	struct counter *c = slot_find(counters, *n, COUNTER_KNOWN, COUNTER_OF_PAYEE, k->payee, CURRENCY_NONE);
	size_t known;

	if (c == NULL) {
		c = known_oldest(counters, *n, k, &known);
		if (known < COUNTER_KNOWN_MAX)
			c = slot_take(counters, n, k);
		if (c == NULL)
			return false;
		memset(c, 0, sizeof(*c));
		c->subject = *k->payee;
		c->kind = COUNTER_KNOWN;
		c->of = COUNTER_OF_PAYEE;
	}
	c->day = k->day;
	return true;
}

static bool
add_scope(struct counter *counters, uint8_t *n, enum need_scope scope, const struct id *owner, const struct counting *k)
{
	enum counter_of of = scope == NEED_OF_PAYEE ? COUNTER_OF_PAYEE : COUNTER_OF_SUBJECT;

	if (scope == NEED_OF_PAYEE && (k->needs & NEED(scope, COUNTER_DAYS)) != 0 &&
	    !add_days(counters, n, of, owner, k->currency, k))
		return false;
	if ((k->needs & NEED(scope, COUNTER_YEAR)) != 0 && !add_year(counters, n, of, owner, k))
		return false;
	if ((k->needs & NEED(scope, COUNTER_TOTAL)) != 0 && !add_total(counters, n, of, owner, k))
		return false;
	if ((k->needs & NEED(scope, COUNTER_HOURS)) != 0 && !add_hours(counters, n, of, owner, k))
		return false;
	return (k->needs & NEED(scope, COUNTER_STEPUP)) == 0 || k->countersigned ||
	    add_stepup(counters, n, of, owner, k);
}

bool
counters_add(struct counter *counters, uint8_t *n, const struct counting *k)
{
	if (!add_days(counters, n, COUNTER_OF_SUBJECT, &whole, k->currency, k) ||
	    !add_days(counters, n, COUNTER_OF_SUBJECT, &whole, CURRENCY_NONE, k) ||
	    !add_days(counters, n, COUNTER_OF_SUBJECT, k->subject, k->currency, k) ||
	    !add_days(counters, n, COUNTER_OF_SUBJECT, k->subject, CURRENCY_NONE, k))
		return false;
	if (k->needs == 0)
		return true;
	if (k->countersigned)
		reset_stepups(counters, *n, k->ms);
	return add_scope(counters, n, NEED_OF_ACCOUNT, &whole, k) &&
	    add_scope(counters, n, NEED_OF_LINK, k->subject, k) && add_scope(counters, n, NEED_OF_PAYEE, k->payee, k) &&
	    ((k->needs & NEED_KNOWN) == 0 || add_known(counters, n, k));
}

bool
counters_room(const struct account *a, const struct counting *k)
{
	struct counter counters[ACCOUNT_COUNTERS_MAX];
	uint8_t n = a->counters_n;
	unsigned most = 4;

	/* At most one slot a need: nearly always there are as many free. */
	for (uint32_t needs = k->needs; needs != 0; needs &= needs - 1)
		most++;
	if (n + most <= ACCOUNT_COUNTERS_MAX)
		return true;
	memcpy(counters, a->counters, n * sizeof(counters[0]));
	return counters_add(counters, &n, k);
}

static int64_t
less(int64_t from, int64_t amount)
{
	return from > amount ? from - amount : 0;
}

static void
give_back_one(struct counter *c, const struct payment *p, int32_t day, int32_t month, int64_t amount)
{
	switch ((enum counter_kind)c->kind) {
	case COUNTER_DAYS:
		if (c->day == day)
			c->day_minor = less(c->day_minor, amount);
		if (c->month == month)
			c->month_minor = less(c->month_minor, amount);
		break;
	case COUNTER_YEAR:
		if (c->day == year_of(month))
			c->day_minor = less(c->day_minor, amount);
		break;
	case COUNTER_TOTAL:
		c->day_minor = less(c->day_minor, amount);
		break;
	case COUNTER_HOURS:
		if (c->day == hour_of(p->permitted_ms))
			c->day_minor = less(c->day_minor, amount);
		else if (c->month == hour_of(p->permitted_ms))
			c->month_minor = less(c->month_minor, amount);
		break;
	case COUNTER_STEPUP:
		if (p->basis != BASIS_COUNTERSIGNATURE && p->permitted_ms > c->month_minor)
			c->day_minor = less(c->day_minor, amount);
		break;
	case COUNTER_KNOWN:
	case COUNTER__KINDS:
		break;
	}
}

void
counters_give_back(struct account *a, const struct payment *p, int32_t day, int32_t month, int64_t amount_minor)
{
	for (uint8_t i = 0; i < a->counters_n; i++) {
		struct counter *c = &a->counters[i];
		bool account = id_zero(&c->subject);

		if (c->currency != p->currency || c->of != COUNTER_OF_SUBJECT ||
		    (!account && !id_equal(&c->subject, &p->subject)))
			continue;
		/* What was permitted before a stack asked for the counter is not in it. */
		if (c->kind == COUNTER_DAYS || (p->needs & NEED(account ? NEED_OF_ACCOUNT : NEED_OF_LINK, c->kind)) != 0)
			give_back_one(c, p, day, month, amount_minor);
	}
}

/* Of two windows of one length the later one stands; of the same one both sums do. */
static void
window_join(int32_t *window, int64_t *minor, uint32_t *count, int32_t other, int64_t other_minor, uint32_t other_count)
{
	if (other > *window) {
		*window = other;
		*minor = 0;
		*count = 0;
	}
	if (other == *window) {
		*minor = money_add(*minor, other_minor);
		*count = *count > UINT32_MAX - other_count ? UINT32_MAX : *count + other_count;
	}
}

static void
slot_join(struct counter *to, const struct counter *from)
{
	window_join(&to->day, &to->day_minor, &to->day_count, from->day, from->day_minor, from->day_count);
	/* The later of both beginnings: what was permitted before it is given back to nobody. */
	if (to->kind == COUNTER_STEPUP)
		to->month_minor = to->month_minor > from->month_minor ? to->month_minor : from->month_minor;
	else
		window_join(&to->month, &to->month_minor, &to->month_count, from->month, from->month_minor,
		    from->month_count);
}

void
counters_move(struct account *a, const struct id *from, const struct id *to)
{
	for (uint8_t i = 0; i < a->counters_n;) {
		struct counter *c = &a->counters[i], *there = NULL;

		if (c->of != COUNTER_OF_SUBJECT || !id_equal(&c->subject, from)) {
			i++;
			continue;
		}
		/* Hours take several slots: none is joined. */
		if (c->kind != COUNTER_HOURS)
			there = slot_find(a->counters, a->counters_n, (enum counter_kind)c->kind, COUNTER_OF_SUBJECT, to,
			    c->currency);
		if (there == NULL) {
			c->subject = *to;
			i++;
			continue;
		}
		slot_join(there, c);
		memmove(c, c + 1, (size_t)(a->counters_n - i - 1) * sizeof(*c));
		a->counters_n--;
	}
}

struct standing
counters_standing(const struct account *a, enum counter_kind kind, enum counter_of of, const struct id *owner,
    uint16_t currency, int32_t month, int64_t now_ms)
{
	struct standing s = {0};

	for (uint8_t i = 0; i < a->counters_n; i++) {
		const struct counter *c = &a->counters[i];
		/* A window ahead of ours is ours, too: another zone empties no counter. */
		bool first = kind == COUNTER_YEAR ? c->day >= year_of(month) :
		    kind != COUNTER_HOURS || !hour_over(c->day, hour_of(now_ms));
		bool second = kind == COUNTER_HOURS && !hour_over(c->month, hour_of(now_ms));

		if (c->kind != kind || c->of != of || !id_equal(&c->subject, owner))
			continue;
		s.count += first ? c->day_count : 0;
		s.count += second ? c->month_count : 0;
		if (c->currency != currency)
			continue;
		s.minor = money_add(s.minor, first ? c->day_minor : 0);
		s.minor = money_add(s.minor, second ? c->month_minor : 0);
	}
	return s;
}

void
counters_payee_days(const struct account *a, const struct id *payee, uint16_t currency, int32_t day, int32_t month,
    struct standing *today, struct standing *this_month)
{
	*today = *this_month = (struct standing){0};
	for (uint8_t i = 0; i < a->counters_n; i++) {
		const struct counter *c = &a->counters[i];

		if (c->kind != COUNTER_DAYS || c->of != COUNTER_OF_PAYEE || !id_equal(&c->subject, payee))
			continue;
		today->count += c->day >= day ? c->day_count : 0;
		this_month->count += c->month >= month ? c->month_count : 0;
		if (c->currency != currency)
			continue;
		today->minor = c->day >= day ? c->day_minor : 0;
		this_month->minor = c->month >= month ? c->month_minor : 0;
	}
}

bool
counters_known(const struct account *a, const struct id *payee)
{
	for (uint8_t i = 0; i < a->counters_n; i++) {
		if (a->counters[i].kind == COUNTER_KNOWN && id_equal(&a->counters[i].subject, payee))
			return true;
	}
	return false;
}
