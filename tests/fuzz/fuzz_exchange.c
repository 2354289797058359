/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the endpoints of an OpenID Provider answer: discovery, pushed request, token endpoint, keys. The first letter of
 * the input says whose answer the rest is (d, p, t, k), the second its status (2, 4, 5); the other endpoints are honest.
 * Nobody is signed in by any of it, and a browser is sent to an https address or nowhere.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "tests/unit/plugin_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define ISSUER "https://idp.example"

enum { DAY_MS = 86400000 };  /* longer than anything fetched is used */

struct world {
	struct fake_host host;  /* first member */
	char whose;
	int status;
	struct countersign_view bent;
};

static const struct {
	char letter;
	const char *url, *honest;
} endpoints[] = {
	{'d', ISSUER "/.well-known/openid-configuration",
	    "{\"issuer\":\"" ISSUER "\",\"authorization_endpoint\":\"" ISSUER "/a\",\"token_endpoint\":\"" ISSUER "/t\","
	    "\"jwks_uri\":\"" ISSUER "/k\",\"pushed_authorization_request_endpoint\":\"" ISSUER "/p\"}"},
	{'p', ISSUER "/p", "{\"request_uri\":\"urn:1\"}"},
	{'t', ISSUER "/t", "{\"id_token\":\"a.b.c\"}"},
	{'k', ISSUER "/k", "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"1\",\"crv\":\"P-256\","
	    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"},
};

static int
answer(struct fake_host *h, const struct countersign_http_request *request,
    struct countersign_http_response *response)
{
	const struct world *w = (struct world *)h;

	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
		if (request->url.len != strlen(endpoints[i].url) ||
		    memcmp(request->url.data, endpoints[i].url, request->url.len) != 0)
			continue;
		response->status = w->whose == endpoints[i].letter ? w->status : 200;
		return w->whose == endpoints[i].letter ? countersign_put(&response->body, w->bent.data, w->bent.len) :
		    countersign_put(&response->body, endpoints[i].honest, strlen(endpoints[i].honest));
	}
	return COUNTERSIGN_INVALID;  /* as the host says of what is not allowed */
}

static void
try_url(struct world *w, const struct countersign_plugin_v1 *plugin, void *instance)
{
	static char text[2048], request[16];
	struct countersign_authorize in = {.size = sizeof(in), .call = {.request = countersign_view_of("r")},
	    .state = countersign_view_of("s"), .nonce = countersign_view_of("n"),
	    .code_challenge = countersign_view_of("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
	    .redirect_uri = countersign_view_of("https://pay.example/c"), .client_id = countersign_view_of("web")};
	struct countersign_authorize_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0},
	    .url = {text, sizeof(text), 0}};

	if (plugin->provider->authorization_url(instance, &in, &out) == COUNTERSIGN_OK) {
		CHECK(out.url.len > 8 && memcmp(out.url.data, "https://", 8) == 0);
		for (size_t i = 0; i < out.url.len; i++)
			CHECK((unsigned char)out.url.data[i] > ' ' && (unsigned char)out.url.data[i] < 0x7f);
	}
	fake_host_clear(&w->host);
}

static void
try_code(struct world *w, const struct countersign_plugin_v1 *plugin, void *instance)
{
	static char memory[6][255], evidence[COUNTERSIGN_EVIDENCE_MAX];
	const struct countersign_view client = countersign_view_of("web");
	struct countersign_identify in = {.size = sizeof(in),
	    .call = {.now_ms = INT64_C(1800000000000), .request = countersign_view_of("r")},
	    .nonce = countersign_view_of("n"), .client_ids = &client, .client_ids_count = 1,
	    .code = countersign_view_of("c"),
	    .code_verifier = countersign_view_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
	    .redirect_uri = countersign_view_of("https://pay.example/c")};
	struct countersign_identity out = {.size = sizeof(out), .evidence = {evidence, sizeof(evidence), 0}};
	struct countersign_buffer *const buffers[] = {&out.request, &out.issuer, &out.subject, &out.audience, &out.nonce,
	    &out.display};

	for (size_t i = 0; i < 6; i++)
		*buffers[i] = (struct countersign_buffer){memory[i], sizeof(memory[i]), 0};
	CHECK(plugin->provider->identify(instance, &in, &out) != COUNTERSIGN_OK);
	fake_host_clear(&w->host);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct fake_setting settings[] = {{"issuer", ISSUER}, {"client-id", "web"}, {"client-secret", "s"},
	    {NULL, NULL}};
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();
	static struct world w;
	static void *instance;

	if (len < 2)
		return 0;
	/* One plugin for all inputs, since liboauth2 takes long to start; what it learned before is too old to serve. */
	if (instance == NULL) {
		fake_host_init(&w.host, plugin, settings);
		w.host.answer = answer;
		CHECK(plugin->init(&w.host.table, &instance) == COUNTERSIGN_OK);
	}
	w.host.boot_ms += DAY_MS;
	w.whose = (char)data[0];
	w.status = data[1] >= '2' && data[1] <= '5' ? (data[1] - '0') * 100 : 200;
	w.bent = (struct countersign_view){(const char *)data + 2, len - 2};
	try_url(&w, plugin, instance);
	try_code(&w, plugin, instance);
	return 0;
}
