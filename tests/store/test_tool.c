/* SPDX-License-Identifier: Apache-2.0 */
/* What tools walk through: all of it or an error, also where a server goes away meanwhile or what stands there makes no sense. */
#include "tests/store/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/bytes.h"
#include "broker/store/redis/merge.h"
#include "broker/store/redis/offline.h"
#include "tests/store/redis_server.h"

enum { KEYS = 3000 /* more than one page */, PATIENCE_MS = 10000, TIMEOUT_MS = 5000 };

static struct redis_server server;

static struct tool *
open_tool(void)
{
	static struct fleet_address a;
	struct fleet_options o = {.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1, .prefix = "t", .weaker_fsync = true,
	    .weaker_persistence = true, .timeout_ms = TIMEOUT_MS};
	struct tool *t = NULL;
	char why[TOOL_WHY_TEXT] = "";

	(void)snprintf(a.text, sizeof(a.text), "unix:%.100s", server.socket);
	if (tool_open(&o, PATIENCE_MS, &t, why) != CS_OK)
		fail_msg("%s", why);
	return t;
}

static void
wait_for(struct tool *t)
{
	char why[TOOL_WHY_TEXT] = "";

	if (tool_wait(t, why) != CS_OK)
		fail_msg("%s", why);
}

static void
put_payments(struct tool *t)
{
	for (unsigned i = 0; i < KEYS; i++) {
		struct store_key key = key_of(i), payment = key_of(i + 1);
		struct layout_key name;
		struct view argv[3] = {VIEW("SET"), layout_payment(tool_layout(t), &key, &payment, &name), VIEW("something")};

		tool_ask(t, layout_bucket(&key), argv, 3, FLEET_AGAIN, NULL, NULL, 0);
	}
	wait_for(t);
}

struct walk {
	struct tool *tool;
	bool seen[KEYS];
	unsigned n;
	bool restart;
};

static bool
key_seen(void *ctx, unsigned bucket, struct view rest)
{
	struct walk *w = ctx;

	assert_int_equal(rest.len, 2 * STORE_KEY_BYTES);
	for (unsigned i = 0; i < KEYS; i++) {
		struct store_key key = key_of(i);

		if (memcmp(rest.data, key.b, sizeof(key.b)) != 0)
			continue;
		assert_int_equal(bucket, layout_bucket(&key));
		w->n += !w->seen[i];
		w->seen[i] = true;
	}
	if (w->restart) {
		w->restart = false;
		redis_server_kill(&server);
		redis_server_again(&server);
	}
	return true;
}

static void
test_keys(void **state)
{
	struct walk w = {.tool = open_tool()};
	char why[TOOL_WHY_TEXT] = "";

	(void)state;
	put_payments(w.tool);
	assert_int_equal(tool_keys(w.tool, LAYOUT_PAYMENT, key_seen, &w, why), CS_OK);
	assert_int_equal(w.n, KEYS);
	/* A cursor says nothing to another process: part of the keys would be missed, and nobody would know. */
	w = (struct walk){.tool = w.tool, .restart = true};
	assert_int_equal(tool_keys(w.tool, LAYOUT_PAYMENT, key_seen, &w, why), CS_ERR_UNAVAILABLE);
	assert_non_null(strstr(why, "while keys were listed"));
	tool_close(w.tool);
}

static bool
no_event(void *ctx, unsigned bucket, uint64_t seq, const struct layout_event *event)
{
	(void)ctx, (void)bucket, (void)seq, (void)event;
	fail();
	return false;
}

/* Where a part of a log cannot be found, the rest must not pass for all of it. */
static void
test_log_without_numbers(void **state)
{
	struct tool *t = open_tool();
	struct layout_key name;
	struct view argv[4] = {VIEW("ZADD"), layout_key(tool_layout(t), 3, LAYOUT_SEGMENTS, NULL, 0, &name), VIEW("7"), VIEW("first")};
	char why[TOOL_WHY_TEXT] = "";

	(void)state;
	tool_ask(t, 3, argv, 4, 0, NULL, NULL, 0);
	wait_for(t);
	assert_int_equal(tool_log(t, 0, 16, no_event, NULL, why), CS_ERR_CORRUPT);
	assert_non_null(strstr(why, "bucket 3 gives a part of its log without a number"));
	why[0] = '\0';
	assert_int_equal(merge_log(t, 0, UINT64_MAX, no_event, NULL, why), CS_ERR_CORRUPT);
	assert_non_null(strstr(why, "bucket 3 gives a part of its log without a number"));
	tool_close(t);
}

static void
put_field(struct tool *t, unsigned bucket, enum layout_kind kind, struct view field, const char *value)
{
	struct layout_key name;
	struct view argv[4] = {VIEW("HSET"), layout_key(tool_layout(t), bucket, kind, NULL, 0, &name), field, view_str(value)};

	tool_ask(t, bucket, argv, 4, 0, NULL, NULL, 0);
}

/* What a broker never wrote names nobody, and what is missing is no proof. */
static void
test_who_is_waited_for(void **state)
{
	struct tool *t = open_tool();
	struct offline_view *v = calloc(1, sizeof(*v));
	char why[TOOL_WHY_TEXT] = "";
	bool several;

	(void)state;
	put_field(t, 5, LAYOUT_HEAD, VIEW("t"), "another tenure");
	put_field(t, 5, LAYOUT_HEAD, VIEW("m:0123456789abcdef"), "one");
	put_field(t, 5, LAYOUT_HEAD, VIEW("w:0123456789abcdef"), "7");
	put_field(t, 5, LAYOUT_HEAD, VIEW("m:\", \"x\": \"567890"), "two");
	put_field(t, 5, LAYOUT_HEAD, VIEW("m:\33[2J567890123456"), "three");
	put_field(t, 5, LAYOUT_HEAD, VIEW("m:"), "four");
	put_field(t, 0, LAYOUT_BEATS, VIEW("\0:fedcba9876543210"), "9");
	put_field(t, 0, LAYOUT_BEATS, VIEW("c:0123456789abcdef"), "9");
	wait_for(t);
	assert_int_equal(offline_look(t, v, why), CS_OK);
	assert_int_equal(v->members_n, 1);
	assert_int_equal(v->shut, 1);
	assert_int_equal(v->members[0].waited, 1);
	assert_int_equal(v->members[0].proved, 0);
	assert_int_equal(v->members[0].beats, 9);
	assert_ptr_equal(offline_find(v, "one", &several), &v->members[0]);
	assert_null(offline_find(v, "two", &several));
	free(v);
	tool_close(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_log_without_numbers),
	    cmocka_unit_test(test_who_is_waited_for),
	};
	int failed;

	if (!redis_server_there())
		return 77;
	redis_server_start(&server, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	redis_server_stop(&server);
	return failed;
}
