/* SPDX-License-Identifier: Apache-2.0 */
/* Enrolment of factors: Factors.Begin, where the plugin makes a secret, and Factors.Finish, where the owner proves it. */
#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/api.h"
#include "broker/engine/card.h"
#include "broker/engine/edge_text.h"
#include "broker/engine/enrol.h"
#include "broker/engine/enrol_step.h"
#include "broker/engine/enrolment.h"
#include "broker/engine/factors.h"
#include "broker/engine/notify.h"
#include "broker/engine/page.h"
#include "broker/engine/passkey.h"
#include "broker/engine/proof.h"
#include "broker/engine/rests.h"
#include "broker/engine/risk.h"
#include "broker/engine/stepup.h"
#include "broker/engine/tell.h"
#include "broker/engine/things.h"

/* In the call's memory while an enrolment begins. */
struct begin {
	/* as bound */
	struct view account, kind_name, label, challenge_text, proof, address, language, return_url;
	/* as understood */
	struct id key, challenge;
	enum factor_kind kind;
	struct hash content;
	bool asking;
	uint8_t reason;
	/* in place of what was lost, by a recovery code; and what goes when the new factor is usable */
	bool recover;
	struct view replaces_text;
	struct id replaces;
};

static const struct json_field begin_fields[] = {
	{"account", JSON_F_ID, true, offsetof(struct begin, account), 1, OUTSIDE_ID_MAX},
	{"recover", JSON_F_BOOL, false, offsetof(struct begin, recover), 0, 0},
	{"replaces", JSON_F_STRING, false, offsetof(struct begin, replaces_text), 0, 0},
	{"kind", JSON_F_ID, true, offsetof(struct begin, kind_name), 1, 32},
	{"label", JSON_F_ID, false, offsetof(struct begin, label), 1, FACTOR_LABEL_MAX},
	{"challenge", JSON_F_STRING, false, offsetof(struct begin, challenge_text), 0, 0},
	{"proof", JSON_F_ID, false, offsetof(struct begin, proof), 1, OUTSIDE_ID_MAX},
	{"address", JSON_F_ID, false, offsetof(struct begin, address), 1, FACTOR_ADDRESS_MAX},
	{"language", JSON_F_ID, false, offsetof(struct begin, language), 1, FACTOR_LANGUAGE_MAX},
	{"return_url", JSON_F_ID, false, offsetof(struct begin, return_url), 1, PAGE_RETURN_URL_MAX},
	{0},
};

/*
 * What the challenge for a new factor is for: this kind, for this account, in this one's place, at this address, asked by
 * this service.
 */
static void
enrol_content(struct call *call, struct begin *b)
{
	uint8_t kind = (uint8_t)b->kind;
	struct view parts[] = {b->recover ? VIEW("recovery") : VIEW("factor"),
	    view_of(&call->caller.service, sizeof(call->caller.service)), view_of(b->key.b, sizeof(b->key.b)),
	    view_of(&kind, sizeof(kind)), view_of(b->replaces.b, sizeof(b->replaces.b)), b->address};

	keyring_digest(call->engine->keys, DIGEST_CONTENT, parts, sizeof(parts) / sizeof(parts[0]), &b->content);
}

/* The factor in whose place the new one comes, of this account; answers the call itself where there is none. */
static bool
find_replaced(struct call *call, const struct account *a, const struct id *replaces, uint32_t *no)
{
	const struct factor *f = id_zero(replaces) ? NULL : account_factor(a, replaces);

	*no = 0;
	if (id_zero(replaces))
		return true;
	if (f == NULL || factor_gone(a, f, call->engine->now.wall_ms)) {
		call_not_found(call, "factor");
		return false;
	}
	*no = f->no;
	return true;
}

static void
keep(char *to, size_t size, struct view v)
{
	CHECK(v.len < size);
	if (v.len > 0)
		memcpy(to, v.data, v.len);
	to[v.len] = '\0';
}

struct enrol_reply {
	struct view secret;
	uint32_t steps;
};

/* Kept for the page: the array of steps alone. False: it is more than plugins may say. */
static bool
keep_shown(struct enrolling *en, const struct json *doc, uint32_t steps)
{
	static uint8_t bytes[ENROLMENT_SHOWN_MAX];
	const size_t before = sizeof("{\"steps\":") - 1;
	struct buf text = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&text);

	json_object_begin(&w);
	enrol_steps_write(&w, doc, steps);
	json_object_end(&w);
	if (!text.full)
		enrolment_show(en, view_of(text.data + before, text.len - before - 1));
	secret_wipe(bytes, text.len);
	return !text.full;
}

