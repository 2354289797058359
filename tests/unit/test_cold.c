/* SPDX-License-Identifier: Apache-2.0 */
/* The cold map: what is put is found, what is dropped is gone, and what is malformed changes nothing. */
#include "broker/engine/cold.h"

#include "tests/unit/unit.h"

static const struct id one = {{1}}, two = {{2}}, three = {{3}};

struct map {
	struct buf buf;
	uint8_t bytes[4096];
};

/* The map after x; to is another than from. */
static bool
apply_to(struct map *to, struct view from, const struct extra *x)
{
	bool changed;

	to->buf = buf_over(to->bytes, sizeof(to->bytes));
	assert_int_equal(cold_apply(from, buf_view(&x->buf), &to->buf, &changed), CS_OK);
	return changed;
}

static void
test_put_get_drop(void **state)
{
	static struct map a, b, c;
	static struct extra x;

	(void)state;
	extra_init(&x);
	extra_put(&x, &one, VIEW("first"));
	extra_put(&x, &two, VIEW("second"));
	assert_true(apply_to(&a, view_of(NULL, 0), &x));
	assert_view_equal(cold_get(buf_view(&a.buf), &one), "first");
	assert_view_equal(cold_get(buf_view(&a.buf), &two), "second");
	assert_null(cold_get(buf_view(&a.buf), &three).data);

	extra_init(&x);
	extra_drop(&x, &one);
	extra_put(&x, &two, VIEW("newer"));
	extra_put(&x, &three, VIEW(""));
	assert_true(apply_to(&b, buf_view(&a.buf), &x));
	assert_null(cold_get(buf_view(&b.buf), &one).data);
	assert_view_equal(cold_get(buf_view(&b.buf), &two), "newer");
	assert_non_null(cold_get(buf_view(&b.buf), &three).data);

	/* Replacing leaves no second entry behind: dropping it once is enough. */
	extra_init(&x);
	extra_drop(&x, &two);
	apply_to(&c, buf_view(&b.buf), &x);
	assert_null(cold_get(buf_view(&c.buf), &two).data);
}

static void
test_texts_and_salts_are_not_the_maps(void **state)
{
	static struct map a;
	static struct extra x;

	(void)state;
	extra_init(&x);
	extra_salt(&x, &one);
	extra_text(&x, VIEW("sealed"));
	assert_false(apply_to(&a, view_of(NULL, 0), &x));
	assert_int_equal(a.buf.len, 0);
}

static void
test_malformed_is_refused(void **state)
{
	static struct map a, out;
	static struct extra x;
	struct extra_read item;
	struct cursor c;
	bool changed = false;

	(void)state;
	extra_init(&x);
	extra_put(&x, &one, VIEW("value"));
	apply_to(&a, view_of(NULL, 0), &x);
	/* Cut anywhere: the extra bytes, and the map. */
	for (size_t n = 1; n < x.buf.len; n++) {
		out.buf = buf_over(out.bytes, sizeof(out.bytes));
		assert_int_equal(cold_apply(view_of(NULL, 0), view_of(x.bytes, n), &out.buf, &changed), CS_ERR_CORRUPT);
	}
	for (size_t n = 1; n < a.buf.len; n++) {
		out.buf = buf_over(out.bytes, sizeof(out.bytes));
		assert_int_equal(cold_apply(view_of(a.bytes, n), view_of(NULL, 0), &out.buf, &changed), CS_ERR_CORRUPT);
		assert_null(cold_get(view_of(a.bytes, n), &one).data);
	}
	/* An item that nobody knows. */
	c = cursor_over("\x09", 1);
	assert_false(extra_next(&c, &item));
	assert_true(c.bad);
}

static void
test_a_full_map_says_so(void **state)
{
	static struct map small;
	static struct extra x;
	bool changed;

	(void)state;
	extra_init(&x);
	extra_put(&x, &one, VIEW("value"));
	small.buf = buf_over(small.bytes, 16);
	assert_int_equal(cold_apply(view_of(NULL, 0), buf_view(&x.buf), &small.buf, &changed), CS_ERR_FULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_get_drop),
		cmocka_unit_test(test_texts_and_salts_are_not_the_maps),
		cmocka_unit_test(test_malformed_is_refused),
		cmocka_unit_test(test_a_full_map_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
