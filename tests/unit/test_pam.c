/* SPDX-License-Identifier: Apache-2.0 */
/* The factor pam, with a module that behaves and misbehaves: what is asked, what counts, and that nothing is left behind. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_appl.h>

#include "plugins/pam/wire.h"
#include "tests/unit/plugin_host.h"
#include "tests/unit/unit.h"

enum { HANG_MS = 60 * 1000 }; /* then a test has failed */

struct fixture {
	struct fake_host host;
	const struct countersign_plugin_v1 *plugin;
	void *instance;
	char directory[64], file[128], secret[512], state[COUNTERSIGN_STATE_MAX], value[4][COUNTERSIGN_STEP_VALUE_MAX + 1];
	size_t secret_len, state_len, steps_count;
	uint32_t kinds[4];
	int64_t deadline_ms;
};

static void
real_random(void *context, void *to, size_t len)
{
	(void)context;
	assert_int_equal(getrandom(to, len, 0), len);
}

/* The module with these arguments; "@" stands for the fixture's file. */
static void
write_service(struct fixture *f, const char *arguments)
{
	char path[128], module[512];
	FILE *file;

	assert_non_null(getcwd(module, sizeof(module) - 64));
	snprintf(module + strlen(module), 64, "/tests/unit/.libs/pam_asks.so");
	snprintf(path, sizeof(path), "%s/pay", f->directory);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "auth required %s file=%s %s\naccount required %s %s\n", module, f->file, arguments, module, arguments);
	fclose(file);
}

static void
start(struct fixture *f, const char *arguments, const char *silent)
{
	const char *top = getenv("TMPDIR");
	struct fake_setting settings[6] = {{"service", "pay"}, {"directory", NULL}, {"quiet", "100"}, {"silent", silent}, {NULL, NULL}};

	memset(f, 0, sizeof(*f));
	snprintf(f->directory, sizeof(f->directory), "%.32s/cs-pam-XXXXXX", top == NULL || strlen(top) > 32 ? "/tmp" : top);
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->file, sizeof(f->file), "%s/file", f->directory);
	assert_int_equal(mkfifo(f->file, 0600), 0);
	settings[1].value = f->directory;
	f->plugin = countersign_plugin_v1();
	write_service(f, arguments);
	fake_host_init(&f->host, f->plugin, settings);
	f->host.table.random = real_random;
	assert_int_equal(f->plugin->init(&f->host.table, &f->instance), COUNTERSIGN_OK);
	/* As an enrolment leaves it. */
	memcpy(f->secret, "\x01\x00" "alice", 7);
	f->secret_len = 7;
}

static void
stop(struct fixture *f)
{
	char path[128];

	f->plugin->fini(f->instance);
	fake_host_clear(&f->host);
	snprintf(path, sizeof(path), "%s/pay", f->directory);
	unlink(path);
	unlink(f->file);
	rmdir(f->directory);
}

static void
give_steps(struct fixture *f, struct countersign_step *steps)
{
	for (size_t i = 0; i < COUNTERSIGN_STEPS_MAX; i++)
		steps[i].value = (struct countersign_buffer){f->value[i], COUNTERSIGN_STEP_VALUE_MAX, 0};
}

static void
keep_steps(struct fixture *f, const struct countersign_step *steps, size_t n)
{
	f->steps_count = n;
	for (size_t i = 0; i < n; i++) {
		f->kinds[i] = steps[i].kind;
		f->value[i][steps[i].value.len] = '\0';
	}
}

static int
begin(struct fixture *f)
{
	struct countersign_begin in = {.size = sizeof(in), .secret = {f->secret, f->secret_len}, .state = {f->state, f->state_len}, .number = 1};
	char request[16], state[COUNTERSIGN_STATE_MAX];
	struct countersign_begin_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0}, .state = {state, sizeof(state), 0}};
	int rc;

	in.challenge = countersign_view_of("challenge");
	in.call.deadline_boot_ms = f->deadline_ms;
	give_steps(f, out.steps);
	rc = f->plugin->factor->begin(f->instance, &in, &out);
	if (rc == COUNTERSIGN_OK) {
		memcpy(f->state, state, out.state.len);
		f->state_len = out.state.len;
		keep_steps(f, out.steps, out.steps_count);
	}
	return rc;
}

