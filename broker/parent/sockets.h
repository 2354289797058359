/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's doors: directories and listening sockets, with the right modes. */
#ifndef CS_PARENT_SOCKETS_H
#define CS_PARENT_SOCKETS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/base/err.h"

enum { SOCKET_BACKLOG = 128, SOCKET_WHY_MAX = 512 };

/*
 * All of these: CS_ERR_DENIED or CS_ERR_SYSTEM, or CS_ERR_CONFLICT where another broker answers, with a sentence for
 * people in why (SOCKET_WHY_MAX bytes). uid -1: leave the owner.
 */

/* Makes the directory where it is absent; refuses one that others can write to or that is a stranger's. */
enum cs_err directory_make(const char *path, mode_t mode, uid_t owner, char *why);
/* Replaces a socket that nobody answers on, and nothing else. */
enum cs_err socket_bind_unix(const char *path, mode_t mode, uid_t owner, int *fd, char *why);
enum cs_err socket_bind_tcp(const char *address, uint32_t port, int *fd, char *why);

#endif
