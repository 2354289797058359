/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider for an author's first afternoon: an operator's own portal, asked over HTTPS who has signed in. See README.md.
 *
 * The browser goes to PORTAL/sign-in and comes back with a code. PORTAL/who is sent "CODE VERIFIER" with the password that it
 * shares with the broker, and answers one line: SUBJECT NONCE CLIENT SECONDS, the last since 1970, when that was.
 */
#include <ctype.h>
#include <stdio.h>

#include "countersign/plugin.h"

enum { GOOD_FOR_MS = 60 * 1000, EARLY_MS = 5 * 1000, TEXT_MAX = 5 * 1024, PASSWORD_MAX = 128 };

static const struct countersign_host_v1 *h; /* static, as a process has one instance */
static struct countersign_view portal;

static const struct countersign_config_key config[] = {
	{.name = "portal", .type = COUNTERSIGN_CONFIG_URL, .flags = COUNTERSIGN_CONFIG_REQUIRED, .max = 256,
	    .help = "Where people sign in."},
	{.name = "password", .type = COUNTERSIGN_CONFIG_SECRET, .flags = COUNTERSIGN_CONFIG_REQUIRED, .min = 16,
	    .max = PASSWORD_MAX, .help = "What the portal knows the broker by."},
};

static int
door_self_test(const struct countersign_host_v1 *host)
{
	return host->size >= sizeof(*host) ? COUNTERSIGN_OK : COUNTERSIGN_INTERNAL;
}

static int
door_init(const struct countersign_host_v1 *host, void **instance)
{
	(void)instance;
	h = host;
	portal = h->config_text(h->context, "portal", 0);
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

/* Behind the URL so far, percent-encoded. All of them have room: the broker's values are of at most 255 bytes. */
static void
add(char *url, const char *name, struct countersign_view value)
{
	size_t at = strlen(url);

	at += (size_t)snprintf(url + at, TEXT_MAX - at, "%s", name);
	for (size_t i = 0; i < value.len && at < TEXT_MAX - 4; i++)
		at += (size_t)snprintf(url + at, 4, isalnum((unsigned char)value.data[i]) || strchr("-_.~", value.data[i]) != NULL ?
		    "%c" : "%%%02X", (unsigned char)value.data[i]);
}

/* The portal knows where each client's people come back to. */
static int
door_url(void *instance, const struct countersign_authorize *in, struct countersign_authorize_answer *out)
{
	char url[TEXT_MAX];

	(void)instance;
	snprintf(url, sizeof(url), "%.*s/sign-in", (int)portal.len, portal.data);
	add(url, "?state=", in->state);
	add(url, "&nonce=", in->nonce);
	add(url, "&challenge=", in->code_challenge);
	add(url, "&client=", in->client_id);
	if (countersign_put(&out->url, url, strlen(url)) != COUNTERSIGN_OK)
		return COUNTERSIGN_FULL;
	/* Every answer names the call that it answers. */
	return countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

/* Asks the portal. The memory is the host's: zeroed, and wiped when the operation returns. */
static int
ask(const struct countersign_identify *in, struct countersign_buffer *line)
{
	struct {
		char url[TEXT_MAX], body[TEXT_MAX], header[7 + PASSWORD_MAX + 1], answer[TEXT_MAX];
	} *m = h->scratch(h->context, sizeof(*m));
	struct countersign_http_request request = {.size = sizeof(request), .content_type = countersign_view_of("text/plain")};
	struct countersign_http_response response = {.size = sizeof(response)};
	struct countersign_buffer password = {m == NULL ? NULL : m->header + 7, PASSWORD_MAX, 0};
	int rc;

	if (m == NULL || h->config_secret(h->context, "password", &password) != COUNTERSIGN_OK)
		return COUNTERSIGN_INTERNAL;
	memcpy(m->header, "Bearer ", 7);
	snprintf(m->url, TEXT_MAX, "%.*s/who", (int)portal.len, portal.data);
	snprintf(m->body, TEXT_MAX, "%.*s %.*s", (int)in->code.len, in->code.data, (int)in->code_verifier.len, in->code_verifier.data);
	request.url = countersign_view_of(m->url);
	request.body = countersign_view_of(m->body);
	request.authorization = countersign_view_of(m->header);
	response.body = (struct countersign_buffer){m->answer, TEXT_MAX - 1, 0};
	rc = h->http(h->context, &request, &response);
	*line = response.body;
	/* A no and a failure are two things: what could not be found out never counts as an answer. */
	return rc != COUNTERSIGN_OK || response.status == 200 ? rc :
	    response.status == 403 ? COUNTERSIGN_BAD_CODE : COUNTERSIGN_UNREACHABLE;
}

static int
door_identify(void *instance, const struct countersign_identify *in, struct countersign_identity *out)
{
	char subject[256], nonce[256], client[256];
	struct countersign_buffer line;
	long long seconds;
	int end = 0, rc = in->code.len == 0 ? COUNTERSIGN_BAD_TOKEN : ask(in, &line); /* it signs nothing */

	(void)instance;
	if (rc != COUNTERSIGN_OK)
		return rc;
	if (sscanf(line.data, "%255s %255s %255s %11lld%n", subject, nonce, client, &seconds, &end) != 4 || (size_t)end != line.len)
		return COUNTERSIGN_PROVIDER_ERROR;
	if (strlen(nonce) != in->nonce.len || memcmp(nonce, in->nonce.data, in->nonce.len) != 0)
		return COUNTERSIGN_BAD_NONCE;
	/* The first is the one that exchanges codes. */
	if (strlen(client) != in->client_ids[0].len || memcmp(client, in->client_ids[0].data, strlen(client)) != 0)
		return COUNTERSIGN_BAD_AUDIENCE;
	out->auth_time_ms = out->issued_at_ms = seconds * 1000;
	out->expires_at_ms = out->issued_at_ms + GOOD_FOR_MS;
	if (out->issued_at_ms > in->call.now_ms + EARLY_MS)
		return COUNTERSIGN_NOT_YET_VALID;
	if (out->expires_at_ms < in->call.now_ms)
		return COUNTERSIGN_EXPIRED;
	return countersign_put(&out->request, in->call.request.data, in->call.request.len) == COUNTERSIGN_OK &&
	        countersign_put(&out->issuer, portal.data, portal.len) == COUNTERSIGN_OK &&
	        countersign_put(&out->subject, subject, strlen(subject)) == COUNTERSIGN_OK &&
	        countersign_put(&out->audience, client, strlen(client)) == COUNTERSIGN_OK &&
	        countersign_put(&out->nonce, nonce, strlen(nonce)) == COUNTERSIGN_OK ? COUNTERSIGN_OK : COUNTERSIGN_FULL;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_provider_v1 provider = {sizeof(provider), .authorization_url = door_url, .identify = door_identify};
	static const struct countersign_plugin_v1 plugin = {.size = sizeof(plugin), .abi = COUNTERSIGN_PLUGIN_ABI,
	    .kinds = COUNTERSIGN_KIND_PROVIDER, .flags = COUNTERSIGN_USES_HTTP, .name = "door", .version = "1.0",
	    .help = "Signs people in at the operator's own portal.", .config_count = sizeof(config) / sizeof(config[0]),
	    .config_key_size = sizeof(config[0]), .config = config, .self_test = door_self_test, .init = door_init,
	    .profile = door_profile, .provider = &provider};

	return &plugin;
}
