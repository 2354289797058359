/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links whose subject goes by another name. The two halves of the proof: the provider says, in the very answer that names the new
 * subject, what it called the same person before; and a link of this broker has that name. What may be moved, and when, is
 * the core's (decide_link_rekey()).
 */
#ifndef CS_ENGINE_REKEY_H
#define CS_ENGINE_REKEY_H

#include "broker/engine/identify.h"
#include "broker/engine/txn.h"

/* True: the link has the new name now. False: *d is a denial, whose event is told. */
bool rekey_by_signin(struct txn *t, struct account *a, struct call *call, const struct link *l, const struct identity *who,
    struct decision *d);

#endif
