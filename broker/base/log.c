/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's log. A line is made whole in memory and written at once, so that processes do not
 * mix theirs.
 */
#include "broker/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/utf8.h"

enum {
	LINE_MAX_BYTES = 2048, /* below PIPE_BUF, which keeps a line whole on a pipe */
	VALUE_MAX_BYTES = 200,
	VALUE_RING = 8,        /* values in one call of log_at() */
};

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static const char *log_role = "-";
static enum log_level log_max = LOG_LEVEL_INFO;

void
log_init(const char *role, enum log_level level)
{
	log_role = role;
	log_max = level;
}

/* One event is one line, whatever was in the arguments. */
static void
line_flatten(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
}

static void
line_write(const char *line, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, line, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nobody is left to tell */
		line += n;
		len -= (size_t)n;
	}
}

void
log_at(enum log_level level, const char *format, ...)
{
	char line[LINE_MAX_BYTES], when[CLOCK_TEXT_MAX];
	int saved = errno, n, head;
	struct clock_now now;
	va_list args;

	if (level > log_max)
		return;
	clock_read(&now);
	clock_text(now.wall_ms, when);
	head = snprintf(line, sizeof(line), "%s %s %.64s ", when, level_names[level], log_role);
	va_start(args, format);
	errno = saved; /* for %m */
	n = vsnprintf(line + head, sizeof(line) - (size_t)head, format, args);
	va_end(args);
	n = n < 0 ? head : n + head;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line_flatten(line, (size_t)n);
	line[n] = '\n';
	line_write(line, (size_t)n + 1);
	errno = saved;
}

/* One character made safe at `to`; returns how many bytes it took of the value. */
static size_t
value_put(struct buf *to, const uint8_t *at, const uint8_t *end)
{
	static const char hex[] = "0123456789abcdef";
	uint32_t code;
	size_t n = utf8_sequence(at, end, &code);
	size_t bytes = n == 0 ? 1 : n;

	if (n == 1 && (*at == '"' || *at == '\\')) {
		buf_put(to, (char[]){'\\', (char)*at}, 2);
	} else if (n > 0 && utf8_code_printable(code)) {
		buf_put(to, at, n);
	} else {
		for (size_t i = 0; i < bytes; i++)
			buf_put(to, (char[]){'\\', 'x', hex[at[i] >> 4], hex[at[i] & 15]}, 4);
	}
	return bytes;
}

const char *
log_value(struct view v)
{
	static const char cut[] = "\"...";
	static _Thread_local char ring[VALUE_RING][VALUE_MAX_BYTES];
	static _Thread_local unsigned turn;
	char *text = ring[turn++ % VALUE_RING];
	struct buf to = buf_over(text, VALUE_MAX_BYTES - sizeof(cut));
	const uint8_t *at = (const uint8_t *)v.data;
	const uint8_t *end = v.len == 0 ? at : at + v.len;

	buf_put_u8(&to, '"');
	while (at < end && !to.full)
		at += value_put(&to, at, end);
	memcpy(text + to.len, to.full ? cut : "\"", to.full ? sizeof(cut) : 2);
	return text;
}
