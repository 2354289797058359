/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every stack of up to three lines, each line with every action and every result, in every way to put lines into
 * substacks, against a model that is written as the manual tells it: a stack is a list, a substack is a list in it. The
 * dispatch itself runs one flat program with levels, so the two share no thought.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "broker/core/stack.h"

enum { LINES_MAX = 3, ACTIONS = 9, CHOICES = ACTIONS * RESULT__COUNT };

static const int8_t actions[ACTIONS] = {ACTION_IGNORE, ACTION_OK, ACTION_DONE, ACTION_BAD, ACTION_DIE, ACTION_RESET, 1, 2,
    3};

/* --- the model --- */

/* A line, or a list of items. */
struct item {
	const struct item *list;
	size_t list_n;
	int line; /* where list is NULL */
};

enum feeling { NOTHING, YES, NO };

struct mood {
	enum feeling feeling;
	enum result status;
};

struct world {
	const int8_t *action;
	const enum result *result;
	int asked[LINES_MAX];
	size_t asked_n;
};

/* Runs a list and says how it leaves the world. */
static struct mood
model(struct world *w, const struct item *items, size_t n, struct mood entered)
{
	struct mood now = entered;

	for (size_t i = 0; i < n; i++) {
		int line = items[i].line, action;
		enum result result;

		if (items[i].list != NULL) {
			now = model(w, items[i].list, items[i].list_n, now);
			continue;
		}
		action = w->action[line];
		result = w->result[line];
		w->asked[w->asked_n++] = line;
		if (action == ACTION_RESET)
			now = entered;
		if ((action == ACTION_OK || action == ACTION_DONE) && (now.feeling == NOTHING ||
		    (now.feeling == YES && now.status == RESULT_SUCCESS)))
			now = (struct mood){YES, result};
		if ((action == ACTION_BAD || action == ACTION_DIE) && now.feeling != NO)
			now = (struct mood){NO, result == RESULT_IGNORE ? RESULT_DENIED : result};
		if (action == ACTION_DIE || (action == ACTION_DONE && now.feeling == YES))
			return now;
		if (action > 0 && (size_t)action > n - i - 1)
			return (struct mood){NO, RESULT_DENIED};
		if (action > 0)
			i += (size_t)action;
	}
	return now;
}

/* --- the shapes --- */

#define LINE(i) {NULL, 0, i}
#define LIST(items) {items, sizeof(items) / sizeof(items[0]), -1}

static const struct item one[] = {LINE(0)}, two[] = {LINE(0), LINE(1)}, three[] = {LINE(0), LINE(1), LINE(2)};
static const struct item second[] = {LINE(1)}, third[] = {LINE(2)}, last_two[] = {LINE(1), LINE(2)};
static const struct item deep_third[] = {LINE(1), LIST(third)}, deep_second[] = {LIST(second), LINE(2)};
static const struct item nothing_yet[] = {LIST(one)};
static const struct item in_one[] = {LIST(one)}, in_two[] = {LIST(two)}, in_three[] = {LIST(three)};
static const struct item one_in[] = {LINE(0), LIST(second)}, in_then[] = {LIST(one), LINE(1)};
static const struct item in_in[] = {LIST(one), LIST(second)};
static const struct item a_bc[] = {LINE(0), LIST(last_two)}, ab_c[] = {LIST(two), LINE(2)};
static const struct item a_b_c[] = {LINE(0), LIST(second), LINE(2)}, a_b_in[] = {LINE(0), LINE(1), LIST(third)};
static const struct item in_b_c[] = {LIST(one), LINE(1), LINE(2)}, nested[] = {LINE(0), LIST(deep_third)};
static const struct item nested_first[] = {LINE(0), LIST(deep_second)}, alone[] = {LIST(nothing_yet), LINE(1), LINE(2)};