/* A verdict, or the result below 0. */
static int
verify_len(struct fixture *f, const char *answer, size_t len, const char *challenge)
{
	struct countersign_verify in = {.size = sizeof(in), .secret = {f->secret, f->secret_len}, .answer = {answer, len}, .last_step = -1,
	    .challenge = countersign_view_of(challenge), .state = {f->state, f->state_len}};
	char request[16], secret[512], state[COUNTERSIGN_STATE_MAX];
	struct countersign_verify_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0}, .verdict = -99,
	    .secret = {secret, sizeof(secret), 0}, .state = {state, sizeof(state), 0}};
	int rc;

	in.call.deadline_boot_ms = f->deadline_ms;
	give_steps(f, out.steps);
	rc = f->plugin->factor->verify(f->instance, &in, &out);
	if (rc != COUNTERSIGN_OK)
		return -rc;
	assert_int_equal(out.step, out.verdict == COUNTERSIGN_RIGHT ? 0 : -1);
	if (out.verdict == COUNTERSIGN_MORE) {
		memcpy(f->state, state, out.state.len);
		f->state_len = out.state.len;
		keep_steps(f, out.steps, out.steps_count);
	}
	if (out.secret.len > 0) {
		memcpy(f->secret, secret, out.secret.len);
		f->secret_len = out.secret.len;
	}
	return out.verdict;
}

static int
verify(struct fixture *f, const char *answer)
{
	return verify_len(f, answer, strlen(answer), "challenge");
}

static void
expect_verdict(const char *arguments, const char *answer, int verdict)
{
	struct fixture f;

	start(&f, arguments, "no");
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	assert_int_equal(verify(&f, answer), verdict);
	/* What was answered is over. */
	assert_int_equal(verify(&f, "secret"), -COUNTERSIGN_UNREACHABLE);
	stop(&f);
}

static void
test_one_prompt(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, "do=one", "no");
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	assert_int_equal(f.steps_count, 1);
	assert_int_equal(f.kinds[0], COUNTERSIGN_STEP_SECRET);
	assert_string_equal(f.value[0], "Password:");
	stop(&f);
	expect_verdict("do=one", "secret", COUNTERSIGN_RIGHT);
	expect_verdict("do=one", "Secret", COUNTERSIGN_WRONG);
	expect_verdict("do=one", "", COUNTERSIGN_WRONG);
}

static void
test_two_prompts_at_once(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, "do=two", "no");
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	assert_int_equal(f.steps_count, 2);
	assert_int_equal(f.kinds[0], COUNTERSIGN_STEP_TEXT);
	assert_int_equal(f.kinds[1], COUNTERSIGN_STEP_SECRET);
	assert_int_equal(verify(&f, "rex\nsecret"), COUNTERSIGN_RIGHT);
	stop(&f);
	expect_verdict("do=two", "rex\nwrong", COUNTERSIGN_WRONG);
	/* Another number of lines than prompts is no answer. */
	expect_verdict("do=two", "rex", COUNTERSIGN_WRONG);
	expect_verdict("do=two", "rex\nsecret\n", COUNTERSIGN_WRONG);
	expect_verdict("do=one", "secret\nsecret", COUNTERSIGN_WRONG);
}

static void
test_one_prompt_after_the_other(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, "do=serial", "no");
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	assert_int_equal(verify(&f, "secret"), COUNTERSIGN_MORE);
	assert_string_equal(f.value[0], "Which colour?");
	assert_int_equal(verify(&f, "blue"), COUNTERSIGN_RIGHT);
	stop(&f);
}

/* More prompts than steps are asked in rounds; what is shown between stands before the next. */
static void
test_many_prompts_come_in_rounds(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, "do=many", "no");
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	assert_int_equal(f.steps_count, 4);
	assert_int_equal(f.kinds[0], COUNTERSIGN_STEP_SHOW);
	assert_string_equal(f.value[0], "a word between");
	assert_string_equal(f.value[3], "three");
	assert_int_equal(verify(&f, "1\n2\n3"), COUNTERSIGN_MORE);
	assert_int_equal(f.steps_count, 2);
	assert_string_equal(f.value[0], "four");
	assert_int_equal(verify(&f, "4\n5"), COUNTERSIGN_RIGHT);
	stop(&f);
}

