/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that this worker gives to its plugin. */
#include "broker/worker/host.h"

#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/log.h"

static void
host_log(void *context, int level, struct countersign_view text)
{
	struct host *h = context;
	enum log_level at = level < LOG_LEVEL_ERROR ? LOG_LEVEL_ERROR :
	    level > LOG_LEVEL_DEBUG ? LOG_LEVEL_DEBUG : (enum log_level)level;

	log_at(at, "plugin name=%s says=%s", h->plugin->name,
	    log_value(view_of(text.data, text.len)));
}

static int64_t
host_wall_ms(void *context)
{
	struct clock_now now;

	(void)context;
	clock_read(&now);
	return now.wall_ms;
}

static int64_t
host_boot_ms(void *context)
{
	struct clock_now now;

	(void)context;
	clock_read(&now);
	return now.boot_ms;
}

static void
host_random(void *context, void *to, size_t len)
{
	(void)context;
	secret_random(to, len);
}

static int
host_http(void *context, const struct countersign_http_request *request,
    struct countersign_http_response *response)
{
	struct host *h = context;
	int64_t left_ms = h->deadline_boot_ms - host_boot_ms(context) - HTTP_MARGIN_MS;

	if (h->http == NULL)
		return COUNTERSIGN_INVALID;
	if (h->deadline_boot_ms == 0)
		left_ms = HTTP_TIMEOUT_MAX_MS;
	if (left_ms <= 0)
		return COUNTERSIGN_TOO_LATE;
	if (request->timeout_ms > 0 && request->timeout_ms < left_ms)
		left_ms = request->timeout_ms;
	return http_perform(h->http, request, left_ms, response);
}

static const struct setting *
find(const struct host *h, const char *name)
{
	return h->settings == NULL ? NULL : settings_find(h->settings, name);
}

static const char *
default_of(const struct host *h, const char *name)
{
	const struct countersign_config_key *key = settings_key(h->plugin, name);

	return key == NULL ? NULL : key->default_value;
}

static size_t
host_config_count(void *context, const char *name)
{
	const struct setting *s = find(context, name);

	return s != NULL ? s->count : default_of(context, name) != NULL;
}

static struct countersign_view
host_config_text(void *context, const char *name, size_t index)
{
	const struct setting *s = find(context, name);

	if (s == NULL)
		return countersign_view_of(index == 0 ? default_of(context, name) : NULL);
	if (s->secret != NULL || index >= s->count)
		return countersign_view_of(NULL);
	return countersign_view_of(s->values[index]);
}

static int64_t
host_config_int(void *context, const char *name, int64_t otherwise)
{
	struct countersign_view v = host_config_text(context, name, 0);
	int64_t value;

	if (v.data == NULL)
		return otherwise;
	if (strcmp(v.data, "yes") == 0)
		return 1;
	if (strcmp(v.data, "no") == 0)
		return 0;
	return settings_int(v.data, &value) ? value : otherwise;
}

static int
host_config_secret(void *context, const char *name, struct countersign_buffer *to)
{
	const struct setting *s = find(context, name);

	if (s == NULL || s->secret == NULL)
		return COUNTERSIGN_INVALID;
	return countersign_put(to, s->secret->bytes, s->secret->len);
}

static void *
host_scratch(void *context, size_t len)
{
	struct host *h = context;
	void *data;

	if (h->scratch_count == HOST_SCRATCH_BLOCKS || len == 0 ||
	    len > HOST_SCRATCH_MAX - h->scratch_bytes)
		return NULL;
	data = calloc(1, len);
	if (data == NULL)
		return NULL;
	h->scratch[h->scratch_count].data = data;
	h->scratch[h->scratch_count++].len = len;
	h->scratch_bytes += len;
	return data;
}

void
host_init(struct host *h, const struct countersign_plugin_v1 *plugin,
    const struct settings *settings, struct http *http)
{
	memset(h, 0, sizeof(*h));
	h->plugin = plugin;
	h->settings = settings;
	h->http = http;
	h->table = (struct countersign_host_v1){
		.size = sizeof(h->table),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.context = h,
		.log = host_log,
		.wall_ms = host_wall_ms,
		.boot_ms = host_boot_ms,
		.random = host_random,
		.http = host_http,
		.config_count = host_config_count,
		.config_text = host_config_text,
		.config_int = host_config_int,
		.config_secret = host_config_secret,
		.scratch = host_scratch,
	};
}

void
host_call_begin(struct host *h, int64_t deadline_boot_ms)
{
	h->deadline_boot_ms = deadline_boot_ms;
}

void
host_call_end(struct host *h)
{
	while (h->scratch_count > 0) {
		h->scratch_count--;
		secret_wipe(h->scratch[h->scratch_count].data, h->scratch[h->scratch_count].len);
		free(h->scratch[h->scratch_count].data);
	}
	h->scratch_bytes = 0;
	h->deadline_boot_ms = 0;
}