/* The page on which the owner may do the rest, where there are pages. */
static void
put_page(struct json_writer *w, struct call *call, struct enrolling *en, struct view return_url)
{
	char url[PAGE_URL_MAX];
	size_t len;

	if (call->engine->rules->config->public_url == NULL)
		return;
	len = page_new_of(call->engine, PAGE_ENROL, &en->account, &en->id, en->expires_ms, return_url, url);
	json_member_str(w, "url", view_of(url, len));
	secret_wipe(url, sizeof(url));
}

static void
enrol_begun(struct call *call, const struct json *doc, const struct enrol_reply *r)
{
	struct begin *b = CALL_MEMORY_AS(struct begin, call);
	struct enrolling *en = enrolment_begin(call->engine, &b->key);
	struct id_text text;
	struct json_writer w;

	if (en == NULL) {
		call_too_many(call, "enrolments", ENROLMENT_MS);
		return;
	}
	if (base64url_decode(r->secret, en->secret, sizeof(en->secret), &en->secret_len) != CS_OK ||
	    en->secret_len == 0 || (en->asking = enrol_steps_asking(doc, r->steps)) == 0 ||
	    (call->engine->rules->config->public_url != NULL && !keep_shown(en, doc, r->steps))) {
		enrolment_end(call->engine, en);
		call_unavailable(call, "factor");
		return;
	}
	en->service = call->caller.service;
	en->door = (uint8_t)call->caller.door;
	en->kind = (uint8_t)b->kind;
	en->challenge = b->challenge;
	en->content = b->content;
	en->recovers = b->recover;
	en->replaces = b->replaces;
	keep(en->account_text, sizeof(en->account_text), b->account);
	keep(en->label, sizeof(en->label), b->label);
	keep(en->proof, sizeof(en->proof), b->proof);
	text = id_format(ID_ENROLMENT, NULL, &en->id);
	w = call_reply(call);
	json_member_str(&w, "outcome", view_str(outcome_name(OUTCOME_PERMIT)));
	json_member_str(&w, "reason", view_str(reason_name((enum reason)b->reason)));
	json_member_str(&w, "enrolment", id_view(&text));
	enrol_steps_write(&w, doc, r->steps);
	answer_time(&w, "expires_at", en->expires_ms);
	put_page(&w, call, en, b->return_url);
	call_end(call, &w);
}

static void
enrol_answered(struct engine *e, void *ctx, const struct worker_result *result)
{
	static const struct json_field fields[] = {
		{"secret", JSON_F_STRING, true, offsetof(struct enrol_reply, secret), 0, 0},
		{"steps", JSON_F_ARRAY, true, offsetof(struct enrol_reply, steps), 0, 0},
		{0},
	};
	struct call *call = ctx;
	struct begin *b = CALL_MEMORY_AS(struct begin, call);
	struct json_problem problem = {0};
	struct enrol_reply r = {0};

	(void)e;
	/* The account's transaction is over: nothing of it is in this reply. */
	if (!b->asking)
		call->txn = NULL;
	if (result->err == CS_OK && result->parameters != 0 &&
	    json_bind(result->doc, result->parameters, fields, true, &r, &problem) == CS_OK)
		enrol_begun(call, result->doc, &r);
	else if (result->err == CS_ERR_DENIED && view_equal(result->reason, VIEW("bad_address")))
		call_invalid(call, "address", "is none that this factor reaches: see the README of its plugin");
	else
		call_unavailable(call, "factor");
	/* At once: whoever runs the transaction releases it. */
	if (!b->asking)
		call_release(call);
}

static struct view
language_of(struct view asked)
{
	return asked.len >= 2 && memcmp(asked.data, "zh", 2) == 0 ? VIEW("zh") : VIEW("en");
}

