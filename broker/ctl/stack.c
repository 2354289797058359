/* SPDX-License-Identifier: Apache-2.0 */
/* stack run: the stacks of files by themselves, with results that are given; by the very dispatch that decides payments. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/json.h"
#include "broker/core/stack.h"
#include "broker/ctl/print.h"
#include "broker/engine/engine.h"

enum {
	FILES_MAX = 1000000,
	OUT_MAX = 4 * 1024 * 1024,  /* one file's answer: 256 lines, each with a path and its words */
	TEXT_MAX = 1024,
};

/* One file, run. */
struct run {
	struct ctl *ctl;
	const char *path;
	enum op op;
	const uint8_t *given;       /* of --results */
	size_t given_n;
	struct config *config;
	const struct config_stack *from;
	uint8_t results[STACK_LINES_MAX]; /* of each line, by stack_line.index; RESULT__COUNT: not known */
	const struct stack_line *unknown; /* the first line that was asked and had none */
	struct stack_verdict verdict;
	struct config_error warning;      /* message "": none */
	struct config_error err;
};

/* Zeroed before each file; 100 KiB that need not be taken anew. */
static struct stack stack;

static const struct config_line *
source_line(const struct run *run, const struct stack_line *line)
{
	return &run->config->lines[run->from->first_line + line->index];
}

/* The n-th line takes the n-th result, `debug` lines aside, whether it will be asked or not. */
static void
results_assign(struct run *run)
{
	const struct stack_line *line = &stack.lines[stack.first[run->op]], *end = line + stack.count[run->op];
	size_t n = 0;

	for (; line < end; line++) {
		uint8_t *to = &run->results[line->index];

		if (line->substack)
			continue;
		if (line->rule == RULE_DEBUG)
			*to = line->debug;
		else if (n < run->given_n)
			*to = run->given[n++];
		else
			*to = line->rule == RULE_PERMIT ? RESULT_SUCCESS : line->rule == RULE_DENY ? RESULT_DENIED : RESULT__COUNT;
	}
}

static enum result
ask(void *ctx, const struct stack_line *line, enum reason *reason)
{
	struct run *run = ctx;
	uint8_t result = run->results[line->index];

	(void)reason;
	if (result == RESULT__COUNT && run->unknown == NULL)
		run->unknown = line;
	return (enum result)result;
}

static bool
fail_unknown(struct run *run)
{
	const struct config_line *line = source_line(run, run->unknown);

	snprintf(run->err.file, sizeof(run->err.file), "%s", line->file);
	run->err.line = line->rule.line;
	run->err.column = line->rule.column;
	snprintf(run->err.word, sizeof(run->err.word), "%s", line->rule.text);
	snprintf(run->err.message, sizeof(run->err.message), "nothing says what the rule answers: \"%.32s\"",
	    line->rule.text);
	snprintf(run->err.mend, sizeof(run->err.mend), "give --results, one for each line of the operation that is no debug");
	return false;
}

/* False with run->err. */
static bool
file_run(struct run *run)
{
	const struct stack_run dispatch = {&stack, (uint8_t)run->op, ask, run};

	if (config_stack_load(run->path, &run->config, &run->err) != CS_OK)
		return false;
	run->from = &run->config->stacks[0];
	memset(&stack, 0, sizeof(stack));
	if (config_stack_compile(run->config, run->from, name_tag, &stack, &run->err) != CS_OK)
		return false;
	(void)config_stack_jumps(run->config, run->from, &stack, &run->warning);
	results_assign(run);
	stack_evaluate(&dispatch, &run->verdict);
	return run->unknown == NULL || fail_unknown(run);
}

/* --- JSON --- */

static void
json_problem(struct json_writer *w, const char *member, const struct config_error *err)
{
	json_key(w, view_str(member));
	json_object_begin(w);
	json_member_str(w, "file", view_str(err->file));
	json_member_int(w, "line", err->line);
	json_member_int(w, "column", err->column);
	json_member_str(w, "word", view_str(err->word));
	json_member_str(w, "message", view_str(err->message));
	json_member_str(w, "mend", view_str(err->mend));
	json_object_end(w);
}

