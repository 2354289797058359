/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Receiver: a service's stream of security events. */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/api.h"
#include "broker/engine/record.h"
#include "broker/engine/transmit.h"
#include "broker/engine/transmit_deliver.h"
#include "broker/engine/transmit_set.h"

#define PUSH "urn:ietf:rfc:8935"
#define POLL "urn:ietf:rfc:8936"

enum {
	STREAM_ID_MAX = 64,
	EVENTS_REQUESTED_MAX = 64,
	POLL_EVENTS = 16,          /* in one answer: each is a token of a KiB */
	ACKS_MAX = 256,
	CHANGES_MAX = 2048,        /* bytes: a sealed wish */
};

/* A stream as a call wants it. */
struct wanted {
	struct view stream_id, description;
	uint32_t delivery, events; /* tokens; 0: left out */
	bool keep;                 /* what is left out stays as it is */
	struct id id;
	uint8_t method, status;
	uint64_t position;
	bool is_new;
};

static const struct json_field wanted_fields[] = {
	{"stream_id", JSON_F_ID, false, offsetof(struct wanted, stream_id), 1, STREAM_ID_MAX},
	{"delivery", JSON_F_OBJECT, false, offsetof(struct wanted, delivery), 0, 0},
	{"events_requested", JSON_F_ARRAY, false, offsetof(struct wanted, events), 0, EVENTS_REQUESTED_MAX},
	{"description", JSON_F_ID, false, offsetof(struct wanted, description), 1, TRANSMIT_DESCRIPTION_MAX},
	{0},
};

struct delivery {
	struct view method, endpoint, header;
};

static const struct json_field delivery_fields[] = {
	{"method", JSON_F_ID, true, offsetof(struct delivery, method), 1, 64},
	{"endpoint_url", JSON_F_ID, false, offsetof(struct delivery, endpoint), 1, TRANSMIT_ENDPOINT_MAX},
	{"authorization_header", JSON_F_ID, false, offsetof(struct delivery, header), 1, TRANSMIT_HEADER_MAX},
	{0},
};

/* The caller's stream, of this id where one is given; NULL: the call is answered. */
static struct receiver *
own_stream(struct call *call, struct view stream_id, const struct record_receiver **of)
{
	struct receiver *r = transmit_receiver(call->engine, call->caller.service);
	char text[32];

	*of = record_receiver_of(record_state_of(call->engine), call->caller.service);
	if (r == NULL || *of == NULL ||
	    (stream_id.data != NULL && !view_equal(stream_id, transmit_stream_id(&(*of)->id, text)))) {
		call_not_found(call, "stream");
		return NULL;
	}
	return r;
}

/* --- answers --- */

static void
put_events(struct json_writer *w, const char *name, unsigned wanted)
{
	json_key(w, view_str(name));
	json_array_begin(w);
	for (unsigned i = 0; i < TRANSMIT_WHAT_N; i++) {
		if ((wanted >> i & 1) != 0)
			json_put_str(w, transmit_uri((enum transmit_what)i));
	}
	json_array_end(w);
}

static void
answer_stream(struct call *call)
{
	struct engine *e = call->engine;
	const struct record_receiver *of = record_receiver_of(record_state_of(e), call->caller.service);
	struct transmit_wish wish;
	struct json_writer w;
	char text[32];

	if (of == NULL || transmit_wish_open(e, of, &wish) != CS_OK) {
		call_unavailable(call, "stream");
		return;
	}
	w = call_reply(call);
	json_member_str(&w, "stream_id", transmit_stream_id(&of->id, text));
	json_member_str(&w, "iss", transmit_issuer(e));
	json_member_str(&w, "aud", view_str(ruleset_service_name(e->rules, of->service)));
	json_key(&w, VIEW("delivery"));
	json_object_begin(&w);
	json_member_str(&w, "method", of->method == RECEIVER_PUSH ? VIEW(PUSH) : VIEW(POLL));
	if (wish.endpoint.len > 0) {
		json_member_str(&w, "endpoint_url", wish.endpoint);
	} else {
		uint8_t bytes[TRANSMIT_ENDPOINT_MAX + 32];
		struct buf url = buf_over(bytes, sizeof(bytes));

		buf_put_view(&url, transmit_issuer(e));
		buf_put_view(&url, VIEW("/signals/poll"));
		json_member_str(&w, "endpoint_url", buf_view(&url));
	}
	json_object_end(&w);
	put_events(&w, "events_supported", (1U << TRANSMIT_WHAT_N) - 1);
	put_events(&w, "events_requested", wish.wanted);
	put_events(&w, "events_delivered", wish.wanted);
	json_member_int(&w, "min_verification_interval", TRANSMIT_VERIFY_S);
	if (wish.description.len > 0)
		json_member_str(&w, "description", wish.description);
	secret_wipe(wish.bytes, sizeof(wish.bytes));
	call_end(call, &w);
}