/* The plugin learns a hint of the account, as its owner's device will show it, and never the account. */
static void
ask_plugin(struct call *call)
{
	struct begin *b = CALL_MEMORY_AS(struct begin, call);
	struct engine *e = call->engine;
	char bytes[2048], hint[ACCOUNT_HINT_MAX];
	struct buf out = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&out);

	json_object_begin(&w);
	json_member_str(&w, "account_hint", view_of(hint, account_hint(b->account, hint)));
	json_member_str(&w, "issuer", view_str(proof_setting(e, b->kind, "issuer", e->rules->config->realm)));
	json_member_str(&w, "address", b->address);
	if (b->language.data != NULL)
		json_member_str(&w, "language", language_of(b->language));
	json_member_int(&w, "now_ms", e->now.wall_ms);
	json_object_end(&w);
	CHECK(!out.full);
	b->asking = true;
	workers_ask(e, view_str(factor_kind_name(b->kind)), "Enrol", view_of(bytes + 1, out.len - 2), enrol_answered,
	    call);
	b->asking = false;
}

/* Before a plugin sends anything: what costs the owner money or patience counts, whatever becomes of it. */
static bool
room_for_one(struct call *call, const struct begin *b)
{
	struct engine *e = call->engine;

	if (!enrolment_room(e, &b->key) || (proof_said(e, b->kind).sends && !talk_sends(e, &b->key))) {
		call_too_many(call, "enrolments", ENROLMENT_MS);
		return false;
	}
	return true;
}

static enum op
enrol_op(bool recovers)
{
	return recovers ? OP_RECOVER : OP_FACTOR;
}

enum { NAME_MAX_BYTES = FACTOR_LABEL_MAX + ACCOUNT_HINT_MAX + 3 };

/* What the owner calls it, and a hint of where it reaches them: a label is whatever the asker wrote. */
static size_t
name_of(const struct begin *b, char to[NAME_MAX_BYTES])
{
	struct buf out = buf_over(to, NAME_MAX_BYTES);
	char hint[ACCOUNT_HINT_MAX];
	struct view at = b->address.len == 0 ? view_of(NULL, 0) : view_of(hint, account_hint(b->address, hint));

	buf_put_view(&out, b->label);
	buf_put_view(&out, b->label.len > 0 && at.len > 0 ? VIEW(" (") : VIEW(""));
	buf_put_view(&out, at);
	buf_put_view(&out, b->label.len > 0 && at.len > 0 ? VIEW(")") : VIEW(""));
	CHECK(!out.full);
	return out.len;
}

static void
begin_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	static struct texts card;
	struct begin *b = CALL_MEMORY_AS(struct begin, call);
	struct enrolment en = {.kind = b->kind, .plugin = call->engine->rules->policy->factors[b->kind].plugin,
	    .challenge = b->challenge, .content = b->content};
	struct asked asked;
	struct json_writer w;
	char text[FACTOR_CARD_TEXT_MAX], name[NAME_MAX_BYTES];
	size_t name_len;

	if (!factor_own_challenge(call, a, &b->challenge) || !find_replaced(call, a, &b->replaces, &en.replaces_no))
		return;
	en.recovers = b->recover;
	call_asked(call, &asked);
	en.factor = asked.fresh[1];
	decide_enrol(&asked, a, &en, &d);
	if (d.reason != REASON_FIRST_FACTOR && risk_wait_operation(a, call, enrol_op(b->recover), 0, begin_txn))
		return;
	if (d.outcome == OUTCOME_PERMIT) {
		/* Permitted now; decided again, and only then done, when the owner has proved the new factor. */
		b->reason = d.reason;
		if (room_for_one(call, b))
			ask_plugin(call);
		return;
	}
	name_len = name_of(b, name);
	factor_card(&card, b->recover ? "recover" : "factor", b->kind, view_of(name, name_len), text);
	stepup_open(t, a, call, &d, &card);
	notify_operation(t, a, call, enrol_op(b->recover), &d);
	if (b->recover && d.outcome == OUTCOME_STEP_UP && d.events_n > 0 && talk_warns(call->engine, &b->key))
		tell_others(t, a, call, "recovery_begun", 0, view_str(factor_kind_name(b->kind)));
	w = call_reply(call);
	stepup_outcome(&w, call, a, &d, b->return_url);
	call_end(call, &w);
}

static bool
read_replaced(struct call *call, struct begin *b)
{
	struct id account;

	if (b->replaces_text.data == NULL)
		return true;
	if (!call_id(call, ID_FACTOR, b->replaces_text, "replaces", &account, &b->replaces))
		return false;
	if (id_equal(&account, &b->key))
		return true;
	call_not_found(call, "factor");
	return false;
}

