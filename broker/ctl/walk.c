/* SPDX-License-Identifier: Apache-2.0 */
/* All executions of a stack: the states that they go through, forwards; then what can still happen, backwards. */
#include "broker/ctl/walk.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/check.h"

/* The impression so far, and of a positive one whether its status is success. */
enum seen { SEEN_NOTHING, SEEN_SUCCESS, SEEN_OTHER, SEEN_FAILURE };

/* A state, unpacked. saved[n] is what a reset in a substack of level n brings back; [0] stays SEEN_NOTHING. */
struct where {
	uint16_t line; /* lines_n: the end */
	uint8_t seen;
	uint8_t marks;
	uint8_t saved[WALK_LEVELS_MAX];
};

enum { TABLE_FIRST = 1 << 8, KEY_SEEN = 16, KEY_MARKS = 18, KEY_SAVED = 26 };

static uint8_t
level_at(const struct walk *w, uint16_t line)
{
	return line < w->lines_n ? w->lines[line].level : 0;
}

/* Only what can still matter: frames of substacks that are left, and an end's impression, are none of it. */
static uint64_t
pack(const struct walk *w, const struct where *at)
{
	uint8_t seen = at->seen;
	uint64_t key;

	if (at->line == w->lines_n && seen != SEEN_SUCCESS)
		seen = SEEN_FAILURE;
	key = at->line | (uint64_t)seen << KEY_SEEN | (uint64_t)at->marks << KEY_MARKS;
	for (uint8_t i = 1; i <= level_at(w, at->line); i++)
		key |= (uint64_t)at->saved[i] << (KEY_SAVED + 2 * (i - 1));
	return key;
}

static struct where
unpack(uint64_t key)
{
	struct where at = {.line = (uint16_t)key, .seen = key >> KEY_SEEN & 3, .marks = (uint8_t)(key >> KEY_MARKS)};

	for (int i = 1; i < WALK_LEVELS_MAX; i++)
		at.saved[i] = key >> (KEY_SAVED + 2 * (i - 1)) & 3;
	return at;
}

/* --- states --- */

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

static void
table_grow(struct walk *w)
{
	w->table_size = w->table_size == 0 ? TABLE_FIRST : 2 * w->table_size;
	free(w->table);
	w->table = malloc(w->table_size * sizeof(*w->table));
	w->states = realloc(w->states, w->table_size / 2 * sizeof(*w->states));
	CHECK(w->table != NULL && w->states != NULL);
	memset(w->table, 0xff, w->table_size * sizeof(*w->table));
	for (uint32_t i = 0; i < w->states_n; i++) {
		uint64_t slot = mix(w->states[i].key);

		while (w->table[slot & (w->table_size - 1)] != WALK_NONE)
			slot++;
		w->table[slot & (w->table_size - 1)] = i;
	}
}

/* WALK_NONE: there are too many. */
static uint32_t
state_take(struct walk *w, const struct where *at, uint32_t from, uint8_t result)
{
	uint64_t key = pack(w, at), slot;

	if (2 * w->states_n >= w->table_size)
		table_grow(w);
	for (slot = mix(key); w->table[slot & (w->table_size - 1)] != WALK_NONE; slot++)
		if (w->states[w->table[slot & (w->table_size - 1)]].key == key)
			return w->table[slot & (w->table_size - 1)];
	if (w->states_n == WALK_STATES_MAX)
		return WALK_NONE;
	w->table[slot & (w->table_size - 1)] = w->states_n;
	w->states[w->states_n] = (struct walk_state){.key = key, .from = from, .from_result = result,
	    .to_yes = RESULT__COUNT, .to_no = RESULT__COUNT};
	memset(w->states[w->states_n].next, 0xff, sizeof(w->states[0].next));
	return w->states_n++;
}

/* --- one step --- */

/* Past the lines of substacks deeper than this one's level: they are one with their head. */
static uint16_t
after(const struct walk *w, uint16_t line)
{
	uint8_t level = w->lines[line].level;

	while (++line < w->lines_n && w->lines[line].level > level)
		continue;
	return line;
}

uint16_t
walk_jump(const struct walk *w, uint16_t line, int n)
{
	uint8_t level = w->lines[line].level;

	line++;
	for (; n > 0; n--) {
		if (line >= w->lines_n || w->lines[line].level < level)
			return WALK_LINES_MAX + 1;
		line = after(w, line);
	}
	return line;
}

/* The (sub)stack of this line ends. */
static uint16_t
leave(const struct walk *w, uint16_t line)
{
	uint8_t level = w->lines[line].level;

	if (level == 0)
		return w->lines_n;
	while (line < w->lines_n && w->lines[line].level >= level)
		line++;
	return line;
}

static void
fail(struct where *at)
{
	if (at->seen != SEEN_FAILURE)
		at->seen = SEEN_FAILURE;
}

