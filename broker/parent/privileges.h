/* SPDX-License-Identifier: Apache-2.0 */
/* What a parent that was started as root keeps. */
#ifndef CS_PARENT_PRIVILEGES_H
#define CS_PARENT_PRIVILEGES_H

#include "broker/base/err.h"

/*
 * Keeps the capabilities to switch users, to signal children of other users and to bind low ports, for this process and
 * all that it will start, and gives up every other one for good. Does nothing when not root. CS_ERR_SYSTEM with errno.
 */
enum cs_err privileges_drop(void);

#endif
