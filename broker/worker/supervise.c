/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supervision as states of a server:
 *
 *	down ──fork──► starting ──slot.ready──► up ──call──► up, with a deadline
 *	  ▲               │ exit, or too slow      │ exit, or past the deadline: SIGKILL
 *	  └──── wait ◄────┴────────────────────────┘
 *
 * The wait doubles from 10 ms to 5 s with each death in a row.
 */
#include "broker/worker/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"

struct server {
	pid_t pid;               /* 0: down */
	int64_t since_ms;        /* forked */
	int64_t next_ms;         /* down: when to fork again */
	int64_t wait_ms;         /* the last wait */
	bool killed;             /* by the watchdog, once */
};

struct supervisor {
	struct role *role;
	const struct settings *settings;
	struct server_slot *slots;   /* shared with the servers */
	struct server servers[SUPERVISE_SERVERS_MAX];
	uint32_t count;
	int poke_fd, signal_fd;
	sigset_t blocked;
	bool ready, stopping;
	int status;
};

static int64_t
now_ms(void)
{
	struct clock_now now;

	clock_read(&now);
	return now.boot_ms;
}

/*
 * In the new process. All signals stay blocked but in ppoll(), so that SIGTERM never cuts a call.
 */
static _Noreturn void
become_server(struct supervisor *v, uint32_t i, pid_t parent)
{
	struct serve s = {
		.settings = v->settings,
		.plugin_fd = v->role->plugin_fd,
		.listen_fd = role_listener(v->role, "worker"),
		.poke_fd = v->poke_fd,
		.slot = &v->slots[i],
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	close(v->signal_fd);
	close(v->role->control_fd);
	if (v->role->ready_fd >= 0)
		close(v->role->ready_fd);
	serve_run(&s);
}

static void
server_start(struct supervisor *v, uint32_t i)
{
	struct server *s = &v->servers[i];
	pid_t self = getpid(), pid;

	atomic_store(&v->slots[i].ready, 0);
	/* Until it is ready its deadline is that of a start. */
	atomic_store(&v->slots[i].deadline_boot_ms, now_ms() + SUPERVISE_START_MS);
	pid = fork();
	if (pid == 0)
		become_server(v, i, self);
	s->since_ms = now_ms();
	s->killed = false;
	if (pid < 0) {
		log_error("server index=%u msg=\"cannot fork\" errno=%d", i, errno);
		s->next_ms = now_ms() + SUPERVISE_BACKOFF_MAX_MS;
		return;
	}
	s->pid = pid;
}

static void
server_ended(struct supervisor *v, uint32_t i, int status)
{
	struct server *s = &v->servers[i];
	int64_t now = now_ms();
	bool was_ready = atomic_load(&v->slots[i].ready) != 0;

	s->pid = 0;
	atomic_store(&v->slots[i].deadline_boot_ms, 0);
	atomic_store(&v->slots[i].ready, 0);
	if (v->stopping)
		return;
	/*
	 * Unfit at the first start: the configuration or the plugin is no good, and waiting mends
	 * neither.
	 */
	if (!v->ready && !was_ready && WIFEXITED(status) &&
	    WEXITSTATUS(status) == SERVE_EXIT_UNFIT) {
		v->status = ROLE_EXIT_FAILED;
		return;
	}
	if (s->wait_ms == 0 || now - s->since_ms > SUPERVISE_SETTLED_MS)
		s->wait_ms = SUPERVISE_BACKOFF_MIN_MS;
	else if (s->wait_ms < SUPERVISE_BACKOFF_MAX_MS / 2)
		s->wait_ms *= 2;
	else
		s->wait_ms = SUPERVISE_BACKOFF_MAX_MS;
	s->next_ms = now + s->wait_ms;
	log_warn("server index=%u msg=\"%s, will be replaced\" %s=%d late=%s wait_ms=%lld", i,
	    was_ready ? "ended" : "did not start", WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), s->killed ? "yes" : "no",
	    (long long)s->wait_ms);
}

