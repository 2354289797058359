/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong, as a status for programs and a sentence for people. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "broker/client/handle.h"

static const char *const status_names[] = {
	[CS_STATUS_OK] = "ok",
	[CS_STATUS_ARGUMENT] = "argument",
	[CS_STATUS_INVALID] = "invalid",
	[CS_STATUS_NOT_AUTHENTICATED] = "not_authenticated",
	[CS_STATUS_NOT_PERMITTED] = "not_permitted",
	[CS_STATUS_NOT_FOUND] = "not_found",
	[CS_STATUS_CONFLICT] = "conflict",
	[CS_STATUS_TOO_MANY] = "too_many",
	[CS_STATUS_UNAVAILABLE] = "unavailable",
	[CS_STATUS_UNREACHABLE] = "unreachable",
	[CS_STATUS_LOST] = "lost",
	[CS_STATUS_TIMEOUT] = "timeout",
	[CS_STATUS_PROTOCOL] = "protocol",
	[CS_STATUS_TOO_BIG] = "too_big",
	[CS_STATUS_MEMORY] = "memory",
	[CS_STATUS_ERROR] = "error",
};

/* The broker's errors. `about` is the parameter that says what it is about. */
static const struct {
	const char *name;
	enum cs_status status;
	const char *about;
	const char *sentence; /* with one %s for `about` */
} refusals[] = {
	{"org.countersign.InvalidParameter", CS_STATUS_INVALID, "field", "the broker refused %s"},
	{"org.countersign.NotAuthenticated", CS_STATUS_NOT_AUTHENTICATED, NULL,
	    "the broker knows no service with this uid%s: add it to a service's block in countersign.conf"},
	{"org.countersign.NotPermitted", CS_STATUS_NOT_PERMITTED, "right",
	    "the service lacks the right %s: add it to `rights` in its block in countersign.conf"},
	{"org.countersign.NotFound", CS_STATUS_NOT_FOUND, "what", "no such %s here, or it is not the caller's"},
	{"org.countersign.Conflict", CS_STATUS_CONFLICT, "what", "in another state than this call supposes: %s"},
	{"org.countersign.TooMany", CS_STATUS_TOO_MANY, "what", "too many: %s; ask again later"},
	{"org.countersign.Unavailable", CS_STATUS_UNAVAILABLE, "what", "cannot answer now: %s; nothing was permitted"},
	{"org.varlink.service.InvalidParameter", CS_STATUS_INVALID, "parameter", "the broker refused %s"},
	{"org.varlink.service.PermissionDenied", CS_STATUS_NOT_PERMITTED, NULL, "the broker does not permit this%s"},
	{"org.varlink.service.MethodNotFound", CS_STATUS_ERROR, "method", "the broker has no method %s"},
	{"org.varlink.service.MethodNotImplemented", CS_STATUS_ERROR, "method", "the broker has no method %s"},
	{"org.varlink.service.InterfaceNotFound", CS_STATUS_ERROR, "interface", "the broker has no interface %s"},
};

CS_PUBLIC const char *
cs_status_name(enum cs_status status)
{
	if ((unsigned)status >= sizeof(status_names) / sizeof(status_names[0]))
		return "unknown";
	return status_names[status];
}

CS_PUBLIC const char *
cs_version(void)
{
	return PACKAGE_VERSION;
}

/* Text from the other side ends on terminals and in logs. */
static void
make_printable(char *text)
{
	bool printable = json_printable(view_str(text));

	for (unsigned char *p = (unsigned char *)text; !printable && *p != '\0'; p++)
		if (*p < 0x20 || *p >= 0x7f)
			*p = '?';
}

static void
copy_cut(char *to, size_t size, struct view v)
{
	size_t n = v.len < size ? v.len : size - 1;

	if (n > 0)
		memcpy(to, v.data, n);
	to[n] = '\0';
	make_printable(to);
}

void
call_fail(struct call *c, enum cs_status status, const char *field, const char *format, ...)
{
	va_list ap;

	if (c->status != CS_STATUS_OK)
		return;
	c->status = status;
	if (c->error == NULL)
		return;
	memset(c->error, 0, sizeof(*c->error));
	copy_cut(c->error->field, sizeof(c->error->field), view_str(field));
	va_start(ap, format);
	(void)vsnprintf(c->error->message, sizeof(c->error->message), format, ap);
	va_end(ap);
	make_printable(c->error->message);
}

/* A member of the error's parameters as text; empty where there is none. */
static void
error_text(const struct call *c, const char *name, char *to, size_t size)
{
	uint32_t token = c->object == 0 || name == NULL ? 0 : json_get(&c->doc, c->object, view_str(name));

	to[0] = '\0';
	if (token != 0 && json_type(&c->doc, token) == JSON_STRING)
		copy_cut(to, size, json_text(&c->doc, token));
}

static int
error_retry_ms(const struct call *c)
{
	uint32_t token = c->object == 0 ? 0 : json_get(&c->doc, c->object, VIEW("retry_after_ms"));
	int64_t ms = 0;

	if (token == 0 || json_int(&c->doc, token, &ms) != CS_OK || ms < 0)
		return 0;
	return ms > CS_TIMEOUT_MAX_MS ? CS_TIMEOUT_MAX_MS : (int)ms;
}

static void
refuse(struct call *c, enum cs_status status, const char *sentence, const char *about)
{
	char text[CS_TEXT_MAX + 1], reason[CS_TEXT_MAX + 1];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(text, sizeof(text), sentence, about);
#pragma GCC diagnostic pop
	error_text(c, "reason", reason, sizeof(reason));
	call_fail(c, status, about, "%s%s%s", text, reason[0] == '\0' ? "" : ": ", reason);
}

void
call_refused(struct call *c, struct view name)
{
	const size_t n = sizeof(refusals) / sizeof(refusals[0]);
	size_t i = 0;

	while (i < n && !view_equal(name, view_str(refusals[i].name)))
		i++;
	if (i < n) {
		char about[CS_TEXT_MAX + 1];

		error_text(c, refusals[i].about, about, sizeof(about));
		refuse(c, refusals[i].status, refusals[i].sentence, about);
	} else
		call_fail(c, CS_STATUS_ERROR, NULL, "the broker answered with an error that is not known here: %.*s",
		    (int)name.len, name.data);
	if (c->error != NULL) {
		copy_cut(c->error->name, sizeof(c->error->name), name);
		c->error->retry_after_ms = error_retry_ms(c);
	}
}
