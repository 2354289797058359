/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parent and its children say to each other on descriptor 5: fixed-size messages on a SOCK_SEQPACKET pair.
 * Between programs of one build only, so the struct itself is the format.
 *
 *   engine → parent   RELOAD                        read the configuration again (Admin.Reload)
 *   parent → engine   CONFIG generation, memfd      the workers of this generation are ready: swap to it
 *   engine → parent   OK generation                 swapped; the parent now drains what was replaced
 *   engine → parent   ERROR generation, text        kept the old one, and why
 *   parent → engine   RELOADED generation           the answer to RELOAD: what is in force now
 *   parent → engine   REFUSED generation, text      the answer to RELOAD: still the old one, and why
 *   parent → engine   PROCESS index, count, process one message a process, all of them whenever one changes
 *
 * To gateway and workers the parent says nothing; for every child the end of the stream means that the parent is gone,
 * and that it must end too.
 */
#ifndef CS_PARENT_CONTROL_H
#define CS_PARENT_CONTROL_H

#include <stdint.h>
#include <sys/types.h>

#include "broker/base/err.h"

enum {
	CONTROL_TEXT_MAX = 1024,    /* a configuration error in one line */
	CONTROL_ROLE_MAX = 40,      /* "worker:" and a name of CONFIG_NAME_MAX bytes */
	CONTROL_PROCESSES_MAX = 200 /* engine, gateway, 96 workers; twice during a reload */
};

enum control_type {
	CONTROL_RELOAD = 1, CONTROL_CONFIG, CONTROL_OK, CONTROL_ERROR, CONTROL_RELOADED, CONTROL_REFUSED, CONTROL_PROCESS
};

/* down: waits to be started again. */
enum control_state { CONTROL_DOWN, CONTROL_STARTING, CONTROL_UP, CONTROL_STOPPING };

struct control_process {
	char role[CONTROL_ROLE_MAX];  /* "parent", "engine", "gateway", "worker:NAME" */
	int32_t pid;                  /* 0 while down */
	uint32_t state;               /* enum control_state */
	uint32_t restarts;
	uint64_t generation;          /* that it was started with */
};

struct control_message {
	uint32_t type;                /* enum control_type */
	uint32_t index, count;        /* PROCESS: from 0, of count */
	uint64_t generation;
	union {
		char text[CONTROL_TEXT_MAX];  /* NUL-terminated */
		struct control_process process;
	};
};

/* "down", "starting", "up", "stopping". */
const char *control_state_name(uint32_t state);

/*
 * Never blocks. passed: a descriptor that goes along, or -1; it stays open here. CS_ERR_FULL: the peer does not read;
 * CS_ERR_UNAVAILABLE: it is gone.
 */
enum cs_err control_send(int fd, const struct control_message *m, int passed);
/*
 * Never blocks. *passed: the descriptor that came along (close-on-exec, the caller's to close), or -1. Errors:
 * CS_ERR_NOT_FOUND: nothing there now; CS_ERR_UNAVAILABLE: the peer is gone; CS_ERR_SYNTAX: not a message of ours.
 */
enum cs_err control_receive(int fd, struct control_message *m, int *passed);

/* A message with text, cut where longer. */
struct control_message control_text(enum control_type type, uint64_t generation, const char *text);

#endif
