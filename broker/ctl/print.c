/* SPDX-License-Identifier: Apache-2.0 */
/* Text for people: escapes, local times, colours, values in one line. */
#include "broker/ctl/print.h"

#include <stdio.h>
#include <time.h>
#include <wchar.h>

#include "broker/base/clock.h"
#include "broker/base/utf8.h"

static const struct {
	const char *word, *color;
} colors[] = {
	{"permit", "\033[32m"}, {"pass", "\033[32m"}, {"ok", "\033[32m"}, {"ready", "\033[32m"}, {"running", "\033[32m"},
	{"active", "\033[32m"}, {"up", "\033[32m"}, {"enabled", "\033[32m"}, {"found", "\033[32m"},
	{"success", "\033[32m"}, {"passed", "\033[32m"}, {"usable", "\033[32m"},
	{"step_up", "\033[33m"}, {"cooling_off", "\033[33m"}, {"proposed", "\033[33m"}, {"starting", "\033[33m"},
	{"stale", "\033[33m"}, {"backoff", "\033[33m"},
	{"unverified", "\033[33m"}, {"skipped", "\033[33m"}, {"supposed", "\033[33m"},
	{"denied", "\033[31m"}, {"exceeded", "\033[31m"}, {"unusable", "\033[31m"}, {"error", "\033[31m"},
	{"deny", "\033[31m"}, {"fail", "\033[31m"}, {"frozen", "\033[31m"}, {"failed", "\033[31m"}, {"dead", "\033[31m"},
	{"suspended", "\033[31m"}, {"revoked", "\033[31m"}, {"locked", "\033[31m"}, {"disabled", "\033[31m"},
	{"down", "\033[31m"}, {"stopped", "\033[31m"}, {"unavailable", "\033[31m"}, {"missing", "\033[31m"},
	{"changed", "\033[31m"}, {"closed", "\033[31m"},
};

const char *
color_of(const struct ctl *ctl, struct view word)
{
	for (size_t i = 0; ctl->color && i < sizeof(colors) / sizeof(colors[0]); i++)
		if (view_equal(word, view_str(colors[i].word)))
			return colors[i].color;
	return "";
}

const char *
color_strong(const struct ctl *ctl)
{
	return ctl->color ? "\033[1m" : "";
}

const char *
color_off(const struct ctl *ctl, const char *on)
{
	return ctl->color && on[0] != '\0' ? "\033[0m" : "";
}

static void
put_format(struct buf *out, const char *format, unsigned value)
{
	char text[16];
	int n;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = snprintf(text, sizeof(text), format, value);
#pragma GCC diagnostic pop
	buf_put(out, text, (size_t)n);
}

static void
put_code(const struct ctl *ctl, struct buf *out, uint32_t code, const uint8_t *at, size_t len)
{
	if (code == '\n')
		buf_put_view(out, VIEW("\\n"));
	else if (code == '\t')
		buf_put_view(out, VIEW("\\t"));
	else if (code == '\\')
		buf_put_view(out, VIEW("\\\\"));
	else if (code < 0x80 && !utf8_code_printable(code))
		put_format(out, "\\x%02x", code);
	else if (!utf8_code_printable(code) || (code >= 0x80 && !ctl->utf8))
		put_format(out, "\\u{%x}", code);
	else
		buf_put(out, at, len);
}

void
text_escape(const struct ctl *ctl, struct buf *out, struct view v)
{
	const uint8_t *at = (const uint8_t *)v.data;
	const uint8_t *end = v.len == 0 ? at : at + v.len;

	while (at < end) {
		uint32_t code = 0;
		size_t len = utf8_sequence(at, end, &code);

		if (len == 0)
			put_format(out, "\\x%02x", *at);
		else
			put_code(ctl, out, code, at, len);
		at += len == 0 ? 1 : len;
	}
}

/* Wide characters take two columns; those that the C library does not know, one. */
size_t
text_width(const struct ctl *ctl, struct view escaped)
{
	const uint8_t *at = (const uint8_t *)escaped.data;
	const uint8_t *end = escaped.len == 0 ? at : at + escaped.len;
	size_t width = 0;

	while (at < end) {
		uint32_t code = *at;
		size_t len = utf8_sequence(at, end, &code);
		int columns = code < 0x80 || !ctl->utf8 ? 1 : wcwidth((wchar_t)code);

		width += columns < 0 ? 1 : (size_t)columns;
		at += len == 0 ? 1 : len;
	}
	return width;
}

void
text_time(const struct ctl *ctl, struct buf *out, struct view v)
{
	int64_t ms = v.len >= sizeof("2026-11-22T09:46:28Z") - 1 ? clock_parse(v.data, v.len) : -1;
	time_t seconds = (time_t)(ms / 1000);
	char date[40], zone[8];
	struct tm tm;
	size_t n;

	if (ms < 0 || localtime_r(&seconds, &tm) == NULL) {
		text_escape(ctl, out, v);
		return;
	}
	n = strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	if (ms % 1000 != 0)
		n += (size_t)snprintf(date + n, sizeof(date) - n, ".%03d", (int)(ms % 1000));
	buf_put(out, date, n);
	n = strftime(zone, sizeof(zone), "%z", &tm);
	buf_put(out, zone, n);
}

static void value_line(const struct ctl *ctl, struct buf *out, uint32_t token);

static void
array_line(const struct ctl *ctl, struct buf *out, uint32_t token)
{
	uint32_t at = json_first(&ctl->doc, token);

	for (unsigned i = 0; i < ctl->doc.tokens[token].count; i++) {
		if (i > 0)
			buf_put_u8(out, ',');
		value_line(ctl, out, at);
		at = json_next(&ctl->doc, at);
	}
}

static void
object_line(const struct ctl *ctl, struct buf *out, uint32_t token)
{
	uint32_t at = json_first(&ctl->doc, token);

	buf_put_u8(out, '{');
	for (unsigned i = 0; i < ctl->doc.tokens[token].count; i++) {
		if (i > 0)
			buf_put_u8(out, ' ');
		text_escape(ctl, out, json_text(&ctl->doc, at));
		buf_put_u8(out, '=');
		value_line(ctl, out, at + 1);
		at = json_next(&ctl->doc, at + 1);
	}
	buf_put_u8(out, '}');
}

static void
value_line(const struct ctl *ctl, struct buf *out, uint32_t token)
{
	struct view text = json_text(&ctl->doc, token);

	switch (json_type(&ctl->doc, token)) {
	case JSON_NULL:
		buf_put_u8(out, '-');
		break;
	case JSON_TRUE:
		buf_put_view(out, VIEW("yes"));
		break;
	case JSON_FALSE:
		buf_put_view(out, VIEW("no"));
		break;
	case JSON_NUMBER:
		buf_put_view(out, text);
		break;
	case JSON_STRING:
		text_time(ctl, out, text);
		break;
	case JSON_ARRAY:
		array_line(ctl, out, token);
		break;
	case JSON_OBJECT:
		object_line(ctl, out, token);
		break;
	}
}

void
text_value(const struct ctl *ctl, struct buf *out, uint32_t token)
{
	size_t before = out->len;

	value_line(ctl, out, token);
	if (out->len == before)
		buf_put_u8(out, '-');
}
