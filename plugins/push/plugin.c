/* SPDX-License-Identifier: Apache-2.0 */
/* The notify plugin `push`: security events to services, each as one POST (RFC 8935). See README.md. */
#include <stdio.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/web.h"

enum { ERR_MAX = 32 };

static const struct countersign_config_key config[] = {
	{.name = "receiver", .type = COUNTERSIGN_CONFIG_URL, .flags = COUNTERSIGN_CONFIG_REQUIRED | COUNTERSIGN_CONFIG_MANY,
	    .min = 9, .max = 1024, .help = "An address whose origin may be pushed to; a service's stream that goes elsewhere stays still."},
};

static int
push_self_test(const struct countersign_host_v1 *host)
{
	static const char text[] = "{\"endpoint_url\":\"https://a.example/\",\"set\":\"a.b.c\"}";
	json_t *document = json_read_object(text, sizeof(text) - 1);
	bool good = view_is_text(json_member_text(document, "set"), "a.b.c");

	(void)host;
	json_decref(document);
	return good ? COUNTERSIGN_OK : COUNTERSIGN_INTERNAL;
}

/* The host's table is all that an instance has. */
static int
push_init(const struct countersign_host_v1 *host, void **instance)
{
	*instance = (void *)(uintptr_t)host;
	return COUNTERSIGN_OK;
}

static int
push_profile(void *instance, struct countersign_profile *profile)
{
	(void)instance;
	profile->assurance = 0;
	profile->controls = NULL;
	return COUNTERSIGN_OK;
}

/*
 * Section 2.4. A message that the receiver will never take is given up; where it does not know us, or itself, somebody will mend
 * that, and the message is tried again.
 */
static int
judge(const struct countersign_host_v1 *host, int status, const struct countersign_buffer *body)
{
	static const char *const for_good[] = {"invalid_request", "invalid_state"};
	json_t *answer = json_read_object(body->data, body->len);
	struct countersign_view err = json_member_text(answer, "err");
	int rc = COUNTERSIGN_UNREACHABLE;
	char text[64];

	if (status / 100 == 2)
		rc = COUNTERSIGN_OK;
	for (size_t i = 0; status == 400 && i < sizeof(for_good) / sizeof(for_good[0]); i++)
		if (view_is_text(err, for_good[i]))
			rc = COUNTERSIGN_BAD_TOKEN;
	if (rc != COUNTERSIGN_OK) {
		snprintf(text, sizeof(text), "the receiver answered %d", status);
		web_log(host, COUNTERSIGN_LOG_WARN, text, err.len <= ERR_MAX ? err : countersign_view_of(NULL));
	}
	json_decref(answer);
	return rc;
}

static int
push_deliver(void *instance, const struct countersign_deliver *in, struct countersign_delivery *out)
{
	const struct countersign_host_v1 *host = instance;
	json_t *document = json_read_object(in->document.data, in->document.len);
	struct countersign_http_request request = {
		.url = json_member_text(document, "endpoint_url"),
		.method = countersign_view_of("POST"),
		.content_type = countersign_view_of("application/secevent+jwt"),
		.authorization = json_member_text(document, "authorization_header"),
		.body = json_member_text(document, "set"),
	};
	struct countersign_buffer body = {NULL, 0, 0};
	int status = 0, rc = COUNTERSIGN_INVALID;

	if (request.url.len > 0 && request.body.len > 0)
		rc = web_send(host, &request, &status, &body);
	/* An address that is not allowed: the admin was told, and may allow it. */
	if (rc == COUNTERSIGN_INVALID || rc == COUNTERSIGN_PROVIDER_ERROR)
		rc = COUNTERSIGN_UNREACHABLE;
	if (rc == COUNTERSIGN_OK)
		rc = judge(host, status, &body);
	json_decref(document);
	return rc != COUNTERSIGN_OK ? rc :
	    countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_notify_v1 notify = {
		.size = sizeof(notify),
		.deliver = push_deliver,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_NOTIFY,
		.flags = COUNTERSIGN_USES_HTTP,
		.config_count = sizeof(config) / sizeof(config[0]),
		.config_key_size = sizeof(config[0]),
		.config = config,
		.name = "push",
		.version = "1",
		.help = "Pushes security events to services (RFC 8935).",
		.self_test = push_self_test,
		.init = push_init,
		.profile = push_profile,
		.notify = &notify,
	};

	return &plugin;
}
