/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what the browser says. */
#include "plugins/webauthn/client.h"

#include <jansson.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t
client_encode(const unsigned char *data, size_t len, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		unsigned bits = (unsigned)data[i] << 16 |
				(have > 1 ? (unsigned)data[i + 1] << 8 : 0) |
				(have > 2 ? data[i + 2] : 0);

		for (size_t k = 0; k <= have; k++)
			to[n++] = letters[bits >> (18 - 6 * k) & 63];
	}
	return n;
}

static bool
decode(const char *text, size_t text_len, unsigned char *to, size_t cap, size_t *len)
{
	unsigned bits = 0, have = 0;
	size_t n = 0;

	for (size_t i = 0; i < text_len; i++) {
		const char *at = text[i] == '\0' ? NULL : strchr(letters, text[i]);

		if (at == NULL)
			return false;
		bits = bits << 6 | (unsigned)(at - letters);
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (n == cap)
			return false;
		to[n++] = (unsigned char)(bits >> have);
		bits &= (1U << have) - 1;
	}
	*len = n;
	return bits == 0 && text_len % 4 != 1;
}

/* Brackets that are open at once, outside strings: before the parser sees them. */
static bool
shallow(struct countersign_view v)
{
	int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < v.len; i++) {
		char c = v.data[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '[' || c == '{') && ++depth > CLIENT_DEPTH_MAX)
			return false;
		else if (!in_string && (c == ']' || c == '}'))
			depth--;
	}
	return true;
}

