/* SPDX-License-Identifier: Apache-2.0 */
/* The host's log and HTTP as providers use them. */
#include <openssl/crypto.h>
#include <stdio.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/web.h"

enum { LINE_MAX_BYTES = 256, DETAIL_MAX = 128 };

void
web_log(const struct countersign_host_v1 *host, int level, const char *text, struct countersign_view detail)
{
	char line[LINE_MAX_BYTES];
	int n = snprintf(line, sizeof(line), "%s%s%.*s", text, detail.data == NULL ? "" : " ",
	    detail.len < DETAIL_MAX ? (int)detail.len : DETAIL_MAX, detail.data == NULL ? "" : detail.data);

	host->log(host->context, level, (struct countersign_view){line,
	    n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1});
}

/* What of an address may be shown: its query can hold a secret. */
static struct countersign_view
without_query(struct countersign_view url)
{
	const char *query = memchr(url.data, '?', url.len);

	return (struct countersign_view){url.data, query == NULL ? url.len : (size_t)(query - url.data)};
}

int
web_send(const struct countersign_host_v1 *host, struct countersign_http_request *request, int *status,
    struct countersign_buffer *body)
{
	struct countersign_http_response response = {.size = sizeof(response)};
	int rc;

	request->size = sizeof(*request);
	if (request->accept.data == NULL)
		request->accept = countersign_view_of("application/json");
	if (request->body.data != NULL && request->content_type.data == NULL)
		request->content_type = countersign_view_of(WEB_FORM);
	response.body.data = host->scratch(host->context, WEB_DOCUMENT_MAX);
	response.body.cap = WEB_DOCUMENT_MAX;
	if (response.body.data == NULL)
		return COUNTERSIGN_INTERNAL;
	rc = host->http(host->context, request, &response);
	if (rc == COUNTERSIGN_INVALID)
		web_log(host, COUNTERSIGN_LOG_WARN, "the provider names an address that is not allowed; write it as "
		    "allow-url if it is right:", without_query(request->url));
	if (rc == COUNTERSIGN_FULL)
		return COUNTERSIGN_PROVIDER_ERROR;
	if (rc != COUNTERSIGN_OK)
		return rc;
	*status = response.status;
	*body = response.body;
	return COUNTERSIGN_OK;
}

int
web_fetch(const struct countersign_host_v1 *host, struct countersign_http_request *request, int *status,
    json_t **json)
{
	struct countersign_buffer body;
	int rc = web_send(host, request, status, &body);

	if (rc != COUNTERSIGN_OK)
		return rc;
	*json = json_read_object(body.data, body.len);
	OPENSSL_cleanse(body.data, body.len);
	return COUNTERSIGN_OK;
}
