/* SPDX-License-Identifier: Apache-2.0 */
/* Reading calls from a stream, finding who asks, and writing the answers. */
#include "broker/engine/call.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"
#include "broker/engine/api.h"
#include "broker/engine/place.h"
#include "broker/engine/strangers.h"
#include "broker/engine/txn.h"

void
stream_init(struct stream *s, enum stream_kind kind, uint32_t uid)
{
	*s = (struct stream){.kind = (uint8_t)kind, .uid = uid};
	bytes_init(&s->in, STREAM_IN_MAX);
	bytes_init(&s->out, STREAM_OUT_MAX);
}

void
stream_clear(struct stream *s)
{
	bytes_clear(&s->in);
	bytes_clear(&s->out);
}

void
stream_left_drop(struct stream_left *left)
{
	if (left == NULL || --left->calls > 0)
		return;
	bytes_clear(&left->in);
	free(left);
}

/* Which service a local peer is: its uid, as the kernel tells it. */
static void
caller_local(struct engine *e, const struct stream *s, struct caller *caller)
{
	const struct config *c = e->rules->config;

	for (uint16_t i = 0; i < c->service_count; i++) {
		const struct config_service *service = &c->services[i];

		if ((service->doors & CONFIG_DOOR_UNIX) == 0)
			continue;
		for (uint16_t k = 0; k < service->uid_count; k++) {
			if (service->uids[k] != s->uid)
				continue;
			caller->service = e->rules->policy->services[i].tag;
			caller->rights = service->rights;
			caller->door = DOOR_UNIX;
			return;
		}
	}
}

static void
find_caller(struct engine *e, const struct stream *s, struct caller *caller)
{
	*caller = (struct caller){0};
	switch ((enum stream_kind)s->kind) {
	case STREAM_ADMIN:
		caller->admin = true;
		break;
	case STREAM_GATEWAY:
		caller->gateway = true;
		break;
	case STREAM_SERVICE:
		caller_local(e, s, caller);
		break;
	case STREAM_WORKER:
		break;
	}
}

struct call *
call_hold(struct call *call)
{
	struct call *held;

	/* A call that was held already goes on waiting, and so does one whose peer has gone meanwhile. */
	if (call->stream == NULL || call->again || call->stream->held == call)
		return call;
	held = malloc(sizeof(*held));
	CHECK(held != NULL);
	*held = *call;
	if (held->stream != NULL) {
		CHECK(held->stream->held == NULL);
		held->stream->held = held;
	}
	/* The copy is the one to answer from now on, perhaps before this one's turn is over. */
	call->answered = true;
	return held;
}

struct call *
call_put_aside(struct call *call)
{
	struct stream *s = call->stream;
	struct call *held = call_hold(call);

	if (held == call || s == NULL || held->more)
		return held;
	CHECK(s->held == held);
	s->held = NULL;
	held->place = place_new(s, s->out.buf.len, held);
	held->again = true;
	return held;
}

void
call_free(struct call *call)
{
	stream_left_drop(call->left);
	secret_wipe(call->memory, sizeof(call->memory));
	free(call);
}

void
call_release(struct call *call)
{
	struct stream *s = call->stream;

	CHECK(call->answered || s == NULL);
	if (call->after != NULL)
		call->after(call, call->ends);
	if (call->place != NULL)
		place_end(call->engine, call->place);
	if (s != NULL && !call->again) {
		CHECK(s->held == call);
		s->held = NULL;
		engine_ready(call->engine, s);
	}
	call_free(call);
}

void
call_after(struct call *call, void (*after)(struct call *call, void *ends), void *ends)
{
	call->after = after;
	call->ends = ends;
}

/* Apart is what nobody reads any more, and what then takes the place of a reply that rested on a commit that failed. */
static struct buf *
out_of(struct call *call)
{
	static struct bytes apart;

	if (call->stream != NULL && !call->again)
		return &call->stream->out.buf;
	bytes_clear(&apart);
	bytes_init(&apart, STREAM_OUT_MAX);
	return &apart.buf;
}

static struct json_writer
reply_begin(struct call *call, bool continues)
{
	struct buf *out = out_of(call);
	struct json_writer w;

	CHECK(!call->answered);
	call->start = out->len;
	w = varlink_reply_begin(out, continues);
	if (call->forwarded) {
		json_key(&w, VIEW("reply"));
		json_object_begin(&w);
	}
	return w;
}

struct json_writer
call_reply(struct call *call)
{
	struct json_writer w = reply_begin(call, false);

	call->answered = true;
	return w;
}

struct json_writer
call_reply_more(struct call *call)
{
	return reply_begin(call, true);
}

static void write_unavailable(struct buf *out, bool forwarded, const char *what);

static bool
reply_fits(const struct call *call, const struct buf *out)
{
	size_t len = out->len - call->start;

	return !out->full && len <= VARLINK_MESSAGE_MAX + 1 && (call->place == NULL || place_fits(call->place, len));
}

