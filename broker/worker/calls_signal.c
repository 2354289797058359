/* SPDX-License-Identifier: Apache-2.0 */
/* What providers tell unasked: one message (Signal), those that wait for us (Poll), and the stream they come in. */
#include <stdlib.h>

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/worker/calls_run.h"

/* ---- Signal ---------------------------------------------------------------------------------- */

const struct json_field signal_fields[] = {
    HEAD(signal_parameters),
    NOW(signal_parameters),
    {"body", JSON_F_STRING, true, offsetof(struct signal_parameters, body), 1, SIGNAL_TEXT_MAX},
    TEXT(signal_parameters, content_type, false, TEXT_MAX),
    TEXT(signal_parameters, authorization, false, HEADER_MAX),
    {"client_ids", JSON_F_ARRAY, true, offsetof(struct signal_parameters, client_ids), 1, COUNTERSIGN_CLIENT_IDS_MAX},
    {.name = NULL},
};

enum { EVENT_NAME_MAX = 64 };

static bool
is_event_name(const struct countersign_buffer *b)
{
	if (b->len == 0 || b->len > EVENT_NAME_MAX)
		return false;
	for (size_t i = 0; i < b->len; i++)
		if (!(b->data[i] >= 'a' && b->data[i] <= 'z') && b->data[i] != '-' &&
		    !(b->data[i] >= '0' && b->data[i] <= '9'))
			return false;
	return true;
}

/* A subject has an issuer, and an issuer stands for a subject. */
static bool
event_good(const struct countersign_security_event *ev)
{
	return is_event_name(&ev->name) && run_is_text(&ev->issuer, 0, TEXT_MAX) &&
	    run_is_text(&ev->subject, 0, TEXT_MAX) && (ev->subject.len == 0 || ev->issuer.len > 0) &&
	    run_is_text(&ev->detail, 0, TEXT_MAX);
}

static bool
signal_good(const struct countersign_signal_answer *out)
{
	if (!run_is_text(&out->request, 0, TEXT_MAX) || !run_is_text(&out->issuer, 1, TEXT_MAX) ||
	    !run_is_text(&out->id, 1, TEXT_MAX) || !run_is_text(&out->audience, 1, TEXT_MAX) ||
	    !run_is_text(&out->state, 0, TEXT_MAX) || out->events_count > COUNTERSIGN_SIGNAL_EVENTS)
		return false;
	for (size_t i = 0; i < out->events_count; i++)
		if (!event_good(&out->events[i]))
			return false;
	return true;
}

static void
put_event(struct run *r, const struct countersign_security_event *ev)
{
	json_object_begin(&r->reply);
	run_member(r, "name", &ev->name);
	if (ev->issuer.len > 0)
		run_member(r, "issuer", &ev->issuer);
	if (ev->subject.len > 0)
		run_member(r, "subject", &ev->subject);
	if (ev->detail.len > 0)
		run_member(r, "detail", &ev->detail);
	if (ev->at_ms != COUNTERSIGN_NO_TIME)
		json_member_int(&r->reply, "at", ev->at_ms);
	json_object_end(&r->reply);
}

static void
put_signal(struct run *r, const struct countersign_signal_answer *out)
{
	r->reply = varlink_reply_begin(r->out, false);
	run_member(r, "request", &out->request);
	run_member(r, "issuer", &out->issuer);
	run_member(r, "id", &out->id);
	run_member(r, "audience", &out->audience);
	if (out->state.len > 0)
		run_member(r, "state", &out->state);
	json_member_int(&r->reply, "issued_at", out->issued_at_ms);
	json_key(&r->reply, VIEW("events"));
	json_array_begin(&r->reply);
	for (size_t i = 0; i < out->events_count; i++)
		put_event(r, &out->events[i]);
	json_array_end(&r->reply);
	varlink_end(&r->reply);
}

/* Each event's texts lie behind those of the message. */
static void
give_events(struct run *r, struct countersign_signal_answer *out, size_t first)
{
	for (size_t i = 0; i < COUNTERSIGN_SIGNAL_EVENTS; i++) {
		struct countersign_security_event *ev = &out->events[i];

		ev->name = (struct countersign_buffer){r->memory[first + 4 * i], EVENT_NAME_MAX, 0};
		ev->issuer = run_text(r, first + 4 * i + 1);
		ev->subject = run_text(r, first + 4 * i + 2);
		ev->detail = run_text(r, first + 4 * i + 3);
		ev->at_ms = COUNTERSIGN_NO_TIME;
	}
}

