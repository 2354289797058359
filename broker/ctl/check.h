/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the configuration that --config names. */
#ifndef CS_CTL_CHECK_H
#define CS_CTL_CHECK_H

#include "broker/ctl/ctl.h"

struct config;
struct ruleset;

/* CTL_OK and a config for config_free(); or CTL_BAD_CONFIG after the problem was printed with its place and its mend. */
int check_load(struct ctl *ctl, struct config **config);

/* The same, compiled as the engine compiles it; for ruleset_free(). */
int check_rules(struct ctl *ctl, struct ruleset **rules);

/* What is no error and hardly meant: text and mend, both NUL-terminated. */
struct check_warning {
	char text[256], mend[256];
};

enum { CHECK_WARNINGS_MAX = 256 }; /* further ones wait until these are mended */

/* How many there are of at most CHECK_WARNINGS_MAX. */
size_t check_warnings(const struct ruleset *rules, struct check_warning *to);

#endif
