/* SPDX-License-Identifier: Apache-2.0 */
/* The logs of all buckets as one, in the order of their sequence numbers. */
#ifndef CS_STORE_REDIS_MERGE_H
#define CS_STORE_REDIS_MERGE_H

#include "broker/store/redis/tool.h"

/* Everything up to here was written already, by the clocks of the owners less a second. CS_ERR_UNAVAILABLE: a clock is not known. */
enum cs_err merge_watermark(struct tool *t, uint64_t *upto, char why[TOOL_WHY_TEXT]);
/* Events after `after`, up to `upto`; fn as for tool_log(), and may not ask. */
enum cs_err merge_log(struct tool *t, uint64_t after, uint64_t upto, tool_event_fn *fn, void *ctx, char why[TOOL_WHY_TEXT]);

#endif
