/* SPDX-License-Identifier: Apache-2.0 */
/* countersignctl: the command line, by two tables (options and commands), and nothing else. See countersignctl(8). */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "broker/ctl/ctl.h"
#include "broker/ctl/print.h"

#define SOCKET_DEFAULT "/run/countersign/admin"

static const struct command *const tables[] = {status_commands, check_commands, explain_commands, stack_commands,
    provider_commands, link_commands, account_commands, factor_commands, broker_commands, plugin_commands, events_commands,
    getent_commands, replay_commands, signal_commands, store_commands};

enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

/* Values of getopt for options without a letter. Limits come one after another. */
enum {
	KEY_NO_COLOR = 256,
	KEY_FOLLOW,
	KEY_ACCOUNT,
	KEY_AFTER,
	KEY_LIMIT,
	KEY_SESSION,
	KEY_LINK,
	KEY_OPERATION,
	KEY_PAYMENT,
	KEY_PLUGINS,
	KEY_LIBEXEC,
	KEY_ISSUER,
	KEY_PROVIDER,
	KEY_FACTOR,
	KEY_NO_COUNTERSIGNED,
	KEY_ALLOWANCE,
	KEY_SPENT_TODAY,
	KEY_PAYEE_KNOWN,
	KEY_RESULTS,
	KEY_DATABASE,
	KEY_HTML,
	KEY_STACK,
	KEY_KIND,
	KEY_WITH,
	KEY_MAKE,
	KEY_AUTOTOOLS,
	KEY_SKELETON,
	KEY_PIN,
	KEY_UNTESTED,
	KEY_KEY,
	KEY_UNDO,
	KEY_UNTIL,
	KEY_PROOF,
	KEY_FROM,
	KEY_TO,
	KEY_REPAIR,
	KEY_BUCKET,
	KEY_OFFLINE,
	KEY_LIMITS, /* and CTL_LIMITS - 1 more */
};

