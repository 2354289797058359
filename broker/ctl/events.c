/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events: the audit log. A head line that says what happened, then, indented, on what evidence. In text ids are cut to
 * what tells them apart, and serials, digests and the chain are left to --json; whatever else a newer daemon writes
 * follows as name=value.
 */
#include <poll.h>
#include <stdio.h>

#include "broker/base/clock.h"
#include "broker/ctl/call.h"
#include "broker/ctl/events_verify.h"
#include "broker/ctl/print.h"

enum {
	PAGE = 100,             /* events asked for at once */
	AGAIN_MS = 1000,        /* between tries while the daemon restarts */
	LINE_MAX_BYTES = 8 * JSON_TEXT_MAX,
	WIDTH = 100,            /* columns of a terminal that an admin has */
	INDENT = 4,
	ID_WHOLE = 40,          /* bytes of an id that are shown; a longer one is cut */
	ID_TAIL = 8,
	DIGEST_HEAD = 8,
};

/* The head line. What is longer than its column moves the next ones. */
static const struct {
	const char *name;
	bool in_json;
	int width;
} heads[] = {
	{"time", false, 23}, {"type", false, 18}, {"outcome", false, 7}, {"reason", false, 26}, {"service", false, 10},
	{"account", true, 0},
};

/* What a decision rests on stands first. */
static const char *const evidence[] = {"basis", "factors", "kind", "seen_day", "seen_month", "seen_count", "policy",
    "payment"};

/* Said in the head line or the phrase after it, or for machines alone. */
static const char *const told[] = {"time", "type", "outcome", "reason", "service", "account", "amount", "currency",
    "payee", "payee_name", "provider", "words", "json", "key", "id", "revision", "prev", "no", "link_no", "target_no",
    "challenge_no", "allowance_no", "step", "day", "month", "content_digest", "payee_digest", "subject_digest",
    "extra_digest"};

/* Of these the beginning is shown. */
static const char *const digests[] = {"policy", "pin"};

struct listing {
	int64_t after;     /* the newest event that was printed, or -1 */
	int64_t left;      /* events still wanted, or -1 for all */
};

/* Words of one event, broken into lines. */
struct paragraph {
	struct ctl *ctl;
	struct bytes text; /* the word in hand */
	size_t column;
};

static bool
is_one_of(struct view name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (view_equal(name, view_str(names[i])))
			return true;
	return false;
}

#define IS_ONE_OF(name, names) is_one_of((name), (names), sizeof(names) / sizeof((names)[0]))

/* Prints the word and empties it. */
static void
word_end(struct paragraph *p)
{
	struct view word = buf_view(&p->text.buf);
	size_t width = text_width(p->ctl, word);

	if (width == 0)
		return;
	if (p->column == 0 || p->column + 1 + width > WIDTH) {
		(void)printf("\n%*s", INDENT, "");
		p->column = INDENT;
	} else {
		(void)putchar(' ');
		p->column++;
	}
	(void)printf("%.*s", (int)word.len, word.data);
	p->column += width;
	p->text.buf.len = 0;
}

/* "link_..7d6sumx3" is enough to know it again; --json has all of it. */
static void
put_cut(struct paragraph *p, struct view v, size_t head)
{
	text_escape(p->ctl, &p->text.buf, view_of(v.data, head));
	buf_put_view(&p->text.buf, VIEW(".."));
	text_escape(p->ctl, &p->text.buf, view_of(v.data + v.len - ID_TAIL, ID_TAIL));
}

/* Local time to the second, in one word. */
static void
put_time(struct paragraph *p, struct view v)
{
	size_t from = p->text.buf.len;

	text_time(p->ctl, &p->text.buf, v);
	if (p->text.buf.len - from <= sizeof("2026-11-22 09:46:28") - 1)
		return;
	p->text.buf.len = from + sizeof("2026-11-22 09:46:28") - 1;
	p->text.buf.data[from + sizeof("2026-11-22") - 1] = 'T';
}

static void
put_text(struct paragraph *p, struct view v)
{
	const char *mark = v.len > ID_WHOLE ? memchr(v.data, '_', 5) : NULL;

	if (mark != NULL && memchr(v.data, ' ', v.len) == NULL)
		put_cut(p, v, (size_t)(mark - v.data) + 1);
	else if (clock_parse(v.data, v.len) >= 0)
		put_time(p, v);
	else
		text_escape(p->ctl, &p->text.buf, v);
}

