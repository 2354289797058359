/* SPDX-License-Identifier: Apache-2.0 */
/* Which store, by the configuration. */
#ifndef CS_ENGINE_STORE_OPEN_H
#define CS_ENGINE_STORE_OPEN_H

#include "broker/base/poller.h"
#include "broker/parent/config.h"
#include "broker/store/store.h"

struct keyring;

/*
 * The store that config->store names. It may need descriptors of the loop's for as long as it is open. *why says what is
 * wrong, and how to mend it. On success only.
 */
enum cs_err engine_store_open(const struct config *config, const struct keyring *keys, const struct poller *poller,
    struct store **out, char why[256]);
/* The same where it is `store redis` (store_redis.c). */
enum cs_err engine_store_redis(const struct config *config, const struct keyring *keys, const struct poller *poller,
    struct store **out, char why[256]);

#endif
