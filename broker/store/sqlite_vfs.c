/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite writes each page of a commit to the WAL with two system calls, one of 24 bytes and one of
 * 4096. This layer over SQLite's own files gathers what follows upon each other and writes it once,
 * before the sync at the latest. Only the WAL of the engine's own connection goes through it.
 * Nobody can see the difference: SQLite publishes a commit in the WAL's index only after the sync
 * (synchronous=FULL), and every read, truncation and question for the size writes out first. A
 * write that fails late is reported by the sync before it syncs, so the commit frame, which is the
 * last of what was gathered, is not whole on disk.
 *
 * A WAL that grows makes each sync write the file's new size through the file system's journal, which
 * doubles what a small commit costs. So another thread fills the WAL with zeros ahead of the writer
 * (wal_ahead_grow), and the sync writes data alone. To SQLite zeros at the end are what is left behind
 * by a WAL that was begun anew: frames whose checksums are wrong, hence the end.
 */
#include "broker/store/sqlite_int.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/check.h"

/*
 * 29 pages, about what a turn of 64 commits writes. SQLite's own files take less than 128 KiB in
 * one write.
 */
enum { GATHER_BYTES = 120 * 1024, ZEROS_BYTES = 256 * 1024 };

/*
 * Where the file ends. What is written before it needs no lock, since zeros are only put behind it; what
 * reaches beyond it moves it, under the lock.
 */
struct wal_ahead {
	pthread_mutex_t mutex;
	_Atomic sqlite3_int64 end;
};

struct wal_file {
	sqlite3_file base;
	sqlite3_file *real; /* in the same allocation, behind this struct */
	uint8_t *gathered;
	size_t len;
	sqlite3_int64 offset; /* where the gathered bytes belong */
	struct wal_ahead ahead;
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs our_vfs;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int
write_at(struct wal_file *f, const void *from, int n, sqlite3_int64 offset)
{
	struct wal_ahead *a = &f->ahead;
	int rc;

	if (offset + n <= a->end)
		return f->real->pMethods->xWrite(f->real, from, n, offset);
	pthread_mutex_lock(&a->mutex);
	rc = f->real->pMethods->xWrite(f->real, from, n, offset);
	if (offset + n > a->end)
		a->end = offset + n;
	pthread_mutex_unlock(&a->mutex);
	return rc;
}

static int
write_out(struct wal_file *f)
{
	int n = (int)f->len;

	if (n == 0)
		return SQLITE_OK;
	f->len = 0;
	return write_at(f, f->gathered, n, f->offset);
}

static int
wal_close(sqlite3_file *file)
{
	struct wal_file *f = (struct wal_file *)file;
	int rc = write_out(f);
	int closed = f->real->pMethods->xClose(f->real);

	free(f->gathered);
	pthread_mutex_destroy(&f->ahead.mutex);
	return rc != SQLITE_OK ? rc : closed;
}

static int
wal_read(sqlite3_file *file, void *to, int n, sqlite3_int64 offset)
{
	struct wal_file *f = (struct wal_file *)file;
	int rc = write_out(f);

	return rc != SQLITE_OK ? rc : f->real->pMethods->xRead(f->real, to, n, offset);
}

static int
wal_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 offset)
{
	struct wal_file *f = (struct wal_file *)file;
	int rc = SQLITE_OK;

	if (f->len + (size_t)n > GATHER_BYTES || offset != f->offset + (sqlite3_int64)f->len)
		rc = write_out(f);
	if (rc != SQLITE_OK)
		return rc;
	if (n > GATHER_BYTES)
		return write_at(f, from, n, offset);
	if (f->len == 0)
		f->offset = offset;
	memcpy(f->gathered + f->len, from, (size_t)n);
	f->len += (size_t)n;
	return SQLITE_OK;
}

static int
wal_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct wal_file *f = (struct wal_file *)file;
	int rc = write_out(f);

	if (rc != SQLITE_OK)
		return rc;
	pthread_mutex_lock(&f->ahead.mutex);
	rc = f->real->pMethods->xTruncate(f->real, size);
	if (rc == SQLITE_OK)
		f->ahead.end = size;
	pthread_mutex_unlock(&f->ahead.mutex);
	return rc;
}

static int
wal_sync(sqlite3_file *file, int flags)
{
	struct wal_file *f = (struct wal_file *)file;
	int rc = write_out(f);

	return rc != SQLITE_OK ? rc : f->real->pMethods->xSync(f->real, flags);
}

