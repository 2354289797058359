/* SPDX-License-Identifier: Apache-2.0 */
/* What a role gives up before it meets the world. */
#ifndef CS_BASE_SANDBOX_H
#define CS_BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "broker/base/err.h"

/* Closes every descriptor from `from` on, except those in keep (ascending order not needed). */
void sandbox_close_from(int from, const int *keep, size_t n);
/*
 * Becomes uid and gid for good, without supplementary groups, and proves that there is no way back.
 * Does nothing when this process is not root. CS_ERR_SYSTEM with errno.
 */
enum cs_err sandbox_drop(uid_t uid, gid_t gid);
/* no_new_privs, no core dumps (keys live in memory), not dumpable, a cap on open files. */
enum cs_err sandbox_limits(size_t open_files_max);

#endif
