/* SPDX-License-Identifier: Apache-2.0 */
/* check: the configuration, from the files alone, as far as the engine would compile it. The daemon need not run. */
#include <stdio.h>
#include <time.h>

#include "broker/ctl/check.h"
#include "broker/ctl/print.h"
#include "broker/base/check.h"
#include "broker/engine/engine.h"

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

/* --- the report --- */

static int64_t
now_us(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Each stack once, however many services use it; one without services cannot be asked. */
static void
check_stacks(const struct ruleset *rules, struct findings *to, struct proved *sum)
{
	const struct config *c = rules->config;
	uint8_t kinds[POLICY_PROVIDERS_MAX];

	for (uint16_t i = 0; i < rules->policy->providers_n; i++)
		kinds[i] = check_kinds(rules, &rules->policy->providers[i]);
	for (uint16_t i = 0; i < c->stack_count; i++) {
		sum->stacks++;
		for (int op = OP_NONE + 1; op < OP__COUNT; op++) {
			const struct subject s = {.config = c, .from = &c->stacks[i], .stack = &rules->stacks[i], .rules = rules,
			    .op = (enum op)op, .to = to, .kinds = kinds};

			check_stack(&s, sum);
			check_lines(&s);
			check_limits(&s);
			check_stepups(&s);
		}
	}
}

static void
count_text(uint64_t n, char *to, size_t size)
{
	if (n == UINT64_MAX)
		(void)snprintf(to, size, "more than 18446744073709551614");
	else
		(void)snprintf(to, size, "%llu", (unsigned long long)n);
}

static void
print_report(struct ctl *ctl, const struct findings *f, const struct proved *sum, bool good, int64_t took_us)
{
	char combinations[40];

	count_text(sum->combinations, combinations, sizeof(combinations));
	if (ctl->json) {
		(void)printf("{\"good\": %s, \"problems\": [", good ? "true" : "false");
		findings_print_json(ctl, f, true);
		(void)printf("], \"warnings\": [");
		findings_print_json(ctl, f, false);
		(void)printf("], \"proved\": {\"stacks\": %u, \"operations\": %u, \"combinations\": %s%s%s, \"decisions\": %llu, "
		             "\"ms\": %.3f}}\n",
		    sum->stacks, sum->operations, sum->combinations == UINT64_MAX ? "\"" : "", combinations,
		    sum->combinations == UINT64_MAX ? "\"" : "", (unsigned long long)sum->runs, (double)took_us / 1000);
		return;
	}
	if (f->n > 0) {
		findings_print(ctl, f);
		(void)printf("\n");
	}
	(void)printf("proved: stacks %u, operations %u, combinations %s, %.1f ms%s\n", sum->stacks, sum->operations,
	    combinations, (double)took_us / 1000, good ? "" : "; the rest is not proved, see above");
}

static int
check_configuration(struct ctl *ctl)
{
	static struct findings findings;
	struct ruleset *rules = NULL;
	struct proved sum = {0};
	int rc = check_rules(ctl, &rules);
	int64_t began_us = now_us();
	bool good;

	if (rc != CTL_OK)
		return rc;
	check_config(rules, &findings);
	check_policy_limits(rules, &findings);
	check_stacks(rules, &findings, &sum);
	findings_sort(&findings);
	good = findings.unsafe == 0;
	if (!ctl->json)
		(void)printf("%s: %s: services %u, providers %u, factors %u, stacks %u\n", ctl->config,
		    good ? "good" : "not safe to load", (unsigned)rules->config->service_count,
		    (unsigned)rules->config->provider_count, (unsigned)rules->config->factor_count,
		    (unsigned)rules->config->stack_count);
	print_report(ctl, &findings, &sum, good, now_us() - began_us);
	ruleset_free(rules);
	return good ? CTL_OK : CTL_BAD_CONFIG;
}

/* --- a stack by itself --- */

static void
check_operations(const struct config *c, const struct stack *stack, enum op only, struct findings *to, struct proved *sum)
{
	sum->stacks++;
	for (int op = OP_NONE + 1; op < OP__COUNT; op++) {
		const struct subject s = {.config = c, .from = &c->stacks[0], .stack = stack, .op = (enum op)op, .to = to};

		if (only == OP_NONE ? stack->count[op] == 0 : only != (enum op)op)
			continue;
		check_stack(&s, sum);
		check_lines(&s);
		check_limits(&s);
	}
}

/* Nothing is known but the file: any provider, any factor, any currency. The rule `debug` may stand in it. */
static int
check_file(struct ctl *ctl)
{
	static struct findings findings;
	static struct stack stack;
	struct config_error err = {.line = 0};
	struct config *config = NULL;
	struct proved sum = {0};
	int64_t began_us = now_us();
	enum op op = ctl->operation == NULL ? OP_NONE : op_find(view_str(ctl->operation));
	bool good;

	if (ctl->operation != NULL && op == OP_NONE)
		return ctl_fail(ctl, CTL_USAGE, "--operation %s: one of spend, link, factor, grant, limit, thaw, recover",
		    ctl->operation);
	if (config_stack_load(ctl->stack, &config, &err) != CS_OK ||
	    config_stack_compile(config, &config->stacks[0], name_tag, &stack, &err) != CS_OK ||
	    !config_stack_jumps(config, &config->stacks[0], &stack, &err)) {
		print_any_problem(ctl, &err);
		config_free(config);
		return CTL_BAD_CONFIG;
	}
	check_operations(config, &stack, op, &findings, &sum);
	findings_sort(&findings);
	good = findings.unsafe == 0;
	if (!ctl->json)
		(void)printf("%s: %s: lines %u\n", ctl->stack, good ? "good" : "not safe to load", (unsigned)stack.lines_n);
	print_report(ctl, &findings, &sum, good, now_us() - began_us);
	config_free(config);
	return good ? CTL_OK : CTL_BAD_CONFIG;
}

static int
check(struct ctl *ctl, char **args, int count)
{
	(void)args, (void)count;
	if (ctl->stack != NULL && ctl->files)
		return ctl_fail(ctl, CTL_USAGE, "check --stack looks at the file by itself: leave --config out");
	if (ctl->stack == NULL && ctl->operation != NULL)
		return ctl_fail(ctl, CTL_USAGE, "check --operation needs --stack FILE; of a configuration all operations are "
		                                "checked");
	return ctl->stack != NULL ? check_file(ctl) : check_configuration(ctl);
}

const struct command check_commands[] = {
	{"check", NULL, "", 0, 0, OPTION_STACK | OPTION_OPERATION, "check the configuration files; the daemon need not run", check},
	{.noun = NULL},
};
