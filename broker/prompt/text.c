/* SPDX-License-Identifier: Apache-2.0 */
/* Text on a terminal: names that people chose must not drive it (escapes, bidi controls), and labels stand in a column. */
#include <stdio.h>
#include <unistd.h>
#include <wchar.h>

#include "broker/base/utf8.h"
#include "broker/prompt/prompt.h"

void
raw_put(struct prompt *p, const char *text)
{
	buf_put(&p->out.buf, text, strlen(text));
}

void
style_put(struct prompt *p, const char *code)
{
	if (!p->color)
		return;
	raw_put(p, "\033[");
	raw_put(p, code == NULL ? "0" : code);
	raw_put(p, "m");
}

static void
code_put(struct prompt *p, uint32_t code, const uint8_t *at, size_t len)
{
	char text[16];

	if (len == 0 || (code < 0x80 && !utf8_code_printable(code))) {
		(void)snprintf(text, sizeof(text), "\\x%02x", *at);
		raw_put(p, text);
	} else if (!utf8_code_printable(code) || (code >= 0x80 && !p->utf8)) {
		(void)snprintf(text, sizeof(text), "\\u{%x}", (unsigned)code);
		raw_put(p, text);
	} else {
		buf_put(&p->out.buf, at, len);
	}
}

static void
put(struct prompt *p, const char *text, bool lines)
{
	const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);

	while (at < end) {
		uint32_t code = 0;
		size_t len = utf8_sequence(at, end, &code);

		if (lines && *at == '\n')
			raw_put(p, "\n");
		else
			code_put(p, code, at, len);
		at += len == 0 ? 1 : len;
	}
}

void
text_put(struct prompt *p, const char *text)
{
	put(p, text, false);
}

void
text_put_lines(struct prompt *p, const char *text)
{
	put(p, text, true);
}

/* Wide characters take two columns. */
static size_t
columns_of(const char *text)
{
	const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
	size_t columns = 0;

	while (at < end) {
		uint32_t code = *at;
		size_t len = utf8_sequence(at, end, &code);
		int width = code < 0x80 ? 1 : wcwidth((wchar_t)code);

		columns += width < 0 ? 1 : (size_t)width;
		at += len == 0 ? 1 : len;
	}
	return columns;
}

void
label_put(struct prompt *p, const char *label, size_t columns)
{
	style_put(p, "2");
	raw_put(p, label);
	style_put(p, NULL);
	for (size_t n = columns_of(label); n < columns; n++)
		raw_put(p, " ");
}

void
out_flush(struct prompt *p)
{
	int fd = p->tty >= 0 ? p->tty : STDOUT_FILENO;
	const uint8_t *at = p->out.buf.data;
	size_t left = p->out.buf.len;

	while (left > 0) {
		ssize_t n = write(fd, at, left);

		if (n <= 0)
			break; /* nobody reads: what is asked next will not be answered */
		at += n;
		left -= (size_t)n;
	}
	bytes_consume(&p->out, p->out.buf.len);
}
