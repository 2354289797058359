/* SPDX-License-Identifier: Apache-2.0 */
/* One round of a conversation: which steps, what each of them asks for, and all the answers in one call. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/client/converse.h"

static bool
is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* Can this step be answered in a conversation? */
static bool
step_usable(const struct talk *t, const struct cs_step *step)
{
	static const char *const types[] = {"code", "text", "secret", "choice", "approve"};

	if (is(step->type, "passkey"))
		return (t->how->flags & CS_CONVERSE_PASSKEYS) != 0 && step->challenge[0] != '\0';
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (is(step->type, types[i]))
			return true;
	return false;
}

static bool
step_chosen(const struct talk *t, const struct cs_step *step)
{
	for (size_t i = 0; i < t->chosen_count; i++)
		if (is(t->chosen[i], step->id))
			return true;
	return false;
}

/* The usable steps that were not chosen yet, in order. */
static size_t
steps_left(const struct talk *t, const struct cs_step *left[CS_STEPS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < t->prompt.step_count; i++)
		if (step_usable(t, &t->prompt.steps[i]) && !step_chosen(t, &t->prompt.steps[i]))
			left[n++] = &t->prompt.steps[i];
	return n;
}

static void
no_way(struct talk *t)
{
	bool passkey = false;

	for (size_t i = 0; i < t->prompt.step_count; i++)
		passkey = passkey || is(t->prompt.steps[i].type, "passkey");
	talk_tell(t, CS_MESSAGE_ERROR, NULL, passkey ? SAY_PASSKEY_ONLY : SAY_NO_WAY, NULL);
	t->stopped = true;
}

/* "2" of 3 is 1; none of them is n. */
static size_t
number_of(const char *text, size_t n)
{
	size_t value = 0;

	for (size_t i = 0; text[i] != '\0'; i++) {
		if (text[i] < '0' || text[i] > '9' || i > 2)
			return n;
		value = value * 10 + (size_t)(text[i] - '0');
	}
	return value == 0 || value > n ? n : value - 1;
}

static size_t
steps_need(const struct talk *t)
{
	return t->prompt.need > 1 && t->prompt.need <= CS_STEPS_MAX ? (size_t)t->prompt.need : 1;
}

/* Are there more ways than are needed? */
static bool
other_way(const struct talk *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->prompt.step_count; i++)
		n += step_usable(t, &t->prompt.steps[i]);
	return n > steps_need(t);
}

/* Has the user choose one of t->choices. choice_count: none was chosen. */
static size_t
choose(struct talk *t, const struct cs_step *step, const char *type, const char *text, bool back)
{
	struct cs_message message = {
		.kind = CS_MESSAGE_CHOOSE,
		.prompt = &t->prompt,
		.step = step,
		.type = type,
		.text = text,
		.choices = (const char(*)[CS_TEXT_MAX + 1])t->choices,
		.choice_count = t->choice_count,
		.may_go_back = back,
	};
	char answer[ANSWER_MAX];

	for (int tries = 0; tries < TRIES_MAX && !talk_over(t) && !t->again && talk_say(t, &message, answer); tries++) {
		size_t i = number_of(answer, t->choice_count);

		if (i < t->choice_count)
			return i;
		talk_tell(t, CS_MESSAGE_ERROR, step, SAY_NO_CHOICE, NULL);
	}
	return t->choice_count;
}

/* Those of an earlier round that are there no more are forgotten; conversations that are over count. */
static void
steps_keep(struct talk *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->chosen_count; i++)
		if (talk_step(t, t->chosen[i]) != NULL)
			memmove(t->chosen[kept++], t->chosen[i], sizeof(t->chosen[i]));
	t->chosen_count = kept;
	for (size_t i = 0; i < t->prompt.step_count; i++) {
		const struct cs_step *step = &t->prompt.steps[i];

		if (step->answered && !step_chosen(t, step) && t->chosen_count < CS_STEPS_MAX)
			(void)snprintf(t->chosen[t->chosen_count++], sizeof(t->chosen[0]), "%s", step->id);
	}
}

