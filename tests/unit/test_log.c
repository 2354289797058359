/* SPDX-License-Identifier: Apache-2.0 */
/* One event is one line, and a value from outside cannot forge another. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "broker/base/log.h"

/* What `say` writes to stderr. */
static size_t
captured(void (*say)(void), char *to, size_t cap)
{
	int ends[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	say();
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	n = read(ends[0], to, cap - 1);
	close(ends[0]);
	assert_true(n >= 0);
	to[n] = '\0';
	return (size_t)n;
}

static void
say_event(void)
{
	errno = ERANGE;
	log_info("permit request=%d", 7);
	assert_int_equal(errno, ERANGE);
	log_debug("not said");
}

static void
say_newline(void)
{
	log_error("a=%s", "x\ny");
}

static void
say_much(void)
{
	char much[5000];

	memset(much, 'x', sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	log_error("a=%s", much);
}

static void
line_has_time_level_role_and_text(void **state)
{
	char text[512];

	(void)state;
	log_init("engine", LOG_LEVEL_INFO);
	captured(say_event, text, sizeof(text));
	assert_string_equal(strchr(text, ' '), " info engine permit request=7\n");
	assert_int_equal(text[4], '-');
}

static void
an_event_stays_on_one_line(void **state)
{
	char text[8192];
	size_t n;

	(void)state;
	captured(say_newline, text, sizeof(text));
	assert_non_null(strstr(text, "a=x?y\n"));
	n = captured(say_much, text, sizeof(text));
	assert_in_range(n, 1000, 2048);
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
}

static void
values_are_quoted_escaped_and_cut(void **state)
{
	char much[500];

	(void)state;
	assert_string_equal(log_value(VIEW("caf\xc3\xa9")), "\"caf\xc3\xa9\"");
	assert_string_equal(log_value(VIEW("a\"\\\n\xff")), "\"a\\\"\\\\\\x0a\\xff\"");
	assert_string_equal(log_value(VIEW("\xe2\x80\xae")), "\"\\xe2\\x80\\xae\"");
	assert_string_equal(log_value(view_of(NULL, 0)), "\"\"");
	memset(much, 'x', sizeof(much));
	assert_string_equal(log_value(view_of(much, sizeof(much))) + 190, "xxxxx\"...");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(line_has_time_level_role_and_text),
	    cmocka_unit_test(an_event_stays_on_one_line),
	    cmocka_unit_test(values_are_quoted_escaped_and_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
