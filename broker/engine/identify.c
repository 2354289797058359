/* SPDX-License-Identifier: Apache-2.0 */
/* One Identify call, and the checks of its answer. */
#include "broker/engine/identify.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"
#include "broker/engine/answer.h"
#include "broker/engine/lookup.h"
#include "broker/engine/strangers.h"
#include "broker/engine/workers.h"

enum {
	CLOCK_SKEW_MS = 10 * 60 * 1000, /* of a provider's clock against ours; its plugin is stricter */
};

struct asking {
	struct call *call;
	struct signin *signin;
	identify_fn *done;
	bool by_code;
	char client[IDENTITY_TEXT_MAX + 1]; /* of a code: who exchanges it */
};

static bool
is_client_of_plugin(const struct config_provider *p, const char *id)
{
	for (uint16_t i = 0; i < p->setting_count; i++) {
		const struct config_setting *s = &p->settings[i];

		for (uint16_t k = 0; strcmp(s->name, "client-id") == 0 && k < s->value_count; k++) {
			if (strcmp(s->values[k], id) == 0)
				return true;
		}
	}
	return false;
}

const char *
client_id_for_browser(const struct engine *e, uint64_t service, uint64_t provider)
{
	const struct config_service *s = ruleset_service(e->rules, service);
	const struct config_provider *p = ruleset_provider(e->rules, provider);
	const char *first = NULL;

	for (uint16_t i = 0; s != NULL && p != NULL && i < s->client_count; i++) {
		if (strcmp(s->clients[i].provider, p->name) != 0)
			continue;
		if (is_client_of_plugin(p, s->clients[i].id))
			return s->clients[i].id;
		if (first == NULL)
			first = s->clients[i].id;
	}
	return first;
}

bool
redirect_uri_of(const struct engine *e, uint64_t provider, char to[SIGNIN_URL_MAX])
{
	const char *url = e->rules->config->public_url;
	int n = url == NULL ? 0 : snprintf(to, SIGNIN_URL_MAX, "%s/callback/%s", url,
	    ruleset_provider_name(e->rules, provider));

	return n > 0 && n < SIGNIN_URL_MAX;
}

/* One of the service's own clients at this provider. */
static bool
client_known(const struct engine *e, const struct signin *in, struct view id)
{
	const struct config_service *s = ruleset_service(e->rules, in->service);
	const char *name = ruleset_provider_name(e->rules, in->provider);

	for (uint16_t i = 0; s != NULL && i < s->client_count; i++) {
		if (strcmp(s->clients[i].provider, name) == 0 && view_equal(id, view_str(s->clients[i].id)))
			return true;
	}
	return false;
}

/* Of a code only the client that exchanges it may be the audience. */
static bool
audience_known(const struct engine *e, const struct asking *a, struct view audience)
{
	return a->by_code ? view_equal(audience, view_str(a->client)) : client_known(e, a->signin, audience);
}

/* The client that exchanges a code stands first. */
static void
put_client_ids(struct json_writer *w, const struct engine *e, const struct signin *in, const char *first)
{
	const struct config_service *s = ruleset_service(e->rules, in->service);
	const char *name = ruleset_provider_name(e->rules, in->provider);

	json_key(w, VIEW("client_ids"));
	json_array_begin(w);
	if (first[0] != '\0')
		json_put_str(w, view_str(first));
	for (uint16_t i = 0; s != NULL && i < s->client_count; i++) {
		if (strcmp(s->clients[i].id, first) != 0 && strcmp(s->clients[i].provider, name) == 0)
			json_put_str(w, view_str(s->clients[i].id));
	}
	json_array_end(w);
}

struct answer_fields {
	struct view issuer, subject, audience, nonce, display, was_issuer, was_subject;
	uint32_t evidence;
	int64_t auth_time, issued_at, expires_at;
};

