/* SPDX-License-Identifier: Apache-2.0 */
/* Making receipts. */
#include "broker/engine/receipt.h"

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/engine/answer.h"

enum { RECEIPT_MAX = 4096 };

static const char *const bases[] = {"none", "countersignature", "allowance", "mandate"};

static void
put_base64url(struct buf *out, struct view v)
{
	uint8_t *to = buf_room(out, v.len * 4 / 3 + 4);

	CHECK(to != NULL);
	out->len += base64url_encode((const uint8_t *)v.data, v.len, (char *)to);
}

static void
put_hex(struct json_writer *w, const char *name, const uint8_t *bytes, size_t n)
{
	char text[64];

	CHECK(n * 2 <= sizeof(text));
	for (size_t i = 0; i < n; i++) {
		text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	json_member_str(w, name, view_of(text, n * 2));
}

/* The account as this service's receipts name it: another service's receipts name it otherwise. */
static void
put_account(struct json_writer *w, struct call *call, const struct account *a)
{
	struct view parts[2] = {view_of(&call->caller.service, sizeof(call->caller.service)), view_of(a->key.b, 16)};
	struct id id = keyring_id(call->engine->keys, DIGEST_PAIRWISE, parts, 2);

	put_hex(w, "account", id.b, sizeof(id.b));
}

/* The factors behind it: of the challenge while it is known, else of the allowance. NULL: not known any more. */
static const uint32_t *
factors_of(const struct account *a, const struct payment *p)
{
	const struct allowance *allowance = account_allowance_by_no(a, p->allowance_no);

	for (size_t i = 0; p->allowance_no == 0 && i < a->challenges_n; i++) {
		if (id_equal(&a->challenges[i].payment, &p->id))
			return a->challenges[i].factors;
	}
	return allowance == NULL ? NULL : allowance->factors;
}

/* Whether nothing but the admin's word, assume-independent, keeps this factor apart from the provider. */
static bool
rests_on_word(struct call *call, const struct account *a, const struct factor *f, const struct payment *p)
{
	const struct link *l = account_link_by_no(a, p->link_no);
	struct asked asked;
	bool assumed = false;

	call_asked(call, &asked);
	if (l != NULL)
		(void)factor_stands(&asked, a, f, l->provider, NULL, &assumed);
	return assumed;
}

static void
put_kinds(struct json_writer *w, const char *name, const uint8_t *kinds, size_t n)
{
	json_key(w, view_str(name));
	json_array_begin(w);
	for (size_t i = 0; i < n; i++)
		json_put_str(w, view_str(factor_kind_name((enum factor_kind)kinds[i])));
	json_array_end(w);
}

/* Their kinds; and, where there are any, which of them rest on the admin's word. */
static void
put_factors(struct json_writer *w, struct call *call, const struct account *a, const struct payment *p)
{
	const uint32_t *nos = factors_of(a, p);
	uint8_t kinds[CHALLENGE_FACTORS_MAX] = {0}, assumed[CHALLENGE_FACTORS_MAX] = {0};
	size_t n = 0, assumed_n = 0;

	for (size_t i = 0; nos != NULL && i < CHALLENGE_FACTORS_MAX && nos[i] != 0; i++) {
		const struct factor *f = account_factor_by_no(a, nos[i]);

		if (f == NULL)
			continue;
		kinds[n++] = f->kind;
		if (rests_on_word(call, a, f, p))
			assumed[assumed_n++] = f->kind;
	}
	put_kinds(w, "factors", kinds, n);
	if (assumed_n > 0)
		put_kinds(w, "assumed", assumed, assumed_n);
}

static void
put_claims(struct buf *out, struct call *call, const struct account *a, const struct payment *p, struct view payment_id,
    struct view payee_id, const struct hash *card)
{
	struct engine *e = call->engine;
	const struct currency *c = currency_get(p->currency);
	struct json_writer w = json_to(out);
	int64_t ends_ms = p->expires_ms == 0 ? p->permitted_ms + e->rules->policy->hold_ms : p->expires_ms;

	json_object_begin(&w);
	json_member_str(&w, "iss", e->rules->config->public_url != NULL ? view_str(e->rules->config->public_url) :
	    view_str(e->rules->config->realm));
	json_member_str(&w, "aud", view_str(ruleset_service_name(e->rules, p->service)));
	answer_id(&w, "jti", ID_HOLD, a, &p->id);
	json_member_int(&w, "iat", p->permitted_ms / 1000);
	json_member_int(&w, "exp", ends_ms / 1000);
	json_member_str(&w, "payment", payment_id);
	json_member_int(&w, "amount_minor", p->amount_minor);
	json_member_str(&w, "currency", view_of(c->code, 3));
	json_member_int(&w, "exponent", c->exponent);
	json_member_str(&w, "payee", payee_id);
	json_member_str(&w, "basis", view_str(bases[p->basis]));
	put_factors(&w, call, a, p);
	put_hex(&w, "card", card->b, sizeof(card->b));
	put_hex(&w, "policy", e->rules->policy->digest.b, sizeof(e->rules->policy->digest.b));
	put_account(&w, call, a);
	json_object_end(&w);
}

void
receipt_member(struct json_writer *w, struct call *call, const struct account *a, const struct payment *p,
    struct view payment_id, struct view payee_id, const struct hash *card)
{
	uint8_t text[RECEIPT_MAX], plain[RECEIPT_MAX], signature[64];
	struct buf out = buf_over(text, sizeof(text)), json = buf_over(plain, sizeof(plain));
	struct json_writer head = json_to(&json);

	json_object_begin(&head);
	json_member_str(&head, "alg", VIEW("ES256"));
	json_member_str(&head, "kid", keyring_kid(call->engine->keys));
	json_member_str(&head, "typ", VIEW("countersign-receipt+jwt"));
	json_object_end(&head);
	put_base64url(&out, buf_view(&json));
	buf_put_u8(&out, '.');
	json.len = 0;
	put_claims(&json, call, a, p, payment_id, payee_id, card);
	CHECK(!json.full);
	put_base64url(&out, buf_view(&json));
	keyring_sign(call->engine->keys, buf_view(&out), signature);
	buf_put_u8(&out, '.');
	put_base64url(&out, view_of(signature, sizeof(signature)));
	CHECK(!out.full);
	json_member_str(w, "receipt", buf_view(&out));
}
