/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same stacks by Debian's libpam and by us: verdicts and executed lines are the same, and where a file is broken we
 * refuse it or agree, so that we never permit where libpam denies. The stacks are random; a failure prints the seed and
 * both texts. CS_SEED repeats it, CS_STACKS says how many.
 */
#include "tests/unit/unit.h"

#include <dlfcn.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/core/stack.h"
#include "broker/parent/config_stack.h"
#include "tests/stack/write_stacks.h"

enum { STACKS = 2500, ASKED_MAX = 512 };

static char directory[] = "/tmp/cspam.XXXXXX";
static char written_directory[sizeof(directory) + 1];
static struct written written;

static void
file_put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

/* --- libpam --- */

struct asked {
	size_t n;
	int ids[ASKED_MAX];
};

static int
listen(int n, const struct pam_message **messages, struct pam_response **responses, void *ctx)
{
	struct asked *asked = ctx;

	*responses = calloc((size_t)n, sizeof(**responses));
	for (int i = 0; i < n && asked->n < ASKED_MAX; i++) {
		int id = (int)strtol(messages[i]->msg, NULL, 10);

		/* 0 is the line of "other", which libpam runs where there is no line. */
		if (id != 0)
			asked->ids[asked->n++] = id;
	}
	return *responses == NULL ? PAM_CONV_ERR : PAM_SUCCESS;
}

static int
libpam_run(const char *service, enum op op, struct asked *asked)
{
	const struct pam_conv conv = {listen, asked};
	pam_handle_t *pamh = NULL;
	int code;

	asked->n = 0;
	code = pam_start_confdir(service, "somebody", &conv, directory, &pamh);
	assert_int_equal(code, PAM_SUCCESS);
	code = op == OP_SPEND ? pam_authenticate(pamh, 0) : pam_acct_mgmt(pamh, 0);
	(void)pam_end(pamh, code);
	return code;
}

/* --- ours --- */

static bool
written_read(void *ctx, struct config_error *err, struct config_place from, const char *path, char **text, size_t *len)
{
	const struct written *w = ctx;
	unsigned file;

	if (path[0] != 's' || path[1] < '0' || path[1] >= '0' + WRITTEN_FILES || path[2] != '\0')
		return config_fail(err, from, path, "", "there is no such file");
	file = (unsigned)(path[1] - '0');
	*text = strdup(w->ours[file]);
	CHECK(*text != NULL);
	*len = strlen(*text);
	return true;
}

static uint64_t
any_tag(struct view name)
{
	return name.len + 1;
}

static enum result
debug_answer(void *ctx, const struct stack_line *line, enum reason *reason)
{
	(void)ctx;
	(void)reason;
	assert_int_equal(line->rule, RULE_DEBUG);
	return (enum result)line->debug;
}

static int
rule_id(const struct written *w, const struct config_line *line)
{
	for (size_t i = 0; i < w->rules_n; i++) {
		const struct written_rule *r = &w->rules[i];

		if ((unsigned)(line->file[1] - '0') == r->file && line->rule.line == r->line && line->rule.column == r->column)
			return r->id;
	}
	return -1;
}

static void
print_both(const struct written *w, uint64_t seed)
{
	for (unsigned i = 0; i < WRITTEN_FILES; i++)
		print_message("--- s%u, libpam's\n%s\n--- s%u, ours\n%s\n", i, w->pam[i], i, w->ours[i]);
	print_message("repeat it with CS_SEED=%llu CS_STACKS=1\n", (unsigned long long)seed);
}

static void
compare(const struct written *w, const struct config *c, const struct stack *stack, enum op op, uint64_t seed)
{
	const struct stack_run run = {stack, (uint8_t)op, debug_answer, NULL};
	struct stack_verdict v;
	struct asked asked;
	int code = libpam_run("s0", op, &asked);
	bool same;

	stack_evaluate(&run, &v);
	same = pam_codes[v.status] == code && v.permit == (code == PAM_SUCCESS) && v.executed_n == asked.n;
	for (size_t i = 0; same && i < asked.n; i++)
		same = rule_id(w, &c->lines[stack->lines[v.executed[i].line].index]) == asked.ids[i];
	if (same)
		return;
	print_both(w, seed);
	for (size_t i = 0; i < asked.n; i++)
		print_message("libpam ran %d\n", asked.ids[i]);
	for (size_t i = 0; i < v.executed_n; i++)
		print_message("we ran %d\n", rule_id(w, &c->lines[stack->lines[v.executed[i].line].index]));
	fail_msg("%s: libpam says %d, %s; we say %s", op_name(op), code, pam_strerror(NULL, code), result_name(v.status));
}

/* False where the stack was refused. broken_max 0: nothing is broken. */
static bool
play(struct written *w, unsigned broken_max, uint64_t seed)
{
	static struct stack stack;
	const struct stack_source source = {"", written_read, w};
	struct config_error err;
	struct config *c;
	enum cs_err loaded;
	unsigned broken;

	/* Seeds of neighbours differ in all their bits. */
	w->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	broken = broken_max == 0 ? 0 : 1 + (unsigned)(w->random >> 60) % broken_max;
	write_stack(w, broken);
	loaded = stack_load_from(&source, "s0", &c, &err);
	if (loaded == CS_OK) {
		memset(&stack, 0, sizeof(stack));
		loaded = config_stack_compile(c, &c->stacks[0], any_tag, &stack, &err);
		if (loaded != CS_OK)
			config_free(c);
	}
	if (loaded != CS_OK) {
		assert_true(err.message[0] != '\0');
		if (broken == 0 && strstr(err.message, "more than 256 lines") == NULL) {
			print_both(w, seed);
			fail_msg("%s:%u:%u: %s", err.file, err.line, err.column, err.message);
		}
		return false;
	}
	for (unsigned i = 0; i < WRITTEN_FILES; i++) {
		char name[4];

		(void)snprintf(name, sizeof(name), "s%u", i);
		file_put(name, w->pam[i]);
	}
	compare(w, c, &stack, OP_SPEND, seed);
	compare(w, c, &stack, OP_LINK, seed);
	config_free(c);
	return true;
}

