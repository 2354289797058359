/* SPDX-License-Identifier: Apache-2.0 */
/*
 * countersignd, the parent: reads the configuration, binds the doors, starts one process a role, starts again what dies,
 * changes generations, and stops all in order. It speaks to no network and loads no plugin. See README.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/parent/parent.h"
#include "broker/parent/privileges.h"

enum { EXIT_USAGE = 2, POLLS_MAX = 1 + CHILD_POLLS_MAX * PARENT_CHILDREN_MAX };

struct loop {
	struct parent parent;
	int signal_fd, ready_fd;
	bool booting;               /* until everything was ready, or failed, for the first time */
	bool stopping;
	int status;                 /* to exit with */
	uint32_t table_sent;        /* how many of it it has been sent */
};

/* 150 kB that live as long as the process. */
static struct loop loop;

static int64_t
now_ms(void)
{
	struct clock_now now;

	clock_read(&now);
	return now.boot_ms;
}

/* sd_notify(3), without its library: one datagram. */
static void
notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len = path == NULL ? 0 : strlen(path);
	int fd;

	if (len < 2 || len >= sizeof(sa.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(sa.sun_path, path, len);
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&sa,
	        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_warn("notify errno=%d", errno);
	close(fd);
}

/* What `systemctl status` shows while the engine waits for other brokers; a start takes as long as that takes. */
static void
notify_late(const struct loop *l, const struct child *c)
{
	char state[CHILD_LATE_TEXT + 96];

	(void)snprintf(state, sizeof(state), "%sSTATUS=%s: %s", l->booting ? "EXTEND_TIMEOUT_USEC=60000000\n" : "", c->role, c->late);
	notify(state);
}

static void
take_ready(struct loop *l, struct child *c, int64_t now)
{
	bool late = c->late[0] != '\0';

	if (!child_take_ready(c, now))
		return;
	l->parent.table_dirty = true;
	if (c->late[0] != '\0')
		notify_late(l, c);
	else if (late)
		notify("STATUS=");
}

/* Stopping: gateway, then engine, then workers; each kind begins when the one before is over. */

static void
stop_begin(struct loop *l, int status)
{
	if (l->stopping)
		return;
	l->stopping = true;
	l->status = status;
	notify("STOPPING=1");
}

/* True when nothing is left. */
static bool
stop_step(struct loop *l, int64_t now)
{
	struct parent *p = &l->parent;

	for (int kind = CHILD_GATEWAY; kind <= CHILD_WORKER; kind++) {
		bool left = false;

		for (int i = 0; i < p->child_count; i++) {
			struct child *c = &p->children[i];

			if ((int)c->kind != kind || c->state == CHILD_OVER)
				continue;
			child_handle(c, CHILD_EVENT_STOP, now);
			left = left || c->state != CHILD_OVER;
		}
		if (left)
			return false;
	}
	return true;
}

/* Events */

static void
handle_message(struct loop *l, const struct control_message *m, int64_t now)
{
	switch ((enum control_type)m->type) {
	case CONTROL_RELOAD:
		l->parent.reload_asked = true;
		if (!l->stopping)
			reload_begin(&l->parent, now);
		break;
	case CONTROL_OK:
	case CONTROL_ERROR:
		reload_answer(&l->parent, m, now);
		break;
	default:
		log_warn("control msg=\"the engine sent what it may not\" type=%u", m->type);
	}
}

/* Only the engine may ask for anything. */
static void
take_messages(struct loop *l, struct child *c, int64_t now)
{
	struct control_message m;
	enum cs_err e;
	int passed;

	while (c->control_fd >= 0 && (e = control_receive(c->control_fd, &m, &passed)) != CS_ERR_NOT_FOUND) {
		if (passed >= 0 && e == CS_OK)
			close(passed);
		if (e == CS_OK && c->kind == CHILD_ENGINE && c->state == CHILD_UP) {
			handle_message(l, &m, now);
		} else if (e == CS_ERR_UNAVAILABLE) {
			close(c->control_fd);
			c->control_fd = -1;
		} else {
			log_warn("control role=%s msg=\"a message that it may not send\"", c->role);
		}
	}
}

static void
reap(struct loop *l, int64_t now)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = parent_find(&l->parent, CHILD_ENGINE, pid);

		if (c == NULL)
			continue;
		/* Its last words may have been said just before the end. */
		take_ready(l, c, now);
		take_messages(l, c, now);
		if (c->state != CHILD_STOPPING && WIFSIGNALED(status))
			log_error("child role=%s event=exit pid=%d signal=%d", c->role, (int)pid, WTERMSIG(status));
		else if (c->state != CHILD_STOPPING)
			log_error("child role=%s event=exit pid=%d status=%d", c->role, (int)pid, WEXITSTATUS(status));
		child_handle(c, CHILD_EVENT_EXIT, now);
		l->parent.table_dirty = true;
	}
}

