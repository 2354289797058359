/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation on a terminal. */
#include <stdio.h>

#include "broker/prompt/prompt.h"

/* How often a user who is asked elsewhere (on a device) is looked for here. */
enum { WAIT_MS = 1000 };

/* A letter alone, where no answer is one; with a colon before it everywhere. */
static const struct {
	char letter;
	enum cs_reply reply;
	const char *en, *zh;
} keys[] = {
	{'r', CS_REPLY_REFUSE, "refuse", "拒绝"},
	{'n', CS_REPLY_NOT_ME, "not me", "不是我"},
	{'s', CS_REPLY_RESEND, "send again", "重新发送"},
	{'b', CS_REPLY_BACK, "another way", "其他方式"},
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

static bool
key_works(const struct cs_message *m, enum cs_reply reply)
{
	return reply == CS_REPLY_RESEND ? m->may_resend : reply == CS_REPLY_BACK ? m->may_go_back : m->prompt != NULL;
}

/* May the answer be a letter by itself? */
static bool
key_needs_colon(const struct cs_message *m)
{
	return m->type != NULL && (strcmp(m->type, "text") == 0 || strcmp(m->type, "secret") == 0);
}

static void
keys_hint(struct prompt *p, const struct cs_message *m)
{
	bool first = true;

	style_put(p, "2");
	for (int i = 0; i < KEYS; i++) {
		char text[4] = {key_needs_colon(m) ? ':' : keys[i].letter, key_needs_colon(m) ? keys[i].letter : '\0', '\0'};

		if (!key_works(m, keys[i].reply))
			continue;
		raw_put(p, first ? "  [" : "  ");
		raw_put(p, text);
		raw_put(p, " ");
		raw_put(p, p->zh ? keys[i].zh : keys[i].en);
		first = false;
	}
	raw_put(p, first ? "" : "]\n");
	style_put(p, NULL);
}

static enum cs_reply
reply_of(const struct cs_message *m, const char *line)
{
	bool colon = line[0] == ':';
	const char *key = colon ? line + 1 : line;

	for (int i = 0; i < KEYS; i++)
		if (key[0] == keys[i].letter && key[1] == '\0' && (colon || !key_needs_colon(m)) && key_works(m, keys[i].reply))
			return keys[i].reply;
	return CS_REPLY_ANSWER;
}

static enum cs_reply
ask(struct prompt *p, const struct cs_message *m, char *answer, size_t size)
{
	int timeout_ms = m->kind == CS_MESSAGE_WAIT ? WAIT_MS : m->prompt == NULL ? -1 : ms_until(m->prompt->expires_at);
	enum line_result got = tty_line(p, m->kind != CS_MESSAGE_ASK_HIDDEN, timeout_ms, answer, size);

	if (got != LINE_GOT)
		return got == LINE_END ? CS_REPLY_STOP : CS_REPLY_LOOK;
	return reply_of(m, answer);
}

static void
choices_put(struct prompt *p, const struct cs_message *m)
{
	for (size_t i = 0; i < m->choice_count; i++) {
		char number[32];

		(void)snprintf(number, sizeof(number), "  %zu  ", i + 1);
		raw_put(p, number);
		text_put(p, m->choices[i]);
		raw_put(p, "\n");
	}
}

static enum cs_reply
question(struct prompt *p, const struct cs_message *m, char *answer, size_t size)
{
	raw_put(p, "  ");
	text_put_lines(p, m->text);
	raw_put(p, m->kind == CS_MESSAGE_CHOOSE ? "\n" : "");
	choices_put(p, m);
	if (m->kind != CS_MESSAGE_CHOOSE)
		raw_put(p, "\n");
	keys_hint(p, m);
	raw_put(p, "> ");
	return ask(p, m, answer, size);
}

static void
tell(struct prompt *p, const struct cs_message *m)
{
	const char *style = m->kind == CS_MESSAGE_ERROR ? "31" : m->kind == CS_MESSAGE_END ? "1" : NULL;

	raw_put(p, "  ");
	if (style != NULL)
		style_put(p, style);
	text_put_lines(p, m->text);
	if (style != NULL)
		style_put(p, NULL);
	raw_put(p, "\n");
	if (m->kind == CS_MESSAGE_NUMBER) {
		raw_put(p, "\n      ");
		style_put(p, "1");
		text_put(p, m->step->number);
		style_put(p, NULL);
		raw_put(p, "\n\n");
	}
	out_flush(p);
}

static enum cs_reply
wait_a_little(struct prompt *p, const struct cs_message *m, char *answer, size_t size)
{
	if (!p->said_wait) {
		tell(p, m);
		keys_hint(p, m);
		raw_put(p, "> ");
	}
	p->said_wait = true;
	return ask(p, m, answer, size);
}

enum cs_reply
tty_conversation(void *ctx, const struct cs_message *m, char *answer, size_t size)
{
	struct prompt *p = ctx;

	if (p->said_wait && m->kind != CS_MESSAGE_WAIT) {
		raw_put(p, "\n"); /* behind the line on which nothing was typed */
		p->said_wait = false;
	}
	switch (m->kind) {
	case CS_MESSAGE_CARD:
		card_put(p, m->prompt);
		out_flush(p);
		return CS_REPLY_ANSWER;
	case CS_MESSAGE_INFO:
	case CS_MESSAGE_ERROR:
	case CS_MESSAGE_NUMBER:
	case CS_MESSAGE_END:
		tell(p, m);
		return CS_REPLY_ANSWER;
	case CS_MESSAGE_CHOOSE:
	case CS_MESSAGE_ASK:
	case CS_MESSAGE_ASK_HIDDEN:
		return question(p, m, answer, size);
	case CS_MESSAGE_WAIT:
		return wait_a_little(p, m, answer, size);
	case CS_MESSAGE_PASSKEY:
	default:
		return CS_REPLY_STOP;
	}
}
