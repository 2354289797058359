/* SPDX-License-Identifier: Apache-2.0 */
/* replay: the command, and where the events come from: the daemon, page after page, or a file of its store. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/ctl/call.h"
#include "broker/ctl/check.h"
#include "broker/ctl/replay.h"
#include "broker/store/sqlite_read.h"

enum {
	BAR_WIDTH = 30,
	BAR_EVERY_MS = 100,
	BAR_EVERY_EVENTS = 1024,      /* between two looks at the clock */
	PAYEES_EACH = 64,             /* as many as Admin.Payees takes */
	ROW_HEAD_BYTES = 8 + 16 + 8,  /* of a row of Admin.Log, before the event */
	ROW_BYTES_MAX = ROW_HEAD_BYTES + STORE_EVENT_MAX,
};

struct replaying {
	struct ctl *ctl;
	struct replay_past *past;
	uint64_t seq, last;           /* newest given, and the log's newest when it began */
	bool bar, drawn;
	int64_t drawn_ms;
};

/* --- the progress bar --- */

static void
draw(struct replaying *r)
{
	char line[BAR_WIDTH + 1];
	uint64_t part = r->last == 0 ? 100 : r->seq >= r->last ? 100 : r->seq * 100 / r->last;

	for (unsigned i = 0; i < BAR_WIDTH; i++)
		line[i] = i < part * BAR_WIDTH / 100 ? '#' : '.';
	line[BAR_WIDTH] = '\0';
	(void)fprintf(stderr, "\r[%s] %3u %%  event %llu of %llu", line, (unsigned)part, (unsigned long long)r->seq,
	    (unsigned long long)(r->last > r->seq ? r->last : r->seq));
	(void)fflush(stderr);
	r->drawn = true;
}

static void
progress(struct replaying *r)
{
	struct clock_now now;

	if (!r->bar || r->seq % BAR_EVERY_EVENTS != 0)
		return;
	clock_read(&now);
	if (now.boot_ms - r->drawn_ms < BAR_EVERY_MS)
		return;
	r->drawn_ms = now.boot_ms;
	draw(r);
}

static void
erase(const struct replaying *r)
{
	if (r->drawn)
		(void)fprintf(stderr, "\r%*s\r", BAR_WIDTH + 60, "");
}

static int
give(struct replaying *r, uint64_t seq, const struct id *key, uint64_t revision, struct view event)
{
	int rc = replay_past_event(r->past, r->ctl, seq, key, revision, event);

	r->seq = seq;
	progress(r);
	return rc;
}

/* --- a file --- */

static int
from_file(struct replaying *r, const char *path)
{
	struct store_reader *reader;
	struct store_row row;
	struct id key;
	char why[256];
	int rc = CTL_OK;
	enum cs_err err = store_reader_open(path, &reader, why);

	if (err != CS_OK)
		return ctl_fail(r->ctl, err == CS_ERR_NOT_FOUND ? CTL_NOT_FOUND : CTL_FAILED, "%s", why);
	r->last = store_reader_last(reader);
	while (rc == CTL_OK && (err = store_reader_next(reader, &row, why)) == CS_OK) {
		memcpy(key.b, row.key.b, sizeof(key.b));
		rc = give(r, row.seq, &key, row.revision, row.event);
	}
	store_reader_close(reader);
	return rc != CTL_OK || err == CS_ERR_NOT_FOUND ? rc : ctl_fail(r->ctl, CTL_FAILED, "%s", why);
}