#define TEXT(member, need) \
	{#member, JSON_F_ID, need, offsetof(struct answer_fields, member), 1, IDENTITY_TEXT_MAX}
#define TIME(member, need) \
	{#member, JSON_F_INT, need, offsetof(struct answer_fields, member), 1, INT64_MAX / 2}

static const struct json_field answer_table[] = {
	TEXT(issuer, true), TEXT(subject, true), TEXT(audience, true),
	{"nonce", JSON_F_STRING, true, offsetof(struct answer_fields, nonce), 0, IDENTITY_TEXT_MAX}, TEXT(display, false),
	TEXT(was_issuer, false), TEXT(was_subject, false),
	{"evidence", JSON_F_ARRAY, false, offsetof(struct answer_fields, evidence), 0, 0},
	TIME(auth_time, false), TIME(issued_at, true), TIME(expires_at, true),
	{0},
};

/*
 * An assertion has the nonce of its sign-in. Who signs nothing has none to show, and takes codes alone: those are bound to
 * the sign-in by the browser's state and cookie, or by the app that brought them.
 */
static bool
nonce_fits(const struct asking *a, const struct worker_said *said, struct view nonce)
{
	if (said->code_alone)
		return a->by_code && nonce.len == 0;
	return view_equal(nonce, view_str(a->signin->nonce));
}

/* What of the answer contradicts the question, or NULL. */
static const char *
contradiction(const struct engine *e, const struct asking *a, const struct worker_said *said,
    const struct answer_fields *f)
{
	const char *issuer = provider_issuer(e, ruleset_provider_name(e->rules, a->signin->provider));
	int64_t latest_ms = e->now.wall_ms + CLOCK_SKEW_MS;

	if (!nonce_fits(a, said, f->nonce))
		return "nonce";
	if (!audience_known(e, a, f->audience))
		return "audience";
	if (issuer != NULL && !view_equal(f->issuer, view_str(issuer)))
		return "issuer";
	if (f->issued_at > latest_ms || f->auth_time > latest_ms || f->expires_at < f->issued_at ||
	    f->expires_at < e->now.wall_ms - CLOCK_SKEW_MS)
		return "times";
	return NULL;
}

/* Each line as plugin.h has it. False: it is none. */
static bool
read_evidence(const struct engine *e, const struct worker_result *r, uint32_t token, struct identity *who)
{
	const struct json *doc = r->doc;
	uint32_t n = token == 0 ? 0 : json_token_at(doc, token)->count;
	uint32_t at = n == 0 ? 0 : json_first(doc, token);

	for (; n > 0 && who->facts_n < IDENTITY_FACTS_MAX; n--, at = json_next(doc, at)) {
		if (json_type(doc, at) != JSON_STRING || !json_printable(json_text(doc, at)) ||
		    !evidence_read(e, json_text(doc, at), &who->facts[who->facts_n]))
			return false;
		who->facts_n++;
	}
	return n == 0;
}

static void
copy_text(char to[IDENTITY_TEXT_MAX + 1], struct view v)
{
	CHECK(v.len <= IDENTITY_TEXT_MAX);
	memcpy(to, v.data == NULL ? "" : v.data, v.len);
	to[v.len] = '\0';
}

static bool
read_answer(const struct engine *e, const struct asking *a, const struct worker_result *r, struct identity *who)
{
	const char *provider = ruleset_provider_name(e->rules, a->signin->provider);
	struct worker_said said = workers_said(e, view_str(provider));
	struct answer_fields f = {0};
	struct json_problem problem;
	const char *wrong = "fields";

	memset(who, 0, sizeof(*who));
	if (json_bind(r->doc, r->parameters, answer_table, true, &f, &problem) == CS_OK)
		wrong = (f.was_issuer.len > 0) != (f.was_subject.len > 0) || !read_evidence(e, r, f.evidence, who) ?
		    "fields" : contradiction(e, a, &said, &f);
	/* It may sign nothing, which it had no time yet to say. */
	if (wrong != NULL && !said.heard && a->by_code && f.nonce.len == 0)
		return false;
	if (wrong != NULL) {
		log_error("msg=\"a plugin's answer contradicts the question\" provider=%s what=%s call=%llu", provider,
		    wrong, (unsigned long long)a->call->number);
		*r->lied = true;
		return false;
	}
	copy_text(who->issuer, f.issuer);
	copy_text(who->subject, f.subject);
	copy_text(who->display, f.display);
	who->auth_ms = f.auth_time;
	who->claim = subject_claim(e, provider, f.issuer, f.subject);
	if (f.was_subject.len > 0)
		who->was = subject_claim(e, provider, f.was_issuer, f.was_subject);
	if (id_equal(&who->was, &who->claim))
		who->was = (struct id){{0}};
	return true;
}

/* Only what this list has goes on to a service: a plugin's words are not ours. */
static const char *
refusal_named(struct view reason)
{
	static const char *const known[] = {"bad_signature", "bad_issuer", "bad_audience", "bad_nonce", "expired",
		"not_yet_valid", "bad_algorithm", "bad_key", "bad_type", "bad_token", "bad_code", "bad_state",
		"provider_error"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (view_equal(reason, view_str(known[i])))
			return known[i];
	}
	return "bad_token";
}

/* An assertion that was refused has no account, but the log tells of it. */
static void
answered(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct asking a = *(struct asking *)ctx;
	const char *refusal = result->err == CS_ERR_DENIED ? refusal_named(result->reason) : NULL;
	struct identity who;

	free(ctx);
	CHECK(a.signin->state == SIGNIN_CHECKING);
	if (result->err == CS_OK && read_answer(e, &a, result, &who)) {
		a.done(a.call, a.signin, &who, NULL);
		return;
	}
	if (refusal != NULL || result->err == CS_OK)
		strangers_note(e, a.signin->service, refusal != NULL ? refusal : "contradiction");
	a.done(a.call, a.signin, NULL, refusal);
}

/* Too long for a client id is none: nobody has such a one. */
static struct view
client_of_proof(const struct engine *e, const struct signin *s, const struct proof *proof)
{
	const char *first = client_id_for_browser(e, s->service, s->provider);
	struct view id = proof->client_id.len > 0 ? proof->client_id : view_str(first == NULL ? "" : first);

	return id.len <= IDENTITY_TEXT_MAX ? id : VIEW("");
}

void
identify(struct call *call, struct signin *s, const struct proof *proof, identify_fn *done)
{
	static uint8_t bytes[WORKER_REQUEST_MAX];
	struct engine *e = call->engine;
	struct buf text = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&text);
	struct asking *a = malloc(sizeof(*a));
	bool browser = s->state == SIGNIN_STARTED;
	char redirect[SIGNIN_URL_MAX];

	CHECK(a != NULL && (proof->id_token.len > 0) != (proof->code.len > 0));
	s->state = SIGNIN_CHECKING;
	*a = (struct asking){.call = call, .signin = s, .done = done, .by_code = proof->code.len > 0};
	copy_text(a->client, client_of_proof(e, s, proof));
	json_object_begin(&w);
	json_member_str(&w, "nonce", view_str(s->nonce));
	put_client_ids(&w, e, s, a->client);
	if (a->by_code) {
		json_member_str(&w, "code", proof->code);
		/* An app's code was asked for by the app: neither our redirect URI nor our verifier had a part in it. */
		if (browser) {
			json_member_str(&w, "code_verifier", view_str(s->verifier));
			if (redirect_uri_of(e, s->provider, redirect))
				json_member_str(&w, "redirect_uri", view_str(redirect));
		}
		if (proof->iss.len > 0)
			json_member_str(&w, "iss", proof->iss);
	} else {
		json_member_str(&w, "id_token", proof->id_token);
	}
	json_member_int(&w, "now_ms", e->now.wall_ms);
	json_object_end(&w);
	if (text.full) {
		free(a);
		done(call, s, NULL, "bad_token");
	} else {
		/* The members alone: the braces are the message's. */
		workers_ask(e, view_str(ruleset_provider_name(e->rules, s->provider)), "Identify",
		    view_of(text.data + 1, text.len - 2), answered, a);
	}
	secret_wipe(bytes, text.len);
}

void
identify_failed(struct call *call, const struct signin *s, const char *refusal)
{
	if (refusal != NULL)
		call_invalid(call, "id_token", refusal);
	else
		call_unavailable(call, ruleset_provider_name(call->engine->rules, s->provider));
}

struct signin *
signin_of(struct call *call, enum signin_purpose purpose, struct view text)
{
	struct signin *s = NULL;
	struct id id;

	if (id_parse(ID_SIGN_IN, text, NULL, &id) == CS_OK)
		s = signin_find(call->engine, &id);
	if (s != NULL && s->service == call->caller.service && s->purpose == purpose)
		return s;
	call_not_found(call, "sign_in");
	return NULL;
}

struct proof_fields {
	struct view sign_in, id_token, code, client_id;
};

struct signin *
proof_bind(struct call *call, enum signin_purpose purpose, struct proof *proof)
{
	static const struct json_field fields[] = {
		{"sign_in", JSON_F_STRING, true, offsetof(struct proof_fields, sign_in), 0, 0},
		{"id_token", JSON_F_ID, false, offsetof(struct proof_fields, id_token), 1, ID_TOKEN_MAX},
		{"code", JSON_F_ID, false, offsetof(struct proof_fields, code), 1, CODE_MAX},
		{"client_id", JSON_F_ID, false, offsetof(struct proof_fields, client_id), 1, IDENTITY_TEXT_MAX},
		{0},
	};
	struct proof_fields f;
	struct signin *s;

	if (!call_bind(call, fields, &f, sizeof(f)))
		return NULL;
	if ((f.id_token.len > 0) == (f.code.len > 0)) {
		call_invalid(call, "id_token", "give either id_token or code");
		return NULL;
	}
	if (f.client_id.len > 0 && f.code.len == 0) {
		call_invalid(call, "client_id", "goes with a code: an ID token names its audience itself");
		return NULL;
	}
	s = signin_of(call, purpose, f.sign_in);
	/* Used already, or on its way in a browser: for this caller it is gone. */
	if (s != NULL && s->state != SIGNIN_BEGUN) {
		call_not_found(call, "sign_in");
		return NULL;
	}
	if (s != NULL && f.client_id.len > 0 && !client_known(call->engine, s, f.client_id)) {
		call_invalid(call, "client_id", "is none of the service's client ids at this provider");
		return NULL;
	}
	*proof = (struct proof){.id_token = f.id_token, .code = f.code, .client_id = f.client_id};
	return s;
}

enum { RETRY_FULL_MS = 60 * 1000 };

struct signin *
signin_for(struct call *call, enum signin_purpose purpose, struct view provider, struct view return_url)
{
	struct engine *e = call->engine;
	int i = config_find_provider(e->rules->config, provider);
	uint64_t tag;
	struct signin *s;

	if (i < 0) {
		call_not_found(call, "provider");
		return NULL;
	}
	tag = e->rules->policy->providers[i].tag;
	if (client_id_for_browser(e, call->caller.service, tag) == NULL) {
		call_invalid(call, "provider", "no client-id of this service is configured at this provider");
		return NULL;
	}
	if (!return_url_known(call, return_url)) {
		call_invalid(call, "return_url", "is not one of the service's configured return URLs");
		return NULL;
	}
	s = signin_begin(e);
	if (s == NULL) {
		call_too_many(call, "sign_ins", RETRY_FULL_MS);
		return NULL;
	}
	s->purpose = (uint8_t)purpose;
	s->service = call->caller.service;
	s->door = call->caller.door;
	s->provider = tag;
	CHECK(return_url.len < sizeof(s->return_url));
	if (return_url.len > 0)
		memcpy(s->return_url, return_url.data, return_url.len);
	return s;
}

void
answer_signin(struct json_writer *w, const struct engine *e, const struct signin *s, bool nonce, bool browser)
{
	struct id_text id = id_format(ID_SIGN_IN, NULL, &s->id);
	char url[SIGNIN_URL_MAX], token[32];
	int n;

	json_member_str(w, "sign_in", id_view(&id));
	if (nonce)
		json_member_str(w, "nonce", view_str(s->nonce));
	if (browser && e->rules->config->public_url != NULL) {
		token[base32_encode(s->start_token, sizeof(s->start_token), token)] = '\0';
		n = snprintf(url, sizeof(url), "%s/s/%s", e->rules->config->public_url, token);
		CHECK(n > 0 && n < SIGNIN_URL_MAX);
		json_member_str(w, "start_url", view_of(url, (size_t)n));
	}
	answer_time(w, "expires_at", s->expires_ms);
}
