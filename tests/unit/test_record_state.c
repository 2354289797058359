/* SPDX-License-Identifier: Apache-2.0 */
/* The streams of services in the broker's own record: what its events do to them, and that a record of before still reads. */
#include <stdio.h>

#include "broker/engine/record_state.h"
#include "broker/parent/config.h"
#include "tests/unit/unit.h"

static struct record_state state;
static uint8_t bytes[40 * 1024];

static bool
apply(enum event_type type, uint64_t service, int64_t method, int64_t status, int64_t position)
{
	struct event ev = {.type = (uint16_t)type, .time_ms = 1000, .service = service, .id = {{(uint8_t)service}},
	    .no = method, .target_no = status, .count = position};

	return record_state_apply(&state, &ev);
}

static struct buf
encoded(void)
{
	struct buf b = buf_over(bytes, sizeof(bytes));

	record_state_encode(&state, &b);
	assert_false(b.full);
	return b;
}

static void
test_a_stream_from_its_making_to_its_end(void **unused)
{
	struct record_state again;
	struct buf b;

	(void)unused;
	state = (struct record_state){0};
	assert_true(apply(EVENT_RECEIVER_SET, 7, RECEIVER_PUSH, RECEIVER_ENABLED, 100));
	assert_true(apply(EVENT_RECEIVER_SET, 8, RECEIVER_POLL, RECEIVER_PAUSED, 200));
	assert_true(apply(EVENT_RECEIVER_SENT, 7, 0, 0, 150));
	b = encoded();
	assert_int_equal(record_state_decode(buf_view(&b), &again), CS_OK);
	assert_int_equal(again.receivers_n, 2);
	assert_int_equal(record_receiver_of(&again, 7)->position, 150);
	assert_int_equal(record_receiver_of(&again, 7)->method, RECEIVER_PUSH);
	assert_int_equal(record_receiver_of(&again, 8)->status, RECEIVER_PAUSED);
	assert_int_equal(record_receiver_of(&again, 8)->id.b[0], 8);
	assert_true(apply(EVENT_RECEIVER_ENDED, 7, 0, 0, 0));
	assert_null(record_receiver_of(&state, 7));
	assert_int_equal(record_receiver_of(&state, 8)->position, 200);
}

static void
test_what_cannot_be(void **unused)
{
	(void)unused;
	state = (struct record_state){0};
	assert_false(apply(EVENT_RECEIVER_SET, 7, 0, RECEIVER_ENABLED, 0));
	assert_false(apply(EVENT_RECEIVER_SET, 7, RECEIVER_PUSH, 4, 0));
	assert_false(apply(EVENT_RECEIVER_SET, 7, RECEIVER_PUSH, RECEIVER_ENABLED, -1));
	/* Of a stream that a log does not tell the making of. */
	assert_true(apply(EVENT_RECEIVER_SENT, 7, 0, 0, 1));
	assert_true(apply(EVENT_RECEIVER_ENDED, 7, 0, 0, 0));
	assert_int_equal(state.receivers_n, 0);
	for (uint64_t i = 1; i <= RECORD_RECEIVERS_MAX; i++)
		assert_true(apply(EVENT_RECEIVER_SET, i, RECEIVER_POLL, RECEIVER_ENABLED, 0));
	assert_false(apply(EVENT_RECEIVER_SET, 99, RECEIVER_POLL, RECEIVER_ENABLED, 0));
	assert_true(apply(EVENT_RECEIVER_SET, 1, RECEIVER_PUSH, RECEIVER_DISABLED, 5));
}

static void
test_a_record_without_streams_still_reads(void **unused)
{
	struct record_state again;
	struct buf b;

	(void)unused;
	state = (struct record_state){.time_ms = 77};
	b = encoded();
	/* As it was written before: version 1, and nothing behind the entries. */
	bytes[0] = 1;
	assert_int_equal(record_state_decode(view_of(b.data, b.len - 1), &again), CS_OK);
	assert_int_equal(again.time_ms, 77);
	assert_int_equal(again.receivers_n, 0);
	assert_int_equal(record_state_decode(buf_view(&b), &again), CS_ERR_CORRUPT);
	bytes[0] = 200;
	assert_int_equal(record_state_decode(buf_view(&b), &again), CS_ERR_VERSION);
}

static void
test_damaged_streams_are_refused(void **unused)
{
	struct record_state again;
	struct buf b;

	(void)unused;
	state = (struct record_state){0};
	assert_true(apply(EVENT_RECEIVER_SET, 7, RECEIVER_PUSH, RECEIVER_ENABLED, 100));
	b = encoded();
	for (size_t len = 1; len < b.len; len++)
		assert_int_equal(record_state_decode(view_of(b.data, len), &again), CS_ERR_CORRUPT);
	bytes[b.len - 3] = 9; /* its method */
	assert_int_equal(record_state_decode(buf_view(&b), &again), CS_ERR_CORRUPT);
}

/* What a provider is by a configuration with these lines in its block. */
static struct id
pin_with(const char *lines)
{
	struct id pins[POLICY_PROVIDERS_MAX];
	struct config_error err;
	struct config *c;
	char text[1024];
	int n = snprintf(text, sizeof(text),
	    "generation 1\nrealm \"test\"\nrun-directory \"/x\"\nstate-directory \"/x\"\nstore mem\nlisten service \"/x/s\"\n"
	    "listen admin \"/x/a\"\nprovider \"p\" {\nplugin \"p\"\nservers 1\ndeadline 5s\n%s}\n", lines);

	assert_true(n > 0 && (size_t)n < sizeof(text));
	if (config_parse(text, (size_t)n, &c, &err) != CS_OK)
		fail_msg("line %u: %s: %s", err.line, err.word, err.message);
	record_pins(c, pins);
	config_free(c);
	return pins[0];
}

/* Rule 3: whoever changes where a provider's word comes from makes it another provider, of whichever plugin. */
static void
test_a_provider_is_where_its_word_comes_from(void **unused)
{
	static const char *const keys[] = {"issuer", "issuer-alias", "authority", "tenant", "jwks-uri", "token-endpoint",
	    "api-url", "gateway-url"};
	struct id bare = pin_with("");

	(void)unused;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char one[128], other[128];
		struct id a, b;

		snprintf(one, sizeof(one), "set %s \"https://one.example\"\n", keys[i]);
		snprintf(other, sizeof(other), "set %s \"https://other.example\"\n", keys[i]);
		a = pin_with(one);
		b = pin_with(other);
		if (id_equal(&a, &b) || id_equal(&a, &bare))
			fail_msg("%s", keys[i]);
	}
	struct id shown = pin_with("set display-claim \"email\"\n");
	assert_true(id_equal(&shown, &bare));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_stream_from_its_making_to_its_end),
	    cmocka_unit_test(test_what_cannot_be),
	    cmocka_unit_test(test_a_record_without_streams_still_reads),
	    cmocka_unit_test(test_damaged_streams_are_refused),
	    cmocka_unit_test(test_a_provider_is_where_its_word_comes_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
