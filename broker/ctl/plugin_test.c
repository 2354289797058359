/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin test: a plugin in its own worker and cage, and everything that plugin_trials.c knows thrown at it. What fails is
 * said with what was tried, and with what the worker's log says of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/ctl/plugin.h"
#include "broker/ctl/plugin_trials.h"
#include "broker/ctl/print.h"

enum {
	LINES_MAX = 16 * 1024,     /* of its block */
	VARIANTS_MAX = 100,        /* of one trial: more than any has */
	DEATHS_MAX = 4,            /* after so many the rest tells nothing new, and each restart takes longer */
	TRIAL_MS = 1000,           /* of one trial: a plugin that takes long is tried less often, not for hours */
	AGAIN_MS = 700,            /* how long the calls are repeated, to see whether it grows */
	AGAIN_ROUNDS = 3,
	GROWTH_MAX = 8 * 1024 * 1024, /* bytes: allocators keep some, a leak of a few kB a call makes more */
	KINDS_MAX = 5,
};

struct report {
	struct ctl *ctl;
	const char *file;
	char name[64], version[64];
	char kinds[KINDS_MAX][16];
	size_t kinds_n;
	char issuer[512], client[256];
	char lines[LINES_MAX];     /* of its block: those of --with, and invented settings */
	char invented[512];        /* names of these */
	char secret_file[64];      /* of an invented secret; "": none */
	struct bytes rows;
	struct json_writer w;
	unsigned passed, failed, skipped;
};

/* ---- rows ---------------------------------------------------------------------------------------- */

static void
put_row(struct report *r, const char *kind, const char *tried, const char *state, const char *answer)
{
	json_object_begin(&r->w);
	if (r->kinds_n > 1)
		json_member_str(&r->w, "kind", view_str(kind));
	json_member_str(&r->w, "tried", view_str(tried));
	json_member_str(&r->w, "state", view_str(state));
	json_member_str(&r->w, "answer", view_str(answer));
	json_object_end(&r->w);
}

static void
pass(struct report *r, const char *kind, const char *tried, const char *answer)
{
	r->passed++;
	put_row(r, kind, tried, "passed", answer);
}

static void
fail(struct report *r, const char *kind, const char *tried, const char *answer)
{
	r->failed++;
	put_row(r, kind, tried, "failed", answer);
}

static void
skip(struct report *r, const char *kind, const char *tried, const char *answer)
{
	r->skipped++;
	put_row(r, kind, tried, "skipped", answer);
}

/* ---- one trial ----------------------------------------------------------------------------------- */

/* What became of its variants. */
struct outcome {
	unsigned tried, answered, unknown, unreached;
	bool cut;                  /* time was up */
	char reason[64];           /* the first no */
};

/* NULL: as a sound plugin may; else what is wrong, in words. */
static const char *
judge(struct tester *t, const struct trial *trial, enum worker_said said, struct outcome *o)
{
	uint32_t request;

	switch (said) {
	case SAID_REPLY:
		request = json_get(&t->worker.doc, t->worker.reply, VIEW("request"));
		if (request == 0 || !view_equal(json_text(&t->worker.doc, request), view_str(t->worker.request)))
			return "it answered another request than it was asked";
		o->answered++;
		return trial->judge(t);
	case SAID_UNKNOWN:
		o->unknown++;
		return NULL;
	case SAID_REFUSED:
	case SAID_FAILED:
		if (o->reason[0] == '\0')
			(void)snprintf(o->reason, sizeof(o->reason), "%.60s", t->worker.reason);
		o->unreached += strcmp(t->worker.reason, "unreachable") == 0 || strcmp(t->worker.reason, "too_late") == 0 ||
		    strcmp(t->worker.reason, "bad_address") == 0;
		return NULL;
	case SAID_GARBAGE:
		return "its answer is malformed: not what plugin.h says of this operation";
	case SAID_GONE:
	case SAID_DOWN:
		return t->worker.reason;
	}
	return NULL;
}