/* What comes after this answer. */
static struct where
step(const struct walk *w, struct where at, uint8_t result)
{
	const struct walk_line *line = &w->lines[at.line];
	uint16_t from = at.line;
	int action = line->actions[result];

	at.line++;
	if ((line->marking & 1 << result) != 0)
		at.marks |= line->marks;
	switch (action) {
	case ACTION_IGNORE:
		break;
	case ACTION_OK:
	case ACTION_DONE:
		if (at.seen == SEEN_NOTHING || at.seen == SEEN_SUCCESS)
			at.seen = result == RESULT_SUCCESS ? SEEN_SUCCESS : SEEN_OTHER;
		if (action == ACTION_DONE && at.seen != SEEN_FAILURE)
			at.line = leave(w, from);
		break;
	case ACTION_BAD:
		fail(&at);
		break;
	case ACTION_DIE:
		fail(&at);
		at.line = leave(w, from);
		break;
	case ACTION_RESET:
		at.seen = at.saved[line->level];
		break;
	default:
		at.line = walk_jump(w, from, action);
		if (at.line > w->lines_n) { /* nothing that loads does this; it would fail */
			fail(&at);
			at.line = leave(w, from);
		}
	}
	return at;
}

/* Into substacks: each keeps what it begins with. Returns the state before a line, or at the end. */
static struct where
settle(const struct walk *w, struct where at)
{
	while (at.line < w->lines_n && w->lines[at.line].results == 0) {
		CHECK(w->lines[at.line].level + 1 < WALK_LEVELS_MAX);
		at.saved[w->lines[at.line].level + 1] = at.seen;
		at.line++;
	}
	return at;
}

static bool
spread(struct walk *w, uint32_t i)
{
	struct where at = unpack(w->states[i].key);

	for (uint8_t r = 0; r < RESULT__COUNT; r++) {
		struct where to;
		uint32_t found;

		if ((w->lines[at.line].results & 1 << r) == 0)
			continue;
		to = settle(w, step(w, at, r));
		found = state_take(w, &to, i, r);
		if (found == WALK_NONE)
			return false;
		w->states[i].next[r] = found;
	}
	w->asked[at.line] = true;
	return true;
}

/* --- backwards --- */

/* Answers that do the same are one branch of an execution. */
static bool
same_branch(const struct walk_line *line, uint8_t a, uint8_t b)
{
	int action = line->actions[a];

	return action == line->actions[b] &&
	    ((action != ACTION_OK && action != ACTION_DONE) || (a == RESULT_SUCCESS) == (b == RESULT_SUCCESS));
}

static bool
first_of_branch(const struct walk_line *line, uint8_t result)
{
	for (uint8_t r = 0; r < result; r++)
		if ((line->results & 1 << r) != 0 && same_branch(line, r, result))
			return false;
	return true;
}

