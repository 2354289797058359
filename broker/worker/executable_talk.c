/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call to the program at a time. While it works on it, it may call org.countersign.Host on the same connection, one
 * call at a time too: what comes with "method" is such a call, and what comes without it is the reply.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"
#include "broker/worker/executable_run.h"

int64_t
executable_boot_ms(void)
{
	struct clock_now now;

	clock_read(&now);
	return now.boot_ms;
}

void
executable_forget(struct executable *x)
{
	if (x->in.buf.len > 0)
		secret_wipe(x->in.buf.data, x->in.buf.len);
	if (x->out.buf.len > 0)
		secret_wipe(x->out.buf.data, x->out.buf.len);
	bytes_clear(&x->in);
	bytes_clear(&x->out);
	x->scanned = 0;
}

static int
give_up(struct executable *x, const char *why)
{
	executable_drain(x);
	log_error("plugin name=%s msg=\"%s\"", x->name, why);
	x->dead = true;
	return EXECUTABLE_GARBAGE;
}

struct json_writer
executable_begin(struct executable *x, const char *method)
{
	bytes_init(&x->in, VARLINK_MESSAGE_MAX + 1);
	bytes_init(&x->out, VARLINK_MESSAGE_MAX + 1);
	x->scanned = 0;
	return varlink_call_begin(&x->out.buf, view_str(method), false);
}

/* Until the socket is ready for `events`; what is printed meanwhile is logged. False: too late. */
static bool
wait_for(struct executable *x, short events)
{
	for (;;) {
		struct pollfd fds[] = {{.fd = x->fd, .events = events}, {.fd = x->stderr_fd, .events = POLLIN}};
		int64_t left = x->deadline_boot_ms + EXECUTABLE_LATE_MS - executable_boot_ms();

		if (left <= 0)
			return false;
		if (poll(fds, 2, (int)left) < 0)
			CHECK(errno == EINTR);
		else if (fds[0].revents != 0)
			return true;
		if ((fds[1].revents & POLLIN) != 0)
			executable_drain(x);
		else if (fds[1].revents != 0) {
			close(x->stderr_fd); /* nobody holds its other end any more */
			x->stderr_fd = -1;
		}
	}
}

static bool
send_out(struct executable *x)
{
	size_t sent = 0;

	while (sent < x->out.buf.len) {
		ssize_t n = send(x->fd, x->out.buf.data + sent, x->out.buf.len - sent, MSG_NOSIGNAL);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno != EAGAIN || !wait_for(x, POLLOUT))
			return false;
	}
	secret_wipe(x->out.buf.data, x->out.buf.len);
	x->out.buf.len = 0;
	return true;
}

/* A whole message lies at the front of x->in, without its NUL. NULL, or why there is none. */
static const char *
receive(struct executable *x, size_t *len)
{
	char chunk[4096];
	enum cs_err err;

	while ((err = varlink_frame((char *)x->in.buf.data, x->in.buf.len, &x->scanned, len)) == CS_ERR_NOT_FOUND) {
		ssize_t n;

		if (!wait_for(x, POLLIN))
			return "the program passed its deadline";
		n = recv(x->fd, chunk, sizeof(chunk), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return "the program ended";
		buf_put(&x->in.buf, chunk, (size_t)n);
		secret_wipe(chunk, (size_t)n);
		if (x->in.buf.full)
			return "the program said more than a message may hold";
	}
	return err == CS_OK ? NULL : "the program said more than a message may hold";
}

/* ---- org.countersign.Host -------------------------------------------------------------------- */

struct message {
	struct view method, error;
	uint32_t parameters;
	bool continues, more, oneway;
};

static const struct json_field message_fields[] = {
    {"method", JSON_F_ID, false, offsetof(struct message, method), 1, 128},
    {"error", JSON_F_ID, false, offsetof(struct message, error), 1, 128},
    {"parameters", JSON_F_OBJECT, false, offsetof(struct message, parameters), 0, 0},
    {"continues", JSON_F_BOOL, false, offsetof(struct message, continues), 0, 0},
    {"more", JSON_F_BOOL, false, offsetof(struct message, more), 0, 0},
    {"oneway", JSON_F_BOOL, false, offsetof(struct message, oneway), 0, 0},
    {.name = NULL},
};

static void
say_error(struct executable *x, struct view error, const char *member, struct view value)
{
	struct json_writer w = varlink_error_begin(&x->out.buf, error);

	json_member_str(&w, member, value);
	varlink_end(&w);
}

struct log_parameters {
	struct view level, text;
};

static const struct json_field log_fields[] = {
    {"level", JSON_F_ID, true, offsetof(struct log_parameters, level), 1, 8},
    {"text", JSON_F_STRING, true, offsetof(struct log_parameters, text), 0, 4096},
    {.name = NULL},
};

static bool
host_log(struct executable *x, const struct json *doc, uint32_t parameters)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};
	struct log_parameters p = {.level = {NULL, 0}};
	struct json_problem problem;
	struct json_writer w;

	if (json_bind(doc, parameters, log_fields, false, &p, &problem) != CS_OK)
		return false;
	for (int level = 0; level < (int)(sizeof(levels) / sizeof(levels[0])); level++) {
		if (!view_equal(p.level, view_str(levels[level])))
			continue;
		if (x->host != NULL)
			x->host->log(x->host->context, level, (struct countersign_view){p.text.data, p.text.len});
		w = varlink_reply_begin(&x->out.buf, false);
		varlink_end(&w);
		return true;
	}
	return false;
}

