/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions that stay on in production. A broken invariant in a process that moves money ends that
 * process: the parent starts another, and the log decides what had happened.
 */
#ifndef CS_BASE_CHECK_H
#define CS_BASE_CHECK_H

/* Prints file, line and expression on stderr and aborts. */
_Noreturn void check_failed(const char *expr, const char *file, int line);

#define CHECK(expr) ((expr) ? (void)0 : check_failed(#expr, __FILE__, __LINE__))

#endif