static const struct {
	const char *name, *argument; /* argument NULL: it takes none */
	int key;
	unsigned option;             /* enum ctl_option; 0: every command takes it */
	const char *help;
} options[] = {
	{"socket", "PATH", 's', 0, "the daemon's admin socket [$COUNTERSIGN_ADMIN_SOCKET or " SOCKET_DEFAULT "]"},
	{"config", "FILE", 'f', 0, "the configuration, for check, explain, replay, plugin, store [" CTL_CONFIG_DEFAULT "]"},
	{"json", NULL, 'j', 0, "print JSON; times are UTC"},
	{"no-color", NULL, KEY_NO_COLOR, 0, "no colours, on a terminal too"},
	{"help", NULL, 'h', 0, "print this and exit"},
	{"version", NULL, 'V', 0, "print the version and exit"},
	{"follow", NULL, KEY_FOLLOW, OPTION_FOLLOW, "go on as events come"},
	{"account", "ACCOUNT", KEY_ACCOUNT, OPTION_ACCOUNT, "events of this account alone"},
	{"after", "SEQ", KEY_AFTER, OPTION_AFTER, "events after this sequence number"},
	{"limit", "COUNT", KEY_LIMIT, OPTION_LIMIT, "so many events and no more"},
	{"session", "SESSION", KEY_SESSION, OPTION_SESSION, "as asked in this session"},
	{"link", "LINK", KEY_LINK, OPTION_LINK, "as asked through this link"},
	{"operation", "NAME", KEY_OPERATION, OPTION_OPERATION, "another operation than spend"},
	{"payment", "ID", KEY_PAYMENT, OPTION_PAYMENT, "the payment's id"},
	{"plugins", "DIR", KEY_PLUGINS, OPTION_PLUGINS, "the plugin directory [" CTL_PLUGINS_DEFAULT "]"},
	{"libexec", "DIR", KEY_LIBEXEC, OPTION_LIBEXEC, "where countersign-worker is [" CTL_LIBEXEC_DEFAULT "]"},
	{"issuer", "URL", KEY_ISSUER, OPTION_ISSUER, "the issuer, where the provider has several"},
	{"provider", "NAME", KEY_PROVIDER, OPTION_SUPPOSE, "--config: linked there [the first]"},
	{"factor", "KIND", KEY_FACTOR, OPTION_SUPPOSE, "--config: with this factor; again for more [all]"},
	{"no-countersigned", NULL, KEY_NO_COUNTERSIGNED, OPTION_SUPPOSE, "--config: in a session that is new"},
	{"allowance", "LIMITS", KEY_ALLOWANCE, OPTION_SUPPOSE, "--config: with an allowance, EACH,DAY,TOTAL"},
	{"spent-today", "AMOUNT", KEY_SPENT_TODAY, OPTION_SUPPOSE, "--config: after this was spent"},
	{"payee-known", NULL, KEY_PAYEE_KNOWN, OPTION_SUPPOSE, "--config: the payee was paid before"},
	{"kind", "KIND", KEY_KIND, OPTION_KIND, "provider, factor, risk, notify or token [new: provider; test: all that it is]"},
	{"with", "LINE", KEY_WITH, OPTION_WITH, "a line of its block, like 'set issuer \"https://...\"'; again for more"},
	{"make", NULL, KEY_MAKE, OPTION_NEW, "built by a makefile of twenty lines [this]"},
	{"autotools", NULL, KEY_AUTOTOOLS, OPTION_NEW, "built by autoconf, automake and libtool"},
	{"skeleton", "DIR", KEY_SKELETON, OPTION_NEW, "where the skeleton is [" CTL_SKELETON_DEFAULT "]"},
	{"pin", "SHA256", KEY_PIN, OPTION_INSTALL, "only if this is its digest"},
	{"untested", NULL, KEY_UNTESTED, OPTION_INSTALL, "without `plugin test`"},
	{"key", "FILE", KEY_KEY, OPTION_KEY, "the Ed25519 private key to sign with, PEM"},
	{"stack", "FILE", KEY_STACK, OPTION_STACK, "this stack by itself; no configuration is read"},
	{"results", "LIST", KEY_RESULTS, OPTION_RESULTS, "what the lines answer, in order, with commas"},
	{"database", "FILE", KEY_DATABASE, OPTION_DATABASE,
	    "replay, events verify, store check: this store's file [the daemon's]"},
	{"html", "FILE", KEY_HTML, OPTION_REPLAY, "replay: write a report with charts"},
	{"undo", NULL, KEY_UNDO, OPTION_UNDO, "take the last re-key back"},
	{"until", "TIME", KEY_UNTIL, OPTION_UNTIL, "until then, like 2026-01-31T12:00:00Z; without: no more"},
	{"proof", "TEXT", KEY_PROOF, OPTION_PROOF, "what the provider gave for it, such as a transfer_sub"},
	{"from", "STORE", KEY_FROM, OPTION_MIGRATE, "store migrate: a file, or redis: that of --config"},
	{"to", "STORE", KEY_TO, OPTION_MIGRATE, "store migrate: redis, or a file that is not there yet"},
	{"repair", NULL, KEY_REPAIR, OPTION_REPAIR, "mend what can be mended without a doubt"},
	{"bucket", "NUMBER", KEY_BUCKET, OPTION_BUCKET, "all of this bucket, 0 to 1023"},
	{"offline", NULL, KEY_OFFLINE, OPTION_OFFLINE, "on the servers of --config themselves, where no broker answers"},
	{"per-payment", "AMOUNT", KEY_LIMITS, OPTION_LIMITS, "at most this much each"},
	{"per-day", "AMOUNT", KEY_LIMITS + 1, OPTION_LIMITS, "at most this much a day"},
	{"per-month", "AMOUNT", KEY_LIMITS + 2, OPTION_LIMITS, "at most this much a month"},
	{"count-day", "COUNT", KEY_LIMITS + 3, OPTION_LIMITS, "at most so many a day"},
	{"count-month", "COUNT", KEY_LIMITS + 4, OPTION_LIMITS, "at most so many a month"},
};

enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