struct http_parameters {
	struct view url, method, accept, authorization, content_type, body;
	int64_t timeout_ms;
	uint32_t headers;
	bool shows_certificate;
};

#define HTTP_TEXT(member, required, max)                                                           \
	{#member, JSON_F_STRING, required, offsetof(struct http_parameters, member), 0, max}

static const struct json_field http_fields[] = {
    HTTP_TEXT(url, true, 2048),
    HTTP_TEXT(method, false, 8),
    HTTP_TEXT(accept, false, 1024),
    HTTP_TEXT(authorization, false, 16 * 1024),
    HTTP_TEXT(content_type, false, 256),
    HTTP_TEXT(body, false, VARLINK_MESSAGE_MAX),
    {"timeout_ms", JSON_F_INT, false, offsetof(struct http_parameters, timeout_ms), 0, 60 * 1000},
    {"headers", JSON_F_ARRAY, false, offsetof(struct http_parameters, headers), 0, COUNTERSIGN_HEADERS_MAX},
    {"shows_certificate", JSON_F_BOOL, false, offsetof(struct http_parameters, shows_certificate), 0, 0},
    {.name = NULL},
};

struct header {
	struct view name, value;
};

static const struct json_field header_fields[] = {
    {"name", JSON_F_ID, true, offsetof(struct header, name), 1, 64},
    {"value", JSON_F_STRING, true, offsetof(struct header, value), 0, 4096},
    {.name = NULL},
};

static struct countersign_view
lent(struct view v)
{
	return (struct countersign_view){v.data, v.len};
}

static bool
read_headers(const struct json *doc, uint32_t array, struct countersign_header to[COUNTERSIGN_HEADERS_MAX], size_t *count)
{
	uint32_t at = array == 0 ? 0 : json_first(doc, array);

	*count = array == 0 ? 0 : doc->tokens[array].count;
	for (size_t i = 0; i < *count; i++, at = json_next(doc, at)) {
		struct header h = {.name = {NULL, 0}};
		struct json_problem problem;

		if (json_type(doc, at) != JSON_OBJECT || json_bind(doc, at, header_fields, false, &h, &problem) != CS_OK)
			return false;
		to[i] = (struct countersign_header){lent(h.name), lent(h.value)};
	}
	return true;
}

/* The words of org.countersign.Host.Failed. */
static const char *
failure(int rc)
{
	return rc == COUNTERSIGN_UNREACHABLE ? "unreachable" : rc == COUNTERSIGN_TOO_LATE ? "too_late" :
	    rc == COUNTERSIGN_FULL ? "full" : "invalid";
}

static void
say_response(struct executable *x, const struct countersign_http_response *response)
{
	size_t room = BASE64URL_LEN(response->body.len + 1);
	char *text = malloc(room);
	struct json_writer w;

	CHECK(text != NULL);
	w = varlink_reply_begin(&x->out.buf, false);
	json_member_int(&w, "status", response->status);
	json_member_str(&w, "body", view_of(text, base64url_encode((const uint8_t *)response->body.data,
	    response->body.len, text)));
	varlink_end(&w);
	secret_wipe(text, room);
	free(text);
}

static int
fetch(struct executable *x, struct countersign_http_request *request, struct view body)
{
	struct countersign_http_response response = {.size = sizeof(response)};
	uint8_t *memory = calloc(2, EXECUTABLE_BODY_MAX);
	int rc = COUNTERSIGN_INVALID;
	size_t len = 0;

	CHECK(memory != NULL);
	response.body = (struct countersign_buffer){(char *)memory + EXECUTABLE_BODY_MAX, EXECUTABLE_BODY_MAX, 0};
	if (body.data == NULL || base64url_decode(body, memory, EXECUTABLE_BODY_MAX, &len) == CS_OK) {
		if (body.data != NULL)
			request->body = (struct countersign_view){(char *)memory, len};
		rc = x->host->http(x->host->context, request, &response);
	}
	if (rc == COUNTERSIGN_OK)
		say_response(x, &response);
	secret_wipe(memory, (size_t)2 * EXECUTABLE_BODY_MAX);
	free(memory);
	return rc;
}

static bool
host_http(struct executable *x, const struct json *doc, uint32_t parameters)
{
	struct countersign_header headers[COUNTERSIGN_HEADERS_MAX];
	struct countersign_http_request request = {.size = sizeof(request), .headers = headers};
	struct http_parameters p = {.url = {NULL, 0}};
	struct json_problem problem;
	int rc = COUNTERSIGN_INVALID;

	if (json_bind(doc, parameters, http_fields, false, &p, &problem) != CS_OK ||
	    !read_headers(doc, p.headers, headers, &request.headers_count))
		return false;
	request.url = lent(p.url);
	request.method = lent(p.method);
	request.accept = lent(p.accept);
	request.authorization = lent(p.authorization);
	request.content_type = lent(p.content_type);
	request.timeout_ms = p.timeout_ms;
	request.shows_certificate = p.shows_certificate;
	if (x->host != NULL && x->host->http != NULL)
		rc = fetch(x, &request, p.body);
	if (rc != COUNTERSIGN_OK)
		say_error(x, VIEW("org.countersign.Host.Failed"), "reason", view_str(failure(rc)));
	return true;
}

static bool
serve_host(struct executable *x, const struct json *doc, const struct message *m)
{
	static const struct {
		const char *method;
		bool (*run)(struct executable *x, const struct json *doc, uint32_t parameters);
	} methods[] = {
	    {"org.countersign.Host.Log", host_log},
	    {"org.countersign.Host.Http", host_http},
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (!view_equal(m->method, view_str(methods[i].method)))
			continue;
		if (m->parameters == 0 || !methods[i].run(x, doc, m->parameters))
			say_error(x, VIEW("org.varlink.service.InvalidParameter"), "parameter", VIEW("parameters"));
		return send_out(x);
	}
	say_error(x, VIEW("org.varlink.service.MethodNotFound"), "method", m->method);
	return send_out(x);
}

/* ---- the reply ------------------------------------------------------------------------------- */

/* What an error stands for. A no and a failure must each come under their own name. */
static int
result_of(const struct json *doc, const struct message *m)
{
	uint32_t at = m->parameters == 0 ? 0 : json_get(doc, m->parameters, VIEW("reason"));
	int rc;

	if (view_equal(m->error, VIEW("org.varlink.service.MethodNotFound")) ||
	    view_equal(m->error, VIEW("org.varlink.service.MethodNotImplemented")) ||
	    view_equal(m->error, VIEW("org.varlink.service.InvalidParameter")))
		return COUNTERSIGN_INVALID;
	if (at == 0 || json_type(doc, at) != JSON_STRING)
		return EXECUTABLE_GARBAGE;
	rc = calls_result_of(json_text(doc, at));
	if (view_equal(m->error, VIEW("org.countersign.Plugin.Refused")) && rc < COUNTERSIGN_UNREACHABLE)
		return rc;
	if (view_equal(m->error, VIEW("org.countersign.Plugin.Failed")) && rc >= COUNTERSIGN_UNREACHABLE &&
	    rc != EXECUTABLE_GARBAGE)
		return rc;
	return EXECUTABLE_GARBAGE;
}

/* One message of the program. True: it was the reply, and *rc says what it is. */
static bool
take(struct executable *x, size_t len, int *rc, uint32_t *parameters)
{
	struct message m = {.method = {NULL, 0}};
	struct json_problem problem;
	struct json doc;

	if (json_read((char *)x->in.buf.data, len, x->tokens, JSON_TOKENS_MAX, &doc, NULL) != CS_OK ||
	    json_type(&doc, 0) != JSON_OBJECT || json_bind(&doc, 0, message_fields, false, &m, &problem) != CS_OK ||
	    m.continues || m.more || m.oneway || (m.method.len > 0 && m.error.len > 0) || x->in.buf.len != len + 1) {
		*rc = give_up(x, "the program says what is no message, or speaks unasked");
		return true;
	}
	if (m.method.len > 0) {
		if (serve_host(x, &doc, &m)) {
			secret_wipe(x->in.buf.data, x->in.buf.len);
			bytes_consume(&x->in, len + 1);
			x->scanned = 0;
			return false;
		}
		*rc = give_up(x, "the program ended while it was answered");
		return true;
	}
	x->doc = doc;
	*parameters = m.parameters;
	*rc = m.error.len == 0 ? COUNTERSIGN_OK : result_of(&doc, &m);
	if (*rc == EXECUTABLE_GARBAGE)
		(void)give_up(x, "the program's error is none of org.countersign.Plugin");
	return true;
}

int
executable_ask(struct executable *x, struct json_writer *w, int64_t deadline_boot_ms, uint32_t *parameters)
{
	const char *why;
	char unasked;
	size_t len;
	int rc;

	varlink_end(w);
	x->deadline_boot_ms = deadline_boot_ms;
	x->printed = 0;
	if (x->dead)
		return EXECUTABLE_GARBAGE;
	if (x->out.buf.full)
		return COUNTERSIGN_INVALID;
	if (recv(x->fd, &unasked, 1, MSG_PEEK) > 0)
		return give_up(x, "the program speaks unasked");
	if (!send_out(x))
		return give_up(x, "the program ended");
	do {
		why = receive(x, &len);
		if (why != NULL)
			return give_up(x, why);
	} while (!take(x, len, &rc, parameters));
	executable_drain(x);
	return rc;
}
