/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1, the part of it that we speak. Every line that is complete is judged at once, so nothing
 * bad waits. */
#include "broker/gateway/http.h"

#include <strings.h>

#include "broker/base/check.h"
#include "broker/base/json.h"

enum {
	METHOD_MAX = 16,
	LENGTH_DIGITS = 8, /* room for the length of any body that we write */
};

/* One line at a time; `status` is 0 while all is well. */
struct reading {
	const char *data;
	size_t have, at;
	struct http_refusal refusal;
	bool length_seen;
	size_t length;
};

static bool
refuse(struct reading *r, unsigned status, const char *reason)
{
	r->refusal = (struct http_refusal){status, reason};
	return false;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
view_is(struct view a, struct view b)
{
	return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

static struct view
view_trim(struct view v)
{
	while (v.len > 0 && (v.data[0] == ' ' || v.data[0] == '\t'))
		v = view_of(v.data + 1, v.len - 1);
	while (v.len > 0 && (v.data[v.len - 1] == ' ' || v.data[v.len - 1] == '\t'))
		v.len--;
	return v;
}

enum line_state { LINE_MORE, LINE_WHOLE, LINE_BAD };

/* The next line without its CRLF. A lone CR or LF, or a NUL, is bad as soon as it is seen. */
static enum line_state
line_next(struct reading *r, struct view *line)
{
	const char *from = r->data + r->at;
	size_t left = r->have - r->at;
	size_t n = 0;

	while (n < left && from[n] != '\r' && from[n] != '\n' && from[n] != '\0')
		n++;
	if (n == left || (from[n] == '\r' && n + 1 == left)) {
		if (r->have >= HTTP_HEAD_MAX)
			refuse(r, 431, "the head of the request is too large");
		return r->have >= HTTP_HEAD_MAX ? LINE_BAD : LINE_MORE;
	}
	if (from[n] != '\r' || from[n + 1] != '\n') {
		refuse(r, 400, "lines must end in CRLF");
		return LINE_BAD;
	}
	*line = view_of(from, n);
	r->at += n + 2;
	if (r->at > HTTP_HEAD_MAX) {
		refuse(r, 431, "the head of the request is too large");
		return LINE_BAD;
	}
	return LINE_WHOLE;
}

static bool
target_ok(struct view v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.data[i] <= ' ' || v.data[i] >= 0x7f ||
		    strchr("\"#<>\\^`{|}", v.data[i]) != NULL)
			return false;
	return v.len > 0 && v.data[0] == '/';
}

static void
target_split(struct http_request *q)
{
	const char *mark = memchr(q->target.data, '?', q->target.len);

	q->path = q->target;
	if (mark == NULL)
		return;
	q->path.len = (size_t)(mark - q->target.data);
	q->query = view_of(mark + 1, q->target.len - q->path.len - 1);
}

static bool
request_line(struct reading *r, struct view line, struct http_request *q)
{
	const char *first = memchr(line.data, ' ', line.len);
	const char *last = memrchr(line.data, ' ', line.len);

	if (first == NULL || first == last)
		return refuse(r, 400, "the request line must be METHOD TARGET VERSION");
	q->method = view_of(line.data, (size_t)(first - line.data));
	q->target = view_of(first + 1, (size_t)(last - first) - 1);
	if (q->method.len == 0 || q->method.len > METHOD_MAX)
		return refuse(r, 400, "the method is not a name");
	for (size_t i = 0; i < q->method.len; i++)
		if (q->method.data[i] < 'A' || q->method.data[i] > 'Z')
			return refuse(r, 400, "the method is not a name");
	line = view_of(last + 1, (size_t)(line.data + line.len - last) - 1);
	if (line.len != 8 || memcmp(line.data, "HTTP/", 5) != 0 || !is_digit(line.data[5]) ||
	    line.data[6] != '.' || !is_digit(line.data[7]))
		return refuse(r, 400, "the version must be HTTP/1.1");
	if (memcmp(line.data, "HTTP/1.1", 8) != 0)
		return refuse(r, 505, "only HTTP/1.1 is spoken here");
	if (!target_ok(q->target))
		return refuse(
		    r, 400, "the target must be a path, with other characters percent-encoded");
	target_split(q);
	return true;
}

static bool
header_length(struct reading *r, struct http_request *q, struct view v)
{
	(void)q;
	if (r->length_seen)
		return refuse(r, 400, "Content-Length is given twice");
	if (v.len == 0)
		return refuse(r, 400, "Content-Length must be digits");
	for (size_t i = 0; i < v.len; i++) {
		if (!is_digit(v.data[i]))
			return refuse(r, 400, "Content-Length must be digits");
		r->length = r->length * 10 + (size_t)(v.data[i] - '0');
		if (r->length > HTTP_BODY_MAX)
			r->length = HTTP_BODY_MAX + 1;
	}
	r->length_seen = true;
	return true;
}

static bool
header_transfer(struct reading *r, struct http_request *q, struct view v)
{
	(void)q;
	(void)v;
	return refuse(r, 400, "Transfer-Encoding is not accepted; send Content-Length");
}

static bool
header_connection(struct reading *r, struct http_request *q, struct view v)
{
	(void)r;
	while (v.len > 0) {
		const char *comma = memchr(v.data, ',', v.len);
		size_t n = comma == NULL ? v.len : (size_t)(comma - v.data);

		if (view_is(view_trim(view_of(v.data, n)), VIEW("close")))
			q->close = true;
		v = comma == NULL ? view_of(NULL, 0) : view_of(comma + 1, v.len - n - 1);
	}
	return true;
}

static bool
header_expect(struct reading *r, struct http_request *q, struct view v)
{
	if (!view_is(v, VIEW("100-continue")))
		return refuse(r, 417, "only 100-continue can be expected");
	q->expect_continue = true;
	return true;
}

static bool
header_host(struct reading *r, struct http_request *q, struct view v)
{
	(void)q;
	for (size_t i = 0; i < v.len; i++)
		if (!is_digit(v.data[i]) && !is_letter(v.data[i]) &&
		    strchr(".-_:[]", v.data[i]) == NULL)
			return refuse(r, 400, "Host is not a host");
	return v.len > 0 || refuse(r, 400, "Host is empty");
}

/* The headers that we act on. Those with a place in the request may stand once. */
static const struct {
	struct view name;
	size_t place; /* offset of a view in struct http_request; 0 (method's) means none */
	bool (*act)(struct reading *, struct http_request *, struct view);
} known_headers[] = {
    {VIEW("content-length"), 0, header_length},
    {VIEW("transfer-encoding"), 0, header_transfer},
    {VIEW("connection"), 0, header_connection},
    {VIEW("expect"), 0, header_expect},
    {VIEW("host"), offsetof(struct http_request, host), header_host},
    {VIEW("content-type"), offsetof(struct http_request, content_type), NULL},
    {VIEW("cookie"), offsetof(struct http_request, cookie), NULL},
    {VIEW("origin"), offsetof(struct http_request, origin), NULL},
    {VIEW("x-request-id"), offsetof(struct http_request, request_id), NULL},
    {VIEW("accept-language"), offsetof(struct http_request, accept_language), NULL},
    {VIEW("sec-fetch-site"), offsetof(struct http_request, fetch_site), NULL},
    {VIEW("authorization"), offsetof(struct http_request, authorization), NULL},
    {VIEW("dpop"), offsetof(struct http_request, dpop), NULL},
};

static bool
header_known(struct reading *r, struct http_request *q, struct view name, struct view value)
{
	for (size_t i = 0; i < sizeof(known_headers) / sizeof(known_headers[0]); i++) {
		struct view *place;

		if (!view_is(known_headers[i].name, name))
			continue;
		if (known_headers[i].place != 0) {
			place = (struct view *)(void *)((char *)q + known_headers[i].place);
			if (place->data != NULL)
				return refuse(
				    r, 400, "a header that may stand once is given twice");
			*place = value;
		}
		return known_headers[i].act == NULL || known_headers[i].act(r, q, value);
	}
	return true;
}

static bool
header_line(struct reading *r, struct view line, struct http_request *q)
{
	const char *colon = memchr(line.data, ':', line.len);
	struct view name, value;

	if (colon == NULL || colon == line.data)
		return refuse(r, 400, "a header must be NAME: VALUE");
	name = view_of(line.data, (size_t)(colon - line.data));
	for (size_t i = 0; i < name.len; i++)
		if (!is_letter(name.data[i]) && !is_digit(name.data[i]) && name.data[i] != '-' &&
		    name.data[i] != '_')
			return refuse(
			    r, 400, "a header's name may hold letters, digits, '-' and '_'");
	value = view_trim(view_of(colon + 1, line.len - name.len - 1));
	for (size_t i = 0; i < value.len; i++)
		if (((unsigned char)value.data[i] < ' ' && value.data[i] != '\t') ||
		    value.data[i] == 0x7f)
			return refuse(r, 400, "a header's value holds a control character");
	if (q->header_count == HTTP_HEADERS_MAX)
		return refuse(r, 431, "too many headers");
	q->headers[q->header_count++] = (struct http_header){name, value};
	return header_known(r, q, name, value);
}

/* After the empty line: what the head says as a whole. */
static bool
head_check(struct reading *r, const struct http_request *q)
{
	if (q->host.data == NULL)
		return refuse(r, 400, "Host is missing");
	if (r->length > HTTP_BODY_MAX)
		return refuse(r, 413, "the body is too large");
	return true;
}

static enum line_state
head_read(struct reading *r, struct http_request *q)
{
	struct view line;
	enum line_state s = line_next(r, &line);

	if (s != LINE_WHOLE)
		return s;
	if (!request_line(r, line, q))
		return LINE_BAD;
	while ((s = line_next(r, &line)) == LINE_WHOLE) {
		if (line.len == 0)
			return head_check(r, q) ? LINE_WHOLE : LINE_BAD;
		if (!header_line(r, line, q))
			return LINE_BAD;
	}
	return s;
}

enum http_result
http_read(const char *data, size_t have, struct http_request *request, size_t *used, size_t *need,
    struct http_refusal *refusal)
{
	struct reading r = {.data = data, .have = have};
	enum line_state s;

	memset(request, 0, offsetof(struct http_request, headers));
	memset(&request->header_count, 0,
	    sizeof(*request) - offsetof(struct http_request, header_count));
	*need = 0;
	s = head_read(&r, request);
	if (s == LINE_BAD) {
		*refusal = r.refusal;
		return HTTP_BAD;
	}
	if (s == LINE_MORE)
		return HTTP_MORE;
	if (have - r.at < r.length) {
		*need = r.at + r.length;
		return HTTP_MORE;
	}
	request->body = view_of(data + r.at, r.length);
	*used = r.at + r.length;
	CHECK(*used <= have);
	return HTTP_DONE;
}

struct view
http_header(const struct http_request *request, struct view name)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (view_is(request->headers[i].name, name))
			return request->headers[i].value;
	return view_of(NULL, 0);
}

