/* SPDX-License-Identifier: Apache-2.0 */
/* Google's stream of security events. */
#include "plugins/lib/google_stream.h"

#include <openssl/crypto.h>
#include <string.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/signing.h"
#include "plugins/lib/ssf.h"

#define RISC "https://schemas.openid.net/secevent/risc/event-type/"
#define OAUTH "https://schemas.openid.net/secevent/oauth/event-type/"
#define PUSH "https://schemas.openid.net/secevent/risc/delivery-method/push"
#define TOKEN_AUDIENCE "https://risc.googleapis.com/google.identity.risc.v1beta.RiscManagementService"
#define DEFAULT_ENDPOINT "https://risc.googleapis.com"

enum { TOKEN_LIFETIME_S = 3600 };

static const char *const usual_events[] = {RISC "sessions-revoked", OAUTH "tokens-revoked", OAUTH "token-revoked",
    RISC "account-disabled", RISC "account-enabled", RISC "account-credential-change-required", RISC "account-purged",
    RISC "verification", NULL};

static const char *
take_account(struct signals *s, const json_t *account)
{
	struct countersign_view email = json_member_text(account, "client_email");
	struct countersign_view kid = json_member_text(account, "private_key_id");
	struct countersign_view pem = json_member_text(account, "private_key");

	if (email.len == 0 || email.len > OIDC_TEXT_MAX || kid.len == 0 || kid.len > OIDC_TEXT_MAX)
		return "service-account is no key file of a Google service account: client_email or private_key_id is missing";
	s->service_key = pem.len == 0 ? NULL : signing_key_new(pem);
	if (s->service_key == NULL || !signing_key_can(s->service_key, OIDC_RS256))
		return "service-account has no private_key (RSA, PEM) in it";
	memcpy(s->service_email, email.data, email.len);
	memcpy(s->service_kid, kid.data, kid.len);
	return NULL;
}

const char *
google_stream_open(struct signals *s)
{
	const struct countersign_host_v1 *h = s->source.host;
	char text[SIGNALS_SECRET_MAX];
	struct countersign_buffer b = {text, sizeof(text), 0};
	const char *problem = NULL;
	json_t *account;

	if (h->config_secret(h->context, "service-account", &b) != COUNTERSIGN_OK)
		return NULL;
	account = json_read_object(text, b.len);
	OPENSSL_cleanse(text, sizeof(text));
	problem = take_account(s, account);
	json_decref(account);
	return problem;
}

void
google_stream_close(struct signals *s)
{
	signing_key_free(s->service_key);
	s->service_key = NULL;
}

int
google_stream_authorization(struct signals *s, int64_t now_ms, struct countersign_buffer *to)
{
	json_int_t now_s = now_ms / 1000;
	json_t *header, *claims;
	int rc = COUNTERSIGN_OK;

	if (s->service_key == NULL) {
		oidc_log(&s->source, COUNTERSIGN_LOG_ERROR, "the stream is managed by a service account: give its key file as "
		    "service-account", countersign_view_of(NULL));
		return COUNTERSIGN_INVALID;
	}
	header = json_pack("{ss ss}", "typ", "JWT", "kid", s->service_kid);
	claims = json_pack("{ss ss ss sI sI}", "iss", s->service_email, "sub", s->service_email, "aud", TOKEN_AUDIENCE,
	    "iat", now_s, "exp", now_s + TOKEN_LIFETIME_S);
	put_text(to, &rc, "Bearer ");
	if (rc == COUNTERSIGN_OK)
		rc = signing_put_jwt(s->service_key, OIDC_RS256, header, claims, to);
	json_decref(header);
	json_decref(claims);
	return rc;
}

/* What each action sends, and where. The stream itself cannot be deleted: it is disabled. */
static json_t *
body_of(const struct signals *s, const struct countersign_stream *in, const char **method, const char **path)
{
	*method = "POST";
	switch (in->action) {
	case COUNTERSIGN_STREAM_CREATE:
		*path = "/v1beta/stream:update";
		return json_pack("{s{ss ss%} so}", "delivery", "delivery_method", PUSH, "url", in->endpoint.data,
		    in->endpoint.len, "events_requested", signals_events_wanted(s, usual_events));
	case COUNTERSIGN_STREAM_VERIFY:
		*path = "/v1beta/stream:verify";
		return in->state.len == 0 ? json_object() : json_pack("{ss%}", "state", in->state.data, in->state.len);
	case COUNTERSIGN_STREAM_DELETE:
		*path = "/v1beta/stream/status:update";
		return json_pack("{ss}", "status", "disabled");
	default:
		*method = "GET";
		*path = "/v1beta/stream";
		return NULL;
	}
}

/* After stream:update the stream may still be disabled, by an earlier DELETE. */
static int
enable(struct signals *s, const char *base, const struct countersign_stream *in)
{
	char url[OIDC_URL_MAX];
	struct countersign_buffer b = {url, sizeof(url) - 1, 0};
	json_t *answer = NULL;
	int status = 0, rc = COUNTERSIGN_OK;

	put_text(&b, &rc, base);
	put_text(&b, &rc, "/v1beta/stream/status:update");
	url[rc == COUNTERSIGN_OK ? b.len : 0] = '\0';
	rc = ssf_ask(s, "POST", url, json_pack("{ss}", "status", "enabled"), in->call.now_ms, &status, &answer);
	json_decref(answer);
	return rc;
}

int
google_stream(struct signals *s, const struct countersign_stream *in, struct countersign_stream_answer *out)
{
	struct countersign_view base = s->source.host->config_text(s->source.host->context, "risc-endpoint", 0);
	const char *method, *path, *from = base.len == 0 ? DEFAULT_ENDPOINT : base.data;
	char url[OIDC_URL_MAX];
	struct countersign_buffer b = {url, sizeof(url) - 1, 0};
	json_t *answer = NULL, *state = NULL, *body;
	int status = 0, rc = COUNTERSIGN_OK;

	if (in->action == COUNTERSIGN_STREAM_CREATE && in->endpoint.len == 0) {
		oidc_log(&s->source, COUNTERSIGN_LOG_ERROR, "Google pushes its events and cannot be polled",
		    countersign_view_of(NULL));
		return COUNTERSIGN_INVALID;
	}
	body = body_of(s, in, &method, &path);
	put_text(&b, &rc, from);
	put_text(&b, &rc, path);
	url[rc == COUNTERSIGN_OK ? b.len : 0] = '\0';
	rc = ssf_ask(s, method, url, body, in->call.now_ms, &status, &answer);
	if (rc == COUNTERSIGN_OK && in->action == COUNTERSIGN_STREAM_CREATE)
		rc = enable(s, from, in);
	if (rc == COUNTERSIGN_OK && in->action == COUNTERSIGN_STREAM_STATUS) {
		b.len = 0;
		put_text(&b, &rc, from);
		put_text(&b, &rc, "/v1beta/stream/status");
		url[rc == COUNTERSIGN_OK ? b.len : 0] = '\0';
		rc = ssf_ask(s, "GET", url, NULL, in->call.now_ms, &status, &state);
	}
	if (rc == COUNTERSIGN_OK)
		rc = ssf_put_document(s->source.settings.issuer, answer, state, &out->document);
	json_decref(state);
	json_decref(answer);
	return rc;
}
