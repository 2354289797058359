/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider and a factor of the time of version 1's first header, plugin-first.h beside this file, for
 * tests/interop/test_old_plugin.py: whoever installed one then must not be made to build it again. old-x86_64.so is
 * this file as it was built then (README.md), and is never built anew.
 */
#include "tests/abi/plugin-first.h"

static const struct countersign_host_v1 *host;

static int
self_test(const struct countersign_host_v1 *h)
{
	return h->size >= sizeof(*h) ? COUNTERSIGN_OK : COUNTERSIGN_INTERNAL;
}

static int
start(const struct countersign_host_v1 *h, void **instance)
{
	(void)instance;
	host = h;
	return h->config_int(h->context, "digits", 0) == 6 ? COUNTERSIGN_OK : COUNTERSIGN_INVALID;
}

static int
profile(void *instance, struct countersign_profile *p)
{
	(void)instance;
	p->assurance = COUNTERSIGN_STABLE_SUBJECT;
	return COUNTERSIGN_OK;
}

static int
repeat(const struct countersign_call *call, struct countersign_buffer *request)
{
	return countersign_put(request, call->request.data, call->request.len);
}

static int
authorization_url(void *instance, const struct countersign_authorize *in, struct countersign_authorize_answer *out)
{
	(void)instance;
	(void)countersign_put(&out->url, in->redirect_uri.data, in->redirect_uri.len);
	return repeat(&in->call, &out->request);
}

/* Asks for what it does not have a right to, too: a request without the members that came later. */
static int
identify(void *instance, const struct countersign_identify *in, struct countersign_identity *out)
{
	static const char issuer[] = "https://old.test";
	char body[64];
	struct countersign_http_response answer = {.size = sizeof(answer), .body = {body, sizeof(body), 0}};
	struct countersign_http_request ask = {.size = sizeof(ask), .url = {issuer, sizeof(issuer) - 1}};

	(void)instance;
	if (in->id_token.len == 0 || out->size < sizeof(*out) ||
	    host->http(host->context, &ask, &answer) != COUNTERSIGN_INVALID)
		return COUNTERSIGN_BAD_TOKEN;
	(void)countersign_put(&out->issuer, issuer, sizeof(issuer) - 1);
	(void)countersign_put(&out->subject, in->id_token.data, in->id_token.len);
	(void)countersign_put(&out->audience, in->client_ids[0].data, in->client_ids[0].len);
	(void)countersign_put(&out->nonce, in->nonce.data, in->nonce.len);
	out->issued_at_ms = in->call.now_ms;
	out->expires_at_ms = in->call.now_ms + 60000;
	return repeat(&in->call, &out->request);
}

static int
enrol(void *instance, const struct countersign_enrol *in, struct countersign_enrol_answer *out)
{
	(void)instance;
	(void)countersign_put(&out->secret, "secret", 6);
	out->steps[0].kind = COUNTERSIGN_STEP_CODE;
	out->steps[0].digits = 6;
	out->steps_count = 1;
	return repeat(&in->call, &out->request);
}

static int
verify(void *instance, const struct countersign_verify *in, struct countersign_verify_answer *out)
{
	(void)instance;
	out->verdict = in->answer.len == 6 ? COUNTERSIGN_RIGHT : COUNTERSIGN_WRONG;
	out->step = out->verdict == COUNTERSIGN_RIGHT ? in->last_step + 1 : -1;
	return repeat(&in->call, &out->request);
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_config_key config[] = {
		{.name = "digits", .type = COUNTERSIGN_CONFIG_INT, .min = 6, .max = 6, .default_value = "6", .help = "Six."},
	};
	static const struct countersign_provider_v1 provider = {.size = sizeof(provider),
	    .authorization_url = authorization_url, .identify = identify};
	static const struct countersign_factor_v1 factor = {.size = sizeof(factor), .kind = "old", .enrol = enrol,
	    .verify = verify};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_PROVIDER | COUNTERSIGN_KIND_FACTOR,
		.config_count = 1,
		.config_key_size = sizeof(config[0]),
		.config = config,
		.name = "old",
		.version = "1.0",
		.help = "A plugin of the first day.",
		.self_test = self_test,
		.init = start,
		.profile = profile,
		.provider = &provider,
		.factor = &factor,
	};

	return &plugin;
}
