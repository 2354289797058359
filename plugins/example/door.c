/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider for an author's first afternoon: an operator's own portal, asked over HTTPS who has signed in. See README.md.
 *
 * The browser goes to PORTAL/sign-in and comes back with a code. PORTAL/who is sent "CODE VERIFIER" with the password that it
 * shares with the broker, and answers one line: SUBJECT NONCE CLIENT SECONDS, the last since 1970, when that was.
 */
#include <stdbool.h>
#include <stdio.h>

#include "countersign/plugin.h"

enum { GOOD_FOR_MS = 60 * 1000, EARLY_MS = 5 * 1000, TEXT_MAX = 5 * 1024, PASSWORD_MAX = 128 };

struct door {
	const struct countersign_host_v1 *host;
	struct countersign_view portal;  /* of the configuration, which outlives the instance */
};

static const struct countersign_config_key config[] = {
	{.name = "portal", .type = COUNTERSIGN_CONFIG_URL, .flags = COUNTERSIGN_CONFIG_REQUIRED, .max = 256,
	    .help = "Where people sign in."},
	{.name = "password", .type = COUNTERSIGN_CONFIG_SECRET, .flags = COUNTERSIGN_CONFIG_REQUIRED, .min = 16,
	    .max = PASSWORD_MAX, .help = "What the portal knows the broker by."},
};

/* No network, no configuration: nothing here could be broken on one machine alone. */
static int
door_self_test(const struct countersign_host_v1 *host)
{
	return host->size >= sizeof(*host) ? COUNTERSIGN_OK : COUNTERSIGN_INTERNAL;
}

static int
door_init(const struct countersign_host_v1 *host, void **instance)
{
	static struct door door; /* a process has one instance */

	door = (struct door){host, host->config_text(host->context, "portal", 0)};
	*instance = &door;
	return COUNTERSIGN_OK;
}

/* The portal never gives a subject to another person. It does not sign people in anew: no HONOURS_MAX_AGE. */
static int
door_profile(void *instance, struct countersign_profile *profile)
{
	(void)instance;
	profile->assurance = COUNTERSIGN_STABLE_SUBJECT;
	return COUNTERSIGN_OK;
}

