/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service by its access token. The token blocks of the configuration are asked in their order; one that says that the
 * token is another issuer's passes the question on, any other answer ends it. While they are asked the call is held.
 */
#include "broker/engine/bearer.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/bearer_seen.h"
#include "broker/engine/strangers.h"
#include "broker/engine/workers.h"

enum {
	TOKEN_TEXT_MAX = 8 * 1024,      /* with groups and the like they reach 4 KiB */
	PROOF_TEXT_MAX = 4 * 1024,
	URL_TEXT_MAX = 2048,
	CLIENT_TEXT_MAX = 255,
	PROOF_LIFE_MS = 60 * 1000,      /* a proof is for one request, made just now (RFC 9449, section 11.1) */
	PROOF_AHEAD_MS = 10 * 1000,     /* the service's clock may be ahead by that */
	REMEMBER_MAX_MS = 60 * 1000,    /* whatever a plugin allows: so long a token that was taken back may still serve */
};

struct bearers {
	struct seen seen;
};

/* Of a held call, in its memory; the views look into its message. */
struct asking {
	struct shown_token shown;
	struct view method;
	struct hash key;
	struct json_token *tokens;      /* of the message: those that it was read with are everybody's */
	uint16_t block;                 /* in config.tokens: who is asked now */
	uint64_t generation;            /* of the configuration that it is in */
};

struct bearers *
bearers_new(void)
{
	struct bearers *b = malloc(sizeof(*b));

	CHECK(b != NULL);
	seen_init(&b->seen);
	return b;
}

void
bearers_free(struct bearers *b)
{
	seen_clear(&b->seen);
	free(b);
}

void
bearers_configure(struct engine *e)
{
	seen_forget_tokens(&e->bearers->seen);
}

/* What the token and what it is bound to come down to, each part with its length before it. */
static void
key_of(const struct shown_token *t, struct hash *to)
{
	const struct view parts[] = {t->scheme, t->token, t->certificate};
	uint8_t bytes[TOKEN_TEXT_MAX + 256];
	struct buf b = buf_over(bytes, sizeof(bytes));

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint32_t len = (uint32_t)parts[i].len;

		buf_put(&b, &len, sizeof(len));
		buf_put_view(&b, parts[i]);
	}
	CHECK(!b.full);
	sha256(buf_view(&b), to);
	secret_wipe(bytes, b.len);
}

/* RFC 6750, section 2.1: what is no b64token is nobody's, and no plugin is asked. A proof is a JWT, of the same letters. */
static bool
is_token68(struct view v)
{
	for (size_t i = 0; i < v.len; i++) {
		char c = v.data[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    (c != '\0' && strchr("-._~+/=", c) != NULL)))
			return false;
	}
	return true;
}

static bool
well_formed(const struct shown_token *t)
{
	bool dpop = view_equal(t->scheme, VIEW("DPoP"));

	return (dpop || view_equal(t->scheme, VIEW("Bearer"))) && dpop == (t->proof.len > 0) && t->token.len > 0 &&
	    t->token.len <= TOKEN_TEXT_MAX && t->proof.len <= PROOF_TEXT_MAX && t->method.len <= 16 &&
	    t->url.len <= URL_TEXT_MAX && (t->certificate.len == 0 || t->certificate.len == 64) && is_token68(t->token) &&
	    is_token68(t->proof);
}

/* The service of this client, as the configuration has it now, that may come through HTTPS; false: there is none. */
static bool
caller_of(const struct engine *e, const char *block, struct view client, struct caller *caller)
{
	const struct config *c = e->rules->config;

	for (uint16_t i = 0; i < c->service_count; i++) {
		const struct config_service *s = &c->services[i];

		for (uint16_t k = 0; (s->doors & CONFIG_DOOR_HTTPS) != 0 && k < s->token_client_count; k++) {
			if (strcmp(s->token_clients[k].provider, block) != 0 ||
			    !view_equal(client, view_str(s->token_clients[k].id)))
				continue;
			*caller = (struct caller){.service = e->rules->policy->services[i].tag, .rights = s->rights,
			    .door = DOOR_HTTPS};
			return true;
		}
	}
	return false;
}