/* Why a factor of this kind cannot be begun, or NULL. */
static const char *
kind_problem(const struct engine *e, const struct begin *b)
{
	if (b->kind == FACTOR__COUNT || !e->rules->policy->factors[b->kind].enabled)
		return "is not a kind of factor that this broker has, such as totp";
	if (b->recover && b->kind == FACTOR_RECOVERY)
		return "is what recovers: a recovery code gives another kind of factor, and that new codes";
	if (b->kind == FACTOR_APPROVE && e->rules->config->public_url == NULL)
		return "is of devices, which register and approve on pages: it takes `listen https` and `public-url`";
	return NULL;
}

void
factors_begin(struct call *call)
{
	struct begin *b = CALL_MEMORY_AS(struct begin, call);
	const char *problem;
	struct id key;

	if (!call_bind(call, begin_fields, b, sizeof(*b)))
		return;
	b->kind = factor_kind_find(b->kind_name);
	problem = kind_problem(call->engine, b);
	if (problem != NULL) {
		call_invalid(call, "kind", problem);
		return;
	}
	if (!return_url_known(call, b->return_url)) {
		call_invalid(call, "return_url", "is not one of the service's configured return URLs");
		return;
	}
	b->key = key = account_key_of(call->engine, b->account);
	if (!factor_read_challenge(call, b->challenge_text, &b->key, &b->challenge) || !read_replaced(call, b))
		return;
	enrol_content(call, b);
	txn_run_held(call->engine, &key, call_hold(call), begin_txn);
}

/* A page's reply says how it stands as well. */
static void
put_state(struct json_writer *w, struct call *call, const char *state)
{
	const struct finish *f = CALL_MEMORY_AS(struct finish, call);

	if (f->more != NULL)
		f->more(w, call, state);
}

/* state: is there anything left to try? */
static void
answer_denied(struct call *call, enum reason reason, const char *state)
{
	struct json_writer w = call_reply(call);

	json_member_str(&w, "outcome", view_str(outcome_name(OUTCOME_DENY)));
	json_member_str(&w, "reason", view_str(reason_name(reason)));
	put_state(&w, call, state);
	call_end(call, &w);
}

/* Why an enrolment that was permitted when it began is so no more. */
static enum reason
no_more(const struct account *a, const struct enrolling *en, const struct decision *d)
{
	if (d->outcome == OUTCOME_DENY)
		return (enum reason)d->reason;
	return id_zero(&en->challenge) && a->enrolled ? REASON_FACTOR_EXISTS : REASON_CHALLENGE_EXPIRED;
}

/* Texts of the event, and what the new factor leaves in the cold state. */
static void
enrol_extra(struct engine *e, struct account *a, const struct enrolling *en, const struct id *factor, bool first,
    struct extra *x)
{
	static struct texts texts;

	extra_init(x);
	if (first)
		extra_salt(x, &a->salt);
	texts_init(&texts);
	texts.of[TEXT_ACCOUNT] = view_str(en->account_text);
	if (first)
		texts_to_cold(e->keys, a, &texts, &a->key, x);
	if (en->proof[0] != '\0')
		texts.of[TEXT_PROOF] = view_str(en->proof);
	if (en->label[0] != '\0')
		texts.of[TEXT_LABEL] = view_str(en->label);
	texts_to_event(e->keys, a, &texts, x);
	texts_init(&texts);
	if (en->label[0] != '\0')
		texts.of[TEXT_LABEL] = view_str(en->label);
	texts_to_cold(e->keys, a, &texts, factor, x);
	things_put_secret(e->keys, a, factor, view_of(en->secret, en->secret_len), x);
}

/* Its answer stands. */
static void
enrolment_over(struct call *call, void *none)
{
	struct finish *f = CALL_MEMORY_AS(struct finish, call);
	struct enrolling *en = enrolment_find(call->engine, &f->id);

	(void)none;
	if (en != NULL)
		enrolment_end(call->engine, en);
}

/* What the account lacks even so: a factor that does not fall with one of its IDs. */
static void
put_warnings(struct json_writer *w, const struct engine *e, const struct asked *asked, const struct account *a)
{
	uint64_t providers[ACCOUNT_LINKS_MAX];
	size_t n = account_bare(asked, a, providers);
	char text[EDGE_TEXT_MAX];

	if (n == 0)
		return;
	json_key(w, VIEW("warnings"));
	json_array_begin(w);
	for (size_t i = 0; i < n; i++)
		json_put_str(w, view_of(text, bare_text(e->rules, providers[i], text)));
	json_array_end(w);
	json_key(w, VIEW("bare"));
	json_array_begin(w);
	for (size_t i = 0; i < n; i++)
		json_put_str(w, view_str(ruleset_provider_title(e->rules, providers[i])));
	json_array_end(w);
}

