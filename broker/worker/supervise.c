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
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/worker/cage.h"

struct server {
	pid_t pid;               /* 0: down */
	int64_t since_ms;        /* forked */
	int64_t next_ms;         /* down: when to fork again */
	int64_t wait_ms;         /* the last wait */
	bool killed;             /* by the watchdog, once */
	int cage_fd;             /* where the server sends the descriptor of its notices; -1 */
	int notices_fd;          /* tells of calls that the cage stopped; -1 */
	/* As its slot said when it became ready; afterwards a plugin could write there what it likes. */
	bool was_ready, uses_http;
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
become_server(struct supervisor *v, uint32_t i, pid_t parent, int cage_fd)
{
	struct serve s = {
		.settings = v->settings,
		.plugin_fd = v->role->plugin_fd,
		.listen_fd = role_listener(v->role, "worker"),
		.poke_fd = v->poke_fd,
		.cage_fd = cage_fd,
		.slot = &v->slots[i],
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	serve_run(&s);
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
server_start(struct supervisor *v, uint32_t i)
{
	struct server *s = &v->servers[i];
	pid_t self = getpid(), pid = -1;
	int pair[2] = {-1, -1};

	atomic_store(&v->slots[i].ready, 0);
	atomic_store(&v->slots[i].uses_http, 0);
	/* Until it is ready its deadline is that of a start. */
	atomic_store(&v->slots[i].deadline_boot_ms, now_ms() + SUPERVISE_START_MS);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0)
		pid = fork();
	if (pid == 0)
		become_server(v, i, self, pair[1]);
	close_fd(&pair[1]);
	s->cage_fd = pair[0];
	s->since_ms = now_ms();
	s->killed = s->was_ready = s->uses_http = false;
	if (pid < 0) {
		log_error("server index=%u msg=\"cannot fork\" errno=%d", i, errno);
		s->next_ms = now_ms() + SUPERVISE_BACKOFF_MAX_MS;
		close_fd(&s->cage_fd);
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
	close_fd(&s->cage_fd);
	close_fd(&s->notices_fd);
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

/*
 * A call that the cage stopped. The thread that made it waits in the kernel, and never goes on: it may be the server's own
 * or that of a program which it started, and both end.
 */
static void
server_offends(struct supervisor *v, uint32_t i)
{
	struct server *s = &v->servers[i];
	struct seccomp_notice n;

	if (!cage_judge(s->notices_fd, v->settings, !s->was_ready, s->uses_http, &n))
		return;
	log_error("cage server=%u call=%s arguments=%#llx,%#llx,%#llx msg=\"the plugin made a system call that its cage does not "
	    "allow; its server ends\"", i, n.name, (unsigned long long)n.arguments[0], (unsigned long long)n.arguments[1],
	    (unsigned long long)n.arguments[2]);
	kill(n.pid, SIGKILL);
	if (s->pid != 0)
		kill(s->pid, SIGKILL);
	close_fd(&s->notices_fd);
}

/* The two descriptors of each server. */
static nfds_t
poll_servers(const struct supervisor *v, struct pollfd *to)
{
	nfds_t n = 0;

	for (uint32_t i = 0; i < v->count; i++) {
		to[n++] = (struct pollfd){.fd = v->servers[i].cage_fd, .events = POLLIN};
		to[n++] = (struct pollfd){.fd = v->servers[i].notices_fd, .events = POLLIN};
	}
	return n;
}

static void
hear_servers(struct supervisor *v, const struct pollfd *fds)
{
	for (uint32_t i = 0; i < v->count; i++, fds += 2) {
		struct server *s = &v->servers[i];

		if (!s->was_ready && atomic_load(&v->slots[i].ready) != 0) {
			s->was_ready = true;
			s->uses_http = atomic_load(&v->slots[i].uses_http) != 0;
		}
		if (fds[0].revents != 0) {
			s->notices_fd = cage_take_notices(s->cage_fd);
			close_fd(&s->cage_fd);
		}
		if ((fds[1].revents & POLLIN) != 0)
			server_offends(v, i);
		else if (fds[1].revents != 0)
			close_fd(&s->notices_fd); /* nobody is left who could call */
	}
}

static void
turn(struct supervisor *v)
{
	struct pollfd fds[3 + 2 * SUPERVISE_SERVERS_MAX] = {
		{.fd = v->signal_fd, .events = POLLIN},
		{.fd = v->poke_fd, .events = POLLIN},
		/* The parent sends a worker nothing: anything to read is the end of the stream. */
		{.fd = v->role->control_fd, .events = POLLIN},
	};
	uint64_t pokes;
	int timeout_ms = tend(v);
	nfds_t n = 3 + poll_servers(v, fds + 3);

	if (poll(fds, n, timeout_ms) < 0)
		CHECK(errno == EINTR);
	if ((fds[1].revents & POLLIN) != 0)
		(void)!read(v->poke_fd, &pokes, sizeof(pokes));
	if (fds[2].revents != 0) {
		stop_all(v, SIGKILL);
		exit(ROLE_EXIT_FAILED);
	}
	hear_servers(v, fds + 3);
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
	for (uint32_t i = 0; i < v.count; i++)
		v.servers[i].cage_fd = v.servers[i].notices_fd = -1;
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