/* The end of every reply: too long a one becomes an error, an unread one is dropped, and a commit may be waited for. */
static void
reply_done(struct call *call, struct buf *out)
{
	if (!reply_fits(call, out)) {
		out->full = false;
		out->len = call->start;
		write_unavailable(out, call->forwarded, "reply");
	}
	if (call->oneway)
		out->len = call->start;
	if (call->place != NULL)
		place_put(call->place, buf_view(out));
	if (call->txn != NULL)
		txn_reply(call->txn, call, call->start);
}

void
call_end(struct call *call, struct json_writer *w)
{
	struct buf *out = w->out;

	if (call->forwarded)
		json_object_end(w);
	varlink_end(w);
	reply_done(call, out);
}

void
call_done(struct call *call)
{
	struct json_writer w = call_reply(call);

	call_end(call, &w);
}

static struct json_writer
error_begin(struct buf *out, bool forwarded, const char *error)
{
	struct json_writer w;

	if (!forwarded)
		return varlink_error_begin(out, view_str(error));
	w = varlink_reply_begin(out, false);
	json_member_str(&w, "error", view_str(error));
	json_key(&w, VIEW("reply"));
	json_object_begin(&w);
	return w;
}

static struct json_writer
fail_begin(struct call *call, const char *error)
{
	struct buf *out = out_of(call);

	CHECK(!call->answered);
	call->start = out->len;
	call->answered = true;
	return error_begin(out, call->forwarded, error);
}

void
call_fail(struct call *call, const char *error, const char *key, struct view value)
{
	struct json_writer w = fail_begin(call, error);

	if (key != NULL)
		json_member_str(&w, key, value);
	call_end(call, &w);
}

void
call_invalid(struct call *call, const char *field, const char *reason)
{
	struct json_writer w = fail_begin(call, "org.countersign.InvalidParameter");

	json_member_str(&w, "field", view_str(field));
	json_member_str(&w, "reason", view_str(reason));
	call_end(call, &w);
}

/* Refused without an account to whose log it belongs. What admins ask in vain is no sign of anything. */
static void
note_stranger(const struct call *call, const char *what)
{
	if (!call->caller.admin)
		strangers_note(call->engine, call->caller.service, what);
}

void
call_not_found(struct call *call, const char *what)
{
	note_stranger(call, what);
	call_fail(call, "org.countersign.NotFound", "what", view_str(what));
}

void
call_conflict(struct call *call, const char *what)
{
	call_fail(call, "org.countersign.Conflict", "what", view_str(what));
}

void
call_not_permitted(struct call *call, const char *right)
{
	note_stranger(call, "not_permitted");
	call_fail(call, "org.countersign.NotPermitted", "right", view_str(right));
}

void
call_unauthenticated(struct call *call)
{
	note_stranger(call, "not_authenticated");
	call_fail(call, "org.countersign.NotAuthenticated", NULL, view_of(NULL, 0));
}

void
call_too_many(struct call *call, const char *what, int64_t retry_after_ms)
{
	struct json_writer w = fail_begin(call, "org.countersign.TooMany");

	json_member_str(&w, "what", view_str(what));
	json_member_int(&w, "retry_after_ms", retry_after_ms);
	call_end(call, &w);
}

enum { RETRY_AFTER_MS = 1000 }; /* a restart takes less */

static void
write_unavailable(struct buf *out, bool forwarded, const char *what)
{
	struct json_writer w = error_begin(out, forwarded, "org.countersign.Unavailable");

	json_member_str(&w, "what", view_str(what));
	json_member_int(&w, "retry_after_ms", RETRY_AFTER_MS);
	if (forwarded)
		json_object_end(&w);
	varlink_end(&w);
}

void
call_unavailable(struct call *call, const char *what)
{
	struct buf *out = out_of(call);

	CHECK(!call->answered);
	note_stranger(call, "unavailable");
	call->start = out->len;
	call->answered = true;
	write_unavailable(out, call->forwarded, what);
	reply_done(call, out);
}

bool
call_bind(struct call *call, const struct json_field *fields, void *to, size_t size)
{
	struct json_problem problem = {0};

	memset(to, 0, size);
	if (call->parameters == 0) {
		/* No parameters are an empty object: what is required is missing. */
		for (const struct json_field *f = fields; f->name != NULL; f++) {
			if (f->required) {
				call_invalid(call, f->name, "is missing");
				return false;
			}
		}
		return true;
	}
	if (json_bind(&call->doc, call->parameters, fields, false, to, &problem) == CS_OK)
		return true;
	if (problem.field != NULL) {
		call_invalid(call, problem.field, problem.reason);
	} else {
		struct json_writer w = fail_begin(call, "org.countersign.InvalidParameter");

		json_member_str(&w, "field", problem.member);
		json_member_str(&w, "reason", view_str(problem.reason));
		call_end(call, &w);
	}
	return false;
}

bool
call_needs(struct call *call, enum right right, const char *name)
{
	if (call->caller.admin || (call->caller.rights & right) != 0)
		return true;
	call_not_permitted(call, name);
	return false;
}

bool
call_id(struct call *call, enum id_kind kind, struct view text, const char *what, struct id *account, struct id *id)
{
	if (id_parse(kind, text, account, id) == CS_OK)
		return true;
	call_not_found(call, what);
	return false;
}

