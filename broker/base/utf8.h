/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 (RFC 3629), one sequence at a time: shared by the JSON reader, the JSON writer and the log.
 */
#ifndef CS_BASE_UTF8_H
#define CS_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Length of the valid sequence at p (1 to 4), or 0: overlong, surrogate, beyond U+10FFFF, cut off,
 * or p is at end. `code` (may be NULL) takes the code point.
 */
size_t utf8_sequence(const uint8_t *p, const uint8_t *end, uint32_t *code);
/* Writes a code point that is no surrogate; returns the bytes written, at most 4. */
size_t utf8_put(uint32_t code, uint8_t *to);
/*
 * False for what could forge or disorder a line of text: C0, DEL, C1, U+2028, U+2029 and the bidi
 * controls.
 */
bool utf8_code_printable(uint32_t code);

#endif
