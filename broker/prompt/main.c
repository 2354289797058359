/* SPDX-License-Identifier: Apache-2.0 */
/* countersign-prompt: a challenge, or an enrolment, on a terminal. The command line. See countersign-prompt(1). */
#include "config.h"

#include <getopt.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/prompt/prompt.h"

enum { KEY_LABEL = 256, KEY_PROOF, KEY_ADDRESS, KEY_CHALLENGE, KEY_LANGUAGE };

static const struct {
	const char *name, *argument;
	int key;
	const char *help;
} options[] = {
	{"socket", "PATH", 's', "the broker's service socket [$COUNTERSIGN_SOCKET or " CS_SOCKET_DEFAULT "]"},
	{"json", NULL, 'j', "events on stdout, answers on stdin, a line of JSON each"},
	{"language", "en|zh", KEY_LANGUAGE, "instead of the locale's"},
	{"label", "TEXT", KEY_LABEL, "enrol: what the owner calls it"},
	{"proof", "TEXT", KEY_PROOF, "enrol: on what you know the owner, for the first factor"},
	{"address", "TEXT", KEY_ADDRESS, "enrol: phone number, e-mail address or login name"},
	{"challenge", "ID", KEY_CHALLENGE, "enrol: a countersignature that is done already"},
	{"help", NULL, 'h', "print this and exit"},
	{"version", NULL, 'V', "print the version and exit"},
};

enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static int
usage(FILE *to)
{
	(void)fprintf(to, "usage: countersign-prompt [OPTION...] CHALLENGE\n"
			  "       countersign-prompt [OPTION...] enrol KIND ACCOUNT\n\n");
	for (int i = 0; i < OPTIONS; i++) {
		char line[40];

		(void)snprintf(line, sizeof(line), "--%s%s%s", options[i].name, options[i].argument == NULL ? "" : " ",
		    options[i].argument == NULL ? "" : options[i].argument);
		(void)fprintf(to, "  %-20s %s\n", line, options[i].help);
	}
	(void)fprintf(to, "\nexit status: 0 done, 1 refused, 2 misuse, 3 expired or used, 4 locked,\n"
			  "             5 the broker cannot be asked, 6 still open\n");
	return to == stdout && fflush(stdout) == 0 ? 0 : PROMPT_MISUSE;
}

static int
misuse(const char *why)
{
	(void)fprintf(stderr, "countersign-prompt: %s; see countersign-prompt --help\n", why);
	return PROMPT_MISUSE;
}

int
ms_until(const char *rfc3339)
{
	struct clock_now now;
	int64_t ms = strlen(rfc3339) >= sizeof("2026-11-22T09:46:28Z") - 1 ? clock_parse(rfc3339, strlen(rfc3339)) : -1;

	if (ms < 0)
		return -1;
	clock_read(&now);
	ms -= now.wall_ms;
	return ms < 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms;
}

cs_conversation *
conversation_of(const struct prompt *p)
{
	return p->json ? json_conversation : tty_conversation;
}

int
say_failure(struct prompt *p, enum cs_status status, const struct cs_error *error)
{
	if (p->json)
		json_event_error(p, cs_status_name(status), error->message);
	else
		(void)fprintf(stderr, "countersign-prompt: %s\n", error->message);
	switch (status) {
	case CS_STATUS_ARGUMENT:
	case CS_STATUS_INVALID:
		return PROMPT_MISUSE;
	case CS_STATUS_NOT_FOUND:
		return PROMPT_EXPIRED;
	default:
		return PROMPT_UNREACHABLE;
	}
}

