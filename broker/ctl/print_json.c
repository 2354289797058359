/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON printer: the values as the daemon sent them, times in UTC; what could drive a terminal is escaped. */
#include <stdio.h>

#include "broker/base/utf8.h"
#include "broker/ctl/print.h"

static void
print_code(const struct ctl *ctl, uint32_t code, const uint8_t *at, size_t len)
{
	if (code == '"' || code == '\\')
		(void)printf("\\%c", (int)code);
	else if (code == '\n')
		(void)printf("\\n");
	else if (utf8_code_printable(code) && (code < 0x80 || ctl->utf8))
		(void)fwrite(at, 1, len, stdout);
	else if (code < 0x10000)
		(void)printf("\\u%04x", (unsigned)code);
	else
		(void)printf("\\u%04x\\u%04x", (unsigned)(0xd800 + ((code - 0x10000) >> 10)),
		    (unsigned)(0xdc00 + ((code - 0x10000) & 0x3ff)));
}

static void
print_string(const struct ctl *ctl, struct view v)
{
	const uint8_t *at = (const uint8_t *)v.data;
	const uint8_t *end = v.len == 0 ? at : at + v.len;

	(void)putchar('"');
	while (at < end) {
		uint32_t code = 0xfffd;
		size_t len = utf8_sequence(at, end, &code);

		/* The reader refuses what is not UTF-8: this is for plain text alone. */
		if (len == 0)
			(void)printf("\\ufffd");
		else
			print_code(ctl, code, at, len);
		at += len == 0 ? 1 : len;
	}
	(void)putchar('"');
}

static void
new_line(bool one_line, int indent)
{
	if (!one_line)
		(void)printf("\n%*s", 2 * indent, "");
}

static void
print_at(const struct ctl *ctl, uint32_t token, bool one_line, int indent)
{
	enum json_type type = json_type(&ctl->doc, token);
	struct view text = json_text(&ctl->doc, token);
	unsigned count = ctl->doc.tokens[token].count;
	uint32_t at = token + 1;

	if (type == JSON_STRING)
		print_string(ctl, text);
	else if (type != JSON_OBJECT && type != JSON_ARRAY)
		(void)fwrite(text.data, 1, text.len, stdout);
	if (type != JSON_OBJECT && type != JSON_ARRAY)
		return;
	(void)putchar(type == JSON_OBJECT ? '{' : '[');
	for (unsigned i = 0; i < count; i++) {
		if (i > 0)
			(void)printf(one_line ? ", " : ",");
		new_line(one_line, indent + 1);
		if (type == JSON_OBJECT) {
			print_string(ctl, json_text(&ctl->doc, at));
			(void)printf(": ");
			at++;
		}
		print_at(ctl, at, one_line, indent + 1);
		at = json_next(&ctl->doc, at);
	}
	if (count > 0)
		new_line(one_line, indent);
	(void)putchar(type == JSON_OBJECT ? '}' : ']');
}

void
print_json_value(const struct ctl *ctl, uint32_t token)
{
	print_at(ctl, token, true, 0);
}

void
print_json(const struct ctl *ctl, uint32_t token, bool one_line)
{
	print_at(ctl, token, one_line, 0);
	(void)putchar('\n');
}

void
print_reply(const struct ctl *ctl, uint32_t token)
{
	if (ctl->json)
		print_json(ctl, token, false);
	else
		print_object(ctl, token, 0);
}
