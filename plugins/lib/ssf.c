/* SPDX-License-Identifier: Apache-2.0 */
/* The transmitter's metadata, and one exchange with its management. */
#include "plugins/lib/ssf.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/lib/encoding.h"

enum { AUTHORIZATION_MAX = SIGNALS_SECRET_MAX + 8 };

/* An https URL without a fragment, blanks or control characters; else empty. */
static void
read_url(const json_t *document, const char *name, char to[OIDC_URL_MAX])
{
	struct countersign_view v = json_member_text(document, name);

	to[0] = '\0';
	if (v.len >= OIDC_URL_MAX || v.len < 9 || strncmp(v.data, "https://", 8) != 0)
		return;
	for (size_t i = 0; i < v.len; i++)
		if ((unsigned char)v.data[i] <= ' ' || (unsigned char)v.data[i] >= 0x7f || v.data[i] == '#')
			return;
	memcpy(to, v.data, v.len + 1);
}

const char *
ssf_read(struct countersign_view issuer, const json_t *document, struct ssf_metadata *m)
{
	struct countersign_view is = json_member_text(document, "issuer");
	json_t *critical = json_object_get(document, "critical_subject_members");
	struct ssf_metadata got;

	if (is.data == NULL || !view_is(is, issuer))
		return "its issuer is not the configured one";
	if (critical != NULL && !json_is_array(critical))
		return "its critical_subject_members are no array";
	read_url(document, "jwks_uri", got.jwks_uri);
	read_url(document, "configuration_endpoint", got.configuration_endpoint);
	read_url(document, "status_endpoint", got.status_endpoint);
	read_url(document, "verification_endpoint", got.verification_endpoint);
	if (got.jwks_uri[0] == '\0')
		return "its jwks_uri is not an https URL";
	got.critical = json_incref(critical);
	*m = got;
	return NULL;
}

/* SSF 1.0 section 6.2: the name of the document stands between the host and the path of the issuer. */
static void
well_known(struct countersign_view issuer, char *to, size_t cap)
{
	size_t host = strlen("https://");

	while (host < issuer.len && issuer.data[host] != '/')
		host++;
	if (issuer.len > host && issuer.data[issuer.len - 1] == '/')
		issuer.len--;
	snprintf(to, cap, "%.*s/.well-known/ssf-configuration%.*s", (int)host, issuer.data,
	    (int)(issuer.len - host), issuer.data + host);
}

static int
fetch(struct signals *s)
{
	char url[OIDC_URL_MAX];
	const char *why = "the answer is not a JSON object with status 200";
	struct ssf_metadata got, *m = s->metadata;
	json_t *document = NULL;
	int status = 0, rc;

	well_known(s->source.settings.issuer, url, sizeof(url));
	rc = oidc_fetch(&s->source, url, countersign_view_of(NULL), countersign_view_of(NULL), &status, &document);
	if (rc != COUNTERSIGN_OK)
		return rc;
	if (status == 200 && document != NULL)
		why = ssf_read(s->source.settings.issuer, document, &got);
	json_decref(document);
	if (status >= 500)
		return COUNTERSIGN_UNREACHABLE;
	if (why != NULL) {
		oidc_log(&s->source, COUNTERSIGN_LOG_WARN, "the transmitter's metadata are refused:", countersign_view_of(why));
		return COUNTERSIGN_PROVIDER_ERROR;
	}
	if (m == NULL)
		m = calloc(1, sizeof(*m));
	if (m == NULL) {
		json_decref(got.critical);
		return COUNTERSIGN_INTERNAL;
	}
	json_decref(m->critical);
	*m = got;
	s->metadata = m;
	s->fetched_boot_ms = s->source.host->boot_ms(s->source.host->context);
	return COUNTERSIGN_OK;
}

