/* SPDX-License-Identifier: Apache-2.0 */
/* Link keys and old payments into the file of a store that no broker has open: those that came from another store, without their events. */
#ifndef CS_STORE_SQLITE_FILL_H
#define CS_STORE_SQLITE_FILL_H

#include "broker/store/record.h"

struct store_fill;

/* *why as for store_sqlite_open(). */
enum cs_err store_fill_open(const char *path, struct store_fill **out, char why[256]);
/* Each takes the place of the one before it. */
enum cs_err store_fill_claim(struct store_fill *f, const struct record_claim *claim, char why[256]);
enum cs_err store_fill_payment(struct store_fill *f, const struct record_payment *payment, char why[256]);
/* Durable when this returns. */
enum cs_err store_fill_sync(struct store_fill *f, char why[256]);
/* What was not synced is dropped. */
void store_fill_close(struct store_fill *f);

#endif
