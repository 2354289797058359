/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a plugin from a descriptor that the parent opened and checked, so that nobody can put
 * another file in its place in between. Only a server process, or --check, does this: the worker's
 * main process loads nothing.
 */
#ifndef CS_WORKER_LOAD_H
#define CS_WORKER_LOAD_H

#include <stdbool.h>

#include "broker/base/err.h"
#include "countersign/plugin.h"

enum { LOAD_PROBLEM_MAX = 512 };  /* room for the sentence in `problem` */

/*
 * *plugin is the plugin's own static data, for as long as the process lives: plugins are not
 * unloaded. Checked: the file (regular, not writable by others), the symbol, the ABI, names,
 * tables, operations. CS_ERR_DENIED, CS_ERR_VERSION, CS_ERR_CORRUPT, with a sentence in problem.
 */
enum cs_err load_plugin(int fd, const struct countersign_plugin_v1 **plugin,
    char *problem);

/* Names of the kinds that are set, one a call: the i-th, or NULL beyond. */
const char *load_kind_name(uint32_t kinds, size_t i);

/* Whether the factor has these operations: a plugin may be older than they are. */
bool load_factor_begins(const struct countersign_factor_v1 *factor);
bool load_factor_tells(const struct countersign_factor_v1 *factor);

/* Of a provider the same. */
bool load_provider_signals(const struct countersign_provider_v1 *provider);
bool load_provider_polls(const struct countersign_provider_v1 *provider);
bool load_provider_streams(const struct countersign_provider_v1 *provider);
bool load_provider_rekeys(const struct countersign_provider_v1 *provider);
/* NULL, or 1 to 64 of a-z, A-Z, 0-9, "_" and "-": a name that a callback's parameter may have. */
bool load_parameter_good(const char *name);

/* The checks of the struct alone, for tests. */
enum cs_err load_check(const struct countersign_plugin_v1 *plugin, char *problem);

#endif