int
ctl_fail(struct ctl *ctl, int code, const char *format, ...)
{
	char line[2048];
	struct bytes text;
	va_list ap;

	if (ctl->quiet)
		return code;
	va_start(ap, format);
	(void)vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	bytes_init(&text, 8 * sizeof(line));
	text_escape(ctl, &text.buf, view_str(line));
	(void)fflush(stdout);
	(void)fprintf(stderr, "countersignctl: %.*s\n", (int)text.buf.len, (const char *)text.buf.data);
	bytes_clear(&text);
	return code;
}

static void
print_command(const struct command *c)
{
	char line[96];

	(void)snprintf(line, sizeof(line), "%s%s%s %s", c->noun, c->verb == NULL ? "" : " ",
	    c->verb == NULL ? "" : c->verb, c->arguments);
	(void)printf("  %-46s %s\n", line, c->help);
}

static void
print_options(unsigned mask)
{
	for (int i = 0; i < OPTIONS; i++) {
		char line[40];

		if (mask == 0 ? options[i].option != 0 : (options[i].option & mask) == 0)
			continue;
		(void)snprintf(line, sizeof(line), "--%s%s%s", options[i].name, options[i].argument == NULL ? "" : " ",
		    options[i].argument == NULL ? "" : options[i].argument);
		(void)printf("  %-24s %s\n", line, options[i].help);
	}
}

/* All of it, or what begins with this noun. */
static int
print_help(const char *noun)
{
	unsigned mask = 0;
	bool found = false;

	(void)printf("usage: countersignctl [OPTION...] COMMAND [ARGUMENT...]\n\n");
	for (int t = 0; t < TABLES; t++) {
		for (const struct command *c = tables[t]; c->noun != NULL; c++) {
			if (noun != NULL && strcmp(noun, c->noun) != 0)
				continue;
			print_command(c);
			mask |= c->options;
			found = true;
		}
	}
	if (noun == NULL) {
		(void)printf("  %-46s %s\n", "help [COMMAND]", "this text, or a command's");
		(void)printf("  %-46s %s\n", "version", "the version of countersignctl");
	}
	if (mask != 0) {
		(void)printf("\noptions of %s:\n", noun == NULL ? "some of them" : "these");
		print_options(mask);
	}
	(void)printf("\noptions:\n");
	print_options(0);
	(void)printf("\nexit codes: 0 done or permitted, 1 refused or denied, 2 usage, 3 not found, 4 no daemon, "
	             "5 bad configuration or plugin, 6 other\n");
	return noun == NULL || found ? CTL_OK : CTL_USAGE;
}

static int
read_number(struct ctl *ctl, const char *text, int64_t min, int64_t *to)
{
	long long value;
	char *end;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < min)
		return ctl_fail(ctl, CTL_USAGE, "%s: write an integer from %lld", text, (long long)min);
	*to = value;
	return CTL_OK;
}

static int
take_factor(struct ctl *ctl, const char *kind)
{
	if (ctl->factors_n == CTL_FACTORS_MAX)
		return ctl_fail(ctl, CTL_USAGE, "--factor %s: there are no more than %d kinds", kind, CTL_FACTORS_MAX);
	ctl->factors[ctl->factors_n++] = kind;
	return CTL_OK;
}

static int
take_with(struct ctl *ctl, const char *line)
{
	if (ctl->with_n == CTL_WITH_MAX)
		return ctl_fail(ctl, CTL_USAGE, "--with %s: there are no more than %d lines", line, CTL_WITH_MAX);
	ctl->with[ctl->with_n++] = line;
	return CTL_OK;
}

