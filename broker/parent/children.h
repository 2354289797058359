/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The children: one table of state × event (see README.md), as s6-supervise has it. A child says that it is ready by an
 * empty line on a pipe; one that ends is started again after a growing pause; one that is told to end and does not is killed.
 * Times are milliseconds since boot.
 */
#ifndef CS_PARENT_CHILDREN_H
#define CS_PARENT_CHILDREN_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "broker/parent/control.h"

enum {
	CHILD_BACKOFF_FIRST_MS = 100,
	CHILD_BACKOFF_MAX_MS = 30 * 1000,
	CHILD_STEADY_MS = 10 * 1000,     /* up for so long: the next pause is the first one again */
	CHILD_START_MS = 30 * 1000,      /* not ready after this: killed, and counted as ended */
	CHILD_LISTENERS_MAX = 3,
	CHILD_POLLS_MAX = 2,             /* descriptors of one child: readiness, control */
	CHILD_LATE_TEXT = 256,
};

enum child_kind { CHILD_GATEWAY, CHILD_ENGINE, CHILD_WORKER };  /* in the order of stopping */

enum child_state {
	CHILD_DOWN,      /* waits for its pause to end */
	CHILD_STARTING,  /* runs, not yet ready */
	CHILD_UP,
	CHILD_STOPPING,  /* was told to end */
	CHILD_OVER,      /* ended, and stays so: the table's owner removes it */
	CHILD_STATES
};

struct child_listener {
	const char *name;            /* static text */
	int fd;                      /* borrowed */
};

struct child {
	/* Set by the owner before child_start(). */
	char role[CONTROL_ROLE_MAX];
	enum child_kind kind;
	char program[256];           /* path */
	char name[CONTROL_ROLE_MAX]; /* a worker's provider or factor; else empty */
	struct child_listener listeners[CHILD_LISTENERS_MAX];
	int listener_count;
	int plugin_fd;               /* the child's own, or -1: pinned, so that a restart loads what was checked */
	int socket_fd;               /* a worker's listening socket, the child's own, or -1 */
	char socket_path[108];       /* and where it is bound */
	char *fingerprint;           /* of all that it depends on, on the heap; NULL: none */
	uint64_t wanted;             /* newest generation that wants it; a later one in force means that it is replaced */
	uint64_t generation;         /* that it was started with */
	int config_fd;               /* borrowed: canonical text in a sealed memfd */
	bool debug;
	bool trial;                  /* a replacement that is not in force yet */

	enum child_state state;
	pid_t pid;
	int ready_fd, control_fd;    /* -1 where there is none */
	int64_t due_ms;              /* of the state's timer; -1: none */
	int64_t backoff_ms;
	uint32_t restarts, failures; /* failures: ends before being ready */
	char late[CHILD_LATE_TEXT];  /* why it is not ready yet, in its words, for the service manager; empty: it said nothing */
	char line[CHILD_LATE_TEXT];  /* of the readiness pipe, so far */
	size_t line_len;
};

/* Event that happened to a child. */
enum child_event { CHILD_EVENT_TIMER, CHILD_EVENT_READY, CHILD_EVENT_LATE, CHILD_EVENT_EXIT, CHILD_EVENT_STOP, CHILD_EVENTS };

void child_init(struct child *c, enum child_kind kind, const char *role);
/* Closes what is its own and unlinks its socket. It must not run. */
void child_clear(struct child *c);
void child_handle(struct child *c, enum child_event event, int64_t now_ms);
/* Begins at once. */
void child_start(struct child *c, int64_t now_ms);
/* At most CHILD_POLLS_MAX entries; returns how many. */
int child_polls(const struct child *c, struct pollfd *to);
/* After poll: true where the child has just become ready, or has just said why it is late (c->late). */
bool child_take_ready(struct child *c, int64_t now_ms);
const char *child_state_name(enum child_state state);

#endif
