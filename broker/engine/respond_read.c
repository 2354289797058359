/* SPDX-License-Identifier: Apache-2.0 */
/* The answers that a call brings: one a step, whose prompts are joined as lines. */
#include "broker/engine/prompt.h"
#include "broker/engine/proof.h"
#include "broker/engine/stepup.h"
#include "broker/engine/talk.h"

enum { ITEMS_MAX = STEPUP_ANSWERS_MAX * TALK_PROMPTS };

struct item {
	struct view step, value;
	int64_t prompt;
};

static struct stepup_answer *
answer_of(struct stepup *s, struct view step)
{
	for (size_t i = 0; i < s->answers_n; i++) {
		if (view_equal(s->answers[i].step, step))
			return &s->answers[i];
	}
	if (s->answers_n == STEPUP_ANSWERS_MAX)
		return NULL;
	s->answers[s->answers_n].step = step;
	return &s->answers[s->answers_n++];
}

/* The parts of one answer as lines, in the order of their prompts, behind what was joined before. */
static bool
join(struct stepup *s, struct stepup_answer *answer, const struct item *items, size_t n)
{
	struct buf b = buf_over(s->joined, sizeof(s->joined));

	b.len = s->joined_len;
	answer->joined_at = (uint16_t)b.len;
	for (int64_t prompt = 0; prompt < TALK_PROMPTS; prompt++) {
		for (size_t i = 0; i < n; i++) {
			if (items[i].prompt != prompt || !view_equal(items[i].step, answer->step))
				continue;
			if (memchr(items[i].value.data, '\n', items[i].value.len) != NULL)
				return false;
			if (b.len > answer->joined_at)
				buf_put_u8(&b, '\n');
			buf_put_view(&b, items[i].value);
		}
	}
	answer->joined_len = (uint16_t)(b.len - answer->joined_at);
	s->joined_len = (uint16_t)b.len;
	return !b.full;
}

/* One answer a step; or, where it has several prompts, one each, told apart by their index. */
static const char *
collect(struct stepup *s, const struct item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct stepup_answer *answer = answer_of(s, items[i].step);

		if (answer == NULL)
			return "must be answers to at most four steps";
		if (answer->parts > 0 && (items[i].prompt < 0 || (answer->prompts & 1U << items[i].prompt) != 0 ||
		    answer->prompts == 0))
			return "must be one answer a step, or one for each of its prompts";
		answer->parts++;
		if (items[i].prompt >= 0)
			answer->prompts |= (uint8_t)(1U << items[i].prompt);
		answer->value = items[i].value;
	}
	for (size_t i = 0; i < s->answers_n; i++) {
		if (s->answers[i].parts > 1 && !join(s, &s->answers[i], items, n))
			return "are too long, or one of several has a line end in it";
	}
	return NULL;
}

bool
stepup_read_answers(struct call *call, uint32_t array, struct stepup *s)
{
	static const struct json_field fields[] = {
		{"step", JSON_F_ID, true, offsetof(struct item, step), 1, ID_TEXT_MAX},
		{"value", JSON_F_ID, true, offsetof(struct item, value), 1, PROOF_ANSWER_MAX},
		{"prompt", JSON_F_INT, false, offsetof(struct item, prompt), 0, TALK_PROMPTS - 1},
		{0},
	};
	struct item items[ITEMS_MAX];
	struct json_problem problem = {0};
	uint32_t n = json_token_at(&call->doc, array)->count, at = json_first(&call->doc, array);
	const char *why;

	if (n == 0 || n > ITEMS_MAX) {
		call_invalid(call, "answers", "must be one to sixteen answers");
		return false;
	}
	for (uint32_t i = 0; i < n; i++, at = json_next(&call->doc, at)) {
		items[i] = (struct item){.prompt = -1};
		if (json_type(&call->doc, at) != JSON_OBJECT ||
		    json_bind(&call->doc, at, fields, false, &items[i], &problem) != CS_OK) {
			call_invalid(call, "answers", "each is {step, value, prompt}, the value at most 12 KiB");
			return false;
		}
	}
	why = collect(s, items, n);
	if (why != NULL)
		call_invalid(call, "answers", why);
	return why == NULL;
}

struct view
stepup_value(const struct stepup *s, size_t i)
{
	const struct stepup_answer *answer = &s->answers[i];

	return answer->parts > 1 ? view_of(s->joined + answer->joined_at, answer->joined_len) : answer->value;
}