void
call_asked(struct call *call, struct asked *asked)
{
	struct engine *e = call->engine;

	*asked = (struct asked){.policy = e->rules->policy, .broker = &e->broker, .service = call->caller.service,
	    .door = call->caller.door, .now_ms = e->now.wall_ms};
	if (call->evidence.op != OP_NONE) {
		asked->evidence = call->evidence.of;
		asked->evidence_n = call->evidence.n;
	}
	secret_random(asked->fresh, sizeof(asked->fresh));
}

static uint8_t
caller_is(const struct caller *c)
{
	return (uint8_t)((c->service != 0 ? FOR_SERVICE : 0) | (c->admin ? FOR_ADMIN : 0) |
	    (c->gateway ? FOR_GATEWAY : 0));
}

static const struct {
	enum right right;
	const char *name;
} right_names[] = {
	{RIGHT_SPEND, "spend"}, {RIGHT_REFUND, "refund"}, {RIGHT_LINK, "link"}, {RIGHT_ENROL, "enrol"},
	{RIGHT_RESPOND, "respond"}, {RIGHT_LOOKUP, "lookup"}, {RIGHT_ENUMERATE, "enumerate"}, {RIGHT_EXPLAIN, "explain"},
	{RIGHT_SIGNALS, "signals"},
};

/* Finds the method and asks whether this caller may call it, then calls it. Also for what the gateway forwards. */
void
call_dispatch(struct call *call, struct view name)
{
	const struct method *m = method_find(name);

	if (m == NULL) {
		call_fail(call, "org.varlink.service.MethodNotFound", "method", name);
		return;
	}
	call->method = m;
	if (m->who != FOR_ANYONE && (m->who & caller_is(&call->caller)) == 0) {
		if (call->caller.service == 0 && (m->who & FOR_SERVICE) != 0)
			call_unauthenticated(call);
		else
			call_not_permitted(call, (m->who & FOR_ADMIN) != 0 ? "admin" : "internal");
		return;
	}
	if (m->right != 0 && !call->caller.admin && (call->caller.rights & m->right) == 0) {
		for (size_t i = 0; i < sizeof(right_names) / sizeof(right_names[0]); i++) {
			if (right_names[i].right == m->right)
				call_not_permitted(call, right_names[i].name);
		}
		return;
	}
	if (call->more && !m->more)
		call->more = false;
	m->handle(call);
}

static void
call_init(struct call *call, struct engine *e, struct stream *s)
{
	call->engine = e;
	call->stream = s;
	call->method = NULL;
	call->parameters = 0;
	call->more = call->oneway = call->forwarded = call->answered = false;
	call->txn = NULL;
	call->place = NULL;
	call->left = NULL;
	call->after = NULL;
	call->again = false;
	call->used = 0;
	call->evidence.op = OP_NONE;
	call->ip = view_of(NULL, 0);
	call->number = ++e->calls;
	find_caller(e, s, &call->caller);
}

/* What is no message cannot be followed by one: answer once, and close. */
static void
refuse_message(struct engine *e, struct stream *s, const char *reason)
{
	struct call call;

	call_init(&call, e, s);
	call_invalid(&call, "message", reason);
	s->ended = true;
	s->taken = s->in.buf.len;
}

static void
one_message(struct engine *e, struct stream *s, char *text, size_t len)
{
	struct call call;
	struct varlink_call v;
	struct json_error err;

	call_init(&call, e, s);
	if (varlink_read_call(text, len, e->tokens, JSON_TOKENS_MAX, &call.doc, &v, &err) != CS_OK) {
		refuse_message(e, s, err.reason);
		return;
	}
	call.parameters = v.parameters;
	call.more = v.more;
	call.oneway = v.oneway;
	call_dispatch(&call, v.method);
	/* Answered now, or held or put aside and answered later. */
	CHECK(call.answered || s->held != NULL);
}

static bool
may_go_on(const struct stream *s)
{
	return s->held == NULL && s->out.buf.len < STREAM_OUT_FULL && s->unsettled < STREAM_UNSETTLED_FULL && !s->failed;
}

bool
calls_unread(const struct stream *s)
{
	return may_go_on(s) && s->in.buf.len - s->taken > s->scanned;
}

void
calls_read(struct engine *e, struct stream *s)
{
	while (may_go_on(s) && e->round_left > 0) {
		char *at = (char *)s->in.buf.data + s->taken;
		size_t len, have = s->in.buf.len - s->taken;
		enum cs_err err = have == 0 ? CS_ERR_NOT_FOUND : varlink_frame(at, have, &s->scanned, &len);

		if (err == CS_ERR_NOT_FOUND) {
			/* The rest of a message whose peer sends no more will never come. */
			if (s->ended)
				s->taken = s->in.buf.len;
			break;
		}
		if (err != CS_OK) {
			log_warn("msg=\"a message is too long\" uid=%u", s->uid);
			refuse_message(e, s, "is too long");
			break;
		}
		s->scanned = 0;
		s->taken += len + 1;
		e->round_left--;
		one_message(e, s, at, len);
	}
}