bool
http_type_is(struct view content_type, struct view type)
{
	const char *semicolon =
	    content_type.len == 0 ? NULL : memchr(content_type.data, ';', content_type.len);

	if (semicolon != NULL)
		content_type.len = (size_t)(semicolon - content_type.data);
	return view_is(view_trim(content_type), type);
}

static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum cs_err
http_decode(struct view v, bool form, struct buf *out, struct view *to)
{
	size_t from = out->len;
	struct view got;

	for (size_t i = 0; i < v.len; i++) {
		char c = v.data[i];

		if (c == '%') {
			int high = i + 2 < v.len ? hex_value(v.data[i + 1]) : -1;
			int low = i + 2 < v.len ? hex_value(v.data[i + 2]) : -1;

			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return CS_ERR_SYNTAX;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && form) {
			c = ' ';
		}
		buf_put_u8(out, (uint8_t)c);
	}
	if (out->full)
		return CS_ERR_FULL;
	got = view_of(out->data + from, out->len - from);
	if (!json_utf8(got) || (got.len > 0 && memchr(got.data, '\0', got.len) != NULL))
		return CS_ERR_SYNTAX;
	*to = got;
	return CS_OK;
}

static enum cs_err
pair_read(struct view v, struct buf *out, struct http_pair *pairs, size_t *count)
{
	const char *equals = memchr(v.data, '=', v.len);
	size_t name_len = equals == NULL ? v.len : (size_t)(equals - v.data);
	struct http_pair pair = {.value = VIEW("")};
	enum cs_err rc;

	if (name_len == 0)
		return CS_ERR_SYNTAX;
	rc = http_decode(view_of(v.data, name_len), true, out, &pair.name);
	if (rc == CS_OK && equals != NULL)
		rc = http_decode(view_of(equals + 1, v.len - name_len - 1), true, out, &pair.value);
	if (rc != CS_OK)
		return rc;
	if (http_pair_get(pairs, *count, pair.name).data != NULL)
		return CS_ERR_SYNTAX;
	if (*count == HTTP_PAIRS_MAX)
		return CS_ERR_FULL;
	if (pair.value.data == NULL)
		pair.value = VIEW("");
	pairs[(*count)++] = pair;
	return CS_OK;
}

