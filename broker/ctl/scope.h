/* SPDX-License-Identifier: Apache-2.0 */
/* Freeze, thaw and limit are the same for the broker, a provider, an account and a link. */
#ifndef CS_CTL_SCOPE_H
#define CS_CTL_SCOPE_H

#include "broker/ctl/ctl.h"

/* target NULL: the broker. */
int scope_freeze(struct ctl *ctl, const char *scope, const char *target, const char *reason);
int scope_thaw(struct ctl *ctl, const char *scope, const char *target, const char *reason);
/* Sets the limits that were given as options. */
int scope_limit(struct ctl *ctl, const char *scope, const char *target, const char *currency);

#endif
