/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP reader against what proxies, scanners and attackers send. Everything in `torture` is
 * something that a well-known server accepts or hangs on, and that two servers in a row may read as
 * two different requests.
 */
#include "tests/unit/unit.h"

#include "broker/gateway/http.h"

#define HOST "Host: a\r\n"

static const struct {
	const char *name;
	struct view bytes;
	unsigned status; /* 0: more is wanted; 200: a request */
} torture[] = {
    {"plain", VIEW("GET / HTTP/1.1\r\n" HOST "\r\n"), 200},
    {"body", VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"), 200},
    {"empty value", VIEW("GET / HTTP/1.1\r\n" HOST "X-A:\r\n\r\n"), 200},
    {"white space round a value", VIEW("GET / HTTP/1.1\r\n" HOST "X-A: \t b \t\r\n\r\n"), 200},
    {"length with length zeros", VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length: 003\r\n\r\nabc"),
	200},
    {"head cut", VIEW("GET / HTTP/1.1\r\nHo"), 0},
    {"cut within CRLF", VIEW("GET / HTTP/1.1\r"), 0},
    {"body cut", VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab"), 0},
    {"length and chunked",
	VIEW("POST / HTTP/1.1\r\n" HOST
	     "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	400},
    {"chunked", VIEW("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	400},
    {"gzip, chunked", VIEW("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"),
	400},
    {"unknown coding", VIEW("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xyz\r\n\r\n"), 400},
    {"identity", VIEW("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n"), 400},
    {"two lengths",
	VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"), 400},
    {"two equal lengths",
	VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"), 400},
    {"length list", VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc"), 400},
    {"length with plus", VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\nabc"), 400},
    {"length negative", VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n"), 400},
    {"length in hex", VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\nabc"), 400},
    {"length empty", VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"), 400},
    {"length that overflows",
	VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\n"), 413},
    {"body too large", VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n"), 413},
    {"space before colon", VIEW("POST / HTTP/1.1\r\n" HOST "Content-Length : 3\r\n\r\nabc"), 400},
    {"tab before colon", VIEW("GET / HTTP/1.1\r\n" HOST "X-A\t: 3\r\n\r\n"), 400},
    {"empty name", VIEW("GET / HTTP/1.1\r\n" HOST ": 3\r\n\r\n"), 400},
    {"no colon", VIEW("GET / HTTP/1.1\r\n" HOST "X-A\r\n\r\n"), 400},
    {"odd name", VIEW("GET / HTTP/1.1\r\n" HOST "X(A): 3\r\n\r\n"), 400},
    {"name beyond ASCII", VIEW("GET / HTTP/1.1\r\n" HOST "X\xc3\xa4: 3\r\n\r\n"), 400},
    {"folded line", VIEW("GET / HTTP/1.1\r\n" HOST "X-A: b\r\n c\r\n\r\n"), 400},
    {"bare LF", VIEW("GET / HTTP/1.1\nHost: a\n\n"), 400},
    {"bare LF in the head", VIEW("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400},
    {"bare CR", VIEW("GET / HTTP/1.1\r\nHost: a\rX-A: b\r\n\r\n"), 400},
    {"NUL in a value", VIEW("GET / HTTP/1.1\r\n" HOST "X-A: b\0c\r\n\r\n"), 400},
    {"control in a value", VIEW("GET / HTTP/1.1\r\n" HOST "X-A: b\x01\r\n\r\n"), 400},
    {"no Host", VIEW("GET / HTTP/1.1\r\nX-A: b\r\n\r\n"), 400},
    {"empty Host", VIEW("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400},
    {"two Hosts", VIEW("GET / HTTP/1.1\r\n" HOST "Host: b\r\n\r\n"), 400},
    {"Host with a path", VIEW("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400},
    {"two cookies", VIEW("GET / HTTP/1.1\r\n" HOST "Cookie: a=b\r\nCookie: a=c\r\n\r\n"), 400},
    {"two types", VIEW("GET / HTTP/1.1\r\n" HOST "Content-Type: a\r\nContent-Type: b\r\n\r\n"),
	400},
    {"HTTP/1.0", VIEW("GET / HTTP/1.0\r\n" HOST "\r\n"), 505},
    {"HTTP/2 preface", VIEW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
    {"HTTP/1.10", VIEW("GET / HTTP/1.10\r\n" HOST "\r\n"), 400},
    {"version in lower case", VIEW("GET / http/1.1\r\n" HOST "\r\n"), 400},
    {"HTTP/0.9", VIEW("GET /\r\n"), 400},
    {"empty line first", VIEW("\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"two spaces", VIEW("GET  / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"space in the target", VIEW("GET /a b HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"method in lower case", VIEW("get / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"absolute form", VIEW("GET http://a/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"authority form", VIEW("CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"asterisk form", VIEW("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"fragment", VIEW("GET /a#b HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"raw UTF-8 in the target", VIEW("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"another expectation", VIEW("POST / HTTP/1.1\r\n" HOST "Expect: pony\r\n\r\n"), 417},
    {"TLS on a plain port", VIEW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"), 400},
};

static unsigned
status_of(const char *data, size_t len, struct http_request *request, size_t *used)
{
	struct http_refusal refusal = {0};
	size_t need;

	switch (http_read(data, len, request, used, &need, &refusal)) {
	case HTTP_MORE:
		return 0;
	case HTTP_DONE:
		return 200;
	case HTTP_BAD:
		assert_non_null(refusal.reason);
		return refusal.status;
	}
	return 1;
}

static void
every_line_of_the_torture_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(torture) / sizeof(torture[0]); i++) {
		struct http_request request;
		size_t used = 0;
		unsigned got =
		    status_of(torture[i].bytes.data, torture[i].bytes.len, &request, &used);

		if (got != torture[i].status)
			fail_msg("%s: %u, expected %u", torture[i].name, got, torture[i].status);
		if (got == 200)
			assert_int_equal(used, torture[i].bytes.len);
	}
}

/* However the bytes arrive, the verdict is the same. */
static void
bytes_one_by_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(torture) / sizeof(torture[0]); i++) {
		struct http_request request;
		unsigned got = 0;
		size_t used, n;

		for (n = 0; n <= torture[i].bytes.len && got == 0; n++)
			got = status_of(torture[i].bytes.data, n, &request, &used);
		if (got != torture[i].status)
			fail_msg("%s: %u, expected %u", torture[i].name, got, torture[i].status);
	}
}

static void
the_parts_of_a_request(void **state)
{
	static const struct view text = VIEW("POST /c/t%41?lang=zh&a=b HTTP/1.1\r\nHOST: h:1\r\n"
					     "content-TYPE: application/json; charset=utf-8\r\n"
					     "Connection: keep-alive, Close\r\nX-Other: y\r\n"
					     "Content-Length: 2\r\n\r\n{}GET");
	struct http_request q;
	size_t used;

	(void)state;
	assert_int_equal(status_of(text.data, text.len, &q, &used), 200);
	assert_int_equal(used, text.len - 3);
	assert_view_equal(q.method, "POST");
	assert_view_equal(q.path, "/c/t%41");
	assert_view_equal(q.query, "lang=zh&a=b");
	assert_view_equal(q.host, "h:1");
	assert_view_equal(q.body, "{}");
	assert_view_equal(http_header(&q, VIEW("x-other")), "y");
	assert_true(http_type_is(q.content_type, VIEW("application/json")));
	assert_false(http_type_is(q.content_type, VIEW("application/jso")));
	assert_true(q.close);
	assert_null(q.cookie.data);
}

static size_t
head_with(char *to, size_t headers, size_t value)
{
	struct buf b = buf_over(to, 32 * 1024);

	buf_put_view(&b, VIEW("GET / HTTP/1.1\r\n" HOST));
	for (size_t i = 1; i < headers; i++) {
		buf_put_view(&b, VIEW("X: "));
		for (size_t k = 0; k < value; k++)
			buf_put_u8(&b, 'v');
		buf_put_view(&b, VIEW("\r\n"));
	}
	buf_put_view(&b, VIEW("\r\n"));
	return b.len;
}

static void
limits_of_the_head(void **state)
{
	static char text[32 * 1024];
	struct http_request q;
	size_t used, len;

	(void)state;
	len = head_with(text, HTTP_HEADERS_MAX, 1);
	assert_int_equal(status_of(text, len, &q, &used), 200);
	len = head_with(text, HTTP_HEADERS_MAX + 1, 1);
	assert_int_equal(status_of(text, len, &q, &used), 431);
	len = head_with(text, 2, HTTP_HEAD_MAX - 16 - 9 - 3 - 2 - 2);
	assert_int_equal(len, HTTP_HEAD_MAX);
	assert_int_equal(status_of(text, len, &q, &used), 200);
	len = head_with(text, 2, HTTP_HEAD_MAX - 16 - 9 - 3 - 2 - 1);
	assert_int_equal(status_of(text, len, &q, &used), 431);
	/* A line without an end is refused as soon as it is too long. */
	assert_int_equal(status_of(text, HTTP_HEAD_MAX - 1, &q, &used), 0);
	memset(text, 'G', sizeof(text));
	assert_int_equal(status_of(text, HTTP_HEAD_MAX, &q, &used), 431);
}

static void
continue_is_asked_before_the_body(void **state)
{
	static const struct view text =
	    VIEW("POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n");
	struct http_refusal refusal;
	struct http_request q;
	size_t used, need;

	(void)state;
	assert_int_equal(http_read(text.data, text.len, &q, &used, &need, &refusal), HTTP_MORE);
	assert_int_equal(need, text.len + 9);
	assert_true(q.expect_continue);
}

static void
decoding(void **state)
{
	static const struct {
		const char *from, *to;
		bool form;
	} cases[] = {
	    {"a%2Fb", "a/b", false},
	    {"a+b", "a+b", false},
	    {"a+b", "a b", true},
	    {"%e4%bd%a0", "\xe4\xbd\xa0", true},
	    {"%", NULL, true},
	    {"%4", NULL, true},
	    {"%zz", NULL, true},
	    {"%00", NULL, true},
	    {"%ff", NULL, true},
	    {"%c0%af", NULL, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];
		struct buf b = buf_over(text, sizeof(text));
		struct view got;
		enum cs_err rc = http_decode(view_str(cases[i].from), cases[i].form, &b, &got);

		assert_int_equal(rc, cases[i].to == NULL ? CS_ERR_SYNTAX : CS_OK);
		if (rc == CS_OK)
			assert_true(view_equal(got, view_str(cases[i].to)));
	}
}

static void
pairs_of_a_form(void **state)
{
	struct http_pair pairs[HTTP_PAIRS_MAX];
	char text[256], many[256];
	struct buf b = buf_over(text, sizeof(text)), m = buf_over(many, sizeof(many));
	size_t n;

	(void)state;
	assert_int_equal(http_pairs(VIEW("do=answer&code=12+34&&e="), &b, pairs, &n), CS_OK);
	assert_int_equal(n, 3);
	assert_view_equal(http_pair_get(pairs, n, VIEW("code")), "12 34");
	assert_view_equal(http_pair_get(pairs, n, VIEW("e")), "");
	assert_null(http_pair_get(pairs, n, VIEW("x")).data);
	assert_int_equal(http_pairs(VIEW("a=1&a=2"), &b, pairs, &n), CS_ERR_SYNTAX);
	assert_int_equal(http_pairs(VIEW("a=1&%61=2"), &b, pairs, &n), CS_ERR_SYNTAX);
	assert_int_equal(http_pairs(VIEW("=1"), &b, pairs, &n), CS_ERR_SYNTAX);
	for (unsigned i = 0; i <= HTTP_PAIRS_MAX; i++) {
		char pair[4] = {'&', (char)('a' + i / 16), (char)('a' + i % 16), '='};

		buf_put(&m, pair, sizeof(pair));
	}
	assert_int_equal(http_pairs(buf_view(&m), &b, pairs, &n), CS_ERR_FULL);
}

static void
cookies(void **state)
{
	static const struct view header = VIEW("x=1; __Host-a=v-1;__Host-ab=2; d=1; d=2");

	(void)state;
	assert_view_equal(http_cookie(header, VIEW("__Host-a")), "v-1");
	assert_view_equal(http_cookie(header, VIEW("x")), "1");
	assert_null(http_cookie(header, VIEW("a")).data);
	assert_null(http_cookie(header, VIEW("d")).data);
	assert_null(http_cookie(view_of(NULL, 0), VIEW("a")).data);
}

static void
a_response(void **state)
{
	char text[512];
	struct buf b = buf_over(text, sizeof(text));
	size_t mark;

	(void)state;
	http_response_begin(&b, 201, true);
	http_response_header(&b, VIEW("X-A"), VIEW("b"));
	http_response_body(&b, VIEW("text/plain"), &mark);
	buf_put_view(&b, VIEW("twelve bytes"));
	http_response_end(&b, mark);
	assert_view_equal(buf_view(&b),
	    "HTTP/1.1 201 Created\r\nConnection: close\r\nX-A: b\r\nContent-Type: text/plain\r\n"
	    "Content-Length:        12\r\n\r\ntwelve bytes");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_line_of_the_torture_table),
	    cmocka_unit_test(bytes_one_by_one),
	    cmocka_unit_test(the_parts_of_a_request),
	    cmocka_unit_test(limits_of_the_head),
	    cmocka_unit_test(continue_is_asked_before_the_body),
	    cmocka_unit_test(decoding),
	    cmocka_unit_test(pairs_of_a_form),
	    cmocka_unit_test(cookies),
	    cmocka_unit_test(a_response),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
