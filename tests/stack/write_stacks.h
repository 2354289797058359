/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random stacks in two spellings, Linux-PAM's and ours, with the same lines at the same places. Some are broken on
 * purpose, in the same way in both.
 */
#ifndef CS_TESTS_STACK_WRITE_STACKS_H
#define CS_TESTS_STACK_WRITE_STACKS_H

#include <stddef.h>
#include <stdint.h>

enum { WRITTEN_FILES = 5, WRITTEN_TOKENS = 256, WRITTEN_BYTES = 32 * 1024, WRITTEN_RULES = 256, RULE_TOKEN_MAX = 192 };

/* A rule's word and where it stands in both spellings' files; ids begin at 1. */
struct written_rule {
	unsigned file, line, column;
	int id;
};

struct token {
	char pam[RULE_TOKEN_MAX], ours[RULE_TOKEN_MAX];
	int id; /* of a rule, else 0 */
};

struct written {
	const char *directory, *module; /* of the files, with a slash; of the recorder */
	uint64_t random;
	int ids;
	size_t tokens_n[WRITTEN_FILES];
	struct token tokens[WRITTEN_FILES][WRITTEN_TOKENS];
	/* What write_stack() makes of them. Files are called s0 to s4; s0 is the stack. */
	char pam[WRITTEN_FILES][WRITTEN_BYTES], ours[WRITTEN_FILES][WRITTEN_BYTES];
	size_t rules_n;
	struct written_rule rules[WRITTEN_RULES];
};

/* The result's name in Linux-PAM's brackets, and the number that its modules return, by enum result. */
extern const char *const pam_names[];
extern const int pam_codes[];

/* A new stack; `broken` times something in it is changed. directory, module and random are given. */
void write_stack(struct written *w, unsigned broken);

#endif
