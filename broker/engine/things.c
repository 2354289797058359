/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of the cold state. */
#include "broker/engine/things.h"

#include "broker/base/check.h"

enum { SECRET_BYTES_MAX = 2048 };  /* a passkey with the longest id, or a seed */

struct id
things_secret(const struct id *factor)
{
	struct id id = *factor;

	id.b[0] ^= 0xff;
	return id;
}

struct id
things_device(const struct id *factor)
{
	struct id id = *factor;

	id.b[0] ^= 0xff;
	id.b[1] ^= 0xff;
	return id;
}

/* A secret opens only for the account and factor that it was sealed for (attack S5). */
static void
place(const struct account *a, const struct id *factor, uint8_t aad[32])
{
	memcpy(aad, a->key.b, 16);
	memcpy(aad + 16, factor->b, 16);
}

void
things_put_secret(const struct keyring *k, const struct account *a, const struct id *factor, struct view secret,
    struct extra *x)
{
	uint8_t aad[32], bytes[SECRET_BYTES_MAX + SEAL_OVERHEAD];
	struct buf sealed = buf_over(bytes, sizeof(bytes));
	struct id at = things_secret(factor);

	place(a, factor, aad);
	keyring_seal(k, NULL, view_of(aad, sizeof(aad)), secret, &sealed);
	CHECK(!sealed.full);
	extra_put(x, &at, buf_view(&sealed));
}

enum cs_err
things_secret_open(const struct keyring *k, const struct account *a, struct view cold, const struct id *factor,
    struct buf *out)
{
	struct id at = things_secret(factor);
	struct view sealed = cold_get(cold, &at);
	uint8_t aad[32];

	if (sealed.data == NULL)
		return CS_ERR_NOT_FOUND;
	place(a, factor, aad);
	return keyring_open_sealed(k, NULL, view_of(aad, sizeof(aad)), sealed, out);
}

/* Its place is one of its own, so that nothing sealed as a secret opens here. */
void
things_put_device(const struct keyring *k, const struct account *a, const struct id *factor,
    const struct hash *digest, struct extra *x)
{
	uint8_t aad[32], bytes[sizeof(digest->b) + SEAL_OVERHEAD];
	struct buf sealed = buf_over(bytes, sizeof(bytes));
	struct id at = things_device(factor);

	place(a, &at, aad);
	keyring_seal(k, NULL, view_of(aad, sizeof(aad)), view_of(digest->b, sizeof(digest->b)), &sealed);
	CHECK(!sealed.full);
	extra_put(x, &at, buf_view(&sealed));
}

enum cs_err
things_device_open(const struct keyring *k, const struct account *a, struct view cold, const struct id *factor,
    struct hash *digest)
{
	struct id at = things_device(factor);
	struct view sealed = cold_get(cold, &at);
	uint8_t aad[32], bytes[sizeof(digest->b) + SEAL_OVERHEAD];
	struct buf open = buf_over(bytes, sizeof(bytes));
	enum cs_err err;

	if (sealed.data == NULL)
		return CS_ERR_NOT_FOUND;
	place(a, &at, aad);
	err = keyring_open_sealed(k, NULL, view_of(aad, sizeof(aad)), sealed, &open);
	if (err != CS_OK || open.len != sizeof(digest->b))
		return err != CS_OK ? err : CS_ERR_CORRUPT;
	memcpy(digest->b, bytes, sizeof(digest->b));
	return CS_OK;
}

void
things_tidy(struct engine *e, const struct account *a, struct view cold, struct extra *x)
{
	for (size_t i = 0; i < a->challenges_n; i++) {
		const struct challenge *c = &a->challenges[i];
		bool open = c->state == CHALLENGE_OPEN && c->expires_ms > e->now.wall_ms;
		bool done = c->state == CHALLENGE_DONE &&
		    e->now.wall_ms - c->done_ms <= e->rules->policy->redeem_ms;

		if (!open && !done && cold_get(cold, &c->id).data != NULL)
			extra_drop(x, &c->id);
	}
}

struct view
things_account(const struct keyring *k, const struct account *a, struct view cold, struct texts *texts)
{
	if (texts_from_cold(k, a, cold, &a->key, texts) != CS_OK || texts->of[TEXT_ACCOUNT].data == NULL)
		return VIEW("");
	return texts->of[TEXT_ACCOUNT];
}
