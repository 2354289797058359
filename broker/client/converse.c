/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A challenge as a conversation: the card, rounds of questions, the end. Every round begins with how the broker says that
 * the challenge stands, so that an answer from another surface, an expiry or a lock is noticed.
 */
#include "broker/client/converse.h"

#include <stdio.h>
#include <stdlib.h>

bool
talk_over(const struct talk *t)
{
	return t->status != CS_STATUS_OK || t->stopped || t->prompt.state != CS_CHALLENGE_OPEN;
}

void
talk_look(struct talk *t)
{
	if (t->status == CS_STATUS_OK)
		t->status = cs_challenge_get(t->handle, t->challenge, &t->prompt, t->error);
}

static void
refuse(struct talk *t, bool report)
{
	t->status = cs_challenge_refuse(t->handle, t->challenge, report, &t->prompt.state, t->error);
	t->reported = report;
}

bool
talk_say(struct talk *t, const struct cs_message *message, char answer[ANSWER_MAX])
{
	enum cs_reply reply;

	answer[0] = '\0';
	reply = t->how->conversation(t->how->ctx, message, answer, ANSWER_MAX);
	answer[ANSWER_MAX - 1] = '\0';
	switch (reply) {
	case CS_REPLY_ANSWER:
		return true;
	case CS_REPLY_REFUSE:
	case CS_REPLY_NOT_ME:
		/* What is over cannot be refused. */
		if (t->prompt.state == CS_CHALLENGE_OPEN)
			refuse(t, reply == CS_REPLY_NOT_ME);
		break;
	case CS_REPLY_RESEND:
		if (message->may_resend && message->step != NULL)
			(void)talk_begin(t, message->step->id);
		break;
	case CS_REPLY_BACK:
		t->again = message->may_go_back;
		if (message->may_go_back)
			t->chosen_count = 0;
		break;
	case CS_REPLY_LOOK:
		talk_look(t);
		break;
	case CS_REPLY_STOP:
	default:
		t->stopped = true;
		break;
	}
	return false;
}

void
talk_tell(struct talk *t, enum cs_message_kind kind, const struct cs_step *step, enum say say, const char *arg)
{
	struct cs_message message = {.kind = kind, .prompt = &t->prompt, .step = step};
	char answer[ANSWER_MAX];

	if (t->status != CS_STATUS_OK || t->stopped)
		return;
	message.text = talk_sentence(t, say, arg);
	(void)talk_say(t, &message, answer);
	explicit_bzero(answer, sizeof(answer));
}

static void
card_show(struct talk *t)
{
	struct cs_message message = {.kind = CS_MESSAGE_CARD, .prompt = &t->prompt, .text = ""};
	char answer[ANSWER_MAX];

	if (t->status == CS_STATUS_OK)
		(void)talk_say(t, &message, answer);
}

/* Milliseconds for people, in whole seconds, never none. */
static const char *
seconds_of(int ms, char to[16])
{
	(void)snprintf(to, 16, "%d", ms / 1000 + (ms % 1000 != 0 || ms == 0));
	return to;
}

const struct cs_step *
talk_step(const struct talk *t, const char *id)
{
	for (size_t i = 0; i < t->prompt.step_count; i++)
		if (strcmp(t->prompt.steps[i].id, id) == 0)
			return &t->prompt.steps[i];
	return NULL;
}

bool
talk_begin(struct talk *t, const char *step)
{
	struct cs_response got;
	char id[CS_ID_MAX + 1], number[16];
	const struct cs_step *now;

	(void)snprintf(id, sizeof(id), "%s", step); /* it lies in the prompt, which is read anew */
	t->status = cs_challenge_begin(t->handle, t->challenge, id, t->zh ? "zh" : "en", &got, t->error);
	talk_look(t);
	if (talk_over(t))
		return false;
	now = talk_step(t, id);
	if (got.retry_after_ms > 0)
		talk_tell(t, CS_MESSAGE_ERROR, now, SAY_TOO_SOON, seconds_of(got.retry_after_ms, number));
	else if (got.reason[0] != '\0')
		talk_tell(t, CS_MESSAGE_ERROR, now, strcmp(got.reason, "prompt_budget") == 0 ? SAY_BUDGET : SAY_NOT_SENT,
		    NULL);
	else if (now != NULL && now->destination[0] != '\0')
		talk_tell(t, CS_MESSAGE_INFO, now, SAY_SENT_TO, now->destination);
	return now != NULL && now->begun && !talk_over(t);
}

static void
talk_run(struct talk *t)
{
	talk_look(t);
	card_show(t);
	while (!talk_over(t))
		talk_round(t);
	if (t->status == CS_STATUS_OK && t->prompt.state != CS_CHALLENGE_OPEN) {
		t->stopped = false; /* the end is told to those who left too */
		talk_tell(t, CS_MESSAGE_END, NULL, talk_end_of(t), NULL);
	}
}

CS_PUBLIC enum cs_status
cs_stepup_converse(struct cs *handle, const char *challenge, const struct cs_converse *how,
    enum cs_challenge_state *state, struct cs_error *error)
{
	struct call none = {.error = error};
	enum cs_status status;
	struct talk *t;

	if (how == NULL || how->conversation == NULL || state == NULL) {
		call_fail(&none, CS_STATUS_ARGUMENT, "how", "how, its conversation and state must be given");
		return none.status;
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL) {
		call_fail(&none, CS_STATUS_MEMORY, NULL, "out of memory");
		return none.status;
	}
	t->handle = handle;
	t->challenge = challenge;
	t->how = how;
	t->error = error;
	t->zh = how->language != NULL && strncmp(how->language, "zh", 2) == 0;
	talk_run(t);
	status = t->status;
	if (status == CS_STATUS_OK)
		*state = t->prompt.state;
	explicit_bzero(t, sizeof(*t));
	free(t);
	return status;
}
