/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS for plugins, by libcurl, within narrow limits: only to origins that the configuration
 * names, TLS 1.2 or later, certificates checked against the configured authorities, no redirect,
 * proxy, cookie, netrc or other scheme, bounded in time and size. One request at a time;
 * connections are kept for the next.
 */
#ifndef CS_WORKER_HTTP_H
#define CS_WORKER_HTTP_H

#include "broker/worker/settings.h"

enum {
	HTTP_ORIGINS_MAX = 32,
	HTTP_URL_MAX = SETTINGS_URL_MAX,
	HTTP_TIMEOUT_MAX_MS = 60 * 1000,
	HTTP_MARGIN_MS =
	    100, /* kept of a call's deadline, to say what happened before the watchdog acts */
};

struct http;

/*
 * Origins are those of the plugin's URL keys, of their defaults where they are not given, and of `allow-url`. CS_ERR_RANGE where one cannot be
 * parsed, with a sentence in problem. The settings must outlive it. After the fork: libcurl's state
 * is not to be shared.
 */
enum cs_err http_new(const struct settings *settings, const struct countersign_plugin_v1 *plugin,
    struct http **http, char *problem);
void http_free(struct http *http);

/* An enum countersign_result; see plugin.h. */
int http_perform(struct http *http, const struct countersign_http_request *request,
    int64_t timeout_ms, struct countersign_http_response *response);

#endif
