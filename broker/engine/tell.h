/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the owner: each change of an account's factors, each recovery code that is used, and each link that is moved or
 * whose evidence is lowered, is told through every other
 * factor that reaches its owner, so that whoever changes one of them cannot do so unseen. Like notices: sent when the
 * events are committed, at most once, and nobody waits; what is lost is counted and logged.
 */
#ifndef CS_ENGINE_TELL_H
#define CS_ENGINE_TELL_H

#include "broker/engine/txn.h"

/*
 * After the events were added. what: "factor_enrolled", "factor_removed", "factor_unlocked", "recovery_begun",
 * "recovery_code_used", "link_rekeyed", "evidence_lowered". factor_no: the one that it is about, which is not told itself; 0: none. detail: a word more, such
 * as the kind of the factor; data NULL: none.
 */
void tell_others(struct txn *t, const struct account *a, struct call *call, const char *what, uint32_t factor_no,
    struct view detail);

#endif
