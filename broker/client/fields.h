/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters into a call, results out of it: both checked against their bounds, results by table. */
#ifndef CS_CLIENT_FIELDS_H
#define CS_CLIENT_FIELDS_H

#include "broker/client/handle.h"

enum { PUT_OPTIONAL = 0, PUT_REQUIRED = 1 };

/* A string of 1 to max bytes without control characters. NULL and optional: writes nothing. */
void put_text(struct call *c, const char *name, const char *value, size_t max, int required);
static inline void
put_id(struct call *c, const char *name, const char *value, int required)
{
	put_text(c, name, value, CS_ID_MAX, required);
}
void put_bool(struct call *c, const char *name, bool value);
void put_object_begin(struct call *c, const char *name);
void put_object_end(struct call *c);

enum take_type {
	TAKE_TEXT,   /* char[size]: copied whole with its NUL */
	TAKE_LINES,  /* the same, and may hold newlines */
	TAKE_BOOL,   /* bool */
	TAKE_INT,    /* int */
	TAKE_WORD,   /* int: index in `words` */
	TAKE_OBJECT, /* a struct at offset, by the table `inner` */
	TAKE_TEXTS,  /* array of char[size]; their number at `count_offset` */
	TAKE_OBJECTS, /* array of structs of `size`, by the table `inner`; their number at `count_offset` */
};

struct take_field {
	const char *name; /* NULL ends the table */
	enum take_type type;
	bool required;
	size_t offset;
	size_t size;         /* bytes of the array, or of one element */
	size_t max;          /* elements */
	size_t count_offset;
	const struct take_field *inner;
	const char *const *words; /* ended by NULL */
};

/*
 * Fills *to by the table from the reply's parameters. Members that the table does not name are ignored: a newer broker
 * may say more. Wrong types, unknown words and text beyond its bound end the call with CS_STATUS_PROTOCOL.
 */
void take_fields(struct call *c, const struct take_field *fields, void *to);

/* The same for an object within them. */
void take_object(struct call *c, uint32_t object, const struct take_field *fields, void *to);

#define TAKE_TEXT_AT(name, required, type, member)                                                                     \
	{name, TAKE_TEXT, required, offsetof(type, member), sizeof(((type *)0)->member), 0, 0, NULL, NULL}
#define TAKE_LINES_AT(name, required, type, member)                                                                    \
	{name, TAKE_LINES, required, offsetof(type, member), sizeof(((type *)0)->member), 0, 0, NULL, NULL}
#define TAKE_BOOL_AT(name, required, type, member)                                                                     \
	{name, TAKE_BOOL, required, offsetof(type, member), sizeof(bool), 0, 0, NULL, NULL}
#define TAKE_INT_AT(name, required, type, member)                                                                      \
	{name, TAKE_INT, required, offsetof(type, member), sizeof(int), 0, 0, NULL, NULL}
#define TAKE_WORD_AT(name, required, type, member, list)                                                               \
	{name, TAKE_WORD, required, offsetof(type, member), sizeof(int), 0, 0, NULL, list}
#define TAKE_OBJECT_AT(name, required, type, member, table)                                                            \
	{name, TAKE_OBJECT, required, offsetof(type, member), 0, 0, 0, table, NULL}
#define TAKE_INTO_SAME(name, required, table)                                                                          \
	{name, TAKE_OBJECT, required, 0, 0, 0, 0, table, NULL}
#define TAKE_TEXTS_AT(name, required, type, member, most, counter)                                                     \
	{name, TAKE_TEXTS, required, offsetof(type, member), sizeof(((type *)0)->member[0]), most,                     \
	    offsetof(type, counter), NULL, NULL}
#define TAKE_OBJECTS_AT(name, required, type, member, most, counter, table)                                            \
	{name, TAKE_OBJECTS, required, offsetof(type, member), sizeof(((type *)0)->member[0]), most,                   \
	    offsetof(type, counter), table, NULL}
#define TAKE_END                                                                                                       \
	{NULL, TAKE_TEXT, false, 0, 0, 0, 0, NULL, NULL}

#endif