int
ssf_need(struct signals *s)
{
	int64_t age = s->source.host->boot_ms(s->source.host->context) - s->fetched_boot_ms;

	if (s->metadata != NULL && age < s->source.settings.keys_max_age_ms)
		return COUNTERSIGN_OK;
	return fetch(s);
}

/* What a status that is no success means to us. */
static int
judge(const struct signals *s, int status, const json_t *answer)
{
	struct countersign_view said = json_member_text(answer, "description");
	char text[64];

	if (status / 100 == 2)
		return COUNTERSIGN_OK;
	if (said.len == 0 || said.len > 255)
		said = json_member_text(answer, "err");
	snprintf(text, sizeof(text), "the transmitter answers with status %d:", status);
	oidc_log(&s->source, COUNTERSIGN_LOG_WARN, text, said);
	if (status == 401 || status == 403)
		return COUNTERSIGN_BAD_BINDING;
	return status == 429 || status >= 500 ? COUNTERSIGN_UNREACHABLE : COUNTERSIGN_PROVIDER_ERROR;
}

/* An object; or a list, as the member `list` of one; else NULL. */
static json_t *
read_answer(const struct countersign_host_v1 *h, const struct countersign_buffer *body)
{
	static const char before[] = "{\"list\":", after[] = "}";
	size_t len = sizeof(before) - 1 + body->len + sizeof(after) - 1;
	char *text;

	if (body->len == 0 || body->data[0] != '[')
		return json_read_object(body->data, body->len);
	text = h->scratch(h->context, len);
	if (text == NULL)
		return NULL;
	memcpy(text, before, sizeof(before) - 1);
	memcpy(text + sizeof(before) - 1, body->data, body->len);
	memcpy(text + sizeof(before) - 1 + body->len, after, sizeof(after) - 1);
	return json_read_object(text, len);
}

int
ssf_ask(struct signals *s, const char *method, const char *url, json_t *body, int64_t now_ms, int *status,
    json_t **answer)
{
	const struct countersign_host_v1 *h = s->source.host;
	struct countersign_buffer authorization = {h->scratch(h->context, AUTHORIZATION_MAX), AUTHORIZATION_MAX, 0};
	char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
	struct countersign_http_request request = {
		.url = countersign_view_of(url),
		.method = countersign_view_of(method),
		.content_type = countersign_view_of(text == NULL ? NULL : "application/json"),
		.body = countersign_view_of(text),
	};
	struct countersign_buffer got = {NULL, 0, 0};
	int rc = authorization.data == NULL || (body != NULL && text == NULL) ? COUNTERSIGN_INTERNAL : COUNTERSIGN_OK;

	json_decref(body);
	*answer = NULL;
	if (rc == COUNTERSIGN_OK && url[0] == '\0') {
		oidc_log(&s->source, COUNTERSIGN_LOG_WARN, "the transmitter has no endpoint for this", countersign_view_of(NULL));
		rc = COUNTERSIGN_PROVIDER_ERROR;
	}
	if (rc == COUNTERSIGN_OK)
		rc = signals_authorization(s, now_ms, &authorization);
	request.authorization = (struct countersign_view){authorization.len == 0 ? NULL : authorization.data, authorization.len};
	if (rc == COUNTERSIGN_OK)
		rc = web_send(h, &request, status, &got);
	if (rc == COUNTERSIGN_OK)
		*answer = read_answer(h, &got);
	if (authorization.data != NULL)
		OPENSSL_cleanse(authorization.data, authorization.cap);
	free(text);
	if (rc == COUNTERSIGN_INVALID)
		rc = COUNTERSIGN_PROVIDER_ERROR;
	if (rc == COUNTERSIGN_OK)
		rc = judge(s, *status, *answer);
	/* A token that is not honoured any more is fetched anew the next time. */
	if (rc == COUNTERSIGN_BAD_BINDING && s->token_fetched)
		s->token_len = 0;
	if (rc != COUNTERSIGN_OK) {
		json_decref(*answer);
		*answer = NULL;
	}
	return rc;
}
