/* SPDX-License-Identifier: Apache-2.0 */
/* The table of state × event, and how a child is made. */
#include "broker/parent/children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/sandbox.h"
#include "broker/parent/role.h"

/* How long a child has to finish what it is doing. The engine flushes; the gateway answers what it has begun. */
static const int64_t stop_ms[] = {[CHILD_GATEWAY] = 5000, [CHILD_ENGINE] = 10000, [CHILD_WORKER] = 5000};

enum { CHILD_FDS_MAX = 3 + CHILD_LISTENERS_MAX + 1, CHILD_FD_ASIDE = 64 };

const char *
child_state_name(enum child_state state)
{
	static const char *const names[CHILD_STATES] = {"down", "starting", "up", "stopping", "over"};

	return names[state];
}

void
child_init(struct child *c, enum child_kind kind, const char *role)
{
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	snprintf(c->role, sizeof(c->role), "%s", role);
	c->plugin_fd = c->socket_fd = c->config_fd = c->ready_fd = c->control_fd = -1;
	c->due_ms = -1;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
child_clear(struct child *c)
{
	CHECK(c->pid == 0);
	close_fd(&c->ready_fd);
	close_fd(&c->control_fd);
	close_fd(&c->plugin_fd);
	close_fd(&c->socket_fd);
	if (c->socket_path[0] != '\0')
		unlink(c->socket_path);
	free(c->fingerprint);
	child_init(c, c->kind, "");
}

/* Between fork and exec. */

static _Noreturn void
child_fail(const char *what)
{
	log_error("child msg=\"cannot start\" step=%s errno=%d", what, errno);
	_exit(ROLE_EXIT_FAILED);
}

/* Puts fds[i] on 3 + i, whatever numbers they had, and closes everything else. */
static void
place_fds(const int *fds, int n)
{
	int aside[CHILD_FDS_MAX];

	for (int i = 0; i < n; i++) {
		aside[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, CHILD_FD_ASIDE);
		if (aside[i] < 0)
			child_fail("dup");
	}
	for (int i = 0; i < n; i++) {
		if (dup2(aside[i], ROLE_CONFIG_FD + i) < 0)
			child_fail("dup2");
	}
	sandbox_close_from(ROLE_CONFIG_FD + n, NULL, 0);
}

static _Noreturn void
child_exec(const struct child *c, pid_t parent, const int *fds, int n)
{
	char places[CHILD_LISTENERS_MAX + 1][48];
	char *argv[2 + 2 * (CHILD_LISTENERS_MAX + 2) + 2];
	int argc = 0, fd = ROLE_FIRST_FD;
	sigset_t none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(ROLE_EXIT_FAILED);
	argv[argc++] = (char *)(uintptr_t)c->program;
	if (c->name[0] != '\0') {
		argv[argc++] = (char *)(uintptr_t)"--name";
		argv[argc++] = (char *)(uintptr_t)c->name;
	}
	for (int i = 0; i < c->listener_count; i++) {
		snprintf(places[i], sizeof(places[i]), "%s=%d", c->listeners[i].name, fd++);
		argv[argc++] = (char *)(uintptr_t)"--listen";
		argv[argc++] = places[i];
	}
	if (c->plugin_fd >= 0) {
		snprintf(places[CHILD_LISTENERS_MAX], sizeof(places[0]), "%d", fd);
		argv[argc++] = (char *)(uintptr_t)"--plugin";
		argv[argc++] = places[CHILD_LISTENERS_MAX];
	}
	if (c->debug)
		argv[argc++] = (char *)(uintptr_t)"-d";
	argv[argc] = NULL;
	place_fds(fds, n);
	execv(c->program, argv);
	child_fail(c->program);
}

/* Gives the child its end of a readiness pipe and of a control socket; false with errno. */
static bool
child_fork(struct child *c)
{
	int ready[2], control[2], fds[CHILD_FDS_MAX], n = 0;
	pid_t parent = getpid(), pid;

	if (pipe2(ready, O_CLOEXEC | O_NONBLOCK) != 0)
		return false;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0) {
		close(ready[0]);
		close(ready[1]);
		return false;
	}
	fds[n++] = c->config_fd;
	fds[n++] = ready[1];
	fds[n++] = control[1];
	for (int i = 0; i < c->listener_count; i++)
		fds[n++] = c->listeners[i].fd;
	if (c->plugin_fd >= 0)
		fds[n++] = c->plugin_fd;
	pid = fork();
	if (pid == 0)
		child_exec(c, parent, fds, n);
	close(ready[1]);
	close(control[1]);
	if (pid < 0) {
		close(ready[0]);
		close(control[0]);
		return false;
	}
	c->pid = pid;
	c->ready_fd = ready[0];
	c->control_fd = control[0];
	return true;
}

