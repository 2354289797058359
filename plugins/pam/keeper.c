/* SPDX-License-Identifier: Apache-2.0 */
/* One keeper: a loop over the plugin's connection, the PAM process, and the time. */
#include "plugins/pam/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plugins/pam/dialogue.h"

enum {
	PAM_CPU_S = 60,         /* of the processor, for all that modules compute */
	FIRST_FD = 3,
	KILL_ROUNDS = 1000,     /* children that fork while they are killed are killed again, so often */
};

struct keeping {
	const struct keeper *k;
	struct wire_address at;
	int listen_fd, client_fd, pam_fd;
	pid_t pam_pid;
	int64_t end_ms;
	bool waiting;           /* the client waits for what comes */
	bool final;             /* and may have the end */
	bool has_event;
	struct wire event;      /* prompts that nobody answered yet, or the end */
	char info[WIRE_INFO_MAX];
	size_t info_len;
};

static int64_t
boot_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Nothing of the worker's is left to a module: no descriptor, no environment, no blocked signal. */
static void
shed(const int *keep, size_t n)
{
	int null = open("/dev/null", O_RDWR), low = FIRST_FD;
	sigset_t none;

	for (int fd = 0; null >= 0 && fd < FIRST_FD; fd++)
		dup2(null, fd);
	/* keep is in ascending order. */
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < low)
			continue;
		if (keep[i] > low)
			syscall(SYS_close_range, low, keep[i] - 1, 0);
		low = keep[i] + 1;
	}
	syscall(SYS_close_range, low, ~0U, 0);
	sigemptyset(&none);
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void
become_pam(const struct keeper *k, int fd)
{
	const struct rlimit cpu = {PAM_CPU_S, PAM_CPU_S};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	setrlimit(RLIMIT_CPU, &cpu);
	prctl(PR_SET_NAME, "countersign-pam");
	(void)umask(077);
	(void)chdir("/");
	clearenv();
	setenv("PATH", "/usr/bin:/bin", 1);
	dialogue_run(fd, k->service, k->directory, k->user);
}

/* Everything that modules started comes back to the keeper, and ends with it: this process is the subreaper. */
static void
kill_all(const struct keeping *g)
{
	char path[64], line[256];
	FILE *f;

	kill(-g->pam_pid, SIGKILL);
	kill(g->pam_pid, SIGKILL);
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	for (int i = 0; i < KILL_ROUNDS; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		f = fopen(path, "re");
		if (f == NULL || fgets(line, sizeof(line), f) == NULL) {
			if (f != NULL)
				fclose(f);
			break;
		}
		fclose(f);
		for (char *at = line, *next; ; at = next) {
			long pid = strtol(at, &next, 10);

			if (next == at || pid <= 1)
				break;
			kill((pid_t)pid, SIGKILL);
		}
		(void)waitpid(-1, NULL, 0);
	}
}

static _Noreturn void
finish(struct keeping *g)
{
	kill_all(g);
	explicit_bzero(g, sizeof(*g));
	_exit(0);
}

static void
drop_client(struct keeping *g)
{
	if (g->client_fd >= 0)
		close(g->client_fd);
	g->client_fd = -1;
	g->waiting = false;
}

