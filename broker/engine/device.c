/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: their cookies, and the numbers of a challenge. */
#include "broker/engine/device.h"

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/things.h"

static uint32_t
bytes_at(const struct hash *bytes, size_t i)
{
	return (uint32_t)bytes->b[i] | (uint32_t)bytes->b[i + 1] << 8 | (uint32_t)bytes->b[i + 2] << 16 |
	    (uint32_t)bytes->b[i + 3] << 24;
}

static bool
is_taken(const struct device_numbers *n, size_t count, uint8_t number)
{
	for (size_t i = 0; i < count; i++) {
		if (n->of[i] == number)
			return true;
	}
	return false;
}

/*
 * Each number from 32 bits of its own: modulo 90 that is even enough. A number that is taken gives way to the next one, so
 * that there are three whatever the bytes are; then a shuffle.
 */
void
device_numbers_of(const struct hash *bytes, struct device_numbers *to)
{
	const uint32_t all = DEVICE_NUMBER_MAX - DEVICE_NUMBER_MIN + 1;

	for (size_t i = 0; i < DEVICE_NUMBERS; i++) {
		uint32_t number = bytes_at(bytes, 4 * i) % all;

		while (is_taken(to, i, (uint8_t)(DEVICE_NUMBER_MIN + number)))
			number = (number + 1) % all;
		to->of[i] = (uint8_t)(DEVICE_NUMBER_MIN + number);
	}
	to->right = to->of[0];
	for (size_t i = DEVICE_NUMBERS - 1; i > 0; i--) {
		size_t with = bytes_at(bytes, 4 * DEVICE_NUMBERS + 4 * i) % (i + 1);
		uint8_t moved = to->of[i];

		to->of[i] = to->of[with];
		to->of[with] = moved;
	}
}

void
device_numbers(const struct keyring *k, const struct id *challenge, struct device_numbers *to)
{
	const struct view part = view_of(challenge->b, sizeof(challenge->b));
	struct hash bytes;

	keyring_digest(k, DIGEST_NUMBER, &part, 1, &bytes);
	device_numbers_of(&bytes, to);
	secret_wipe(&bytes, sizeof(bytes));
}

bool
device_cookie_read(struct view cookie, struct id *account, struct id *factor)
{
	uint8_t bytes[DEVICE_COOKIE];

	if (!base32_decode(cookie, bytes, sizeof(bytes)))
		return false;
	memcpy(account->b, bytes, sizeof(account->b));
	memcpy(factor->b, bytes + 16, sizeof(factor->b));
	secret_wipe(bytes, sizeof(bytes));
	return !id_zero(account);
}

static void
digest_of(const uint8_t secret[DEVICE_SECRET], struct hash *to)
{
	sha256(view_of(secret, DEVICE_SECRET), to);
}

void
device_make(const struct keyring *k, const struct account *a, const struct id *factor, struct extra *x,
    char cookie[DEVICE_COOKIE_TEXT])
{
	uint8_t bytes[DEVICE_COOKIE];
	struct hash digest;

	memcpy(bytes, a->key.b, 16);
	memcpy(bytes + 16, factor->b, 16);
	secret_random(bytes + 32, DEVICE_SECRET);
	digest_of(bytes + 32, &digest);
	things_put_device(k, a, factor, &digest, x);
	CHECK(base32_encode(bytes, sizeof(bytes), cookie) == DEVICE_COOKIE_TEXT);
	secret_wipe(bytes, sizeof(bytes));
}

const struct factor *
device_factor(const struct engine *e, const struct account *a, struct view cold, struct view cookie)
{
	uint8_t bytes[DEVICE_COOKIE];
	struct id key, id;
	struct hash kept, given;
	const struct factor *f;

	if (!device_cookie_read(cookie, &key, &id) || !id_equal(&key, &a->key))
		return NULL;
	f = account_factor(a, &id);
	if (f == NULL || f->kind != FACTOR_APPROVE || factor_gone(a, f, e->now.wall_ms) ||
	    things_device_open(e->keys, a, cold, &id, &kept) != CS_OK)
		return NULL;
	CHECK(base32_decode(cookie, bytes, sizeof(bytes)));
	digest_of(bytes + 32, &given);
	if (!secret_equal(kept.b, given.b, sizeof(kept.b)))
		f = NULL;
	secret_wipe(bytes, sizeof(bytes));
	return f;
}