static void
json_verdict(struct json_writer *w, const struct run *run)
{
	const struct stack_verdict *v = &run->verdict;

	json_member_bool(w, "permit", v->permit);
	json_member_str(w, "verdict", view_str(result_name(v->status)));
	json_key(w, VIEW("executed"));
	json_array_begin(w);
	for (size_t i = 0; i < v->executed_n; i++) {
		const struct config_line *line = source_line(run, &stack.lines[v->executed[i].line]);

		json_object_begin(w);
		json_member_str(w, "file", view_str(line->file));
		json_member_int(w, "line", line->operation.line);
		json_member_str(w, "result", view_str(result_name((enum result)v->executed[i].result)));
		json_object_end(w);
	}
	json_array_end(w);
	if (run->warning.message[0] != '\0')
		json_problem(w, "warning", &run->warning);
}

static void
print_run_json(const struct run *run, bool good, struct buf *out)
{
	struct json_writer w = json_to(out);

	json_object_begin(&w);
	json_member_str(&w, "file", view_str(run->path));
	if (good)
		json_verdict(&w, run);
	else
		json_problem(&w, "error", &run->err);
	json_object_end(&w);
}

/* --- text --- */

static const char *
action_text(int action, char to[16])
{
	static const char *const names[] = {"ignore", "ok", "done", "bad", "die", "reset"};

	if (action > 0)
		snprintf(to, 16, "skip %d", action);
	else
		snprintf(to, 16, "%s", names[-action]);
	return to;
}

/* The words of one line that was asked, and what came of it. */
struct row {
	char place[TEXT_MAX], words[TEXT_MAX], result[32];
};

static void
row_fill(const struct run *run, size_t at, struct row *row)
{
	const struct stack_line *compiled = &stack.lines[run->verdict.executed[at].line];
	const struct config_line *line = source_line(run, compiled);
	enum result result = (enum result)run->verdict.executed[at].result;
	char action[16];
	size_t len;

	snprintf(row->place, sizeof(row->place), "%s:%u", line->file, (unsigned)line->operation.line);
	len = (size_t)snprintf(row->words, sizeof(row->words), "%*s%s %s", 2 * line->level, "", line->control.text,
	    line->rule.text);
	for (uint16_t i = 0; i < line->argument_count && len < sizeof(row->words); i++)
		len += (size_t)snprintf(row->words + len, sizeof(row->words) - len, " %s", line->arguments[i].text);
	snprintf(row->result, sizeof(row->result), "%s: %s", result_name(result),
	    action_text(compiled->actions[result], action));
}

static void
put_padded(const struct ctl *ctl, struct buf *out, const char *text, size_t width)
{
	size_t from = out->len, used;

	text_escape(ctl, out, view_str(text));
	used = text_width(ctl, view_of((const char *)out->data + from, out->len - from));
	for (; used < width; used++)
		buf_put_u8(out, ' ');
}

static size_t
max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

static void
print_rows(const struct run *run, struct buf *out)
{
	size_t place = 0, words = 0;
	struct row row;

	for (size_t i = 0; i < run->verdict.executed_n; i++) {
		row_fill(run, i, &row);
		place = max_size(place, strlen(row.place));
		words = max_size(words, strlen(row.words));
	}
	for (size_t i = 0; i < run->verdict.executed_n; i++) {
		row_fill(run, i, &row);
		buf_put_view(out, VIEW("  "));
		put_padded(run->ctl, out, row.place, place + 2);
		put_padded(run->ctl, out, row.words, words + 2);
		put_padded(run->ctl, out, row.result, 0);
		buf_put_u8(out, '\n');
	}
}

static void
put_problem(const struct run *run, struct buf *out, const char *colour, const struct config_error *err)
{
	char line[TEXT_MAX];

	(void)config_error_text(err, line, sizeof(line));
	buf_put_view(out, view_str(color_of(run->ctl, view_str(colour))));
	text_escape(run->ctl, out, view_str(line));
	buf_put_view(out, view_str(color_off(run->ctl, color_of(run->ctl, view_str(colour)))));
	buf_put_u8(out, '\n');
}