static bool
caller_remembered(const struct engine *e, uint64_t service, struct caller *caller)
{
	const struct config_service *s = ruleset_service(e->rules, service);

	if (s == NULL)
		return false;
	*caller = (struct caller){.service = service, .rights = s->rights, .door = DOOR_HTTPS};
	return true;
}

static void
refuse(struct call *call, const char *reason)
{
	strangers_note(call->engine, 0, "not_authenticated");
	call_fail(call, "org.countersign.NotAuthenticated", "reason", view_str(reason));
}

/* What a plugin may say no with; the word goes to the service, and nothing else of what it said. */
static const char *
refusal_of(struct view reason)
{
	static const char *const known[] = {"bad_signature", "bad_issuer", "bad_audience", "expired", "not_yet_valid",
		"bad_algorithm", "bad_key", "bad_type", "bad_binding", "bad_nonce", "revoked"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (view_equal(reason, view_str(known[i])))
			return known[i];
	}
	return "bad_token";
}

struct said {
	struct view issuer, client, proof_id;
	int64_t expires_ms, until_ms, proof_at_ms;
};

static const struct json_field said_fields[] = {
	{"issuer", JSON_F_STRING, true, offsetof(struct said, issuer), 1, CLIENT_TEXT_MAX},
	{"client", JSON_F_STRING, true, offsetof(struct said, client), 1, CLIENT_TEXT_MAX},
	{"proof_id", JSON_F_STRING, false, offsetof(struct said, proof_id), 1, CLIENT_TEXT_MAX},
	{"proof_at", JSON_F_INT, false, offsetof(struct said, proof_at_ms), 0, 0},
	{"expires_at", JSON_F_INT, true, offsetof(struct said, expires_ms), 0, 0},
	{"cache_until", JSON_F_INT, false, offsetof(struct said, until_ms), 0, 0},
	{0},
};

/* The plugin's yes is held against what it was asked: a proof is named, fresh, and of this run of the broker. */
static const char *
proof_once(struct engine *e, const struct config_plugin *block, int64_t request, const struct said *said)
{
	const int64_t now = e->now.wall_ms, started = now - (e->now.boot_ms - e->started_boot_ms);
	const struct view parts[] = {view_str(block->name), VIEW("\n"), said->client, VIEW("\n"), said->proof_id};
	uint8_t bytes[2 * CLIENT_TEXT_MAX + CONFIG_NAME_MAX + 8];
	struct buf b = buf_over(bytes, sizeof(bytes));
	struct hash digest;
	struct id key;

	if (said->proof_id.len == 0 || said->proof_at_ms > now + PROOF_AHEAD_MS || said->proof_at_ms < now - PROOF_LIFE_MS)
		return "bad_proof";
	/* What was used before a restart is forgotten, so nothing of before it counts. */
	if (said->proof_at_ms < started)
		return "old_proof";
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		buf_put_view(&b, parts[i]);
	CHECK(!b.full);
	sha256(buf_view(&b), &digest);
	memcpy(key.b, digest.b, sizeof(key.b));
	switch (seen_proof(&e->bearers->seen, &key, request, now, said->proof_at_ms + PROOF_LIFE_MS + 1)) {
	case SEEN_FIRST:
		return NULL;
	case SEEN_AGAIN:
		return "proof_used";
	case SEEN_FULL:
		break;
	}
	return "proofs_full";
}

/*
 * The call begins anew as if it had just been read, in the name that was found. It was only held to wait: its stream goes on
 * once it is answered.
 */
static void
go_on(struct call *held, const struct asking *a)
{
	struct engine *e = held->engine;
	struct stream *s = held->stream;
	struct json_token *tokens = a->tokens;
	struct view method = a->method;
	struct call call = *held;

	CHECK(s != NULL && s->held == held);
	s->held = NULL;
	call.doc.tokens = tokens;
	call.used = 0;
	call_free(held);
	call_dispatch(&call, method);
	CHECK(call.answered || s->held != NULL);
	free(tokens);
	if (s->held == NULL)
		engine_ready(e, s);
}

static void ask(struct call *held);

static void
answer_held(struct call *held, const char *refusal)
{
	free(CALL_MEMORY_AS(struct asking, held)->tokens);
	if (refusal == NULL)
		call_unavailable(held, "token");
	else
		refuse(held, refusal);
	call_release(held);
}

