/* SPDX-License-Identifier: Apache-2.0 */
/* How SQLite is told to open a store's file only to read it. */
#include <stdlib.h>
#include <sys/stat.h>

#include "broker/base/check.h"
#include "broker/store/sqlite_int.h"

char *
sqlite_uri(const char *path, bool alone)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t len = strlen(path), n = 0;
	char *wal = sqlite3_mprintf("%s-wal", path), *escaped = malloc(3 * len + 1), *uri;
	struct stat st;

	CHECK(wal != NULL && escaped != NULL);
	alone = alone && (stat(wal, &st) != 0 || st.st_size == 0);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)path[i];

		if (c == '?' || c == '#' || c == '%') {
			escaped[n++] = '%';
			escaped[n++] = digits[c >> 4];
			escaped[n++] = digits[c & 15];
		} else {
			escaped[n++] = (char)c;
		}
	}
	escaped[n] = '\0';
	uri = sqlite3_mprintf("file:%s?mode=ro%s", escaped, alone ? "&immutable=1" : "");
	CHECK(uri != NULL);
	sqlite3_free(wal);
	free(escaped);
	return uri;
}
