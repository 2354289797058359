/* SPDX-License-Identifier: Apache-2.0 */
/* The parent's whole state, shared by main.c (the loop) and generation.c (what runs, and the change to the next). */
#ifndef CS_PARENT_PARENT_H
#define CS_PARENT_PARENT_H

#include "broker/parent/children.h"
#include "broker/parent/config.h"

enum {
	/* gateway and all workers twice, while old and new ones overlap; and the engine */
	PARENT_CHILDREN_MAX = 2 * (1 + CONFIG_PROVIDERS_MAX + CONFIG_FACTORS_MAX) + 1,
	PARENT_SWAP_MS = 10 * 1000,   /* the engine swaps a pointer between two turns; this is generous */
	PARENT_WHY_MAX = CONTROL_TEXT_MAX,
};

enum reload_state {
	RELOAD_NONE,
	RELOAD_STARTING,   /* replacements are starting */
	RELOAD_SWAPPING,   /* the engine has been told */
};

struct parent {
	/* From the command line; absolute paths. */
	const char *file, *libexec, *plugins;
	bool debug;
	bool separated;             /* started as root, and every role has a user of its own */

	struct config *config;      /* in force; NULL before the start */
	int config_fd;              /* its canonical text */
	int service_fd, admin_fd, gateway_fd, https_fd;

	struct child children[PARENT_CHILDREN_MAX];
	int child_count;

	enum reload_state reload;
	struct config *next;        /* of the reload that is going on */
	int next_fd;
	int64_t reload_due_ms;      /* of RELOAD_SWAPPING */
	bool reload_again;          /* asked for while one is going on */
	bool reload_asked;          /* by the engine, which waits for an answer */
	bool table_dirty;           /* the engine has not seen the present table of processes */
};

void parent_init(struct parent *p);
/* Removes the sockets that were bound, at the end; no child runs any more. */
void parent_unlink(struct parent *p, const struct config *c);
struct child *parent_find(struct parent *p, enum child_kind kind, pid_t pid);

/*
 * First generation: loads, checks, binds everything and describes the children; nothing runs yet. False with why
 * (PARENT_WHY_MAX bytes).
 */
bool generation_first(struct parent *p, char *why);
/* Only looks: loads, checks, and opens the plugins. */
bool generation_check(struct parent *p, char *why);

/* A reload: begins one, or remembers to begin another after this one. */
void reload_begin(struct parent *p, int64_t now_ms);
/* Goes on with it, whatever has happened meanwhile. */
void reload_step(struct parent *p, int64_t now_ms);
/* The engine answered CONFIG. */
void reload_answer(struct parent *p, const struct control_message *m, int64_t now_ms);

#endif