int
run_signal(struct run *r)
{
	const struct signal_parameters *p = r->parameters;
	const struct countersign_provider_v1 *provider = r->calls->plugin->provider;
	struct countersign_view ids[COUNTERSIGN_CLIENT_IDS_MAX];
	uint8_t body[COUNTERSIGN_SIGNAL_MAX];
	struct countersign_signal in = {
		.size = sizeof(in),
		.call = r->call,
		.content_type = run_view(p->content_type),
		.authorization = run_view(p->authorization),
		.client_ids = ids,
	};
	struct countersign_signal_answer out = {
		.size = sizeof(out),
		.request = run_text(r, 0),
		.issuer = run_text(r, 1),
		.id = run_text(r, 2),
		.audience = run_text(r, 3),
		.state = run_text(r, 4),
	};
	int rc = COUNTERSIGN_INVALID;

	give_events(r, &out, 5);
	if (load_provider_signals(provider) && run_bytes(p->body, body, sizeof(body), &in.body) && in.body.len > 0 &&
	    run_views(r->doc, p->client_ids, TEXT_MAX, ids, COUNTERSIGN_CLIENT_IDS_MAX, &in.client_ids_count) &&
	    in.client_ids_count > 0)
		rc = provider->signal(r->calls->instance, &in, &out);
	if (rc == COUNTERSIGN_OK && !signal_good(&out))
		rc = GARBAGE;
	if (rc == COUNTERSIGN_OK)
		put_signal(r, &out);
	secret_wipe(body, sizeof(body));
	return rc;
}

/* ---- Poll ------------------------------------------------------------------------------------ */

const struct json_field poll_fields[] = {
    HEAD(poll_parameters),
    NOW(poll_parameters),
    {"taken", JSON_F_ARRAY, true, offsetof(struct poll_parameters, taken), 0, ACKS_MAX},
    {"refused", JSON_F_ARRAY, true, offsetof(struct poll_parameters, refused), 0, ACKS_MAX},
    {.name = NULL},
};

static bool
poll_good(const struct countersign_poll_answer *out)
{
	if (!run_is_text(&out->request, 0, TEXT_MAX) || out->sets_count > COUNTERSIGN_SETS_MAX || out->more < 0 ||
	    out->more > 1)
		return false;
	for (size_t i = 0; i < out->sets_count; i++)
		if (!run_is_text(&out->ids[i], 1, TEXT_MAX) || out->sets[i].len == 0 ||
		    out->sets[i].len > COUNTERSIGN_SET_MAX)
			return false;
	return true;
}

/*
 * What does not fit one message any more is left out: nobody says of it that it was taken, so that the provider gives it
 * again, and "more" has the engine ask at once.
 */
static void
put_sets(struct run *r, const struct countersign_poll_answer *out, char text[BASE64URL_LEN(COUNTERSIGN_SET_MAX)])
{
	size_t total = 0, i;

	r->reply = varlink_reply_begin(r->out, false);
	run_member(r, "request", &out->request);
	json_key(&r->reply, VIEW("sets"));
	json_array_begin(&r->reply);
	for (i = 0; i < out->sets_count; i++) {
		size_t len = base64url_encode((const uint8_t *)out->sets[i].data, out->sets[i].len, text);

		total += len;
		if (total > SETS_TEXT_MAX)
			break;
		json_object_begin(&r->reply);
		run_member(r, "id", &out->ids[i]);
		json_member_str(&r->reply, "set", view_of(text, len));
		json_object_end(&r->reply);
	}
	json_array_end(&r->reply);
	json_member_bool(&r->reply, "more", out->more != 0 || i < out->sets_count);
	varlink_end(&r->reply);
}

