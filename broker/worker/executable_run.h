/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of executable share; private to executable*.c. */
#ifndef CS_WORKER_EXECUTABLE_RUN_H
#define CS_WORKER_EXECUTABLE_RUN_H

#include <sys/types.h>

#include "broker/base/bytes.h"
#include "broker/base/varlink.h"
#include "broker/worker/calls.h"
#include "broker/worker/executable.h"

enum {
	EXECUTABLE_KEYS_MAX = 64,          /* as of a plugin that is a shared object */
	EXECUTABLE_CONTROLS_MAX = 32,
	EXECUTABLE_BODY_MAX = 40 * 1024,   /* of an HTTP answer: as base64url it must fit one message */
	EXECUTABLE_START_MS = 20 * 1000,   /* to say what it is, to test itself, to take its configuration */
	EXECUTABLE_LATE_MS = 500,          /* after the deadline, when a watchdog has acted long since */
	EXECUTABLE_STDERR_LINES = 64,      /* of one call; the rest is not logged */
	EXECUTABLE_GARBAGE = 255,          /* beside enum countersign_result: no answer, or none that counts */
};

/* One program: a process has one plugin. */
struct executable {
	pid_t pid;
	int fd, stderr_fd;
	const struct countersign_host_v1 *host;  /* NULL until it is tested */
	char name[33];                           /* for the log */
	struct bytes in, out;
	size_t scanned;
	size_t printed;                          /* lines of this call that were logged */
	int64_t deadline_boot_ms;                /* of what is under way */
	bool dead;                               /* nothing more is asked of it */
	struct json_token tokens[JSON_TOKENS_MAX];
	struct json doc;                         /* of the last reply */
	struct json host_doc;                    /* of a call of the program's */
	struct countersign_plugin_v1 plugin;
	struct countersign_provider_v1 provider;
	struct countersign_factor_v1 factor;
	struct countersign_risk_v1 risk;
	struct countersign_notify_v1 notify;
	struct countersign_token_v1 token;
	struct countersign_config_key keys[EXECUTABLE_KEYS_MAX];
	uint32_t assurance;
	const char *controls[EXECUTABLE_CONTROLS_MAX + 1];
	const char *code_parameter;
};

/* executable_start.c */
/* pid, fd and stderr_fd of x. CS_ERR_SYSTEM: errno says why. */
enum cs_err executable_start(int program_fd, struct executable *x);
/* Logs what it printed so far. */
void executable_drain(struct executable *x);
/* Ends it: it may finish by itself, and is killed where it does not. */
void executable_stop(struct executable *x);

/* executable_talk.c */
/* Begins a call: the writer stands inside its parameters. Ends with executable_ask(). */
struct json_writer executable_begin(struct executable *x, const char *method);
/*
 * Sends what was begun and waits for the reply, serving the program's own calls meanwhile. COUNTERSIGN_OK: x->doc and
 * *parameters (0: none). Else the program's result, or EXECUTABLE_GARBAGE, after which it is dead.
 */
int executable_ask(struct executable *x, struct json_writer *w, int64_t deadline_boot_ms, uint32_t *parameters);
/* After each: wipes what was said. */
void executable_forget(struct executable *x);
int64_t executable_boot_ms(void);

/* executable_calls.c */
/* Gives the operations of these kinds, and those of `may` that the program says it has. */
void executable_operations(struct executable *x, const struct json *doc, uint32_t may);

#endif
