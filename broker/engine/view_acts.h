/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner does on the page of linked IDs. */
#ifndef CS_ENGINE_VIEW_ACTS_H
#define CS_ENGINE_VIEW_ACTS_H

#include "broker/engine/view_call.h"

/*
 * Carries out what waited for a countersignature that is there now, one a call. False: the call goes on with `again`, after
 * plugins were asked, or once that is durable.
 */
bool view_redeem(struct txn *t, struct account *a, struct call *call, struct owner_view *v, txn_fn *again);

/* A provider's name for people. */
const char *view_provider_title(const struct engine *e, uint64_t provider);

#endif
