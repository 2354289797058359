/* SPDX-License-Identifier: Apache-2.0 */
/* Enrolling a factor on a terminal: begin, show and ask its steps, finish. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/secret.h"
#include "broker/prompt/prompt.h"

enum {
	STEPS_MAX = 8,
	ANSWER_MAX = 24 * 1024,     /* the answer of a browser that made a passkey, with its attestation */
	CALL_MAX = 48 * 1024,
	TRIES_MAX = 5,              /* as many as the broker takes */
	TOKENS_MAX = 1024,
	KEY_GROUP = 4,              /* letters of a key that is typed */
};

/* What the broker answered last. */
struct reply {
	char text[CS_MESSAGE_MAX + 1];
	struct json_token tokens[TOKENS_MAX];
	struct json doc;
};

struct enrolment {
	struct prompt *p;
	char call[CALL_MAX];
	struct buf out;
	struct json_writer w;
	struct reply reply;
	struct {
		char id[CS_ID_MAX + 1];
		char value[ANSWER_MAX];
	} answers[STEPS_MAX];
	size_t answer_count;
};

static const char *
word(const struct prompt *p, const char *en, const char *zh)
{
	return p->zh ? zh : en;
}

static void
call_start(struct enrolment *e)
{
	e->out = buf_over(e->call, sizeof(e->call) - 1);
	e->w = json_to(&e->out);
	json_object_begin(&e->w);
}

static void
put(struct enrolment *e, const char *name, const char *value)
{
	if (value != NULL)
		json_member_str(&e->w, name, view_str(value));
}

/* 0, or the exit status after the reason was said. */
static int
call_run(struct enrolment *e, const char *method)
{
	struct cs_error error = {.message = "the broker's reply cannot be understood"};
	struct json_error why;
	enum cs_status status;
	size_t len = 0;

	json_object_end(&e->w);
	e->call[e->out.len] = '\0';
	status = e->out.full ? CS_STATUS_TOO_BIG
			     : cs_call(e->p->broker, method, e->call, e->reply.text, sizeof(e->reply.text), &len, &error);
	secret_wipe(e->call, sizeof(e->call));
	if (status == CS_STATUS_OK &&
	    json_read(e->reply.text, len, e->reply.tokens, TOKENS_MAX, &e->reply.doc, &why) != CS_OK)
		status = CS_STATUS_PROTOCOL;
	return status == CS_STATUS_OK ? 0 : say_failure(e->p, status, &error);
}

/* The member as a string; empty where it is absent or does not fit. */
static void
text_of(const struct enrolment *e, uint32_t object, const char *name, char *to, size_t size)
{
	uint32_t at = json_get(&e->reply.doc, object, view_str(name));
	struct view v = at == 0 ? view_of(NULL, 0) : json_text(&e->reply.doc, at);

	to[0] = '\0';
	if (at == 0 || json_type(&e->reply.doc, at) != JSON_STRING || v.len >= size)
		return;
	if (v.len > 0)
		memcpy(to, v.data, v.len);
	to[v.len] = '\0';
}

static uint32_t
array_of(const struct enrolment *e, const char *name, size_t *count)
{
	uint32_t at = json_get(&e->reply.doc, 0, view_str(name));

	*count = at != 0 && json_type(&e->reply.doc, at) == JSON_ARRAY ? e->reply.doc.tokens[at].count : 0;
	return *count == 0 ? 0 : json_first(&e->reply.doc, at);
}

static void
tell(struct enrolment *e, enum cs_message_kind kind, const char *text)
{
	struct cs_message message = {.kind = kind, .type = "enrol", .text = text};
	char none[1];

	(void)conversation_of(e->p)(e->p, &message, none, sizeof(none));
}

/* The secret of an otpauth: URI in groups, for those who type it. */
static void
key_put(struct prompt *p, const char *uri)
{
	const char *secret = strstr(uri, "secret=");
	size_t len = secret == NULL ? 0 : strcspn(secret + strlen("secret="), "&");

	if (len == 0)
		return;
	secret += strlen("secret=");
	raw_put(p, "  ");
	raw_put(p, word(p, "Or type this key into your app:", "或在应用中手动输入此密钥："));
	for (size_t i = 0; i < len; i++) {
		char text[3] = {i % KEY_GROUP == 0 ? ' ' : secret[i], i % KEY_GROUP == 0 ? secret[i] : '\0', '\0'};

		text_put(p, text);
	}
	raw_put(p, "\n");
}

