/* SPDX-License-Identifier: Apache-2.0 */
/* See redis_server.h. */
#include "tests/store/redis_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
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

/* One command in a line; whether the reply's first part has `want` in it. */
static bool
says(const char *path, const char *command, const char *want)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char reply[1024] = "", line[128];
	int n = snprintf(line, sizeof(line), "%s\r\n", command);
	bool yes;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	yes = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && write(fd, line, (size_t)n) == n &&
	    read(fd, reply, sizeof(reply) - 1) > 0 && strstr(reply, want) != NULL;
	close(fd);
	return yes;
}

static bool
answers(const char *path)
{
	return says(path, "PING", "+PONG\r\n");
}

static void
launch(struct redis_server *s)
{
	const struct timespec step = {0, START_STEP_NS};
	char log[160], port[16], nodes[160];
	bool cluster = s->port > 0;

	snprintf(port, sizeof(port), "%u", s->port);
	snprintf(nodes, sizeof(nodes), "%s/nodes.conf", s->dir);
	if (snprintf(s->socket, sizeof(s->socket), "%s/redis.sock", s->dir) >= (int)sizeof(s->socket))
		fail_msg("%s is too long for a socket", s->dir);
	snprintf(log, sizeof(log), "%s/redis.log", s->dir);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		/* A test that fails halfway leaves no server behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--unixsocket", s->socket, "--dir", s->dir, "--logfile", log,
		    "--save", "", "--appendonly", s->durable ? "yes" : "no", "--appendfsync", "always", "--enable-debug-command", "yes",
		    cluster ? "--cluster-enabled" : (char *)NULL, "yes", "--cluster-config-file", nodes, "--cluster-node-timeout", "5000",
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

static bool
port_free(unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return yes;
}

/* Below the ports that the system gives by itself; the servers talk among themselves on the one 10,000 above. */
static unsigned
port_pick(unsigned i)
{
	enum { PORTS_FIRST = 16000, PORTS_N = 6000, BUS = 10000 };
	unsigned port = PORTS_FIRST + ((unsigned)getpid() * 7 + i * 2) % PORTS_N;

	for (int tries = 0; tries < PORTS_N; tries++) {
		if (port_free(port) && port_free(port + BUS))
			return port;
		port = PORTS_FIRST + (port + 1 - PORTS_FIRST) % PORTS_N;
	}
	fail_msg("no free ports");
	return 0;
}

void
redis_cluster_start(struct redis_server masters[REDIS_CLUSTER_MASTERS])
{
	const struct timespec step = {0, START_STEP_NS};
	char command[128];
	unsigned ready;

	for (unsigned i = 0; i < REDIS_CLUSTER_MASTERS; i++) {
		unsigned from = 16384 * i / REDIS_CLUSTER_MASTERS, to = 16384 * (i + 1) / REDIS_CLUSTER_MASTERS - 1;

		masters[i].port = port_pick(i);
		redis_server_start(&masters[i], true);
		snprintf(command, sizeof(command), "CLUSTER ADDSLOTSRANGE %u %u", from, to);
		assert_true(says(masters[i].socket, command, "+OK"));
		snprintf(command, sizeof(command), "CLUSTER MEET 127.0.0.1 %u", masters[0].port);
		assert_true(i == 0 || says(masters[i].socket, command, "+OK"));
	}
	for (int tries = 0; tries < START_TRIES; tries++) {
		ready = 0;
		for (unsigned i = 0; i < REDIS_CLUSTER_MASTERS; i++)
			ready += says(masters[i].socket, "CLUSTER INFO", "cluster_state:ok") &&
			    says(masters[i].socket, "CLUSTER INFO", "cluster_known_nodes:3");
		if (ready == REDIS_CLUSTER_MASTERS)
			return;
		nanosleep(&step, NULL);
	}
	fail_msg("the masters of the cluster do not find one another");
}

void
redis_cluster_stop(struct redis_server masters[REDIS_CLUSTER_MASTERS])
{
	for (unsigned i = 0; i < REDIS_CLUSTER_MASTERS; i++)
		redis_server_stop(&masters[i]);
}
