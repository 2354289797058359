/* SPDX-License-Identifier: Apache-2.0 */
/* check: the configuration, from the files alone. The daemon need not run. */
#include <stdio.h>

#include "broker/ctl/check.h"
#include "broker/ctl/print.h"
#include "broker/parent/config.h"

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

int
check_load(struct ctl *ctl, struct config **config)
{
	struct config_error err = {.line = 0};

	if (config_load(ctl->config, config, &err) == CS_OK)
		return CTL_OK;
	if (ctl->json)
		print_problem_json(ctl, &err);
	else
		print_problem(ctl, &err);
	return CTL_BAD_CONFIG;
}

static int
check(struct ctl *ctl, char **args, int count)
{
	struct config *config = NULL;
	int rc = check_load(ctl, &config);

	(void)args, (void)count;
	if (rc != CTL_OK)
		return rc;
	if (ctl->json)
		(void)printf("{\"good\": true, \"problems\": []}\n");
	else
		(void)printf("%s: good: services %u, providers %u, factors %u, stacks %u\n", ctl->config,
		    (unsigned)config->service_count, (unsigned)config->provider_count, (unsigned)config->factor_count,
		    (unsigned)config->stack_count);
	config_free(config);
	return CTL_OK;
}

const struct command check_commands[] = {
	{"check", NULL, "", 0, 0, 0, "check the configuration files; the daemon need not run", check},
	{.noun = NULL},
};
