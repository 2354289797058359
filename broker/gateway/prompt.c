/* SPDX-License-Identifier: Apache-2.0 */
/* Fields for prompts, and the answers out of a posted form. */
#include "broker/gateway/prompt.h"

#include <stdio.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/gateway/texts_step.h"

static const struct field {
	struct view type;
	const char *name, *class, *attributes;
} fields[] = {
    {VIEW("code"), "code", "field code",
	" type=\"text\" autocomplete=\"one-time-code\" inputmode=\"numeric\" autocapitalize=\"off\" spellcheck=\"false\""},
    {VIEW("text"), "value", "field", " type=\"text\" autocomplete=\"off\" autocapitalize=\"off\" spellcheck=\"false\""},
    {VIEW("secret"), "value", "field", " type=\"password\" autocomplete=\"off\""},
    {VIEW("choice"), "value", "", ""},
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static const struct field *
field_find(struct view type)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (view_equal(fields[i].type, type))
			return &fields[i];
	return NULL;
}

bool
prompt_is_field(struct view type)
{
	return field_find(type) != NULL;
}

void
prompt_name(char to[PROMPT_NAME_MAX], const char *what, unsigned n, int index)
{
	int len = index < 0 ? snprintf(to, PROMPT_NAME_MAX, "%s%u", what, n)
			    : snprintf(to, PROMPT_NAME_MAX, "%s%u.%d", what, n, index);

	CHECK(len > 0 && len < PROMPT_NAME_MAX);
}

void
prompt_hidden(struct page *p, const char *id, const char *name, struct view value)
{
	html_put(p->out, "<input type=\"hidden\" name=\"");
	html_put(p->out, name);
	if (id != NULL) {
		html_put(p->out, "\" id=\"");
		html_put(p->out, id);
	}
	html_put(p->out, "\" value=\"");
	html_text(p->out, value);
	html_put(p->out, "\">\n");
}

/* Letters, digits and hyphens, and no longer than people copy. */
static bool
line_is_code(struct view line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((uint8_t)line.data[i] <= ' ' || (uint8_t)line.data[i] >= 0x7f)
			return false;
	return line.len > 0 && line.len <= 64;
}

void
prompt_lines(struct page *p, struct view text)
{
	bool list = false;

	while (text.len > 0) {
		const char *end = memchr(text.data, '\n', text.len);
		struct view line = view_of(text.data, end == NULL ? text.len : (size_t)(end - text.data));
		bool code = line_is_code(line);

		if (code != list)
			html_put(p->out, code ? "<ol class=\"codes\">\n" : "</ol>\n");
		list = code;
		html_put(p->out, code ? "<li>" : "<p>");
		html_text(p->out, line);
		html_put(p->out, code ? "</li>\n" : "</p>\n");
		text = end == NULL ? VIEW("") : view_of(end + 1, text.len - line.len - 1);
	}
	if (list)
		html_put(p->out, "</ol>\n");
}

/* What a field says of itself to a browser and to a screen reader. */
static void
state_write(struct page *p, struct prompt_form *form)
{
	if (!form->optional)
		html_put(p->out, " required");
	if (form->fields++ == 0)
		html_put(p->out, " autofocus");
	if (form->wrong)
		html_put(p->out, " aria-invalid=\"true\" aria-describedby=\"problem\"");
}

static void
choices_write(struct page *p, struct prompt_form *form, const struct exchange_result *prompt, const char *name,
    struct view label)
{
	uint32_t choices = result_get(prompt, "choices", JSON_ARRAY), at;

	html_put(p->out, "<fieldset><legend>");
	html_text(p->out, label);
	html_put(p->out, "</legend>\n");
	at = choices == 0 ? 0 : json_first(prompt->doc, choices);
	for (unsigned i = 0; choices != 0 && i < prompt->doc->tokens[choices].count; i++, at = json_next(prompt->doc, at)) {
		if (json_type(prompt->doc, at) != JSON_STRING)
			continue;
		html_put(p->out, "<label><input type=\"radio\" name=\"");
		html_put(p->out, name);
		html_put(p->out, "\" value=\"");
		html_text(p->out, json_text(prompt->doc, at));
		html_put(p->out, "\"");
		state_write(p, form);
		html_put(p->out, "> ");
		html_text(p->out, json_text(prompt->doc, at));
		html_put(p->out, "</label>\n");
	}
	html_put(p->out, "</fieldset>\n");
}