static void
finish_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	static struct extra extra;
	struct finish *f = CALL_MEMORY_AS(struct finish, call);
	struct engine *e = call->engine;
	struct enrolling *en = enrolment_find(e, &f->id);
	struct enrolment new = {.step = f->step};
	bool first = a->status == ACCOUNT_NONE;
	struct asked asked;
	struct json_writer w;

	if (en == NULL) {
		call_not_found(call, "enrolment");
		return;
	}
	if (!find_replaced(call, a, &en->replaces, &new.replaces_no)) {
		call_after(call, enrolment_over, NULL);
		return;
	}
	new.recovers = en->recovers;
	call_asked(call, &asked);
	new.factor = asked.fresh[1];
	new.kind = (enum factor_kind)en->kind;
	new.plugin = e->rules->policy->factors[en->kind].plugin;
	new.challenge = en->challenge;
	new.content = en->content;
	memcpy(new.rests, en->rests.of, sizeof(new.rests));
	new.copies = en->rests.copies;
	new.attested = en->rests.attested;
	decide_enrol(&asked, a, &new, &d);
	if (!first && risk_wait_operation(a, call, enrol_op(en->recovers), 0, finish_txn))
		return;
	if (d.outcome != OUTCOME_PERMIT) {
		answer_denied(call, no_more(a, en, &d), "denied");
		call_after(call, enrolment_over, NULL);
		return;
	}
	if (first)
		secret_random(a->salt.b, sizeof(a->salt.b));
	enrol_extra(e, a, en, &new.factor, first, &extra);
	f->has_device = new.kind == FACTOR_APPROVE;
	if (f->has_device)
		device_make(e->keys, a, &new.factor, &extra, f->device);
	txn_decision(t, a, &d, &extra);
	notify_operation(t, a, call, enrol_op(en->recovers), &d);
	tell_others(t, a, call, "factor_enrolled", account_factor(a, &new.factor)->no, view_str(factor_kind_name(new.kind)));
	w = call_reply(call);
	answer_outcome(&w, &d);
	json_key(&w, VIEW("factor"));
	answer_factor(&w, call, a, account_factor(a, &new.factor), view_str(en->label));
	put_warnings(&w, e, &asked, a);
	put_state(&w, call, "done");
	call_end(call, &w);
	call_after(call, enrolment_over, NULL);
}

/*
 * What the plugin made of the answer takes the place of what it began with, and what the factor rests on is noted; false
 * where it cannot be kept.
 */
static bool
keep_made(struct enrolling *en, const struct worker_result *result, const struct verdict *v)
{
	uint8_t bytes[ENROLMENT_SECRET_MAX];
	size_t len = 0;
	bool good = v->secret.data == NULL ||
	    (base64url_decode(v->secret, bytes, sizeof(bytes), &len) == CS_OK && len > 0);

	if (good && v->secret.data != NULL) {
		secret_wipe(en->secret, sizeof(en->secret));
		memcpy(en->secret, bytes, len);
		en->secret_len = len;
	}
	secret_wipe(bytes, sizeof(bytes));
	return good && rests_read(result->doc, v->rests_on, &en->rests) &&
	    ((en->kind != FACTOR_WEBAUTHN && en->kind != FACTOR_APPROVE) ||
	        passkey_rests(view_of(en->secret, en->secret_len), &en->rests));
}

/* Right so far: the plugin asks for more before the enrolment ends. */
static void
finish_goes_on(struct call *call, struct enrolling *en, const struct worker_result *result, const struct verdict *v)
{
	struct json_writer w;

	en->asking = enrol_steps_asking(result->doc, v->steps);
	if (++en->turns > TALK_TURNS_MAX || en->asking == 0 ||
	    (en->shown != NULL && !keep_shown(en, result->doc, v->steps)) ||
	    base64url_decode(v->state, en->state, sizeof(en->state), &en->state_len) != CS_OK) {
		enrolment_end(call->engine, en);
		call_unavailable(call, "factor");
		return;
	}
	w = call_reply(call);
	json_member_str(&w, "outcome", view_str(outcome_name(OUTCOME_STEP_UP)));
	json_member_str(&w, "reason", view_str(reason_name(REASON_ASKED)));
	enrol_steps_write(&w, result->doc, v->steps);
	put_state(&w, call, "open");
	call_end(call, &w);
}

