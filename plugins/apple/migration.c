/* SPDX-License-Identifier: Apache-2.0 */
/* An app that went to another team. */
#include "plugins/apple/claims.h"
#include "plugins/apple/migration.h"
#include "plugins/lib/client.h"
#include "plugins/lib/discovery.h"
#include "plugins/lib/encoding.h"

enum { ACCESS_MAX = 1024, SUB_MAX = 255 };

struct half {
	struct oidc *o;
	const struct team *team;
	struct countersign_view client;
	int64_t now_ms;
	char access[ACCESS_MAX + 8]; /* header Authorization */
	size_t access_len;
};

static int
put_client(const struct half *h, struct countersign_buffer *form)
{
	char memory[SIGNING_JWT_MAX];
	struct countersign_buffer secret = {memory, sizeof(memory), 0};
	int rc = team_put_secret(h->team, h->o->settings.issuer, h->client, h->now_ms, &secret);

	put_pair(form, &rc, 0, "client_id", h->client);
	put_pair(form, &rc, 0, "client_secret", (struct countersign_view){secret.data, secret.len});
	explicit_bzero(memory, sizeof(memory));
	return rc;
}

/* Posts the form, which is wiped. An answer that is not 200: what does Apple mean? */
static int
post(const struct half *h, const char *url, struct countersign_buffer *form, json_t **answer)
{
	struct countersign_view access = {h->access_len > 0 ? h->access : NULL, h->access_len};
	const char *error;
	json_t *got = NULL;
	int status = 0;
	int rc = oidc_fetch(h->o, url, (struct countersign_view){form->data, form->len}, access, &status, &got);

	explicit_bzero(form->data, form->cap);
	error = json_string_value(json_object_get(got, "error"));
	if (rc == COUNTERSIGN_OK && (status >= 500 || status == 429))
		rc = COUNTERSIGN_UNREACHABLE;
	else if (rc == COUNTERSIGN_OK && status == 200 && got != NULL)
		*answer = got;
	else if (rc == COUNTERSIGN_OK)
		rc = error != NULL && strcmp(error, "invalid_client") != 0 ? COUNTERSIGN_BAD_TOKEN :
		    COUNTERSIGN_PROVIDER_ERROR;
	if (rc == COUNTERSIGN_OK)
		return rc;
	if (error != NULL)
		oidc_log(h->o, COUNTERSIGN_LOG_WARN, "Apple refused the migration:", countersign_view_of(error));
	json_decref(got);
	return rc;
}

/* A token for this one purpose, by the team's own secret. */
static int
get_access(struct half *h)
{
	struct countersign_buffer form, to = {h->access, sizeof(h->access), 0};
	struct countersign_view token;
	json_t *answer = NULL;
	int rc = client_form(h->o, &form);

	if (rc == COUNTERSIGN_OK) {
		put_pair(&form, &rc, 0, "grant_type", countersign_view_of("client_credentials"));
		put_pair(&form, &rc, 0, "scope", countersign_view_of("user.migration"));
	}
	if (rc == COUNTERSIGN_OK)
		rc = put_client(h, &form);
	if (rc == COUNTERSIGN_OK)
		rc = post(h, h->o->metadata.token_endpoint, &form, &answer);
	if (rc != COUNTERSIGN_OK)
		return rc;
	token = json_member_text(answer, "access_token");
	if (token.len == 0 || token.len > ACCESS_MAX)
		rc = COUNTERSIGN_PROVIDER_ERROR;
	put_text(&to, &rc, "Bearer ");
	put_view(&to, &rc, token);
	h->access_len = to.len;
	json_decref(answer);
	return rc;
}

/* One question to /auth/usermigrationinfo; the answer's member is copied to `to`. */
static int
ask(struct half *h, const char *const names[2], const struct countersign_view values[2], const char *member,
    struct countersign_buffer *to)
{
	char url[OIDC_URL_MAX];
	struct countersign_buffer address = {url, sizeof(url) - 1, 0}, form;
	struct countersign_view got;
	json_t *answer = NULL;
	int rc = get_access(h);

	put_view(&address, &rc, h->o->settings.issuer);
	put_text(&address, &rc, "/auth/usermigrationinfo");
	url[address.len] = '\0';
	if (rc == COUNTERSIGN_OK)
		rc = client_form(h->o, &form);
	for (size_t i = 0; rc == COUNTERSIGN_OK && i < 2 && names[i] != NULL; i++)
		put_pair(&form, &rc, 0, names[i], values[i]);
	if (rc == COUNTERSIGN_OK)
		rc = put_client(h, &form);
	if (rc == COUNTERSIGN_OK)
		rc = post(h, url, &form, &answer);
	explicit_bzero(h->access, sizeof(h->access));
	h->access_len = 0;
	if (rc != COUNTERSIGN_OK)
		return rc;
	rc = claims_read_migrated(answer, member, &got);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(to, got.data, got.len);
	json_decref(answer);
	return rc;
}

static bool
is_client(const struct oidc *o, struct countersign_view id)
{
	for (size_t i = 0; i < o->settings.clients_count; i++)
		if (id.len > 0 && view_is(id, o->settings.clients[i]))
			return true;
	return false;
}

static int
old_half(struct oidc *o, const struct team *now, const struct team *before, const struct countersign_rekey *in,
    struct countersign_buffer *transfer)
{
	static const char *const names[] = {"sub", "target"};
	const struct countersign_view values[] = {in->subject, now->id};
	struct half h = {.o = o, .team = before, .client = in->client_id, .now_ms = in->call.now_ms};
	int rc;

	if (before->key == NULL) {
		if (in->proof.len == 0)
			oidc_log(o, COUNTERSIGN_LOG_WARN, "give the transfer_sub as proof, or the old team's key as "
			    "previous-private-key", countersign_view_of(NULL));
		return in->proof.len == 0 || in->proof.len > SUB_MAX ? COUNTERSIGN_BAD_TOKEN :
		    countersign_put(transfer, in->proof.data, in->proof.len);
	}
	rc = ask(&h, names, values, "transfer_sub", transfer);
	if (rc == COUNTERSIGN_OK && in->proof.len > 0 &&
	    !view_is(in->proof, (struct countersign_view){transfer->data, transfer->len}))
		rc = COUNTERSIGN_BAD_TOKEN;
	return rc;
}

int
migration_rekey(struct oidc *o, const struct team *now, const struct team *before,
    const struct countersign_rekey *in, struct countersign_rekey_answer *out)
{
	static const char *const names[] = {"transfer_sub", NULL};
	char memory[SUB_MAX];
	struct countersign_buffer transfer = {memory, sizeof(memory), 0};
	struct half h = {.o = o, .team = now, .client = in->client_id, .now_ms = in->call.now_ms};
	struct countersign_view values[2] = {{memory, 0}};
	int rc;

	if (!view_is(in->issuer, o->settings.issuer))
		return COUNTERSIGN_BAD_ISSUER;
	if (!is_client(o, in->client_id))
		return COUNTERSIGN_BAD_AUDIENCE;
	rc = discovery_need(o);
	if (rc == COUNTERSIGN_OK)
		rc = old_half(o, now, before, in, &transfer);
	values[0].len = transfer.len;
	if (rc == COUNTERSIGN_OK)
		rc = ask(&h, names, values, "sub", &out->subject);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->issuer, in->issuer.data, in->issuer.len);
	return rc != COUNTERSIGN_OK ? rc :
	    countersign_put(&out->request, in->call.request.data, in->call.request.len);
}
