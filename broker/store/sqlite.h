/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded store: one SQLite file in WAL mode, one writing process. */
#ifndef CS_STORE_SQLITE_H
#define CS_STORE_SQLITE_H

#include "broker/store/store.h"

/* Behind the name of a file whose store was moved elsewhere: while this is there, no broker starts on that file. */
#define STORE_MOVED_SUFFIX ".moved"

struct store_sqlite_options {
	const char *path;            /* made, mode 0600, when absent */
	size_t cache_bytes;          /* encoded states kept in memory; 0 for the default of 16 MiB */
	uint64_t wal_max_bytes;      /* hard cap; 0 for the default */
	uint64_t disk_reserve_bytes; /* below this much free space only what narrows power is taken; 0 for the default */
	store_replay_fn *replay;
	void *replay_ctx;
};

/*
 * Opens, checks (lock, schema version, integrity) and replays the log after the fold mark. On failure *why holds one
 * sentence for the admin: what, where, how to mend. CS_ERR_VERSION: a newer schema; CS_ERR_CONFLICT: another engine
 * has it; CS_ERR_CORRUPT; CS_ERR_SYSTEM; CS_ERR_DENIED (mode or owner of the file).
 */
enum cs_err store_sqlite_open(const struct store_sqlite_options *options, struct store **s, char why[256]);

#endif
