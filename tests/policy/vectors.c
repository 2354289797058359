/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays one case of a table of vectors (packaging/policy/README.md): vectors CONF SERVICE < CASE. The files are read and
 * compiled by what the broker reads and compiles them with; every line is decided by decide() and carried out by apply().
 * Lines that end otherwise than they say are printed; then the status is 1, and 2 where a case cannot be understood.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/core/note.h"
#include "broker/engine/engine.h"
#include "broker/engine/keyring.h"
#include "tests/unit/core_fixture.h"

enum { WORDS_MAX = 24, LINE_MAX_BYTES = 512 };

struct play {
	struct fixture f;
	struct ruleset *rules;
	uint64_t service, setup;         /* tags; the second enrols and links, by a stack of its own */
	uint64_t providers[2];           /* of the first link, and of new ones */
	uint32_t factors[FACTOR__COUNT]; /* serials by kind, in the order of `order` */
	uint8_t order[FACTOR__COUNT];
	size_t factors_n;
	uint32_t link_no;
	uint64_t payments, subjects;
	struct id mandate;               /* the newest */
	unsigned line;                   /* of the input */
	bool failed;
};

_Noreturn static void __attribute__((format(printf, 2, 3)))
stop(const struct play *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("line %u: ", p->line);
	vprintf(format, args);
	printf("\n");
	va_end(args);
	exit(2);
}

/* --- words --- */

static enum factor_kind
kind_of(const struct play *p, struct view name)
{
	enum factor_kind kind = factor_kind_find(name);

	if (kind == FACTOR__COUNT || !p->f.policy.factors[kind].enabled)
		stop(p, "there is no factor \"%.*s\"", (int)name.len, name.data);
	return kind;
}

static uint16_t
currency_of(const struct play *p, const char *word)
{
	uint16_t currency = currency_find(view_str(word));

	if (currency == CURRENCY_NONE)
		stop(p, "\"%s\" is no currency", word);
	return currency;
}

static int64_t
amount_of(const struct play *p, const char *word, uint16_t currency)
{
	int64_t minor;

	if (money_parse(view_str(word), currency, &minor) != CS_OK)
		stop(p, "\"%s\" is no amount", word);
	return minor;
}

/* 11h59m */
static int64_t
duration_of(const struct play *p, const char *word)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {{'d', DAY_MS}, {'h', HOUR_MS}, {'m', MINUTE_MS}, {'s', 1000}};
	int64_t total = 0;

	while (*word != '\0') {
		char *end;
		long n = strtol(word, &end, 10);
		size_t i = 0;

		while (i < sizeof(units) / sizeof(units[0]) && units[i].unit != *end)
			i++;
		if (end == word || i == sizeof(units) / sizeof(units[0]))
			stop(p, "\"%s\" is no duration", word);
		total += n * units[i].ms;
		word = end + 1;
	}
	return total;
}

/* 2026-03-10 23:59, eight hours east of UTC as the tables say. */
static int64_t
time_of(const struct play *p, const char *date, const char *hour)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	int y, m, d, h, min;
	int64_t days;

	if (sscanf(date, "%4d-%2d-%2d", &y, &m, &d) != 3 || sscanf(hour, "%2d:%2d", &h, &min) != 2 || m < 1 || m > 12)
		stop(p, "\"%s %s\" is no time", date, hour);
	days = (int64_t)(y - 1970) * 365 + (y - 1969) / 4 + before[m - 1] + (m > 2 && y % 4 == 0) + d - 1;
	return days * DAY_MS + (h - 8) * HOUR_MS + min * MINUTE_MS;
}

static struct id
payee_of(const char *name)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(1099511628211);
	return id_of('m', hash);
}

/* --- what happens --- */

/* Answers an open challenge with these factors, one after the other, until it has all that it asks for. */
static bool
answer_with(struct play *p, const struct id *challenge, const uint32_t *factors, size_t n)
{
	struct id id = *challenge;

	for (size_t i = 0; i < n; i++) {
		if (do_answer(&p->f, &id, factors[i], true) == REASON_COUNTERSIGNED && p->f.d.outcome == OUTCOME_PERMIT) {
			const struct challenge *c = account_challenge(&p->f.account, &id);

			if (c == NULL || c->state != CHALLENGE_OPEN)
				return true;
		}
	}
	return false;
}

