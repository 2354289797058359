/* SPDX-License-Identifier: Apache-2.0 */
/* What a role gave up stays given up. Each check runs in a child, since there is no way back. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/sandbox.h"
#include "broker/base/sandbox_landlock.h"

enum { NOBODY = 65534 };

/* Whether `check` is true in a child of its own. */
static bool
holds_in_child(bool (*check)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(check() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool
closes_all_but_kept(void)
{
	const int keep[] = {45, 41, 3, -1};

	for (int fd = 40; fd < 50; fd++)
		if (dup2(STDIN_FILENO, fd) != fd)
			return false;
	sandbox_close_from(40, keep, 4);
	for (int fd = 40; fd < 50; fd++)
		if (is_open(fd) != (fd == 41 || fd == 45))
			return false;
	return is_open(STDERR_FILENO);
}

static bool
limits_hold(void)
{
	struct rlimit files, core;

	if (sandbox_limits(20) != CS_OK || getrlimit(RLIMIT_NOFILE, &files) != 0 ||
	    getrlimit(RLIMIT_CORE, &core) != 0)
		return false;
	return files.rlim_max == 20 && core.rlim_max == 0 && dup2(STDIN_FILENO, 20) < 0 &&
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

/* What was not allowed cannot be opened, what was can, and no signal goes outside. */
static bool
landlock_holds(void)
{
	struct landlock l;
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || landlock_init(&l, true) != CS_OK ||
	    landlock_path(&l, "/usr", LANDLOCK_READ) != CS_OK ||
	    landlock_path(&l, "/no/such/file", LANDLOCK_READ) != CS_ERR_NOT_FOUND || landlock_port(&l, 443) != CS_OK ||
	    landlock_enforce(&l) != CS_OK)
		return false;
	fd = open("/usr", O_RDONLY | O_DIRECTORY);
	return fd >= 0 && open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES &&
	    open("/tmp/countersign-test-sandbox", O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES &&
	    (landlock_version() < LANDLOCK_SCOPES || (kill(getppid(), 0) < 0 && errno == EPERM));
}

static bool
drop_is_for_good(void)
{
	const gid_t extra = 4;

	/* A group to lose: a test runner often has none. */
	if (setgroups(1, &extra) != 0 || getgroups(0, NULL) != 1)
		return false;
	return sandbox_drop(NOBODY, NOBODY) == CS_OK && getuid() == NOBODY &&
	    getegid() == NOBODY && getgroups(0, NULL) == 0 && seteuid(0) != 0 && setuid(0) != 0;
}

static bool
drop_to_root_is_refused(void)
{
	return sandbox_drop(0, NOBODY) == CS_ERR_SYSTEM && errno == EINVAL &&
	    sandbox_drop(NOBODY, 0) == CS_ERR_SYSTEM;
}

static void
descriptors_are_closed_except_those_kept(void **state)
{
	(void)state;
	assert_true(holds_in_child(closes_all_but_kept));
}

static void
limits_are_set(void **state)
{
	(void)state;
	assert_true(holds_in_child(limits_hold));
}

static void
privileges_do_not_come_back(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		assert_int_equal(sandbox_drop(NOBODY, NOBODY), CS_OK);
		assert_int_not_equal(geteuid(), NOBODY);
		printf("skip: dropping privileges can only be tested as root\n");
		skip();
	}
	assert_true(holds_in_child(drop_is_for_good));
	assert_true(holds_in_child(drop_to_root_is_refused));
}

static void
landlock_keeps_files_and_signals_in(void **state)
{
	(void)state;
	if (landlock_version() == 0)
		skip();
	assert_true(holds_in_child(landlock_holds));
}

static void
the_kernel_is_asked_without_being_changed(void **state)
{
	struct sandbox_kernel first, second;

	(void)state;
	sandbox_probe(&first);
	sandbox_probe(&second);
	assert_true(first.no_new_privs && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	assert_int_equal(first.landlock, second.landlock);
	assert_true(first.seccomp || !first.seccomp_names);
	assert_int_equal(first.memory, !SANDBOX_SANITIZED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(descriptors_are_closed_except_those_kept),
	    cmocka_unit_test(limits_are_set),
	    cmocka_unit_test(privileges_do_not_come_back),
	    cmocka_unit_test(landlock_keeps_files_and_signals_in),
	    cmocka_unit_test(the_kernel_is_asked_without_being_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
