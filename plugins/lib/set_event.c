/* SPDX-License-Identifier: Apache-2.0 */
/* The events of a security event token. */
#include "plugins/lib/encoding.h"
#include "plugins/lib/set_event.h"

/*
 * From here on a time is in milliseconds: Apple sends those, its own example has seconds, and a second of the year 5138
 * is no time of an event.
 */
#define MILLISECONDS_FROM INT64_C(100000000000)
#define TIME_MAX 1e15 /* far from any overflow */

/* What a reader has made of a subject identifier. */
enum subject {
	SUBJECT_BAD,  /* malformed: the message is refused */
	SUBJECT_NONE, /* of a kind, or an issuer, that no link has */
	SUBJECT_LINK, /* issuer and subject were written */
};

/* The last part of an event's URI, where it is a name; else "other". */
static struct countersign_view
name_of(const char *uri)
{
	const char *slash = strrchr(uri, '/');
	struct countersign_view v = countersign_view_of(slash == NULL ? uri : slash + 1);

	if (v.len == 0 || v.len > SET_EVENT_NAME_MAX || strspn(v.data, "abcdefghijklmnopqrstuvwxyz0123456789-") != v.len)
		return countersign_view_of("other");
	return v;
}

/* Only the subject is to be written down: its issuer is the provider's, in one spelling. */
static enum subject
read_iss_sub(const struct set_rules *rules, const json_t *id, struct countersign_view *subject)
{
	struct countersign_view iss = json_member_text(id, "iss"), sub = json_member_text(id, "sub");

	if (!set_text_ok(iss, OIDC_TEXT_MAX) || !set_text_ok(sub, OIDC_TEXT_MAX))
		return SUBJECT_BAD;
	for (size_t i = 0; i < rules->subject_issuers_count; i++) {
		if (!view_is(iss, rules->subject_issuers[i]))
			continue;
		*subject = sub;
		return SUBJECT_LINK;
	}
	return SUBJECT_NONE;
}

/*
 * The formats of RFC 9493 and SSF 1.0, with the members that each must have. Only iss_sub names what a link is kept under. A
 * format that is not here is nobody's: others may be agreed on.
 */
static const struct {
	const char *format, *members[2];
} formats[] = {
	{"account", {"uri", NULL}},
	{"email", {"email", NULL}},
	{"opaque", {"id", NULL}},
	{"phone_number", {"phone_number", NULL}},
	{"did", {"url", NULL}},
	{"uri", {"uri", NULL}},
	{"jwt_id", {"iss", "jti"}},
	{"saml_assertion_id", {"issuer", "assertion_id"}},
};

static enum subject
read_simple(const struct set_rules *rules, const json_t *id, struct countersign_view *subject)
{
	struct countersign_view format = json_member_text(id, "format");

	if (format.len == 0)
		return SUBJECT_BAD;
	if (view_is_text(format, "iss_sub"))
		return read_iss_sub(rules, id, subject);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		for (size_t k = 0; k < 2 && view_is_text(format, formats[i].format); k++)
			if (formats[i].members[k] != NULL && json_member_text(id, formats[i].members[k]).len == 0)
				return SUBJECT_BAD;
	return SUBJECT_NONE;
}

/* RFC 9493 section 3.2.8: several names of one subject, not nested. */
static enum subject
read_aliases(const struct set_rules *rules, const json_t *id, struct countersign_view *subject)
{
	const json_t *list = json_object_get(id, "identifiers"), *one;
	enum subject found = SUBJECT_NONE;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0)
		return SUBJECT_BAD;
	json_array_foreach(list, i, one) {
		struct countersign_view other;
		enum subject s = view_is_text(json_member_text(one, "format"), "aliases") ? SUBJECT_BAD :
		    read_simple(rules, one, &other);

		if (s == SUBJECT_BAD)
			return s;
		if (s == SUBJECT_NONE)
			continue;
		/* Two people under one name: whom it means is not ours to choose. */
		if (found == SUBJECT_LINK && !view_is(*subject, other))
			return SUBJECT_BAD;
		*subject = other;
		found = s;
	}
	return found;
}