static void
handle_signals(struct loop *l, int64_t now)
{
	struct signalfd_siginfo s;

	while (read(l->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGCHLD)
			reap(l, now);
		else if (s.ssi_signo != SIGHUP)
			stop_begin(l, l->status);
		else if (!l->stopping)
			reload_begin(&l->parent, now);
	}
}

static void
run_timers(struct loop *l, int64_t now)
{
	for (int i = 0; i < l->parent.child_count; i++) {
		struct child *c = &l->parent.children[i];

		if (c->due_ms >= 0 && now >= c->due_ms) {
			child_handle(c, CHILD_EVENT_TIMER, now);
			l->parent.table_dirty = true;
		}
	}
}

static void
sweep(struct loop *l)
{
	struct parent *p = &l->parent;

	for (int i = p->child_count - 1; i >= 0; i--) {
		if (p->children[i].state != CHILD_OVER)
			continue;
		child_clear(&p->children[i]);
		p->children[i] = p->children[--p->child_count];
		l->parent.table_dirty = true;
	}
}

/* The table of processes, for Admin.Status */

static struct control_message
table_entry(const struct parent *p, uint32_t index)
{
	static const enum control_state states[CHILD_STATES] = {
		[CHILD_DOWN] = CONTROL_DOWN,
		[CHILD_STARTING] = CONTROL_STARTING,
		[CHILD_UP] = CONTROL_UP,
		[CHILD_STOPPING] = CONTROL_STOPPING,
		[CHILD_OVER] = CONTROL_STOPPING,
	};
	struct control_message m = control_text(CONTROL_PROCESS, p->config->generation, "");
	struct control_process *to = &m.process;

	m.index = index;
	m.count = (uint32_t)p->child_count + 1;
	if (index == 0) {
		snprintf(to->role, sizeof(to->role), "parent");
		to->pid = getpid();
		to->state = CONTROL_UP;
		to->generation = p->config->generation;
	} else {
		const struct child *c = &p->children[index - 1];

		memcpy(to->role, c->role, sizeof(to->role));
		to->pid = c->pid;
		to->state = states[c->state];
		to->restarts = c->restarts;
		to->generation = c->generation;
	}
	return m;
}

/* True where the engine's socket is full and the rest must wait. */
static bool
table_send(struct loop *l)
{
	struct child *engine = parent_find(&l->parent, CHILD_ENGINE, 0);

	if (engine == NULL || engine->state != CHILD_UP || engine->control_fd < 0)
		return false;
	if (l->parent.table_dirty) {
		l->parent.table_dirty = false;
		l->table_sent = 0;
	}
	while (l->table_sent <= (uint32_t)l->parent.child_count) {
		struct control_message m = table_entry(&l->parent, l->table_sent);
		enum cs_err e = control_send(engine->control_fd, &m, -1);

		if (e != CS_OK)
			return e == CS_ERR_FULL;
		l->table_sent++;
	}
	return false;
}

/* Start */

static void
boot_step(struct loop *l)
{
	struct parent *p = &l->parent;
	bool ready = true;

	for (int i = 0; i < p->child_count; i++) {
		const struct child *c = &p->children[i];

		/* A reload may already be going on; what becomes of it is its own business. */
		if (c->trial)
			continue;
		if (c->failures > 0 && c->kind != CHILD_WORKER) {
			log_error("start msg=\"the %s did not become ready; its lines above say why\"", c->role);
			stop_begin(l, 1);
			return;
		}
		/* A worker that fails costs what rests on it and nothing else. */
		ready = ready && (c->state == CHILD_UP || (c->kind == CHILD_WORKER && c->failures > 0));
	}
	/* The engine has heard who runs before anybody is told that it may be asked. */
	if (!ready || table_send(l))
		return;
	l->booting = false;
	notify("READY=1");
	log_info("start generation=1 processes=%d uid_separation=%s", p->child_count, p->separated ? "on" : "off");
	if (l->ready_fd >= 0) {
		if (write(l->ready_fd, "\n", 1) != 1)
			log_warn("start msg=\"nobody reads the readiness descriptor\"");
		close(l->ready_fd);
		l->ready_fd = -1;
	}
}

