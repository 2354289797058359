/* SPDX-License-Identifier: Apache-2.0 */
/* The command of provider.c that is about security events. */
#ifndef CS_CTL_SIGNAL_H
#define CS_CTL_SIGNAL_H

#include "broker/ctl/ctl.h"

/* NAME status|create|verify|delete */
int provider_stream(struct ctl *ctl, char **args, int count);

#endif