/* The answer to a round that is over meets no other prompt. */
static void
test_an_old_answer_meets_no_new_prompt(void **state)
{
	struct fixture f;
	char old[COUNTERSIGN_STATE_MAX];
	size_t len;

	(void)state;
	start(&f, "do=serial", "no");
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	len = f.state_len;
	memcpy(old, f.state, len);
	assert_int_equal(verify(&f, "secret"), COUNTERSIGN_MORE);
	memcpy(f.state, old, len);
	assert_int_equal(verify(&f, "secret"), COUNTERSIGN_MORE);
	assert_string_equal(f.value[0], "Which colour?");
	assert_int_equal(verify(&f, "blue"), COUNTERSIGN_RIGHT);
	stop(&f);
}

static void
test_what_modules_say_is_only_text(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, "do=nasty", "no");
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	assert_string_equal(f.value[0], "?[31mPass word? ??? \xe5\xaf\x86:");
	assert_int_equal(verify_len(&f, "sec\0ret", 7, "challenge"), COUNTERSIGN_WRONG);
	stop(&f);
}

static void
test_answers_that_are_too_long(void **state)
{
	struct fixture f;
	char longer[3000];

	(void)state;
	memset(longer, 'a', sizeof(longer));
	for (size_t len = 512; len <= sizeof(longer); len += sizeof(longer) - 512) {
		start(&f, "do=one", "no");
		assert_int_equal(begin(&f), COUNTERSIGN_OK);
		assert_int_equal(verify_len(&f, longer, len, "challenge"), COUNTERSIGN_WRONG);
		stop(&f);
	}
}

static void
test_results_of_pam(void **state)
{
	static const struct {
		int code, verdict;
		const char *logged;
	} cases[] = {
	    {PAM_AUTH_ERR, COUNTERSIGN_WRONG, ""}, {PAM_USER_UNKNOWN, COUNTERSIGN_WRONG, "PAM_USER_UNKNOWN"},
	    {PAM_MAXTRIES, COUNTERSIGN_WRONG, "PAM_MAXTRIES"}, {PAM_PERM_DENIED, COUNTERSIGN_WRONG, "PAM_PERM_DENIED"},
	    {PAM_AUTHINFO_UNAVAIL, -COUNTERSIGN_UNREACHABLE, "PAM_AUTHINFO_UNAVAIL"},
	    {PAM_SERVICE_ERR, -COUNTERSIGN_UNREACHABLE, "PAM_SERVICE_ERR"}, {PAM_ABORT, -COUNTERSIGN_UNREACHABLE, "PAM_ABORT"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;
		char arguments[32];

		snprintf(arguments, sizeof(arguments), "code=%d", cases[i].code);
		start(&f, arguments, "no");
		assert_int_equal(begin(&f), COUNTERSIGN_OK);
		assert_int_equal(verify(&f, "secret"), cases[i].verdict);
		assert_non_null(strstr(f.host.log, cases[i].logged));
		assert_null(strstr(f.host.log, "secret"));
		stop(&f);
	}
	/* Account management counts too, and its no looks like any other. */
	expect_verdict("do=one account=13", "secret", COUNTERSIGN_WRONG);
	expect_verdict("do=one account=12", "secret", COUNTERSIGN_WRONG);
	expect_verdict("do=one account=0", "secret", COUNTERSIGN_RIGHT);
}

static void
test_a_module_that_changes_the_user(void **state)
{
	(void)state;
	expect_verdict("do=other-user", "secret", COUNTERSIGN_WRONG);
}

static void
test_a_module_that_crashes(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, "do=crash", "no");
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	assert_int_equal(verify(&f, "secret"), -COUNTERSIGN_UNREACHABLE);
	assert_non_null(strstr(f.host.log, "crashed"));
	stop(&f);
}