static void
poll_once(struct loop *l, bool table_waits)
{
	static struct pollfd polls[POLLS_MAX];
	const struct parent *p = &l->parent;
	int64_t now = now_ms(), due = p->reload == RELOAD_SWAPPING ? p->reload_due_ms : -1;
	int n = 0, timeout = -1;

	polls[n++] = (struct pollfd){l->signal_fd, POLLIN, 0};
	for (int i = 0; i < p->child_count; i++) {
		const struct child *c = &p->children[i];
		int first = n;

		n += child_polls(c, polls + n);
		for (int k = first; table_waits && k < n; k++) {
			if (c->kind == CHILD_ENGINE && polls[k].fd == c->control_fd)
				polls[k].events |= POLLOUT;
		}
		if (c->due_ms >= 0 && (due < 0 || c->due_ms < due))
			due = c->due_ms;
	}
	if (due >= 0)
		timeout = due <= now ? 0 : due - now > INT_MAX ? INT_MAX : (int)(due - now);
	if (poll(polls, (nfds_t)n, timeout) < 0)
		CHECK(errno == EINTR);
}

static int
run(struct loop *l)
{
	bool table_waits = false;

	for (int i = 0; i < l->parent.child_count; i++)
		child_start(&l->parent.children[i], now_ms());
	for (;;) {
		int64_t now;

		poll_once(l, table_waits);
		now = now_ms();
		for (int i = 0; i < l->parent.child_count; i++) {
			take_ready(l, &l->parent.children[i], now);
			take_messages(l, &l->parent.children[i], now);
		}
		handle_signals(l, now);
		run_timers(l, now);
		if (l->booting && !l->stopping)
			boot_step(l);
		/* Who is gone by now makes room for a reload that waits: nothing else would wake it. */
		sweep(l);
		if (!l->stopping)
			reload_step(&l->parent, now);
		else if (stop_step(l, now))
			return l->status;
		sweep(l);
		table_waits = table_send(l);
	}
}

/* Command line */

static const char usage[] =
    "usage: countersignd [-dn] [-f FILE] [--libexec DIR] [--plugins DIR] [--ready-fd N]\n"
    "  -f FILE         the configuration [" SYSCONFDIR "/countersign.conf]\n"
    "  -n              check the configuration and the plugins' files, say what is wrong, and exit\n"
    "  -d              log at debug level\n"
    "  --libexec DIR   where the programs of the roles are\n"
    "  --plugins DIR   where the plugins are\n"
    "  --ready-fd N    write a newline to this descriptor when everything is ready\n";

static int
parse_descriptor(const char *text)
{
	char *end;
	long fd = strtol(text, &end, 10);

	return *text == '\0' || *end != '\0' || fd < 3 || fd > 65535 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0 ? -1 : (int)fd;
}

static bool
parse_arguments(struct loop *l, int argc, char **argv, bool *check_only)
{
	static const struct option options[] = {
		{"libexec", required_argument, NULL, 'l'},
		{"plugins", required_argument, NULL, 'p'},
		{"ready-fd", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	struct parent *p = &l->parent;
	int c;

	while ((c = getopt_long(argc, argv, "df:n", options, NULL)) != -1) {
		if (c == 'd')
			p->debug = true;
		else if (c == 'f')
			p->file = optarg;
		else if (c == 'n')
			*check_only = true;
		else if (c == 'l')
			p->libexec = optarg;
		else if (c == 'p')
			p->plugins = optarg;
		else if (c != 'r' || (l->ready_fd = parse_descriptor(optarg)) < 0)
			return false;
	}
	return optind == argc;
}

/* Only what a terminal or a service manager sends is waited for; a broken pipe is an error of a write. */
static bool
take_signals(struct loop *l)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	l->signal_fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
	return l->signal_fd >= 0;
}

/* Descriptors 0 to 2 exist, so that no socket takes their place. */
static void
fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int
main(int argc, char **argv)
{
	char why[PARENT_WHY_MAX];
	bool check_only = false;
	struct parent *p = &loop.parent;
	int status;

	fill_standard_descriptors();
	parent_init(p);
	loop.ready_fd = -1;
	loop.booting = true;
	p->file = SYSCONFDIR "/countersign.conf";
	p->libexec = LIBEXECDIR;
	p->plugins = PLUGINDIR;
	if (!parse_arguments(&loop, argc, argv, &check_only)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (check_only) {
		if (generation_check(p, why))
			return 0;
		fprintf(stderr, "countersignd: %s\n", why);
		return 1;
	}
	log_init("parent", p->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (!take_signals(&loop) || !generation_first(p, why)) {
		fprintf(stderr, "countersignd: %s\n", loop.signal_fd < 0 ? "cannot take signals" : why);
		return 1;
	}
	if (p->separated && privileges_drop() != CS_OK) {
		fprintf(stderr, "countersignd: cannot give up privileges: %s\n", strerror(errno));
		parent_unlink(p, p->config);
		return 1;
	}
	status = run(&loop);
	parent_unlink(p, p->config);
	return status;
}