/* All variants, up to the first that goes wrong. NULL, or that one with what is wrong. */
static const char *
run_variants(struct tester *t, const struct trial *trial, struct outcome *o)
{
	static char sentence[2 * WORKER_SAID_MAX];
	int64_t until = wire_now_ms() + TRIAL_MS;

	for (size_t i = 0; i < VARIANTS_MAX && !o->cut; i++) {
		struct json_writer call = trial_call(&t->worker, trial->method, trial->deadline_ms == 0 ? t->worker.deadline_ms
		                                                                                          : trial->deadline_ms);
		const char *what, *wrong;

		t->input.buf.len = 0;
		what = trial->put(t, &call, i);
		if (what == NULL)
			return NULL;
		o->tried++;
		wrong = judge(t, trial, trial_run(&t->worker, &call), o);
		if (wrong != NULL) {
			(void)snprintf(sentence, sizeof(sentence), "%s: %s", what, wrong);
			return sentence;
		}
		o->cut = wire_now_ms() >= until;
	}
	return NULL;
}

static void
run_trial(struct report *r, struct tester *t, const struct trial *trial)
{
	struct outcome o = {.tried = 0};
	unsigned deaths = t->worker.deaths;
	const char *wrong;
	char text[160];

	if (deaths >= DEATHS_MAX) {
		skip(r, t->kind, trial->tried, "it died too often for that");
		return;
	}
	wrong = run_variants(t, trial, &o);
	if (wrong != NULL) {
		fail(r, t->kind, trial->tried, wrong);
	} else if (o.unknown == o.tried) {
		skip(r, t->kind, trial->tried, "it has no such operation");
	} else if (trial->answers && o.answered == 0 && o.unreached > 0) {
		(void)snprintf(text, sizeof(text), "%s: give what it needs with --with", o.reason);
		skip(r, t->kind, trial->tried, text);
	} else if (trial->answers && o.answered == 0) {
		(void)snprintf(text, sizeof(text), "it refused: %s", o.reason);
		fail(r, t->kind, trial->tried, text);
	} else {
		unsigned no = o.tried - o.answered - o.unknown;
		int n = snprintf(text, sizeof(text), "%u answered", o.answered);

		if (no > 0 && o.answered > 0)
			(void)snprintf(text + n, sizeof(text) - (size_t)n, ", %u refused: %s%s", no, o.reason, no > 1 ? ", ..." : "");
		else if (no > 0)
			(void)snprintf(text, sizeof(text), "%u refused: %s%s", no, o.reason, no > 1 ? ", ..." : "");
		if (o.cut)
			(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "; then a second was over");
		pass(r, t->kind, trial->tried, text);
	}
}

/* ---- what all of it did to the process ------------------------------------------------------------- */

static bool
is_of(const struct trial *trial, const char *kind)
{
	return trial->kind == NULL || strcmp(trial->kind, kind) == 0;
}

static void
run_again(struct tester *t)
{
	int64_t until = wire_now_ms() + AGAIN_MS;

	for (int round = 0; round < AGAIN_ROUNDS; round++) {
		for (const struct trial *trial = trials; trial->method != NULL && wire_now_ms() < until; trial++) {
			struct outcome o = {.tried = 0};

			if (is_of(trial, t->kind) && !trial->answers && t->worker.deaths == 0)
				(void)run_variants(t, trial, &o);
		}
	}
}

static void
check_size(struct report *r, struct tester *t)
{
	static const char tried[] = "does not grow with the calls", left[] = "leaves no process behind";
	int64_t before, after;
	unsigned children, calls;
	char text[160];

	if (!trial_worker_size(&t->worker, &before, &children)) {
		skip(r, t->kind, tried, "this system does not say how big a process is");
		return;
	}
	calls = t->worker.calls;
	run_again(t);
	calls = t->worker.calls - calls;
	if (!trial_worker_size(&t->worker, &after, &children)) {
		fail(r, t->kind, tried, t->worker.deaths > 0 ? t->worker.reason : "its process was gone after them");
		return;
	}
#ifdef __SANITIZE_ADDRESS__
	skip(r, t->kind, tried, "this build keeps what was freed");
#else
	(void)snprintf(text, sizeof(text), "%+lld kB in %u calls", (long long)(after - before) / 1024, calls);
	if (after - before > GROWTH_MAX)
		fail(r, t->kind, tried, text);
	else
		pass(r, t->kind, tried, text);
#endif
	(void)snprintf(text, sizeof(text), "%u", children);
	if (children > 0 && !t->worker.processes)
		fail(r, t->kind, left, text);
	else
		pass(r, t->kind, left, t->worker.processes ? "its block gives it processes" : "none");
}