static void
print_run_text(const struct run *run, bool good, struct buf *out)
{
	const char *word = run->verdict.permit ? "permit" : "deny", *colour;

	if (!good) {
		put_problem(run, out, "failed", &run->err);
		return;
	}
	colour = color_of(run->ctl, view_str(word));
	text_escape(run->ctl, out, view_str(run->path));
	buf_put_view(out, VIEW(": "));
	buf_put_view(out, view_str(colour));
	buf_put_view(out, view_str(word));
	buf_put_view(out, view_str(color_off(run->ctl, colour)));
	buf_put_view(out, VIEW(" ("));
	buf_put_view(out, view_str(stack.count[run->op] == 0 ? "no line of this operation" :
	    result_name(run->verdict.status)));
	buf_put_view(out, VIEW(")\n"));
	print_rows(run, out);
	if (run->warning.message[0] != '\0') {
		buf_put_view(out, VIEW("  refused in a configuration: "));
		put_problem(run, out, "stale", &run->warning);
	}
}

/* --- the command --- */

/* *n at most STACK_LINES_MAX. */
static int
read_results(struct ctl *ctl, uint8_t to[STACK_LINES_MAX], size_t *n)
{
	const char *at = ctl->results;

	*n = 0;
	while (at != NULL) {
		size_t len = strcspn(at, ",");
		enum result result = result_find(view_of(at, len));

		if (result == RESULT__COUNT)
			return ctl_fail(ctl, CTL_USAGE, "--results: \"%.*s\" is no result; write some of success, ignore, denied, "
			    "exceeded, unverified, unavailable and error, with commas between", (int)len, at);
		if (*n == STACK_LINES_MAX)
			return ctl_fail(ctl, CTL_USAGE, "--results: a stack has at most %d lines", STACK_LINES_MAX);
		to[(*n)++] = (uint8_t)result;
		at = at[len] == ',' ? at + len + 1 : NULL;
	}
	return CTL_OK;
}

/* Runs one file and prints it; its exit code. */
static int
run_one(struct ctl *ctl, const char *path, enum op op, const uint8_t *given, size_t given_n, struct buf *out)
{
	struct run run = {.ctl = ctl, .path = path, .op = op, .given = given, .given_n = given_n};
	bool good = file_run(&run);

	out->len = 0;
	if (ctl->json) {
		print_run_json(&run, good, out);
		buf_put_u8(out, '\n');
	} else {
		print_run_text(&run, good, out);
	}
	(void)fwrite(out->data, 1, out->len, stdout);
	if (run.config != NULL)
		config_free(run.config);
	return !good ? CTL_BAD_CONFIG : run.verdict.permit ? CTL_OK : CTL_REFUSED;
}

static int
run_files(struct ctl *ctl, char **args, int count)
{
	enum op op = ctl->operation == NULL ? OP_SPEND : op_find(view_str(ctl->operation));
	uint8_t given[STACK_LINES_MAX];
	struct bytes out;
	size_t given_n;
	int rc;

	if (op == OP_NONE)
		return ctl_fail(ctl, CTL_USAGE, "%s: write one of the operations spend, link, factor, grant, limit, thaw, recover",
		    ctl->operation);
	rc = read_results(ctl, given, &given_n);
	if (rc != CTL_OK)
		return rc;
	bytes_init(&out, OUT_MAX);
	for (int i = 0; i < count; i++) {
		int one = run_one(ctl, args[i], op, given, given_n, &out.buf);

		rc = one > rc ? one : rc;
	}
	bytes_clear(&out);
	return rc;
}

const struct command stack_commands[] = {
	{"stack", "run", "FILE...", 1, FILES_MAX, OPTION_OPERATION | OPTION_RESULTS,
	 "run stack files by themselves, with the results given", run_files},
	{.noun = NULL},
};
