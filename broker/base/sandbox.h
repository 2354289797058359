/* SPDX-License-Identifier: Apache-2.0 */
/* What a role gives up before it meets the world. */
#ifndef CS_BASE_SANDBOX_H
#define CS_BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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

/*
 * A build with AddressSanitizer or ThreadSanitizer needs what the cage takes away: terabytes of address space for their
 * shadow, and for the leak checker a process that attaches to this one. Such a build limits no memory, stays dumpable,
 * and allows the calls of the sanitizers; the status says so.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#else
#define SANDBOX_SANITIZED 0
#endif

/* What of the cage this kernel and this build have. Nothing is changed by asking. */
struct sandbox_kernel {
	bool no_new_privs;
	bool seccomp;        /* filters */
	bool seccomp_names;  /* and the supervisor is told which call was stopped */
	int landlock;        /* version of the interface; 0: none. See sandbox_landlock.h */
	bool memory;         /* limits of address space: not in a sanitized build */
};
void sandbox_probe(struct sandbox_kernel *out);
/* Bounds, and never raises, one resource of this process: RLIMIT_AS and its like. CS_ERR_SYSTEM with errno. */
enum cs_err sandbox_bound(int resource, uint64_t max);

#endif