enum cs_err
http_pairs(struct view v, struct buf *out, struct http_pair pairs[HTTP_PAIRS_MAX], size_t *count)
{
	size_t n = 0;

	while (v.len > 0) {
		const char *and = memchr(v.data, '&', v.len);
		size_t len = and == NULL ? v.len : (size_t)(and-v.data);
		enum cs_err rc = len == 0 ? CS_OK : pair_read(view_of(v.data, len), out, pairs, &n);

		if (rc != CS_OK)
			return rc;
		v = and == NULL ? view_of(NULL, 0) : view_of(and+1, v.len - len - 1);
	}
	*count = n;
	return CS_OK;
}

struct view
http_pair_get(const struct http_pair *pairs, size_t count, struct view name)
{
	for (size_t i = 0; i < count; i++)
		if (view_equal(pairs[i].name, name))
			return pairs[i].value;
	return view_of(NULL, 0);
}

struct view
http_cookie(struct view header, struct view name)
{
	struct view found = {NULL, 0};

	while (header.len > 0) {
		const char *semicolon = memchr(header.data, ';', header.len);
		size_t len = semicolon == NULL ? header.len : (size_t)(semicolon - header.data);
		struct view one = view_trim(view_of(header.data, len));

		if (one.len > name.len && one.data[name.len] == '=' &&
		    memcmp(one.data, name.data, name.len) == 0) {
			if (found.data != NULL)
				return view_of(NULL, 0);
			found = view_of(one.data + name.len + 1, one.len - name.len - 1);
		}
		header = semicolon == NULL ? view_of(NULL, 0)
					   : view_of(semicolon + 1, header.len - len - 1);
	}
	return found;
}

