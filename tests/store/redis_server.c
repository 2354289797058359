/* SPDX-License-Identifier: Apache-2.0 */
/* See redis_server.h. */
#include "tests/store/redis_server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/store/harness.h"

enum { START_TRIES = 2000, START_STEP_NS = 5000000 };

bool
redis_server_there(void)
{
	const char *path = getenv("PATH");
	char file[4200];

	for (const char *dir = path == NULL ? "/usr/bin:/bin" : path; *dir != '\0';) {
		size_t n = strcspn(dir, ":");

		snprintf(file, sizeof(file), "%.*s/redis-server", (int)n, dir);
		if (access(file, X_OK) == 0)
			return true;
		dir += n + (dir[n] == ':');
	}
	fprintf(stderr, "skipped: there is no redis-server in PATH (package redis-server)\n");
	return false;
}

static bool
answers(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char reply[8];
	bool yes;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	yes = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && write(fd, "PING\r\n", 6) == 6 && read(fd, reply, 7) == 7 &&
	    memcmp(reply, "+PONG\r\n", 7) == 0;
	close(fd);
	return yes;
}

static void
launch(struct redis_server *s)
{
	const struct timespec step = {0, START_STEP_NS};
	char log[160];

	if (snprintf(s->socket, sizeof(s->socket), "%s/redis.sock", s->dir) >= (int)sizeof(s->socket))
		fail_msg("%s is too long for a socket", s->dir);
	snprintf(log, sizeof(log), "%s/redis.log", s->dir);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		/* A test that fails halfway leaves no server behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", s->socket, "--dir", s->dir, "--logfile", log,
		    "--save", "", "--appendonly", s->durable ? "yes" : "no", "--appendfsync", "always", "--enable-debug-command", "yes",
		    (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < START_TRIES; i++) {
		int status;

		if (answers(s->socket))
			return;
		if (waitpid(s->pid, &status, WNOHANG) == s->pid)
			break;
		nanosleep(&step, NULL);
	}
	fail_msg("redis-server did not start: see %s", log);
}

void
redis_server_start(struct redis_server *s, bool durable)
{
	s->dir = scratch_make();
	s->durable = durable;
	launch(s);
}

void
redis_server_kill(struct redis_server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

void
redis_server_again(struct redis_server *s)
{
	unlink(s->socket);
	launch(s);
}

void
redis_server_stop(struct redis_server *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	scratch_remove(s->dir);
	*s = (struct redis_server){0};
}