static void
steps_choose(struct talk *t)
{
	size_t need = steps_need(t);

	steps_keep(t);
	while (t->chosen_count < need && !talk_over(t) && !t->again) {
		const struct cs_step *left[CS_STEPS_MAX];
		size_t n = steps_left(t, left), i = 0;

		if (n + t->chosen_count < need) {
			no_way(t);
			return;
		}
		if (n + t->chosen_count > need) {
			for (i = 0; i < n; i++)
				(void)snprintf(t->choices[i], sizeof(t->choices[i]), "%s",
				    left[i]->label[0] != '\0' ? left[i]->label : left[i]->kind);
			t->choice_count = n;
			i = choose(t, NULL, "step",
			    talk_sentence(t, t->chosen_count == 0 ? SAY_CHOOSE : SAY_CHOOSE_MORE, NULL), false);
			if (i == n)
				t->stopped = t->stopped || !t->again;
		}
		if (i < n && !talk_over(t) && !t->again)
			(void)snprintf(t->chosen[t->chosen_count++], sizeof(t->chosen[0]), "%s", left[i]->id);
	}
}

/* People type codes in groups. */
static void
blanks_drop(char *code)
{
	char *to = code;

	for (; *code != '\0'; code++)
		if (*code != ' ')
			*to++ = *code;
	*to = '\0';
}

static bool
ask_choice(struct talk *t, const struct cs_step *step, const struct cs_question *q, struct given *g)
{
	char label[CS_TEXT_MAX + 1];
	size_t i;

	(void)snprintf(label, sizeof(label), "%s", q->label);
	for (i = 0; i < q->choice_count; i++)
		(void)snprintf(t->choices[i], sizeof(t->choices[i]), "%s", q->choices[i]);
	t->choice_count = q->choice_count;
	i = choose(t, step, "choice", label, other_way(t));
	if (i >= q->choice_count)
		return false;
	(void)snprintf(g->value, sizeof(g->value), "%s", q->choices[i]);
	return true;
}

static bool
ask_line(struct talk *t, const struct cs_step *step, const struct cs_question *q, struct given *g)
{
	bool code = is(q->type, "code"), hidden = code || is(q->type, "secret");
	struct cs_message message = {
		.kind = hidden ? CS_MESSAGE_ASK_HIDDEN : CS_MESSAGE_ASK,
		.prompt = &t->prompt,
		.step = step,
		.type = q->type,
		.digits = q->digits,
		.may_resend = step->begin && step->sends_left > 0,
		.may_go_back = other_way(t),
	};
	const char *label = step->label[0] != '\0' ? step->label : step->kind;

	message.text = q->label[0] != '\0' ? q->label : talk_sentence(t, code ? SAY_CODE_OF : SAY_ANSWER, label);
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		if (!talk_say(t, &message, g->value))
			return false;
		if (code)
			blanks_drop(g->value);
		if (g->value[0] != '\0')
			return true;
	}
	t->stopped = true;
	return false;
}

static void
show(struct talk *t, const struct cs_step *step, const struct cs_question *q)
{
	struct cs_message message = {.kind = CS_MESSAGE_INFO, .prompt = &t->prompt, .step = step, .type = "show"};
	char answer[ANSWER_MAX];

	message.text = q->text[0] != '\0' ? q->text : q->uri[0] != '\0' ? q->uri : q->label;
	(void)talk_say(t, &message, answer);
}

/* One question: shown, or asked and put behind what was given. */
static void
ask_question(struct talk *t, const struct cs_step *step, const struct cs_question *q, size_t place)
{
	struct given *g;
	bool got;

	if (is(q->type, "show")) {
		show(t, step, q);
		return;
	}
	if (t->given_count == CS_STEPS_MAX) {
		t->stopped = true;
		return;
	}
	g = &t->given[t->given_count];
	*g = (struct given){.question = place};
	(void)snprintf(g->step, sizeof(g->step), "%s", step->id);
	got = is(q->type, "choice") ? ask_choice(t, step, q, g) : ask_line(t, step, q, g);
	if (got)
		t->given_count++;
	else
		t->again = true;
}

/* The questions are copied: what the user wants meanwhile may have the prompt read anew. */
static void
ask_questions(struct talk *t, const struct cs_step *step)
{
	struct cs_question q = {.digits = step->digits};
	size_t count = step->question_count;

	if (count == 0) {
		(void)snprintf(q.type, sizeof(q.type), "%s", step->type);
		ask_question(t, step, &q, 0);
	}
	for (size_t i = 0; i < count && !talk_over(t) && !t->again; i++) {
		q = t->prompt.questions[step->question_first + i];
		ask_question(t, step, &q, i);
	}
}

