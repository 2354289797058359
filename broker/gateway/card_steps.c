/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways to answer a card. A person sees one of them at a time, and the others as buttons that show them instead; where
 * several factors are needed, all are in one form.
 */
#include "broker/gateway/card.h"
#include "broker/gateway/texts_step.h"

enum { WAYS_MAX = 16 /* factors of an account */ };

/* Passkeys are one way, however many there are: the browser knows which of them it has. */
struct way {
	uint32_t step; /* token; of passkeys the first */
	bool passkey;
};

struct ways {
	const struct exchange_result *r;
	uint32_t steps;
	struct way of[WAYS_MAX];
	size_t n;
	size_t shown; /* the one that is shown, where one is enough */
	bool all;     /* several are needed: all are shown */
};

static const struct kind {
	struct view kind;
	unsigned label, way; /* of its field; of the button that shows it */
} kinds[] = {
    {VIEW("totp"), TEXT_CODE_TOTP, TEXT_WAY_TOTP},
    {VIEW("otp"), TEXT_CODE_OTP, TEXT_WAY_OTP},
    {VIEW("webauthn"), TEXT_WAY_PASSKEY, TEXT_WAY_PASSKEY},
    {VIEW("recovery"), TEXT_CODE_RECOVERY, TEXT_WAY_RECOVERY},
    {VIEW("approve"), TEXT_WAY_APPROVE, TEXT_WAY_APPROVE},
    {VIEW("pam"), TEXT_CODE, TEXT_WAY_PAM},
    {VIEW(""), TEXT_CODE, TEXT_CODE},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static struct exchange_result
at(const struct ways *w, uint32_t token)
{
	return (struct exchange_result){.doc = w->r->doc, .body = token};
}

static const struct kind *
kind_of(const struct exchange_result *step)
{
	size_t i = 0;

	while (i < KINDS - 1 && !view_equal(kinds[i].kind, result_str(step, "kind")))
		i++;
	return &kinds[i];
}

static bool
is(const struct exchange_result *step, const char *type)
{
	return view_equal(result_str(step, "type"), view_str(type));
}

static bool
is_begun(const struct exchange_result *step)
{
	return result_bool(step, "begun");
}

static bool
can_answer(const struct exchange_result *step)
{
	if (result_str(step, "id").len == 0 || result_bool(step, "answered"))
		return false;
	return result_bool(step, "begin") || is(step, "passkey") || is(step, "approve") ||
	       prompt_is_field(result_str(step, "type"));
}

static void
ways_add(struct ways *w, uint32_t token)
{
	struct exchange_result step = at(w, token);
	bool passkey = is(&step, "passkey");

	if (json_type(w->r->doc, token) != JSON_OBJECT || !can_answer(&step) || w->n == WAYS_MAX)
		return;
	for (size_t i = 0; passkey && i < w->n; i++)
		if (w->of[i].passkey)
			return;
	w->of[w->n++] = (struct way){token, passkey};
}

/* What the user chose; else what has been begun; else a passkey, which is quickest; else the first. */
static size_t
choose(const struct ways *w, struct view wanted)
{
	size_t begun = w->n, passkey = w->n;

	for (size_t i = 0; i < w->n; i++) {
		struct exchange_result step = at(w, w->of[i].step);

		if (wanted.len > 0 && view_equal(result_str(&step, "id"), wanted))
			return i;
		if (begun == w->n && is_begun(&step))
			begun = i;
		if (passkey == w->n && w->of[i].passkey)
			passkey = i;
	}
	return begun < w->n ? begun : passkey < w->n ? passkey : 0;
}

static void
ways_read(struct ways *w, const struct exchange_result *r, struct view wanted)
{
	uint32_t token;

	*w = (struct ways){.r = r, .steps = result_get(r, "steps", JSON_ARRAY)};
	if (w->steps == 0)
		return;
	token = json_first(r->doc, w->steps);
	for (unsigned i = 0; i < r->doc->tokens[w->steps].count; i++, token = json_next(r->doc, token))
		ways_add(w, token);
	w->all = result_int(r, "need", 1) > 1;
	w->shown = choose(w, wanted);
}

static bool
is_shown(const struct ways *w, size_t i)
{
	return w->all ? i < PROMPT_STEPS_MAX : i == w->shown;
}

bool
card_waits(const struct exchange_result *r, const struct card_form *form)
{
	struct ways w;
	bool waits = false;

	ways_read(&w, r, form->way);
	for (size_t i = 0; i < w.n; i++) {
		struct exchange_result step = at(&w, w.of[i].step);

		if (!is_shown(&w, i))
			continue;
		if (!is(&step, "approve"))
			return false; /* A page that asks for something must not go away under the hands that type it. */
		waits = true;
	}
	return waits;
}

static void
hint(struct page *p, struct view label)
{
	if (label.len == 0)
		return;
	html_put(p->out, "<p class=\"help\">");
	html_text(p->out, label);
	html_put(p->out, "</p>\n");
}

static void
attribute(struct page *p, const char *name, struct view value)
{
	if (value.len == 0)
		return;
	html_put(p->out, " data-");
	html_put(p->out, name);
	html_put(p->out, "=\"");
	html_text(p->out, value);
	html_put(p->out, "\"");
}

/* data-credentials="STEP=CREDENTIAL ...", so that the script knows whose step a signature answers. */
static void
credentials_put(struct page *p, const struct ways *w)
{
	uint32_t token = json_first(w->r->doc, w->steps);
	bool first = true;

	html_put(p->out, " data-credentials=\"");
	for (unsigned i = 0; i < w->r->doc->tokens[w->steps].count; i++, token = json_next(w->r->doc, token)) {
		struct exchange_result step = at(w, token);

		if (json_type(w->r->doc, token) != JSON_OBJECT || !is(&step, "passkey") || !can_answer(&step))
			continue;
		html_put(p->out, first ? "" : " ");
		html_text(p->out, result_str(&step, "id"));
		html_put(p->out, "=");
		html_text(p->out, result_str(&step, "credential"));
		first = false;
	}
	html_put(p->out, "\"");
}

/* The script fills in step and value, and takes the notice away where the browser can do it. */
static void
passkey_write(struct page *p, const struct ways *w, const struct exchange_result *step, unsigned n)
{
	struct exchange_result card = {.doc = w->r->doc, .body = result_get(w->r, "card", JSON_OBJECT)};
	struct view payee = result_str(&card, "payee");
	char name[PROMPT_NAME_MAX];

	prompt_name(name, "step", n, -1);
	prompt_hidden(p, name, name, result_str(step, "id"));
	prompt_name(name, "value", n, -1);
	prompt_hidden(p, name, name, VIEW(""));
	html_put(p->out, "<div id=\"passkey\"");
	attribute(p, "rp-id", result_str(step, "rp_id"));
	attribute(p, "challenge", result_str(step, "challenge"));
	credentials_put(p, w);
	if (result_bool(step, "spc")) {
		attribute(p, "payee", payee.len > 0 ? payee : result_str(&card, "payee_id"));
		attribute(p, "amount", result_str(&card, "amount"));
		attribute(p, "currency", result_str(&card, "currency"));
	}
	html_put(p->out, "><p>");
	page_say(p, TEXT_PASSKEY);
	html_put(p->out, "</p>\n<p class=\"notice warn\" id=\"passkey-needs\">");
	page_say(p, TEXT_PASSKEY_NEEDS);
	html_put(p->out, "</p>\n<p class=\"notice warn\" role=\"status\" id=\"passkey-failed\" hidden>");
	page_say(p, TEXT_PASSKEY_FAILED);
	html_put(p->out, "</p></div>\n");
}

static void
approve_write(struct page *p, const struct exchange_result *step)
{
	html_put(p->out, "<div id=\"wait\" role=\"status\"><p>");
	page_say(p, TEXT_APPROVE);
	html_put(p->out, "</p>\n");
	hint(p, result_str(step, "label"));
	html_put(p->out, "<strong class=\"number\">");
	html_text(p->out, result_str(step, "number"));
	html_put(p->out, "</strong>\n<p class=\"help\">");
	page_say(p, TEXT_APPROVE_WAIT);
	html_put(p->out, "</p></div>\n");
}

/*
 * A button that sends a code, or opens a conversation. It belongs to the other form: Enter in a field must confirm, and
 * the browser presses a form's first button then.
 */
static void
begin_button(struct page *p, const struct exchange_result *step, const char *class, bool hidden)
{
	bool sends = result_get(step, "sends_left", JSON_NUMBER) != 0, again = is_begun(step);

	html_put(p->out, "<button form=\"other\" class=\"");
	html_put(p->out, class);
	html_put(p->out, again ? "\" id=\"again\"" : "\"");
	html_put(p->out, hidden ? " hidden" : "");
	html_put(p->out, " name=\"begin\" value=\"");
	html_text(p->out, result_str(step, "id"));
	html_put(p->out, "\">");
	page_say(p, !sends ? TEXT_CONTINUE : again ? TEXT_SEND_AGAIN : TEXT_SEND);
	html_put(p->out, "</button>\n");
}

/* Once more, after a while: the script counts down; without it the page is asked for again. */
static void
again_write(struct page *p, const struct exchange_result *step)
{
	int64_t after_ms = result_int(step, "resend_after_ms", 0);

	if (!is_begun(step) || result_int(step, "sends_left", 0) <= 0)
		return;
	html_put(p->out, "<p class=\"help\">");
	if (after_ms > 0) {
		html_put(p->out, "<span id=\"again-wait\">");
		page_say(p, TEXT_AGAIN_IN);
		html_put(p->out, " <span id=\"again-seconds\">");
		html_int(p->out, (after_ms + 999) / 1000);
		html_put(p->out, "</span> ");
		page_say(p, TEXT_SECONDS);
		html_put(p->out, "</span> ");
	}
	begin_button(p, step, "link", after_ms > 0);
	html_put(p->out, "</p>\n");
}

/* The fields of a step that has been begun, or that needs no beginning. */
static void
fields_write(struct page *p, struct prompt_form *form, const struct exchange_result *step, unsigned n)
{
	struct view kind_label = text_get(kind_of(step)->label, p->language), own = result_str(step, "prompt");
	uint32_t prompts = result_get(step, "prompts", JSON_ARRAY), token;
	unsigned count = prompts == 0 ? 0 : step->doc->tokens[prompts].count;
	char name[PROMPT_NAME_MAX];

	prompt_name(name, "step", n, -1);
	prompt_hidden(p, name, name, result_str(step, "id"));
	if (prompts == 0) {
		prompt_field(p, form, step, n, -1, own.len > 0 ? own : kind_label);
		return;
	}
	token = json_first(step->doc, prompts);
	for (unsigned i = 0; i < count && i < PROMPTS_MAX; i++, token = json_next(step->doc, token)) {
		struct exchange_result prompt = {.doc = step->doc, .body = token};
		struct view label = result_str(&prompt, "label");

		if (json_type(step->doc, token) != JSON_OBJECT)
			continue;
		if (prompt_is_field(result_str(&prompt, "type")))
			prompt_field(p, form, &prompt, n, count == 1 ? -1 : (int)i, label.len > 0 ? label : kind_label);
		else
			prompt_lines(p, result_str(&prompt, "text").len > 0 ? result_str(&prompt, "text") : label);
	}
}

static void
begun_write(struct page *p, struct prompt_form *form, const struct exchange_result *step, unsigned n)
{
	struct view destination = result_str(step, "destination");

	if (destination.len > 0) {
		html_put(p->out, "<p id=\"destination\">");
		page_say(p, TEXT_SENT_TO);
		html_put(p->out, " <strong>");
		html_text(p->out, destination);
		html_put(p->out, "</strong></p>\n");
	}
	fields_write(p, form, step, n);
}

enum way_kind { WAY_CONFIRMS, WAY_BEGINS, WAY_WAITS };

/* One way to answer, up to the button that it needs. */
static enum way_kind
way_write(struct page *p, const struct ways *w, size_t i, struct prompt_form *form, unsigned n)
{
	struct exchange_result step = at(w, w->of[i].step);

	if (w->of[i].passkey) {
		passkey_write(p, w, &step, n);
		return WAY_CONFIRMS;
	}
	if (is(&step, "approve")) {
		approve_write(p, &step);
		return WAY_WAITS;
	}
	if (result_bool(&step, "begin") && !is_begun(&step)) {
		html_put(p->out, "<p>");
		page_say(p, kind_of(&step)->way);
		html_put(p->out, "</p>\n");
		hint(p, result_str(&step, "label"));
		if (w->all)
			begin_button(p, &step, "plain", false);
		return WAY_BEGINS;
	}
	if (is_begun(&step)) {
		begun_write(p, form, &step, n);
	} else {
		fields_write(p, form, &step, n);
		hint(p, result_str(&step, "label"));
	}
	return WAY_CONFIRMS;
}

/* The other ways: each a button that shows it instead. */
static void
others_write(struct page *p, const struct ways *w)
{
	html_put(p->out, "<div class=\"ways\"><p class=\"label\" id=\"ways\">");
	page_say(p, TEXT_METHOD);
	html_put(p->out, "</p>\n<ul aria-labelledby=\"ways\">\n");
	for (size_t i = 0; i < w->n; i++) {
		struct exchange_result step = at(w, w->of[i].step);
		struct view label = result_str(&step, "label");

		if (is_shown(w, i))
			continue;
		html_put(p->out, "<li><button form=\"other\" class=\"link\" name=\"way\" value=\"");
		html_text(p->out, result_str(&step, "id"));
		html_put(p->out, "\">");
		page_say(p, kind_of(&step)->way);
		html_put(p->out, "</button>");
		if (label.len > 0 && !w->of[i].passkey) {
			html_put(p->out, " <small>");
			html_text(p->out, label);
			html_put(p->out, "</small>");
		}
		html_put(p->out, "</li>\n");
	}
	html_put(p->out, "</ul></div>\n");
}

/* Everything that one form answers. True: the button "Confirm" has something to send. */
static bool
shown_write(struct page *p, const struct ways *w, const struct card_form *form, int64_t need)
{
	struct prompt_form fields = {
	    .wrong = form->news == CARD_WRONG || form->news == CARD_EMPTY,
	    .optional = w->all && (int64_t)w->n > need,
	};
	bool confirms = false;
	unsigned n = 0;

	if (w->n > 0 && !w->all) {
		struct exchange_result step = at(w, w->of[w->shown].step);

		prompt_hidden(p, NULL, "shown", result_str(&step, "id"));
	}
	for (size_t i = 0; i < w->n; i++)
		if (is_shown(w, i))
			confirms |= way_write(p, w, i, &fields, ++n) == WAY_CONFIRMS;
	return confirms;
}

static void
intro_write(struct page *p, const struct ways *w, int64_t need)
{
	if (w->n == 0) {
		html_put(p->out, "<p class=\"notice warn\" role=\"alert\">");
		page_say(p, TEXT_NO_STEP);
		html_put(p->out, "</p>\n");
	} else if (w->all) {
		bool both = need == 2 && w->n == 2;

		html_put(p->out, "<p id=\"need\">");
		page_say(p, both ? TEXT_BOTH : TEXT_NEED);
		if (!both) {
			html_put(p->out, " <strong>");
			html_int(p->out, need);
			html_put(p->out, "</strong>");
		}
		html_put(p->out, "</p>\n");
	}
}

void
card_steps(struct page *p, const struct exchange_result *r, const struct card_form *form)
{
	int64_t need = result_int(r, "need", 1);
	struct exchange_result step;
	struct ways w;

	ways_read(&w, r, form->way);
	step = at(&w, w.n == 0 ? 0 : w.of[w.shown].step);
	intro_write(p, &w, need);
	if (shown_write(p, &w, form, need)) {
		html_put(p->out, "<div class=\"pair\">\n<button class=\"go\" id=\"confirm\" name=\"do\" value=\"answer\">");
		page_say(p, TEXT_CONFIRM);
		html_put(p->out, "</button>\n");
	} else if (!w.all && w.n > 0 && result_bool(&step, "begin")) {
		html_put(p->out, "<div class=\"pair\">\n");
		begin_button(p, &step, "go", false);
	} else {
		html_put(p->out, "<div class=\"pair\">\n");
	}
}

void
card_other_ways(struct page *p, const struct exchange_result *r, const struct card_form *form)
{
	struct exchange_result step;
	struct ways w;

	ways_read(&w, r, form->way);
	for (size_t i = 0; i < w.n; i++) {
		step = at(&w, w.of[i].step);
		if (is_shown(&w, i))
			again_write(p, &step);
	}
	if (!w.all && w.n > 1)
		others_write(p, &w);
}

void
card_other_form(struct page *p, const struct exchange_result *r, const struct card_form *form)
{
	struct exchange_result step;
	struct ways w;

	form_begin(p, form->cookie, "other");
	ways_read(&w, r, form->way);
	if (w.n > 0 && !w.all) {
		step = at(&w, w.of[w.shown].step);
		prompt_hidden(p, NULL, "shown", result_str(&step, "id"));
	}
	form_end(p);
}