/* What the broker made for it is of letters, digits, "-" and "_". The portal knows where each client's people come back to. */
static int
door_url(void *instance, const struct countersign_authorize *in, struct countersign_authorize_answer *out)
{
	const struct door *d = instance;
	char url[TEXT_MAX];
	int n = snprintf(url, sizeof(url), "%.*s/sign-in?state=%.*s&nonce=%.*s&challenge=%.*s&client=%.*s", (int)d->portal.len,
	    d->portal.data, (int)in->state.len, in->state.data, (int)in->nonce.len, in->nonce.data, (int)in->code_challenge.len,
	    in->code_challenge.data, (int)in->client_id.len, in->client_id.data);

	if (n < 0 || (size_t)n >= sizeof(url) || countersign_put(&out->url, url, (size_t)n) != COUNTERSIGN_OK)
		return COUNTERSIGN_FULL;
	/* Every answer names the call that it answers. */
	return countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

/* Asks the portal. The memory is the host's, and is wiped by it when the operation returns. */
static int
ask(const struct door *d, const struct countersign_identify *in, struct countersign_buffer *line)
{
	const struct countersign_host_v1 *h = d->host;
	char *url = h->scratch(h->context, TEXT_MAX), *body = h->scratch(h->context, TEXT_MAX);
	char *header = h->scratch(h->context, PASSWORD_MAX + 8), *answer = h->scratch(h->context, TEXT_MAX);
	struct countersign_http_response response = {.size = sizeof(response)};
	struct countersign_http_request request = {.size = sizeof(request), .content_type = countersign_view_of("text/plain")};
	struct countersign_buffer password = {NULL, PASSWORD_MAX, 0};
	int rc;

	if (url == NULL || body == NULL || header == NULL || answer == NULL)
		return COUNTERSIGN_INTERNAL;
	memcpy(header, "Bearer ", 7);
	password.data = header + 7;
	if (h->config_secret(h->context, "password", &password) != COUNTERSIGN_OK)
		return COUNTERSIGN_INVALID;
	request.url = (struct countersign_view){url, (size_t)snprintf(url, TEXT_MAX, "%.*s/who", (int)d->portal.len, d->portal.data)};
	request.body = (struct countersign_view){body, (size_t)snprintf(body, TEXT_MAX, "%.*s %.*s", (int)in->code.len,
	    in->code.data, (int)in->code_verifier.len, in->code_verifier.data)};
	request.authorization = (struct countersign_view){header, 7 + password.len};
	response.body = (struct countersign_buffer){answer, TEXT_MAX - 1, 0}; /* and a NUL: the memory is zeroed */
	rc = h->http(h->context, &request, &response);
	*line = response.body;
	/* A no and a failure are two things: what could not be found out never counts as an answer. */
	return rc != COUNTERSIGN_OK || response.status == 200 ? rc :
	    response.status == 403 ? COUNTERSIGN_BAD_CODE : COUNTERSIGN_UNREACHABLE;
}

static bool
is(struct countersign_view v, const char *text)
{
	return v.len == strlen(text) && memcmp(v.data, text, v.len) == 0;
}

static int
door_identify(void *instance, const struct countersign_identify *in, struct countersign_identity *out)
{
	const struct door *d = instance;
	char subject[256], nonce[256], client[256];
	struct countersign_buffer line;
	long long seconds;
	int rc, end = 0;

	if (in->code.len == 0)
		return COUNTERSIGN_BAD_TOKEN; /* the portal signs nothing */
	if ((rc = ask(d, in, &line)) != COUNTERSIGN_OK)
		return rc;
	if (sscanf(line.data, "%255s %255s %255s %11lld%n", subject, nonce, client, &seconds, &end) != 4 || (size_t)end != line.len)
		return COUNTERSIGN_PROVIDER_ERROR;
	if (!is(in->nonce, nonce))
		return COUNTERSIGN_BAD_NONCE;
	if (!is(in->client_ids[0], client)) /* the first is the one that exchanges codes */
		return COUNTERSIGN_BAD_AUDIENCE;
	out->auth_time_ms = out->issued_at_ms = seconds * 1000;
	out->expires_at_ms = out->issued_at_ms + GOOD_FOR_MS;
	if (out->issued_at_ms > in->call.now_ms + EARLY_MS)
		return COUNTERSIGN_NOT_YET_VALID;
	if (out->expires_at_ms < in->call.now_ms)
		return COUNTERSIGN_EXPIRED;
	return countersign_put(&out->request, in->call.request.data, in->call.request.len) == COUNTERSIGN_OK &&
	        countersign_put(&out->issuer, d->portal.data, d->portal.len) == COUNTERSIGN_OK &&
	        countersign_put(&out->subject, subject, strlen(subject)) == COUNTERSIGN_OK &&
	        countersign_put(&out->audience, client, strlen(client)) == COUNTERSIGN_OK &&
	        countersign_put(&out->nonce, nonce, strlen(nonce)) == COUNTERSIGN_OK ? COUNTERSIGN_OK : COUNTERSIGN_FULL;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_provider_v1 provider = {.size = sizeof(provider), .authorization_url = door_url,
	    .identify = door_identify};
	static const struct countersign_plugin_v1 plugin = {.size = sizeof(plugin), .abi = COUNTERSIGN_PLUGIN_ABI,
	    .kinds = COUNTERSIGN_KIND_PROVIDER, .flags = COUNTERSIGN_USES_HTTP, .name = "door", .version = "1.0",
	    .help = "Signs people in at the operator's own portal.", .config_count = sizeof(config) / sizeof(config[0]),
	    .config_key_size = sizeof(config[0]), .config = config, .self_test = door_self_test, .init = door_init,
	    .profile = door_profile, .provider = &provider};

	return &plugin;
}
