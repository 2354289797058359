/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's log: one line an event on stderr, "time level role key=value ...". Libraries do not
 * log. Nothing secret is ever logged, not even at debug level. Values from outside go through
 * log_value(), which escapes control characters.
 */
#ifndef CS_BASE_LOG_H
#define CS_BASE_LOG_H

#include "broker/base/buf.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/*
 * Once a process, before the first line. `role` must outlive the process ("engine",
 * "worker:apple").
 */
void log_init(const char *role, enum log_level level);

void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * v made safe for one line and quoted; in a static ring of eight buffers of 200 bytes, cut where
 * longer.
 */
const char *log_value(struct view v);

#endif
