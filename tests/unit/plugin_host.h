/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for plugins under test: configuration from an array, a clock that the test sets, HTTP from
 * a callback.
 */
#ifndef CS_TESTS_PLUGIN_HOST_H
#define CS_TESTS_PLUGIN_HOST_H

#include <stdlib.h>

#include "countersign/plugin.h"

struct fake_setting {
	const char *name, *value;
};

struct fake_host {
	struct countersign_host_v1 table;  /* first member */
	const struct fake_setting
	    *settings; /* ended by name NULL; before the defaults of `config` */
	const struct countersign_config_key *config;
	size_t config_count;
	int64_t wall_ms, boot_ms;
	unsigned char next_random;
	int (*answer)(struct fake_host *h, const struct countersign_http_request *request,
	    struct countersign_http_response *response);
	unsigned fetches;
	char log[512];  /* the last line */
	void *scratch[16];
	size_t scratch_count;
};

static inline void
fake_log(void *context, int level, struct countersign_view text)
{
	struct fake_host *h = context;
	size_t n = text.len < sizeof(h->log) - 1 ? text.len : sizeof(h->log) - 1;

	(void)level;
	memcpy(h->log, text.data, n);
	h->log[n] = '\0';
}

static inline int64_t
fake_wall_ms(void *context)
{
	return ((struct fake_host *)context)->wall_ms;
}

static inline int64_t
fake_boot_ms(void *context)
{
	return ((struct fake_host *)context)->boot_ms;
}

static inline void
fake_random(void *context, void *to, size_t len)
{
	struct fake_host *h = context;

	for (size_t i = 0; i < len; i++)
		((unsigned char *)to)[i] = h->next_random++;
}

static inline int
fake_http(void *context, const struct countersign_http_request *request,
    struct countersign_http_response *response)
{
	struct fake_host *h = context;

	h->fetches++;
	return h->answer == NULL ? COUNTERSIGN_UNREACHABLE : h->answer(h, request, response);
}

static inline struct countersign_view
fake_config_text(void *context, const char *name, size_t index)
{
	struct fake_host *h = context;
	size_t seen = 0;

	for (const struct fake_setting *s = h->settings; s != NULL && s->name != NULL; s++)
		if (strcmp(s->name, name) == 0 && seen++ == index)
			return countersign_view_of(s->value);
	for (size_t i = 0; seen == 0 && index == 0 && i < h->config_count; i++)
		if (strcmp(h->config[i].name, name) == 0)
			return countersign_view_of(h->config[i].default_value);
	return countersign_view_of(NULL);
}

static inline size_t
fake_config_count(void *context, const char *name)
{
	size_t n = 0;

	while (fake_config_text(context, name, n).data != NULL)
		n++;
	return n;
}

static inline int64_t
fake_config_int(void *context, const char *name, int64_t otherwise)
{
	struct countersign_view v = fake_config_text(context, name, 0);

	if (v.data == NULL)
		return otherwise;
	if (strcmp(v.data, "yes") == 0)
		return 1;
	return strcmp(v.data, "no") == 0 ? 0 : strtoll(v.data, NULL, 10);
}

static inline int
fake_config_secret(void *context, const char *name, struct countersign_buffer *to)
{
	struct countersign_view v = fake_config_text(context, name, 0);

	return v.data == NULL ? COUNTERSIGN_INVALID : countersign_put(to, v.data, v.len);
}

static inline void *
fake_scratch(void *context, size_t len)
{
	struct fake_host *h = context;

	if (h->scratch_count == sizeof(h->scratch) / sizeof(h->scratch[0]))
		return NULL;
	return h->scratch[h->scratch_count++] = calloc(1, len);
}

static inline void
fake_host_init(struct fake_host *h, const struct countersign_plugin_v1 *plugin,
    const struct fake_setting *settings)
{
	memset(h, 0, sizeof(*h));
	h->settings = settings;
	h->config = plugin->config;
	h->config_count = plugin->config_count;
	h->table = (struct countersign_host_v1){
		.size = sizeof(h->table),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.context = h,
		.log = fake_log,
		.wall_ms = fake_wall_ms,
		.boot_ms = fake_boot_ms,
		.random = fake_random,
		.http = fake_http,
		.config_count = fake_config_count,
		.config_text = fake_config_text,
		.config_int = fake_config_int,
		.config_secret = fake_config_secret,
		.scratch = fake_scratch,
	};
}

/* As a worker does when an operation has returned. */
static inline void
fake_host_clear(struct fake_host *h)
{
	while (h->scratch_count > 0)
		free(h->scratch[--h->scratch_count]);
}

#endif
