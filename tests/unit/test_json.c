/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON reader, reading by table, and the writer; and the published parsing vectors. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/ascii.h"
#include "broker/base/json.h"

enum { VECTOR_MAX = 512 * 1024, PATH_TEXT_MAX = 1024 };

static char text[VECTOR_MAX];
static struct json_token tokens[JSON_TOKENS_MAX];
static struct json doc;
static struct json_error error;

static enum cs_err
read_view(struct view v)
{
	assert_true(v.len <= sizeof(text));
	memcpy(text, v.data, v.len);
	return json_read(text, v.len, tokens, JSON_TOKENS_MAX, &doc, &error);
}

static enum cs_err
read_text(const char *s)
{
	return read_view(view_str(s));
}

static void
tokens_are_flat_and_skip_what_they_contain(void **state)
{
	uint32_t a, b, at;

	(void)state;
	assert_int_equal(read_text(" { \"a\" : [ 1 , {\"x\":2} , [] ] ,\r\n\t\"b\":true} "), CS_OK);
	assert_int_equal(json_type(&doc, 0), JSON_OBJECT);
	assert_int_equal(doc.tokens[0].count, 2);
	a = json_get(&doc, 0, VIEW("a"));
	b = json_get(&doc, 0, VIEW("b"));
	assert_int_equal(json_type(&doc, a), JSON_ARRAY);
	assert_int_equal(doc.tokens[a].count, 3);
	at = json_first(&doc, a);
	assert_view_equal(json_text(&doc, at), "1");
	at = json_next(&doc, at);
	assert_view_equal(json_text(&doc, json_get(&doc, at, VIEW("x"))), "2");
	at = json_next(&doc, at);
	assert_int_equal(json_type(&doc, at), JSON_ARRAY);
	assert_int_equal(json_first(&doc, at), 0);
	assert_int_equal(json_next(&doc, at), b - 1);
	assert_int_equal(json_type(&doc, b), JSON_TRUE);
	assert_int_equal(json_get(&doc, 0, VIEW("x")), 0);
	assert_int_equal(json_get(&doc, a, VIEW("a")), 0);
	assert_int_equal(json_get(&doc, 0, VIEW("")), 0);
}

