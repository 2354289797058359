/* SPDX-License-Identifier: Apache-2.0 */
/* What the pages of linked IDs are put together from: members of the engine's answer, dates, links and small forms. */
#include "broker/base/clock.h"
#include "broker/gateway/view_pages.h"

enum { DAY_MS = 24 * 3600 * 1000 };

const struct view_bound view_bounds[VIEW_BOUNDS] = {
    {"per_payment", TEXT_VIEW_PER_PAYMENT},
    {"per_day", TEXT_VIEW_PER_DAY},
    {"per_month", TEXT_VIEW_PER_MONTH},
};

struct exchange_result
view_member(const struct exchange_result *r, const char *name)
{
	return (struct exchange_result){.doc = r->doc, .body = result_get(r, name, JSON_OBJECT)};
}

size_t
view_count(const struct exchange_result *r, const char *name)
{
	uint32_t array = result_get(r, name, JSON_ARRAY);

	return array == 0 ? 0 : json_token_at(r->doc, array)->count;
}

bool
view_each(const struct exchange_result *r, const char *name, struct view_walk *walk, struct exchange_result *one)
{
	if (!walk->begun) {
		walk->begun = true;
		walk->left = (uint32_t)view_count(r, name);
		walk->at = walk->left == 0 ? 0 : json_first(r->doc, result_get(r, name, JSON_ARRAY));
	} else if (walk->left > 0) {
		walk->at = json_next(r->doc, walk->at);
	}
	if (walk->left == 0)
		return false;
	walk->left--;
	*one = (struct exchange_result){.doc = r->doc, .body = walk->at};
	return true;
}

/* --- dates --- */

struct civil {
	int64_t year;
	int month, day;
};

/* Days since 1970-01-01 to the civil calendar, in eras of 400 years that begin on 1 March. */
static struct civil
civil_of(int64_t days)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100), shifted = (5 * of_year + 2) / 153;
	struct civil c = {.day = (int)(of_year - (153 * shifted + 2) / 5 + 1),
	    .month = (int)(shifted < 10 ? shifted + 3 : shifted - 9)};

	c.year = year + era * 400 + (c.month <= 2);
	return c;
}

static void
put_civil(struct view_page *v, const struct civil *c, bool year)
{
	static const char *const months[12] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
	    "Dec"};
	struct buf *out = v->page->out;

	if (v->page->language == LANGUAGE_ZH) {
		if (year) {
			html_int(out, c->year);
			html_put(out, "年");
		}
		html_int(out, c->month);
		html_put(out, "月");
		html_int(out, c->day);
		html_put(out, "日");
		return;
	}
	html_int(out, c->day);
	html_put(out, "\xc2\xa0");
	html_put(out, months[(c->month + 11) % 12]);
	if (year) {
		html_put(out, "\xc2\xa0");
		html_int(out, c->year);
	}
}

void
view_day(struct view_page *v, int64_t day)
{
	struct civil c = civil_of(day);

	put_civil(v, &c, false);
}

static void
two_digits(struct buf *out, int64_t n)
{
	buf_put_u8(out, (uint8_t)('0' + n / 10 % 10));
	buf_put_u8(out, (uint8_t)('0' + n % 10));
}

void
view_date(struct view_page *v, struct view time, bool clock)
{
	int64_t ms = time.data == NULL ? -1 : clock_parse(time.data, time.len), local = ms + v->offset_s * 1000;
	struct buf *out = v->page->out;
	struct civil c;

	if (ms < 0 || local < 0) {
		html_text(out, time);
		return;
	}
	c = civil_of(local / DAY_MS);
	html_put(out, "<time datetime=\"");
	html_text(out, time);
	html_put(out, "\">");
	put_civil(v, &c, true);
	if (clock) {
		html_put(out, v->page->language == LANGUAGE_ZH ? " " : ", ");
		two_digits(out, local % DAY_MS / 3600000);
		buf_put_u8(out, ':');
		two_digits(out, local % 3600000 / 60000);
	}
	html_put(out, "</time>");
}

void
view_zone(struct view_page *v)
{
	int64_t minutes = v->offset_s / 60, hours = (minutes < 0 ? -minutes : minutes) / 60;
	struct buf *out = v->page->out;

	html_put(out, "<p class=\"help\">");
	view_say(v, TEXT_VIEW_ZONE);
	html_put(out, " UTC");
	if (minutes != 0) {
		html_put(out, minutes < 0 ? "−" : "+");
		html_int(out, hours);
		if (minutes % 60 != 0) {
			buf_put_u8(out, ':');
			two_digits(out, (minutes < 0 ? -minutes : minutes) % 60);
		}
	}
	html_put(out, v->page->language == LANGUAGE_ZH ? "。</p>\n" : ".</p>\n");
}

/* --- parts --- */

void
view_money(struct view_page *v, const struct exchange_result *r, const char *amount, const char *currency)
{
	html_money(v->page->out, v->page->language, result_str(r, amount), result_str(r, currency));
}

void
view_link(struct view_page *v, const char *class, const char *place, struct view of, unsigned text)
{
	struct buf *out = v->page->out;

	html_put(out, "<a class=\"");
	html_put(out, class);
	html_put(out, "\" href=\"/l/");
	html_text(out, v->page->exchange->params[0]);
	if (place != NULL) {
		html_put(out, "/");
		html_put(out, place);
	}
	if (of.len > 0) {
		html_put(out, "/");
		html_text(out, of);
	}
	html_put(out, "\">");
	view_say(v, text);
	html_put(out, "</a>");
}

void
view_button(struct view_page *v, const char *what, const char *member, struct view value, const char *class, unsigned text)
{
	struct buf *out = v->page->out;

	form_begin(v->page, v->cookie, NULL);
	if (member != NULL && value.len > 0) {
		html_put(out, "<input type=\"hidden\" name=\"");
		html_put(out, member);
		html_put(out, "\" value=\"");
		html_text(out, value);
		html_put(out, "\">\n");
	}
	html_put(out, "<button class=\"");
	html_put(out, class);
	html_put(out, "\" name=\"do\" value=\"");
	html_put(out, what);
	html_put(out, "\">");
	view_say(v, text);
	html_put(out, "</button>\n");
	form_end(v->page);
}

void
view_left(struct view_page *v, const struct exchange_result *allowance)
{
	view_say(v, TEXT_VIEW_LEFT);
	view_put(v, " ");
	view_money(v, allowance, "left", "currency");
	view_put(v, "<span class=\"of\">");
	view_put(v, v->page->language == LANGUAGE_ZH ? "" : " ");
	view_say(v, TEXT_VIEW_LEFT_OF);
	view_put(v, " ");
	view_money(v, allowance, "total", "currency");
	view_put(v, "</span>");
}