static void
show(struct enrolment *e, uint32_t step)
{
	char uri[CS_URL_MAX + 1], text[CS_URL_MAX + 1], label[CS_TEXT_MAX + 1];
	struct prompt *p = e->p;

	text_of(e, step, "uri", uri, sizeof(uri));
	text_of(e, step, "text", text, sizeof(text));
	text_of(e, step, "label", label, sizeof(label));
	if (p->json) {
		json_event(p, "show", uri[0] != '\0' ? "uri" : "text", uri[0] != '\0' ? uri : text);
		return;
	}
	raw_put(p, "\n");
	if (strncmp(uri, "otpauth:", strlen("otpauth:")) == 0 || strncmp(uri, "https:", strlen("https:")) == 0) {
		qr_put(p, uri);
		raw_put(p, "\n");
		key_put(p, uri);
	} else {
		text_put_lines(p, text[0] != '\0' ? text : uri);
		raw_put(p, "\n");
	}
	out_flush(p);
	secret_wipe(uri, sizeof(uri));
}

/* false: the user left, or there is no way to ask this here. */
static bool
ask(struct enrolment *e, uint32_t step, const char *type)
{
	bool code = strcmp(type, "code") == 0, passkey = strcmp(type, "passkey") == 0;
	struct cs_message message = {
		.kind = passkey ? CS_MESSAGE_PASSKEY
		    : code || strcmp(type, "secret") == 0 ? CS_MESSAGE_ASK_HIDDEN : CS_MESSAGE_ASK,
		.type = type,
	};
	char label[CS_TEXT_MAX + 1];
	struct prompt *p = e->p;

	if (e->answer_count == STEPS_MAX)
		return false;
	if (passkey && !p->json) {
		tell(e, CS_MESSAGE_ERROR, word(p, "A passkey needs a browser. Open the page of this enrolment.",
		    "通行密钥需要浏览器，请打开此登记的网页。"));
		return false;
	}
	text_of(e, step, "label", label, sizeof(label));
	if (passkey) {
		text_of(e, step, "options", e->call, sizeof(e->call));
		json_event(p, "passkey_options", "options", e->call);
	}
	message.text = label[0] != '\0' ? label : word(p, "Code", "验证码");
	text_of(e, step, "id", e->answers[e->answer_count].id, sizeof(e->answers[0].id));
	if (conversation_of(p)(p, &message, e->answers[e->answer_count].value, ANSWER_MAX) != CS_REPLY_ANSWER)
		return false;
	e->answer_count++;
	return true;
}

static bool
steps_ask(struct enrolment *e)
{
	size_t count;
	uint32_t at = array_of(e, "steps", &count);

	e->answer_count = 0;
	for (size_t i = 0; i < count; i++, at = json_next(&e->reply.doc, at)) {
		char type[CS_WORD_MAX + 1];

		text_of(e, at, "type", type, sizeof(type));
		if (strcmp(type, "show") == 0)
			show(e, at);
		else if (!ask(e, at, type))
			return false;
	}
	return true;
}

static int
finish(struct enrolment *e, const char *id)
{
	call_start(e);
	put(e, "enrolment", id);
	json_key(&e->w, VIEW("answers"));
	json_array_begin(&e->w);
	for (size_t i = 0; i < e->answer_count; i++) {
		json_object_begin(&e->w);
		json_member_str(&e->w, "step", view_str(e->answers[i].id));
		json_member_str(&e->w, "value", view_str(e->answers[i].value));
		json_object_end(&e->w);
	}
	json_array_end(&e->w);
	return call_run(e, "org.countersign.Factors.Finish");
}

static int
begin(struct enrolment *e, const struct enrol_wish *wish, const char *challenge)
{
	call_start(e);
	put(e, "account", wish->account);
	put(e, "kind", wish->kind);
	put(e, "label", wish->label);
	put(e, "proof", wish->proof);
	put(e, "address", wish->address);
	put(e, "challenge", challenge);
	if (e->p->zh)
		put(e, "language", "zh");
	return call_run(e, "org.countersign.Factors.Begin");
}

