/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, the two envelopes, and what the writer makes of them. */
#include "tests/unit/unit.h"

#include <string.h>

#include "broker/base/varlink.h"

static char text[VARLINK_MESSAGE_MAX + 16];
static struct json_token tokens[256];
static struct json doc;
static struct json_error error;

static enum cs_err
call_read(const char *message, struct varlink_call *call)
{
	size_t len = strlen(message);

	memcpy(text, message, len);
	return varlink_read_call(text, len, tokens, 256, &doc, call, &error);
}

static enum cs_err
reply_read(const char *message, struct varlink_reply *reply)
{
	size_t len = strlen(message);

	memcpy(text, message, len);
	return varlink_read_reply(text, len, tokens, 256, &doc, reply, &error);
}

static void
frame_ends_at_the_first_nul(void **state)
{
	size_t scanned = 0, len = 99;

	(void)state;
	assert_int_equal(varlink_frame("{}\0{}", 5, &scanned, &len), CS_OK);
	assert_int_equal(len, 2);
	len = 99;
	assert_int_equal(varlink_frame("{}", 2, &scanned, &len), CS_ERR_NOT_FOUND);
	assert_int_equal(scanned, 2);
	assert_int_equal(len, 99);
	assert_int_equal(varlink_frame("{} \0", 4, &scanned, &len), CS_OK);
	assert_int_equal(len, 3);
	assert_int_equal(scanned, 0);
	assert_int_equal(varlink_frame("", 0, NULL, &len), CS_ERR_NOT_FOUND);
}

static void
frame_has_a_greatest_length(void **state)
{
	size_t scanned = 0, len = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(
	    varlink_frame(text, VARLINK_MESSAGE_MAX, &scanned, &len), CS_ERR_NOT_FOUND);
	assert_int_equal(
	    varlink_frame(text, VARLINK_MESSAGE_MAX + 1, &scanned, &len), CS_ERR_FULL);
	text[VARLINK_MESSAGE_MAX + 1] = '\0';
	scanned = 0;
	assert_int_equal(varlink_frame(text, sizeof(text), &scanned, &len), CS_ERR_FULL);
	text[VARLINK_MESSAGE_MAX] = '\0';
	assert_int_equal(varlink_frame(text, sizeof(text), &scanned, &len), CS_OK);
	assert_int_equal(len, VARLINK_MESSAGE_MAX);
}

static void
call_is_read(void **state)
{
	struct varlink_call call;

	(void)state;
	assert_int_equal(call_read("{\"method\":\"a.b.C\"}", &call), CS_OK);
	assert_view_equal(call.method, "a.b.C");
	assert_int_equal(call.parameters, 0);
	assert_false(call.more || call.oneway || call.upgrade);
	assert_int_equal(
	    call_read("{\"parameters\":{\"x\":7},\"more\":true,\"method\":\"a.b.C\"}", &call),
	    CS_OK);
	assert_true(call.more);
	assert_view_equal(json_text(&doc, json_get(&doc, call.parameters, VIEW("x"))), "7");
}

static void
call_that_is_none_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *message, *reason;
	} cases[] = {
	    {"", "text ends too early"},
	    {"[]", "a message must be an object"},
	    {"{}", "method must be a name"},
	    {"{\"method\":7}", "method must be a name"},
	    {"{\"method\":\"\"}", "method must be a name"},
	    {"{\"method\":\"a.B\",\"parameters\":[]}", "parameters must be an object"},
	    {"{\"method\":\"a.B\",\"more\":1}", "more must be true or false"},
	    {"{\"method\":\"a.B\",\"Method\":\"a.C\"}", "unknown member"},
	    {"{\"method\":\"a.B\",\"method\":\"a.C\"}", "duplicate member"},
	    {"{\"method\":\"a.B\"}{}", "bytes after the end"},
	};
	struct varlink_call call = {.parameters = 77};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(call_read(cases[i].message, &call), CS_ERR_SYNTAX);
		assert_string_equal(error.reason, cases[i].reason);
		assert_int_equal(call.parameters, 77);
	}
}

static void
reply_is_read(void **state)
{
	struct varlink_reply reply;

	(void)state;
	assert_int_equal(reply_read("{}", &reply), CS_OK);
	assert_int_equal(reply.error.len, 0);
	assert_int_equal(
	    reply_read("{\"error\":\"a.b.E\",\"parameters\":{\"f\":null}}", &reply), CS_OK);
	assert_view_equal(reply.error, "a.b.E");
	assert_int_not_equal(reply.parameters, 0);
	assert_int_equal(reply_read("{\"continues\":true}", &reply), CS_OK);
	assert_true(reply.continues);
	assert_int_equal(reply_read("{\"method\":\"a.B\"}", &reply), CS_ERR_SYNTAX);
}

static void
messages_are_written_whole(void **state)
{
	struct buf out = buf_over(text, sizeof(text));
	struct json_writer w = varlink_call_begin(&out, VIEW("a.b.C"), true);

	(void)state;
	json_member_str(&w, "x", VIEW("\""));
	varlink_end(&w);
	w = varlink_reply_begin(&out, false);
	varlink_end(&w);
	w = varlink_reply_begin(&out, true);
	json_member_int(&w, "n", -1);
	varlink_end(&w);
	w = varlink_error_begin(&out, VIEW("a.b.E"));
	json_member_bool(&w, "b", true);
	varlink_end(&w);
	assert_view_equal(buf_view(&out),
	    "{\"method\":\"a.b.C\",\"more\":true,\"parameters\":{\"x\":\"\\\"\"}}\0"
	    "{\"parameters\":{}}\0"
	    "{\"continues\":true,\"parameters\":{\"n\":-1}}\0"
	    "{\"error\":\"a.b.E\",\"parameters\":{\"b\":true}}\0");
}

static void
method_splits_at_its_last_dot(void **state)
{
	struct view interface, member;

	(void)state;
	assert_true(varlink_split(VIEW("org.x.Pay.Go"), &interface, &member));
	assert_view_equal(interface, "org.x.Pay");
	assert_view_equal(member, "Go");
	assert_false(varlink_split(VIEW("Go"), &interface, &member));
	assert_false(varlink_split(VIEW(".Go"), &interface, &member));
	assert_false(varlink_split(VIEW("org."), &interface, &member));
	assert_false(varlink_split(VIEW(""), &interface, &member));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frame_ends_at_the_first_nul),
	    cmocka_unit_test(frame_has_a_greatest_length),
	    cmocka_unit_test(call_is_read),
	    cmocka_unit_test(call_that_is_none_is_refused_with_its_reason),
	    cmocka_unit_test(reply_is_read),
	    cmocka_unit_test(messages_are_written_whole),
	    cmocka_unit_test(method_splits_at_its_last_dot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