static void
answer_status(struct call *call)
{
	static const char *const names[] = {"", "enabled", "paused", "disabled"};
	const struct record_receiver *of = record_receiver_of(record_state_of(call->engine), call->caller.service);
	struct receiver *r = transmit_receiver(call->engine, call->caller.service);
	const struct transmit_item *item;
	struct json_writer w;
	char text[32];
	int64_t n = 0;

	if (of == NULL || r == NULL) {
		call_not_found(call, "stream");
		return;
	}
	for (size_t i = 0; (item = transmit_waiting(r, i)) != NULL; i++)
		n += !item->done;
	w = call_reply(call);
	json_member_str(&w, "stream_id", transmit_stream_id(&of->id, text));
	json_member_str(&w, "status", view_str(names[of->status]));
	json_member_int(&w, "waiting", n);
	call_end(call, &w);
}

/* The change is durable. */
static void
stream_changed(struct call *call)
{
	transmit_configure(call->engine);
	answer_stream(call);
}

static void
status_changed(struct call *call)
{
	transmit_configure(call->engine);
	answer_status(call);
}

static void
stream_ended(struct call *call)
{
	transmit_configure(call->engine);
	call_done(call);
}

/* False: the call is answered. */
static bool
may_change(struct call *call)
{
	if (transmit_may_change(call->engine))
		return true;
	call_too_many(call, "changes of streams", TRANSMIT_CHANGE_S * 1000);
	return false;
}

/* --- reading what is wanted --- */

static bool
is_https(struct view url)
{
	for (size_t i = 0; i < url.len; i++) {
		if ((unsigned char)url.data[i] <= ' ' || (unsigned char)url.data[i] >= 0x7f || url.data[i] == '#')
			return false;
	}
	return url.len > 8 && memcmp(url.data, "https://", 8) == 0;
}

/* False: the call is answered. */
static bool
read_delivery(struct call *call, struct wanted *want, struct transmit_wish *wish)
{
	const struct config_service *s = ruleset_service(call->engine->rules, call->caller.service);
	struct json_problem problem;
	struct delivery d = {0};

	if (want->delivery == 0)
		return true;
	if (json_bind(&call->doc, want->delivery, delivery_fields, false, &d, &problem) != CS_OK) {
		call_invalid(call, "delivery", problem.reason);
		return false;
	}
	if (view_equal(d.method, VIEW(POLL))) {
		want->method = RECEIVER_POLL;
		wish->endpoint = wish->header = view_of(NULL, 0);
		return true;
	}
	if (!view_equal(d.method, VIEW(PUSH)))
		call_invalid(call, "delivery", "method must be " PUSH " or " POLL);
	else if (s == NULL || s->push == NULL)
		call_invalid(call, "delivery", "nothing can be pushed to this service: the broker's configuration has no push for it");
	else if (!is_https(d.endpoint))
		call_invalid(call, "delivery", "endpoint_url must be an https URL");
	want->method = RECEIVER_PUSH;
	/* A change that names no header keeps the one there is, for the same place: another must not learn it. */
	if (d.header.data != NULL || !want->keep || !view_equal(d.endpoint, wish->endpoint))
		wish->header = d.header;
	wish->endpoint = d.endpoint;
	return !call->answered;
}