static int
wal_size(sqlite3_file *file, sqlite3_int64 *size)
{
	struct wal_file *f = (struct wal_file *)file;
	int rc = write_out(f);

	return rc != SQLITE_OK ? rc : f->real->pMethods->xFileSize(f->real, size);
}

static int
wal_lock(sqlite3_file *file, int level)
{
	struct wal_file *f = (struct wal_file *)file;

	return f->real->pMethods->xLock(f->real, level);
}

static int
wal_unlock(sqlite3_file *file, int level)
{
	struct wal_file *f = (struct wal_file *)file;

	return f->real->pMethods->xUnlock(f->real, level);
}

static int
wal_check_lock(sqlite3_file *file, int *held)
{
	struct wal_file *f = (struct wal_file *)file;

	return f->real->pMethods->xCheckReservedLock(f->real, held);
}

static int
wal_control(sqlite3_file *file, int op, void *arg)
{
	struct wal_file *f = (struct wal_file *)file;

	return f->real->pMethods->xFileControl(f->real, op, arg);
}

static int
wal_sector(sqlite3_file *file)
{
	struct wal_file *f = (struct wal_file *)file;

	return f->real->pMethods->xSectorSize(f->real);
}

static int
wal_device(sqlite3_file *file)
{
	struct wal_file *f = (struct wal_file *)file;

	return f->real->pMethods->xDeviceCharacteristics(f->real);
}

static const sqlite3_io_methods wal_methods = {
    .iVersion = 1,
    .xClose = wal_close,
    .xRead = wal_read,
    .xWrite = wal_write,
    .xTruncate = wal_truncate,
    .xSync = wal_sync,
    .xFileSize = wal_size,
    .xLock = wal_lock,
    .xUnlock = wal_unlock,
    .xCheckReservedLock = wal_check_lock,
    .xFileControl = wal_control,
    .xSectorSize = wal_sector,
    .xDeviceCharacteristics = wal_device,
};

static int
vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	struct wal_file *f = (struct wal_file *)file;
	sqlite3_int64 size = 0;
	int rc;

	(void)vfs;
	if ((flags & SQLITE_OPEN_WAL) == 0)
		return real_vfs->xOpen(real_vfs, name, file, flags, out_flags);
	*f = (struct wal_file){.real = (sqlite3_file *)(f + 1)};
	rc = real_vfs->xOpen(real_vfs, name, f->real, flags, out_flags);
	if (rc != SQLITE_OK)
		return rc;
	rc = f->real->pMethods->xFileSize(f->real, &size);
	if (rc != SQLITE_OK) {
		(void)f->real->pMethods->xClose(f->real);
		return rc;
	}
	f->ahead.end = size;
	pthread_mutex_init(&f->ahead.mutex, NULL);
	f->gathered = malloc(GATHER_BYTES);
	CHECK(f->gathered != NULL);
	f->base.pMethods = &wal_methods;
	return SQLITE_OK;
}

static void
vfs_register(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	CHECK(real_vfs != NULL);
	our_vfs = *real_vfs;
	our_vfs.zName = "countersign";
	our_vfs.pNext = NULL;
	our_vfs.szOsFile = (int)sizeof(struct wal_file) + real_vfs->szOsFile;
	our_vfs.xOpen = vfs_open;
	CHECK(sqlite3_vfs_register(&our_vfs, 0) == SQLITE_OK);
}

const char *
sqlite_gathering_vfs(void)
{
	pthread_once(&once, vfs_register);
	return our_vfs.zName;
}

struct wal_ahead *
wal_ahead_of(sqlite3 *db)
{
	sqlite3_file *file = NULL;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) != SQLITE_OK ||
	    file == NULL || file->pMethods != &wal_methods)
		return NULL;
	return &((struct wal_file *)file)->ahead;
}

uint64_t
wal_ahead_end(const struct wal_ahead *a)
{
	return (uint64_t)a->end;
}

bool
wal_ahead_grow(struct wal_ahead *a, int fd, uint64_t to)
{
	static const uint8_t zeros[ZEROS_BYTES];
	ssize_t want = 0, n = 0;

	pthread_mutex_lock(&a->mutex);
	if (to > (uint64_t)a->end)
		want = to - (uint64_t)a->end < sizeof(zeros) ? (ssize_t)(to - (uint64_t)a->end) : (ssize_t)sizeof(zeros);
	if (want > 0)
		n = pwrite(fd, zeros, (size_t)want, a->end);
	if (n > 0)
		a->end += n;
	pthread_mutex_unlock(&a->mutex);
	/* Outside the lock: the writer goes on in what is there. */
	return n == want && fdatasync(fd) == 0;
}
