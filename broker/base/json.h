/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259, I-JSON RFC 7493): one strict, bounded reader and one writer, without a tree and
 * without heap.
 *
 * The reader checks the whole text in one pass and leaves a flat array of tokens; strings are
 * unescaped in place, so a string is a view into the message. Refused: duplicate members, invalid
 * UTF-8, lone surrogates, \u0000 and raw control characters in strings, depth beyond the limit,
 * more tokens than given, leading zeros, a number outside what an IEEE double holds, trailing
 * bytes.
 */
#ifndef CS_BASE_JSON_H
#define CS_BASE_JSON_H

#include "broker/base/buf.h"
#include "broker/base/check.h"
#include "broker/base/err.h"

enum {
	JSON_DEPTH_MAX = 16,        /* nothing that we speak nests deeper than six */
	JSON_TEXT_MAX = 64 * 1024,  /* one message */
	JSON_TOKENS_MAX = 2048,     /* a full batch of payments needs about 1,200 */
};

enum json_type {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/*
 * In an object, members follow as key token, value token(s); in an array, value token(s). `next` is
 * the index after this token and all that it contains.
 */
struct json_token {
	uint32_t start;   /* offset of the first byte: of a string's text, without its quote */
	uint32_t len;     /* bytes; of a string, unescaped; of a container, as it was sent */
	uint32_t next;
	uint16_t count;   /* members or elements */
	uint8_t type;     /* enum json_type */
	uint8_t hash;     /* of a key, to make look-ups cheap */
};

struct json {
	char *text;                 /* borrowed, changed in place */
	struct json_token *tokens;  /* borrowed; token 0 is the root */
	uint32_t count;
};

struct json_error {
	uint32_t offset;      /* byte where it went wrong */
	const char *reason;   /* static text: "duplicate member", "invalid UTF-8", ... */
};

/*
 * Reads one whole text of at most JSON_TEXT_MAX bytes. tokens has room for `cap`. Errors:
 * CS_ERR_SYNTAX, CS_ERR_FULL (tokens, depth or length). `err` may be NULL. On failure text may have
 * been changed and *doc is not touched.
 */
enum cs_err json_read(char *text, size_t len, struct json_token *tokens, size_t cap,
    struct json *doc, struct json_error *err);

/*
 * Value of a member of the object at `object`, or 0 (the root is never a member) where there is
 * none.
 */
uint32_t json_get(const struct json *doc, uint32_t object, struct view name);

/*
 * The token itself. Each token index given here must be one of doc: anything else is a broken
 * invariant.
 */
static inline const struct json_token *
json_token_at(const struct json *doc, uint32_t token)
{
	CHECK(token < doc->count);
	return &doc->tokens[token];
}

static inline enum json_type
json_type(const struct json *doc, uint32_t token)
{
	return (enum json_type)json_token_at(doc, token)->type;
}

/* A string's text, or a number's or literal's bytes as written. */
static inline struct view
json_text(const struct json *doc, uint32_t token)
{
	const struct json_token *t = json_token_at(doc, token);

	return view_of(doc->text + t->start, t->len);
}

/*
 * First value token inside an array, or first key inside an object; step with json_next(). 0 when
 * empty.
 */
static inline uint32_t
json_first(const struct json *doc, uint32_t token)
{
	return json_token_at(doc, token)->count == 0 ? 0 : token + 1;
}

/*
 * The token after this one and all it contains. The caller counts (tokens[i].count), it is not
 * checked here.
 */
static inline uint32_t
json_next(const struct json *doc, uint32_t token)
{
	return json_token_at(doc, token)->next;
}

/*
 * Exact integer in int64. CS_ERR_SYNTAX: no number, or one with fraction or exponent. CS_ERR_RANGE:
 * beyond int64, or "-0".
 */
enum cs_err json_int(const struct json *doc, uint32_t token, int64_t *value);
/*
 * Writes the value at `token` again, with its members in their order. This is how JSON is passed
 * on: the bytes of the message itself are no longer JSON once a string in it was unescaped.
 * (jansson has a json_copy.)
 */
struct json_writer;
void json_put_copy(struct json_writer *w, const struct json *doc, uint32_t token);

/*
 * Checks that v is valid UTF-8 without control characters (U+0000-001F, U+007F-009F, U+2028/9, bidi
 * controls).
 */
bool json_printable(struct view v);
/* Checks UTF-8 alone. */
bool json_utf8(struct view v);

/*
 * Table-driven reading of an object into a struct: one table a method gives the check, the error
 * and the documentation.
 */
enum json_field_type {
	JSON_F_STRING,  /* struct view, as it is */
	JSON_F_ID,      /* struct view, 1 to max bytes of printable UTF-8 */
	JSON_F_INT,     /* int64_t, min to max */
	JSON_F_BOOL,    /* bool */
	JSON_F_OBJECT,  /* uint32_t token */
	JSON_F_ARRAY,   /* uint32_t token */
	JSON_F_ANY,     /* uint32_t token */
};

struct json_field {
	const char *name;
	uint8_t type;       /* enum json_field_type */
	bool required;
	uint16_t offset;    /* where in the struct */
	/*
	 * Bytes of a string, elements of an array, value of an integer; 0,0 for no bound; max 0 of
	 * a size: none above.
	 */
	int64_t min, max;
};

struct json_problem {
	const char *field;   /* the table's name, or NULL: then `member` names the unknown member */
	struct view member;
	const char *reason;  /* "is missing", "must be a string", "is unknown", "is too long" */
};

/*
 * Reads the object at `object` by `fields` (ended by name NULL) into `*to`, which the caller has
 * zeroed. A member that is null counts as absent. Unknown members are refused unless `lax`. At most
 * 64 fields. Errors: CS_ERR_SYNTAX with *problem set; `to` may then be filled in part.
 */
enum cs_err json_bind(const struct json *doc, uint32_t object, const struct json_field *fields,
    bool lax, void *to, struct json_problem *problem);

/*
 * Writer: commas and escapes are its business; balance is checked (CHECK). Output over a full buf
 * is lost, see buf.
 */
struct json_writer {
	struct buf *out;
	uint32_t objects;   /* bit n: depth n is an object, no array */
	uint8_t depth;
	bool comma;         /* something stands before the next member or element */
	bool keyed;         /* a key was written, its value not yet */
};

struct json_writer json_to(struct buf *out);
void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, struct view name);   /* escaped like a string */
void json_put_str(struct json_writer *w, struct view v);  /* invalid UTF-8 is written as U+FFFD */
void json_put_int(struct json_writer *w, int64_t v);
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
/* Text that is JSON already. */
void json_put_raw(struct json_writer *w, struct view v);

/*
 * Members in one call, name as a C string that needs no escaping. A view whose data is NULL writes
 * nothing at all.
 */
void json_member_str(struct json_writer *w, const char *name, struct view v);
void json_member_int(struct json_writer *w, const char *name, int64_t v);
void json_member_bool(struct json_writer *w, const char *name, bool v);

#endif