/* --- the daemon --- */

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
give_text(struct replaying *r, struct view text)
{
	static uint8_t bytes[ROW_BYTES_MAX];
	struct cursor c = cursor_over(bytes, text.len / 2);
	uint64_t seq, revision;
	struct id key;
	bool good = text.len % 2 == 0 && text.len / 2 <= sizeof(bytes) && text.len / 2 > ROW_HEAD_BYTES;

	for (size_t i = 0; good && i < text.len; i += 2) {
		int high = digit(text.data[i]), low = digit(text.data[i + 1]);

		good = high >= 0 && low >= 0;
		bytes[i / 2] = (uint8_t)(high << 4 | low);
	}
	if (!good)
		return ctl_fail(r->ctl, CTL_FAILED, "the daemon gave a row of its log that is none");
	seq = cursor_u64(&c);
	cursor_get(&c, key.b, sizeof(key.b));
	revision = cursor_u64(&c);
	return give(r, seq, &key, revision, view_of(c.at, cursor_left(&c)));
}

static int
give_page(struct replaying *r, int64_t *next)
{
	struct ctl *ctl = r->ctl;
	uint32_t list = reply_get(ctl, ctl->reply, "rows", JSON_ARRAY), at = list == 0 ? 0 : json_first(&ctl->doc, list);
	uint32_t after = reply_get(ctl, ctl->reply, "next", JSON_NUMBER);
	unsigned n = list == 0 ? 0 : ctl->doc.tokens[list].count;
	int rc = CTL_OK;

	if (list == 0 || after == 0 || json_int(&ctl->doc, after, next) != CS_OK)
		return ctl_fail(ctl, CTL_FAILED, "the daemon's answer has no rows");
	for (unsigned i = 0; rc == CTL_OK && i < n; i++) {
		if (json_type(&ctl->doc, at) != JSON_STRING)
			return ctl_fail(ctl, CTL_FAILED, "the daemon gave a row of its log that is none");
		rc = give_text(r, json_text(&ctl->doc, at));
		at = json_next(&ctl->doc, at);
	}
	return rc;
}

/* How far the log goes now: what comes while it is read is read as well. */
static int
ask_last(struct replaying *r)
{
	struct json_writer w = call_begin(r->ctl, "org.countersign.Admin.Status", false);
	int rc = call_run(r->ctl, &w);
	uint32_t store, token;
	int64_t last = 0;

	if (rc != CTL_OK)
		return rc;
	store = reply_get(r->ctl, r->ctl->reply, "store", JSON_OBJECT);
	token = store == 0 ? 0 : reply_get(r->ctl, store, "log_last", JSON_NUMBER);
	if (token != 0 && json_int(&r->ctl->doc, token, &last) == CS_OK && last > 0)
		r->last = (uint64_t)last;
	return CTL_OK;
}

static int
from_daemon(struct replaying *r)
{
	int64_t after = 0, next = 0;
	int rc = ask_last(r);

	while (rc == CTL_OK) {
		struct json_writer w = call_begin(r->ctl, "org.countersign.Admin.Log", false);

		json_member_int(&w, "after", after);
		rc = call_run(r->ctl, &w);
		if (rc == CTL_OK)
			rc = give_page(r, &next);
		if (rc != CTL_OK || next <= after)
			break;
		after = next;
	}
	return rc;
}

/* The realm's own id of an account stands sealed in its events; the daemon opens it. */
static void
name_account(struct ctl *ctl, struct replay_account *a)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Events", false);
	uint32_t list, json;
	struct view name;

	json_member_int(&w, "after", (int64_t)a->first_seq - 1);
	json_member_int(&w, "limit", 1);
	if (call_run(ctl, &w) != CTL_OK || (list = reply_get(ctl, ctl->reply, "events", JSON_ARRAY)) == 0 ||
	    ctl->doc.tokens[list].count != 1)
		return;
	json = reply_get(ctl, json_first(&ctl->doc, list), "json", JSON_OBJECT);
	name = json == 0 ? VIEW("") : reply_text(ctl, json, "account");
	(void)snprintf(a->name, sizeof(a->name), "%.*s", (int)name.len, name.data);
}

static bool
read_digest(struct view text, struct id *to)
{
	bool good = text.len == 2 * sizeof(to->b);

	for (size_t i = 0; good && i < text.len; i += 2) {
		int high = digit(text.data[i]), low = digit(text.data[i + 1]);

		good = high >= 0 && low >= 0;
		to->b[i / 2] = (uint8_t)(high << 4 | low);
	}
	return good;
}