static enum subject
read_part(const struct set_rules *rules, const json_t *id, struct countersign_view *subject)
{
	return view_is_text(json_member_text(id, "format"), "aliases") ? read_aliases(rules, id, subject) :
	    read_simple(rules, id, subject);
}

/* Whether the transmitter says that a receiver must understand this member. */
static bool
is_critical(const struct set_rules *rules, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(rules->critical, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), name) == 0)
			return true;
	return false;
}

/*
 * SSF 1.0: a subject of several parts. People are all that we know: what happened to a device or a session of a person is
 * taken as having happened to the person, which can only narrow what they may do.
 */
static enum subject
read_complex(const struct set_rules *rules, const json_t *id, struct countersign_view *subject)
{
	json_t *members = (json_t *)(uintptr_t)id, *part;
	enum subject user = SUBJECT_NONE;
	bool critical = false;
	const char *name;

	json_object_foreach(members, name, part) {
		struct countersign_view other;
		bool is_user = strcmp(name, "user") == 0;
		enum subject s;

		if (strcmp(name, "format") == 0)
			continue;
		s = read_part(rules, part, is_user ? subject : &other);
		if (s == SUBJECT_BAD)
			return s;
		if (is_user)
			user = s;
		critical = critical || (!is_user && is_critical(rules, name));
	}
	return critical ? SUBJECT_NONE : user;
}

/* Top level, for every event of the message. */
static enum subject
read_sub_id(const struct set_rules *rules, const json_t *id, struct countersign_view *subject)
{
	if (!json_is_object(id))
		return SUBJECT_BAD;
	return view_is_text(json_member_text(id, "format"), "complex") ? read_complex(rules, id, subject) :
	    read_part(rules, id, subject);
}

/* Google's `subject` within an event: `subject_type` in two spellings; of a token there is nothing that a link has. */
static enum subject
read_google_subject(const struct set_rules *rules, const json_t *event, struct countersign_view *subject)
{
	static const char *const with_sub[] = {"iss-sub", "iss_sub", "id_token_claims", "id-token-claims"};
	const json_t *id = json_object_get(event, "subject");
	struct countersign_view type = json_member_text(id, "subject_type");

	if (id == NULL)
		return SUBJECT_NONE;
	if (type.len == 0)
		type = json_member_text(id, "format");
	if (!json_is_object(id) || type.len == 0)
		return SUBJECT_BAD;
	for (size_t i = 0; i < sizeof(with_sub) / sizeof(with_sub[0]); i++)
		if (view_is_text(type, with_sub[i]))
			return read_iss_sub(rules, id, subject);
	return SUBJECT_NONE;
}

/* What an event says of itself in a word or two, for people. Nothing here names a person. */
static void
put_detail(const json_t *event, struct countersign_buffer *to)
{
	static const char *const names[] = {"reason", "credential_type", "change_type", "namespace", "current_level",
	    "current_status", "status", "change_direction"};

	to->len = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct countersign_view v = json_member_text(event, names[i]);
		int rc = COUNTERSIGN_OK;

		if (!set_text_ok(v, SET_DETAIL_MAX) || to->len + 1 + v.len > SET_DETAIL_MAX)
			continue;
		if (to->len > 0)
			put_text(to, &rc, " ");
		put_view(to, &rc, v);
	}
}

/* Seconds or milliseconds; what lies ahead or cannot be read is not known. */
static int64_t
time_of(const struct set_rules *rules, const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	double d = json_number_value(v);
	int64_t at;

	if (!json_is_number(v) || !(d >= 0) || d > TIME_MAX)
		return COUNTERSIGN_NO_TIME;
	at = (int64_t)d >= MILLISECONDS_FROM ? (int64_t)d / 1000 : (int64_t)d;
	return at > rules->now_s + rules->skew_s ? COUNTERSIGN_NO_TIME : at * 1000;
}

