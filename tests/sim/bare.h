/* SPDX-License-Identifier: Apache-2.0 */
/* An engine without processes, sockets and plugins, for the simulator and the fuzzer: whoever holds it moves the bytes. */
#ifndef CS_TESTS_SIM_BARE_H
#define CS_TESTS_SIM_BARE_H

#include "broker/engine/engine.h"

/*
 * With one service "shop" (uid 1001), the provider "sandbox" and the factor "totp". shop and sandbox are further lines of
 * their blocks; candidate, where it is not NULL, makes a candidate with these lines of the provider and no others. Aborts
 * where the configuration is refused.
 */
struct bare {
	const char *realm, *shop, *sandbox, *candidate;
};

struct engine *bare_engine(const struct bare *b, struct keyring *keys, struct store *store, const struct clock_now *now);

#endif