static bool
read_events(struct call *call, const struct wanted *want, struct transmit_wish *wish)
{
	uint32_t at;
	unsigned mask = 0;

	if (want->events == 0)
		return true;
	at = json_first(&call->doc, want->events);
	for (unsigned i = 0; i < call->doc.tokens[want->events].count; i++) {
		if (json_type(&call->doc, at) != JSON_STRING) {
			call_invalid(call, "events_requested", "must be a list of strings");
			return false;
		}
		for (unsigned k = 0; k < TRANSMIT_WHAT_N; k++) {
			if (view_equal(json_text(&call->doc, at), transmit_uri((enum transmit_what)k)))
				mask |= 1U << k;
		}
		at = json_next(&call->doc, at);
	}
	wish->wanted = mask;
	return true;
}

/* Writes the event; the wish's words are in the call's message or in wish->bytes until here. */
static void
commit_stream(struct call *call, const struct wanted *want, const struct transmit_wish *wish, record_done_fn *done)
{
	struct event ev = {.type = EVENT_RECEIVER_SET, .reason = REASON_ASKED, .service = call->caller.service, .id = want->id,
	    .no = want->method, .target_no = want->status, .count = (int64_t)want->position};
	struct record_receiver of = {.service = call->caller.service, .id = want->id};
	uint8_t bytes[CHANGES_MAX];
	struct buf sealed = buf_over(bytes, sizeof(bytes));
	struct extra changes;

	extra_init(&changes);
	transmit_wish_seal(call->engine, &of, wish, &sealed);
	CHECK(!sealed.full);
	extra_put(&changes, &want->id, buf_view(&sealed));
	record_change(call->engine, &ev, AUTHOR_BROKER, want->method == RECEIVER_PUSH ? wish->endpoint : VIEW("polled"),
	    buf_view(&changes.buf), call, done);
}

static void
set_stream(struct call *call, struct wanted *want, struct transmit_wish *wish)
{
	if (want->description.data != NULL)
		wish->description = want->description;
	if (read_delivery(call, want, wish) && read_events(call, want, wish) && may_change(call))
		commit_stream(call, want, wish, stream_changed);
}

/* --- methods --- */

void
receiver_create(struct call *call)
{
	struct wanted want;
	struct transmit_wish wish = {.wanted = (1U << TRANSMIT_WHAT_N) - 1};
	const struct record_state *s = record_state_of(call->engine);
	struct store_status status;

	if (!call_bind(call, wanted_fields + 1, &want, sizeof(want)))
		return;
	if (record_receiver_of(s, call->caller.service) != NULL) {
		call_conflict(call, "stream");
		return;
	}
	if (s->receivers_n == RECORD_RECEIVERS_MAX) {
		call_too_many(call, "streams", 1000);
		return;
	}
	/* What happened before is no news. */
	store_status(call->engine->store, &status);
	want.method = RECEIVER_POLL;
	want.status = RECEIVER_ENABLED;
	want.position = status.log_last;
	secret_random(want.id.b, sizeof(want.id.b));
	set_stream(call, &want, &wish);
}

static void
change(struct call *call, bool keep)
{
	struct transmit_wish wish = {0};
	const struct record_receiver *of;
	struct receiver *r;
	struct wanted want;

	if (!call_bind(call, wanted_fields, &want, sizeof(want)))
		return;
	if (want.stream_id.data == NULL) {
		call_invalid(call, "stream_id", "is missing");
		return;
	}
	r = own_stream(call, want.stream_id, &of);
	if (r == NULL)
		return;
	want.id = of->id;
	want.status = of->status;
	want.position = transmit_position(r);
	want.keep = keep;
	want.method = keep ? of->method : RECEIVER_POLL;
	if (keep && transmit_wish_open(call->engine, of, &wish) != CS_OK) {
		call_unavailable(call, "stream");
		return;
	}
	if (!keep)
		wish.wanted = (1U << TRANSMIT_WHAT_N) - 1;
	set_stream(call, &want, &wish);
	secret_wipe(wish.bytes, sizeof(wish.bytes));
}

void
receiver_update(struct call *call)
{
	change(call, true);
}

void
receiver_replace(struct call *call)
{
	change(call, false);
}

struct named {
	struct view stream_id, status, reason, state;
};