static struct proof_question
finish_question(const struct enrolling *en, struct view answer)
{
	struct proof_question q = {.kind = (enum factor_kind)en->kind, .secret = view_of(en->secret, en->secret_len),
	    .answer = answer};

	if (en->state_len > 0)
		q.state = view_of(en->state, en->state_len);
	return q;
}

/* False: the answer was not right, or not the last one, and the call is answered. */
static bool
finish_verified(struct call *call, struct enrolling *en, const struct worker_result *result)
{
	struct finish *f = CALL_MEMORY_AS(struct finish, call);
	struct proof_question q;
	struct view answer;
	struct verdict v;

	if (proof_verdict(result, &v) != CS_OK || !enrol_steps_answer(&f->given, en->asking, &answer)) {
		call_unavailable(call, "factor");
		return false;
	}
	if (v.more) {
		finish_goes_on(call, en, result, &v);
		return false;
	}
	f->step = v.step < 0 ? 0 : v.step;
	q = finish_question(en, answer);
	if (proof_again(call->engine, &q, &v, f->asked_ms)) {
		if (keep_made(en, result, &v))
			return true;
		call_unavailable(call, "factor");
		return false;
	}
	if (v.yes)
		*result->lied = true;
	if (++en->tries < ENROLMENT_TRIES_MAX) {
		answer_denied(call, REASON_FACTOR_REJECTED, "open");
		return false;
	}
	enrolment_end(call->engine, en);
	answer_denied(call, REASON_FACTOR_REJECTED, "denied");
	return false;
}

static void
finish_checked(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct call *call = ctx;
	struct finish *f = CALL_MEMORY_AS(struct finish, call);
	struct enrolling *en = enrolment_find(e, &f->id);
	struct id key;

	if (en == NULL) {
		call_not_found(call, "enrolment");
	} else {
		en->checking = false;
		key = en->account;
		if (finish_verified(call, en, result)) {
			txn_run_held(e, &key, call, finish_txn);
			return;
		}
	}
	call_release(call);
}

/* The enrolment of this service; answers the call itself. */
static struct enrolling *
own_enrolment(struct call *call, struct finish *f, struct view *answer)
{
	struct enrolling *en = enrolment_find(call->engine, &f->id);

	if (en == NULL || en->service != call->caller.service)
		call_not_found(call, "enrolment");
	else if (en->checking)
		call_conflict(call, "an answer to this enrolment is being checked");
	else if (!enrol_steps_answer(&f->given, en->asking, answer))
		call_invalid(call, "answers", "must be one answer to each step that is not of type show");
	else
		return en;
	return NULL;
}

void
enrol_finish(struct call *call)
{
	struct finish *f = CALL_MEMORY_AS(struct finish, call);
	struct enrolling *en;
	struct proof_question q;
	struct view answer;

	if ((en = own_enrolment(call, f, &answer)) == NULL)
		return;
	if (en->kind == FACTOR_APPROVE && f->more == NULL) {
		call_invalid(call, "enrolment", "is of a device, which registers itself: open the enrolment's url on it");
		return;
	}
	if (!proof_answer_fits((enum factor_kind)en->kind, answer)) {
		call_invalid(call, "answers", "the value is longer than an answer of this factor");
		return;
	}
	/* One at a time, so that guesses in parallel are counted one by one. */
	en->checking = true;
	f->asked_ms = call->engine->now.wall_ms;
	call = call_hold(call);
	/* In the call's own memory, which is another one now. */
	(void)enrol_steps_answer(&CALL_MEMORY_AS(struct finish, call)->given, en->asking, &answer);
	q = finish_question(en, answer);
	proof_ask(call->engine, &q, finish_checked, call);
}

void
factors_finish(struct call *call)
{
	static const struct json_field fields[] = {
		{"enrolment", JSON_F_STRING, true, offsetof(struct finish, enrolment), 0, 0},
		{"answers", JSON_F_ARRAY, true, offsetof(struct finish, answers), 0, 0},
		{0},
	};
	struct finish *f = CALL_MEMORY_AS(struct finish, call);

	if (call_bind(call, fields, f, sizeof(*f)) && stepup_read_answers(call, f->answers, &f->given) &&
	    call_id(call, ID_ENROLMENT, f->enrolment, "enrolment", NULL, &f->id))
		enrol_finish(call);
}
