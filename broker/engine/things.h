/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands where in an account's cold state:
 *
 *	the account's own key      texts: the realm's own id of the account
 *	a link's id                texts: issuer, subject, what the provider says of the person
 *	a factor's id              texts: label
 *	things_secret(factor)      the factor's secret, sealed under the broker's key for this account and factor
 *	things_device(factor)      the digest of its device's cookie, sealed for this account and factor
 *	a challenge's id           texts: all that its card shows (payment, payee, return URL, ...)
 *	an allowance's id          texts: payee
 */
#ifndef CS_ENGINE_THINGS_H
#define CS_ENGINE_THINGS_H

#include "broker/engine/call.h"
#include "broker/engine/texts.h"

/* Where a factor's secret stands. */
struct id things_secret(const struct id *factor);
void things_put_secret(const struct keyring *k, const struct account *a, const struct id *factor, struct view secret,
    struct extra *x);
/* The secret in the clear, into `out`; the caller wipes it. CS_ERR_NOT_FOUND, CS_ERR_CORRUPT. */
enum cs_err things_secret_open(const struct keyring *k, const struct account *a, struct view cold,
    const struct id *factor, struct buf *out);
/* The same of the device of a factor that approves. */
struct id things_device(const struct id *factor);
void things_put_device(const struct keyring *k, const struct account *a, const struct id *factor,
    const struct hash *digest, struct extra *x);
enum cs_err things_device_open(const struct keyring *k, const struct account *a, struct view cold,
    const struct id *factor, struct hash *digest);
/* Cards of challenges that can neither be answered nor redeemed any more leave the cold state. */
void things_tidy(struct engine *e, const struct account *a, struct view cold, struct extra *x);
/* The realm's own id of the account; empty where its texts were erased. texts holds the bytes. */
struct view things_account(const struct keyring *k, const struct account *a, struct view cold, struct texts *texts);

#endif