static const struct json_field optional_id[] = {
	{"stream_id", JSON_F_ID, false, offsetof(struct named, stream_id), 1, STREAM_ID_MAX},
	{0},
};
static const struct json_field required_id[] = {
	{"stream_id", JSON_F_ID, true, offsetof(struct named, stream_id), 1, STREAM_ID_MAX},
	{0},
};

void
receiver_get(struct call *call)
{
	const struct record_receiver *of;
	struct named n;

	if (call_bind(call, optional_id, &n, sizeof(n)) && own_stream(call, n.stream_id, &of) != NULL)
		answer_stream(call);
}

void
receiver_delete(struct call *call)
{
	const struct record_receiver *of;
	struct event ev = {.type = EVENT_RECEIVER_ENDED, .reason = REASON_ASKED, .service = call->caller.service};
	struct extra changes;
	struct named n;

	if (!call_bind(call, required_id, &n, sizeof(n)) || own_stream(call, n.stream_id, &of) == NULL || !may_change(call))
		return;
	ev.id = of->id;
	extra_init(&changes);
	extra_drop(&changes, &of->id);
	record_change(call->engine, &ev, AUTHOR_BROKER, view_of(NULL, 0), buf_view(&changes.buf), call, stream_ended);
}

void
receiver_status(struct call *call)
{
	const struct record_receiver *of;
	struct named n;

	if (call_bind(call, required_id, &n, sizeof(n)) && own_stream(call, n.stream_id, &of) != NULL)
		answer_status(call);
}

/* What a stream is not told while it is disabled is never told: it goes on at the end of the log. */
static uint64_t
position_for(struct call *call, const struct receiver *r, const struct record_receiver *of, uint8_t status)
{
	struct store_status store;

	if (of->status != RECEIVER_DISABLED && status != RECEIVER_DISABLED)
		return transmit_position(r);
	store_status(call->engine->store, &store);
	return store.log_last;
}

void
receiver_set_status(struct call *call)
{
	static const struct json_field fields[] = {
		{"stream_id", JSON_F_ID, true, offsetof(struct named, stream_id), 1, STREAM_ID_MAX},
		{"status", JSON_F_ID, true, offsetof(struct named, status), 1, 16},
		{"reason", JSON_F_ID, false, offsetof(struct named, reason), 1, 128},
		{0},
	};
	static const struct view names[] = {VIEW("enabled"), VIEW("paused"), VIEW("disabled")};
	const struct record_receiver *of;
	struct event ev = {.type = EVENT_RECEIVER_SET, .reason = REASON_ASKED, .service = call->caller.service};
	struct receiver *r;
	struct named n;

	if (!call_bind(call, fields, &n, sizeof(n)))
		return;
	r = own_stream(call, n.stream_id, &of);
	if (r == NULL)
		return;
	for (uint8_t i = 0; i < 3; i++) {
		if (view_equal(n.status, names[i]))
			ev.target_no = i + 1;
	}
	if (ev.target_no == 0) {
		call_invalid(call, "status", "must be enabled, paused or disabled");
		return;
	}
	if (!may_change(call))
		return;
	ev.id = of->id;
	ev.no = of->method;
	ev.count = (int64_t)position_for(call, r, of, (uint8_t)ev.target_no);
	record_change(call->engine, &ev, AUTHOR_BROKER, n.reason.data == NULL ? n.status : n.reason, view_of(NULL, 0), call,
	    status_changed);
}

void
receiver_verify(struct call *call)
{
	static const struct json_field fields[] = {
		{"stream_id", JSON_F_ID, true, offsetof(struct named, stream_id), 1, STREAM_ID_MAX},
		{"state", JSON_F_ID, false, offsetof(struct named, state), 1, TRANSMIT_STATE_MAX},
		{0},
	};
	const struct record_receiver *of;
	struct receiver *r;
	struct named n;

	if (!call_bind(call, fields, &n, sizeof(n)))
		return;
	r = own_stream(call, n.stream_id, &of);
	if (r == NULL)
		return;
	if (transmit_verify(call->engine, r, n.state))
		call_done(call);
	else
		call_too_many(call, "verification events", TRANSMIT_VERIFY_S * 1000);
}

struct poll {
	int64_t most;
	bool at_once;
	uint32_t ack, errors;
};

