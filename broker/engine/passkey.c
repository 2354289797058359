/* SPDX-License-Identifier: Apache-2.0 */
/* The relying party's checks of an assertion, in the order of the standard (WebAuthn Level 3, section 7.2). */
#include "broker/engine/passkey.h"

#include "broker/base/base64url.h"
#include "broker/base/json.h"
#include "broker/base/secret.h"
#include "broker/engine/keyring.h"
#include "broker/engine/rests.h"
#include "countersign/passkey.h"

/* As the plugin takes it. */
enum {
	ANSWER_MAX = 12 * 1024,
	TOKENS_MAX = 512,
	CLIENT_DATA_MAX = 2048,
	AUTHDATA_MAX = 2048,
	ATTESTATION_MAX = 6144,
	SIGNATURE_MAX = 512,
	CARD_MAX = 4096,
	CHALLENGE_TEXT_MAX = 256,
	AUTHDATA_MIN = 37,
	RP_ID_HASH = 32,
};

enum { FLAG_UP = 0x01, FLAG_UV = 0x04, FLAG_BE = 0x08, FLAG_BS = 0x10, FLAG_AT = 0x40, FLAG_ED = 0x80 };

/* A JSON object that was copied, since reading changes it. */
struct object {
	struct json doc;
	struct json_token tokens[TOKENS_MAX];
	char text[ANSWER_MAX];
};

static bool
object_read(struct object *o, struct view v)
{
	if (v.len > sizeof(o->text) || v.len == 0)
		return false;
	memcpy(o->text, v.data, v.len);
	return json_read(o->text, v.len, o->tokens, TOKENS_MAX, &o->doc, NULL) == CS_OK &&
	    json_type(&o->doc, 0) == JSON_OBJECT;
}

static bool
is_null(const struct json *doc, uint32_t at)
{
	return at == 0 || json_type(doc, at) == JSON_NULL;
}

/* A member that is text; data NULL where it is not there, or is something else. */
static struct view
text_of(const struct json *doc, uint32_t object, const char *name)
{
	uint32_t at = json_get(doc, object, view_str(name));

	return at != 0 && json_type(doc, at) == JSON_STRING ? json_text(doc, at) : view_of(NULL, 0);
}

static bool
is_text(const struct json *doc, uint32_t object, const char *name, struct view want)
{
	struct view v = text_of(doc, object, name);

	return v.data != NULL && view_equal(v, want);
}

/* Bytes of a member in base64url, at least one. */
static bool
bytes_of(const struct json *doc, uint32_t object, const char *name, struct buf *to)
{
	struct view v = text_of(doc, object, name);
	size_t len;

	if (v.len == 0 || base64url_decode(v, to->data, to->cap, &len) != CS_OK || len == 0)
		return false;
	to->len = len;
	return true;
}

/* ---- client data ----------------------------------------------------------------------------- */

static bool
listed(const struct view *list, size_t n, struct view v)
{
	for (size_t i = 0; i < n; i++) {
		if (view_equal(list[i], v))
			return true;
	}
	return false;
}

/* Steps 11 to 14: made at an origin of ours; in a frame of another site only where that is allowed. */
static bool
place_good(const struct passkey_policy *p, const struct json *doc)
{
	uint32_t cross = json_get(doc, 0, VIEW("crossOrigin")), top = json_get(doc, 0, VIEW("topOrigin"));
	bool crossed = cross != 0 && json_type(doc, cross) == JSON_TRUE;

	if ((cross != 0 && !crossed && json_type(doc, cross) != JSON_FALSE) ||
	    (top != 0 && json_type(doc, top) != JSON_STRING) ||
	    !listed(p->origins, p->origins_n, text_of(doc, 0, "origin")))
		return false;
	if (!crossed && top == 0)
		return true;
	if (!p->cross_origin)
		return false;
	if (top == 0)
		return p->top_origins_n == 0;
	return listed(p->top_origins, p->top_origins_n, json_text(doc, top));
}

/*
 * Secure Payment Confirmation, section 9: what the browser itself showed and signed must be the card. Amounts are compared
 * as they are written: the browser shows what it was given.
 */