static const struct {
	const struct item *items;
	size_t n, lines;
} shapes[] = {
#define SHAPE(items, lines) {items, sizeof(items) / sizeof(items[0]), lines}
    SHAPE(one, 1), SHAPE(in_one, 1), SHAPE(two, 2), SHAPE(in_two, 2), SHAPE(one_in, 2), SHAPE(in_then, 2),
    SHAPE(in_in, 2), SHAPE(three, 3), SHAPE(in_three, 3), SHAPE(a_bc, 3), SHAPE(ab_c, 3), SHAPE(a_b_c, 3),
    SHAPE(a_b_in, 3), SHAPE(in_b_c, 3), SHAPE(nested, 3), SHAPE(nested_first, 3), SHAPE(alone, 3),
};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* The flat program of a shape; lines_n counts marks. */
static void
flatten(struct stack *s, const struct item *items, size_t n, uint8_t level)
{
	for (size_t i = 0; i < n; i++) {
		struct stack_line *line = &s->lines[s->lines_n++];

		*line = (struct stack_line){.op = OP_SPEND, .level = level, .rule = RULE_PERMIT};
		s->count[OP_SPEND]++;
		if (items[i].list == NULL) {
			line->index = (uint16_t)items[i].line;
			continue;
		}
		line->substack = true;
		flatten(s, items[i].list, items[i].list_n, (uint8_t)(level + 1));
	}
}

/* --- the comparison --- */

static enum result
answer(void *ctx, const struct stack_line *line, enum reason *reason)
{
	(void)reason;
	return ((const enum result *)ctx)[line->index];
}

static void
compare(const struct stack *s, size_t shape, struct world *w)
{
	const struct stack_run run = {s, OP_SPEND, answer, (void *)(uintptr_t)w->result};
	struct mood mood = model(w, shapes[shape].items, shapes[shape].n, (struct mood){NOTHING, RESULT_DENIED});
	enum result status = mood.feeling != YES && mood.status == RESULT_SUCCESS ? RESULT_DENIED : mood.status;
	struct stack_verdict v;
	bool same;

	stack_evaluate(&run, &v);
	same = v.permit == (mood.feeling == YES && mood.status == RESULT_SUCCESS) && v.status == status &&
	    v.executed_n == w->asked_n;
	for (size_t i = 0; same && i < w->asked_n; i++)
		same = s->lines[v.executed[i].line].index == w->asked[i] && v.executed[i].result == w->result[w->asked[i]];
	if (!same)
		fail_msg("shape %zu, actions %d %d %d, results %d %d %d: permit %d, status %s, %u asked; the model: %s, %zu asked",
		    shape, w->action[0], w->action[1], w->action[2], w->result[0], w->result[1], w->result[2], v.permit,
		    result_name(v.status), v.executed_n, result_name(status), w->asked_n);
}

static void
every_short_stack_agrees_with_the_model(void **state)
{
	size_t compared = 0;

	(void)state;
	for (size_t shape = 0; shape < SHAPES; shape++) {
		struct stack s = {.lines_n = 0};
		size_t all = 1;

		flatten(&s, shapes[shape].items, shapes[shape].n, 0);
		for (size_t i = 0; i < shapes[shape].lines; i++)
			all *= CHOICES;
		for (size_t code = 0; code < all; code++) {
			int8_t action[LINES_MAX] = {0};
			enum result result[LINES_MAX] = {0};
			struct world w = {action, result, {0}, 0};
			size_t rest = code;

			for (size_t i = 0; i < shapes[shape].lines; i++, rest /= CHOICES) {
				action[i] = actions[rest % CHOICES / RESULT__COUNT];
				result[i] = (enum result)(rest % RESULT__COUNT);
			}
			for (size_t i = 0; i < s.lines_n; i++)
				if (!s.lines[i].substack)
					s.lines[i].actions[result[s.lines[i].index]] = action[s.lines[i].index];
			compare(&s, shape, &w);
			compared++;
		}
	}
	print_message("%zu stacks\n", compared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_short_stack_agrees_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
