/* SPDX-License-Identifier: Apache-2.0 */
/* --json: an event a line on stdout, an answer a line on stdin, for front ends that are other programs. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/base/secret.h"
#include "broker/prompt/prompt.h"

enum { WAIT_MS = 1000, TOKENS_MAX = 16 };

static const char *const states[] = {"open", "done", "used", "locked", "refused", "expired"};

static struct json_writer
event_begin(struct prompt *p, const char *event)
{
	struct json_writer w = json_to(&p->out.buf);

	json_object_begin(&w);
	json_member_str(&w, "event", view_str(event));
	return w;
}

static void
event_end(struct prompt *p, struct json_writer *w)
{
	json_object_end(w);
	raw_put(p, "\n");
	out_flush(p);
}

/* What is empty is left out. */
static void
member(struct json_writer *w, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		json_member_str(w, name, view_str(value));
}

void
json_event(struct prompt *p, const char *event, const char *name, const char *value)
{
	struct json_writer w = event_begin(p, event);

	member(&w, name, value);
	event_end(p, &w);
}

void
json_event_error(struct prompt *p, const char *status, const char *message)
{
	struct json_writer w = event_begin(p, "failure");

	member(&w, "status", status);
	member(&w, "text", message);
	event_end(p, &w);
}

static void
card_event(struct prompt *p, const struct cs_prompt *c)
{
	struct json_writer w = event_begin(p, "card");

	member(&w, "state", states[c->state]);
	json_member_int(&w, "attempts_left", c->attempts_left);
	json_key(&w, VIEW("card"));
	json_object_begin(&w);
	member(&w, "service", c->service);
	member(&w, "account_hint", c->account_hint);
	member(&w, "what", c->what);
	member(&w, "provider", c->provider);
	member(&w, "provider_title", c->provider_title);
	member(&w, "payee", c->payee);
	member(&w, "payee_id", c->payee_id);
	member(&w, "amount", c->amount);
	member(&w, "currency", c->currency);
	member(&w, "worst_case", c->worst_case);
	member(&w, "link", c->link);
	member(&w, "label", c->label);
	member(&w, "expires_at", c->expires_at);
	json_object_end(&w);
	event_end(p, &w);
}

static void
step_members(struct json_writer *w, const struct cs_step *s)
{
	member(w, "step", s->id);
	member(w, "kind", s->kind);
	member(w, "label", s->label);
	member(w, "destination", s->destination);
	member(w, "number", s->number);
	member(w, "challenge", s->challenge);
	member(w, "rp_id", s->rp_id);
	member(w, "credential", s->credential);
}

static void
message_event(struct prompt *p, const char *event, const struct cs_message *m)
{
	struct json_writer w = event_begin(p, event);

	member(&w, "type", m->type);
	member(&w, "text", m->text);
	if (m->kind == CS_MESSAGE_END)
		member(&w, "state", states[m->prompt->state]);
	if (m->step != NULL)
		step_members(&w, m->step);
	if (m->digits > 0)
		json_member_int(&w, "digits", m->digits);
	if (m->kind == CS_MESSAGE_ASK_HIDDEN)
		json_member_bool(&w, "hidden", true);
	if (m->may_resend)
		json_member_bool(&w, "resend", true);
	if (m->may_go_back)
		json_member_bool(&w, "back", true);
	if (m->choice_count > 0) {
		json_key(&w, VIEW("choices"));
		json_array_begin(&w);
		for (size_t i = 0; i < m->choice_count; i++)
			json_put_str(&w, view_str(m->choices[i]));
		json_array_end(&w);
	}
	event_end(p, &w);
}

/* The next line of stdin, with a NUL for its newline, in p->in. What is longer than a message ends the input. */
static enum line_result
line_next(struct prompt *p, int timeout_ms, size_t *len)
{
	for (;;) {
		char *end = memchr(p->in, '\n', p->in_len);
		struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
		ssize_t n;

		if (end != NULL) {
			*end = '\0';
			*len = (size_t)(end - p->in);
			return LINE_GOT;
		}
		if (p->in_len == sizeof(p->in) || p->in_ended)
			return LINE_END;
		if (poll(&in, 1, timeout_ms) == 0)
			return LINE_TIMEOUT;
		n = read(STDIN_FILENO, p->in + p->in_len, sizeof(p->in) - p->in_len);
		if (n < 0 && errno == EINTR)
			continue;
		p->in_ended = n <= 0;
		p->in_len += n > 0 ? (size_t)n : 0;
	}
}

