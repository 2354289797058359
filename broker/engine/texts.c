/* SPDX-License-Identifier: Apache-2.0 */
/* Texts: kind, length, bytes; sealed as one. */
#include "broker/engine/texts.h"

#include "broker/base/check.h"

static const char *const names[TEXT__COUNT] = {"account", "payment", "payee", "payee_name", "ip", "device", "label",
	"proof", "issuer", "subject", "display", "reason", "return_url", "amount",
	"currency", "worst_case", "what", "evidence", "source", "was_issuer", "was_subject", "signal_id", "signal_name",
	"detail"};

const char *
text_name(enum text_kind kind)
{
	CHECK((unsigned)kind < TEXT__COUNT);
	return names[kind];
}

void
texts_init(struct texts *t)
{
	memset(t->of, 0, sizeof(t->of));
}

void
texts_seal(const struct keyring *k, const struct account *a, const struct texts *t, struct buf *out)
{
	uint8_t bytes[TEXTS_BYTES_MAX];
	struct buf plain = buf_over(bytes, sizeof(bytes));

	for (int i = 0; i < TEXT__COUNT; i++) {
		if (t->of[i].data == NULL)
			continue;
		buf_put_u8(&plain, (uint8_t)i);
		buf_put_lv(&plain, t->of[i]);
	}
	CHECK(!plain.full);
	keyring_seal(k, &a->salt, view_of(a->key.b, sizeof(a->key.b)), buf_view(&plain), out);
}

enum cs_err
texts_open(const struct keyring *k, const struct id *account, const struct id *salt, struct view sealed,
    struct texts *t)
{
	struct buf plain = buf_over(t->bytes, sizeof(t->bytes));
	struct cursor c;
	enum cs_err err;

	texts_init(t);
	if (id_zero(salt))
		return CS_ERR_NOT_FOUND;
	err = keyring_open_sealed(k, salt, view_of(account->b, sizeof(account->b)), sealed, &plain);
	if (err != CS_OK)
		return err;
	c = cursor_over(plain.data, plain.len);
	while (cursor_left(&c) > 0) {
		uint8_t kind = cursor_u8(&c);
		struct view v = cursor_lv(&c, TEXTS_BYTES_MAX);

		if (c.bad)
			return CS_ERR_CORRUPT;
		/* A kind that a newer version wrote is passed over. */
		if (kind < TEXT__COUNT)
			t->of[kind] = v;
	}
	return CS_OK;
}

void
texts_to_event(const struct keyring *k, const struct account *a, const struct texts *t, struct extra *x)
{
	uint8_t bytes[TEXTS_BYTES_MAX + SEAL_OVERHEAD];
	struct buf sealed = buf_over(bytes, sizeof(bytes));

	texts_seal(k, a, t, &sealed);
	extra_text(x, buf_view(&sealed));
}

void
texts_to_cold(const struct keyring *k, const struct account *a, const struct texts *t, const struct id *id,
    struct extra *x)
{
	uint8_t bytes[TEXTS_BYTES_MAX + SEAL_OVERHEAD];
	struct buf sealed = buf_over(bytes, sizeof(bytes));

	texts_seal(k, a, t, &sealed);
	extra_put(x, id, buf_view(&sealed));
}

enum cs_err
texts_from_cold(const struct keyring *k, const struct account *a, struct view cold, const struct id *id,
    struct texts *t)
{
	struct view sealed = cold_get(cold, id);

	if (sealed.data == NULL) {
		texts_init(t);
		return CS_ERR_NOT_FOUND;
	}
	return texts_open(k, &a->key, &a->salt, sealed, t);
}
