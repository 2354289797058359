/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing. Whatever came from outside may hold names that people chose, to forge lines or drive a terminal: every text
 * goes through text_escape or the JSON printer, and no other way.
 */
#ifndef CS_CTL_PRINT_H
#define CS_CTL_PRINT_H

#include "broker/base/bytes.h"
#include "broker/ctl/ctl.h"

/*
 * Control characters, bidi controls and bytes that are not UTF-8 become \n, \x1b, \u{202e}; and all beyond ASCII where
 * the terminal does not show UTF-8.
 */
void text_escape(const struct ctl *ctl, struct buf *out, struct view v);

/* A time in UTC as this machine's local time with its zone; anything else escaped as it is. */
void text_time(const struct ctl *ctl, struct buf *out, struct view v);

/* A value in one line: times local, arrays with commas, members as name=value. "-" for what is empty or null. */
void text_value(const struct ctl *ctl, struct buf *out, uint32_t token);

/* Columns on the terminal that escaped text takes. */
size_t text_width(const struct ctl *ctl, struct view escaped);

/* The escape sequence that colours this word ("permit", "frozen"), or "" for most words, and without colours. */
const char *color_of(const struct ctl *ctl, struct view word);
const char *color_off(const struct ctl *ctl, const char *on);
const char *color_strong(const struct ctl *ctl);

/* The value as JSON in one line, without a newline. */
void print_json_value(const struct ctl *ctl, uint32_t token);
/* The value as JSON on stdout: indented, or in one line. A newline follows. */
void print_json(const struct ctl *ctl, uint32_t token, bool one_line);

/*
 * The value as text: an object as lines "name  value", objects in it indented, arrays of objects as tables. What is null
 * or an empty list is left out, and with _but the member `said`.
 */
void print_object(const struct ctl *ctl, uint32_t token, int indent);
void print_object_but(const struct ctl *ctl, uint32_t token, int indent, const char *said);

/* As --json says. */
void print_reply(const struct ctl *ctl, uint32_t token);

/* A table of an array of objects. Its columns: those of `first` (ended by NULL) that occur, then all others. */
void print_table(const struct ctl *ctl, uint32_t array, const char *const *first, int indent);

#endif