/* The factors behind a permit: totp:fact_..rf5yp72p */
static void
put_factors(struct paragraph *p, uint32_t array)
{
	uint32_t at = json_first(&p->ctl->doc, array);

	for (unsigned i = 0; i < p->ctl->doc.tokens[array].count; i++) {
		if (i > 0)
			buf_put_u8(&p->text.buf, ',');
		if (json_type(&p->ctl->doc, at) == JSON_OBJECT) {
			text_escape(p->ctl, &p->text.buf, reply_text(p->ctl, at, "kind"));
			buf_put_u8(&p->text.buf, ':');
			put_text(p, reply_text(p->ctl, at, "id"));
		} else {
			text_value(p->ctl, &p->text.buf, at);
		}
		at = json_next(&p->ctl->doc, at);
	}
}

static void
put_value(struct paragraph *p, uint32_t token, bool digest)
{
	struct view v = json_text(&p->ctl->doc, token);
	bool text = json_type(&p->ctl->doc, token) == JSON_STRING;
	bool quote = text && (v.len == 0 || memchr(v.data, ' ', v.len) != NULL);

	if (quote)
		buf_put_u8(&p->text.buf, '"');
	if (text && digest && v.len > DIGEST_HEAD)
		text_escape(p->ctl, &p->text.buf, view_of(v.data, DIGEST_HEAD));
	else if (text)
		put_text(p, v);
	else
		text_value(p->ctl, &p->text.buf, token);
	if (quote)
		buf_put_u8(&p->text.buf, '"');
}

/* name=value, or nothing where there is no value. */
static void
put_member(struct paragraph *p, struct view name, uint32_t token)
{
	enum json_type type = token == 0 ? JSON_NULL : json_type(&p->ctl->doc, token);

	if (type == JSON_NULL || ((type == JSON_ARRAY || type == JSON_OBJECT) && p->ctl->doc.tokens[token].count == 0))
		return;
	text_escape(p->ctl, &p->text.buf, name);
	buf_put_u8(&p->text.buf, '=');
	if (type == JSON_ARRAY && view_equal(name, VIEW("factors")))
		put_factors(p, token);
	else
		put_value(p, token, IS_ONE_OF(name, digests));
	word_end(p);
}

static uint32_t
member(const struct ctl *ctl, uint32_t object, const char *name)
{
	return object == 0 ? 0 : json_get(&ctl->doc, object, view_str(name));
}

static void
put_rest(struct paragraph *p, uint32_t object)
{
	uint32_t at = json_first(&p->ctl->doc, object);

	for (unsigned i = 0; i < p->ctl->doc.tokens[object].count; i++) {
		struct view name = json_text(&p->ctl->doc, at);

		if (!IS_ONE_OF(name, told) && !IS_ONE_OF(name, evidence))
			put_member(p, name, at + 1);
		at = json_next(&p->ctl->doc, at + 1);
	}
}

/* A text with no blanks in it, or in quotes; after a word that says what it is. */
static void
put_phrase(struct paragraph *p, const char *before, uint32_t token)
{
	if (token == 0)
		return;
	buf_put_view(&p->text.buf, view_str(before));
	put_value(p, token, false);
	word_end(p);
}

/* 20.00 CNY to m-7 "Corner Shop" via sandbox "the admin's words" */
static void
put_phrases(struct paragraph *p, uint32_t json)
{
	uint32_t amount = member(p->ctl, json, "amount"), currency = member(p->ctl, json, "currency");

	if (amount != 0) {
		put_value(p, amount, false);
		if (currency != 0) {
			buf_put_u8(&p->text.buf, ' ');
			put_value(p, currency, false);
		}
		word_end(p);
	} else {
		put_phrase(p, "currency=", currency);
	}
	put_phrase(p, "to ", member(p->ctl, json, "payee"));
	put_phrase(p, "", member(p->ctl, json, "payee_name"));
	put_phrase(p, "via ", member(p->ctl, json, "provider"));
	put_phrase(p, "words=", member(p->ctl, json, "words"));
}

/* The zone is the terminal's own, and every line would say the same. */
static void
put_head(struct paragraph *p, size_t i, uint32_t token)
{
	struct view v = token == 0 ? VIEW("-") : json_text(&p->ctl->doc, token);
	const char *color = color_of(p->ctl, v);
	int blanks;

	if (token == 0)
		buf_put_view(&p->text.buf, v);
	else if (json_type(&p->ctl->doc, token) == JSON_STRING)
		text_time(p->ctl, &p->text.buf, v);
	else
		text_value(p->ctl, &p->text.buf, token);
	if (i == 0 && token != 0 && clock_parse(v.data, v.len) >= 0)
		p->text.buf.len -= sizeof("+0000") - 1;
	blanks = heads[i].width - (int)text_width(p->ctl, buf_view(&p->text.buf));
	if (i + 1 == sizeof(heads) / sizeof(heads[0]))
		(void)printf("%s%.*s%s", color, (int)p->text.buf.len, (const char *)p->text.buf.data, color_off(p->ctl, color));
	else
		(void)printf("%s%.*s%s%*s ", color, (int)p->text.buf.len, (const char *)p->text.buf.data,
		    color_off(p->ctl, color), blanks < 0 ? 0 : blanks, "");
	p->text.buf.len = 0;
}

