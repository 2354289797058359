/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `countersign-worker --check FILE`: loads a plugin, tests it, and prints what it is as JSON; for
 * countersignctl.
 */
#ifndef CS_WORKER_DESCRIBE_H
#define CS_WORKER_DESCRIBE_H

/*
 * The exit status: 0, and one JSON object on stdout; or 1, and one sentence on stderr. A plugin
 * that crashes or hangs takes this process with it, which is why it is one: its caller waits with a
 * deadline.
 */
int describe_file(const char *path);

#endif
