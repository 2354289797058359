/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cage: what the processes of one worker may do. In this order:
 *
 *	cage_main()    the main process, when it has read all that only it may read: files, ports, signals (Landlock), which
 *	               the servers inherit
 *	cage_first()   a server, before it loads the plugin: descriptors, limits, system calls (seccomp). A call that is not
 *	               allowed stops; the main process names it in the log and ends the server
 *	cage_second()  a server, when its plugin is ready: nothing more is opened or mapped as code, where the plugin has
 *	               neither network nor processes
 *
 * What the kernel has not is left out; the status tells of it. What it has and refuses ends the process.
 */
#ifndef CS_WORKER_CAGE_H
#define CS_WORKER_CAGE_H

#include "broker/base/sandbox_seccomp.h"
#include "broker/worker/settings.h"

enum {
	CAGE_PROCESSES_MAX = 4096,   /* of one user, all its workers together: no bomb of threads or processes */
	CAGE_SEMAPHORE_MAX = 4096,   /* bytes of the file that is one */
	CAGE_FILE_MAX = 64 << 20,    /* bytes of a file that is written, where the cage names any */
};

/*
 * Limits this process and its children; plugin_fd may be loaded. own_user: the process became a user of the broker's.
 * CS_ERR_SYSTEM or CS_ERR_NOT_FOUND with a sentence in problem.
 */
enum cs_err cage_main(const struct settings *s, int plugin_fd, bool own_user, char *problem);
/*
 * Keeps the descriptors in keep alone. The other end of `to_main`, which is closed, gets the descriptor of the notices.
 * CS_ERR_SYSTEM with a sentence in problem.
 */
enum cs_err cage_first(const struct settings *s, int to_main, const int *keep, size_t keep_count, char *problem);
/* flags: of the plugin. */
enum cs_err cage_second(const struct settings *s, uint32_t flags, char *problem);

/*
 * What the plugin needs against what it was given. CS_ERR_DENIED, with the line to write in problem.
 */
enum cs_err cage_check(const struct settings *s, const struct countersign_plugin_v1 *plugin, char *problem);

/* The main process: takes the descriptor that cage_first() sent, when there is something to read; -1: there is none. */
int cage_take_notices(int from_server);
/*
 * Answers the notice that is there. True: the call is forbidden, and the server is to be ended; which it is stands in *out.
 * starting: the server's plugin is not ready yet. uses_http: what the plugin said of itself when it was loaded.
 */
bool cage_judge(int notices, const struct settings *s, bool starting, bool uses_http, struct seccomp_notice *out);

/* The table in cage_calls.c. */
enum cage_when {
	CAGE_ALWAYS = 1 << 0,
	CAGE_START = 1 << 1,      /* opening files and mapping code: until cage_second() */
	CAGE_NETWORK = 1 << 2,    /* what sockets need, once there is one */
	CAGE_INET = 1 << 3,       /* sockets of the Internet */
	CAGE_NO_UNIX = 1 << 4,    /* sockets of this machine are refused, for libraries that only try */
	CAGE_UNIX = 1 << 5,       /* sockets of this machine */
	CAGE_PROCESSES = 1 << 6,
	CAGE_WRITE = 1 << 7,
	CAGE_SANITIZER = 1 << 8,
	CAGE_SECOND = 1 << 9,    /* refusals, of cage_second() alone */
};
extern const struct seccomp_rule cage_rules[];
extern const size_t cage_rules_count;

#endif
