/* SPDX-License-Identifier: Apache-2.0 */
/* One call to the daemon, and its errors in words. */
#include "broker/ctl/call.h"

#include <errno.h>
#include <stdio.h>

#include "broker/ctl/print.h"

/* A reload starts workers and waits for their self-tests; all else answers in milliseconds. */
enum { CALL_TIMEOUT_MS = 60 * 1000 };

/* What the daemon may refuse with. The sentence has one place for what it is about. */
static const struct {
	const char *name, *about, *sentence;
	int code;
} refusals[] = {
	{"org.countersign.InvalidParameter", "field", "the daemon refused %.*s", CTL_USAGE},
	{"org.countersign.NotAuthenticated", NULL,
	    "you may not use the admin socket%.*s: run this as root, or add your uid to `admin { uid ... }` in the "
	    "configuration",
	    CTL_REFUSED},
	{"org.countersign.NotPermitted", "right",
	    "not permitted (right %.*s): run this as root, or add your uid to `admin { uid ... }` in the configuration",
	    CTL_REFUSED},
	{"org.countersign.NotFound", "what", "there is no such %.*s", CTL_NOT_FOUND},
	{"org.countersign.Conflict", "what", "it is in another state than that: %.*s", CTL_REFUSED},
	{"org.countersign.TooMany", "what", "too many %.*s at the moment: try again later", CTL_UNREACHABLE},
	{"org.countersign.Unavailable", "what",
	    "the daemon cannot answer now: %.*s; see its log, and `countersignctl status`", CTL_UNREACHABLE},
	{"org.varlink.service.MethodNotFound", "method",
	    "the daemon has no %.*s: it is of another version than countersignctl, restart it after an upgrade", CTL_FAILED},
	{"org.varlink.service.MethodNotImplemented", "method",
	    "the daemon has no %.*s: it is of another version than countersignctl, restart it after an upgrade", CTL_FAILED},
	{"org.varlink.service.InterfaceNotFound", "interface",
	    "the daemon does not offer %.*s here: is this its admin socket?", CTL_FAILED},
	{"org.varlink.service.InvalidParameter", "parameter", "the daemon refused %.*s", CTL_USAGE},
	{"org.varlink.service.PermissionDenied", NULL,
	    "you may not do this%.*s: run this as root, or add your uid to `admin { uid ... }` in the configuration",
	    CTL_REFUSED},
};

struct json_writer
call_begin(struct ctl *ctl, const char *method, bool more)
{
	ctl->out = buf_over(ctl->message, sizeof(ctl->message));
	ctl->streaming = more;
	return varlink_call_begin(&ctl->out, view_str(method), more);
}

void
call_put(struct json_writer *w, const char *name, const char *value)
{
	if (value != NULL)
		json_member_str(w, name, view_str(value));
}

uint32_t
reply_get(const struct ctl *ctl, uint32_t object, const char *name, enum json_type type)
{
	uint32_t token = json_type(&ctl->doc, object) != JSON_OBJECT ? 0 : json_get(&ctl->doc, object, view_str(name));

	return token != 0 && json_type(&ctl->doc, token) == type ? token : 0;
}

struct view
reply_text(const struct ctl *ctl, uint32_t object, const char *name)
{
	uint32_t token = reply_get(ctl, object, name, JSON_STRING);

	return token == 0 ? view_of("", 0) : json_text(&ctl->doc, token);
}

static int
refused(struct ctl *ctl, struct view name)
{
	struct view reason = ctl->reply == 0 ? VIEW("") : reply_text(ctl, ctl->reply, "reason");
	char text[512];

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct view about = VIEW("");

		if (!view_equal(name, view_str(refusals[i].name)))
			continue;
		if (refusals[i].about != NULL && ctl->reply != 0)
			about = reply_text(ctl, ctl->reply, refusals[i].about);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(text, sizeof(text), refusals[i].sentence, (int)about.len, about.data);
#pragma GCC diagnostic pop
		return ctl_fail(ctl, refusals[i].code, "%s%s%.*s", text, reason.len > 0 ? ": " : "", (int)reason.len,
		    reason.data);
	}
	return ctl_fail(ctl, CTL_FAILED, "the daemon answered with an error that is not known here: %.*s",
	    (int)name.len, name.data);
}

static int64_t
call_patience(const struct ctl *ctl)
{
	return ctl->patience_ms != 0 ? ctl->patience_ms : CALL_TIMEOUT_MS;
}