static void
check_log(struct report *r, struct tester *t)
{
	static const char tried[] = "keeps secrets out of the log";
	char text[128];

	for (const struct hostile_mark *m = hostile_marks; m->text != NULL; m++) {
		if (!trial_worker_logged(&t->worker, m->text))
			continue;
		(void)snprintf(text, sizeof(text), "%s stands in its log", m->what);
		fail(r, t->kind, tried, text);
		return;
	}
	pass(r, t->kind, tried, "none of the marked ones was written");
}

/* ---- one kind ------------------------------------------------------------------------------------ */

static int64_t
wall_ms(void)
{
	struct clock_now now;

	clock_read(&now);
	return now.wall_ms;
}

static void
try_kind(struct report *r, const char *kind, int plugin_fd)
{
	static struct tester t;
	char text[2 * WORKER_SAID_MAX + 128];

	memset(&t, 0, sizeof(t));
	t.kind = kind;
	t.now_ms = wall_ms();
	(void)snprintf(t.issuer, sizeof(t.issuer), "%s", r->issuer);
	(void)snprintf(t.client, sizeof(t.client), "%s", r->client);
	if (!trial_worker_start(r->ctl, kind, r->lines, plugin_fd, &t.worker)) {
		(void)snprintf(text, sizeof(text), "%s%s%s%s", t.worker.reason, r->invented[0] == '\0' ? "" : " (invented here: ",
		    r->invented, r->invented[0] == '\0' ? "" : "; give real ones with --with)");
		fail(r, kind, "starts in its cage", text);
		return;
	}
	pass(r, kind, "starts in its cage", "ready");
	bytes_init(&t.input, LINES_MAX);
	for (const struct trial *trial = trials; trial->method != NULL; trial++)
		if (is_of(trial, kind))
			run_trial(r, &t, trial);
	if (t.worker.deaths == 0)
		check_size(r, &t);
	if (trial_worker_stop(&t.worker))
		pass(r, kind, "ends when it is told to", "with status 0");
	else
		fail(r, kind, "ends when it is told to", t.worker.reason);
	check_log(r, &t);
	trial_worker_forget(&t.worker);
	bytes_clear(&t.input);
}

/* ---- settings ------------------------------------------------------------------------------------ */

static struct view
member(const struct json *doc, uint32_t object, const char *name)
{
	uint32_t at = json_get(doc, object, view_str(name));

	return at == 0 || json_type(doc, at) != JSON_STRING ? VIEW("") : json_text(doc, at);
}

/* The line of --with that sets it, behind the name; NULL. */
static const char *
given(const struct ctl *ctl, struct view key)
{
	for (size_t i = 0; i < ctl->with_n; i++) {
		const char *at = ctl->with[i] + strspn(ctl->with[i], " \t");

		if (strncmp(at, "set ", 4) == 0 && strncmp(at + 4, key.data, key.len) == 0 && at[4 + key.len] == ' ')
			return at + 4 + key.len;
	}
	return NULL;
}

static bool
add_line(struct report *r, const char *line)
{
	size_t len = strlen(r->lines);

	return (size_t)snprintf(r->lines + len, sizeof(r->lines) - len, "%s\n", line) < sizeof(r->lines) - len;
}

/* A file of root or of who asks, open to nobody else, with a mark in it that no log may show. */
static bool
make_secret(struct report *r, int64_t min)
{
	static const char mark[] = MARK_SECRET "\n";
	int fd;
	bool good;

	if (r->secret_file[0] != '\0')
		return true;
	(void)snprintf(r->secret_file, sizeof(r->secret_file), "/tmp/countersign-secret.XXXXXX");
	fd = mkstemp(r->secret_file);
	good = fd >= 0;
	for (int64_t done = 0; good && (done == 0 || done < min); done += (int64_t)sizeof(mark) - 1)
		good = write(fd, mark, sizeof(mark) - 1) == (ssize_t)sizeof(mark) - 1;
	if (fd >= 0)
		(void)close(fd);
	else
		r->secret_file[0] = '\0';
	return good;
}