static void
strings_are_unescaped_in_place(void **state)
{
	(void)state;
	assert_int_equal(
	    read_text("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\","
		      "\"\\u00e9\\u20AC\\uD83D\\ude00\",\"a\\u0041b\",\"\"]"),
	    CS_OK);
	assert_view_equal(json_text(&doc, 1), "\"\\/\b\f\n\r\t");
	assert_view_equal(json_text(&doc, 2), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_view_equal(json_text(&doc, 3), "aAb");
	assert_view_equal(json_text(&doc, 4), "");
}

/*
 * The fast way through text stops where the plain one would: every byte at every place of every
 * length.
 */
static void
plain_run_ends_at_the_first_special_byte(void **state)
{
	uint8_t run[40];

	(void)state;
	memset(run, 'x', sizeof(run));
	for (size_t len = 0; len <= sizeof(run); len++) {
		uint8_t *p = run + sizeof(run) - len;

		assert_int_equal(ascii_plain(p, len), len);
		for (size_t at = 0; at < len; at++) {
			for (int c = 0; c < 256; c++) {
				bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

				p[at] = (uint8_t)c;
				if (ascii_plain(p, len) != (plain ? len : at))
					fail_msg("byte %02x at %zu of %zu", c, at, len);
				p[at] = 'x';
			}
		}
	}
}

static void
faults_are_refused_with_place_and_reason(void **state)
{
	static const struct {
		const char *text;
		uint32_t offset;
		const char *reason;
	} cases[] = {
	    {"", 0, "text ends too early"},
	    {"  ", 2, "text ends too early"},
	    {"[1", 2, "a comma or closing bracket is expected"},
	    {"[1,]", 3, "a value is expected"},
	    {"{\"a\"}", 4, "a colon is expected"},
	    {"{\"a\":1,}", 7, "a member's name is expected"},
	    {"{\"a\":1 \"b\":2}", 7, "a comma or closing brace is expected"},
	    {"{\"a\":1,\"b\":2,\"a\":3}", 13, "duplicate member"},
	    {"{\"a\":{},\"\\u0061\":3}", 8, "duplicate member"},
	    {"\"\xff\"", 1, "invalid UTF-8"},
	    {"\"\xc0\xaf\"", 1, "invalid UTF-8"},
	    {"\"\xe0\x80\xaf\"", 1, "invalid UTF-8"},
	    {"\"\xf0\x80\x80\xaf\"", 1, "invalid UTF-8"},
	    {"\"\xed\xa0\x80\"", 1, "invalid UTF-8"},
	    {"\"\xf4\x90\x80\x80\"", 1, "invalid UTF-8"},
	    {"\"a\tb\"", 2, "control character in a string"},
	    {"\"\\u0000\"", 2, "\\u0000 is not allowed"},
	    {"\"\\udc00\"", 7, "lone surrogate"},
	    {"\"\\ud800\"", 7, "lone surrogate"},
	    {"\"\\ud800\\u0041\"", 7, "lone surrogate"},
	    {"\"\\u12g4\"", 2, "\\u needs four hexadecimal digits"},
	    {"\"\\x\"", 2, "unknown escape"},
	    {"\"a", 2, "string does not end"},
	    {"\"a\\", 3, "string does not end"},
	    {"tru", 0, "unknown word"},
	    {"truth", 0, "unknown word"},
	    {"'a'", 0, "a value is expected"},
	    {"01", 0, "leading zero"},
	    {"-01", 0, "leading zero"},
	    {"-", 0, "malformed number"},
	    {"1.", 0, "malformed number"},
	    {"1e+", 0, "malformed number"},
	    {"1 2", 2, "bytes after the end"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (read_text(cases[i].text) != CS_ERR_SYNTAX)
			fail_msg("accepted: %s", cases[i].text);
		assert_string_equal(error.reason, cases[i].reason);
		if (error.offset != cases[i].offset)
			fail_msg("%s: at %u, not %u", cases[i].text, error.offset, cases[i].offset);
	}
}

static void
numbers_beyond_a_double_are_refused(void **state)
{
	static const struct {
		const char *text;
		enum cs_err rc;
	} cases[] = {
	    {"1.7976931348623157e308", CS_OK},
	    {"-17976931348623157e292", CS_OK},
	    {"1.79769313486231571e308", CS_ERR_SYNTAX},
	    {"1.8e308", CS_ERR_SYNTAX},
	    {"0.00018e312", CS_ERR_SYNTAX},
	    {"0.00017e312", CS_OK},
	    {"1e309", CS_ERR_SYNTAX},
	    {"1e99999999999999999999999", CS_ERR_SYNTAX},
	    {"0e99999999999999999999999", CS_OK},
	    {"5e-324", CS_OK},
	    {"1e-325", CS_ERR_SYNTAX},
	    {"1e-99999999999999999999999", CS_ERR_SYNTAX},
	    {"123456789012345678901234567890", CS_OK},
	};
	char long_number[400];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (read_text(cases[i].text) != cases[i].rc)
			fail_msg("wrongly judged: %s", cases[i].text);
	memset(long_number, '9', sizeof(long_number));
	assert_int_equal(read_view(view_of(long_number, 308)), CS_OK);
	assert_int_equal(read_view(view_of(long_number, 309)), CS_ERR_SYNTAX);
	assert_string_equal(error.reason, "number out of range");
}

static void
integers_are_exact_or_refused(void **state)
{
	static const struct {
		const char *text;
		enum cs_err rc;
		int64_t value;
	} cases[] = {
	    {"0", CS_OK, 0},
	    {"-1", CS_OK, -1},
	    {"9223372036854775807", CS_OK, INT64_MAX},
	    {"-9223372036854775808", CS_OK, INT64_MIN},
	    {"9223372036854775808", CS_ERR_RANGE, 55},
	    {"-9223372036854775809", CS_ERR_RANGE, 55},
	    {"99999999999999999999", CS_ERR_RANGE, 55},
	    {"-0", CS_ERR_RANGE, 55},
	    {"1.0", CS_ERR_SYNTAX, 55},
	    {"1e3", CS_ERR_SYNTAX, 55},
	    {"\"1\"", CS_ERR_SYNTAX, 55},
	    {"true", CS_ERR_SYNTAX, 55},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t value = 55;

		assert_int_equal(read_text(cases[i].text), CS_OK);
		assert_int_equal(json_int(&doc, 0, &value), cases[i].rc);
		assert_int_equal(value, cases[i].value);
	}
}

static void
bounds_are_kept(void **state)
{
	static char deep[2 * JSON_DEPTH_MAX + 2], wide[2 * JSON_TOKENS_MAX + 2];
	struct json before = {NULL, NULL, 77};

	(void)state;
	memset(deep, '[', JSON_DEPTH_MAX);
	memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	assert_int_equal(read_view(view_of(deep, 2 * JSON_DEPTH_MAX)), CS_OK);
	memset(deep, '[', JSON_DEPTH_MAX + 1);
	memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	doc = before;
	assert_int_equal(read_view(view_of(deep, 2 * JSON_DEPTH_MAX + 2)), CS_ERR_FULL);
	assert_string_equal(error.reason, "nested too deeply");
	assert_int_equal(doc.count, 77);

	for (size_t i = 0; i < sizeof(wide); i++)
		wide[i] = i % 2 == 0 ? '1' : ',';
	wide[0] = '[';
	wide[1] = ' ';
	wide[2 * (JSON_TOKENS_MAX - 1) + 1] = ']';
	assert_int_equal(read_view(view_of(wide, 2 * JSON_TOKENS_MAX)), CS_OK);
	assert_int_equal(doc.tokens[0].count, JSON_TOKENS_MAX - 1);
	wide[2 * (JSON_TOKENS_MAX - 1) + 1] = ',';
	wide[2 * JSON_TOKENS_MAX + 1] = ']';
	assert_int_equal(read_view(view_of(wide, sizeof(wide))), CS_ERR_FULL);
	assert_string_equal(error.reason, "too many values");

	memset(text, ' ', sizeof(text));
	text[0] = '1';
	assert_int_equal(json_read(text, JSON_TEXT_MAX, tokens, 1, &doc, NULL), CS_OK);
	assert_int_equal(json_read(text, JSON_TEXT_MAX + 1, tokens, 1, &doc, NULL), CS_ERR_FULL);
	assert_int_equal(json_read(text, 1, tokens, 0, &doc, NULL), CS_ERR_FULL);
}

/* More names than there are hashes: each is found, and each repetition is seen. */
static void
many_members_are_told_apart(void **state)
{
	static char many[32 * 1024];
	size_t n = 0;
	char name[32];

	(void)state;
	for (int i = 0; i < 900; i++)
		n += (size_t)snprintf(many + n, sizeof(many) - n, "%c\"n%03dx\":%d",
		    i == 0 ? '{' : ',', i, i);
	many[n] = '}';
	assert_int_equal(read_view(view_of(many, n + 1)), CS_OK);
	for (int i = 0; i < 900; i++) {
		int64_t value = -1;
		size_t len = (size_t)snprintf(name, sizeof(name), "n%03dx", i);
		uint32_t at = json_get(&doc, 0, view_of(name, len));

		assert_int_not_equal(at, 0);
		assert_int_equal(json_int(&doc, at, &value), CS_OK);
		assert_int_equal(value, i);
	}
	for (int i = 0; i < 900; i += 37) {
		int len = snprintf(many + n, sizeof(many) - n, ",\"n%03dx\":0}", i);

		assert_int_equal(read_view(view_of(many, n + (size_t)len)), CS_ERR_SYNTAX);
		assert_string_equal(error.reason, "duplicate member");
	}
}

struct bound {
	struct view text, id;
	int64_t number;
	bool flag;
	uint32_t object, array, any;
};

static const struct json_field fields[] = {
	{"text", JSON_F_STRING, false, offsetof(struct bound, text), 2, 4},
	{"id", JSON_F_ID, true, offsetof(struct bound, id), 1, 4},
	{"number", JSON_F_INT, false, offsetof(struct bound, number), 1, 10},
	{"flag", JSON_F_BOOL, false, offsetof(struct bound, flag), 0, 0},
	{"object", JSON_F_OBJECT, false, offsetof(struct bound, object), 0, 0},
	{"array", JSON_F_ARRAY, false, offsetof(struct bound, array), 0, 2},
	{"any", JSON_F_ANY, false, offsetof(struct bound, any), 0, 0},
	{.name = NULL},
};

static void
table_fills_the_struct_in_any_order(void **state)
{
	struct bound b = {.number = 0};
	struct json_problem problem;

	(void)state;
	assert_int_equal(
	    read_text("{\"any\":[null],\"array\":[1,2],\"object\":{},\"flag\":true,\"number\":10,"
		      "\"id\":\"x\",\"text\":\"abcd\"}"),
	    CS_OK);
	assert_int_equal(json_bind(&doc, 0, fields, false, &b, &problem), CS_OK);
	assert_view_equal(b.text, "abcd");
	assert_view_equal(b.id, "x");
	assert_int_equal(b.number, 10);
	assert_true(b.flag);
	assert_int_equal(json_type(&doc, b.object), JSON_OBJECT);
	assert_int_equal(doc.tokens[b.array].count, 2);
	assert_int_equal(json_type(&doc, b.any), JSON_ARRAY);
}

static void
null_is_absent_and_lax_lets_unknown_members_by(void **state)
{
	struct bound b = {.number = 0};
	struct json_problem problem;

	(void)state;
	assert_int_equal(
	    read_text("{\"new\":{\"id\":7},\"id\":\"x\",\"number\":null,\"any\":null}"), CS_OK);
	assert_int_equal(json_bind(&doc, 0, fields, true, &b, &problem), CS_OK);
	assert_int_equal(b.number, 0);
	assert_int_equal(b.any, 0);
	assert_int_equal(json_bind(&doc, 0, fields, false, &b, &problem), CS_ERR_SYNTAX);
	assert_null(problem.field);
	assert_view_equal(problem.member, "new");
	assert_string_equal(problem.reason, "is unknown");
}

static void
table_names_the_field_and_the_reason(void **state)
{
	static const struct {
		const char *text, *field, *reason;
	} cases[] = {
	    {"{}", "id", "is missing"},
	    {"{\"id\":null}", "id", "is missing"},
	    {"{\"id\":7}", "id", "must be a string"},
	    {"{\"id\":\"\"}", "id", "must not be empty"},
	    {"{\"id\":\"abcde\"}", "id", "is too long"},
	    {"{\"id\":\"a\\n\"}", "id", "contains control characters"},
	    {"{\"id\":\"a\x7f\"}", "id", "contains control characters"},
	    {"{\"id\":\"\xe2\x80\xae\"}", "id", "contains control characters"},
	    {"{\"text\":\"a\"}", "text", "is too short"},
	    {"{\"text\":\"abcde\"}", "text", "is too long"},
	    {"{\"number\":\"7\"}", "number", "must be an integer"},
	    {"{\"number\":1e0}", "number", "must be an integer"},
	    {"{\"number\":0}", "number", "is out of range"},
	    {"{\"number\":11}", "number", "is out of range"},
	    {"{\"number\":9223372036854775808}", "number", "is out of range"},
	    {"{\"flag\":1}", "flag", "must be true or false"},
	    {"{\"object\":[]}", "object", "must be an object"},
	    {"{\"array\":{}}", "array", "must be an array"},
	    {"{\"array\":[1,2,3]}", "array", "is too long"},
	    {"[]", NULL, "must be an object"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bound b = {.number = 0};
		struct json_problem problem;

		assert_int_equal(read_text(cases[i].text), CS_OK);
		assert_int_equal(json_bind(&doc, 0, fields, false, &b, &problem), CS_ERR_SYNTAX);
		assert_string_equal(problem.reason, cases[i].reason);
		if (cases[i].field == NULL)
			assert_null(problem.field);
		else
			assert_string_equal(problem.field, cases[i].field);
	}
}

static void
writer_puts_commas_and_escapes(void **state)
{
	char mem[512];
	struct buf out = buf_over(mem, sizeof(mem));
	struct json_writer w = json_to(&out);

	(void)state;
	json_object_begin(&w);
	json_member_str(&w, "s", VIEW("\"\\\b\f\n\r\t\x01\x1f\x7f/"));
	json_member_str(&w, "absent", view_of(NULL, 0));
	json_member_str(&w, "empty", VIEW(""));
	json_key(&w, VIEW("a\""));
	json_array_begin(&w);
	json_put_int(&w, INT64_MIN);
	json_put_int(&w, 0);
	json_put_null(&w);
	json_put_bool(&w, false);
	json_put_str(&w, VIEW("\xc3\xa9\xff\xe2\x82"));
	json_put_raw(&w, VIEW("{}"));
	json_array_end(&w);
	json_member_bool(&w, "b", true);
	json_object_end(&w);
	assert_view_equal(buf_view(&out),
	    "{\"s\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f/\",\"empty\":\"\","
	    "\"a\\\"\":[-9223372036854775808,0,null,false,"
	    "\"\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",{}],\"b\":true}");
}

static void
copy_keeps_the_value(void **state)
{
	static const char original[] =
	    "{\"k\\\"\":[1e3,-0,{\"\":\"\\u0001x\xc3\xa9\"},[],{}],\"z\":null,\"y\":[true,false]}";
	char mem[512];
	struct buf out = buf_over(mem, sizeof(mem));
	struct json_writer w = json_to(&out);

	(void)state;
	assert_int_equal(read_text(original), CS_OK);
	json_put_copy(&w, &doc, 0);
	assert_view_equal(buf_view(&out),
	    "{\"k\\\"\":[1e3,-0,{\"\":\"\\u0001x\xc3\xa9\"},[],{}],\"z\":null,\"y\":[true,false]}");
}

static void
printable_text_cannot_disorder_a_line(void **state)
{
	static const char *const no[] = {"a\n", "\x1b[0m", "\x7f", "\xc2\x80", "\xc2\x9f",
	    "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xae", "\xe2\x80\x8f", "\xe2\x81\xa6",
	    "\xd8\x9c", "\xff"};

	(void)state;
	assert_true(json_printable(VIEW("")));
	assert_true(json_printable(VIEW("Corner Shop \xe5\xba\x97 \xf0\x9f\x98\x80")));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_false(json_printable(view_str(no[i])));
	assert_true(json_utf8(VIEW("a\n\xe2\x80\xa8")));
	assert_false(json_utf8(VIEW("\xe2\x80")));
}

/* Texts of RFC 8259 that I-JSON or our bounds refuse, with the reason that must be given. */
static const struct {
	const char *file, *reason;
} stricter[] = {
	{"y_object_duplicated_key.json", "duplicate member"},
	{"y_object_duplicated_key_and_value.json", "duplicate member"},
	{"y_object_escaped_null_in_key.json", "\\u0000 is not allowed"},
	{"y_string_null_escape.json", "\\u0000 is not allowed"},
};

static const char *
stricter_reason(const char *file)
{
	for (size_t i = 0; i < sizeof(stricter) / sizeof(stricter[0]); i++)
		if (strcmp(stricter[i].file, file) == 0)
			return stricter[i].reason;
	return NULL;
}

static void
vector_check(const char *dir, const char *file)
{
	const char *reason = stricter_reason(file);
	char path[PATH_TEXT_MAX];
	FILE *f;
	size_t n;
	enum cs_err rc;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text), f);
	assert_true(n < sizeof(text));
	fclose(f);
	rc = json_read(text, n, tokens, JSON_TOKENS_MAX, &doc, &error);
	if (file[0] == 'n' && rc == CS_OK)
		fail_msg("%s: accepted", file);
	if (file[0] == 'y' && reason == NULL && rc != CS_OK)
		fail_msg("%s: refused: %s", file, error.reason);
	if (reason != NULL) {
		assert_int_not_equal(rc, CS_OK);
		assert_string_equal(error.reason, reason);
	}
}