static void
test_a_module_that_blocks(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, "do=block-first", "no");
	f.deadline_ms = 400;
	assert_int_equal(begin(&f), COUNTERSIGN_TOO_LATE);
	stop(&f);
	start(&f, "do=block", "no");
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	f.deadline_ms = 400;
	assert_int_equal(verify(&f, "secret"), -COUNTERSIGN_TOO_LATE);
	/* And its conversation is over. */
	assert_int_equal(verify(&f, "secret"), -COUNTERSIGN_UNREACHABLE);
	stop(&f);
}

/* Waits until the process is gone: an event that must come, not a time. */
static void
assert_ends(pid_t pid)
{
	struct pollfd over = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};

	if (over.fd < 0) {
		assert_int_equal(errno, ESRCH);
		return;
	}
	assert_int_equal(poll(&over, 1, HANG_MS), 1);
	close(over.fd);
}

/* The pid of the daemon that the module has started. */
static pid_t
daemon_of(struct fixture *f)
{
	FILE *file = fopen(f->file, "r+");
	int pid = 0;

	assert_non_null(file);
	assert_int_equal(begin(f), COUNTERSIGN_OK);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	assert_true(pid > 0);
	assert_int_equal(kill(pid, 0), 0);
	return pid;
}

static void
test_what_modules_start_ends_with_the_conversation(void **state)
{
	struct fixture f;
	pid_t pid;

	(void)state;
	start(&f, "do=daemon", "no");
	pid = daemon_of(&f);
	assert_int_equal(verify(&f, "secret"), COUNTERSIGN_RIGHT);
	assert_ends(pid);
	stop(&f);
	/* And when the server ends in order. */
	start(&f, "do=daemon", "no");
	pid = daemon_of(&f);
	stop(&f);
	assert_ends(pid);
}

static void
test_beginning_again_ends_what_was_begun(void **state)
{
	struct fixture f;
	char old[COUNTERSIGN_STATE_MAX];
	size_t len;

	(void)state;
	start(&f, "do=one", "no");
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	len = f.state_len;
	memcpy(old, f.state, len);
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	assert_int_equal(verify(&f, "secret"), COUNTERSIGN_RIGHT);
	memcpy(f.state, old, len);
	assert_int_equal(verify(&f, "secret"), -COUNTERSIGN_UNREACHABLE);
	stop(&f);
}

/* pam_permit is no factor; with `silent yes` a phone may be. */
static void
test_who_asks_nothing_proves_nothing(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, "do=silent", "no");
	assert_int_equal(begin(&f), COUNTERSIGN_UNREACHABLE);
	assert_non_null(strstr(f.host.log, "asked nothing"));
	stop(&f);
}

static void
test_a_phone_answers_where_silence_is_allowed(void **state)
{
	struct fixture f;
	FILE *file;

	(void)state;
	start(&f, "do=push", "yes");
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	assert_int_equal(f.steps_count, 2);
	assert_int_equal(f.kinds[0], COUNTERSIGN_STEP_SHOW);
	assert_string_equal(f.value[0], "Confirm number 47\non your phone");
	f.deadline_ms = 300;
	assert_int_equal(verify(&f, ""), COUNTERSIGN_MORE);
	/* The module waits at the other end. */
	file = fopen(f.file, "w");
	assert_non_null(file);
	fclose(file);
	f.deadline_ms = 0;
	assert_int_equal(verify(&f, ""), COUNTERSIGN_RIGHT);
	stop(&f);
}

static void
test_enrolment_is_one_conversation(void **state)
{
	struct countersign_enrol in = {.size = sizeof(in), .address = countersign_view_of("alice")};
	char request[16];
	struct fixture f;
	struct countersign_enrol_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0},
	    .secret = {f.secret, sizeof(f.secret), 0}};

	(void)state;
	start(&f, "do=serial", "no");
	give_steps(&f, out.steps);
	assert_int_equal(f.plugin->factor->enrol(f.instance, &in, &out), COUNTERSIGN_OK);
	f.secret_len = out.secret.len;
	f.state_len = 0;
	assert_int_equal(verify_len(&f, "secret", 6, NULL), COUNTERSIGN_MORE);
	assert_int_equal(verify_len(&f, "blue", 4, NULL), COUNTERSIGN_RIGHT);
	/* From now on it is the login name alone. */
	assert_int_equal(f.secret_len, 7);
	assert_memory_equal(f.secret, "\x01\x00" "alice", 7);
	f.state_len = 0;
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	stop(&f);
}