/* Names that mean the same to most plugins. */
static const char *
usual(struct view name)
{
	static const struct {
		const char *name, *value;
	} known[] = {{"client-id", "countersign-test-client"}, {"rp-id", "pay.invalid"}, {"origin", "https://pay.invalid"}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (view_equal(name, view_str(known[i].name)))
			return known[i].value;
	return "test";
}

/* A value for a setting that must be there and was not given: plain, and of nobody. */
static bool
invent(struct report *r, const struct json *doc, uint32_t key)
{
	struct view name = member(doc, key, "name"), type = member(doc, key, "type"), words = member(doc, key, "words");
	const char *blank = memchr(words.data, ' ', words.len);
	int64_t min = 0;
	char line[512], padded[256];
	size_t len = strlen(r->invented);
	bool known = strcmp(usual(name), "test") != 0;

	if (json_get(doc, key, VIEW("min")) != 0)
		(void)json_int(doc, json_get(doc, key, VIEW("min")), &min);
	(void)snprintf(line, sizeof(line), "set %.*s \"%s\"", (int)name.len, name.data, usual(name));
	if (!known && view_equal(type, VIEW("url")))
		(void)snprintf(line, sizeof(line), "set %.*s \"https://127.0.0.1:9\"", (int)name.len, name.data);
	else if (!known && view_equal(type, VIEW("word")))
		(void)snprintf(line, sizeof(line), "set %.*s \"%.*s\"", (int)name.len, name.data,
		    (int)(blank == NULL ? (int)words.len : (int)(blank - words.data)), words.data);
	else if (view_equal(type, VIEW("int")))
		(void)snprintf(line, sizeof(line), "set %.*s %lld", (int)name.len, name.data, (long long)min);
	else if (view_equal(type, VIEW("bool")))
		(void)snprintf(line, sizeof(line), "set %.*s \"no\"", (int)name.len, name.data);
	else if (view_equal(type, VIEW("secret")) && make_secret(r, min))
		(void)snprintf(line, sizeof(line), "set %.*s file \"%s\"", (int)name.len, name.data, r->secret_file);
	else if (!known && min > 4 && min < (int64_t)sizeof(padded)) {
		memset(padded, 'x', (size_t)min);
		padded[min] = '\0';
		(void)snprintf(line, sizeof(line), "set %.*s \"%s\"", (int)name.len, name.data, padded);
	}
	(void)snprintf(r->invented + len, sizeof(r->invented) - len, "%s%.*s", len > 0 ? ", " : "", (int)name.len, name.data);
	return add_line(r, line);
}

/* What a setting is in the lines, for what pretends to be of it; else one of ours. */
static void
find_setting(const struct report *r, const char *line, const char *otherwise, char *to, size_t size)
{
	const char *at = strstr(r->lines, line), *end;

	at = at == NULL ? NULL : strchr(at, '"');
	end = at == NULL ? NULL : strchr(at + 1, '"');
	if (end == NULL)
		(void)snprintf(to, size, "%s", otherwise);
	else
		(void)snprintf(to, size, "%.*s", (int)(end - at - 1), at + 1);
}

/* ctl->doc is the plugin's description. */
static int
read_description(struct report *r)
{
	const struct json *doc = &r->ctl->doc;
	uint32_t kinds = json_get(doc, 0, VIEW("kinds")), keys = json_get(doc, 0, VIEW("keys"));
	struct view name = member(doc, 0, "name"), version = member(doc, 0, "version");
	bool room = true;

	(void)snprintf(r->name, sizeof(r->name), "%.*s", (int)(name.len < 63 ? name.len : 63), name.data);
	(void)snprintf(r->version, sizeof(r->version), "%.*s", (int)(version.len < 63 ? version.len : 63), version.data);
	for (uint32_t i = 0, at = kinds == 0 ? 0 : json_first(doc, kinds); at != 0 && i < doc->tokens[kinds].count; i++) {
		struct view kind = json_text(doc, at);

		if (r->kinds_n < KINDS_MAX && kind.len < sizeof(r->kinds[0]) &&
		    (r->ctl->kind == NULL || view_equal(kind, view_str(r->ctl->kind))))
			(void)snprintf(r->kinds[r->kinds_n++], sizeof(r->kinds[0]), "%.*s", (int)kind.len, kind.data);
		at = json_next(doc, at);
	}
	for (size_t i = 0; i < r->ctl->with_n; i++)
		room = room && add_line(r, r->ctl->with[i]);
	for (uint32_t i = 0, at = keys == 0 ? 0 : json_first(doc, keys); at != 0 && i < doc->tokens[keys].count; i++) {
		uint32_t required = json_get(doc, at, VIEW("required"));

		if (required != 0 && json_type(doc, required) == JSON_TRUE && given(r->ctl, member(doc, at, "name")) == NULL)
			room = room && invent(r, doc, at);
		at = json_next(doc, at);
	}
	find_setting(r, "set issuer \"", "https://127.0.0.1:9", r->issuer, sizeof(r->issuer));
	find_setting(r, "set client-id \"", "countersign-test-client", r->client, sizeof(r->client));
	if (!room)
		return ctl_fail(r->ctl, CTL_USAGE, "the lines of --with are longer than %d bytes together", LINES_MAX);
	if (r->kinds_n == 0)
		return ctl_fail(r->ctl, CTL_USAGE, "%s is no %s", r->file, r->ctl->kind == NULL ? "plugin of any kind" : r->ctl->kind);
	return CTL_OK;
}

/* ---- the whole ----------------------------------------------------------------------------------- */

static int
print_report(struct report *r)
{
	static const char *const first[] = {"kind", "tried", "state", "answer", NULL};
	struct ctl *ctl = r->ctl;
	struct json_writer w = plugin_say(ctl);
	int rc;

	json_object_begin(&w);
	json_member_str(&w, "plugin", view_str(r->name));
	json_member_str(&w, "version", view_str(r->version));
	json_member_str(&w, "file", view_str(r->file));
	json_member_bool(&w, "good", r->failed == 0);
	json_member_int(&w, "passed", r->passed);
	json_member_int(&w, "failed", r->failed);
	json_member_int(&w, "skipped", r->skipped);
	json_member_str(&w, "invented_settings", view_str(r->invented));
	json_key(&w, VIEW("trials"));
	json_put_raw(&w, buf_view(&r->rows.buf));
	json_object_end(&w);
	rc = plugin_said(ctl);
	if (rc != CTL_OK)
		return rc;
	if (ctl->json) {
		print_json(ctl, 0, false);
		return CTL_OK;
	}
	(void)printf("%s %s\n", r->name, r->version);
	if (r->invented[0] != '\0')
		(void)printf("Settings that were not given with --with, and are invented: %s\n", r->invented);
	(void)printf("\n");
	print_table(ctl, json_get(&ctl->doc, 0, VIEW("trials")), first, 0);
	(void)printf("\n%u passed, %u failed, %u skipped\n", r->passed, r->failed, r->skipped);
	return CTL_OK;
}

static int
run_all(struct report *r)
{
	int fd = open(r->file, O_RDONLY | O_CLOEXEC), rc = CTL_OK;

	if (fd < 0)
		return ctl_fail(r->ctl, CTL_FAILED, "%s: %s", r->file, strerror(errno));
	json_array_begin(&r->w);
	put_row(r, "", "loads, and tests itself", "passed", r->name);
	r->passed++;
	for (size_t i = 0; i < r->kinds_n; i++)
		try_kind(r, r->kinds[i], fd);
	json_array_end(&r->w);
	(void)close(fd);
	return rc;
}

int
plugin_try(struct ctl *ctl, const char *file, bool silent)
{
	struct report *r = calloc(1, sizeof(*r));
	unsigned failed;
	int rc;

	if (r == NULL)
		return ctl_fail(ctl, CTL_FAILED, "out of memory");
	r->ctl = ctl;
	r->file = file;
	bytes_init(&r->rows, VARLINK_MESSAGE_MAX);
	r->w = json_to(&r->rows.buf);
	rc = plugin_look(ctl, file);
	if (rc == CTL_OK)
		rc = read_description(r);
	if (rc == CTL_OK)
		rc = run_all(r);
	if (r->secret_file[0] != '\0')
		(void)unlink(r->secret_file);
	if (rc == CTL_OK && (!silent || (r->failed > 0 && !ctl->json)))
		rc = print_report(r);
	failed = r->failed;
	bytes_clear(&r->rows);
	free(r);
	if (rc == CTL_OK && failed > 0)
		rc = ctl_fail(ctl, CTL_BAD_CONFIG, "%s failed %u of what was tried: it may not be trusted in a broker%s", file, failed,
		    silent ? "; it was not installed (--untested installs it all the same)" : "");
	return rc;
}

int
plugin_test(struct ctl *ctl, char **args, int count)
{
	(void)count;
	return plugin_try(ctl, args[0], false);
}
