/* SPDX-License-Identifier: Apache-2.0 */
/* Step-up: show a challenge, answer it, wait for it. */
#include <poll.h>
#include <stdlib.h>

#include "broker/client/fields.h"

/* Between two tries to watch again while the broker restarts. */
enum { WATCH_AGAIN_MS = 100 };

/* In the order of enum cs_challenge_state. */
static const char *const states[] = {"open", "done", "used", "locked", "refused", "expired", NULL};

static const struct take_field card_fields[] = {
	TAKE_TEXT_AT("service", true, struct cs_prompt, service),
	TAKE_TEXT_AT("account_hint", true, struct cs_prompt, account_hint),
	TAKE_TEXT_AT("what", true, struct cs_prompt, what),
	TAKE_TEXT_AT("provider", false, struct cs_prompt, provider),
	TAKE_TEXT_AT("provider_title", false, struct cs_prompt, provider_title),
	TAKE_TEXT_AT("payee", false, struct cs_prompt, payee),
	TAKE_TEXT_AT("payee_id", false, struct cs_prompt, payee_id),
	TAKE_TEXT_AT("amount", false, struct cs_prompt, amount),
	TAKE_TEXT_AT("currency", false, struct cs_prompt, currency),
	TAKE_TEXT_AT("worst_case", false, struct cs_prompt, worst_case),
	TAKE_TEXT_AT("link", false, struct cs_prompt, link),
	TAKE_TEXT_AT("label", false, struct cs_prompt, label),
	TAKE_TEXT_AT("expires_at", true, struct cs_prompt, expires_at),
	TAKE_END,
};

static const struct take_field question_fields[] = {
	TAKE_TEXT_AT("type", true, struct cs_question, type),
	TAKE_TEXT_AT("label", false, struct cs_question, label),
	TAKE_INT_AT("digits", false, struct cs_question, digits),
	TAKE_LINES_AT("text", false, struct cs_question, text),
	TAKE_TEXT_AT("uri", false, struct cs_question, uri),
	TAKE_TEXTS_AT("choices", false, struct cs_question, choices, CS_CHOICES_MAX, choice_count),
	TAKE_END,
};

static const struct take_field step_fields[] = {
	TAKE_TEXT_AT("id", true, struct cs_step, id),
	TAKE_TEXT_AT("factor", true, struct cs_step, factor),
	TAKE_TEXT_AT("kind", true, struct cs_step, kind),
	TAKE_TEXT_AT("type", true, struct cs_step, type),
	TAKE_TEXT_AT("label", true, struct cs_step, label),
	TAKE_INT_AT("digits", false, struct cs_step, digits),
	TAKE_TEXT_AT("number", false, struct cs_step, number),
	TAKE_BOOL_AT("begin", false, struct cs_step, begin),
	TAKE_BOOL_AT("begun", false, struct cs_step, begun),
	TAKE_BOOL_AT("answered", false, struct cs_step, answered),
	TAKE_TEXT_AT("destination", false, struct cs_step, destination),
	TAKE_INT_AT("resend_after_ms", false, struct cs_step, resend_after_ms),
	TAKE_INT_AT("sends_left", false, struct cs_step, sends_left),
	TAKE_TEXT_AT("challenge", false, struct cs_step, challenge),
	TAKE_TEXT_AT("rp_id", false, struct cs_step, rp_id),
	TAKE_TEXT_AT("credential", false, struct cs_step, credential),
	TAKE_END,
};

static const struct take_field prompt_fields[] = {
	TAKE_INTO_SAME("card", true, card_fields),
	TAKE_OBJECTS_AT("steps", true, struct cs_prompt, steps, CS_STEPS_MAX, step_count, step_fields),
	TAKE_INT_AT("need", false, struct cs_prompt, need),
	TAKE_WORD_AT("state", true, struct cs_prompt, state, states),
	TAKE_INT_AT("attempts_left", true, struct cs_prompt, attempts_left),
	TAKE_END,
};

static const struct take_field response_fields[] = {
	TAKE_WORD_AT("state", true, struct cs_response, state, states),
	TAKE_TEXT_AT("reason", false, struct cs_response, reason),
	TAKE_INT_AT("attempts_left", false, struct cs_response, attempts_left),
	TAKE_INT_AT("retry_after_ms", false, struct cs_response, retry_after_ms),
	TAKE_END,
};

static const struct take_field state_fields[] = {
	{"state", TAKE_WORD, true, 0, sizeof(int), 0, 0, NULL, states},
	TAKE_END,
};