static void
add_info(struct keeping *g, const struct wire *w)
{
	size_t n = w->text_len;

	if (g->info_len > 0 && g->info_len < sizeof(g->info))
		g->info[g->info_len++] = '\n';
	if (n > sizeof(g->info) - g->info_len) {
		n = sizeof(g->info) - g->info_len;
		while (n > 0 && ((unsigned char)w->text[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(g->info + g->info_len, w->text, n);
	g->info_len += n;
}

static void
put_info(const struct keeping *g, struct wire *w)
{
	memcpy(w->text, g->info, g->info_len);
	w->text_len = (uint16_t)g->info_len;
}

/* What came, to the client that waits for it. The end is told once, to one who may have it, and then all is over. */
static void
deliver(struct keeping *g)
{
	struct wire w;

	if (!g->waiting || !g->has_event)
		return;
	w = g->event;
	put_info(g, &w);
	if (!wire_send(g->client_fd, &w)) {
		drop_client(g);
		return;
	}
	g->waiting = false;
	if (w.type == WIRE_END && g->final)
		finish(g);
}

static void
from_pam(struct keeping *g)
{
	struct wire w;

	if (!wire_receive(g->pam_fd, &w)) {
		w = (struct wire){.type = WIRE_END, .code = WIRE_CRASHED, .asked = 1};
		close(g->pam_fd);
		g->pam_fd = -1;
		/* It ended after it had said all. */
		if (g->has_event && g->event.type == WIRE_END)
			return;
	}
	if (w.type == WIRE_INFO) {
		add_info(g, &w);
		return;
	}
	g->event = w;
	g->has_event = true;
	deliver(g);
}

static void
answer(struct keeping *g, const struct wire *w)
{
	/* An answer to another round than the one that is open is none; its sender is told what is open. */
	if (g->has_event && g->event.type == WIRE_PROMPTS && g->event.round == w->round && g->pam_fd >= 0) {
		g->has_event = false;
		g->info_len = 0;
		(void)wire_send(g->pam_fd, w);
	}
}

static bool
same_key(const uint8_t *a, const uint8_t *b)
{
	uint8_t differs = 0;

	for (size_t i = 0; i < WIRE_KEY_BYTES; i++)
		differs |= a[i] ^ b[i];
	return differs == 0;
}

static void
from_client(struct keeping *g)
{
	struct wire w;

	if (!wire_receive(g->client_fd, &w) || !same_key(w.key, g->at.key)) {
		drop_client(g);
		return;
	}
	if (w.type == WIRE_QUIT)
		finish(g);
	if (w.type == WIRE_STATUS) {
		struct wire status = {.type = WIRE_INFO};

		g->waiting = false;
		put_info(g, &status);
		if (!wire_send(g->client_fd, &status))
			drop_client(g);
		return;
	}
	if (w.type == WIRE_ANSWERS)
		answer(g, &w);
	explicit_bzero(w.text, sizeof(w.text));
	g->final = w.type == WIRE_ANSWERS;
	g->waiting = true;
	deliver(g);
}

static void
accept_client(struct keeping *g)
{
	int fd = accept4(g->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (!wire_is_own(fd) || g->client_fd >= 0) {
		close(fd);
		return;
	}
	g->client_fd = fd;
}

static volatile sig_atomic_t stopping;

static void
on_terminate(int number)
{
	(void)number;
	stopping = 1;
}

static _Noreturn void
keep(struct keeping *g)
{
	sigset_t none;

	/* SIGTERM is let in only while this process waits. */
	sigemptyset(&none);
	for (;;) {
		struct pollfd fds[] = {
		    {.fd = g->listen_fd, .events = POLLIN},
		    {.fd = g->client_fd, .events = POLLIN},
		    {.fd = g->pam_fd, .events = POLLIN},
		    {.fd = g->k->worker_fd, .events = POLLIN},
		};
		int64_t left = g->end_ms - boot_ms();
		struct timespec wait = {left / 1000, left % 1000 * 1000000};
		int n = left <= 0 ? 0 : ppoll(fds, sizeof(fds) / sizeof(fds[0]), &wait, &none);

		if (n == 0 || stopping || (n < 0 && errno != EINTR) || (n > 0 && fds[3].revents != 0))
			finish(g);
		if (n < 0)
			continue;
		if (fds[2].revents != 0)
			from_pam(g);
		if (fds[1].revents != 0)
			from_client(g);
		if (fds[0].revents != 0)
			accept_client(g);
	}
}

static int
compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static _Noreturn void
become_keeper(const struct keeper *k, const struct wire_address *at, int listen_fd)
{
	static struct keeping g;
	sigset_t terminate;
	int pair[2], keeping[] = {listen_fd, k->worker_fd};

	g = (struct keeping){.k = k, .at = *at, .listen_fd = listen_fd, .client_fd = -1, .end_ms = boot_ms() + k->timeout_ms};
	qsort(keeping, 2, sizeof(keeping[0]), compare);
	shed(keeping, 2);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		_exit(1);
	g.pam_pid = fork();
	if (g.pam_pid == 0) {
		explicit_bzero(&g.at, sizeof(g.at));
		shed(&pair[1], 1);
		become_pam(k, pair[1]);
	}
	if (g.pam_pid < 0)
		_exit(1);
	close(pair[1]);
	g.pam_fd = pair[0];
	sigemptyset(&terminate);
	sigaddset(&terminate, SIGTERM);
	sigprocmask(SIG_BLOCK, &terminate, NULL);
	signal(SIGTERM, on_terminate);
	prctl(PR_SET_NAME, "countersign-kpr");
	keep(&g);
}

pid_t
keeper_start(const struct keeper *k, const struct wire_address *at)
{
	int fd = wire_listen(at);
	pid_t pid;

	if (fd < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		/* The worker's own death signal was for its server, not for this process. */
		prctl(PR_SET_PDEATHSIG, 0);
		become_keeper(k, at, fd);
	}
	close(fd);
	return pid;
}
