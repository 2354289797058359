/* SPDX-License-Identifier: Apache-2.0 */
/* The whole log, oldest event first, as it is stored: of --database, or else the daemon's. */
#ifndef CS_CTL_LOG_READ_H
#define CS_CTL_LOG_READ_H

#include "broker/core/types.h"
#include "broker/ctl/ctl.h"

/* Borrowed. */
struct log_row {
	uint64_t seq;
	struct id key;
	uint64_t revision;
	struct view event;
	struct view extra;
	bool whole;            /* the extra is there: the daemon does not give it */
};

/* CTL_OK to go on; another code ends the reading and is its result. */
typedef int log_row_fn(struct ctl *ctl, void *ctx, const struct log_row *row);
/* The bytes of the file are not right from here on; why says where. Its code is the reading's result. */
typedef int log_damaged_fn(struct ctl *ctl, void *ctx, const char *why);

/* damaged NULL: said, and CTL_FAILED. Shows a bar on a terminal. */
int log_read(struct ctl *ctl, log_row_fn *fn, void *ctx, log_damaged_fn *damaged);

/* The bytes that lower-case hexadecimal digits stand for: how many, or 0 where it is no such text or too long. */
size_t hex_bytes(struct view text, uint8_t *to, size_t max);

#endif