static const struct {
	const char *word;
	enum cs_reply reply;
} wishes[] = {
	{"refuse", CS_REPLY_REFUSE},
	{"not_me", CS_REPLY_NOT_ME},
	{"resend", CS_REPLY_RESEND},
	{"back", CS_REPLY_BACK},
	{"look", CS_REPLY_LOOK},
	{"stop", CS_REPLY_STOP},
};

/* {"answer": "..."} or {"do": "refuse"}. false: it is neither. */
static bool
line_understand(char *line, size_t len, enum cs_reply *reply, char *answer, size_t size)
{
	struct json_token tokens[TOKENS_MAX];
	struct json_error err;
	struct json doc;
	struct view v;
	uint32_t at;

	if (json_read(line, len, tokens, TOKENS_MAX, &doc, &err) != CS_OK || json_type(&doc, 0) != JSON_OBJECT)
		return false;
	at = json_get(&doc, 0, VIEW("do"));
	for (size_t i = 0; at != 0 && i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		if (view_equal(json_text(&doc, at), view_str(wishes[i].word))) {
			*reply = wishes[i].reply;
			return true;
		}
	}
	at = json_get(&doc, 0, VIEW("answer"));
	if (at == 0 || (json_type(&doc, at) != JSON_STRING && json_type(&doc, at) != JSON_NUMBER))
		return false;
	v = json_text(&doc, at);
	if (v.len >= size || memchr(v.data, '\0', v.len) != NULL)
		return false;
	memcpy(answer, v.data, v.len);
	answer[v.len] = '\0';
	*reply = CS_REPLY_ANSWER;
	return true;
}

static enum cs_reply
hear(struct prompt *p, const struct cs_message *m, char *answer, size_t size)
{
	int timeout_ms = m->kind == CS_MESSAGE_WAIT ? WAIT_MS : m->prompt == NULL ? -1 : ms_until(m->prompt->expires_at);

	for (;;) {
		enum cs_reply reply = CS_REPLY_STOP;
		size_t len = 0;
		enum line_result got = line_next(p, timeout_ms, &len);
		bool understood;

		if (got != LINE_GOT)
			return got == LINE_END ? CS_REPLY_STOP : CS_REPLY_LOOK;
		understood = line_understand(p->in, len, &reply, answer, size);
		secret_wipe(p->in, len);
		memmove(p->in, p->in + len + 1, p->in_len - len - 1);
		p->in_len -= len + 1;
		if (understood)
			return reply;
		json_event_error(p, "argument", "a line must be {\"answer\": \"...\"} or {\"do\": \"refuse\"}; see countersign-prompt(1)");
	}
}

enum cs_reply
json_conversation(void *ctx, const struct cs_message *m, char *answer, size_t size)
{
	static const char *const events[] = {
		[CS_MESSAGE_CARD] = "card",
		[CS_MESSAGE_INFO] = "info",
		[CS_MESSAGE_ERROR] = "error",
		[CS_MESSAGE_NUMBER] = "number",
		[CS_MESSAGE_CHOOSE] = "ask",
		[CS_MESSAGE_ASK] = "ask",
		[CS_MESSAGE_ASK_HIDDEN] = "ask",
		[CS_MESSAGE_PASSKEY] = "ask",
		[CS_MESSAGE_WAIT] = "wait",
		[CS_MESSAGE_END] = "end",
	};
	struct prompt *p = ctx;

	if (m->kind == CS_MESSAGE_CARD)
		card_event(p, m->prompt);
	else if (m->kind != CS_MESSAGE_WAIT || !p->said_wait)
		message_event(p, events[m->kind], m);
	p->said_wait = m->kind == CS_MESSAGE_WAIT;
	return strcmp(events[m->kind], "ask") == 0 || p->said_wait ? hear(p, m, answer, size) : CS_REPLY_ANSWER;
}
