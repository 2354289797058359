/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org.countersign.Internal, what the gateway passes on and asks for itself: forwarded calls, the public keys, health.
 * The gateway says which certificate TLS verified, never which service that is.
 */
#include "broker/base/check.h"
#include "broker/engine/api.h"
#include "broker/engine/bearer.h"

enum {
	CERTIFICATE_BYTES = 32,
	IP_TEXT_MAX = 64,       /* the longest is 45, and a zone */
	JWKS_BYTES_MAX = 1024,  /* one P-256 key takes about 250 */
};

struct forward {
	struct view certificate, ip, method;
	uint32_t parameters, token;
};

static const struct json_field forward_fields[] = {
	{"certificate_sha256", JSON_F_STRING, false, offsetof(struct forward, certificate), 0, 0},
	{"ip", JSON_F_ID, false, offsetof(struct forward, ip), 1, IP_TEXT_MAX},
	{"method", JSON_F_STRING, true, offsetof(struct forward, method), 0, 0},
	{"parameters", JSON_F_OBJECT, true, offsetof(struct forward, parameters), 0, 0},
	{"token", JSON_F_OBJECT, false, offsetof(struct forward, token), 0, 0},
	{0},
};

static const struct json_field token_fields[] = {
	{"token", JSON_F_STRING, true, offsetof(struct shown_token, token), 0, 0},
	{"scheme", JSON_F_STRING, true, offsetof(struct shown_token, scheme), 0, 0},
	{"proof", JSON_F_STRING, false, offsetof(struct shown_token, proof), 0, 0},
	{"request", JSON_F_INT, true, offsetof(struct shown_token, request), 0, 0},
	{"method", JSON_F_STRING, true, offsetof(struct shown_token, method), 0, 0},
	{"url", JSON_F_STRING, true, offsetof(struct shown_token, url), 0, 0},
	{0},
};

/* What no service may be asked for in another's name, and what makes no sense over HTTPS. */
static bool
forwardable(struct view method)
{
	static const char *const closed[] = {"org.countersign.Admin.", "org.countersign.Internal.",
		"org.countersign.Worker.", "org.varlink.service."};

	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		size_t len = strlen(closed[i]);

		if (method.len >= len && memcmp(method.data, closed[i], len) == 0)
			return false;
	}
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
hex_bytes(struct view text, uint8_t *to, size_t n)
{
	if (text.len != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool
has_certificate(const struct config_service *s, const uint8_t certificate[CERTIFICATE_BYTES])
{
	for (uint16_t k = 0; k < s->certificate_count; k++) {
		if (memcmp(s->certificates[k], certificate, CERTIFICATE_BYTES) == 0)
			return true;
	}
	return false;
}

/* A service that may come through this door and has this certificate; *caller is untouched where there is none. */
static bool
caller_https(const struct engine *e, struct view text, struct caller *caller)
{
	const struct config *c = e->rules->config;
	uint8_t certificate[CERTIFICATE_BYTES];

	if (!hex_bytes(text, certificate, sizeof(certificate)))
		return false;
	for (uint16_t i = 0; i < c->service_count; i++) {
		const struct config_service *s = &c->services[i];

		if ((s->doors & CONFIG_DOOR_HTTPS) == 0 || !has_certificate(s, certificate))
			continue;
		*caller = (struct caller){.service = e->rules->policy->services[i].tag, .rights = s->rights,
		    .door = DOOR_HTTPS};
		return true;
	}
	return false;
}

void
internal_forward(struct call *call)
{
	struct forward f;

	if (!call_bind(call, forward_fields, &f, sizeof(f)))
		return;
	/* From here on the answers are the service's: wrapped, so that the gateway's own errors are told apart. */
	call->forwarded = true;
	call->caller = (struct caller){0};
	if (f.token == 0 && !caller_https(call->engine, f.certificate, &call->caller)) {
		call_unauthenticated(call);
		return;
	}
	if (!forwardable(f.method)) {
		call_not_permitted(call, "local");
		return;
	}
	call->ip = f.ip;
	call->parameters = f.parameters;
	/* Who shows a token is who the token says; a certificate is then no more than what it may be bound to. */
	if (f.token != 0) {
		struct shown_token shown = {0};
		struct json_problem problem;

		if (json_bind(&call->doc, f.token, token_fields, false, &shown, &problem) != CS_OK) {
			call_invalid(call, "token", "is not well formed");
			return;
		}
		shown.certificate = f.certificate;
		bearer_dispatch(call, &shown, f.method);
		return;
	}
	call_dispatch(call, f.method);
}

void
internal_keys(struct call *call)
{
	uint8_t bytes[JWKS_BYTES_MAX];
	struct buf jwk = buf_over(bytes, sizeof(bytes));
	struct json_writer w;

	keyring_jwk(call->engine->keys, &jwk);
	CHECK(!jwk.full);
	w = call_reply(call);
	json_key(&w, VIEW("jwks"));
	json_object_begin(&w);
	json_key(&w, VIEW("keys"));
	json_array_begin(&w);
	json_put_raw(&w, buf_view(&jwk));
	json_array_end(&w);
	json_object_end(&w);
	call_end(call, &w);
}

/* A frozen broker is healthy: it does what it was told. */
void
internal_health(struct call *call)
{
	struct engine *e = call->engine;
	struct store_status store;
	const char *reason = NULL;
	struct json_writer w;

	store_status(e->store, &store);
	if (!e->broker.clock_ok)
		reason = "clock";
	else if (store.narrow_only || e->broker.stale)
		reason = "store";
	w = call_reply(call);
	json_member_bool(&w, "ok", reason == NULL);
	json_member_str(&w, "reason", view_str(reason));
	call_end(call, &w);
}
