/* SPDX-License-Identifier: Apache-2.0 */
/* The notify plugin webhook: what is posted, how it is signed, and what counts as delivered. */
#include <stdio.h>

#include "tests/unit/plugin_host.h"
#include "tests/unit/unit.h"

static const char document[] = "{\"outcome\":\"permit\"}";

/* What the receiver was sent, and what it is to answer. */
static struct {
	char url[128], type[64], body[128], headers[256];
	int status, result;
} receiver;

static void
keep(char *to, size_t size, struct countersign_view v)
{
	snprintf(to, size, "%.*s", (int)v.len, v.data == NULL ? "" : v.data);
}

static int
receive(struct fake_host *h, const struct countersign_http_request *request, struct countersign_http_response *response)
{
	size_t len = 0;

	(void)h;
	keep(receiver.url, sizeof(receiver.url), request->url);
	keep(receiver.type, sizeof(receiver.type), request->content_type);
	keep(receiver.body, sizeof(receiver.body), request->body);
	receiver.headers[0] = '\0';
	for (size_t i = 0; i < request->headers_count; i++) {
		const struct countersign_header *each = &request->headers[i];

		if (each->value.len > 0)
			len += (size_t)snprintf(receiver.headers + len, sizeof(receiver.headers) - len, "%.*s: %.*s\n",
			    (int)each->name.len, each->name.data, (int)each->value.len, each->value.data);
	}
	response->status = receiver.status;
	return receiver.result;
}

static int
deliver(const struct fake_setting *settings)
{
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();
	char request[16] = "";
	struct countersign_deliver in = {.size = sizeof(in), .call = {.now_ms = INT64_C(1800000000999)}};
	struct countersign_delivery out = {.size = sizeof(out), .request = {request, sizeof(request), 0}};
	struct fake_host host;
	void *instance;
	int rc;

	fake_host_init(&host, plugin, settings);
	host.answer = receive;
	assert_int_equal(plugin->init(&host.table, &instance), COUNTERSIGN_OK);
	in.call.request = countersign_view_of("r1");
	in.id = countersign_view_of("msg-1");
	in.document = countersign_view_of(document);
	rc = plugin->notify->deliver(instance, &in, &out);
	assert_int_equal(out.request.len, rc == COUNTERSIGN_OK ? 2 : 0);
	assert_int_equal(host.fetches, 1);
	plugin->fini(instance);
	fake_host_clear(&host);
	return rc;
}

static const struct fake_setting plain[] = {{"url", "https://shop.example/hook"}, {NULL, NULL}};
static const struct fake_setting with_secret[] = {
    {"url", "https://shop.example/hook"}, {"secret", "0123456789abcdef01234567"}, {NULL, NULL}};

static void
test_posts_the_document(void **state)
{
	(void)state;
	receiver.status = 204;
	receiver.result = COUNTERSIGN_OK;
	assert_int_equal(deliver(plain), COUNTERSIGN_OK);
	assert_string_equal(receiver.url, "https://shop.example/hook");
	assert_string_equal(receiver.type, "application/json");
	assert_string_equal(receiver.body, document);
	assert_string_equal(receiver.headers, "webhook-id: msg-1\nwebhook-timestamp: 1800000000\n");
}

/* The signature was computed with another library, over "msg-1.1800000000." and the document. */
static void
test_signs_where_there_is_a_secret(void **state)
{
	(void)state;
	receiver.status = 200;
	receiver.result = COUNTERSIGN_OK;
	assert_int_equal(deliver(with_secret), COUNTERSIGN_OK);
	assert_string_equal(receiver.headers, "webhook-id: msg-1\nwebhook-timestamp: 1800000000\n"
	    "webhook-signature: v1,jrd11kPnK7uRG2/rvjJLCn+gZXJtieBKXOCEPZJNdfg=\n");
}

static void
test_only_2xx_is_delivered(void **state)
{
	static const int statuses[] = {100, 199, 301, 307, 400, 404, 410, 500, 503};

	(void)state;
	receiver.result = COUNTERSIGN_OK;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		receiver.status = statuses[i];
		assert_int_equal(deliver(plain), COUNTERSIGN_UNREACHABLE);
	}
	receiver.result = COUNTERSIGN_TOO_LATE;
	assert_int_equal(deliver(plain), COUNTERSIGN_TOO_LATE);
}

static void
test_a_short_secret_is_refused(void **state)
{
	const struct fake_setting settings[] = {{"url", "https://a.example/"}, {"secret", "too short"}, {NULL, NULL}};
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();
	struct fake_host host;
	void *instance;

	(void)state;
	fake_host_init(&host, plugin, settings);
	assert_int_equal(plugin->init(&host.table, &instance), COUNTERSIGN_INVALID);
	assert_non_null(strstr(host.log, "24 to 64 bytes"));
	assert_null(strstr(host.log, "too short"));
}

static void
test_self_test_passes(void **state)
{
	(void)state;
	assert_int_equal(countersign_plugin_v1()->self_test(NULL), COUNTERSIGN_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_posts_the_document),
		cmocka_unit_test(test_signs_where_there_is_a_secret),
		cmocka_unit_test(test_only_2xx_is_delivered),
		cmocka_unit_test(test_a_short_secret_is_refused),
		cmocka_unit_test(test_self_test_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
