/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that a factor's plugin asks for: whether they are ones, and as JSON. */
#include "broker/base/base64url.h"
#include "broker/worker/calls_run.h"

void
run_steps(struct run *r, struct countersign_step steps[COUNTERSIGN_STEPS_MAX])
{
	for (size_t i = 0; i < COUNTERSIGN_STEPS_MAX; i++)
		steps[i].value = (struct countersign_buffer){
		    r->big + i * COUNTERSIGN_STEP_VALUE_MAX, COUNTERSIGN_STEP_VALUE_MAX, 0};
}

bool
run_next_line(const struct countersign_buffer *b, size_t *at, struct view *line)
{
	const char *end;

	if (*at > b->len)
		return false;
	end = *at == b->len ? NULL : memchr(b->data + *at, '\n', b->len - *at);
	*line = view_of(b->data + *at, end == NULL ? b->len - *at : (size_t)(end - b->data) - *at);
	*at += line->len + 1;
	return true;
}

bool
run_is_lines(const struct countersign_buffer *b, size_t min, size_t max, size_t cap)
{
	size_t at = 0, n = 0;
	struct view line;

	if (b->len == 0 || b->len > cap)
		return false;
	while (run_next_line(b, &at, &line)) {
		n++;
		if (!json_printable(line))
			return false;
	}
	return n >= min && n <= max;
}

void
run_put_lines(struct json_writer *w, const char *name, const struct countersign_buffer *b, size_t from)
{
	size_t at = 0;
	struct view line;

	json_key(w, view_str(name));
	json_array_begin(w);
	for (size_t n = 0; run_next_line(b, &at, &line); n++) {
		if (n >= from)
			json_put_str(w, line);
	}
	json_array_end(w);
}

static bool
begins(const struct countersign_buffer *b, const char *with)
{
	return b->len >= strlen(with) && memcmp(b->data, with, strlen(with)) == 0;
}

static bool
is_uri(const struct countersign_buffer *b)
{
	return begins(b, "otpauth://") || begins(b, "https://");
}

enum { DIGITS_MAX = 12, LINES_MAX = COUNTERSIGN_STEP_VALUE_MAX };

static bool
is_good(const struct countersign_step *s)
{
	const struct countersign_buffer *v = &s->value;

	if (s->kind == COUNTERSIGN_STEP_CODE ? s->digits > DIGITS_MAX : s->digits != 0)
		return false;
	switch ((enum countersign_step_kind)s->kind) {
	case COUNTERSIGN_STEP_SHOW:
		return is_uri(v) ? run_is_text(v, 1, COUNTERSIGN_STEP_VALUE_MAX) :
		    run_is_lines(v, 1, LINES_MAX, COUNTERSIGN_STEP_VALUE_MAX);
	case COUNTERSIGN_STEP_CODE:
		return run_is_text(v, 0, COUNTERSIGN_STEP_VALUE_MAX);
	case COUNTERSIGN_STEP_PASSKEY:
	case COUNTERSIGN_STEP_TEXT:
	case COUNTERSIGN_STEP_SECRET:
		return run_is_text(v, 1, COUNTERSIGN_STEP_VALUE_MAX);
	case COUNTERSIGN_STEP_CHOICE:
		return run_is_lines(v, 2, COUNTERSIGN_CHOICES_MAX + 1, COUNTERSIGN_STEP_VALUE_MAX);
	case COUNTERSIGN_STEP_APPROVE:
		return v->len == 0;
	}
	return false;
}

/* Whether the user answers it; what is shown asks nothing. */
static bool
asks(uint32_t kind)
{
	return kind != COUNTERSIGN_STEP_SHOW;
}

bool
run_steps_good(const struct countersign_step *steps, size_t n, bool passkey)
{
	size_t asking = 0;

	if (n == 0 || n > COUNTERSIGN_STEPS_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_good(&steps[i]) || (!passkey && steps[i].kind == COUNTERSIGN_STEP_PASSKEY))
			return false;
		asking += asks(steps[i].kind);
	}
	return asking > 0;
}

static void
put_choice(struct json_writer *w, const struct countersign_buffer *v)
{
	size_t at = 0;
	struct view label = {NULL, 0};

	(void)run_next_line(v, &at, &label);
	json_member_str(w, "label", label);
	run_put_lines(w, "choices", v, 1);
}

static void
put_step(struct json_writer *w, const struct countersign_step *s)
{
	static const struct {
		const char *type, *value; /* value: the member that the text becomes */
	} names[] = {
	    [COUNTERSIGN_STEP_SHOW] = {"show", "text"},
	    [COUNTERSIGN_STEP_CODE] = {"code", "label"},
	    [COUNTERSIGN_STEP_PASSKEY] = {"passkey", "options"},
	    [COUNTERSIGN_STEP_TEXT] = {"text", "label"},
	    [COUNTERSIGN_STEP_SECRET] = {"secret", "label"},
	    [COUNTERSIGN_STEP_CHOICE] = {"choice", NULL},
	    [COUNTERSIGN_STEP_APPROVE] = {"approve", NULL},
	};
	const char *value = s->kind == COUNTERSIGN_STEP_SHOW && is_uri(&s->value) ? "uri" : names[s->kind].value;

	json_object_begin(w);
	json_member_str(w, "type", view_str(names[s->kind].type));
	if (s->kind == COUNTERSIGN_STEP_CHOICE)
		put_choice(w, &s->value);
	if (value != NULL && s->value.len > 0)
		json_member_str(w, value, view_of(s->value.data, s->value.len));
	if (s->digits > 0)
		json_member_int(w, "digits", s->digits);
	json_object_end(w);
}

void
run_put_steps(struct json_writer *w, const struct countersign_step *steps, size_t n)
{
	json_key(w, VIEW("steps"));
	json_array_begin(w);
	for (size_t i = 0; i < n; i++)
		put_step(w, &steps[i]);
	json_array_end(w);
}

/* ---- bytes that stand in JSON as text -------------------------------------------------------- */

bool
run_bytes(struct view text, uint8_t *to, size_t cap, struct countersign_view *view)
{
	size_t len;

	*view = (struct countersign_view){NULL, 0};
	if (text.data == NULL)
		return true;
	if (base64url_decode(text, to, cap, &len) != CS_OK)
		return false;
	if (len > 0)
		*view = (struct countersign_view){(const char *)to, len};
	return true;
}

void
run_put_bytes(struct json_writer *w, const char *name, const struct countersign_buffer *b)
{
	char text[BASE64URL_LEN(PLUGIN_SECRET_MAX)];

	if (b->len == 0)
		return;
	json_member_str(w, name, view_of(text, base64url_encode((const uint8_t *)b->data, b->len, text)));
	secret_wipe(text, sizeof(text));
}
