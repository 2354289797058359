/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org.countersign.Internal, sign-ins in a browser: off to the provider, and back. A sign-in is bound to the browser that
 * began it, to its provider and to its service; whatever does not fit ends it.
 */
#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/links.h"
#include "broker/engine/page.h"
#include "broker/engine/sessions.h"
#include "broker/engine/strangers.h"
#include "broker/engine/workers.h"

enum {
	COOKIE_BYTES = 16,
	COOKIE_TEXT = 26,          /* its base32 */
	IP_TEXT_MAX = 64,
	LOCATION_MAX = 4096,       /* what browsers and servers take without trouble */
	ISS_MAX = 1024,
	REQUEST_MAX = 2048,        /* of AuthorizationUrl: five short texts and a redirect URI */
};

/* ---- away ---- */

struct start {
	struct view token, ip;
	struct id signin;
};

static void
started(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct call *call = ctx;
	struct start *b = CALL_MEMORY_AS(struct start, call);
	struct signin *s = signin_find(e, &b->signin);
	uint32_t at = result->err == CS_OK ? json_get(result->doc, result->parameters, VIEW("url")) : 0;
	struct view url = at != 0 ? json_text(result->doc, at) : VIEW("");
	char cookie[COOKIE_TEXT + 1];
	struct json_writer w;

	if (s == NULL || s->state != SIGNIN_STARTED) {
		call_not_found(call, "sign_in");
	} else if (url.len < 8 || url.len > LOCATION_MAX || memcmp(url.data, "https://", 8) != 0 || !json_printable(url)) {
		/* Nothing was given out: the user may try again. */
		s->state = SIGNIN_BEGUN;
		call_unavailable(call, ruleset_provider_name(e->rules, s->provider));
	} else {
		w = call_reply(call);
		json_member_str(&w, "location", url);
		json_member_str(&w, "cookie", view_of(cookie, base32_encode(s->cookie, sizeof(s->cookie), cookie)));
		call_end(call, &w);
		secret_wipe(cookie, sizeof(cookie));
	}
	call_release(call);
}

/* RFC 7636, 4.2: S256. */
static void
put_code_challenge(struct json_writer *w, const struct signin *s)
{
	char text[SIGNIN_SECRET_TEXT + 1];
	struct hash h;

	sha256(view_str(s->verifier), &h);
	json_member_str(w, "code_challenge", view_of(text, base64url_encode(h.b, sizeof(h.b), text)));
}

static void
start(struct call *call, struct signin *s)
{
	struct engine *e = call->engine;
	const char *client = client_id_for_browser(e, s->service, s->provider);
	uint8_t bytes[REQUEST_MAX];
	struct buf text = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&text);
	char redirect[SIGNIN_URL_MAX];

	if (client == NULL || !redirect_uri_of(e, s->provider, redirect)) {
		call_not_found(call, "sign_in");
		return;
	}
	s->state = SIGNIN_STARTED;
	secret_random(s->cookie, sizeof(s->cookie));
	json_object_begin(&w);
	json_member_str(&w, "state", view_str(s->oauth_state));
	json_member_str(&w, "nonce", view_str(s->nonce));
	put_code_challenge(&w, s);
	json_member_str(&w, "redirect_uri", view_str(redirect));
	json_member_str(&w, "client_id", view_str(client));
	json_object_end(&w);
	CHECK(!text.full);
	/* The members alone: the braces are the message's. */
	workers_ask(e, view_str(ruleset_provider_name(e->rules, s->provider)), "AuthorizationUrl",
	    view_of(text.data + 1, text.len - 2), started, call_hold(call));
	secret_wipe(bytes, sizeof(bytes));
}

void
internal_browser_start(struct call *call)
{
	static const struct json_field fields[] = {
		{"token", JSON_F_STRING, true, offsetof(struct start, token), 0, 0},
		{"ip", JSON_F_ID, false, offsetof(struct start, ip), 1, IP_TEXT_MAX},
		{0},
	};
	struct start *b = CALL_MEMORY_AS(struct start, call);
	uint8_t token[COOKIE_BYTES];
	struct signin *s = NULL;

	if (!call_bind(call, fields, b, sizeof(*b)))
		return;
	if (base32_decode(b->token, token, sizeof(token)))
		s = signin_by_start(call->engine, token);
	if (s == NULL) {
		call_not_found(call, "sign_in");
		return;
	}
	b->signin = s->id;
	start(call, s);
}

/* ---- and back ---- */

struct back {
	struct view provider, cookie, ip;
	uint32_t parameters;
};

static void
reply_home(struct call *call, struct view location, const char *state)
{
	struct json_writer w = call_reply(call);

	if (location.len > 0)
		json_member_str(&w, "location", location);
	json_member_str(&w, "state", view_str(state));
	call_end(call, &w);
}

/* The service learns by Sessions.Take; of a link there is nothing to take. */
static void
fail(struct call *call, struct signin *s, enum reason reason, const char *refusal)
{
	s->reason = (uint8_t)reason;
	s->refusal = refusal;
	reply_home(call, view_str(s->return_url), "failed");
	if (s->purpose == SIGNIN_LINK)
		signin_ends(call, s);
	else
		signin_comes_home(call, s, SIGNIN_FAILED);
}

/* The same of a call that was not held: nothing is waited for. */
static void
fail_now(struct call *call, struct signin *s, enum reason reason, const char *refusal)
{
	fail(call, s, reason, refusal);
	call->after(call, call->ends);
	call->after = NULL;
}

