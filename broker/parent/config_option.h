/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options: one entry an option gives its type, default, bounds and help, and from it come the parser,
 * the canonical print, the manual and the hints. Types are in config_types.c, the table in config_table.c, the
 * reading of blocks in config.c, the printing in config_print.c.
 */
#ifndef CS_PARENT_CONFIG_OPTION_H
#define CS_PARENT_CONFIG_OPTION_H

#include "broker/parent/config_words.h"

struct option;
struct reader;

/*
 * read: the words look at the value's first word; afterwards at the first one that is not the value's. base is the block's
 * struct, at the member (of a list: the item). print writes the words after the option's name and gives false where
 * there is nothing to write.
 */
struct option_type {
	const char *argument;  /* as the manual and messages write it */
	bool (*read)(struct reader *r, const struct option *o, void *base, void *at);
	bool (*print)(struct buf *b, const struct option *o, const void *base, const void *at);
	void (*absent)(void *at);  /* what a value not given is, where zero is not it; may be NULL */
};

enum option_flag {
	OPTION_REQUIRED = 1 << 0,
	OPTION_ADMIN = 1 << 1,      /* in the admin's file only, not in canonical text */
	OPTION_CANONICAL = 1 << 2,  /* the other way round */
	OPTION_REPEATS = 1 << 3,    /* no list, but may stand more than once */
};

struct block;

struct option {
	const char *name;
	const struct option_type *type;
	size_t offset;
	size_t count_offset;       /* of the uint16_t that counts a list's items; items_max > 0 says it is a list */
	size_t items_max, item_size;
	int64_t min, max;
	const char *preset;        /* as it would be written */
	unsigned flags;
	const struct block *block; /* of the block types */
	const char *const *words;  /* of the word types; ended by NULL, bit i is word i */
	const char *argument;      /* in place of the type's */
	const char *help;
};

struct block {
	const char *what;              /* "a service", in messages */
	const struct option *options;  /* ended by name NULL; at most 64 */
};

extern const struct block block_top;
extern const struct block store_block;  /* config_store.c: an option for each kind of store */

/* A member of the struct that a block is read into; and a list in it, with its counter. */
#define ONE(type, member) .offset = offsetof(struct type, member)
#define MANY(type, member, counter, max)                                                                    \
	.offset = offsetof(struct type, member), .count_offset = offsetof(struct type, counter),                \
	.items_max = (max), .item_size = sizeof(((struct type *)0)->member[0])

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define DAY (INT64_C(24) * HOUR)
#define YEAR (366 * DAY)

/* Where a value was written, for the checks that need the whole: found by the value's address. */
struct value_place {
	const void *at;
	struct config_place place;
};

struct reader {
	struct config *c;
	struct config_error *err;
	struct words words;
	const struct block *block;   /* being read */
	struct config_place option_place;  /* of the option being read */
	uint64_t top_seen;           /* options of the top block, over all files */
	const char *directory;       /* relative paths start here; NULL: none are accepted */
	bool canonical;
	unsigned depth;              /* of includes */
	struct value_place *places;  /* on the heap */
	size_t place_count, place_cap;
};

/* Keeps a text in the config; NULL with the error set where there is no room. */
const char *reader_keep(struct reader *r, const char *text, size_t len);
/* Keeps a path and makes it absolute. */
const char *reader_keep_path(struct reader *r, const char *path);
bool reader_next(struct reader *r);
/* At a value, which is kept: moves on. */
bool reader_take_text(struct reader *r, const char **to);
/* Fails at the word that is being looked at. */
#define reader_fail(r, mend, ...) \
	config_fail((r)->err, (r)->words.place, (r)->words.text, (mend), __VA_ARGS__)
void reader_mark(struct reader *r, const void *at, struct config_place place);
struct config_place reader_place(const struct reader *r, const void *at);
/* True at a value that belongs to a list: a bare word that names an option of this block ends the list. */
bool reader_at_item(const struct reader *r);
/* Fails with "unknown NAME" at the word looked at, and what may have been meant. names ended by NULL. */
bool reader_fail_unknown(struct reader *r, const char *what, const char *const *names);

/* Reads options up to "}" or, of the top block, up to the end of the file. */
bool block_read(struct reader *r, const struct block *block, void *base, uint64_t *seen);
/* What was not written: presets, or a refusal. place: of the block. */
bool block_finish(struct reader *r, const struct block *block, void *base, uint64_t seen, struct config_place place);
/* "{", the block, "}". */
bool block_read_braces(struct reader *r, const struct block *block, void *base);
void block_print(struct buf *b, const struct block *block, const void *base);

/* Is the word that is being looked at fit to name `what`? */
bool name_check(struct reader *r, const char *what);
/* An int64_t that is not given is -1. */
void minus_absent(void *at);
void print_text(struct buf *b, const char *text);            /* as is */
void print_quoted(struct buf *b, const char *text);          /* a space, then quoted */
void print_number(struct buf *b, int64_t v);

extern const struct option_type type_text, type_name, type_word, type_path, type_number, type_duration, type_size, type_bool,
    type_timezone, type_words, type_words_or_none, type_certificate, type_pin, type_plugin, type_url, type_client,
    type_token_client, type_control, type_setting,
    type_amount, type_count, type_currency_amount, type_block, type_named, type_currency_block, type_listen,
    type_store, type_tls, type_user, type_generation, type_include, type_stack, type_line, type_shadow;

/* Reads a whole file into memory of its own; *text is NUL-terminated and to be freed. False with the error set. */
bool file_read(struct config_error *err, struct config_place from, const char *path, char **text, size_t *len);
/* Reads one more of the admin's files into the same config. */
bool reader_include(struct reader *r, const char *path, struct config_place from);

/* Stack files (config_stack.c): reads what the services name, and `other`. */
bool stacks_load(struct reader *r);
/* Notes the line's file among those of its stack. */
bool stack_file_note(struct reader *r, struct config_stack *stack, struct config_line *line, struct config_place place);
/* Compiles one line alone, and throws the result away. */
bool stack_line_compile(struct reader *r, const struct config_line *line);
/* Compiles every stack (core/stack.h) and throws the result away. */
bool stacks_compile(struct reader *r);

/* The words look at the brace behind the candidate's name. */
bool config_read_shadow(struct reader *r);

/* What is not written about the store, and what does not go together (config_store.c). */
bool store_resolve(struct reader *r);
bool store_check(struct reader *r);

/* Everything that needs the whole (config_check.c). */
bool config_resolve(struct reader *r);
bool config_check(struct reader *r);
/* What the admin's file names in the file system. */
bool config_check_files(struct reader *r);
/* DIRECTORY/NAME, kept; NULL with the error set. */
const char *reader_keep_below(struct reader *r, const char *directory, const char *name);

#endif