static void
print_event(struct ctl *ctl, uint32_t event)
{
	struct paragraph p = {.ctl = ctl};
	uint32_t json;

	if (ctl->json || json_type(&ctl->doc, event) != JSON_OBJECT) {
		print_json(ctl, event, true);
		return;
	}
	json = reply_get(ctl, event, "json", JSON_OBJECT);
	bytes_init(&p.text, LINE_MAX_BYTES);
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		put_head(&p, i, member(ctl, heads[i].in_json ? json : event, heads[i].name));
	put_phrases(&p, json);
	for (size_t i = 0; i < sizeof(evidence) / sizeof(evidence[0]); i++)
		put_member(&p, view_str(evidence[i]), member(ctl, json, evidence[i]));
	if (json != 0)
		put_rest(&p, json);
	put_rest(&p, event);
	(void)putchar('\n');
	bytes_clear(&p.text);
}

/* Prints the reply's events. false: all that were wanted are printed. */
static bool
print_page(struct ctl *ctl, struct listing *l, unsigned *printed)
{
	uint32_t list = reply_get(ctl, ctl->reply, "events", JSON_ARRAY);
	uint32_t next = reply_get(ctl, ctl->reply, "next", JSON_NUMBER);
	uint32_t at = list == 0 ? 0 : json_first(&ctl->doc, list);

	*printed = list == 0 ? 0 : ctl->doc.tokens[list].count;
	for (unsigned i = 0; i < *printed; i++) {
		if (l->left == 0)
			return false;
		print_event(ctl, at);
		at = json_next(&ctl->doc, at);
		if (l->left > 0)
			l->left--;
	}
	if (next != 0)
		(void)json_int(&ctl->doc, next, &l->after);
	(void)fflush(stdout);
	return l->left != 0;
}

static int
ask(struct ctl *ctl, const struct listing *l, bool follow)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Events", follow);

	if (l->after >= 0)
		json_member_int(&w, "after", l->after);
	if (!follow)
		json_member_int(&w, "limit", l->left >= 0 && l->left < PAGE ? l->left : PAGE);
	call_put(&w, "account", ctl->account);
	if (follow)
		json_member_bool(&w, "follow", true);
	return call_run(ctl, &w);
}

/* Page after page, until one is empty or does not get on. */
static int
list_events(struct ctl *ctl, struct listing *l)
{
	for (;;) {
		int64_t before = l->after;
		unsigned printed = 0;
		int rc = ask(ctl, l, false);

		if (rc != CTL_OK)
			return rc;
		if (!print_page(ctl, l, &printed) || printed == 0 || l->after == before)
			return CTL_OK;
	}
}

/* One stream, until it ends. *again: it broke, or the daemon ended it, after it had begun. */
static int
follow_stream(struct ctl *ctl, struct listing *l, bool *again)
{
	unsigned printed = 0;
	bool lost = false;
	int rc = ask(ctl, l, true);

	ctl->quiet = false;
	while (rc == CTL_OK) {
		bool more = print_page(ctl, l, &printed);

		*again = more;
		if (!more || !ctl->continues)
			break;
		rc = call_next(ctl, &lost);
		*again = lost;
	}
	call_close(ctl);
	return rc;
}

/* A daemon that restarts is waited for: an admin who watches an incident must not be left with silence. */
static int
follow_events(struct ctl *ctl, struct listing *l)
{
	bool begun = false;

	for (;;) {
		bool again = false;
		int rc = follow_stream(ctl, l, &again);

		if (!again && !(begun && rc == CTL_UNREACHABLE))
			return rc;
		if (again)
			(void)fprintf(stderr, "countersignctl: the stream ended; trying to go on from event %lld\n",
			    (long long)l->after);
		begun = true;
		ctl->quiet = true; /* said once is enough */
		(void)poll(NULL, 0, AGAIN_MS);
	}
}

static int
events(struct ctl *ctl, char **args, int count)
{
	struct listing l = {.after = -1, .left = -1};

	(void)args, (void)count;
	if ((ctl->given & OPTION_AFTER) != 0)
		l.after = ctl->after;
	if ((ctl->given & OPTION_LIMIT) != 0)
		l.left = ctl->limit;
	return ctl->follow ? follow_events(ctl, &l) : list_events(ctl, &l);
}

const struct command events_commands[] = {
	{"events", "verify", "", 0, 0, OPTION_DATABASE, "check the chain of every account; name the first bad event",
	    events_verify},
	{"events", NULL, "", 0, 0, OPTION_FOLLOW | OPTION_ACCOUNT | OPTION_AFTER | OPTION_LIMIT,
	    "the audit log, from the oldest event or after --after", events},
	{.noun = NULL},
};