/* Who the plugin named, or why that is nobody. */
static const char *
judge(struct engine *e, const struct asking *a, const struct worker_result *r, struct caller *caller)
{
	const struct config_plugin *block = &e->rules->config->tokens[a->block];
	const bool dpop = a->shown.proof.len > 0;
	const int64_t now = e->now.wall_ms;
	struct json_problem problem;
	struct said said = {0};

	if (json_bind(r->doc, r->parameters, said_fields, true, &said, &problem) != CS_OK || dpop != (said.proof_id.len > 0)) {
		*r->lied = true;
		return "bad_token";
	}
	if (said.expires_ms <= now)
		return "expired";
	if (!caller_of(e, block->name, said.client, caller))
		return "unknown_client";
	if (dpop)
		return proof_once(e, block, a->shown.request, &said);
	if (said.until_ms > said.expires_ms)
		said.until_ms = said.expires_ms;
	if (said.until_ms > now + REMEMBER_MAX_MS)
		said.until_ms = now + REMEMBER_MAX_MS;
	if (said.until_ms > now)
		seen_token_put(&e->bearers->seen, &a->key, caller->service, said.until_ms);
	return NULL;
}

static void
spoken(struct engine *e, void *ctx, const struct worker_result *r)
{
	struct call *held = ctx;
	struct asking *a = CALL_MEMORY_AS(struct asking, held);
	struct caller caller;
	const char *why;

	/* Nobody waits for it any more, and nothing was done. */
	if (held->stream == NULL) {
		free(a->tokens);
		call_free(held);
		return;
	}
	if (a->generation != e->rules->config->generation) {
		answer_held(held, NULL);
		return;
	}
	if (r->err == CS_ERR_DENIED && view_equal(r->reason, VIEW("bad_issuer")) &&
	    a->block + 1 < e->rules->config->token_count) {
		a->block++;
		ask(held);
		return;
	}
	if (r->err != CS_OK) {
		answer_held(held, r->err == CS_ERR_DENIED ? refusal_of(r->reason) : NULL);
		return;
	}
	why = judge(e, a, r, &caller);
	if (why != NULL) {
		answer_held(held, why);
		return;
	}
	held->caller = caller;
	go_on(held, a);
}

static void
ask(struct call *held)
{
	static uint8_t bytes[WORKER_REQUEST_MAX];
	struct engine *e = held->engine;
	const struct asking *a = CALL_MEMORY_AS(struct asking, held);
	struct buf text = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&text);

	json_object_begin(&w);
	json_member_str(&w, "token", a->shown.token);
	json_member_str(&w, "scheme", a->shown.scheme);
	json_member_str(&w, "proof", a->shown.proof);
	json_member_str(&w, "method", a->shown.method);
	json_member_str(&w, "url", a->shown.url);
	json_member_str(&w, "certificate", a->shown.certificate);
	json_member_int(&w, "now_ms", e->now.wall_ms);
	json_object_end(&w);
	if (text.full)
		answer_held(held, "bad_token");
	else
		workers_ask(e, view_str(e->rules->config->tokens[a->block].name), "CheckToken",
		    view_of(text.data + 1, text.len - 2), spoken, held);
	secret_wipe(bytes, text.len);
}

void
bearer_dispatch(struct call *call, const struct shown_token *shown, struct view method)
{
	struct engine *e = call->engine;
	struct asking *a = CALL_MEMORY_AS(struct asking, call);
	const size_t size = call->doc.count * sizeof(*call->doc.tokens);
	uint64_t service;

	if (!well_formed(shown) || e->rules->config->token_count == 0) {
		refuse(call, e->rules->config->token_count == 0 ? "no_tokens" : "bad_token");
		return;
	}
	*a = (struct asking){.shown = *shown, .method = method, .generation = e->rules->config->generation};
	key_of(shown, &a->key);
	service = shown->proof.len > 0 ? 0 : seen_token(&e->bearers->seen, &a->key, e->now.wall_ms);
	if (service != 0 && caller_remembered(e, service, &call->caller)) {
		call->used = 0;
		call_dispatch(call, method);
		return;
	}
	a->tokens = malloc(size);
	CHECK(a->tokens != NULL);
	memcpy(a->tokens, call->doc.tokens, size);
	ask(call_hold(call));
}