static int
put_event(const struct set_rules *rules, struct countersign_view name, const struct countersign_view *subject,
    int64_t at_ms, struct countersign_signal_answer *out)
{
	struct countersign_view issuer = rules->subject_issuers[0];
	struct countersign_security_event *e = &out->events[out->events_count];
	int rc = countersign_put(&e->name, name.data, name.len);

	e->at_ms = at_ms;
	if (rc == COUNTERSIGN_OK && subject != NULL)
		rc = countersign_put(&e->issuer, issuer.data, issuer.len);
	if (rc == COUNTERSIGN_OK && subject != NULL)
		rc = countersign_put(&e->subject, subject->data, subject->len);
	if (rc == COUNTERSIGN_OK)
		out->events_count++;
	return rc;
}

/* A transmitter shows that its stream works; `state` is what it was asked to say, if it was asked. */
static int
read_verification(const json_t *event, struct countersign_signal_answer *out)
{
	const json_t *state = json_object_get(event, "state");
	struct countersign_view v = json_text(state);

	if (state == NULL)
		return COUNTERSIGN_OK;
	if (!set_text_ok(v, SET_STATE_MAX))
		return COUNTERSIGN_BAD_TOKEN;
	return countersign_put(&out->state, v.data, v.len);
}

static int
read_events_object(const struct set_rules *rules, const json_t *claims, struct countersign_signal_answer *out)
{
	json_t *events = json_object_get(claims, "events"), *event;
	struct countersign_view subject = {NULL, 0};
	enum subject s = SUBJECT_NONE;
	const char *uri;

	if (!json_is_object(events) || json_object_size(events) == 0 ||
	    json_object_size(events) > COUNTERSIGN_SIGNAL_EVENTS)
		return COUNTERSIGN_BAD_TOKEN;
	if (rules->format == SET_SSF)
		s = read_sub_id(rules, json_object_get(claims, "sub_id"), &subject);
	json_object_foreach(events, uri, event) {
		int64_t at_ms;
		struct countersign_view name = name_of(uri);
		int rc;

		if (!json_is_object(event))
			return COUNTERSIGN_BAD_TOKEN;
		if (rules->format == SET_GOOGLE)
			s = read_google_subject(rules, event, &subject);
		if (s == SUBJECT_BAD)
			return COUNTERSIGN_BAD_TOKEN;
		if (view_is_text(name, "verification") && read_verification(event, out) != COUNTERSIGN_OK)
			return COUNTERSIGN_BAD_TOKEN;
		at_ms = time_of(rules, event, "event_timestamp");
		if (at_ms == COUNTERSIGN_NO_TIME)
			at_ms = time_of(rules, claims, "toe");
		put_detail(event, &out->events[out->events_count].detail);
		rc = put_event(rules, name, s == SUBJECT_LINK ? &subject : NULL, at_ms, out);
		if (rc != COUNTERSIGN_OK)
			return rc;
	}
	return COUNTERSIGN_OK;
}

/* Apple: one event, as the text of a JSON object, about a subject of Apple's own. */
static int
read_apple(const struct set_rules *rules, const json_t *claims, struct countersign_signal_answer *out)
{
	const json_t *events = json_object_get(claims, "events");
	struct countersign_view text = json_text(events), type, sub;
	/* The capture is a text; should it ever be an object, it is the same object. */
	json_t *event = text.data != NULL ? json_read_object(text.data, text.len) : json_incref((json_t *)(uintptr_t)events);
	int rc = COUNTERSIGN_BAD_TOKEN;

	type = json_member_text(event, "type");
	sub = json_member_text(event, "sub");
	/* Two spellings are about. */
	if (view_is_text(type, "account-deleted"))
		type = countersign_view_of("account-delete");
	if (type.data != NULL && view_is(name_of(type.data), type) && set_text_ok(sub, OIDC_TEXT_MAX)) {
		out->events[0].detail.len = 0;
		rc = put_event(rules, type, &sub, time_of(rules, event, "event_time"), out);
	}
	json_decref(event);
	return rc;
}

int
set_read_events(const struct set_rules *rules, const json_t *claims, struct countersign_signal_answer *out)
{
	out->events_count = 0;
	out->state.len = 0;
	return rules->format == SET_APPLE ? read_apple(rules, claims, out) : read_events_object(rules, claims, out);
}
