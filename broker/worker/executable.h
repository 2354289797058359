/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugins that are programs: they speak Varlink on descriptor 3 (org.countersign.Plugin, org.countersign.Host), and are
 * shown to the rest of the worker as the struct of a plugin, so that every check of an answer holds for them too.
 *
 * The program is started once by each server, from the descriptor that was checked, with nothing but a socket (3), itself
 * (4), an empty input and one pipe for what it prints, which goes to the log. What it does wrong is its server's end:
 * death and garbage are garbage, silence is a passed deadline. It dies with its server.
 */
#ifndef CS_WORKER_EXECUTABLE_H
#define CS_WORKER_EXECUTABLE_H

#include <stdbool.h>

#include "broker/base/err.h"
#include "countersign/plugin.h"

/* A script with "#!", or an ELF file that is a program and no shared object. */
bool executable_is(int fd);

/*
 * Starts it and asks what it is; for the life of the process. load_check() is the caller's. problem: LOAD_PROBLEM_MAX
 * bytes. CS_ERR_SYSTEM, CS_ERR_CORRUPT.
 */
enum cs_err executable_load(int fd, const struct countersign_plugin_v1 **plugin, char *problem);

#endif
