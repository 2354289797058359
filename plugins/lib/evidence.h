/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of identity.evidence: what the provider vouches for besides the subject. */
#ifndef CS_PLUGIN_LIB_EVIDENCE_H
#define CS_PLUGIN_LIB_EVIDENCE_H

#include <stdbool.h>

#include <jansson.h>

#include "countersign/plugin.h"

/*
 * Adds one line. verified_s: 0 where it is not said. Left out: where the host is too old to take evidence,
 * and a value that is absent, longer than 254 bytes or has blanks or control characters.
 */
void evidence_put(struct countersign_identity *identity, const char *kind, int64_t verified_s,
    struct countersign_view value);

/* Whether a claim is true; the text "true" is none. */
bool claim_is_true(const json_t *claims, const char *name);

#endif
