/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Admin: the providers' security events - what was heard, what each does, and the stream they come in. */
#include <stdio.h>

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/admin.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/signals.h"
#include "broker/engine/workers.h"

enum {
	STATE_BYTES = 24,              /* of a verification; 32 characters */
	ENDPOINT_MAX = 1024,           /* as a worker takes it */
	DOCUMENT_MAX = 4096,           /* COUNTERSIGN_STREAM_MAX */
	DOCUMENT_TOKENS_MAX = 512,
};

void
signals_write(struct json_writer *w, const struct engine *e)
{
	struct signal_stats s;

	json_key(w, VIEW("signals"));
	json_array_begin(w);
	for (size_t i = 0; signals_stats(e, i, &s); i++) {
		if (!s.can)
			continue;
		json_object_begin(w);
		json_member_str(w, "provider", view_str(s.provider));
		json_member_str(w, "state", s.silent ? VIEW("silent") : s.heard_ms != 0 ? VIEW("heard") : VIEW("none yet"));
		json_member_str(w, "by", s.poll_ms >= 0 && s.polls ? VIEW("poll") : VIEW("push"));
		if (s.heard_ms != 0)
			answer_time(w, "heard_at", s.heard_ms);
		json_member_int(w, "taken", (int64_t)s.taken);
		json_member_int(w, "duplicates", (int64_t)s.duplicates);
		json_member_int(w, "unknown", (int64_t)s.unknown);
		json_member_int(w, "refused", (int64_t)s.refused);
		json_member_int(w, "failed", (int64_t)s.failed);
		if (s.asked_ms != 0)
			answer_time(w, "verification_asked_at", s.asked_ms);
		if (s.verified_ms != 0)
			answer_time(w, "verified_at", s.verified_ms);
		if (s.status[0] != '\0')
			json_member_str(w, "stream", view_str(s.status));
		json_object_end(w);
	}
	json_array_end(w);
}

static void
write_effects(struct json_writer *w, const struct config_provider *p)
{
	json_key(w, VIEW("effects"));
	json_array_begin(w);
	for (int kind = SIGNAL_KIND_NONE + 1; kind < SIGNAL_KIND__COUNT; kind++) {
		uint32_t mask = config_signal_effects(p, (enum signal_kind)kind);
		char text[160];
		size_t len = 0;

		for (int i = 0; i < SIGNAL_EFFECTS_N; i++) {
			if ((mask & 1U << i) != 0)
				len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len == 0 ? "" : " ",
				    signal_effect_name((enum signal_effect_bit)i));
			CHECK(len < sizeof(text));
		}
		json_object_begin(w);
		json_member_str(w, "event", view_str(signal_name((enum signal_kind)kind)));
		json_member_str(w, "effects", len == 0 ? VIEW("ignore") : view_of(text, len));
		json_member_bool(w, "configured", p->signals.effects[kind] != 0);
		json_object_end(w);
	}
	json_array_end(w);
}

struct which {
	struct view provider;
};

void
admin_signals(struct call *call)
{
	static const struct json_field fields[] = {
		{"provider", JSON_F_ID, false, offsetof(struct which, provider), 1, CONFIG_NAME_MAX},
		{0},
	};
	struct which which;
	const struct config *c = call->engine->rules->config;
	struct json_writer w;
	int i = 0;

	if (!call_bind(call, fields, &which, sizeof(which)))
		return;
	if (which.provider.data != NULL)
		i = config_find_provider(c, which.provider);
	if (i < 0) {
		call_not_found(call, "provider");
		return;
	}
	w = call_reply(call);
	signals_write(&w, call->engine);
	if (which.provider.data != NULL)
		write_effects(&w, &c->providers[i]);
	call_end(call, &w);
}

/* ---- Stream ---- */

struct stream_call {
	struct view provider, action;
	uint64_t tag;
};

/* The plugin's text, if it is one JSON object. */
static bool
is_object(struct view document)
{
	static char text[DOCUMENT_MAX];
	static struct json_token tokens[DOCUMENT_TOKENS_MAX];
	struct json doc;

	if (document.len > sizeof(text))
		return false;
	memcpy(text, document.data, document.len);
	return json_read(text, document.len, tokens, DOCUMENT_TOKENS_MAX, &doc, NULL) == CS_OK &&
	    json_type(&doc, 0) == JSON_OBJECT;
}

