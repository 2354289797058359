/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints. Moving pages from the WAL into the file takes milliseconds, so a thread with a
 * connection of its own does it, again and again, until few frames are left; the loop then moves
 * those few, and its next write begins the WAL anew. Between its passes the thread fills the WAL with
 * zeros ahead of the writer. It touches nothing of the store but this file's own struct, under its mutex.
 */
#include "broker/store/sqlite_int.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/log.h"

enum {
	/* When the thread begins: late, since each end costs the loop a sync of the file, and pages
	   change again. */
	SOFT_FRAMES = 16 * 1024 * 1024 / PAGE_BYTES,
	NEAR_FRAMES = 48, /* so few that the loop may move them: about a millisecond */
	PASSES_MAX = 8,	  /* by then what is left no longer shrinks: as much comes in as goes out */
	STACK_BYTES = 256 * 1024,
	THREAD_NICE = 10,
	/* The WAL is grown to twice what is used and this, so that a store of little work stays small. */
	AHEAD_BYTES = 4 * 1024 * 1024,
};

struct checkpointer {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake, ready;
	sqlite3 *db;
	bool asked, working, stop;
	uint64_t moved; /* frames of this WAL that are in the file, as the thread last saw it */
	uint64_t grow_to; /* bytes that the WAL should have; 0 when it has them */
	bool grow_failed; /* not tried again: the writer then grows the WAL as it goes */
	struct wal_ahead *ahead;
	int wal_fd;
	/* The loop's own: */
	unsigned passes;      /* of the thread over this WAL */
	uint64_t wait_frames; /* a try failed: the next is due when the WAL is as long as this */
};

/*
 * The thread's pages go to the disk a few at a time. Left to the sync at the end they would be thousands at once, and the
 * loop's next commit would wait behind them all. So the thread's own file has methods of its own: SQLite's, with a write
 * that syncs every now and then.
 */
enum { TRICKLE_BYTES = 16 * PAGE_BYTES }; /* fewer, and the thread falls behind the writer */

static sqlite3_io_methods trickle_methods;
static int (*plain_write)(sqlite3_file *file, const void *from, int n, sqlite3_int64 offset);
static _Thread_local int trickled; /* bytes since the last sync */

static int
trickle_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 offset)
{
	int rc = plain_write(file, from, n, offset);

	trickled += n;
	if (rc != SQLITE_OK || trickled < TRICKLE_BYTES)
		return rc;
	trickled = 0;
	return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
}

static void
trickle(sqlite3 *db)
{
	sqlite3_file *file = NULL;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || file == NULL ||
	    file->pMethods == NULL || file->pMethods == &trickle_methods)
		return;
	trickle_methods = *file->pMethods;
	plain_write = trickle_methods.xWrite;
	trickle_methods.xWrite = trickle_write;
	file->pMethods = &trickle_methods;
}

/*
 * SQLite syncs the file only when a pass has caught up with the writer. Without a sync here, the
 * loop's own few frames would bring on the sync of all that the thread has moved.
 */
static uint64_t
pass(sqlite3 *db)
{
	sqlite3_file *file = NULL;
	int in_log = 0, moved = 0;
	int rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);

	if (rc == SQLITE_OK)
		rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (rc == SQLITE_OK)
		rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
	return rc == SQLITE_OK && moved > 0 ? (uint64_t)moved : 0;
}

/* One step, with the mutex held before and after. */
static void
grow(struct checkpointer *c)
{
	uint64_t to = c->grow_to;
	bool grown;

	pthread_mutex_unlock(&c->mutex);
	grown = wal_ahead_grow(c->ahead, c->wal_fd, to);
	pthread_mutex_lock(&c->mutex);
	c->grow_failed = !grown;
	if (!grown || wal_ahead_end(c->ahead) >= c->grow_to)
		c->grow_to = 0;
}

static void *
run(void *arg)
{
	struct checkpointer *c = arg;

	/* Where the two share a core, commits come first; at worst the WAL reaches its cap, and the loop waits. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), THREAD_NICE);
	pthread_mutex_lock(&c->mutex);
	for (;;) {
		uint64_t moved;

		while (!c->asked && !c->stop && c->grow_to == 0)
			pthread_cond_wait(&c->wake, &c->mutex);
		if (c->stop)
			break;
		if (!c->asked) {
			grow(c);
			continue;
		}
		c->asked = false;
		c->working = true;
		pthread_mutex_unlock(&c->mutex);
		moved = pass(c->db);
		pthread_mutex_lock(&c->mutex);
		c->working = false;
		c->moved = moved;
		pthread_cond_signal(&c->ready);
	}
	pthread_mutex_unlock(&c->mutex);
	return NULL;
}

/* The engine's signals are for its loop. */
static bool
thread_start(struct checkpointer *c)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	failed = pthread_create(&c->thread, &attr, run, c);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return failed == 0;
}

