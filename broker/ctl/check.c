/* SPDX-License-Identifier: Apache-2.0 */
/* check: the configuration, from the files alone, as far as the engine would compile it. The daemon need not run. */
#include <stdio.h>

#include "broker/ctl/check.h"
#include "broker/ctl/print.h"
#include "broker/engine/engine.h"

/* Plain text as a JSON document of one string, so that the one JSON printer writes it. */
static void
print_json_text(struct ctl *ctl, const char *name, const char *text)
{
	char copy[512]; /* longer than any text of struct config_error */
	struct json_token token = {.type = JSON_STRING, .next = 1};

	token.len = (uint32_t)snprintf(copy, sizeof(copy), "%s", text);
	ctl->doc = (struct json){copy, &token, 1};
	(void)printf("\"%s\": ", name);
	print_json_value(ctl, 0);
}

static void
print_problem_json(struct ctl *ctl, const struct config_error *err)
{
	(void)printf("{\"good\": false, \"problems\": [{");
	print_json_text(ctl, "file", err->file);
	(void)printf(", \"line\": %u, \"column\": %u, ", err->line, err->column);
	print_json_text(ctl, "word", err->word);
	(void)printf(", ");
	print_json_text(ctl, "message", err->message);
	(void)printf(", ");
	print_json_text(ctl, "mend", err->mend);
	(void)printf("}]}\n");
}

static void
print_problem(struct ctl *ctl, const struct config_error *err)
{
	const char *red = color_of(ctl, VIEW("failed"));
	struct bytes text;
	char line[1024];

	(void)config_error_text(err, line, sizeof(line));
	bytes_init(&text, 8 * sizeof(line));
	text_escape(ctl, &text.buf, view_str(line));
	(void)printf("%s%.*s%s\n", red, (int)text.buf.len, (const char *)text.buf.data, color_off(ctl, red));
	bytes_clear(&text);
}

static void
print_any_problem(struct ctl *ctl, const struct config_error *err)
{
	if (ctl->json)
		print_problem_json(ctl, err);
	else
		print_problem(ctl, err);
}

int
check_load(struct ctl *ctl, struct config **config)
{
	struct config_error err = {.line = 0};

	if (config_load(ctl->config, config, &err) == CS_OK)
		return CTL_OK;
	print_any_problem(ctl, &err);
	return CTL_BAD_CONFIG;
}

int
check_rules(struct ctl *ctl, struct ruleset **rules)
{
	struct config_error err = {.line = 0};
	struct config *config = NULL;
	int rc = check_load(ctl, &config);

	if (rc != CTL_OK)
		return rc;
	if (ruleset_new(config, rules, err.message) == CS_OK)
		return CTL_OK;
	config_free(config);
	/* The engine's sentence says where, and how to mend it. */
	(void)snprintf(err.file, sizeof(err.file), "%s", ctl->config);
	print_any_problem(ctl, &err);
	return CTL_BAD_CONFIG;
}

static void
print_warnings_json(struct ctl *ctl, const struct check_warning *warnings, size_t n)
{
	(void)printf("{\"good\": true, \"problems\": [], \"warnings\": [");
	for (size_t i = 0; i < n; i++) {
		(void)printf("%s{", i > 0 ? ", " : "");
		print_json_text(ctl, "message", warnings[i].text);
		(void)printf(", ");
		print_json_text(ctl, "mend", warnings[i].mend);
		(void)printf("}");
	}
	(void)printf("]}\n");
}

static void
print_warnings(struct ctl *ctl, const struct check_warning *warnings, size_t n)
{
	const char *yellow = color_of(ctl, VIEW("stale"));
	struct bytes text;

	bytes_init(&text, 16 * sizeof(struct check_warning));
	for (size_t i = 0; i < n; i++) {
		text.buf.len = 0;
		text_escape(ctl, &text.buf, view_str(warnings[i].text));
		buf_put_view(&text.buf, VIEW("; to mend it: "));
		text_escape(ctl, &text.buf, view_str(warnings[i].mend));
		(void)printf("%swarning:%s %.*s\n", yellow, color_off(ctl, yellow), (int)text.buf.len,
		    (const char *)text.buf.data);
	}
	bytes_clear(&text);
}

static int
check(struct ctl *ctl, char **args, int count)
{
	static struct check_warning warnings[CHECK_WARNINGS_MAX];
	struct ruleset *rules = NULL;
	int rc = check_rules(ctl, &rules);
	size_t n;

	(void)args, (void)count;
	if (rc != CTL_OK)
		return rc;
	n = check_warnings(rules, warnings);
	if (ctl->json)
		print_warnings_json(ctl, warnings, n);
	else
		(void)printf("%s: good: services %u, providers %u, factors %u, stacks %u\n", ctl->config,
		    (unsigned)rules->config->service_count, (unsigned)rules->config->provider_count,
		    (unsigned)rules->config->factor_count, (unsigned)rules->config->stack_count);
	if (!ctl->json)
		print_warnings(ctl, warnings, n);
	ruleset_free(rules);
	return CTL_OK;
}

const struct command check_commands[] = {
	{"check", NULL, "", 0, 0, 0, "check the configuration files; the daemon need not run", check},
	{.noun = NULL},
};
