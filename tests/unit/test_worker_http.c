/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker's host refuses to send for a plugin, whatever the plugin says. Nothing listens where these requests go: one
 * that is sent is unreachable, one that is refused is invalid.
 */
#include "broker/worker/http.h"
#include "tests/unit/unit.h"

enum { TIMEOUT_MS = 5000 };

#define ORIGIN "https://127.0.0.1:1"

static struct http *
http_make(void)
{
	static const char *const origins[] = {ORIGIN};
	static const struct settings settings = {.count = 1, .items = {{.name = SETTINGS_ALLOW_URL, .count = 1, .values = origins}}};
	static const struct countersign_plugin_v1 plugin = {.size = sizeof(plugin)};
	char problem[SETTINGS_PROBLEM_MAX];
	struct http *http = NULL;

	assert_int_equal(http_new(&settings, &plugin, &http, problem), CS_OK);
	return http;
}

static int
ask_with(const struct countersign_header *headers, size_t n)
{
	char body[64];
	struct countersign_http_response response = {.size = sizeof(response), .body = {body, 0, sizeof(body)}};
	struct countersign_http_request request = {.size = sizeof(request),
	    .url = {ORIGIN "/", sizeof(ORIGIN "/") - 1}, .headers = headers, .headers_count = n};
	struct http *http = http_make();
	int rc = http_perform(http, &request, TIMEOUT_MS, &response);

	http_free(http);
	return rc;
}

static int
ask(const char *name, const char *value)
{
	const struct countersign_header header = {{name, strlen(name)}, {value, strlen(value)}};

	return ask_with(&header, 1);
}

static void
test_names_that_may_be_sent(void **state)
{
	static const char *const names[] = {"webhook-id", "Webhook-Signature", "WEBHOOK-TIMESTAMP", "x-a", "X-Request-Id",
	    "x-0123456789-0123456789-0123456789-0123456789-0123456789-0123456"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (ask(names[i], "1") != COUNTERSIGN_UNREACHABLE)
			fail_msg("%s was refused", names[i]);
	assert_int_equal(ask_with(NULL, 0), COUNTERSIGN_UNREACHABLE);
}

static void
test_names_that_are_refused(void **state)
{
	/* What a server, a proxy or libcurl gives a meaning of its own to; what is no name; what only begins like one. */
	static const char *const names[] = {"Host", "Content-Length", "Transfer-Encoding", "Connection", "Cookie", "Upgrade",
	    "Proxy-Authorization", "Authorization", "Content-Type", "Expect", "Forwarded", "Via", "User-Agent", "webhook-",
	    "x-", "webhook", "xx", "", "y-webhook-id", " x-a", "x a", "x-a ", "x-a:", "x-a: 1\r\nHost", "x-a\n", "x-\xc3\xa9",
	    "x-_", "x-0123456789-0123456789-0123456789-0123456789-0123456789-01234567"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (ask(names[i], "1") != COUNTERSIGN_INVALID)
			fail_msg("\"%s\" was not refused", names[i]);
}

/* A refused one stops the request, wherever it stands. */
static void
test_one_refused_name_among_good_ones(void **state)
{
	const struct countersign_header headers[] = {{{"x-a", 3}, {"1", 1}}, {{"Host", 4}, {"evil.test", 9}}, {{"x-b", 3}, {"1", 1}}};

	(void)state;
	assert_int_equal(ask_with(headers, 3), COUNTERSIGN_INVALID);
	assert_int_equal(ask_with(headers, 1), COUNTERSIGN_UNREACHABLE);
}

static void
test_values_that_break_a_header(void **state)
{
	(void)state;
	assert_int_equal(ask("x-a", "1\r\nHost: evil.test"), COUNTERSIGN_INVALID);
	assert_int_equal(ask("x-a", "\x7f"), COUNTERSIGN_INVALID);
	assert_int_equal(ask("x-a", "\t"), COUNTERSIGN_INVALID);
	assert_int_equal(ask("x-a", ""), COUNTERSIGN_UNREACHABLE);
}

static void
test_more_headers_than_there_may_be(void **state)
{
	struct countersign_header headers[COUNTERSIGN_HEADERS_MAX + 1];

	(void)state;
	for (size_t i = 0; i <= COUNTERSIGN_HEADERS_MAX; i++)
		headers[i] = (struct countersign_header){{"x-a", 3}, {"1", 1}};
	assert_int_equal(ask_with(headers, COUNTERSIGN_HEADERS_MAX), COUNTERSIGN_UNREACHABLE);
	assert_int_equal(ask_with(headers, COUNTERSIGN_HEADERS_MAX + 1), COUNTERSIGN_INVALID);
}

/* A plugin that was built before there were such headers: what lies behind its request is not read. */
static void
test_an_older_request_has_none(void **state)
{
	const struct countersign_header header = {{"Host", 4}, {"evil.test", 9}};
	struct countersign_http_response response = {.size = sizeof(response)};
	struct countersign_http_request request = {.size = offsetof(struct countersign_http_request, headers),
	    .url = {ORIGIN "/", sizeof(ORIGIN "/") - 1}, .headers = &header, .headers_count = 1};
	struct http *http = http_make();

	(void)state;
	assert_int_equal(http_perform(http, &request, TIMEOUT_MS, &response), COUNTERSIGN_UNREACHABLE);
	http_free(http);
}

static int
ask_by(const char *method, const char *body, uint32_t shows_certificate)
{
	struct countersign_http_response response = {.size = sizeof(response)};
	struct countersign_http_request request = {.size = sizeof(request), .url = {ORIGIN "/", sizeof(ORIGIN "/") - 1},
	    .body = countersign_view_of(body), .method = countersign_view_of(method), .shows_certificate = shows_certificate};
	struct http *http = http_make();
	int rc = http_perform(http, &request, TIMEOUT_MS, &response);

	/* One that was built before there was such a member asks for nothing by it. */
	request.size = offsetof(struct countersign_http_request, method);
	assert_int_equal(http_perform(http, &request, TIMEOUT_MS, &response), COUNTERSIGN_UNREACHABLE);
	http_free(http);
	return rc;
}

static void
test_methods(void **state)
{
	static const char *const sent[] = {"POST", "PUT", "PATCH", "DELETE"};
	static const char *const refused[] = {"get", "HEAD", "CONNECT", "TRACE", "OPTIONS", "POST ", "GET / HTTP/1.1\r\nHost: x"};

	(void)state;
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		assert_int_equal(ask_by(sent[i], NULL, 0), COUNTERSIGN_UNREACHABLE);
		assert_int_equal(ask_by(sent[i], "a", 0), COUNTERSIGN_UNREACHABLE);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(ask_by(refused[i], NULL, 0), COUNTERSIGN_INVALID);
	assert_int_equal(ask_by("GET", NULL, 0), COUNTERSIGN_UNREACHABLE);
	assert_int_equal(ask_by("GET", "a", 0), COUNTERSIGN_INVALID);
}

/* It must not go out without, and be taken for somebody who has none. */
static void
test_a_certificate_that_is_not_there(void **state)
{
	(void)state;
	assert_int_equal(ask_by("GET", NULL, 1), COUNTERSIGN_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names_that_may_be_sent),
	    cmocka_unit_test(test_names_that_are_refused),
	    cmocka_unit_test(test_one_refused_name_among_good_ones),
	    cmocka_unit_test(test_values_that_break_a_header),
	    cmocka_unit_test(test_more_headers_than_there_may_be),
	    cmocka_unit_test(test_an_older_request_has_none),
	    cmocka_unit_test(test_methods),
	    cmocka_unit_test(test_a_certificate_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
