/* SPDX-License-Identifier: Apache-2.0 */
/* The stores that the contract is held against. */
#ifndef TESTS_STORE_OPENERS_H
#define TESTS_STORE_OPENERS_H

#include "tests/store/harness.h"

/* A way to open a store. */
struct opener {
	const char *name;
	/* `dir` is empty at first. */
	struct store *(*open)(const char *dir);
	bool keeps; /* what was written outlives close */
	/* What it needs: started before the tests, ended behind them. NULL: nothing. false: not here; it says why. */
	bool (*begin)(void);
	void (*end)(void);
};

extern const struct opener openers[];
extern const size_t openers_n;

#endif
