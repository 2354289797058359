/* SPDX-License-Identifier: Apache-2.0 */
/* Opens a plugin's file and checks that nobody but root and the broker's own user could have written it. */
#ifndef CS_PARENT_PLUGINS_H
#define CS_PARENT_PLUGINS_H

#include "broker/base/err.h"

enum { PLUGIN_WHY_MAX = 512 };

/*
 * plugin: a name, for NAME.so in the directory, or an absolute path. The file must be a regular one, no symbolic link,
 * and it and its directory must belong to root or to this process's user and be writable by nobody else. *fd is what the
 * worker loads from: replacing the file afterwards changes nothing until the next reload. CS_ERR_NOT_FOUND,
 * CS_ERR_DENIED, CS_ERR_SYSTEM with a sentence for people in why (PLUGIN_WHY_MAX bytes).
 */
enum cs_err plugin_open(const char *directory, const char *plugin, int *fd, char *why);

#endif