static void
enrol(struct play *p, enum factor_kind kind)
{
	(void)do_enrol(&p->f, kind, p->f.policy.factors[kind].plugin, p->factors_n > 0 ? p->factors[0] : 0);
	if (p->f.d.outcome != OUTCOME_PERMIT)
		stop(p, "%s cannot be enrolled: %s", factor_kind_name(kind), reason_name((enum reason)p->f.d.reason));
	p->factors[p->factors_n] = p->f.d.no;
	p->order[p->factors_n++] = (uint8_t)kind;
}

static void
link_new(struct play *p)
{
	uint64_t asking = p->f.asked.service, provider = p->providers[p->subjects > 0];

	p->f.asked.service = p->setup;
	p->subjects++;
	(void)do_link(&p->f, provider, p->subjects, p->factors[0], &p->link_no);
	if (p->f.d.outcome != OUTCOME_PERMIT)
		stop(p, "cannot link: %s", reason_name((enum reason)p->f.d.reason));
	p->f.asked.service = asking;
	fixture_wait(&p->f, 1000); /* sessions of before the link are none of it */
}

static void
open_session(struct play *p)
{
	if (do_session(&p->f, p->link_no, &p->f.session) != REASON_ASKED)
		stop(p, "cannot sign in: %s", reason_name((enum reason)p->f.d.reason));
}

static void
begin(struct play *p)
{
	p->f.asked.service = p->setup;
	p->f.asked.now_ms = NOON_MS - 40 * DAY_MS;
}

static void
ready(struct play *p)
{
	if (p->link_no != 0)
		return;
	if (p->factors_n == 0)
		enrol(p, FACTOR_TOTP);
	link_new(p);
	p->f.asked.service = p->service;
	p->f.asked.now_ms = NOON_MS;
	open_session(p);
}

/* Sessions end after a while without a payment; whoever pays after that has signed in again. */
static void
time_passes(struct play *p, int64_t ms)
{
	fixture_wait(&p->f, ms);
	if (ms > p->f.policy.session_idle_ms)
		open_session(p);
}

static struct request
payment_of(struct play *p, char **words)
{
	struct request r = spend_of(&p->f, ++p->payments, 0);

	r.currency = currency_of(p, words[1]);
	r.amount_minor = amount_of(p, words[0], r.currency);
	r.payee = payee_of(words[2]);
	r.capture = true;
	spend_seal(&r);
	return r;
}

/* mandate: without a session, as a payee collects. */
static void
pay(struct play *p, char **words, const struct id *mandate)
{
	struct request r = payment_of(p, words);

	if (mandate != NULL) {
		r.session = (struct id){{0}};
		r.allowance = *mandate;
	}
	(void)do_request(&p->f, &r);
}

/* Serials of factors for a word like webauthn,pam. */
static size_t
signers(const struct play *p, const char *word, uint32_t to[FACTOR__COUNT])
{
	size_t n = 0;

	while (*word != '\0') {
		size_t len = strcspn(word, ","), i = 0;
		enum factor_kind kind = kind_of(p, view_of(word, len));

		while (i < p->factors_n && p->order[i] != kind)
			i++;
		if (i == p->factors_n || n == FACTOR__COUNT)
			stop(p, "the owner has no %.*s", (int)len, word);
		to[n++] = p->factors[i];
		word += len + (word[len] == ',');
	}
	return n;
}

static void
sign(struct play *p, const char *kinds, const struct request *shown, const struct request *asked)
{
	uint32_t factors[FACTOR__COUNT];
	size_t n = signers(p, kinds, factors);

	(void)do_request(&p->f, shown);
	if (p->f.d.outcome == OUTCOME_STEP_UP) {
		struct id challenge = p->f.d.id;

		if (answer_with(p, &challenge, factors, n))
			(void)do_request(&p->f, asked);
	}
}