static bool
payment_good(const struct passkey_policy *p, const struct json *doc, struct view card)
{
	static struct object shown;
	uint32_t payment = json_get(doc, 0, VIEW("payment")), total;
	struct view rp, top;

	if (payment == 0 || json_type(doc, payment) != JSON_OBJECT || !object_read(&shown, card))
		return false;
	total = json_get(doc, payment, VIEW("total"));
	rp = text_of(doc, payment, "rpId");
	if (rp.data == NULL)
		rp = text_of(doc, payment, "rp");
	top = text_of(doc, payment, "topOrigin");
	return total != 0 && json_type(doc, total) == JSON_OBJECT && rp.data != NULL && view_equal(rp, p->rp_id) &&
	    (listed(p->origins, p->origins_n, top) ||
	        (p->cross_origin && listed(p->top_origins, p->top_origins_n, top))) &&
	    text_of(&shown.doc, 0, "amount").data != NULL &&
	    is_text(doc, total, "value", text_of(&shown.doc, 0, "amount")) &&
	    is_text(doc, total, "currency", text_of(&shown.doc, 0, "currency")) &&
	    is_text(doc, payment, "payeeName", text_of(&shown.doc, 0, "payee"));
}

static bool
client_data_good(const struct passkey_policy *p, struct view client_data, struct view challenge, struct view type,
    const struct view *card)
{
	static struct object o;
	char text[CHALLENGE_TEXT_MAX];

	/* "UTF-8 decode" drops one byte order mark; what is hashed keeps it. */
	if (client_data.len >= 3 && memcmp(client_data.data, "\xef\xbb\xbf", 3) == 0)
		client_data = view_of(client_data.data + 3, client_data.len - 3);
	if (BASE64URL_LEN(challenge.len) > sizeof(text) || !object_read(&o, client_data) ||
	    !is_text(&o.doc, 0, "challenge",
	        view_of(text, base64url_encode((const uint8_t *)challenge.data, challenge.len, text))) ||
	    !place_good(p, &o.doc))
		return false;
	if (is_text(&o.doc, 0, "type", type))
		return true;
	return card != NULL && p->payment_confirmation && is_text(&o.doc, 0, "type", VIEW("payment.get")) &&
	    payment_good(p, &o.doc, *card);
}

/* ---- authenticator data ---------------------------------------------------------------------- */

static bool
for_us(const struct passkey_policy *p, struct view authdata)
{
	struct hash rp;

	sha256(p->rp_id, &rp);
	return memcmp(rp.b, authdata.data, RP_ID_HASH) == 0;
}

/* Steps 15 to 19, and that eligibility for backup is what it was. */
static bool
authdata_good(const struct passkey_policy *p, const struct passkey_question *q, const struct countersign_passkey *key,
    struct view authdata, uint32_t *counter)
{
	const uint8_t *at = (const uint8_t *)authdata.data;
	unsigned flags;
	bool verified = p->verification == PASSKEY_VERIFICATION_REQUIRED ||
	    (p->verification == PASSKEY_VERIFICATION_PAYMENTS && q->payment);

	if (authdata.len < AUTHDATA_MIN || !for_us(p, authdata))
		return false;
	flags = at[RP_ID_HASH];
	*counter = (uint32_t)at[33] << 24 | (uint32_t)at[34] << 16 | (uint32_t)at[35] << 8 | at[36];
	/* What follows are extensions, whose content is the plugin's to read; a credential does not belong here. */
	return (flags & FLAG_UP) != 0 && (!verified || (flags & FLAG_UV) != 0) &&
	    (flags & (FLAG_BE | FLAG_BS)) != FLAG_BS && (flags & FLAG_AT) == 0 &&
	    ((flags & FLAG_ED) != 0) == (authdata.len > AUTHDATA_MIN) && ((flags ^ key->flags) & FLAG_BE) == 0;
}