/* Actions of the table */

static void
pause_then_start(struct child *c, int64_t now_ms)
{
	c->backoff_ms = c->backoff_ms == 0 ? CHILD_BACKOFF_FIRST_MS : c->backoff_ms * 2;
	if (c->backoff_ms > CHILD_BACKOFF_MAX_MS)
		c->backoff_ms = CHILD_BACKOFF_MAX_MS;
	c->due_ms = now_ms + c->backoff_ms;
	log_warn("child role=%s event=pause next_ms=%lld restarts=%u", c->role, (long long)c->backoff_ms, c->restarts);
}

static void
child_spawn(struct child *c, int64_t now_ms)
{
	if (c->backoff_ms > 0)
		c->restarts++;
	c->generation = c->wanted;
	if (!child_fork(c)) {
		log_error("child role=%s event=fork errno=%d", c->role, errno);
		c->state = CHILD_DOWN;
		pause_then_start(c, now_ms);
		return;
	}
	c->due_ms = now_ms + CHILD_START_MS;
	log_debug("child role=%s event=start pid=%d generation=%llu", c->role, (int)c->pid,
	    (unsigned long long)c->generation);
}

static void
kill_late(struct child *c, int64_t now_ms)
{
	(void)now_ms;
	log_warn("child role=%s event=kill pid=%d state=%s msg=\"it did not do so in time\"", c->role, (int)c->pid,
	    child_state_name(c->state));
	kill(c->pid, SIGKILL);
	c->due_ms = -1;
}

static void
note_ready(struct child *c, int64_t now_ms)
{
	c->due_ms = now_ms + CHILD_STEADY_MS;
	log_info("child role=%s event=ready pid=%d generation=%llu", c->role, (int)c->pid,
	    (unsigned long long)c->generation);
}

/* It is alive, and waits for what only others can give. */
static void
note_late(struct child *c, int64_t now_ms)
{
	c->due_ms = now_ms + CHILD_START_MS;
}

static void
note_steady(struct child *c, int64_t now_ms)
{
	(void)now_ms;
	c->backoff_ms = 0;
	c->due_ms = -1;
}

static void
forget_process(struct child *c)
{
	c->pid = 0;
	c->late[0] = '\0';
	c->line_len = 0;
	close_fd(&c->ready_fd);
	close_fd(&c->control_fd);
}

static void
failed(struct child *c, int64_t now_ms)
{
	c->failures++;
	forget_process(c);
	pause_then_start(c, now_ms);
}

static void
died(struct child *c, int64_t now_ms)
{
	forget_process(c);
	pause_then_start(c, now_ms);
}

static void
end(struct child *c, int64_t now_ms)
{
	kill(c->pid, SIGTERM);
	c->due_ms = now_ms + stop_ms[c->kind];
}

static void
ended(struct child *c, int64_t now_ms)
{
	(void)now_ms;
	forget_process(c);
	c->due_ms = -1;
	log_info("child role=%s event=over generation=%llu", c->role, (unsigned long long)c->generation);
}

static void
never_mind(struct child *c, int64_t now_ms)
{
	(void)now_ms;
	c->due_ms = -1;
}