int
converse(struct prompt *p, const char *challenge)
{
	static const int exits[] = {
		[CS_CHALLENGE_OPEN] = PROMPT_OPEN,
		[CS_CHALLENGE_DONE] = PROMPT_DONE,
		[CS_CHALLENGE_USED] = PROMPT_EXPIRED,
		[CS_CHALLENGE_LOCKED] = PROMPT_LOCKED,
		[CS_CHALLENGE_REFUSED] = PROMPT_REFUSED,
		[CS_CHALLENGE_EXPIRED] = PROMPT_EXPIRED,
	};
	struct cs_converse how = {
		.language = p->zh ? "zh" : "en",
		.flags = p->json ? CS_CONVERSE_PASSKEYS : 0,
		.conversation = conversation_of(p),
		.ctx = p,
	};
	enum cs_challenge_state state;
	struct cs_error error;
	enum cs_status status = cs_stepup_converse(p->broker, challenge, &how, &state, &error);

	return status == CS_STATUS_OK ? exits[state] : say_failure(p, status, &error);
}

/* The first of these that is set and not empty, as setlocale(3) takes them. */
static const char *
locale_name(void)
{
	static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value != NULL && value[0] != '\0')
			return value;
	}
	return "C";
}

static void
locale_set(struct prompt *p, const char *language)
{
	const char *name = locale_name();

	/* A locale that is not installed still says which characters the terminal has. */
	if (setlocale(LC_ALL, "") == NULL && (strcasestr(name, "utf-8") != NULL || strcasestr(name, "utf8") != NULL))
		(void)setlocale(LC_CTYPE, "C.UTF-8");
	p->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	/* Chinese for a terminal without its characters would be nothing but escapes. */
	p->zh = (language != NULL ? strncmp(language, "zh", 2) == 0 : strncmp(name, "zh", 2) == 0) && (p->utf8 || p->json);
}

static int
run(struct prompt *p, const char *socket, const struct enrol_wish *wish, const char *challenge)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	int code;

	if (!p->json && !tty_open(p))
		return misuse("there is no terminal to ask on: give --json to another program");
	p->color = !p->json && (no_color == NULL || no_color[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
	if (cs_open(socket, &p->broker) != CS_STATUS_OK)
		return misuse("the socket's path is too long");
	bytes_init(&p->out, PROMPT_OUT_MAX);
	code = wish->kind != NULL ? enrol(p, wish) : converse(p, challenge);
	bytes_clear(&p->out);
	cs_close(p->broker);
	return code;
}

int
main(int argc, char **argv)
{
	static struct prompt prompt = {.tty = -1};
	struct enrol_wish wish = {.kind = NULL};
	struct option longs[OPTIONS + 1] = {{0}};
	const char *socket = getenv("COUNTERSIGN_SOCKET"), *language = NULL;
	int key;

	for (int i = 0; i < OPTIONS; i++)
		longs[i] = (struct option){options[i].name, options[i].argument == NULL ? no_argument : required_argument, NULL,
		    options[i].key};
	while ((key = getopt_long(argc, argv, "s:jhV", longs, NULL)) != -1) {
		switch (key) {
		case 's': socket = optarg; break;
		case 'j': prompt.json = true; break;
		case KEY_LANGUAGE: language = optarg; break;
		case KEY_LABEL: wish.label = optarg; break;
		case KEY_PROOF: wish.proof = optarg; break;
		case KEY_ADDRESS: wish.address = optarg; break;
		case KEY_CHALLENGE: wish.challenge = optarg; break;
		case 'h': return usage(stdout);
		case 'V': return printf("countersign-prompt %s\n", PACKAGE_VERSION) > 0 ? 0 : PROMPT_MISUSE;
		default: return usage(stderr);
		}
	}
	if (language != NULL && strcmp(language, "en") != 0 && strcmp(language, "zh") != 0)
		return misuse("--language is en or zh");
	locale_set(&prompt, language);
	if (argc - optind == 3 && strcmp(argv[optind], "enrol") == 0) {
		wish.kind = argv[optind + 1];
		wish.account = argv[optind + 2];
	} else if (argc - optind != 1) {
		return usage(stderr);
	}
	return run(&prompt, socket, &wish, argv[optind]);
}