static int
unreachable(struct ctl *ctl)
{
	int err = ctl->wire->os_error;
	const char *mend = "look with `systemctl status countersignd`, or give the admin socket with --socket";

	if (err == EACCES || err == EPERM)
		mend = "run this as root, or as a uid in `admin { uid ... }` of the configuration";
	return ctl_fail(ctl, CTL_UNREACHABLE, "cannot reach the daemon at %s: %s; %s%s%s", ctl->socket, strerror(err), mend,
	    ctl->no_answer != NULL ? "; " : "", ctl->no_answer != NULL ? ctl->no_answer : "");
}

static int
wire_failed(struct ctl *ctl, enum wire_result rc)
{
	switch (rc) {
	case WIRE_OK:
		return CTL_OK;
	case WIRE_UNREACHABLE:
	case WIRE_UNSENT:
		return unreachable(ctl);
	case WIRE_LOST:
		return ctl_fail(ctl, CTL_UNREACHABLE,
		    "the daemon closed the connection before it answered: it may have acted; look with "
		    "`countersignctl events`, and in its log");
	case WIRE_TIMEOUT:
		return ctl_fail(ctl, CTL_UNREACHABLE, "the daemon did not answer within %d seconds: it may still act; look in its log%s%s",
		    (int)(call_patience(ctl) / 1000), ctl->no_answer != NULL ? "; " : "", ctl->no_answer != NULL ? ctl->no_answer : "");
	case WIRE_GARBAGE:
		break;
	}
	return ctl_fail(ctl, CTL_FAILED, "what answers at %s does not speak as countersignd does: %s", ctl->socket,
	    ctl->wire->reason);
}

static int
accept_reply(struct ctl *ctl, const struct varlink_reply *reply)
{
	static char none[] = "{}";
	static struct json_token tokens[1];

	ctl->reply = reply->parameters;
	ctl->continues = reply->continues;
	if (reply->error.len > 0)
		return refused(ctl, reply->error);
	/* Parameters are never token 0, but an empty document's root is: it stands for "nothing said". */
	if (reply->parameters == 0) {
		memcpy(none, "{}", sizeof(none));
		(void)json_read(none, 2, tokens, 1, &ctl->doc, NULL);
	}
	return CTL_OK;
}

int
call_run(struct ctl *ctl, struct json_writer *w)
{
	int64_t deadline = wire_now_ms() + call_patience(ctl);
	struct varlink_reply reply;
	enum wire_result rc;

	varlink_end(w);
	if (ctl->out.full)
		return ctl_fail(ctl, CTL_USAGE, "the command line is longer than a message may be (%d bytes)",
		    VARLINK_MESSAGE_MAX);
	if (ctl->wire->path[0] == '\0' && !wire_init(ctl->wire, ctl->socket))
		return ctl_fail(ctl, CTL_USAGE, "the path of a socket has 1 to %d bytes: %s", (int)WIRE_PATH_MAX,
		    ctl->socket);
	rc = wire_connect(ctl->wire, deadline);
	if (rc == WIRE_OK)
		rc = wire_send(ctl->wire, buf_view(&ctl->out), deadline);
	if (rc == WIRE_OK)
		rc = wire_receive(ctl->wire, ctl->streaming ? WIRE_NO_DEADLINE : deadline, &ctl->doc, &reply);
	return rc == WIRE_OK ? accept_reply(ctl, &reply) : wire_failed(ctl, rc);
}

int
call_next(struct ctl *ctl, bool *lost)
{
	struct varlink_reply reply;
	enum wire_result rc = wire_receive(ctl->wire, WIRE_NO_DEADLINE, &ctl->doc, &reply);

	if (lost != NULL)
		*lost = rc == WIRE_LOST;
	if (rc == WIRE_LOST && lost != NULL)
		return CTL_UNREACHABLE;
	return rc == WIRE_OK ? accept_reply(ctl, &reply) : wire_failed(ctl, rc);
}

void
call_close(struct ctl *ctl)
{
	wire_close(ctl->wire);
}

int
call_and_print(struct ctl *ctl, const char *method, const char *name, const char *value, const char *member)
{
	struct json_writer w = call_begin(ctl, method, false);
	uint32_t token;
	int rc;

	if (name != NULL)
		call_put(&w, name, value);
	rc = call_run(ctl, &w);
	if (rc != CTL_OK)
		return rc;
	token = member == NULL ? 0 : reply_get(ctl, ctl->reply, member, JSON_OBJECT);
	print_reply(ctl, token == 0 ? ctl->reply : token);
	return CTL_OK;
}