/* An empty entry: the event means nothing in that state. The README shows this table. */
static const struct transition {
	void (*act)(struct child *c, int64_t now_ms);
	enum child_state next;
} transitions[CHILD_STATES][CHILD_EVENTS] = {
	[CHILD_DOWN] = {
		[CHILD_EVENT_TIMER] = {child_spawn, CHILD_STARTING},
		[CHILD_EVENT_STOP] = {never_mind, CHILD_OVER},
	},
	[CHILD_STARTING] = {
		[CHILD_EVENT_TIMER] = {kill_late, CHILD_STARTING},
		[CHILD_EVENT_READY] = {note_ready, CHILD_UP},
		[CHILD_EVENT_LATE] = {note_late, CHILD_STARTING},
		[CHILD_EVENT_EXIT] = {failed, CHILD_DOWN},
		[CHILD_EVENT_STOP] = {end, CHILD_STOPPING},
	},
	[CHILD_UP] = {
		[CHILD_EVENT_TIMER] = {note_steady, CHILD_UP},
		[CHILD_EVENT_EXIT] = {died, CHILD_DOWN},
		[CHILD_EVENT_STOP] = {end, CHILD_STOPPING},
	},
	[CHILD_STOPPING] = {
		[CHILD_EVENT_TIMER] = {kill_late, CHILD_STOPPING},
		[CHILD_EVENT_EXIT] = {ended, CHILD_OVER},
	},
};

void
child_handle(struct child *c, enum child_event event, int64_t now_ms)
{
	const struct transition *t = &transitions[c->state][event];

	if (t->act == NULL)
		return;
	c->state = t->next;
	t->act(c, now_ms);
}

void
child_start(struct child *c, int64_t now_ms)
{
	CHECK(c->state == CHILD_DOWN && c->config_fd >= 0);
	child_handle(c, CHILD_EVENT_TIMER, now_ms);
}

int
child_polls(const struct child *c, struct pollfd *to)
{
	int n = 0;

	if (c->ready_fd >= 0)
		to[n++] = (struct pollfd){c->ready_fd, POLLIN, 0};
	if (c->control_fd >= 0)
		to[n++] = (struct pollfd){c->control_fd, POLLIN, 0};
	return n;
}

/* A line that is not empty: why it is late. Workers load plugins, and are not believed. */
static bool
take_late(struct child *c, int64_t now_ms)
{
	if (c->kind != CHILD_ENGINE || c->state != CHILD_STARTING)
		return false;
	for (size_t i = 0; i < c->line_len; i++)
		c->late[i] = (unsigned char)c->line[i] < ' ' || c->line[i] == 0x7f ? '?' : c->line[i];
	c->late[c->line_len] = '\0';
	child_handle(c, CHILD_EVENT_LATE, now_ms);
	return true;
}

bool
child_take_ready(struct child *c, int64_t now_ms)
{
	bool late = false, ready = false;
	char byte;
	ssize_t n = -1;

	if (c->ready_fd < 0)
		return false;
	/* So much at once: a plugin that writes for ever holds up nobody. */
	for (size_t i = 0; i < 2 * sizeof(c->line) && !ready; i++) {
		n = read(c->ready_fd, &byte, 1);
		if (n != 1)
			break;
		ready = byte == '\n' && c->line_len == 0;
		if (byte == '\n' && !ready) {
			late = take_late(c, now_ms) || late;
			c->line_len = 0;
		} else if (!ready && c->line_len < sizeof(c->line) - 1) {
			c->line[c->line_len++] = byte;
		}
	}
	if (n != 0 && !ready)
		return late;
	/* A pipe that ends without that line says nothing: the end of the process will. */
	close_fd(&c->ready_fd);
	if (n == 0 || c->state != CHILD_STARTING)
		return late;
	c->late[0] = '\0';
	child_handle(c, CHILD_EVENT_READY, now_ms);
	return true;
}