/* Step 22: a counter that is used at all must grow. */
static bool
counter_good(const struct countersign_passkey *key, int64_t newest, uint32_t counter)
{
	int64_t before = newest > (int64_t)key->counter ? newest : (int64_t)key->counter;

	return (counter == 0 && before == 0) || (int64_t)counter > before;
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* The response of a credential with this id; 0 where it is none. */
static uint32_t
response_of(const struct object *o, struct view id)
{
	uint8_t bytes[COUNTERSIGN_PASSKEY_ID_MAX + 1];
	struct buf got = buf_over(bytes, sizeof(bytes));
	uint32_t raw = json_get(&o->doc, 0, VIEW("rawId")), at = json_get(&o->doc, 0, VIEW("response"));

	if (at == 0 || json_type(&o->doc, at) != JSON_OBJECT || !is_text(&o->doc, 0, "type", VIEW("public-key")) ||
	    !bytes_of(&o->doc, 0, "id", &got) || !view_equal(buf_view(&got), id) ||
	    (raw != 0 && !is_text(&o->doc, 0, "rawId", text_of(&o->doc, 0, "id"))))
		return 0;
	return at;
}

static bool
handle_good(const struct json *doc, uint32_t response, const struct countersign_passkey *key)
{
	uint8_t bytes[64];
	struct buf got = buf_over(bytes, sizeof(bytes));

	return is_null(doc, json_get(doc, response, VIEW("userHandle"))) ||
	    (bytes_of(doc, response, "userHandle", &got) &&
	        view_equal(buf_view(&got), view_of(key->handle, COUNTERSIGN_PASSKEY_HANDLE)));
}

bool
passkey_right(const struct passkey_policy *p, const struct passkey_question *q, uint32_t *counter)
{
	static struct object o;
	uint8_t client_bytes[CLIENT_DATA_MAX], auth_bytes[AUTHDATA_MAX], signature_bytes[SIGNATURE_MAX];
	struct buf client_data = buf_over(client_bytes, sizeof(client_bytes));
	struct buf authdata = buf_over(auth_bytes, sizeof(auth_bytes));
	struct buf signature = buf_over(signature_bytes, sizeof(signature_bytes));
	struct countersign_passkey key;
	struct hash hash;
	uint32_t response, said;

	if (countersign_passkey_read(q->record.data, q->record.len, &key) == 0 || !object_read(&o, q->answer) ||
	    (response = response_of(&o, view_of(key.id, key.id_len))) == 0 ||
	    !handle_good(&o.doc, response, &key) ||
	    !bytes_of(&o.doc, response, "clientDataJSON", &client_data) ||
	    !bytes_of(&o.doc, response, "authenticatorData", &authdata) ||
	    !bytes_of(&o.doc, response, "signature", &signature) ||
	    !client_data_good(p, buf_view(&client_data), q->challenge, VIEW("webauthn.get"), &q->card) ||
	    !authdata_good(p, q, &key, buf_view(&authdata), &said))
		return false;
	sha256(buf_view(&client_data), &hash);
	if (!passkey_signed(key.algorithm, view_of(key.key, key.key_len), buf_view(&signature), buf_view(&authdata), hash.b) ||
	    !counter_good(&key, q->counter, said))
		return false;
	*counter = said;
	return true;
}

/* A key's COSE form as all authenticators must write it: CTAP2's canonical CBOR (WebAuthn Level 3, section 6.5.1.1). */
static void
key_cose(const struct countersign_passkey *key, struct buf *to)
{
	const size_t n = key->algorithm == COUNTERSIGN_PASSKEY_RS256 ? key->key_len - 3 : key->key_len / 2;

	switch (key->algorithm) {
	case COUNTERSIGN_PASSKEY_ES256:
		buf_put_view(to, VIEW("\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"));
		buf_put(to, key->key, n);
		buf_put_view(to, VIEW("\x22\x58\x20"));
		buf_put(to, key->key + n, key->key_len - n);
		break;
	case COUNTERSIGN_PASSKEY_EDDSA:
		buf_put_view(to, VIEW("\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20"));
		buf_put(to, key->key, key->key_len);
		break;
	default:
		buf_put_view(to, VIEW("\xa4\x01\x03\x03\x39\x01\x00\x20\x59"));
		buf_put_u8(to, (uint8_t)(n >> 8));
		buf_put_u8(to, (uint8_t)n);
		buf_put(to, key->key, n);
		buf_put_view(to, VIEW("\x21\x43"));
		buf_put(to, key->key + n, key->key_len - n);
	}
}

/*
 * Id and key stand one after the other in the attestation object, as the authenticator made it, behind what it says of
 * itself. Looked for one by one, a plugin could pick other bytes of it as its key: some run of them is a modulus that it can
 * take apart.
 */
static bool
key_within(const struct passkey_policy *p, const struct countersign_passkey *key, struct view object)
{
	const uint8_t *at;
	uint8_t bytes[2 + COUNTERSIGN_PASSKEY_ID_MAX + COUNTERSIGN_PASSKEY_KEY_MAX + 32];
	struct buf credential = buf_over(bytes, sizeof(bytes));

	if (key->id_len == 0 || key->key_len <= 3)
		return false;
	buf_put_u8(&credential, (uint8_t)(key->id_len >> 8));
	buf_put_u8(&credential, (uint8_t)key->id_len);
	buf_put(&credential, key->id, key->id_len);
	key_cose(key, &credential);
	at = credential.full ? NULL : memmem(object.data, object.len, credential.data, credential.len);
	if (at == NULL || at - (const uint8_t *)object.data < AUTHDATA_MIN + COUNTERSIGN_PASSKEY_AAGUID)
		return false;
	at -= COUNTERSIGN_PASSKEY_AAGUID;
	return memcmp(at, key->aaguid, COUNTERSIGN_PASSKEY_AAGUID) == 0 &&
	    for_us(p, view_of((const char *)at - AUTHDATA_MIN, AUTHDATA_MIN)) &&
	    ((at[RP_ID_HASH - AUTHDATA_MIN] ^ key->flags) & (FLAG_UV | FLAG_BE | FLAG_BS)) == 0;
}

bool
passkey_made(const struct passkey_policy *p, struct view asked, struct view answer, struct view record)
{
	static struct object o;
	uint8_t client_bytes[CLIENT_DATA_MAX], object_bytes[ATTESTATION_MAX];
	struct buf client_data = buf_over(client_bytes, sizeof(client_bytes));
	struct buf object = buf_over(object_bytes, sizeof(object_bytes));
	const struct view challenge = view_of(asked.data + 2, COUNTERSIGN_PASSKEY_CHALLENGE);
	struct countersign_passkey key;
	uint32_t response;

	return asked.len == 2 + COUNTERSIGN_PASSKEY_CHALLENGE + COUNTERSIGN_PASSKEY_HANDLE &&
	    asked.data[0] == COUNTERSIGN_PASSKEY_VERSION && asked.data[1] == COUNTERSIGN_PASSKEY_ASKED &&
	    countersign_passkey_read(record.data, record.len, &key) == 1 &&
	    memcmp(key.handle, challenge.data + challenge.len, COUNTERSIGN_PASSKEY_HANDLE) == 0 &&
	    object_read(&o, answer) && (response = response_of(&o, view_of(key.id, key.id_len))) != 0 &&
	    bytes_of(&o.doc, response, "clientDataJSON", &client_data) &&
	    bytes_of(&o.doc, response, "attestationObject", &object) &&
	    client_data_good(p, buf_view(&client_data), challenge, VIEW("webauthn.create"), NULL) &&
	    key_within(p, &key, buf_view(&object));
}

static uint64_t
model_tag(const uint8_t aaguid[COUNTERSIGN_PASSKEY_AAGUID])
{
	static const char digits[] = "0123456789abcdef";
	char word[7 + 36];
	struct buf b = buf_over(word, sizeof(word));

	buf_put_view(&b, VIEW("aaguid:"));
	for (size_t i = 0; i < COUNTERSIGN_PASSKEY_AAGUID; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			buf_put_u8(&b, '-');
		buf_put_u8(&b, (uint8_t)digits[aaguid[i] >> 4]);
		buf_put_u8(&b, (uint8_t)digits[aaguid[i] & 15]);
	}
	return name_tag(buf_view(&b));
}

bool
passkey_rests(struct view record, const struct rests *said)
{
	static const uint8_t no_model[COUNTERSIGN_PASSKEY_AAGUID];
	struct countersign_passkey key;
	uint64_t model;

	if (countersign_passkey_read(record.data, record.len, &key) != 1 ||
	    said->copies != ((key.flags & FLAG_BE) != 0 ? COPIES_POSSIBLE : COPIES_NONE))
		return false;
	if (memcmp(key.aaguid, no_model, sizeof(no_model)) == 0)
		return true;
	model = model_tag(key.aaguid);
	for (size_t i = 0; i < FACTOR_RESTS_MAX; i++) {
		if (said->of[i] == model)
			return true;
	}
	return false;
}

struct view
passkey_id(struct view record)
{
	struct countersign_passkey key;

	if (countersign_passkey_read(record.data, record.len, &key) == 0)
		return view_of(NULL, 0);
	return view_of(key.id, key.id_len);
}
