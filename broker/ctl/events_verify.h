/* SPDX-License-Identifier: Apache-2.0 */
/* events verify. */
#ifndef CS_CTL_EVENTS_VERIFY_H
#define CS_CTL_EVENTS_VERIFY_H

#include "broker/ctl/ctl.h"

/* CTL_OK: the log is whole; CTL_REFUSED: it is not, and which event shows it was printed. */
int events_verify(struct ctl *ctl, char **args, int count);

#endif