static void
reap(struct supervisor *v)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (uint32_t i = 0; i < v->count; i++)
			if (v->servers[i].pid == pid)
				server_ended(v, i, status);
}

/* Kills who is late, starts whose wait is over; the time until there is more to do, or -1. */
static int
tend(struct supervisor *v)
{
	int64_t now = now_ms(), next = INT64_MAX;

	for (uint32_t i = 0; i < v->count; i++) {
		struct server *s = &v->servers[i];
		int64_t deadline = atomic_load(&v->slots[i].deadline_boot_ms);

		if (s->pid == 0 && !v->stopping && now >= s->next_ms)
			server_start(v, i);
		else if (s->pid == 0 && !v->stopping)
			next = s->next_ms < next ? s->next_ms : next;
		if (s->pid == 0 || deadline == 0 || s->killed)
			continue;
		deadline += SUPERVISE_GRACE_MS;
		if (now >= deadline) {
			log_warn("server index=%u msg=\"passed its deadline, killed\"", i);
			s->killed = true;
			kill(s->pid, SIGKILL);
		} else if (deadline < next) {
			next = deadline;
		}
	}
	if (next == INT64_MAX)
		return -1;
	now = now_ms();
	return next <= now ? 0 : (int)(next - now);
}

static void
stop_all(struct supervisor *v, int signal_number)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (v->servers[i].pid != 0)
			kill(v->servers[i].pid, signal_number);
}

static bool
any_alive(const struct supervisor *v)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (v->servers[i].pid != 0)
			return true;
	return false;
}

static void
say_ready(struct supervisor *v)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (atomic_load(&v->slots[i].ready) == 0)
			return;
	v->ready = true;
	role_ready(v->role);
	log_debug("ready servers=%u", v->count);
}

static void
read_signals(struct supervisor *v)
{
	struct signalfd_siginfo info;

	while (read(v->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD || v->stopping)
			continue;
		v->stopping = true;
		stop_all(v, SIGTERM);
	}
	reap(v);
}

static void
turn(struct supervisor *v)
{
	struct pollfd fds[] = {
		{.fd = v->signal_fd, .events = POLLIN},
		{.fd = v->poke_fd, .events = POLLIN},
		/* The parent sends a worker nothing: anything to read is the end of the stream. */
		{.fd = v->role->control_fd, .events = POLLIN},
	};
	uint64_t pokes;
	int timeout_ms = tend(v);

	if (poll(fds, sizeof(fds) / sizeof(fds[0]), timeout_ms) < 0)
		CHECK(errno == EINTR);
	if ((fds[1].revents & POLLIN) != 0)
		(void)!read(v->poke_fd, &pokes, sizeof(pokes));
	if (fds[2].revents != 0) {
		stop_all(v, SIGKILL);
		exit(ROLE_EXIT_FAILED);
	}
	read_signals(v);
	if (!v->ready)
		say_ready(v);
}

int
supervise(struct role *role, const struct settings *settings)
{
	static struct supervisor v;
	size_t size = SUPERVISE_SERVERS_MAX * sizeof(struct server_slot);

	v = (struct supervisor){.role = role, .settings = settings, .count = settings->servers};
	CHECK(v.count >= 1 && v.count <= SUPERVISE_SERVERS_MAX);
	v.slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(v.slots != MAP_FAILED);
	sigemptyset(&v.blocked);
	sigaddset(&v.blocked, SIGTERM);
	sigaddset(&v.blocked, SIGINT);
	sigaddset(&v.blocked, SIGCHLD);
	CHECK(sigprocmask(SIG_BLOCK, &v.blocked, NULL) == 0);
	v.signal_fd = signalfd(-1, &v.blocked, SFD_CLOEXEC | SFD_NONBLOCK);
	v.poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(v.signal_fd >= 0 && v.poke_fd >= 0);
	while (v.status == 0 && (!v.stopping || any_alive(&v)))
		turn(&v);
	if (v.status != 0)
		stop_all(&v, SIGKILL);
	munmap(v.slots, size);
	return v.status;
}
