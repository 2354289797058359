/* SPDX-License-Identifier: Apache-2.0 */
/* Reading stacks: where their files come from is an argument, so that tests and the fuzzer need no file system. */
#ifndef CS_PARENT_CONFIG_STACK_H
#define CS_PARENT_CONFIG_STACK_H

#include "broker/parent/config_option.h"

struct stack_source {
	const char *directory;     /* with its slash, or "" */
	/* A whole file in memory of its own; *text is NUL-terminated and will be freed. False with *err, at `from`. */
	bool (*read)(void *ctx, struct config_error *err, struct config_place from, const char *path, char **text,
	    size_t *len);
	void *ctx;
};

/* Appends the stack of that name (kept in the config) to config.stacks, which has room. False with the error set. */
bool stack_read_from(struct reader *r, const struct stack_source *source, const char *name, struct config_place from);
/* config_stack_load() of another source. */
enum cs_err stack_load_from(const struct stack_source *source, const char *name, struct config **out,
    struct config_error *err);

#endif
