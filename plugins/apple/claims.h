/* SPDX-License-Identifier: Apache-2.0 */
/* What an ID token of Apple's says besides who it is. */
#ifndef CS_PLUGIN_APPLE_CLAIMS_H
#define CS_PLUGIN_APPLE_CLAIMS_H

#include <jansson.h>
#include <stdbool.h>

#include "countersign/plugin.h"

/*
 * The evidence that the claims give: that Apple verified an address, where it did, and the address is the person's own.
 * A relay address proves nothing: it forwards to wherever the Apple Account says. Written to `evidence`
 * as plugin.h has it; empty where there is none, or no room.
 */
void claims_put_evidence(const json_t *claims, struct countersign_buffer *evidence);

/*
 * An answer of /auth/usermigrationinfo: the member `name` ("sub", "transfer_sub"), 1 to 255 printable bytes.
 * COUNTERSIGN_OK or PROVIDER_ERROR.
 */
int claims_read_migrated(const json_t *answer, const char *name, struct countersign_view *to);

#endif
