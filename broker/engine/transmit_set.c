/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the tokens that tell services of security events (RFC 8417, SSF 1.0), signed as receipts are. */
#include "broker/engine/transmit_set.h"

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/core/reason.h"

#define OWN "https://countersign.example/secevent/event-type/"
#define CAEP "https://schemas.openid.net/secevent/caep/event-type/"
#define RISC "https://schemas.openid.net/secevent/risc/event-type/"
#define SSF "https://schemas.openid.net/secevent/ssf/event-type/"

static const struct view uris[] = {
	[TRANSMIT_LINK_SUSPENDED] = VIEW(OWN "link-suspended"),
	[TRANSMIT_LINK_REVOKED] = VIEW(OWN "link-revoked"),
	[TRANSMIT_NOT_ME] = VIEW(OWN "not-me"),
	[TRANSMIT_SESSION_REVOKED] = VIEW(CAEP "session-revoked"),
	[TRANSMIT_CREDENTIAL_COMPROMISE] = VIEW(RISC "credential-compromise"),
	[TRANSMIT_VERIFICATION] = VIEW(SSF "verification"),
};

struct view
transmit_uri(enum transmit_what what)
{
	return uris[what];
}

struct view
transmit_issuer(const struct engine *e)
{
	const struct config *c = e->rules->config;

	return c->public_url != NULL ? view_str(c->public_url) : view_str(c->realm);
}

struct view
transmit_stream_id(const struct id *id, char to[32])
{
	for (size_t i = 0; i < 2 * sizeof(id->b); i++)
		to[i] = "0123456789abcdef"[id->b[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	return view_of(to, 32);
}

static void
put_base64url(struct buf *out, struct view v)
{
	uint8_t *to = buf_room(out, BASE64URL_LEN(v.len));

	CHECK(to != NULL);
	out->len += base64url_encode((const uint8_t *)v.data, v.len, (char *)to);
}

static void
put_if(struct json_writer *w, const char *name, struct view v)
{
	if (v.len > 0)
		json_member_str(w, name, v);
}

/* SSF 1.0: always at the top. The account is the realm's own id of it, as the service knows it. */
static void
put_subject(struct json_writer *w, const struct transmit_facts *f)
{
	json_key(w, VIEW("sub_id"));
	json_object_begin(w);
	if (f->account.data == NULL) {
		json_member_str(w, "format", VIEW("opaque"));
		json_member_str(w, "id", f->stream);
	} else {
		json_member_str(w, "format", VIEW("iss_sub"));
		json_member_str(w, "iss", f->base);
		json_member_str(w, "sub", f->account);
	}
	json_object_end(w);
}

/* CAEP 1.0 section 2: who caused it. */
static const char *
entity_of(uint8_t author)
{
	static const char *const names[AUTHOR__COUNT] = {"user", "admin", "policy"};

	return author < AUTHOR__COUNT ? names[author] : "system";
}

static void
put_event(struct json_writer *w, const struct transmit_item *item, const struct transmit_facts *f)
{
	enum reason reason = (enum reason)item->reason;

	json_object_begin(w);
	if (item->what == TRANSMIT_VERIFICATION) {
		put_if(w, "state", f->state);
		json_object_end(w);
		return;
	}
	json_member_int(w, "event_timestamp", item->time_ms / 1000);
	if (item->what == TRANSMIT_CREDENTIAL_COMPROMISE) {
		json_member_str(w, "credential_type", VIEW("federated-identity"));
		json_object_end(w);
		return;
	}
	json_member_str(w, "initiating_entity", view_str(entity_of(item->author)));
	if (item->what == TRANSMIT_SESSION_REVOKED) {
		json_key(w, VIEW("reason_admin"));
		json_object_begin(w);
		json_member_str(w, "en", view_str(reason_text_en(reason)));
		json_object_end(w);
	} else {
		put_if(w, "link", f->link);
		put_if(w, "provider", f->provider);
		json_member_str(w, "reason", view_str(reason_name(reason)));
	}
	json_object_end(w);
}

static void
put_claims(const struct engine *e, const struct transmit_item *item, const struct transmit_facts *f, struct buf *out)
{
	struct json_writer w = json_to(out);

	json_object_begin(&w);
	json_member_str(&w, "iss", f->base);
	json_member_str(&w, "jti", f->jti);
	json_member_int(&w, "iat", e->now.wall_ms / 1000);
	json_member_str(&w, "aud", f->audience);
	/* Several tokens may tell of one event: what they have in common is its id. */
	if (item->seq != 0)
		json_member_str(&w, "txn", view_of(f->jti.data, f->jti.len - 2));
	put_subject(&w, f);
	json_key(&w, VIEW("events"));
	json_object_begin(&w);
	json_key(&w, uris[item->what]);
	put_event(&w, item, f);
	json_object_end(&w);
	json_object_end(&w);
}

void
transmit_set_write(const struct engine *e, const struct transmit_item *item, const struct transmit_facts *facts,
    struct buf *out)
{
	uint8_t plain[TRANSMIT_SET_MAX], signature[64];
	struct buf json = buf_over(plain, sizeof(plain));
	size_t start = out->len;
	struct json_writer head = json_to(&json);

	json_object_begin(&head);
	json_member_str(&head, "alg", VIEW("ES256"));
	json_member_str(&head, "kid", keyring_kid(e->keys));
	json_member_str(&head, "typ", VIEW("secevent+jwt"));
	json_object_end(&head);
	put_base64url(out, buf_view(&json));
	buf_put_u8(out, '.');
	json.len = 0;
	put_claims(e, item, facts, &json);
	CHECK(!json.full);
	put_base64url(out, buf_view(&json));
	keyring_sign(e->keys, view_of(out->data + start, out->len - start), signature);
	buf_put_u8(out, '.');
	put_base64url(out, view_of(signature, sizeof(signature)));
}