static void
allow(struct play *p, enum allowance_kind kind, char **words, size_t n)
{
	uint16_t currency = currency_of(p, words[3]);
	struct grant g = {.kind = kind, .session = p->f.session,
	    .payee = n > 4 ? payee_of(words[4]) : (struct id){{0}}, .currency = currency,
	    .per_payment_minor = amount_of(p, words[0], currency), .per_day_minor = amount_of(p, words[1], currency),
	    .total_minor = amount_of(p, words[2], currency), .expires_ms = p->f.asked.now_ms + 80 * DAY_MS};
	struct request r;
	struct id challenge;

	fixture_begin(&p->f);
	decide_grant(&p->f.asked, &p->f.account, &g, &p->f.d);
	fixture_commit(&p->f);
	if (kind == ALLOWANCE_MANDATE)
		p->mandate = p->f.d.id;
	r = grant_request(&p->f, &g, p->f.d.no);
	(void)do_request(&p->f, &r);
	challenge = p->f.d.id;
	if (p->f.d.outcome != OUTCOME_STEP_UP || !answer_with(p, &challenge, p->factors, p->factors_n))
		stop(p, "the allowance is not opened: %s", reason_name((enum reason)p->f.d.reason));
}

static void
guess(struct play *p, char **words)
{
	struct request r = payment_of(p, words + 2);
	uint32_t factors[FACTOR__COUNT];
	struct id challenge;

	(void)signers(p, words[0], factors);
	(void)do_request(&p->f, &r);
	challenge = p->f.d.id;
	if (p->f.d.outcome != OUTCOME_STEP_UP)
		stop(p, "nothing to answer: %s", reason_name((enum reason)p->f.d.reason));
	for (long i = strtol(words[1], NULL, 10); i > 0; i--)
		(void)do_answer(&p->f, &challenge, factors[0], false);
}

static void
ask(struct play *p, const char *op)
{
	struct request r = {.op = op_find(view_str(op)), .link_no = p->link_no, .content = {{'o', 'p'}}};

	/* The page is the account's, not a link's. */
	if (r.op == OP_VIEW)
		r.link_no = 0;

	if (r.op == OP_NONE || r.op == OP_SPEND)
		stop(p, "\"%s\" is no operation to ask for", op);
	if (r.op == OP_LINK) {
		uint32_t no;

		(void)do_propose(&p->f, p->providers[1], 1000, &no);
		r = link_of(no);
	}
	if (r.op == OP_THAW)
		(void)do_freeze(&p->f, p->link_no, AUTHOR_USER);
	if (r.op == OP_GRANT) {
		struct grant g = {.kind = ALLOWANCE_SESSION, .session = p->f.session,
		    .currency = p->f.policy.limits[0].currency, .per_payment_minor = 100, .per_day_minor = 100,
		    .total_minor = 100, .expires_ms = p->f.asked.now_ms + DAY_MS};

		fixture_begin(&p->f);
		decide_grant(&p->f.asked, &p->f.account, &g, &p->f.d);
		fixture_commit(&p->f);
		r = grant_request(&p->f, &g, p->f.d.no);
	}
	(void)do_request(&p->f, &r);
}

/* --- the table --- */

static void
compare(struct play *p, char **words, size_t n)
{
	char said[LINE_MAX_BYTES] = "", wanted[LINE_MAX_BYTES] = "";
	struct buf b = buf_over(said, sizeof(said) - 1), w = buf_over(wanted, sizeof(wanted) - 1);

	buf_put_view(&b, view_str(outcome_name((enum outcome)p->f.d.outcome)));
	buf_put_view(&b, VIEW(" "));
	buf_put_view(&b, view_str(reason_name((enum reason)p->f.d.reason)));
	for (int note = 1; note < NOTE__COUNT && p->f.d.outcome == OUTCOME_PERMIT; note++) {
		if ((p->f.d.notes & note_bit((enum note)note)) == 0)
			continue;
		buf_put_view(&b, VIEW(" "));
		buf_put_view(&b, view_str(note_name((enum note)note)));
	}
	for (size_t i = 0; i < n; i++) {
		buf_put_view(&w, i == 0 ? VIEW("") : VIEW(" "));
		buf_put_view(&w, view_str(words[i]));
	}
	if (strcmp(said, wanted) == 0)
		return;
	printf("line %u: expected: %s; decided: %s\n", p->line, wanted, said);
	p->failed = true;
}

static size_t
need(const struct play *p, size_t n, size_t least)
{
	if (n < least)
		stop(p, "words are missing");
	return n;
}

