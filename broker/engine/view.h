/* SPDX-License-Identifier: Apache-2.0 */
/* The owner's page of linked IDs. */
#ifndef CS_ENGINE_VIEW_H
#define CS_ENGINE_VIEW_H

#include "broker/engine/page.h"

/* What the countersignature that opens it is for: this service's page of this account. */
struct hash view_content(const struct engine *e, const struct account *a, uint64_t service);

#endif