static int
take_option(struct ctl *ctl, int key, const char *value)
{
	const struct {
		int key;
		const char **to;
	} texts[] = {{'s', &ctl->socket}, {'f', &ctl->config}, {KEY_ACCOUNT, &ctl->account}, {KEY_SESSION, &ctl->session},
	    {KEY_LINK, &ctl->link}, {KEY_OPERATION, &ctl->operation}, {KEY_PAYMENT, &ctl->payment},
	    {KEY_PLUGINS, &ctl->plugins}, {KEY_LIBEXEC, &ctl->libexec}, {KEY_ISSUER, &ctl->issuer},
	    {KEY_PROVIDER, &ctl->provider}, {KEY_ALLOWANCE, &ctl->allowance}, {KEY_SPENT_TODAY, &ctl->spent},
	    {KEY_RESULTS, &ctl->results}, {KEY_DATABASE, &ctl->database}, {KEY_HTML, &ctl->html},
	    {KEY_STACK, &ctl->stack}, {KEY_KIND, &ctl->kind}, {KEY_SKELETON, &ctl->skeleton}, {KEY_PIN, &ctl->pin},
	    {KEY_KEY, &ctl->key}, {KEY_UNTIL, &ctl->until}, {KEY_PROOF, &ctl->proof},
	    {KEY_FROM, &ctl->from}, {KEY_TO, &ctl->to}};

	ctl->files = ctl->files || key == 'f';
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].key == key) {
			*texts[i].to = value;
			return CTL_OK;
		}
	}
	if (key >= KEY_LIMITS)
		ctl->limits[key - KEY_LIMITS] = value;
	else if (key == 'j')
		ctl->json = true;
	else if (key == KEY_NO_COLOR)
		ctl->color = false;
	else if (key == KEY_FOLLOW)
		ctl->follow = true;
	else if (key == KEY_UNDO)
		ctl->undo = true;
	else if (key == KEY_NO_COUNTERSIGNED)
		ctl->not_countersigned = true;
	else if (key == KEY_PAYEE_KNOWN)
		ctl->payee_known = true;
	else if (key == KEY_MAKE)
		ctl->make = true;
	else if (key == KEY_AUTOTOOLS)
		ctl->autotools = true;
	else if (key == KEY_UNTESTED)
		ctl->untested = true;
	else if (key == KEY_REPAIR)
		ctl->repair = true;
	else if (key == KEY_OFFLINE)
		ctl->offline = true;
	else if (key == KEY_BUCKET)
		return read_number(ctl, value, 0, &ctl->bucket);
	else if (key == KEY_WITH)
		return take_with(ctl, value);
	else if (key == KEY_FACTOR)
		return take_factor(ctl, value);
	else if (key == KEY_AFTER)
		return read_number(ctl, value, 0, &ctl->after);
	else if (key == KEY_LIMIT)
		return read_number(ctl, value, 1, &ctl->limit);
	return CTL_OK;
}

/* Options may stand anywhere. *done: help or version was printed. */
static int
read_options(struct ctl *ctl, int argc, char **argv, bool *done)
{
	struct option longs[OPTIONS + 1] = {{.name = NULL}};
	int at = 0, key, rc = CTL_OK;

	for (int i = 0; i < OPTIONS; i++)
		longs[i] = (struct option){options[i].name, options[i].argument == NULL ? no_argument : required_argument,
		    NULL, options[i].key};
	while (rc == CTL_OK && (key = getopt_long(argc, argv, "s:f:jhV", longs, &at)) != -1) {
		if (key == 'h' || key == 'V') {
			*done = true;
			if (key == 'V')
				(void)printf("countersignctl %s\n", PACKAGE_VERSION);
			return key == 'h' ? print_help(optind < argc ? argv[optind] : NULL) : CTL_OK;
		}
		if (key == '?')
			return ctl_fail(ctl, CTL_USAGE, "see `countersignctl help`");
		for (int i = 0; i < OPTIONS; i++)
			if (options[i].key == key)
				ctl->given |= options[i].option;
		rc = take_option(ctl, key, optarg);
	}
	return rc;
}

static const struct command *
find_command(const char *noun, const char *verb)
{
	for (int t = 0; t < TABLES; t++)
		for (const struct command *c = tables[t]; c->noun != NULL; c++)
			if (strcmp(c->noun, noun) == 0 &&
			    (c->verb == NULL || (verb != NULL && strcmp(c->verb, verb) == 0)))
				return c;
	return NULL;
}