void
prompt_field(struct page *p, struct prompt_form *form, const struct exchange_result *prompt, unsigned n, int index,
    struct view label)
{
	char name[PROMPT_NAME_MAX];
	const struct field *field = field_find(result_str(prompt, "type"));
	struct view own = result_str(prompt, "label");
	int64_t digits = result_int(prompt, "digits", 0);

	CHECK(field != NULL);
	prompt_name(name, field->name, n, index);
	label = label.len > 0 ? label : own.len > 0 ? own : text_get(TEXT_CODE, p->language);
	if (*field->class == '\0') {
		choices_write(p, form, prompt, name, label);
		return;
	}
	html_put(p->out, "<label for=\"");
	html_put(p->out, name);
	html_put(p->out, "\">");
	html_text(p->out, label);
	html_put(p->out, "</label>\n<input class=\"");
	html_put(p->out, field->class);
	html_put(p->out, "\" id=\"");
	html_put(p->out, name);
	html_put(p->out, "\" name=\"");
	html_put(p->out, name);
	html_put(p->out, "\" maxlength=\"512\"");
	html_put(p->out, field->attributes);
	if (digits > 0) {
		html_put(p->out, " data-digits=\"");
		html_int(p->out, digits);
		html_put(p->out, "\"");
	}
	state_write(p, form);
	html_put(p->out, ">\n");
}

/* Without the blanks that people put between groups; what does not fit is no code, and goes as it is. */
static struct view
code_plain(struct view value, struct buf *to)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] != ' ')
			buf_put_u8(to, (uint8_t)value.data[i]);
	return to->full ? value : buf_view(to);
}

static void
answer_write(struct json_writer *w, struct view step, struct view value, int index, bool code)
{
	char plain[64];
	struct buf to = buf_over(plain, sizeof(plain));

	json_object_begin(w);
	json_member_str(w, "step", step);
	json_member_str(w, "value", code ? code_plain(value, &to) : value);
	if (index >= 0)
		json_member_int(w, "prompt", index);
	json_object_end(w);
	secret_wipe(plain, sizeof(plain));
}

/* The answers to the n-th step; w may be NULL. The number of them, or -1 where one cannot be sent. */
static int
answers_of(const struct form *form, unsigned n, struct json_writer *w)
{
	static const char *const names[] = {"value", "code"};
	char name[PROMPT_NAME_MAX];
	struct view step, value;
	int answers = 0;

	prompt_name(name, "step", n, -1);
	step = form_get(form, name);
	for (int index = -1; step.len > 0 && index < PROMPTS_MAX; index++) {
		for (int code = 0; code < 2; code++) {
			prompt_name(name, names[code], n, index);
			value = form_get(form, name);
			if (value.len > PROMPT_VALUE_MAX)
				return -1;
			if (value.len > 0 && w != NULL)
				answer_write(w, step, value, index, code == 1);
			answers += value.len > 0;
		}
	}
	return answers;
}

bool
prompt_answered(const struct form *form)
{
	int all = 0;

	for (unsigned n = 1; n <= PROMPT_STEPS_MAX; n++) {
		int answers = answers_of(form, n, NULL);

		if (answers < 0)
			return false;
		all += answers;
	}
	return all > 0;
}

bool
prompt_answers(const struct form *form, struct json_writer *w)
{
	if (!prompt_answered(form))
		return false;
	json_key(w, VIEW("answers"));
	json_array_begin(w);
	for (unsigned n = 1; n <= PROMPT_STEPS_MAX; n++)
		(void)answers_of(form, n, w);
	json_array_end(w);
	return true;
}