static void
line_play(struct play *p, char **words, size_t n)
{
	size_t said = 0;

	while (said < n && strcmp(words[said], "=>") != 0)
		said++;
	if (strcmp(words[0], "factors") == 0) {
		begin(p);
		for (size_t i = 1; i < n; i++)
			enrol(p, kind_of(p, view_str(words[i])));
		return;
	}
	ready(p);
	if (strcmp(words[0], "wait") == 0 && need(p, n, 2)) {
		time_passes(p, duration_of(p, words[1]));
	} else if (strcmp(words[0], "at") == 0 && need(p, n, 3)) {
		time_passes(p, time_of(p, words[1], words[2]) - p->f.asked.now_ms);
	} else if (strcmp(words[0], "open") == 0) {
		open_session(p);
	} else if (strcmp(words[0], "new-link") == 0) {
		link_new(p);
		open_session(p);
	} else if (strcmp(words[0], "allow") == 0 && need(p, n, 5)) {
		allow(p, ALLOWANCE_SESSION, words + 1, n - 1);
	} else if (strcmp(words[0], "mandate") == 0 && need(p, n, 6)) {
		allow(p, ALLOWANCE_MANDATE, words + 1, n - 1);
	} else if (strcmp(words[0], "pay") == 0 && need(p, said, 4)) {
		pay(p, words + 1, NULL);
	} else if (strcmp(words[0], "collect") == 0 && need(p, said, 4)) {
		pay(p, words + 1, &p->mandate);
	} else if (strcmp(words[0], "sign") == 0 && need(p, said, 5)) {
		struct request r = payment_of(p, words + 2);

		sign(p, words[1], &r, &r);
	} else if (strcmp(words[0], "signed") == 0 && need(p, said, 9)) {
		struct request shown = payment_of(p, words + 2), asked = payment_of(p, words + 6);

		asked.payment = shown.payment;
		sign(p, words[1], &shown, &asked);
	} else if (strcmp(words[0], "wrong") == 0 && need(p, n, 6)) {
		guess(p, words + 1);
	} else if (strcmp(words[0], "ask") == 0 && need(p, said, 2)) {
		ask(p, words[1]);
	} else {
		stop(p, "\"%s\" is nothing that happens", words[0]);
	}
	if (said < n)
		compare(p, words + said + 1, n - said - 1);
}

/* The payees that stacks name: the daemon digests them with its key, and this has none. */
static void
name_payees(struct ruleset *rules)
{
	for (uint16_t i = 0; i < rules->config->stack_count; i++) {
		struct stack *s = &rules->stacks[i];

		for (uint16_t k = 0; k < s->ids_n; k++) {
			char name[LINE_MAX_BYTES];

			snprintf(name, sizeof(name), "%.*s", (int)s->id_texts[k].len, s->id_texts[k].data);
			s->ids[k] = payee_of(name);
		}
	}
}

static void
load(struct play *p, const char *path, const char *service)
{
	struct config_error err;
	struct config *c = NULL;
	char why[256];

	if (config_load(path, &c, &err) != CS_OK) {
		printf("%s:%u:%u: %s; to mend it: %s\n", err.file, err.line, err.column, err.message, err.mend);
		exit(2);
	}
	if (ruleset_new(c, &p->rules, why) != CS_OK) {
		printf("%s\n", why);
		exit(2);
	}
	name_payees(p->rules);
	fixture_init(&p->f);
	p->f.policy = *p->rules->policy;
	p->f.broker = (struct broker_state){.clock_ok = true};
	for (size_t i = 0; i < p->f.policy.providers_n; i++) {
		p->f.broker.providers[p->f.broker.providers_n++] = (struct broker_provider){
		    .tag = p->f.policy.providers[i].tag, .enabled = true, .pinned = true, .fresh = true};
		if (i < 2)
			p->providers[i] = p->f.policy.providers[i].tag;
	}
	p->service = name_tag(view_str(service));
	p->setup = name_tag(VIEW("setup"));
}

int
main(int argc, char **argv)
{
	static struct play p;
	char line[LINE_MAX_BYTES];

	if (argc != 3) {
		printf("usage: vectors CONF SERVICE < CASE\n");
		return 2;
	}
	load(&p, argv[1], argv[2]);
	begin(&p);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *words[WORDS_MAX], *rest = line, *word;
		size_t n = 0;

		p.line++;
		line[strcspn(line, "#\n")] = '\0';
		while (n < WORDS_MAX && (word = strsep(&rest, " \t")) != NULL)
			if (*word != '\0')
				words[n++] = word;
		if (n > 0)
			line_play(&p, words, n);
	}
	ruleset_free(p.rules);
	return p.failed ? 1 : 0;
}