static void
test_login_names(void **state)
{
	static const char *const bad[] = {"", "-x", "../alice", "a b", "a\nb", "a/b", "\xe4\xb8\xad", "a:b", ".a",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	char request[16], secret[512];
	struct fixture f;

	(void)state;
	start(&f, "do=one", "no");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct countersign_enrol in = {.size = sizeof(in), .address = countersign_view_of(bad[i])};
		struct countersign_enrol_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0},
		    .secret = {secret, sizeof(secret), 0}};

		give_steps(&f, out.steps);
		assert_int_equal(f.plugin->factor->enrol(f.instance, &in, &out), COUNTERSIGN_BAD_ADDRESS);
	}
	stop(&f);
}

/* Who can list the sockets of the machine knows the name of a conversation, and not its key. */
static void
test_the_name_alone_is_not_enough(void **state)
{
	struct wire_address at;
	struct wire w = {.type = WIRE_QUIT};
	struct fixture f;
	int fd;

	(void)state;
	start(&f, "do=one", "no");
	assert_int_equal(begin(&f), COUNTERSIGN_OK);
	memcpy(at.name, f.state + 2, sizeof(at.name));
	memset(at.key, 0, sizeof(at.key));
	fd = wire_connect(&at);
	assert_true(fd >= 0);
	assert_true(wire_send(fd, &w));
	assert_false(wire_receive(fd, &w));
	close(fd);
	assert_int_equal(verify(&f, "secret"), COUNTERSIGN_RIGHT);
	stop(&f);
}

static void
test_settings_that_make_no_sense(void **state)
{
	static const struct fake_setting cases[][3] = {
	    {{"service", "../login"}, {NULL, NULL}},
	    {{"service", "pay"}, {"directory", "relative"}, {NULL, NULL}},
	    {{"service", "no-such-service"}, {"directory", "/etc"}, {NULL, NULL}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_host host;
		void *instance;

		fake_host_init(&host, countersign_plugin_v1(), cases[i]);
		assert_int_equal(countersign_plugin_v1()->init(&host.table, &instance), COUNTERSIGN_INVALID);
		assert_true(host.log[0] != '\0');
	}
}

static void
test_self_test_passes(void **state)
{
	struct fake_host host;

	(void)state;
	fake_host_init(&host, countersign_plugin_v1(), NULL);
	assert_int_equal(countersign_plugin_v1()->self_test(&host.table), COUNTERSIGN_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_self_test_passes),
	    cmocka_unit_test(test_one_prompt),
	    cmocka_unit_test(test_two_prompts_at_once),
	    cmocka_unit_test(test_one_prompt_after_the_other),
	    cmocka_unit_test(test_many_prompts_come_in_rounds),
	    cmocka_unit_test(test_an_old_answer_meets_no_new_prompt),
	    cmocka_unit_test(test_what_modules_say_is_only_text),
	    cmocka_unit_test(test_answers_that_are_too_long),
	    cmocka_unit_test(test_results_of_pam),
	    cmocka_unit_test(test_a_module_that_changes_the_user),
	    cmocka_unit_test(test_a_module_that_crashes),
	    cmocka_unit_test(test_a_module_that_blocks),
	    cmocka_unit_test(test_what_modules_start_ends_with_the_conversation),
	    cmocka_unit_test(test_beginning_again_ends_what_was_begun),
	    cmocka_unit_test(test_who_asks_nothing_proves_nothing),
	    cmocka_unit_test(test_a_phone_answers_where_silence_is_allowed),
	    cmocka_unit_test(test_enrolment_is_one_conversation),
	    cmocka_unit_test(test_login_names),
	    cmocka_unit_test(test_the_name_alone_is_not_enough),
	    cmocka_unit_test(test_settings_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
