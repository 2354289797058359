/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the shared keys of the configuration into struct oidc. */
#ifndef CS_PLUGIN_LIB_SETTINGS_H
#define CS_PLUGIN_LIB_SETTINGS_H

#include "plugins/lib/oidc.h"

/* NULL, or a sentence that says what is wrong. Secrets and keys are taken even then: clear them. */
const char *settings_read(struct oidc *o);
void settings_clear(struct oidc *o);

/* Views of all values of a key that may be given several times; how many there are, which may be more than max. */
size_t settings_many(const struct countersign_host_v1 *h, const char *name, struct countersign_view *to,
    size_t max);

/* An address of the configuration, as text; its key has a default and is bounded below OIDC_URL_MAX. */
void settings_endpoint(const struct oidc *o, const char *name, char to[OIDC_URL_MAX]);

#endif
