/* SPDX-License-Identifier: Apache-2.0 */
/* Base64url, JSON and form encoding: strict when reading, bounded when writing. */
#ifndef CS_PLUGIN_LIB_ENCODING_H
#define CS_PLUGIN_LIB_ENCODING_H

#include <stdbool.h>

#include <jansson.h>

#include "countersign/plugin.h"

/*
 * RFC 7515 section 2: base64url without padding. Refuses all but its alphabet, an impossible
 * length, and unused bits that are not zero, so that a text has one spelling. *len is set on
 * success.
 */
bool base64url_decode(struct countersign_view text, unsigned char *to, size_t cap, size_t *len);

enum { JSON_DEPTH_MAX = 16 };  /* no document of a provider nests deeper than five */

/*
 * An object (RFC 8259) without duplicate members, nested at most JSON_DEPTH_MAX deep; NULL: it is
 * none.
 */
json_t *json_read_object(const char *text, size_t len);

/* A string's bytes; {NULL, 0} where it is none, or there is no such member. */
struct countersign_view json_text(const json_t *v);
struct countersign_view json_member_text(const json_t *object, const char *name);

/*
 * Writers over a buffer: the first that does not fit sets *rc to COUNTERSIGN_FULL and later ones do
 * nothing.
 */
void put_text(struct countersign_buffer *to, int *rc, const char *text);
void put_view(struct countersign_buffer *to, int *rc, struct countersign_view v);
/* application/x-www-form-urlencoded, with %20 for a space, so that it serves in a query too. */
void put_escaped(struct countersign_buffer *to, int *rc, struct countersign_view v);
/* base64 with padding, as RFC 7617 wants it. */
void put_base64(struct countersign_buffer *to, int *rc, struct countersign_view v);
/* base64url without padding. */
void put_base64url(struct countersign_buffer *to, int *rc, struct countersign_view v);
/* &name=value, without & at the start of the buffer's part that begins at `from`. */
void put_pair(struct countersign_buffer *to, int *rc, size_t from, const char *name,
    struct countersign_view value);
/* The same with several values, parted by spaces. */
void put_words(struct countersign_buffer *to, int *rc, size_t from, const char *name,
    const struct countersign_view *values, size_t count);

bool view_is(struct countersign_view a, struct countersign_view b);
bool view_is_text(struct countersign_view a, const char *b);
/*
 * As the broker takes texts: no controls of either sort, separators of lines, nor marks of direction. What comes from outside
 * and is answered is held to it before: an answer that is not ends the server. v: UTF-8, as jansson gives it.
 */
bool view_is_printable(struct countersign_view v);

#endif