static void
warnings_tell(struct enrolment *e)
{
	size_t count;
	uint32_t at = array_of(e, "warnings", &count);

	for (size_t i = 0; i < count; i++, at = json_next(&e->reply.doc, at)) {
		char text[CS_URL_MAX + 1];
		struct view v = json_text(&e->reply.doc, at);

		(void)snprintf(text, sizeof(text), "%.*s", (int)v.len, v.len == 0 ? "" : v.data);
		tell(e, CS_MESSAGE_ERROR, text);
	}
}

static int
done(struct enrolment *e)
{
	uint32_t factor = json_get(&e->reply.doc, 0, VIEW("factor"));
	char id[CS_ID_MAX + 1] = "", from[CS_TIME_MAX + 1] = "", text[CS_TEXT_MAX + 1];

	if (factor != 0 && json_type(&e->reply.doc, factor) == JSON_OBJECT) {
		text_of(e, factor, "id", id, sizeof(id));
		text_of(e, factor, "usable_from", from, sizeof(from));
	}
	warnings_tell(e);
	(void)snprintf(text, sizeof(text), "%s %s", word(e->p, "Enrolled. It may be used from", "登记完成，可使用的时间："), from);
	tell(e, CS_MESSAGE_INFO, text);
	if (e->p->json)
		json_event(e->p, "enrolled", "factor", id);
	return PROMPT_DONE;
}

/* Denied, with the reason's name, which the manual explains. */
static int
denied(struct enrolment *e)
{
	char reason[CS_WORD_MAX + 1], text[CS_TEXT_MAX + 1];

	text_of(e, 0, "reason", reason, sizeof(reason));
	(void)snprintf(text, sizeof(text), "%s%s", word(e->p, "This is not possible: ", "无法进行："), reason);
	tell(e, CS_MESSAGE_ERROR, text);
	return PROMPT_REFUSED;
}

static bool
outcome_is(const struct enrolment *e, const char *name, const char *word_wanted)
{
	char word_got[CS_WORD_MAX + 1];

	text_of(e, 0, name, word_got, sizeof(word_got));
	return strcmp(word_got, word_wanted) == 0;
}

/* The steps, as often as answers may be wrong. */
static int
steps_run(struct enrolment *e)
{
	struct reply *first = malloc(sizeof(*first));
	char id[CS_ID_MAX + 1];
	int code = PROMPT_OPEN;

	if (first == NULL)
		return PROMPT_UNREACHABLE;
	text_of(e, 0, "enrolment", id, sizeof(id));
	*first = e->reply;
	for (int i = 0; i < TRIES_MAX; i++) {
		e->reply = *first;
		e->reply.doc.text = e->reply.text;
		e->reply.doc.tokens = e->reply.tokens;
		if (!steps_ask(e)) {
			code = PROMPT_OPEN;
			break;
		}
		code = finish(e, id);
		secret_wipe(e->answers, sizeof(e->answers));
		if (code != 0)
			break;
		code = outcome_is(e, "outcome", "permit") ? done(e) : PROMPT_REFUSED;
		if (code == PROMPT_DONE || !outcome_is(e, "reason", "factor_rejected")) {
			code = code == PROMPT_DONE ? code : denied(e);
			break;
		}
		tell(e, CS_MESSAGE_ERROR, word(e->p, "That was not right.", "不正确。"));
	}
	secret_wipe(first, sizeof(*first));
	free(first);
	return code;
}

static int
enrol_run(struct enrolment *e, const struct enrol_wish *wish)
{
	int code = begin(e, wish, wish->challenge);
	char id[CS_ID_MAX + 1];
	uint32_t challenge;

	if (code == 0 && outcome_is(e, "outcome", "step_up") && wish->challenge == NULL) {
		challenge = json_get(&e->reply.doc, 0, VIEW("challenge"));
		id[0] = '\0';
		if (challenge != 0 && json_type(&e->reply.doc, challenge) == JSON_OBJECT)
			text_of(e, challenge, "id", id, sizeof(id));
		code = converse(e->p, id);
		if (code == 0)
			code = begin(e, wish, id);
	}
	if (code != 0)
		return code;
	return outcome_is(e, "outcome", "permit") ? steps_run(e) : denied(e);
}

int
enrol(struct prompt *p, const struct enrol_wish *wish)
{
	struct enrolment *e = calloc(1, sizeof(*e));
	int code;

	if (e == NULL)
		return PROMPT_UNREACHABLE;
	e->p = p;
	code = enrol_run(e, wish);
	secret_wipe(e, sizeof(*e));
	free(e);
	return code;
}
