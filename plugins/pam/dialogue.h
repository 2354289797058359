/* SPDX-License-Identifier: Apache-2.0 */
/* The PAM process: runs the modules of one service file for one user, and asks what they ask through its socket. */
#ifndef CS_PLUGIN_PAM_DIALOGUE_H
#define CS_PLUGIN_PAM_DIALOGUE_H

/*
 * Authentication, then account management. Never returns: the result goes to the keeper as WIRE_END. directory: of service
 * files, or NULL for the system's.
 */
_Noreturn void dialogue_run(int fd, const char *service, const char *directory, const char *user);

#endif
