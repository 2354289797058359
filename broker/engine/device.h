/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that approve: a factor of kind approve is one browser of the owner's, which registered itself on the enrolment's
 * page and keeps a cookie since. The cookie finds the account and shows what waits; it approves nothing: that takes the
 * device's passkey, and the number that the other surface shows.
 */
#ifndef CS_ENGINE_DEVICE_H
#define CS_ENGINE_DEVICE_H

#include "broker/engine/call.h"
#include "broker/engine/cold.h"

enum {
	DEVICE_SECRET = 32,
	DEVICE_COOKIE = 16 + 16 + DEVICE_SECRET,              /* account, factor, secret */
	DEVICE_COOKIE_TEXT = (8 * DEVICE_COOKIE + 4) / 5,     /* base32 */
	DEVICE_NUMBERS = 3,                                   /* offered; two of them are wrong */
	DEVICE_NUMBER_MIN = 10,
	DEVICE_NUMBER_MAX = 99,
};

/* Of one challenge, always the same ones: the page of the device is drawn more than once. */
struct device_numbers {
	uint8_t right;                    /* DEVICE_NUMBER_MIN to DEVICE_NUMBER_MAX */
	uint8_t of[DEVICE_NUMBERS];       /* as they are offered: distinct, right among them */
};

void device_numbers(const struct keyring *k, const struct id *challenge, struct device_numbers *to);
/* The same from 32 bytes that nobody can guess. */
void device_numbers_of(const struct hash *bytes, struct device_numbers *to);

/* Reads account and factor of a cookie; false where it is none. Whether it is right device_factor() says. */
bool device_cookie_read(struct view cookie, struct id *account, struct id *factor);

/*
 * A new device of this factor: the cookie that its browser keeps, not ended by NUL, and its digest, sealed, among the
 * changes of the cold state.
 */
void device_make(const struct keyring *k, const struct account *a, const struct id *factor, struct extra *x,
    char cookie[DEVICE_COOKIE_TEXT]);
/* The factor of kind approve whose device this is; NULL where it is not, or not any more. cold: the account's. */
const struct factor *device_factor(const struct engine *e, const struct account *a, struct view cold, struct view cookie);

#endif
