/* SPDX-License-Identifier: Apache-2.0 */
/* Factors.Begin: an enrolment begins, where the owner may have one, and its plugin makes a secret. */
#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/api.h"
#include "broker/engine/card.h"
#include "broker/engine/enrol.h"
#include "broker/engine/enrol_step.h"
#include "broker/engine/enrolment.h"
#include "broker/engine/factors.h"
#include "broker/engine/notify.h"
#include "broker/engine/page.h"
#include "broker/engine/passkey.h"
#include "broker/engine/proof.h"
#include "broker/engine/risk.h"
#include "broker/engine/stepup.h"
#include "broker/engine/tell.h"

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
	    (call->engine->rules->config->public_url != NULL && !enrol_keep_shown(en, doc, r->steps))) {
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

	if (!factor_own_challenge(call, a, &b->challenge) || !enrol_replaced(call, a, &b->replaces, &en.replaces_no))
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