static void
take_questions(struct call *c, uint32_t array, struct cs_prompt *out, struct cs_step *step)
{
	uint32_t at = json_first(&c->doc, array);

	step->question_first = out->question_count;
	for (unsigned i = 0; i < c->doc.tokens[array].count && c->status == CS_STATUS_OK; i++) {
		if (out->question_count == CS_QUESTIONS_MAX) {
			call_fail(c, CS_STATUS_PROTOCOL, "prompts", "the broker's reply cannot be understood: too many prompts");
			return;
		}
		take_object(c, at, question_fields, &out->questions[out->question_count++]);
		step->question_count++;
		at = json_next(&c->doc, at);
	}
}

/* What begun steps ask for, one behind the other. */
static void
take_all_questions(struct call *c, struct cs_prompt *out)
{
	uint32_t steps = c->status == CS_STATUS_OK ? json_get(&c->doc, c->object, VIEW("steps")) : 0;
	uint32_t at = steps == 0 ? 0 : json_first(&c->doc, steps);

	for (size_t i = 0; at != 0 && i < out->step_count && c->status == CS_STATUS_OK; i++) {
		uint32_t prompts = json_get(&c->doc, at, VIEW("prompts"));

		if (prompts != 0 && json_type(&c->doc, prompts) == JSON_ARRAY)
			take_questions(c, prompts, out, &out->steps[i]);
		at = json_next(&c->doc, at);
	}
}

CS_PUBLIC enum cs_status
cs_challenge_get(struct cs *handle, const char *challenge, struct cs_prompt *out, struct cs_error *error)
{
	/* On the heap: *out must stay as it is until all of the reply was understood. */
	struct cs_prompt *got = calloc(1, sizeof(*got));
	struct call c;

	call_begin(&c, handle, "org.countersign.StepUp.Get", CALL_REPEAT, error);
	put_id(&c, "challenge", challenge, PUT_REQUIRED);
	if (out == NULL)
		call_fail(&c, CS_STATUS_ARGUMENT, "out", "out is NULL");
	if (got == NULL)
		call_fail(&c, CS_STATUS_MEMORY, NULL, "out of memory");
	call_run(&c);
	if (got != NULL) {
		take_fields(&c, prompt_fields, got);
		take_all_questions(&c, got);
	}
	if (call_end(&c) == CS_STATUS_OK)
		*out = *got;
	free(got);
	return c.status;
}

CS_PUBLIC enum cs_status
cs_challenge_begin(struct cs *handle, const char *challenge, const char *step, const char *language,
    struct cs_response *out, struct cs_error *error)
{
	struct cs_response got = {.attempts_left = -1};
	struct call c;

	call_begin(&c, handle, "org.countersign.StepUp.Begin", CALL_ONCE, error);
	put_id(&c, "challenge", challenge, PUT_REQUIRED);
	put_id(&c, "step", step, PUT_REQUIRED);
	put_text(&c, "language", language, CS_WORD_MAX, PUT_OPTIONAL);
	if (out == NULL)
		call_fail(&c, CS_STATUS_ARGUMENT, "out", "out is NULL");
	call_run(&c);
	take_fields(&c, response_fields, &got);
	if (call_end(&c) == CS_STATUS_OK)
		*out = got;
	return c.status;
}

/* Which question it answers is said where the step has several answers. */
static bool
is_one_of_several(const struct cs_answer *answers, size_t count, size_t i)
{
	for (size_t other = 0; other < count; other++)
		if (other != i && answers[other].step != NULL && answers[i].step != NULL &&
		    strcmp(answers[other].step, answers[i].step) == 0)
			return true;
	return answers[i].question > 0;
}

static void
put_answers(struct call *c, const struct cs_answer *answers, size_t count)
{
	if (answers == NULL || count == 0 || count > CS_STEPS_MAX)
		call_fail(c, CS_STATUS_ARGUMENT, "answers", "give 1 to %d answers", CS_STEPS_MAX);
	if (c->status != CS_STATUS_OK)
		return;
	json_key(&c->w, VIEW("answers"));
	json_array_begin(&c->w);
	for (size_t i = 0; i < count && c->status == CS_STATUS_OK; i++) {
		json_object_begin(&c->w);
		put_id(c, "step", answers[i].step, PUT_REQUIRED);
		put_text(c, "value", answers[i].value, CS_TOKEN_MAX, PUT_REQUIRED);
		if (c->status == CS_STATUS_OK && is_one_of_several(answers, count, i))
			json_member_int(&c->w, "prompt", (int64_t)answers[i].question);
		json_object_end(&c->w);
	}
	json_array_end(&c->w);
}