static const struct {
	unsigned status;
	const char *text;
} statuses[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {303, "See Other"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

const char *
http_status_text(unsigned status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status)
			return statuses[i].text;
	return "Unknown";
}

void
http_response_begin(struct buf *out, unsigned status, bool close)
{
	uint8_t code[3] = {(uint8_t)('0' + status / 100), (uint8_t)('0' + status / 10 % 10),
	    (uint8_t)('0' + status % 10)};

	CHECK(status >= 100 && status <= 599);
	buf_put_view(out, VIEW("HTTP/1.1 "));
	buf_put(out, code, sizeof(code));
	buf_put_u8(out, ' ');
	buf_put_view(out, view_str(http_status_text(status)));
	buf_put_view(out, VIEW("\r\n"));
	if (close)
		buf_put_view(out, VIEW("Connection: close\r\n"));
}

void
http_response_header(struct buf *out, struct view name, struct view value)
{
	CHECK(value.len == 0 || (memchr(value.data, '\r', value.len) == NULL &&
				    memchr(value.data, '\n', value.len) == NULL));
	buf_put_view(out, name);
	buf_put_view(out, VIEW(": "));
	buf_put_view(out, value);
	buf_put_view(out, VIEW("\r\n"));
}

void
http_response_body(struct buf *out, struct view content_type, size_t *mark)
{
	http_response_header(out, VIEW("Content-Type"), content_type);
	/* White space before a value is allowed, so the digits may come later. */
	buf_put_view(out, VIEW("Content-Length:         0\r\n\r\n"));
	*mark = out->len;
}

void
http_response_end(struct buf *out, size_t mark)
{
	size_t length = out->len - mark;
	uint8_t *to = out->data + mark - 4;

	if (out->full)
		return;
	do {
		*--to = (uint8_t)('0' + length % 10);
		length /= 10;
	} while (length > 0);
	CHECK(to >= out->data + mark - 4 - LENGTH_DIGITS);
}

void
http_response_empty(struct buf *out, unsigned status)
{
	buf_put_view(out, status == 204 ? VIEW("\r\n") : VIEW("Content-Length: 0\r\n\r\n"));
}
