/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An admin's word that was said offline (offline.h), as it stands in the meta hash: the field word:<ms since 1970>:<random>, and
 * told:<the same> once it is an event of the log.
 */
#ifndef CS_STORE_REDIS_WORD_CODE_H
#define CS_STORE_REDIS_WORD_CODE_H

#include "broker/store/store.h"

enum {
	WORD_NAME_TEXT = 32,
	WORD_BYTES_MAX = 1024, /* of a value: a name, an id, who said it, and a reason of 200 bytes */
};

/* The field of a word that is said now. */
void word_name(char to[WORD_NAME_TEXT], int64_t said_ms);
/* Whether a field of the meta hash is a word; and the one that says that it is told. */
bool word_named(struct view field);
int64_t word_said_ms(struct view name); /* -1: not known */
void word_told_name(char to[WORD_NAME_TEXT], struct view name);
/* The texts are printable, as json_printable() has it. CS_ERR_RANGE where they are not, or too long. */
enum cs_err word_encode(struct buf *out, const struct store_word *word);
/* CS_ERR_CORRUPT: no broker of this version wrote it. *out borrows from both. */
enum cs_err word_decode(struct view name, struct view value, struct store_word *out);

#endif