int
run_poll(struct run *r)
{
	const struct poll_parameters *p = r->parameters;
	const struct countersign_provider_v1 *provider = r->calls->plugin->provider;
	struct countersign_view taken[ACKS_MAX], refused[ACKS_MAX];
	struct room {
		char sets[COUNTERSIGN_SETS_MAX][COUNTERSIGN_SET_MAX];
		char text[BASE64URL_LEN(COUNTERSIGN_SET_MAX)];
	} *room = calloc(1, sizeof(*room));
	struct countersign_poll in = {.size = sizeof(in), .call = r->call, .taken = taken, .refused = refused};
	struct countersign_poll_answer out = {.size = sizeof(out), .request = run_text(r, 0)};
	int rc = COUNTERSIGN_INVALID;

	CHECK(room != NULL);
	for (size_t i = 0; i < COUNTERSIGN_SETS_MAX; i++) {
		out.ids[i] = run_text(r, 1 + i);
		out.sets[i] = (struct countersign_buffer){room->sets[i], COUNTERSIGN_SET_MAX, 0};
	}
	if (load_provider_polls(provider) &&
	    run_views(r->doc, p->taken, TEXT_MAX, taken, ACKS_MAX, &in.taken_count) &&
	    run_views(r->doc, p->refused, TEXT_MAX, refused, ACKS_MAX, &in.refused_count))
		rc = provider->poll(r->calls->instance, &in, &out);
	if (rc == COUNTERSIGN_OK && !poll_good(&out))
		rc = GARBAGE;
	if (rc == COUNTERSIGN_OK)
		put_sets(r, &out, room->text);
	secret_wipe(room, sizeof(*room));
	free(room);
	return rc;
}

/* ---- Stream ---------------------------------------------------------------------------------- */

const struct json_field stream_fields[] = {
    HEAD(stream_parameters),
    NOW(stream_parameters),
    TEXT(stream_parameters, action, true, TEXT_MAX),
    TEXT(stream_parameters, endpoint, false, 1024),
    TEXT(stream_parameters, state, false, TEXT_MAX),
    {.name = NULL},
};

/* 0: no such action. */
static uint32_t
action_of(struct view name)
{
	static const char *const names[] = {
	    [COUNTERSIGN_STREAM_STATUS] = "status",
	    [COUNTERSIGN_STREAM_CREATE] = "create",
	    [COUNTERSIGN_STREAM_VERIFY] = "verify",
	    [COUNTERSIGN_STREAM_DELETE] = "delete",
	};

	for (uint32_t i = 1; i < sizeof(names) / sizeof(names[0]); i++)
		if (view_equal(name, view_str(names[i])))
			return i;
	return 0;
}

/* A JSON object, read in a copy: reading changes the text. */
static bool
is_object(const struct countersign_buffer *b)
{
	struct json_token tokens[COUNTERSIGN_STREAM_MAX / 4];
	char copy[COUNTERSIGN_STREAM_MAX];
	struct json doc;

	if (b->len == 0 || b->len > sizeof(copy))
		return false;
	memcpy(copy, b->data, b->len);
	return json_read(copy, b->len, tokens, sizeof(tokens) / sizeof(tokens[0]), &doc, NULL) == CS_OK &&
	    json_type(&doc, 0) == JSON_OBJECT;
}

int
run_stream(struct run *r)
{
	const struct stream_parameters *p = r->parameters;
	const struct countersign_provider_v1 *provider = r->calls->plugin->provider;
	const struct countersign_stream in = {
		.size = sizeof(in),
		.call = r->call,
		.action = action_of(p->action),
		.endpoint = run_view(p->endpoint),
		.state = run_view(p->state),
	};
	struct countersign_stream_answer out = {
		.size = sizeof(out),
		.request = run_text(r, 0),
		.document = {r->big, COUNTERSIGN_STREAM_MAX, 0},
	};
	int rc = COUNTERSIGN_INVALID;

	if (load_provider_streams(provider) && in.action != 0)
		rc = provider->stream(r->calls->instance, &in, &out);
	if (rc != COUNTERSIGN_OK)
		return rc;
	if (!run_is_text(&out.request, 0, TEXT_MAX) || !is_object(&out.document))
		return GARBAGE;
	r->reply = varlink_reply_begin(r->out, false);
	run_member(r, "request", &out.request);
	run_member(r, "document", &out.document);
	varlink_end(&r->reply);
	return COUNTERSIGN_OK;
}