CS_PUBLIC enum cs_status
cs_challenge_respond(struct cs *handle, const char *challenge, const struct cs_answer *answers, size_t count,
    struct cs_response *out, struct cs_error *error)
{
	struct cs_response got = {.attempts_left = -1};
	struct call c;

	call_begin(&c, handle, "org.countersign.StepUp.Respond", CALL_ONCE, error);
	put_id(&c, "challenge", challenge, PUT_REQUIRED);
	put_answers(&c, answers, count);
	if (out == NULL)
		call_fail(&c, CS_STATUS_ARGUMENT, "out", "out is NULL");
	call_run(&c);
	take_fields(&c, response_fields, &got);
	if (call_end(&c) == CS_STATUS_OK)
		*out = got;
	return c.status;
}

CS_PUBLIC enum cs_status
cs_challenge_refuse(struct cs *handle, const char *challenge, bool report, enum cs_challenge_state *state,
    struct cs_error *error)
{
	struct call c;
	int got = 0;

	call_begin(&c, handle, "org.countersign.StepUp.Refuse", CALL_ONCE, error);
	put_id(&c, "challenge", challenge, PUT_REQUIRED);
	if (report)
		put_bool(&c, "report", true);
	if (state == NULL)
		call_fail(&c, CS_STATUS_ARGUMENT, "state", "state is NULL");
	call_run(&c);
	take_fields(&c, state_fields, &got);
	if (call_end(&c) == CS_STATUS_OK)
		*state = (enum cs_challenge_state)got;
	return c.status;
}

/* One watch, until the challenge is no longer open or the watch ends for another reason. */
static enum cs_status
watch(struct cs *own, const char *challenge, enum cs_challenge_state *state, struct cs_error *error)
{
	struct call c;
	int got = CS_CHALLENGE_OPEN;

	call_begin(&c, own, "org.countersign.StepUp.Watch", CALL_MORE, error);
	put_id(&c, "challenge", challenge, PUT_REQUIRED);
	call_run(&c);
	do {
		call_next(&c);
		take_fields(&c, state_fields, &got);
	} while (c.status == CS_STATUS_OK && got == CS_CHALLENGE_OPEN && c.continues);
	if (c.status == CS_STATUS_OK)
		*state = (enum cs_challenge_state)got;
	return call_end(&c);
}

/* A broker that was there is expected back; one that was never there is not. */
static bool
is_worth_another_watch(enum cs_status status, bool seen)
{
	return status == CS_STATUS_OK || status == CS_STATUS_LOST || (seen && status == CS_STATUS_UNREACHABLE);
}

static enum cs_status
watch_until(struct cs *own, const char *challenge, int64_t deadline_ms, enum cs_challenge_state *state,
    struct cs_error *error)
{
	struct call none = {.error = error};
	bool seen = false;

	for (;;) {
		enum cs_challenge_state got = CS_CHALLENGE_OPEN;
		int64_t left = deadline_ms - wire_now_ms();
		enum cs_status status = CS_STATUS_TIMEOUT;

		if (left > 0) {
			(void)cs_set_timeout(own, (int)left);
			status = watch(own, challenge, &got, error);
		}
		if (status == CS_STATUS_TIMEOUT) {
			call_fail(&none, status, NULL, "the challenge was not answered in time");
			return status;
		}
		if (status == CS_STATUS_OK && got != CS_CHALLENGE_OPEN) {
			*state = got;
			return status;
		}
		if (!is_worth_another_watch(status, seen))
			return status;
		seen = true;
		left = deadline_ms - wire_now_ms();
		(void)poll(NULL, 0, left < WATCH_AGAIN_MS ? (left < 0 ? 0 : (int)left) : WATCH_AGAIN_MS);
	}
}

CS_PUBLIC enum cs_status
cs_challenge_wait(struct cs *handle, const char *challenge, int timeout_ms, enum cs_challenge_state *state,
    struct cs_error *error)
{
	struct call none = {.error = error};
	struct cs *own = NULL;
	enum cs_status status;

	if (handle == NULL || state == NULL || timeout_ms < 1 || timeout_ms > CS_TIMEOUT_MAX_MS) {
		call_fail(&none, CS_STATUS_ARGUMENT, NULL, "handle and state must be given, timeout_ms be 1 to %d",
		    CS_TIMEOUT_MAX_MS);
		return none.status;
	}
	status = cs_open(handle->wire.path, &own);
	if (status != CS_STATUS_OK) {
		call_fail(&none, status, NULL, "out of memory");
		return status;
	}
	status = watch_until(own, challenge, wire_now_ms() + timeout_ms, state, error);
	cs_close(own);
	return status;
}
