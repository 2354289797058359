/* SPDX-License-Identifier: Apache-2.0 */
/* The host's log and HTTP as providers use them: one line, one exchange, one JSON object. */
#ifndef CS_PLUGIN_LIB_WEB_H
#define CS_PLUGIN_LIB_WEB_H

#include <jansson.h>

#include "countersign/plugin.h"

enum { WEB_DOCUMENT_MAX = 64 * 1024 };  /* discovery, keys, token answer; Microsoft's keys are 16 KiB */

#define WEB_FORM "application/x-www-form-urlencoded"

/* One line to the host's log; detail may come from outside and is absent when {NULL, 0}. Never a secret. */
void web_log(const struct countersign_host_v1 *host, int level, const char *text,
    struct countersign_view detail);

/*
 * One exchange, with the answer as it came: *body is of the host's scratch memory. request->size is set
 * here; Accept is application/json where it is absent, and content_type WEB_FORM where there is a body.
 * COUNTERSIGN_OK with any status; INVALID: the address is not allowed, which is in the log then;
 * PROVIDER_ERROR: the answer is longer than WEB_DOCUMENT_MAX; UNREACHABLE, TOO_LATE, INTERNAL.
 */
int web_send(const struct countersign_host_v1 *host, struct countersign_http_request *request, int *status,
    struct countersign_buffer *body);

/*
 * The same with the answer parsed, and wiped: to be released by json_decref(). What is not a JSON object
 * is *json = NULL with COUNTERSIGN_OK; the caller judges by status.
 */
int web_fetch(const struct countersign_host_v1 *host, struct countersign_http_request *request, int *status,
    json_t **json);

#endif
