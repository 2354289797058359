/* SPDX-License-Identifier: Apache-2.0 */
/* See fleet_world.h. */
#include "tests/store/fleet_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/store/redis/slots.h"

enum { START_STEPS = 1000, STEP_MS = 5, GIVE_UP_MS = 20000, WORDS_MAX = 16 };

static char *dir;
static struct process *started[PROCESSES_MAX];
static size_t started_n;

int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const char *
scratch(void)
{
	if (dir == NULL)
		dir = scratch_make();
	return dir;
}

int
port_free(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	/* Below the range of ephemeral ports, and room for a cluster's bus 10,000 above. */
	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
		int port = 10000 + (int)((unsigned)rand() % 12000);

		a.sin_port = htons((uint16_t)port);
		rc = bind(fd, (struct sockaddr *)&a, len);
		close(fd);
		if (rc == 0)
			return port;
	}
}

static bool
answers(const struct process *p)
{
	char command[600];

	/* With a password it says NOAUTH, which will do; with TLS it hangs up. */
	if (p->port == 0)
		snprintf(command, sizeof(command), "redis-cli -s %s/s ping >/dev/null 2>&1", p->dir);
	else
		snprintf(command, sizeof(command), "redis-cli -p %d ping >/dev/null 2>&1", p->port);
	return system(command) == 0;
}

static void
launch(struct process *p)
{
	char conf[300];

	snprintf(conf, sizeof(conf), "%s/redis.conf", p->dir);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails halfway leaves no server behind */
		execlp("redis-server", "redis-server", conf, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < START_STEPS; i++) {
		if (answers(p))
			return;
		if (waitpid(p->pid, NULL, WNOHANG) == p->pid)
			break;
		usleep(STEP_MS * 1000);
	}
	fail_msg("redis-server did not start: see %s/log", p->dir);
}

void
process_start(struct process *p, const char *settings)
{
	char path[300];
	FILE *f;

	snprintf(p->dir, sizeof(p->dir), "%s/%zu", scratch(), started_n);
	assert_int_equal(mkdir(p->dir, 0700), 0);
	snprintf(path, sizeof(path), "%s/redis.conf", p->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "dir %s\nlogfile %s/log\nsave \"\"\nport %d\nbind 127.0.0.1\n", p->dir, p->dir, p->port);
	if (p->port == 0)
		fprintf(f, "unixsocket %s/s\n", p->dir);
	fprintf(f, "%s", settings);
	fclose(f);
	assert_true(started_n < PROCESSES_MAX);
	started[started_n++] = p;
	launch(p);
}

void
process_again(struct process *p)
{
	launch(p);
}

void
process_signal(const struct process *p, int signal)
{
	assert_int_equal(kill(p->pid, signal), 0);
}

void
process_kill(struct process *p)
{
	if (p->pid <= 0)
		return;
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	p->pid = 0;
}

void
processes_end(void)
{
	for (size_t i = 0; i < started_n; i++)
		process_kill(started[i]);
	started_n = 0;
	if (dir != NULL)
		scratch_remove(dir);
	dir = NULL;
}

const char *
cli(const struct process *p, const char *arguments)
{
	static char out[4096];
	char command[800];
	FILE *f;
	size_t n;

	if (p->port == 0)
		snprintf(command, sizeof(command), "redis-cli -s %s/s %s 2>&1", p->dir, arguments);
	else
		snprintf(command, sizeof(command), "redis-cli -p %d %s 2>&1", p->port, arguments);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = '\0';
	if (pclose(f) != 0)
		fail_msg("%s: %s", command, out);
	return out;
}

void
shell(const char *format, ...)
{
	char command[2000], whole[2400];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	snprintf(whole, sizeof(whole), "cd %s && { %s; } >>shell.log 2>&1", scratch(), command);
	if (system(whole) != 0)
		fail_msg("failed: %s", whole);
}

/* ---- the world ---- */

void
world_begin(struct world *w, const struct fleet_options *o)
{
	struct fleet_options all = *o;
	char why[FLEET_WHY_TEXT] = "";

	if (all.prefix == NULL)
		all.prefix = "t";
	if (all.timeout_ms == 0)
		all.timeout_ms = 2000;
	pollset_init(&w->set);
	if (fleet_new(&all, &w->set.poller, &w->fleet, why) != CS_OK)
		fail_msg("%s", why);
}

void
world_end(struct world *w)
{
	fleet_free(w->fleet);
	pollset_clear(&w->set);
}

void
world_turn(struct world *w)
{
	int64_t ms = fleet_tick(w->fleet);

	pollset_wait(&w->set, ms > STEP_MS ? STEP_MS : (int)ms);
	fleet_flush(w->fleet);
}

bool
world_ready(struct world *w, int timeout_ms, char why[FLEET_WHY_TEXT])
{
	int64_t until = now_ms() + timeout_ms;
	char own[FLEET_WHY_TEXT];

	do {
		world_turn(w);
		if (fleet_why(w->fleet, why == NULL ? own : why) == 0)
			return true;
	} while (now_ms() < until);
	return false;
}

bool
world_says(struct world *w, const char *part, int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	char why[FLEET_WHY_TEXT];

	do {
		world_turn(w);
		if (fleet_why(w->fleet, why) > 0 && strstr(why, part) != NULL)
			return true;
	} while (now_ms() < until);
	print_message("it says: %s\n", why);
	return false;
}

void
answer_take(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct answer *a = ctx;

	a->calls++;
	a->err = err;
	assert_true((r != NULL) == (err == CS_OK || err == CS_ERR_CORRUPT));
	if (r == NULL)
		return;
	a->type = r->value->type;
	a->integer = r->value->integer;
	a->took_us = r->took_us;
	snprintf(a->text, sizeof(a->text), "%s", r->value->str == NULL ? "" : r->value->str);
	snprintf(a->tenure, sizeof(a->tenure), "%s", r->tenure);
}

void
world_ask(struct world *w, unsigned bucket, unsigned flags, const char *words, struct answer *to)
{
	struct view argv[WORDS_MAX];
	char key[64], text[400], *at = text, *word;
	size_t n = 0;

	snprintf(key, sizeof(key), "t{%s}test", slots_tag(bucket));
	snprintf(text, sizeof(text), "%s", words);
	while ((word = strsep(&at, " ")) != NULL) {
		assert_true(n < WORDS_MAX);
		argv[n++] = view_str(strcmp(word, "%k") == 0 ? key : word);
	}
	memset(to, 0, sizeof(*to));
	fleet_ask(w->fleet, bucket, argv, n, flags, answer_take, to);
}

void
world_wait(struct world *w, const struct answer *a)
{
	int64_t until = now_ms() + GIVE_UP_MS;

	while (a->calls == 0) {
		fleet_flush(w->fleet);
		world_turn(w);
		if (now_ms() > until)
			fail_msg("nothing was answered at all");
	}
	assert_int_equal(a->calls, 1);
}

enum cs_err
world_do(struct world *w, unsigned bucket, unsigned flags, const char *words, struct answer *to)
{
	struct answer own;

	to = to == NULL ? &own : to;
	world_ask(w, bucket, flags, words, to);
	world_wait(w, to);
	return to->err;
}
