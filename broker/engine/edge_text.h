/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule 11 for people: what ties a factor to a provider, in a sentence. explain, countersignctl and Factors say the same.
 */
#ifndef CS_ENGINE_EDGE_TEXT_H
#define CS_ENGINE_EDGE_TEXT_H

#include "broker/core/decide.h"

struct ruleset;

enum { EDGE_TEXT_MAX = 512 };

/*
 * "this passkey syncs through iCloud Keychain, which falls with the Apple ID": for an edge that factor_stands() found of f
 * and that is not EDGE_NONE. Cut where it is longer; returns the length, without the NUL.
 */
size_t edge_text(const struct ruleset *rules, const struct account *a, const struct factor *f, const struct edge *edge,
    char to[EDGE_TEXT_MAX]);
/* What account_bare() found of this provider, and what the owner had better do. */
size_t bare_text(const struct ruleset *rules, uint64_t provider, char to[EDGE_TEXT_MAX]);

#endif