static void
ask_passkey(struct talk *t, const struct cs_step *step)
{
	struct cs_message message = {
		.kind = CS_MESSAGE_PASSKEY, .prompt = &t->prompt, .step = step, .type = "passkey", .may_go_back = other_way(t)};
	struct given *g;

	if (t->given_count == CS_STEPS_MAX) {
		t->stopped = true;
		return;
	}
	message.text = talk_sentence(t, SAY_PASSKEY, step->label);
	g = &t->given[t->given_count];
	*g = (struct given){.question = 0};
	(void)snprintf(g->step, sizeof(g->step), "%s", step->id);
	if (talk_say(t, &message, g->value) && g->value[0] != '\0')
		t->given_count++;
	else
		t->again = true;
}

/* Until the owner has approved elsewhere, or the user wants something else. */
static void
wait_approval(struct talk *t, const struct cs_step *step)
{
	struct cs_message message = {.kind = CS_MESSAGE_WAIT, .prompt = &t->prompt, .step = step, .may_go_back = other_way(t)};
	bool number = step->number[0] != '\0';
	char answer[ANSWER_MAX], id[CS_ID_MAX + 1];

	(void)snprintf(id, sizeof(id), "%s", step->id);
	talk_tell(t, number ? CS_MESSAGE_NUMBER : CS_MESSAGE_INFO, step, number ? SAY_NUMBER : SAY_APPROVE, step->label);
	message.text = talk_sentence(t, SAY_WAIT, NULL);
	while (!talk_over(t) && !t->again && message.step != NULL) {
		if (talk_say(t, &message, answer))
			talk_look(t);
		message.step = talk_step(t, id);
	}
	t->again = true;
}

/* Begins the step where it must be. NULL: another round, or the end. */
static const struct cs_step *
step_ready(struct talk *t, const char *id)
{
	const struct cs_step *left[CS_STEPS_MAX], *step = talk_step(t, id);

	if (step == NULL || !step->begin || step->begun)
		return step;
	if (talk_begin(t, id))
		return talk_step(t, id);
	if (!talk_over(t) && steps_left(t, left) == 0)
		t->stopped = true; /* there is no other way */
	t->chosen_count = 0;
	return NULL;
}

static void
told_wrong(struct talk *t, const struct cs_response *got)
{
	char number[16];

	if (got->retry_after_ms > 0) {
		(void)snprintf(number, sizeof(number), "%d", got->retry_after_ms / 1000 + 1);
		talk_tell(t, CS_MESSAGE_ERROR, NULL, SAY_TOO_SOON, number);
	} else if (got->reason[0] == '\0') {
		talk_tell(t, CS_MESSAGE_INFO, NULL, SAY_MORE, NULL);
	} else if (got->attempts_left >= 0) {
		(void)snprintf(number, sizeof(number), "%d", got->attempts_left);
		talk_tell(t, CS_MESSAGE_ERROR, NULL, SAY_WRONG_LEFT, number);
	} else {
		talk_tell(t, CS_MESSAGE_ERROR, NULL, SAY_WRONG, NULL);
	}
}

static void
answers_send(struct talk *t)
{
	struct cs_answer answers[CS_STEPS_MAX];
	struct cs_response got;

	for (size_t i = 0; i < t->given_count; i++)
		answers[i] = (struct cs_answer){t->given[i].step, t->given[i].value, t->given[i].question};
	t->status = cs_challenge_respond(t->handle, t->challenge, answers, t->given_count, &got, t->error);
	explicit_bzero(t->given, sizeof(t->given));
	talk_look(t);
	if (!talk_over(t))
		told_wrong(t, &got);
}

static void
step_ask(struct talk *t, const struct cs_step *step)
{
	if (step == NULL)
		t->again = true;
	else if (step->answered)
		return;
	else if (is(step->type, "approve"))
		wait_approval(t, step);
	else if (is(step->type, "passkey"))
		ask_passkey(t, step);
	else
		ask_questions(t, step);
}

void
talk_round(struct talk *t)
{
	t->again = false;
	t->given_count = 0;
	steps_choose(t);
	for (size_t i = 0; i < t->chosen_count && !talk_over(t) && !t->again; i++)
		step_ask(t, step_ready(t, t->chosen[i]));
	if (!talk_over(t) && !t->again) {
		if (t->given_count > 0)
			answers_send(t);
		else
			t->stopped = true; /* there is nothing to ask: whoever knows more goes on elsewhere */
	}
	explicit_bzero(t->given, sizeof(t->given));
}