static uint64_t
add_capped(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void
look_ahead(struct walk *w, struct walk_state *s)
{
	const struct walk_line *line = &w->lines[(uint16_t)s->key];

	for (uint8_t r = 0; r < RESULT__COUNT; r++) {
		const struct walk_state *next;

		if (s->next[r] == WALK_NONE)
			continue;
		next = &w->states[s->next[r]];
		if (first_of_branch(line, r))
			s->ways = add_capped(s->ways, next->ways);
		if (s->to_yes == RESULT__COUNT && (next->to_yes != RESULT__COUNT || walk_end_permits(w, s->next[r])))
			s->to_yes = r;
		if (s->to_no == RESULT__COUNT && (next->to_no != RESULT__COUNT ||
		    (walk_is_end(w, s->next[r]) && !walk_end_permits(w, s->next[r]))))
			s->to_no = r;
	}
}

/*
 * The reduced ordered decision diagram of what is to come, with a line's answer as a variable: lines are asked in their
 * order, so two states have the same node exactly when no answers tell them apart. A state whose answers all lead to one
 * node is that node: its line does not matter there.
 */
struct node {
	uint16_t line;
	uint32_t next[RESULT__COUNT];
};

struct nodes {
	struct node *all;
	uint32_t *table;
	uint32_t n, size;
};

static uint64_t
node_hash(const struct node *n)
{
	uint64_t h = n->line;

	for (int r = 0; r < RESULT__COUNT; r++)
		h = mix(h ^ n->next[r]);
	return h;
}

static bool
node_equal(const struct node *a, const struct node *b)
{
	return a->line == b->line && memcmp(a->next, b->next, sizeof(a->next)) == 0;
}

static uint32_t
node_take(struct nodes *nodes, const struct node *n)
{
	uint64_t slot = node_hash(n);

	for (; nodes->table[slot & (nodes->size - 1)] != WALK_NONE; slot++)
		if (node_equal(&nodes->all[nodes->table[slot & (nodes->size - 1)]], n))
			return nodes->table[slot & (nodes->size - 1)];
	nodes->table[slot & (nodes->size - 1)] = nodes->n;
	nodes->all[nodes->n] = *n;
	return nodes->n++;
}

static void
compare(struct walk *w, struct nodes *nodes, struct walk_state *s)
{
	struct node n = {.line = (uint16_t)s->key};
	uint32_t only = WALK_NONE;
	bool differ = false;

	for (int r = 0; r < RESULT__COUNT; r++) {
		n.next[r] = s->next[r] == WALK_NONE ? WALK_NONE : w->states[s->next[r]].node;
		if (n.next[r] == WALK_NONE)
			continue;
		differ = differ || (only != WALK_NONE && only != n.next[r]);
		only = n.next[r];
	}
	s->node = differ ? node_take(nodes, &n) : only;
	w->matters[n.line] = w->matters[n.line] || differ;
}

/* Ends differ by what was said; and by the marks of those that permit. */
static void
end_node(const struct walk *w, struct nodes *nodes, struct walk_state *s)
{
	struct node n = {.line = w->lines_n};
	uint32_t i = (uint32_t)(s - w->states);

	memset(n.next, 0xff, sizeof(n.next));
	n.next[0] = !walk_end_permits(w, i) ? 0 : 1u + walk_end_marks(w, i);
	s->node = node_take(nodes, &n);
}

/* Every way goes on to later lines, so the states are taken by their lines, the last first. */
static void
look_back(struct walk *w)
{
	uint32_t *next = malloc((w->states_n + 1) * sizeof(*next)), first[WALK_LINES_MAX + 1];
	struct nodes nodes = {.size = TABLE_FIRST};

	while (nodes.size < 2 * w->states_n)
		nodes.size *= 2;
	nodes.all = malloc(nodes.size * sizeof(*nodes.all));
	nodes.table = malloc(nodes.size * sizeof(*nodes.table));
	CHECK(next != NULL && nodes.all != NULL && nodes.table != NULL);
	memset(nodes.table, 0xff, nodes.size * sizeof(*nodes.table));
	memset(first, 0xff, sizeof(first));
	for (uint32_t i = 0; i < w->states_n; i++) {
		uint16_t line = (uint16_t)w->states[i].key;

		next[i] = first[line];
		first[line] = i;
	}
	for (int line = w->lines_n; line >= 0; line--) {
		for (uint32_t i = first[line]; i != WALK_NONE; i = next[i]) {
			if (line == w->lines_n) {
				w->states[i].ways = 1;
				end_node(w, &nodes, &w->states[i]);
			} else {
				look_ahead(w, &w->states[i]);
				compare(w, &nodes, &w->states[i]);
			}
		}
	}
	free(nodes.all);
	free(nodes.table);
	free(next);
}

/* --- for callers --- */

bool
walk_run(struct walk *w)
{
	struct where begin = settle(w, (struct where){.line = 0});

	CHECK(w->lines_n <= WALK_LINES_MAX && w->states == NULL);
	(void)state_take(w, &begin, WALK_NONE, 0);
	for (uint32_t i = 0; i < w->states_n; i++)
		if (!walk_is_end(w, i) && !spread(w, i))
			return false;
	look_back(w);
	return true;
}

void
walk_clear(struct walk *w)
{
	free(w->states);
	free(w->table);
	w->states = NULL;
	w->table = NULL;
	w->states_n = w->table_size = 0;
	memset(w->asked, 0, sizeof(w->asked));
	memset(w->matters, 0, sizeof(w->matters));
}

bool
walk_is_end(const struct walk *w, uint32_t state)
{
	return (uint16_t)w->states[state].key == w->lines_n;
}

bool
walk_end_permits(const struct walk *w, uint32_t state)
{
	return walk_is_end(w, state) && (w->states[state].key >> KEY_SEEN & 3) == SEEN_SUCCESS;
}

uint8_t
walk_end_marks(const struct walk *w, uint32_t state)
{
	return (uint8_t)(w->states[state].key >> KEY_MARKS);
}

bool
walk_is_branch(const struct walk *w, uint32_t state, uint8_t result)
{
	return w->states[state].next[result] != WALK_NONE &&
	    first_of_branch(&w->lines[walk_line_of(w, state)], result);
}

uint16_t
walk_line_of(const struct walk *w, uint32_t state)
{
	return (uint16_t)w->states[state].key;
}

size_t
walk_way(const struct walk *w, uint32_t state, struct walk_step to[WALK_LINES_MAX])
{
	size_t n = 0;

	for (uint32_t i = state; w->states[i].from != WALK_NONE; i = w->states[i].from)
		n++;
	for (size_t k = n; k > 0; k--) {
		const struct walk_state *s = &w->states[state];

		to[k - 1] = (struct walk_step){walk_line_of(w, s->from), s->from_result};
		state = s->from;
	}
	return n;
}

size_t
walk_on(const struct walk *w, uint32_t state, bool permit, struct walk_step to[WALK_LINES_MAX], size_t at, uint32_t *end)
{
	while (!walk_is_end(w, state)) {
		const struct walk_state *s = &w->states[state];
		uint8_t result = permit ? s->to_yes : s->to_no;

		if (result == RESULT__COUNT)
			result = permit ? s->to_no : s->to_yes;
		CHECK(at < WALK_LINES_MAX && result < RESULT__COUNT);
		to[at++] = (struct walk_step){walk_line_of(w, state), result};
		state = s->next[result];
	}
	*end = state;
	return at;
}
