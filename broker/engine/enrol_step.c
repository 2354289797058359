/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of an enrolment. */
#include "broker/engine/enrol_step.h"

static struct view
type_of(const struct json *doc, uint32_t step)
{
	uint32_t at = json_type(doc, step) == JSON_OBJECT ? json_get(doc, step, VIEW("type")) : 0;

	return at != 0 && json_type(doc, at) == JSON_STRING ? json_text(doc, at) : VIEW("");
}

uint8_t
enrol_steps_asking(const struct json *doc, uint32_t steps)
{
	uint32_t at = json_first(doc, steps), n = json_token_at(doc, steps)->count;
	uint8_t asking = 0;

	if (n > ENROL_STEPS_MAX)
		return 0;
	for (uint32_t i = 0; i < n; i++, at = json_next(doc, at)) {
		struct view type = type_of(doc, at);

		if (type.len > 0 && !view_equal(type, VIEW("show")))
			asking |= (uint8_t)(1U << i);
	}
	return asking;
}

void
enrol_steps_write(struct json_writer *w, const struct json *doc, uint32_t steps)
{
	static const char *const members[] = {"uri", "text", "digits", "options", "choices"};
	uint32_t at = json_first(doc, steps), n = json_token_at(doc, steps)->count;

	json_key(w, VIEW("steps"));
	json_array_begin(w);
	for (uint32_t i = 0; i < n && i < ENROL_STEPS_MAX; i++, at = json_next(doc, at)) {
		char id[2] = {(char)('1' + i), '\0'};
		uint32_t label = json_get(doc, at, VIEW("label")), member;

		json_object_begin(w);
		json_member_str(w, "id", view_str(id));
		json_member_str(w, "type", type_of(doc, at));
		json_member_str(w, "label", label == 0 ? VIEW("") : json_text(doc, label));
		for (size_t k = 0; k < sizeof(members) / sizeof(members[0]); k++) {
			member = json_get(doc, at, view_str(members[k]));
			if (member == 0)
				continue;
			json_key(w, view_str(members[k]));
			json_put_copy(w, doc, member);
		}
		json_object_end(w);
	}
	json_array_end(w);
}

static int
number_of(const struct stepup_answer *answer)
{
	return answer->step.len == 1 && answer->step.data[0] >= '1' && answer->step.data[0] <= '0' + ENROL_STEPS_MAX ?
	    answer->step.data[0] - '1' : -1;
}

bool
enrol_steps_answer(struct stepup *given, uint8_t asking, struct view *answer)
{
	struct buf b = buf_over(given->joined, sizeof(given->joined));
	uint8_t got = 0;

	for (size_t i = 0; i < given->answers_n; i++) {
		int number = number_of(&given->answers[i]);

		if (number < 0 || given->answers[i].parts != 1)
			return false;
		got |= (uint8_t)(1U << number);
	}
	if (got != asking)
		return false;
	*answer = given->answers[0].value;
	if (given->answers_n == 1)
		return true;
	for (int number = 0; number < ENROL_STEPS_MAX; number++) {
		for (size_t i = 0; i < given->answers_n; i++) {
			const struct view v = given->answers[i].value;

			if (number_of(&given->answers[i]) != number)
				continue;
			if (memchr(v.data, '\n', v.len) != NULL)
				return false;
			if (b.len > 0)
				buf_put_u8(&b, '\n');
			buf_put_view(&b, v);
		}
	}
	*answer = buf_view(&b);
	return !b.full;
}