/* A WAL that cannot be grown ahead is only slower. */
static void
ahead_open(struct store_sqlite *s, struct checkpointer *c)
{
	char *path = sqlite3_mprintf("%s-wal", s->path);

	CHECK(path != NULL);
	c->ahead = wal_ahead_of(s->db);
	c->wal_fd = c->ahead == NULL ? -1 : open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	sqlite3_free(path);
}

/* Asks for more room once half of what lies ahead is used; to the cap at most. */
static void
ahead_turn(struct store_sqlite *s, struct checkpointer *c)
{
	uint64_t used = s->wal_frames * (PAGE_BYTES + WAL_FRAME_HEAD_BYTES);
	uint64_t want = 2 * used + AHEAD_BYTES;
	uint64_t end;

	if (c->wal_fd < 0 || s->disk_low)
		return;
	if (want > s->wal_max_bytes)
		want = s->wal_max_bytes;
	end = wal_ahead_end(c->ahead);
	if (end >= want || end >= used + used / 2 + AHEAD_BYTES / 2)
		return;
	pthread_mutex_lock(&c->mutex);
	c->grow_to = c->grow_failed ? 0 : want;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->mutex);
}

enum cs_err
checkpoint_start(struct store_sqlite *s)
{
	struct checkpointer *c = calloc(1, sizeof(*c));
	int rc;

	CHECK(c != NULL);
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->wake, NULL);
	pthread_cond_init(&c->ready, NULL);
	ahead_open(s, c);
	rc = sqlite_connect(s->path, NULL, &c->db);
	if (rc == SQLITE_OK)
		trickle(c->db);
	if (rc != SQLITE_OK || !thread_start(c)) {
		sqlite3_close(c->db);
		if (c->wal_fd >= 0)
			close(c->wal_fd);
		free(c);
		return CS_ERR_SYSTEM;
	}
	s->checkpointer = c;
	ahead_turn(s, c);
	return CS_OK;
}

void
checkpoint_stop(struct store_sqlite *s)
{
	struct checkpointer *c = s->checkpointer;

	if (c == NULL)
		return;
	pthread_mutex_lock(&c->mutex);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->mutex);
	pthread_join(c->thread, NULL);
	sqlite3_close(c->db);
	if (c->wal_fd >= 0)
		close(c->wal_fd);
	pthread_mutex_destroy(&c->mutex);
	pthread_cond_destroy(&c->wake);
	pthread_cond_destroy(&c->ready);
	free(c);
	s->checkpointer = NULL;
}

/*
 * The loop's own part, with the thread at rest: all is moved unless a reader still needs an older
 * state.
 */
static bool
finish(struct store_sqlite *s)
{
	int in_log = 0, moved = 0;
	int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);

	if (rc != SQLITE_OK || in_log != moved)
		return false;
	s->wal_frames = 0;
	return true;
}

/* Waits for the thread where `must`; returns whether it rests. */
static bool
thread_rests(struct checkpointer *c, bool must)
{
	bool rests;

	pthread_mutex_lock(&c->mutex);
	while (must && (c->working || c->asked))
		pthread_cond_wait(&c->ready, &c->mutex);
	rests = !c->working && !c->asked;
	pthread_mutex_unlock(&c->mutex);
	return rests;
}

static void
thread_ask(struct checkpointer *c)
{
	pthread_mutex_lock(&c->mutex);
	c->asked = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->mutex);
}

static void
stuck_set(struct store_sqlite *s, bool stuck)
{
	if (stuck != s->wal_stuck)
		log_warn("store wal=%s frames=%llu",
		    stuck ? "full_and_held_by_a_reader" : "free_again",
		    (unsigned long long)s->wal_frames);
	s->wal_stuck = stuck;
}

bool
checkpoint_ending(const struct store_sqlite *s)
{
	return s->checkpointer != NULL && s->checkpointer->passes > 1;
}

bool
checkpoint_turn(struct store_sqlite *s)
{
	struct checkpointer *c = s->checkpointer;
	uint64_t cap = s->wal_max_bytes / PAGE_BYTES;
	uint64_t soft = SOFT_FRAMES < cap / 2 ? SOFT_FRAMES : cap / 2;
	bool over = s->wal_frames >= cap;
	uint64_t left;

	ahead_turn(s, c);
	if (s->wal_frames < soft || (!over && s->wal_frames < c->wait_frames))
		return false;
	if (!thread_rests(c, over))
		return true;
	left = s->wal_frames > c->moved ? s->wal_frames - c->moved : 0;
	if (!over && (c->passes == 0 || (left > NEAR_FRAMES && c->passes < PASSES_MAX))) {
		c->passes++;
		thread_ask(c);
		return true;
	}
	c->passes = 0;
	c->moved = 0;
	if (finish(s)) {
		c->wait_frames = 0;
		stuck_set(s, false);
		return false;
	}
	/*
	 * Another reader, such as an admin's backup, holds the WAL: try again later, and never grow
	 * past the cap.
	 */
	c->wait_frames = s->wal_frames + soft / 4;
	stuck_set(s, over);
	return false;
}
