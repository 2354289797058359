/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls a process may make. A call that no rule names is not made: the kernel stops it and tells a
 * supervisor in another process which it was (seccomp_unotify(2)), so that its name is certain whatever the process does
 * to its own memory. A kernel that cannot (before 5.0) ends the process at once. In a library of its own, as it needs
 * libseccomp.
 */
#ifndef CS_BASE_SANDBOX_SECCOMP_H
#define CS_BASE_SANDBOX_SECCOMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/base/err.h"

enum { SECCOMP_ARGUMENTS_MAX = 2, SECCOMP_NAME_MAX = 48 };

/* A rule: the call is made, or fails with `error`, where for each argument (value & mask) is `value`. Rules of one name add up. */
struct seccomp_rule {
	const char *name;  /* as in syscalls(2); one that this architecture has not is passed over */
	unsigned when;     /* the caller's own bits */
	int error;         /* 0: it is made */
	unsigned argument_count;
	struct {
		unsigned index;
		uint64_t mask, value;
	} arguments[SECCOMP_ARGUMENTS_MAX];
};

/*
 * For this thread and what it starts, from now on; it needs no_new_privs. Of the rules those count that have a bit of `when`. The first
 * filter of a process: everything else is stopped, and *notices is the descriptor that tells of it, or -1 where the
 * kernel cannot tell. CS_ERR_SYSTEM with errno.
 */
enum cs_err seccomp_only(const struct seccomp_rule *rules, size_t n, unsigned when, int *notices);
/* One more filter, which refuses what these rules say and leaves all else to the filters before it. */
enum cs_err seccomp_less(const struct seccomp_rule *rules, size_t n, unsigned when);

/* A call that was stopped; its thread waits. */
struct seccomp_notice {
	uint64_t id;
	pid_t pid;                     /* of the thread */
	char name[SECCOMP_NAME_MAX];   /* "" where it has none that is known: it is newer than libseccomp */
	int number;
	uint64_t arguments[6];
};

/* CS_ERR_NOT_FOUND: it is gone already; CS_ERR_SYSTEM with errno. */
enum cs_err seccomp_notice_read(int notices, struct seccomp_notice *out);
/* The call is made after all (error 0), or fails with that error. Who waits may be gone. */
void seccomp_notice_answer(int notices, const struct seccomp_notice *n, int error);

#endif
