/* SPDX-License-Identifier: Apache-2.0 */
/* The lists that are part of an account: its links, its factors. */
#ifndef CS_CTL_MEMBER_H
#define CS_CTL_MEMBER_H

#include "broker/ctl/ctl.h"

/* Prints the array `member` of the account as a table, or {"account": ..., member: [...]} with --json. */
int member_list(struct ctl *ctl, const char *account, const char *member, const char *const *columns);

#endif