static json_t *
read_object(struct countersign_view v)
{
	json_t *o;

	if (!shallow(v))
		return NULL;
	o = json_loadb(v.data, v.len, JSON_REJECT_DUPLICATES, NULL);
	if (o != NULL && !json_is_object(o)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

/* A member in base64url. `there` NULL: it must be. */
static bool
read_bytes(
    const json_t *o, const char *name, unsigned char *to, size_t cap, size_t *len, bool *there)
{
	const json_t *v = json_object_get(o, name);

	if (there != NULL) {
		*there = v != NULL && !json_is_null(v);
		if (!*there)
			return true;
	}
	return json_is_string(v) &&
	       decode(json_string_value(v), json_string_length(v), to, cap, len) && *len > 0;
}

static bool
read_response(const json_t *r, struct client_answer *a)
{
	bool authdata = false, signature = false;

	if (!json_is_object(r) ||
	    !read_bytes(r, "clientDataJSON", a->client_data, sizeof(a->client_data),
		&a->client_data_len, NULL) ||
	    !read_bytes(r, "attestationObject", a->attestation, sizeof(a->attestation),
		&a->attestation_len, &a->has_attestation) ||
	    !read_bytes(r, "signature", a->signature, sizeof(a->signature), &a->signature_len,
		&signature) ||
	    !read_bytes(r, "userHandle", a->user_handle, sizeof(a->user_handle),
		&a->user_handle_len, &a->has_user_handle) ||
	    !read_bytes(r, "authenticatorData", a->authdata, sizeof(a->authdata), &a->authdata_len,
		&authdata))
		return false;
	a->has_assertion = signature && authdata;
	return true;
}

bool
client_read_answer(struct countersign_view text, struct client_answer *a)
{
	json_t *o = read_object(text);
	const json_t *id, *raw, *type;
	bool good;

	if (o == NULL)
		return false;
	id = json_object_get(o, "id");
	raw = json_object_get(o, "rawId");
	type = json_object_get(o, "type");
	good = read_bytes(o, "id", a->id, sizeof(a->id), &a->id_len, NULL) &&
	       json_is_string(type) && strcmp(json_string_value(type), "public-key") == 0 &&
	       (raw == NULL || json_equal(id, raw)) &&
	       read_response(json_object_get(o, "response"), a);
	json_decref(o);
	return good;
}

static bool
listed(const struct countersign_view *list, size_t count, struct countersign_view v)
{
	for (size_t i = 0; i < count; i++)
		if (view_is_view(list[i], v))
			return true;
	return false;
}

static struct countersign_view
text_of(const json_t *v)
{
	return (struct countersign_view){json_string_value(v), json_string_length(v)};
}

static enum refusal
check_place(const struct policy *p, const json_t *o)
{
	const json_t *origin = json_object_get(o, "origin"),
		     *cross = json_object_get(o, "crossOrigin");
	const json_t *top = json_object_get(o, "topOrigin");

	if (!json_is_string(origin) || (cross != NULL && !json_is_boolean(cross)) ||
	    (top != NULL && !json_is_string(top)))
		return REFUSED_CLIENT_DATA;
	if (!listed(p->origins, p->origins_count, text_of(origin)))
		return REFUSED_ORIGIN;
	/* A top origin without crossOrigin contradicts itself, and is no better than one with it.
	 */
	if ((json_is_true(cross) || top != NULL) && !p->cross_origin)
		return REFUSED_CROSS_ORIGIN;
	if (top != NULL && !listed(p->top_origins, p->top_origins_count, text_of(top)))
		return REFUSED_TOP_ORIGIN;
	/* Browsers of Level 2 say no top origin: with a list of those that are allowed that is none
	 * of them. */
	if (json_is_true(cross) && top == NULL && p->top_origins_count > 0)
		return REFUSED_TOP_ORIGIN;
	return REFUSED_NOT;
}

static bool
same_text(const json_t *a, const json_t *b)
{
	return json_is_string(a) && json_is_string(b) && json_equal(a, b);
}

/*
 * Secure Payment Confirmation, section 9: the browser showed and signed the payee and the total. They
 * must be the card's, as they are written there.
 */
static enum refusal
check_payment(const struct policy *p, const json_t *o, struct countersign_view text)
{
	const json_t *payment = json_object_get(o, "payment"), *total, *rp, *top;
	json_t *card = read_object(text);
	enum refusal r = REFUSED_PAYMENT;

	total = json_object_get(payment, "total");
	rp = json_object_get(payment, "rpId");
	rp = rp == NULL ? json_object_get(payment, "rp") : rp;
	top = json_object_get(payment, "topOrigin");
	if (json_is_string(rp) && view_is_view(text_of(rp), p->rp_id) && json_is_string(top) &&
	    (listed(p->origins, p->origins_count, text_of(top)) ||
		(p->cross_origin && listed(p->top_origins, p->top_origins_count, text_of(top)))) &&
	    same_text(json_object_get(total, "value"), json_object_get(card, "amount")) &&
	    same_text(json_object_get(total, "currency"), json_object_get(card, "currency")) &&
	    same_text(json_object_get(payment, "payeeName"), json_object_get(card, "payee")))
		r = REFUSED_NOT;
	json_decref(card);
	return r;
}

static enum refusal
check_members(const struct policy *p, const json_t *o, const char *type,
    struct countersign_view challenge, struct countersign_view card)
{
	enum refusal r;
	const json_t *t = json_object_get(o, "type"), *c = json_object_get(o, "challenge");
	char text[256];

	if (!json_is_string(t) || !json_is_string(c) || challenge.len > sizeof(text) / 4 * 3)
		return REFUSED_CLIENT_DATA;
	bool payment = p->payment_confirmation && card.len > 0 && view_is_str(text_of(t), "payment.get");

	if (!payment && !view_is_str(text_of(t), type))
		return REFUSED_TYPE;
	if (!view_is_view(text_of(c),
		(struct countersign_view){text,
		    client_encode((const unsigned char *)challenge.data, challenge.len, text)}))
		return REFUSED_CHALLENGE;
	r = check_place(p, o);
	return r == REFUSED_NOT && payment ? check_payment(p, o, card) : r;
}

enum refusal
client_check(const struct policy *p, struct countersign_view client_data, const char *type,
    struct countersign_view challenge, struct countersign_view card)
{
	enum refusal r;
	json_t *o;

	/* "UTF-8 decode" drops one byte order mark; what is hashed keeps it. */
	if (client_data.len >= 3 && memcmp(client_data.data, "\xef\xbb\xbf", 3) == 0) {
		client_data.data += 3;
		client_data.len -= 3;
	}
	o = read_object(client_data);
	if (o == NULL)
		return REFUSED_CLIENT_DATA;
	r = check_members(p, o, type, challenge, card);
	json_decref(o);
	return r;
}