static void
published_vectors_are_judged_alike(void **state)
{
	const char *vectors = getenv("CS_VECTORS");
	char dir[PATH_TEXT_MAX / 2];
	unsigned count = 0;
	struct dirent *entry;
	DIR *d;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/json-parsing/test_parsing", vectors == NULL ? "" : vectors);
	d = opendir(dir);
	if (d == NULL) {
		printf("skip: vectors absent: JSONTestSuite in %s; set CS_VECTORS\n", dir);
		skip();
	}
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] != '.' && entry->d_name[1] == '_') {
			vector_check(dir, entry->d_name);
			count++;
		}
	}
	closedir(d);
	assert_true(count > 300);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tokens_are_flat_and_skip_what_they_contain),
	    cmocka_unit_test(strings_are_unescaped_in_place),
	    cmocka_unit_test(plain_run_ends_at_the_first_special_byte),
	    cmocka_unit_test(faults_are_refused_with_place_and_reason),
	    cmocka_unit_test(numbers_beyond_a_double_are_refused),
	    cmocka_unit_test(integers_are_exact_or_refused),
	    cmocka_unit_test(bounds_are_kept),
	    cmocka_unit_test(many_members_are_told_apart),
	    cmocka_unit_test(table_fills_the_struct_in_any_order),
	    cmocka_unit_test(null_is_absent_and_lax_lets_unknown_members_by),
	    cmocka_unit_test(table_names_the_field_and_the_reason),
	    cmocka_unit_test(writer_puts_commas_and_escapes),
	    cmocka_unit_test(copy_keeps_the_value),
	    cmocka_unit_test(printable_text_cannot_disorder_a_line),
	    cmocka_unit_test(published_vectors_are_judged_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
