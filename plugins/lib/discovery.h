/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider's metadata (OpenID Connect Discovery 1.0 section 4), fetched when needed and kept as
 * long as keys are.
 */
#ifndef CS_PLUGIN_LIB_DISCOVERY_H
#define CS_PLUGIN_LIB_DISCOVERY_H

#include "plugins/lib/oidc.h"

/*
 * Makes o->metadata valid. The document's issuer must be the configured one, letter for letter;
 * endpoints must be https. COUNTERSIGN_PROVIDER_ERROR where the document is wrong, with a line in
 * the log.
 */
int discovery_need(struct oidc *o);

/*
 * The document alone, for discovery_need() and tests. NULL, or what is wrong; *m is set on success
 * only.
 */
const char *discovery_read(const struct oidc_settings *settings, const json_t *document,
    struct oidc_metadata *m);

#endif
