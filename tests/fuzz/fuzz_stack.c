/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a stack: the first bytes are the stack's own, and a line "%NAME" begins another file. Whatever is accepted
 * compiles or is refused with a place, runs forwards, permits only with success; and the canonical print of a
 * configuration with it parses to the same print.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/core/stack.h"
#include "broker/parent/config_stack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char base[] =
    "generation 1\nrealm \"r\"\nrun-directory \"/r\"\nstate-directory \"/s\"\nlisten service \"/r/s\"\n"
    "listen admin \"/r/a\"\nstore mem\nkeys { file \"/s/k\" }\nprovider \"apple\" { plugin \"oidc\" }\n"
    "stack \"other\" {\n}\n";

static struct view
line_at(struct view all, size_t at)
{
	const char *end = memchr(all.data + at, '\n', all.len - at);

	return view_of(all.data + at, end == NULL ? all.len - at : (size_t)(end - (all.data + at)));
}

/* The bytes between "%NAME" and the next "%"; of "main" those before the first. */
static bool
file_find(struct view all, const char *name, struct view *file)
{
	bool found = strcmp(name, "main") == 0;
	size_t from = 0;

	for (size_t at = 0; at < all.len;) {
		struct view line = line_at(all, at);

		if (line.len > 0 && line.data[0] == '%') {
			if (found) {
				*file = view_of(all.data + from, at - from);
				return true;
			}
			found = view_equal(view_of(line.data + 1, line.len - 1), view_str(name));
			from = at + line.len + (at + line.len < all.len);
		}
		at += line.len + 1;
	}
	*file = view_of(all.data + from, all.len - from);
	return found;
}

static bool
input_read(void *ctx, struct config_error *err, struct config_place from, const char *path, char **text, size_t *len)
{
	struct view file;

	if (!file_find(*(const struct view *)ctx, path, &file))
		return config_fail(err, from, path, "", "there is no such file");
	*text = malloc(file.len + 1);
	CHECK(*text != NULL);
	if (file.len > 0)
		memcpy(*text, file.data, file.len);
	(*text)[file.len] = '\0';
	*len = file.len;
	return true;
}

static uint64_t
any_tag(struct view name)
{
	return name.len + 1;
}

static enum result
answer(void *ctx, const struct stack_line *line, enum reason *reason)
{
	unsigned *n = ctx;

	*reason = REASON_STACK;
	*n = *n * 5 + 3;
	return line->rule == RULE_DEBUG ? (enum result)line->debug : (enum result)((*n >> 4) % RESULT__COUNT);
}

static void
run(const struct stack *s, uint8_t op, unsigned seed)
{
	const struct stack_run how = {s, op, answer, &seed};
	struct stack_verdict v;

	stack_evaluate(&how, &v);
	CHECK(v.permit == (v.status == RESULT_SUCCESS) && v.permit == (v.reason == REASON_NONE));
	CHECK(v.executed_n <= s->count[op] && (!v.permit || v.executed_n > 0));
	for (size_t i = 0; i < v.executed_n; i++)
		CHECK(s->lines[v.executed[i].line].op == op && (i == 0 || v.executed[i].line > v.executed[i - 1].line));
}

/* True where it was accepted. */
static bool
try_alone(const struct stack_source *source)
{
	static struct stack s;
	struct config_error err;
	struct config *c;

	if (stack_load_from(source, "main", &c, &err) != CS_OK) {
		CHECK(err.message[0] != '\0');
		return false;
	}
	memset(&s, 0, sizeof(s));
	if (config_stack_compile(c, &c->stacks[0], any_tag, &s, &err) == CS_OK) {
		for (uint8_t op = OP_NONE + 1; op < OP__COUNT; op++)
			for (unsigned seed = 0; seed < 8; seed++)
				run(&s, op, seed * 77);
	} else {
		CHECK(err.line > 0 && err.message[0] != '\0');
	}
	config_free(c);
	return true;
}

static void
print_twice(const struct config *c)
{
	struct bytes first, second;
	struct config_error err;
	struct config *again;

	bytes_init(&first, CONFIG_CANONICAL_MAX);
	bytes_init(&second, CONFIG_CANONICAL_MAX);
	config_print(c, &first.buf);
	CHECK(!first.buf.full);
	CHECK(config_parse((const char *)first.buf.data, first.buf.len, &again, &err) == CS_OK);
	config_print(again, &second.buf);
	CHECK(view_equal(buf_view(&first.buf), buf_view(&second.buf)));
	config_free(again);
	bytes_clear(&first);
	bytes_clear(&second);
}

static void
try_configured(const struct stack_source *source)
{
	static struct stack s;
	struct config_error err;
	struct config *c;
	struct reader r = {.err = &err};

	CHECK(config_parse(base, sizeof(base) - 1, &c, &err) == CS_OK);
	r.c = c;
	memset(&s, 0, sizeof(s));
	if (stack_read_from(&r, source, "main", (struct config_place){"", 0, 0}) &&
	    config_stack_compile(c, &c->stacks[c->stack_count - 1], any_tag, &s, &err) == CS_OK)
		print_twice(c);
	config_free(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct view input = view_of(len == 0 ? "" : (const char *)data, len);
	const struct stack_source source = {"", input_read, &input};

	if (len > CONFIG_FILE_MAX)
		return 0;
	if (try_alone(&source))
		try_configured(&source);
	return 0;
}
