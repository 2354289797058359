/* SPDX-License-Identifier: Apache-2.0 */
/* explain: its two ways to an answer, one printer for both. */
#ifndef CS_CTL_EXPLAIN_H
#define CS_CTL_EXPLAIN_H

#include "broker/ctl/ctl.h"

/* Prints what ctl->doc holds at ctl->reply (outcome, reason, steps, perhaps mend), and gives the exit code. */
int explain_print(struct ctl *ctl);

/* --payment: one that was asked for, from the log, and the same asked now. args: ACCOUNT SERVICE. */
int explain_payment(struct ctl *ctl, char **args);

/* From the files that --config names, without a daemon. args: SERVICE AMOUNT CURRENCY PAYEE. */
int explain_files(struct ctl *ctl, char **args, int count);

#endif
