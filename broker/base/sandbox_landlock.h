/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock: which files, TCP ports, signals and abstract sockets a process can reach, from the moment of landlock_enforce()
 * on, its children too. By the system calls themselves; what the running kernel has is asked of it, so that a build
 * host's headers do not decide. See landlock(7).
 */
#ifndef CS_BASE_SANDBOX_LANDLOCK_H
#define CS_BASE_SANDBOX_LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/err.h"

/* The first version of the interface that has it. */
enum {
	LANDLOCK_FILES = 1,
	LANDLOCK_TRUNCATES = 3, /* before it, a file that may only be read may still be emptied by who may write to it */
	LANDLOCK_TCP = 4,
	LANDLOCK_SCOPES = 6,    /* signals, and abstract sockets, of processes outside */
};

/* What is allowed beneath a path. */
enum landlock_access { LANDLOCK_READ = 1, LANDLOCK_EXECUTE = 2, LANDLOCK_WRITE = 4 };

struct landlock {
	int fd;              /* of the rules that are being gathered */
	int version;
	uint64_t files, tcp; /* that are handled: what no rule allows is refused */
};

/* The version of the interface; 0 where the kernel has none, or it was switched off when it booted. */
int landlock_version(void);
/*
 * Nothing is allowed yet. tcp: TCP is limited to the ports that are allowed, where the kernel can. CS_ERR_UNAVAILABLE: no
 * Landlock here; CS_ERR_SYSTEM with errno.
 */
enum cs_err landlock_init(struct landlock *l, bool tcp);
/* Allows for a directory and all beneath it, or a file. CS_ERR_NOT_FOUND: there is none; CS_ERR_SYSTEM with errno. */
enum cs_err landlock_path(struct landlock *l, const char *path, unsigned access);
/* The same for what fd is. */
enum cs_err landlock_file(struct landlock *l, int fd, unsigned access);
/* Allows to connect to a TCP port. */
enum cs_err landlock_port(struct landlock *l, uint16_t port);
/* From now on, for good. Needs no_new_privs. Frees what landlock_init() took, whatever comes of it. */
enum cs_err landlock_enforce(struct landlock *l);

#endif