/* False: the call is answered. */
static bool
take_acks(struct call *call, struct receiver *r, const struct poll *p)
{
	const struct json *doc = &call->doc;
	uint32_t at;

	if (p->ack != 0) {
		at = json_first(doc, p->ack);
		for (unsigned i = 0; i < doc->tokens[p->ack].count; i++) {
			if (json_type(doc, at) != JSON_STRING) {
				call_invalid(call, "ack", "must be a list of strings");
				return false;
			}
			transmit_taken(call->engine, r, json_text(doc, at), false);
			at = json_next(doc, at);
		}
	}
	if (p->errors != 0) {
		at = json_first(doc, p->errors);
		for (unsigned i = 0; i < doc->tokens[p->errors].count; i++) {
			transmit_taken(call->engine, r, json_text(doc, at), true);
			at = json_next(doc, at + 1);
		}
	}
	return true;
}

/* A poll whose events' accounts are being looked up; the call is held. */
struct polling {
	struct call *call;
	int64_t most;
};

static void
answer_sets(struct engine *e, void *ctx)
{
	struct polling *p = ctx;
	struct call *call = p->call;
	int64_t most = p->most;
	struct receiver *r = transmit_receiver(e, call->caller.service);
	const struct transmit_item *item;
	struct json_writer w;
	int64_t n = 0;
	bool more = false;

	free(p);
	if (r == NULL) {
		call_not_found(call, "stream");
		call_release(call);
		return;
	}
	w = call_reply(call);
	json_key(&w, VIEW("sets"));
	json_object_begin(&w);
	for (size_t i = 0; (item = transmit_waiting(r, i)) != NULL; i++) {
		uint8_t bytes[2 * TRANSMIT_SET_MAX];
		struct buf set = buf_over(bytes, sizeof(bytes));
		char jti[TRANSMIT_JTI_MAX];
		enum cs_err err;

		if (item->done)
			continue;
		if (n == most) {
			more = true;
			break;
		}
		err = transmit_set(e, r, item, &set);
		/* An account that was erased since is nobody's to hear of. */
		if (err != CS_OK) {
			more = more || err != CS_ERR_NOT_FOUND;
			continue;
		}
		json_key(&w, transmit_jti(r, item, jti));
		json_put_str(&w, buf_view(&set));
		n++;
	}
	json_object_end(&w);
	json_member_bool(&w, "moreAvailable", more);
	call_end(call, &w);
	call_release(call);
}

/* The queue has what there is: the accounts of the first events are looked up. */
static void
polled(struct engine *e, void *ctx)
{
	struct polling *p = ctx;
	struct receiver *r = transmit_receiver(e, p->call->caller.service);

	if (r != NULL)
		transmit_look(e, r, (size_t)p->most, answer_sets, p);
	else
		answer_sets(e, p);
}

void
receiver_poll(struct call *call)
{
	static const struct json_field fields[] = {
		{"maxEvents", JSON_F_INT, false, offsetof(struct poll, most), 0, INT32_MAX},
		{"returnImmediately", JSON_F_BOOL, false, offsetof(struct poll, at_once), 0, 0},
		{"ack", JSON_F_ARRAY, false, offsetof(struct poll, ack), 0, ACKS_MAX},
		{"setErrs", JSON_F_OBJECT, false, offsetof(struct poll, errors), 0, 0},
		{0},
	};
	const struct record_receiver *of;
	struct receiver *r;
	struct polling *polling;
	struct poll p;
	bool said = json_get(&call->doc, call->parameters, VIEW("maxEvents")) != 0;

	if (!call_bind(call, fields, &p, sizeof(p)))
		return;
	r = own_stream(call, view_of(NULL, 0), &of);
	if (r == NULL)
		return;
	if (of->method != RECEIVER_POLL) {
		call_conflict(call, "delivery");
		return;
	}
	if (!take_acks(call, r, &p))
		return;
	if (!said || p.most > POLL_EVENTS)
		p.most = POLL_EVENTS;
	polling = malloc(sizeof(*polling));
	CHECK(polling != NULL);
	*polling = (struct polling){call_hold(call), of->status == RECEIVER_ENABLED ? p.most : 0};
	transmit_catch_up(call->engine, polled, polling);
}