static void
session_home(struct call *call, const struct session_result *r)
{
	struct signin *s = r->signin;

	if (r->err != CS_OK) {
		fail(call, s, r->err == CS_ERR_NOT_FOUND ? REASON_NONE : REASON_UNAVAILABLE, NULL);
		return;
	}
	if (r->decision->outcome != OUTCOME_PERMIT) {
		fail(call, s, (enum reason)r->decision->reason, NULL);
		return;
	}
	signin_comes_home(call, s, SIGNIN_HOME);
	s->session_account = r->account->key;
	s->session = r->decision->id;
	reply_home(call, view_str(s->return_url), "done");
}

/* On to the step-up page, which belongs to this browser from the start. */
static void
link_home(struct call *call, const struct link_result *r)
{
	struct engine *e = call->engine;
	struct signin *s = r->signin;
	const struct challenge *c;
	char url[PAGE_URL_MAX];
	struct page *page;
	size_t len, from;

	/* Linked already, under another name, which is brought up to date. */
	if (r->err == CS_OK && r->decision->outcome == OUTCOME_PERMIT) {
		reply_home(call, view_str(s->return_url), "done");
		signin_ends(call, s);
		return;
	}
	if (r->err != CS_OK || r->decision->outcome != OUTCOME_STEP_UP) {
		fail(call, s, r->err != CS_OK ? REASON_UNAVAILABLE : (enum reason)r->decision->reason, NULL);
		return;
	}
	c = challenge_of(r->account, r->decision);
	from = len = page_new(e, &r->account->key, &c->id, c->expires_ms, view_str(s->return_url), url);
	while (from > 0 && url[from - 1] != '/')
		from--;
	page = page_find(e, view_of(url + from, len - from));
	CHECK(page != NULL && sizeof(page->cookie) == sizeof(s->cookie));
	page->bound = true;
	memcpy(page->cookie, s->cookie, sizeof(page->cookie));
	reply_home(call, view_of(url, len), "step_up");
	signin_ends(call, s);
}

static void
identified(struct call *call, struct signin *s, const struct identity *who, const char *refusal)
{
	if (who == NULL) {
		if (refusal == NULL)
			strangers_note(call->engine, s->service, "unavailable");
		fail(call, s, refusal == NULL ? REASON_UNAVAILABLE : REASON_NONE, refusal);
		call_release(call);
	} else if (s->purpose == SIGNIN_SESSION) {
		session_open(call, s, who, session_home);
	} else {
		link_propose(call, s, who, link_home);
	}
}

/* What came back is refused before anybody was asked: the log tells of it, as of a refused assertion. */
static void
turn_away(struct call *call, struct signin *s, const char *refusal)
{
	strangers_note(call->engine, s->service, refusal);
	fail_now(call, s, REASON_NONE, refusal);
}

/* A parameter of the provider's answer: a printable string of at most max bytes, or empty. */
static struct view
parameter(const struct call *call, const struct back *b, struct view name, size_t max)
{
	uint32_t at = json_get(&call->doc, b->parameters, name);
	struct view v = at != 0 && json_type(&call->doc, at) == JSON_STRING ? json_text(&call->doc, at) : VIEW("");

	return v.len <= max && json_printable(v) ? v : VIEW("");
}

/* Attacks L6 and L7: another browser, or another provider's redirect URI. */
static bool
fits(const struct call *call, const struct signin *s, const struct back *b)
{
	uint8_t cookie[COOKIE_BYTES];

	return view_equal(b->provider, view_str(ruleset_provider_name(call->engine->rules, s->provider))) &&
	    base32_decode(b->cookie, cookie, sizeof(cookie)) && secret_equal(cookie, s->cookie, sizeof(cookie));
}

/* From here on the call is the service's that began the sign-in. */
static bool
take_caller(struct call *call, const struct signin *s)
{
	const struct config_service *service = ruleset_service(call->engine->rules, s->service);

	if (service == NULL)
		return false;
	call->caller = (struct caller){.service = s->service, .rights = service->rights, .door = s->door};
	return true;
}

static void
back(struct call *call, struct signin *s, const struct back *b)
{
	const char *provider = ruleset_provider_name(call->engine->rules, s->provider);
	struct worker_said said = workers_said(call->engine, view_str(provider));
	struct proof proof = {.code = parameter(call, b, view_str(said.code_parameter), CODE_MAX),
	    .iss = parameter(call, b, VIEW("iss"), ISS_MAX)};

	if (!fits(call, s, b)) {
		log_warn("msg=\"a browser came back that did not begin this sign-in\" provider=%s call=%llu",
		    provider, (unsigned long long)call->number);
		/* Not to the service's page: this is not its user's browser. */
		s->return_url[0] = '\0';
		turn_away(call, s, "bad_state");
	} else if (!take_caller(call, s)) {
		fail_now(call, s, REASON_SERVICE_RIGHT, NULL);
	} else if (json_get(&call->doc, b->parameters, VIEW("error")) != 0) {
		turn_away(call, s, "provider_error");
	} else if (proof.code.len == 0) {
		turn_away(call, s, "bad_code");
	} else {
		identify(call_hold(call), s, &proof, identified);
	}
}

void
internal_browser_callback(struct call *call)
{
	static const struct json_field fields[] = {
		{"provider", JSON_F_ID, true, offsetof(struct back, provider), 1, CONFIG_NAME_MAX},
		{"cookie", JSON_F_STRING, false, offsetof(struct back, cookie), 0, 0},
		{"parameters", JSON_F_OBJECT, true, offsetof(struct back, parameters), 0, 0},
		{"ip", JSON_F_ID, false, offsetof(struct back, ip), 1, IP_TEXT_MAX},
		{0},
	};
	struct back b;
	struct signin *s;

	if (!call_bind(call, fields, &b, sizeof(b)))
		return;
	s = signin_by_state(call->engine, parameter(call, &b, VIEW("state"), SIGNIN_SECRET_TEXT));
	if (s == NULL) {
		call_not_found(call, "sign_in");
		return;
	}
	back(call, s, &b);
}
