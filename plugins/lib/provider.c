/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of a provider plugin that speaks OpenID Connect. */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "plugins/lib/flow.h"
#include "plugins/lib/jwks.h"
#include "plugins/lib/provider.h"
#include "plugins/lib/settings.h"
#include "plugins/lib/signals.h"
#include "plugins/lib/signature.h"

void
oidc_log(const struct oidc *o, int level, const char *text, struct countersign_view detail)
{
	web_log(o->host, level, text, detail);
}

int
oidc_send(struct oidc *o, struct countersign_http_request *request, int *status, json_t **json)
{
	int rc = web_fetch(o->host, request, status, json);

	/* Metadata that leads astray is not kept: the next call reads it again. */
	if (rc != COUNTERSIGN_INVALID)
		return rc;
	o->metadata.known = false;
	return COUNTERSIGN_PROVIDER_ERROR;
}

int
oidc_fetch(struct oidc *o, const char *url, struct countersign_view body,
    struct countersign_view authorization, int *status, json_t **json)
{
	struct countersign_http_request request = {
		.url = countersign_view_of(url),
		.authorization = authorization,
		.body = body,
	};

	return oidc_send(o, &request, status, json);
}

int
oidc_self_test(const struct countersign_host_v1 *host)
{
	struct signature *s = signature_open();
	int rc = s == NULL ? COUNTERSIGN_INTERNAL : signature_self_test(s);

	(void)host;
	signature_close(s);
	return rc;
}

void
oidc_fini(void *instance)
{
	struct oidc *o = instance;

	signals_close(o);
	settings_clear(o);
	jwks_free(o->signature, o->keys);
	signature_close(o->signature);
	OPENSSL_cleanse(o, sizeof(*o));
	free(o);
}

int
oidc_open(const struct countersign_host_v1 *host, const struct oidc_kind *kind, void **instance)
{
	struct oidc *o = calloc(1, sizeof(*o));
	const char *problem;

	if (o == NULL)
		return COUNTERSIGN_INTERNAL;
	o->host = host;
	o->settings.kind = kind;
	problem = settings_read(o);
	if (problem == NULL) {
		o->signature = signature_open();
		if (o->signature == NULL)
			problem = "liboauth2 does not start: is /dev/shm there?";
	}
	if (problem == NULL)
		problem = signals_open(o);
	if (problem != NULL) {
		oidc_log(o, COUNTERSIGN_LOG_ERROR, problem, countersign_view_of(NULL));
		oidc_fini(o);
		return COUNTERSIGN_INVALID;
	}
	*instance = o;
	return COUNTERSIGN_OK;
}

int
oidc_authorization_url(void *instance, const struct countersign_authorize *in,
    struct countersign_authorize_answer *out)
{
	int rc = flow_authorization_url(instance, in, out);

	return rc != COUNTERSIGN_OK ? rc :
	    countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

int
oidc_identify(void *instance, const struct countersign_identify *in, struct countersign_identity *out)
{
	int rc = flow_identify(instance, in, out);

	return rc != COUNTERSIGN_OK ? rc :
	    countersign_put(&out->request, in->call.request.data, in->call.request.len);
}
