/* SPDX-License-Identifier: Apache-2.0 */
/* See openers.h. */
#include "tests/store/openers.h"

enum { TINY_CACHE_BYTES = 48 * 1024 };

static struct store *
open_sqlite_sized(const char *dir, size_t cache_bytes, uint64_t wal_max_bytes)
{
	struct store *s = NULL;
	char why[256] = "";

	if (sqlite_open_at(dir, cache_bytes, wal_max_bytes, &s, why) != CS_OK)
		fail_msg("%s", why);
	return s;
}

static struct store *
open_sqlite(const char *dir)
{
	return open_sqlite_sized(dir, 0, 0);
}

static struct store *
open_sqlite_tiny(const char *dir)
{
	return open_sqlite_sized(dir, TINY_CACHE_BYTES, 1);
}

static struct store *
open_mem(const char *dir)
{
	(void)dir;
	return store_mem_open(NULL);
}

const struct opener openers[] = {
    {"mem", open_mem, false, NULL, NULL},
    {"sqlite", open_sqlite, true, NULL, NULL},
    {"sqlite with a tiny cache", open_sqlite_tiny, true, NULL, NULL},
};

const size_t openers_n = sizeof(openers) / sizeof(openers[0]);