/* Payees that a stack names are compared by digests that only the daemon's key makes. */
static int
name_payees(struct ctl *ctl, struct stack *s, uint16_t from, uint16_t n)
{
	struct json_writer w = call_begin(ctl, "org.countersign.Admin.Payees", false);
	uint32_t list, at;
	int rc;

	json_key(&w, VIEW("payees"));
	json_array_begin(&w);
	for (uint16_t i = 0; i < n; i++)
		json_put_str(&w, s->id_texts[from + i]);
	json_array_end(&w);
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	list = reply_get(ctl, ctl->reply, "digests", JSON_ARRAY);
	if (list == 0 || ctl->doc.tokens[list].count != n)
		return ctl_fail(ctl, CTL_FAILED, "the daemon's answer has no digests of payees");
	at = json_first(&ctl->doc, list);
	for (uint16_t i = 0; i < n; i++, at = json_next(&ctl->doc, at))
		if (json_type(&ctl->doc, at) != JSON_STRING || !read_digest(json_text(&ctl->doc, at), &s->ids[from + i]))
			return ctl_fail(ctl, CTL_FAILED, "the daemon gave a digest that is none");
	return CTL_OK;
}

static int
name_all_payees(struct ctl *ctl, const struct ruleset *rules)
{
	int rc = CTL_OK;

	for (uint16_t i = 0; rc == CTL_OK && i < rules->config->stack_count; i++) {
		struct stack *s = &rules->stacks[i];

		if (ctl->database != NULL && s->ids_n > 0) {
			(void)fprintf(stderr, "countersignctl: without the daemon no payee is known by its id: `payee id=` matches "
			    "none\n");
			return CTL_OK;
		}
		for (uint16_t at = 0; rc == CTL_OK && at < s->ids_n; at += PAYEES_EACH)
			rc = name_payees(ctl, s, at, s->ids_n - at < PAYEES_EACH ? (uint16_t)(s->ids_n - at) : PAYEES_EACH);
	}
	return rc;
}

/* --- the command --- */

static int
run(struct ctl *ctl, struct replay_tally *tally, const struct ruleset *rules)
{
	struct replaying r = {.ctl = ctl, .past = replay_past_new(rules, tally),
	    .bar = !ctl->json && isatty(STDERR_FILENO) != 0};
	int rc = ctl->database != NULL ? from_file(&r, ctl->database) : from_daemon(&r);

	erase(&r);
	if (rc == CTL_OK)
		replay_past_end(r.past);
	replay_past_free(r.past);
	for (size_t i = 0; rc == CTL_OK && ctl->database == NULL && i < tally->listed_n; i++)
		name_account(ctl, &tally->listed[i]);
	return rc;
}

static int
replay(struct ctl *ctl, char **args, int count)
{
	static struct replay_tally tally;
	struct replay_report report = {.config = ctl->config, .tally = &tally,
	    .source = ctl->database != NULL ? ctl->database : ctl->socket};
	struct ruleset *rules = NULL;
	int rc = check_rules(ctl, &rules);

	(void)args, (void)count;
	if (rc != CTL_OK)
		return rc;
	rc = name_all_payees(ctl, rules);
	if (rc != CTL_OK) {
		ruleset_free(rules);
		return rc;
	}
	replay_tally_init(&tally);
	rc = run(ctl, &tally, rules);
	report.rules = rules;
	if (rc == CTL_OK && ctl->html != NULL)
		rc = replay_write_html(ctl, &report, ctl->html);
	if (rc == CTL_OK)
		(ctl->json ? replay_print_json : replay_print_text)(ctl, &report);
	replay_tally_clear(&tally);
	ruleset_free(rules);
	return rc;
}

const struct command replay_commands[] = {
	{"replay", NULL, "", 0, 0, OPTION_REPLAY, "what --config would have decided of all that was recorded", replay},
	{.noun = NULL},
};
