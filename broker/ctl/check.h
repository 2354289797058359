/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the configuration that --config names. */
#ifndef CS_CTL_CHECK_H
#define CS_CTL_CHECK_H

#include "broker/ctl/ctl.h"

struct config;

/* CTL_OK and a config for config_free(); or CTL_BAD_CONFIG after the problem was printed with its place and its mend. */
int check_load(struct ctl *ctl, struct config **config);

#endif
