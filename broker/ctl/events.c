/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events: the audit log, one line an event. What is known has its column; every other member follows as name=value, so
 * that nothing is hidden, whatever a newer daemon writes.
 */
#include <poll.h>
#include <stdio.h>

#include "broker/ctl/call.h"
#include "broker/ctl/print.h"

enum {
	PAGE = 100,             /* events asked for at once */
	AGAIN_MS = 1000,        /* between tries while the daemon restarts */
	LINE_MAX_BYTES = 8 * JSON_TEXT_MAX,
};

/* The columns of a line; `in_json`: a member of the event's details. Several names: the first that is there. */
static const struct {
	const char *names[3];
	bool in_json;
	int width;
} columns[] = {
	{{"time"}, false, 28},
	{{"type"}, false, 18},
	{{"outcome"}, false, 7},
	{{"reason"}, false, 26},
	{{"service"}, false, 10},
	{{"account"}, true, 12},
	{{"amount"}, true, 10},
	{{"currency"}, true, 3},
	{{"provider"}, true, 10},
};

struct listing {
	int64_t after;     /* the newest event that was printed, or -1 */
	int64_t left;      /* events still wanted, or -1 for all */
};

static bool
is_column(struct view name, bool in_json)
{
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		for (int k = 0; columns[i].in_json == in_json && k < 3 && columns[i].names[k] != NULL; k++)
			if (view_equal(name, view_str(columns[i].names[k])))
				return true;
	return false;
}

static void
print_padded(const struct ctl *ctl, struct bytes *text, int width, const char *color)
{
	int blanks = width - (int)text_width(ctl, buf_view(&text->buf));

	(void)printf("%s%.*s%s%*s ", color, (int)text->buf.len, (const char *)text->buf.data, color_off(ctl, color),
	    blanks < 0 ? 0 : blanks, "");
	text->buf.len = 0;
}

static void
print_column(const struct ctl *ctl, struct bytes *text, size_t i, uint32_t event, uint32_t json)
{
	uint32_t object = columns[i].in_json ? json : event;
	const char *color = "";
	uint32_t token = 0;

	for (int k = 0; object != 0 && token == 0 && k < 3 && columns[i].names[k] != NULL; k++)
		token = json_get(&ctl->doc, object, view_str(columns[i].names[k]));
	if (token == 0)
		buf_put_u8(&text->buf, '-');
	else
		text_value(ctl, &text->buf, token);
	if (token != 0 && json_type(&ctl->doc, token) == JSON_STRING)
		color = color_of(ctl, json_text(&ctl->doc, token));
	print_padded(ctl, text, columns[i].width, color);
}

/* " name=value" for every member without a column. A value with blanks stands in quotes, so that the line stays parsable. */
static void
put_rest(const struct ctl *ctl, struct bytes *text, uint32_t object, bool in_json)
{
	uint32_t at = json_first(&ctl->doc, object);

	for (unsigned i = 0; i < ctl->doc.tokens[object].count; i++) {
		struct view name = json_text(&ctl->doc, at), value = json_text(&ctl->doc, at + 1);
		uint32_t token = at + 1;
		enum json_type type = json_type(&ctl->doc, token);
		bool details = !in_json && type == JSON_OBJECT && view_equal(name, VIEW("json"));
		bool quote = type == JSON_STRING && (value.len == 0 || memchr(value.data, ' ', value.len) != NULL);

		at = json_next(&ctl->doc, token);
		if (type == JSON_NULL || details || is_column(name, in_json))
			continue;
		buf_put_u8(&text->buf, ' ');
		text_escape(ctl, &text->buf, name);
		buf_put_u8(&text->buf, '=');
		if (quote)
			buf_put_u8(&text->buf, '"');
		if (type == JSON_STRING)
			text_time(ctl, &text->buf, value);
		else
			text_value(ctl, &text->buf, token);
		if (quote)
			buf_put_u8(&text->buf, '"');
	}
}

static void
print_event(const struct ctl *ctl, uint32_t event)
{
	uint32_t json;
	struct bytes text;

	if (ctl->json || json_type(&ctl->doc, event) != JSON_OBJECT) {
		print_json(ctl, event, true);
		return;
	}
	json = reply_get(ctl, event, "json", JSON_OBJECT);
	bytes_init(&text, LINE_MAX_BYTES);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		print_column(ctl, &text, i, event, json);
	if (json != 0)
		put_rest(ctl, &text, json, true);
	put_rest(ctl, &text, event, false);
	(void)printf("%.*s\n", (int)text.buf.len, (const char *)text.buf.data);
	bytes_clear(&text);
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
	{"events", NULL, "", 0, 0, OPTION_FOLLOW | OPTION_ACCOUNT | OPTION_AFTER | OPTION_LIMIT,
	    "the audit log, from the oldest event or after --after", events},
	{.noun = NULL},
};
