/* SPDX-License-Identifier: Apache-2.0 */
/* Secret files that others could read are refused; randomness differs, also after a fork. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/secret.h"

static char dir[] = "/tmp/test_secret.XXXXXX";
static char path[64], fifo[64];
static struct secret got;

static int
dir_make(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/key", dir);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	return mkfifo(fifo, 0600);
}

static int
dir_remove(void **state)
{
	(void)state;
	unlink(path);
	unlink(fifo);
	return rmdir(dir);
}

static void
key_write(const void *data, size_t len, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void
file_is_read_whole(void **state)
{
	static const char full[SECRET_MAX];

	(void)state;
	key_write("hunter2\n", 8, 0600);
	assert_int_equal(secret_read_file(path, true, &got), CS_OK);
	assert_view_equal(view_of(got.bytes, got.len), "hunter2");
	assert_int_equal(secret_read_file(path, false, &got), CS_OK);
	assert_view_equal(view_of(got.bytes, got.len), "hunter2\n");
	key_write(full, SECRET_MAX, 0400);
	assert_int_equal(secret_read_file(path, false, &got), CS_OK);
	assert_int_equal(got.len, SECRET_MAX);
}

static void
file_open_to_others_is_refused(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601};

	(void)state;
	got.len = 77;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		key_write("x", 1, modes[i]);
		assert_int_equal(secret_read_file(path, false, &got), CS_ERR_DENIED);
	}
	assert_int_equal(secret_read_file(dir, false, &got), CS_ERR_DENIED);
	assert_int_equal(secret_read_file(fifo, false, &got), CS_ERR_DENIED);
	assert_int_equal(got.len, 77);
}

static void
file_of_another_user_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		printf("skip: only root can give a file away\n");
		skip();
	}
	key_write("x", 1, 0600);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(secret_read_file(path, false, &got), CS_ERR_DENIED);
	assert_int_equal(chown(path, 0, 0), 0);
}

static void
file_too_large_or_absent_is_refused(void **state)
{
	static const char large[SECRET_MAX + 1];

	(void)state;
	key_write(large, sizeof(large), 0600);
	assert_int_equal(secret_read_file(path, false, &got), CS_ERR_FULL);
	assert_int_equal(unlink(path), 0);
	errno = 0;
	assert_int_equal(secret_read_file(path, false, &got), CS_ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
}

static void
comparison_sees_every_byte(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	secret_random(a, sizeof(a));
	memcpy(b, a, sizeof(b));
	assert_true(secret_equal(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] ^= 0x80;
		assert_false(secret_equal(a, b, sizeof(a)));
		b[i] ^= 0x80;
	}
	assert_true(secret_equal(a, b, 0));
}

static void
draws_differ(void **state)
{
	/* Enough for several fills of the pool, in a size that does not divide it. */
	static uint8_t draws[1000][24];
	uint8_t large[1000] = {0};

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		secret_random(draws[i], sizeof(draws[i]));
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(draws[i], draws[j], sizeof(draws[i]));
	}
	secret_random(large, sizeof(large));
	assert_memory_not_equal(large, large + 500, 500);
}

static void
child_draws_its_own(void **state)
{
	uint8_t parents[16], childs[16];
	int ends[2], status;
	pid_t pid;

	(void)state;
	secret_random(parents, sizeof(parents)); /* the pool is filled before the fork */
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		secret_random(childs, sizeof(childs));
		_exit(write(ends[1], childs, sizeof(childs)) == sizeof(childs) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	secret_random(parents, sizeof(parents));
	assert_int_equal(read(ends[0], childs, sizeof(childs)), sizeof(childs));
	assert_memory_not_equal(parents, childs, sizeof(childs));
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(file_is_read_whole),
	    cmocka_unit_test(file_open_to_others_is_refused),
	    cmocka_unit_test(file_of_another_user_is_refused),
	    cmocka_unit_test(file_too_large_or_absent_is_refused),
	    cmocka_unit_test(comparison_sees_every_byte),
	    cmocka_unit_test(draws_differ),
	    cmocka_unit_test(child_draws_its_own),
	};

	return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