static uint64_t
env_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL || text[0] == '\0' ? otherwise : strtoull(text, NULL, 10);
}

static void
random_stacks(unsigned broken_max, size_t *accepted, size_t *refused)
{
	struct timespec now;
	uint64_t seed, n = env_number("CS_STACKS", STACKS);

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
	seed = env_number("CS_SEED", (uint64_t)now.tv_sec * 1000000007U + (uint64_t)now.tv_nsec);
	print_message("seed %llu\n", (unsigned long long)seed);
	*accepted = *refused = 0;
	for (uint64_t i = 0; i < n; i++) {
		if (play(&written, broken_max, seed + i))
			++*accepted;
		else
			++*refused;
	}
}

static void
good_stacks_run_as_in_libpam(void **state)
{
	size_t accepted, refused;

	(void)state;
	random_stacks(0, &accepted, &refused);
	print_message("%zu stacks agree, %zu are too long for us\n", accepted, refused);
	assert_true(accepted > refused);
}

static void
broken_stacks_are_refused_or_run_as_in_libpam(void **state)
{
	size_t accepted, refused;

	(void)state;
	random_stacks(3, &accepted, &refused);
	print_message("%zu stacks agree, %zu are refused\n", accepted, refused);
}

/* --- the vectors of Linux-PAM, by libpam itself: what is documented of them is what is installed --- */

static const struct {
	const char *name;
	int auth, account; /* -1: not asked */
} vectors[] = {
    {"authfail", PAM_PERM_DENIED, -1},
    {"authsucceed", PAM_SUCCESS, -1},
    {"dispatch1", PAM_PERM_DENIED, -1},
    {"dispatch2", PAM_PERM_DENIED, -1},
    {"dispatch3", PAM_SUCCESS, PAM_ACCT_EXPIRED},
    {"dispatch4", PAM_SUCCESS, PAM_PERM_DENIED},
    {"dispatch5", PAM_PERM_DENIED, -1},
    {"substack1", PAM_AUTH_ERR, -1},
    {"substack2", PAM_SUCCESS, -1},
    {"substack3", PAM_SUCCESS, -1},
    {"substack4", PAM_SUCCESS, -1},
    {"substack5", PAM_AUTH_ERR, -1},
};

/* The file with its substacks named by whole paths, as libpam 1.5 wants them. False where there is none. */
static bool
vector_put(const char *from, const char *name)
{
	static char text[8192], whole[16384];
	size_t len = 0, n;
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/linux-pam/%s.pamd", from == NULL ? "" : from, name);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	assert_int_equal(fclose(f), 0);
	text[n] = '\0';
	for (const char *at = text; at != NULL;) {
		const char *next = strstr(at + 1, "tst-pam_");

		n = next == NULL ? strlen(at) : (size_t)(next - at);
		len += (size_t)snprintf(whole + len, sizeof(whole) - len, "%.*s%s%s", (int)n, at,
		    next == NULL ? "" : directory, next == NULL ? "" : "/");
		at = next;
	}
	file_put(name, whole);
	return true;
}

static void
vectors_give_what_is_documented(void **state)
{
	const char *from = getenv("CS_VECTORS");
	struct asked asked;

	(void)state;
	if (!vector_put(from, "tst-pam_dispatch1")) {
		print_message("skip: there are no vectors at CS_VECTORS/linux-pam\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "tst-pam_%sa", vectors[i].name);
		(void)vector_put(from, name);
		name[strlen(name) - 1] = '\0';
		assert_true(vector_put(from, name));
		if (libpam_run(name, OP_SPEND, &asked) != vectors[i].auth ||
		    (vectors[i].account >= 0 && libpam_run(name, OP_LINK, &asked) != vectors[i].account))
			fail_msg("%s: libpam answers otherwise", name);
	}
}

/* --- */

static char module[512];

static int
setup(void **state)
{
	const char *build = getenv("CS_BUILDDIR");
	char other[1280];

	(void)state;
	(void)snprintf(module, sizeof(module), "%s/tests/stack/.libs/pam_recorder.so", build == NULL ? "." : build);
	/* It stays, so that libpam need not load it for every stack. */
	if (access(module, R_OK) != 0 || dlopen(module, RTLD_NOW) == NULL)
		return -1;
	assert_non_null(mkdtemp(directory));
	/* libpam tells the system's log of every jump past an end. */
	(void)setlogmask(LOG_MASK(LOG_EMERG));
	(void)snprintf(other, sizeof(other), "auth requisite %s id=0 result=%d\naccount requisite %s id=0 result=%d\n", module,
	    PAM_PERM_DENIED, module, PAM_PERM_DENIED);
	file_put("other", other);
	written.module = module;
	(void)snprintf(written_directory, sizeof(written_directory), "%s/", directory);
	written.directory = written_directory;
	return 0;
}

static int
teardown(void **state)
{
	char command[64];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vectors_give_what_is_documented),
	    cmocka_unit_test(good_stacks_run_as_in_libpam),
	    cmocka_unit_test(broken_stacks_are_refused_or_run_as_in_libpam),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
