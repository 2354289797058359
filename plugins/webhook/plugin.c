/* SPDX-License-Identifier: Apache-2.0 */
/* The notify plugin `webhook`: each notice as one HTTPS POST, signed where a secret is given. See README.md. */
#include <stdio.h>
#include <stdlib.h>

#include "plugins/webhook/signature.h"

enum {
	ANSWER_MAX = 64 * 1024,  /* bytes that a receiver may answer; nothing of it is used */
	SECONDS_MAX = 24,
};

struct webhook {
	const struct countersign_host_v1 *host;
	struct countersign_view url;
	char secret[WEBHOOK_SECRET_MAX];
	size_t secret_len;       /* 0: not signed */
};

static const struct countersign_config_key config[] = {
	{.name = "url", .type = COUNTERSIGN_CONFIG_URL, .flags = COUNTERSIGN_CONFIG_REQUIRED, .min = 9, .max = 1024,
	    .help = "Where notices are posted to."},
	{.name = "secret", .type = COUNTERSIGN_CONFIG_SECRET, .min = WEBHOOK_SECRET_MIN, .max = WEBHOOK_SECRET_MAX,
	    .help = "Signs every notice with HMAC-SHA256, so that the receiver knows who it is from."},
};

static void
say(const struct webhook *w, int level, const char *text)
{
	w->host->log(w->host->context, level, countersign_view_of(text));
}

/* A signature that was computed with another library. */
static int
webhook_self_test(const struct countersign_host_v1 *host)
{
	static const char expected[] = "v1,jrd11kPnK7uRG2/rvjJLCn+gZXJtieBKXOCEPZJNdfg=";
	char signature[WEBHOOK_SIGNATURE_MAX];

	(void)host;
	if (webhook_sign(countersign_view_of("0123456789abcdef01234567"), countersign_view_of("msg-1"), "1800000000",
	    countersign_view_of("{\"outcome\":\"permit\"}"), signature) != COUNTERSIGN_OK ||
	    strcmp(signature, expected) != 0)
		return COUNTERSIGN_INTERNAL;
	return COUNTERSIGN_OK;
}

static void
webhook_fini(void *instance)
{
	struct webhook *w = instance;

	explicit_bzero(w->secret, sizeof(w->secret));
	free(w);
}

static int
webhook_init(const struct countersign_host_v1 *host, void **instance)
{
	struct webhook *w = calloc(1, sizeof(*w));
	struct countersign_buffer secret;
	int rc;

	if (w == NULL)
		return COUNTERSIGN_INTERNAL;
	w->host = host;
	w->url = host->config_text(host->context, "url", 0);
	secret = (struct countersign_buffer){w->secret, sizeof(w->secret), 0};
	rc = host->config_secret(host->context, "secret", &secret);
	if (rc == COUNTERSIGN_OK && secret.len >= WEBHOOK_SECRET_MIN) {
		w->secret_len = secret.len;
	} else if (rc != COUNTERSIGN_INVALID) {
		say(w, COUNTERSIGN_LOG_ERROR, "the secret must have 24 to 64 bytes: write a new one, such as "
		    "`openssl rand -base64 36`, to its file");
		webhook_fini(w);
		return COUNTERSIGN_INVALID;
	}
	*instance = w;
	return COUNTERSIGN_OK;
}

static int
webhook_profile(void *instance, struct countersign_profile *profile)
{
	(void)instance;
	profile->assurance = 0;
	profile->controls = NULL;
	return COUNTERSIGN_OK;
}

/* Any 2xx is taken; a redirect is not followed, since it would lead away from the configured origin. */
static int
post(struct webhook *w, const struct countersign_deliver *in, const char *seconds, const char *signature)
{
	const struct countersign_header headers[] = {
		{countersign_view_of("webhook-id"), in->id},
		{countersign_view_of("webhook-timestamp"), countersign_view_of(seconds)},
		{countersign_view_of("webhook-signature"), countersign_view_of(signature)},
	};
	const struct countersign_http_request request = {
		.size = sizeof(request),
		.url = w->url,
		.content_type = countersign_view_of("application/json"),
		.body = in->document,
		.headers = headers,
		.headers_count = sizeof(headers) / sizeof(headers[0]),
	};
	struct countersign_http_response response = {.size = sizeof(response)};
	char text[64];
	int rc;

	response.body.data = w->host->scratch(w->host->context, ANSWER_MAX);
	response.body.cap = ANSWER_MAX;
	if (response.body.data == NULL)
		return COUNTERSIGN_INTERNAL;
	rc = w->host->http(w->host->context, &request, &response);
	if (rc != COUNTERSIGN_OK || (response.status >= 200 && response.status < 300))
		return rc;
	snprintf(text, sizeof(text), "the receiver answered %d", (int)response.status);
	say(w, COUNTERSIGN_LOG_WARN, text);
	return COUNTERSIGN_UNREACHABLE;
}

static int
webhook_deliver(void *instance, const struct countersign_deliver *in, struct countersign_delivery *out)
{
	struct webhook *w = instance;
	struct countersign_view secret = {w->secret, w->secret_len};
	char seconds[SECONDS_MAX], signature[WEBHOOK_SIGNATURE_MAX] = "";
	int rc = COUNTERSIGN_OK;

	snprintf(seconds, sizeof(seconds), "%lld", (long long)(in->call.now_ms / 1000));
	if (secret.len > 0)
		rc = webhook_sign(secret, in->id, seconds, in->document, signature);
	if (rc == COUNTERSIGN_OK)
		rc = post(w, in, seconds, signature);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	return rc;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_notify_v1 notify = {
		.size = sizeof(notify),
		.deliver = webhook_deliver,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_NOTIFY,
		.flags = COUNTERSIGN_USES_HTTP,
		.config_count = sizeof(config) / sizeof(config[0]),
		.config_key_size = sizeof(config[0]),
		.config = config,
		.name = "webhook",
		.version = "1",
		.help = "Posts each notice to an HTTPS URL (Standard Webhooks).",
		.self_test = webhook_self_test,
		.init = webhook_init,
		.fini = webhook_fini,
		.profile = webhook_profile,
		.notify = &notify,
	};

	return &plugin;
}
