/* SPDX-License-Identifier: Apache-2.0 */
/* An event has one encoding: it comes back as it was, and no other bytes give it. */
#include "tests/unit/unit.h"

#include "tests/unit/account_random.h"

enum { SEED = 20181010, EVENTS = 2000, FLIPS = 10000, MASK_AT = 1 + 1 + 1 + 1 + 32 };

static uint8_t mem[EVENT_BYTES_MAX];

static struct view
encoded(const struct event *e)
{
	struct buf out = buf_over(mem, sizeof(mem));

	event_encode(e, &out);
	assert_false(out.full);
	return buf_view(&out);
}

static void
events_come_back_as_they_were(void **state)
{
	uint64_t seed = SEED;

	(void)state;
	for (int i = 0; i < EVENTS; i++) {
		struct event e, back;

		event_random(&seed, &e);
		memset(&back, 0, sizeof(back));
		assert_int_equal(event_decode(encoded(&e), &back), CS_OK);
		if (memcmp(&e, &back, sizeof(e)) != 0)
			fail_msg("event %d of seed %d", i, SEED);
	}
}

static void
every_field_comes_back_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < event_fields_n; i++) {
		struct event e, back;
		uint8_t *field = (uint8_t *)&e + event_fields[i].offset;

		memset(&e, 0, sizeof(e));
		e.type = EVENT_DENIED;
		assert_true(event_field_empty(&e, &event_fields[i]));
		field[0] = 1;
		assert_false(event_field_empty(&e, &event_fields[i]));
		assert_int_equal(event_decode(encoded(&e), &back), CS_OK);
		for (size_t j = 0; j < event_fields_n; j++)
			assert_int_equal(event_field_empty(&back, &event_fields[j]), j != i);
	}
}

static void
field_names_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < event_fields_n; i++) {
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(event_fields[i].name, event_fields[j].name);
	}
}

static void
truncations_and_extra_bytes_are_refused(void **state)
{
	uint64_t seed = SEED + 1;

	(void)state;
	for (int i = 0; i < 50; i++) {
		struct event e, back;
		uint8_t longer[EVENT_BYTES_MAX + 1] = {0};
		struct view bytes;

		event_random(&seed, &e);
		bytes = encoded(&e);
		memcpy(longer, bytes.data, bytes.len);
		memset(&back, 0x55, sizeof(back));
		for (size_t len = 0; len < bytes.len; len++)
			assert_int_equal(event_decode(view_of(longer, len), &back), CS_ERR_CORRUPT);
		assert_int_equal(
		    event_decode(view_of(longer, bytes.len + 1), &back), CS_ERR_CORRUPT);
		/* A failure leaves the result alone. */
		for (size_t j = 0; j < sizeof(back); j++)
			assert_int_equal(((uint8_t *)&back)[j], 0x55);
	}
}

static void
flipped_bits_give_an_error_or_another_event(void **state)
{
	uint64_t seed = SEED + 2;
	uint8_t whole[EVENT_BYTES_MAX];

	(void)state;
	for (int i = 0; i < FLIPS; i++) {
		struct event e, back;
		size_t len, at;

		event_random(&seed, &e);
		len = encoded(&e).len;
		memcpy(whole, mem, len);
		at = random_below(&seed, len * 8);
		whole[at / 8] ^= (uint8_t)(1 << at % 8);
		if (event_decode(view_of(whole, len), &back) != CS_OK)
			continue;
		assert_int_equal(encoded(&back).len, len);
		assert_memory_equal(mem, whole, len);
	}
}

/* A small event whose head is one byte a number, so that its bytes can be named. */
static size_t
small_event(uint8_t *to)
{
	struct event e;

	memset(&e, 0, sizeof(e));
	e.type = EVENT_DENIED;
	e.reason = REASON_STACK;
	e.op = OP_SPEND;
	memcpy(to, encoded(&e).data, encoded(&e).len);
	return encoded(&e).len;
}

static void
what_a_newer_version_wrote_is_told_from_damage(void **state)
{
	uint8_t bytes[EVENT_BYTES_MAX];
	size_t len = small_event(bytes);
	struct event e;

	(void)state;
	assert_int_equal(event_decode(view_of(bytes, len), &e), CS_OK);
	bytes[0] = EVENT_VERSION + 1;
	assert_int_equal(event_decode(view_of(bytes, len), &e), CS_ERR_VERSION);
	bytes[0] = EVENT_VERSION;
	bytes[1] = EVENT__COUNT;
	assert_int_equal(event_decode(view_of(bytes, len), &e), CS_ERR_VERSION);
	bytes[1] = EVENT_DENIED;
	bytes[2] = REASON__COUNT;
	assert_int_equal(event_decode(view_of(bytes, len), &e), CS_ERR_VERSION);
	bytes[2] = REASON_STACK;
	bytes[MASK_AT + 7] = 0x80;
	assert_int_equal(event_decode(view_of(bytes, len), &e), CS_ERR_VERSION);
}

static void
other_spellings_of_an_event_are_refused(void **state)
{
	uint8_t bytes[EVENT_BYTES_MAX] = {0};
	size_t len = small_event(bytes);
	struct event e;

	(void)state;
	/* op, said to be there, but zero */
	bytes[len - 1] = 0;
	assert_int_equal(event_decode(view_of(bytes, len), &e), CS_ERR_CORRUPT);
	/* op in two bytes */
	bytes[len - 1] = 0x82;
	bytes[len] = 0;
	assert_int_equal(event_decode(view_of(bytes, len + 1), &e), CS_ERR_CORRUPT);
	bytes[len] = 1;
	assert_int_equal(event_decode(view_of(bytes, len + 1), &e), CS_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(events_come_back_as_they_were),
	    cmocka_unit_test(every_field_comes_back_alone),
	    cmocka_unit_test(field_names_are_unique),
	    cmocka_unit_test(truncations_and_extra_bytes_are_refused),
	    cmocka_unit_test(flipped_bits_give_an_error_or_another_event),
	    cmocka_unit_test(what_a_newer_version_wrote_is_told_from_damage),
	    cmocka_unit_test(other_spellings_of_an_event_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
