/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of a provider plugin that speaks OpenID Connect, ready to be put into its tables: the
 * instance is a struct oidc.
 */
#ifndef CS_PLUGIN_LIB_PROVIDER_H
#define CS_PLUGIN_LIB_PROVIDER_H

#include "plugins/lib/oidc.h"

/*
 * For the plugin's init(): reads the shared keys (keys.h) as far as the plugin's table has them, then asks
 * kind->configure. What is wrong goes to the log: COUNTERSIGN_INVALID. kind is static.
 */
int oidc_open(const struct countersign_host_v1 *host, const struct oidc_kind *kind, void **instance);

/* Members of struct countersign_plugin_v1. */
int oidc_self_test(const struct countersign_host_v1 *host);
void oidc_fini(void *instance);

/* Members of struct countersign_provider_v1. */
int oidc_authorization_url(void *instance, const struct countersign_authorize *in,
    struct countersign_authorize_answer *out);
int oidc_identify(void *instance, const struct countersign_identify *in, struct countersign_identity *out);

#endif