/* What the noun could have been followed by. */
static int
fail_verb(struct ctl *ctl, const char *noun, const char *verb)
{
	char verbs[128] = "";
	size_t len = 0;

	for (int t = 0; t < TABLES; t++)
		for (const struct command *c = tables[t]; c->noun != NULL; c++)
			if (strcmp(c->noun, noun) == 0 && len < sizeof(verbs))
				len += (size_t)snprintf(verbs + len, sizeof(verbs) - len, "%s%s", len > 0 ? ", " : "",
				    c->verb);
	if (len == 0)
		return ctl_fail(ctl, CTL_USAGE, "there is no command %s; see `countersignctl help`", noun);
	if (verb == NULL)
		return ctl_fail(ctl, CTL_USAGE, "%s what? One of: %s", noun, verbs);
	return ctl_fail(ctl, CTL_USAGE, "%s cannot %s; one of: %s", noun, verb, verbs);
}

static int
fail_option(struct ctl *ctl, const struct command *c)
{
	for (int i = 0; i < OPTIONS; i++)
		if ((options[i].option & ctl->given & ~c->options) != 0)
			return ctl_fail(ctl, CTL_USAGE, "%s%s%s does not take --%s; see `countersignctl help %s`", c->noun,
			    c->verb == NULL ? "" : " ", c->verb == NULL ? "" : c->verb, options[i].name, c->noun);
	return CTL_OK;
}

static int
run_command(struct ctl *ctl, int count, char **args)
{
	const struct command *c = find_command(args[0], count > 1 ? args[1] : NULL);
	int skip;

	if (c == NULL)
		return fail_verb(ctl, args[0], count > 1 ? args[1] : NULL);
	skip = c->verb == NULL ? 1 : 2;
	if (count - skip < c->args_min || count - skip > c->args_max)
		return ctl_fail(ctl, CTL_USAGE, "usage: countersignctl %s%s%s%s%s%s", c->noun, c->verb == NULL ? "" : " ",
		    c->verb == NULL ? "" : c->verb, c->arguments[0] == '\0' ? "" : " ", c->arguments,
		    count - skip > c->args_max ? "; put a text with blanks in quotes" : "");
	if ((ctl->given & ~c->options) != 0)
		return fail_option(ctl, c);
	return c->run(ctl, args + skip, count - skip);
}

static void
set_defaults(struct ctl *ctl)
{
	const char *path = getenv("COUNTERSIGN_ADMIN_SOCKET");
	const char *term = getenv("TERM");

	ctl->socket = path == NULL || path[0] == '\0' ? SOCKET_DEFAULT : path;
	ctl->config = CTL_CONFIG_DEFAULT;
	ctl->plugins = CTL_PLUGINS_DEFAULT;
	ctl->libexec = CTL_LIBEXEC_DEFAULT;
	ctl->skeleton = CTL_SKELETON_DEFAULT;
	ctl->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	ctl->color = isatty(STDOUT_FILENO) != 0 && getenv("NO_COLOR") == NULL && term != NULL && strcmp(term, "dumb") != 0;
}

int
main(int argc, char **argv)
{
	static struct wire wire = {.fd = -1};
	static struct ctl ctl = {.wire = &wire};
	bool done = false;
	int rc;

	(void)setlocale(LC_CTYPE, "");
	tzset();
	set_defaults(&ctl);
	rc = read_options(&ctl, argc, argv, &done);
	if (rc == CTL_OK && !done) {
		if (optind == argc)
			rc = ctl_fail(&ctl, CTL_USAGE, "say what to do; see `countersignctl help`");
		else if (strcmp(argv[optind], "help") == 0)
			rc = print_help(optind + 1 < argc ? argv[optind + 1] : NULL);
		else if (strcmp(argv[optind], "version") == 0)
			(void)printf("countersignctl %s\n", PACKAGE_VERSION);
		else
			rc = run_command(&ctl, argc - optind, argv + optind);
	}
	wire_close(&wire);
	if (fflush(stdout) != 0 || ferror(stdout))
		rc = ctl_fail(&ctl, CTL_FAILED, "cannot write the output: %s", strerror(errno));
	return rc;
}
