/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile plugin would do to the machine: one act for each thing that the cage forbids. */
#ifndef CS_MISBEHAVE_ACTS_H
#define CS_MISBEHAVE_ACTS_H

#include "countersign/plugin.h"

/*
 * Does "act_NAME" and tells the log of it, as "act_NAME: done" or "act_NAME: errno 13". Gives COUNTERSIGN_OK where it could be
 * done, COUNTERSIGN_UNREACHABLE where it was refused, and COUNTERSIGN_INVALID where there is no such act.
 */
int act(const struct countersign_host_v1 *host, struct countersign_view name);

#endif