static void
stream_answered(struct engine *e, void *ctx, const struct worker_result *result)
{
	static const struct json_field fields[] = {
		{"document", JSON_F_STRING, true, 0, 0, DOCUMENT_MAX},
		{0},
	};
	struct call *call = ctx;
	struct stream_call *s = CALL_MEMORY_AS(struct stream_call, call);
	struct json_problem problem;
	struct view document;
	struct json_writer w;

	if (result->err == CS_ERR_DENIED) {
		call_fail(call, "org.countersign.Conflict", "what", result->reason);
	} else if (result->err != CS_OK ||
	    json_bind(result->doc, result->parameters, fields, true, &document, &problem) != CS_OK ||
	    !is_object(document)) {
		call_unavailable(call, ruleset_provider_name(e->rules, s->tag));
	} else {
		w = call_reply(call);
		json_key(&w, VIEW("document"));
		json_put_raw(&w, document);
		call_end(call, &w);
	}
	call_release(call);
}

/* What the plugin is asked; false where the broker cannot be reached by the provider. */
static bool
put_request(struct json_writer *w, struct engine *e, const struct config_provider *p, const struct stream_call *s)
{
	const char *url = e->rules->config->public_url;
	uint8_t random[STATE_BYTES];
	char text[ENDPOINT_MAX], state[BASE64URL_LEN(STATE_BYTES)];
	size_t len;

	json_object_begin(w);
	json_member_str(w, "action", s->action);
	if (view_equal(s->action, VIEW("create")) && p->signals.poll_ms < 0) {
		if (url == NULL || snprintf(text, sizeof(text), "%s/ssf/%s", url, p->name) >= (int)sizeof(text))
			return false;
		json_member_str(w, "endpoint", view_str(text));
	}
	/* Before the plugin is asked: the event may come back before its answer. */
	if (view_equal(s->action, VIEW("verify"))) {
		secret_random(random, sizeof(random));
		len = base64url_encode(random, sizeof(random), state);
		signals_verification(e, s->tag, view_of(state, len));
		json_member_str(w, "state", view_of(state, len));
	}
	json_member_int(w, "now_ms", e->now.wall_ms);
	json_object_end(w);
	return true;
}

void
admin_stream(struct call *call)
{
	static const struct json_field fields[] = {
		{"provider", JSON_F_ID, true, offsetof(struct stream_call, provider), 1, CONFIG_NAME_MAX},
		{"action", JSON_F_ID, true, offsetof(struct stream_call, action), 1, CONFIG_NAME_MAX},
		{0},
	};
	static const char *const actions[] = {"status", "create", "verify", "delete"};
	struct stream_call *s = CALL_MEMORY_AS(struct stream_call, call);
	struct engine *e = call->engine;
	static uint8_t bytes[2 * ENDPOINT_MAX];
	struct buf text = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&text);
	bool known = false;
	int i;

	if (!call_bind(call, fields, s, sizeof(*s)))
		return;
	for (size_t k = 0; k < sizeof(actions) / sizeof(actions[0]); k++)
		known |= view_equal(s->action, view_str(actions[k]));
	i = config_find_provider(e->rules->config, s->provider);
	if (!known)
		call_invalid(call, "action", "must be status, create, verify or delete");
	else if (i < 0)
		call_not_found(call, "provider");
	else if (!workers_said(e, s->provider).heard)
		call_unavailable(call, "provider"); /* its plugin is not there yet */
	else if (!workers_said(e, s->provider).streams)
		call_conflict(call, "this provider's plugin manages no stream of security events");
	if (call->answered)
		return;
	s->tag = e->rules->policy->providers[i].tag;
	if (!put_request(&w, e, &e->rules->config->providers[i], s)) {
		call_conflict(call, "there is no public-url that events could be pushed to: configure one, or poll");
		return;
	}
	CHECK(!text.full);
	workers_ask(e, view_str(e->rules->config->providers[i].name), "Stream", view_of(text.data + 1, text.len - 2),
	    stream_answered, call_hold(call));
}
