/* SPDX-License-Identifier: Apache-2.0 */
/* A program as a process: whether it is one, how it is started, what it prints, how it ends. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/worker/executable_run.h"

enum {
	SOCKET_FD = 3,
	PROGRAM_FD = 4,
	HIGH_FD = 16,            /* above all that a program is given */
	SEGMENTS_MAX = 64,       /* a linker makes about a dozen */
	DYNAMIC_MAX = 512,
	DRAIN_READS = 16,        /* at once: who prints faster waits, and has its deadline */
	STOP_MS = 500,           /* to end by itself */
};

static bool
read_at(int fd, void *to, size_t len, uint64_t at)
{
	return at <= INT64_MAX && pread(fd, to, len, (off_t)at) == (ssize_t)len;
}

/* A program that may lie anywhere in memory is in the form of a shared object, and says so here. */
static bool
says_it_is_a_program(int fd, const Elf64_Phdr *dynamic)
{
	Elf64_Dyn entry;

	for (size_t i = 0; i < DYNAMIC_MAX && i * sizeof(entry) < dynamic->p_filesz; i++) {
		if (!read_at(fd, &entry, sizeof(entry), dynamic->p_offset + i * sizeof(entry)) || entry.d_tag == DT_NULL)
			return false;
		if (entry.d_tag == DT_FLAGS_1)
			return (entry.d_un.d_val & DF_1_PIE) != 0;
	}
	return false;
}

bool
executable_is(int fd)
{
	Elf64_Ehdr head;
	Elf64_Phdr segment;
	char mark[2];

	if (!read_at(fd, mark, sizeof(mark), 0))
		return false;
	if (memcmp(mark, "#!", sizeof(mark)) == 0)
		return true;
	if (!read_at(fd, &head, sizeof(head), 0) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	if (head.e_type == ET_EXEC)
		return true;
	for (size_t i = 0; i < head.e_phnum && i < SEGMENTS_MAX; i++) {
		if (!read_at(fd, &segment, sizeof(segment), head.e_phoff + i * sizeof(segment)))
			return false;
		if (segment.p_type == PT_DYNAMIC && says_it_is_a_program(fd, &segment))
			return true;
	}
	return false;
}

/*
 * The program's side: 0 is at its end at once, 1 and 2 are the pipe, 3 the socket, 4 the program, which an interpreter reads
 * again by that number; a binary needs it no more.
 */
static _Noreturn void
become(int program, int input, int socket, int output, pid_t parent)
{
	static char name[] = "countersign-plugin", path[] = "PATH=/usr/bin:/bin", language[] = "LANG=C.UTF-8";
	char *const arguments[] = {name, NULL}, *const environment[] = {path, language, NULL};
	const int from[] = {input, output, output, socket, program};
	int high[sizeof(from) / sizeof(from[0])];
	sigset_t none;
	char mark[2];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, HIGH_FD);
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		if (dup2(high[i], (int)i) < 0)
			_exit(1);
	(void)close_range(PROGRAM_FD + 1, ~0U, 0);
	if (!read_at(PROGRAM_FD, mark, sizeof(mark), 0) || memcmp(mark, "#!", sizeof(mark)) != 0)
		fcntl(PROGRAM_FD, F_SETFD, FD_CLOEXEC);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fexecve(PROGRAM_FD, arguments, environment);
	dprintf(STDERR_FILENO, "it cannot be executed: %s\n", strerror(errno));
	_exit(127);
}

enum cs_err
executable_start(int program_fd, struct executable *x)
{
	int sockets[2], output[2], input[2];
	pid_t self = getpid();
	int why;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
		return CS_ERR_SYSTEM;
	CHECK(pipe2(output, O_CLOEXEC) == 0 && pipe2(input, O_CLOEXEC) == 0);
	close(input[1]);
	x->pid = fork();
	why = errno;
	if (x->pid == 0)
		become(program_fd, input[0], sockets[1], output[1], self);
	close(input[0]);
	close(output[1]);
	close(sockets[1]);
	if (x->pid < 0) {
		close(sockets[0]);
		close(output[0]);
		errno = why;
		return CS_ERR_SYSTEM;
	}
	x->fd = sockets[0];
	x->stderr_fd = output[0];
	CHECK(fcntl(x->fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(x->stderr_fd, F_SETFL, O_NONBLOCK) == 0);
	return CS_OK;
}

void
executable_drain(struct executable *x)
{
	char text[4096];
	ssize_t n;

	for (size_t reads = 0; x->stderr_fd >= 0 && reads < DRAIN_READS &&
	     (n = read(x->stderr_fd, text, sizeof(text))) > 0; reads++)
		for (char *at = text, *end; at < text + n && x->printed < EXECUTABLE_STDERR_LINES; at = end + 1, x->printed++) {
			end = memchr(at, '\n', (size_t)(text + n - at));
			if (end == NULL)
				end = text + n;
			log_warn("plugin name=%s prints=%s", x->name, log_value(view_of(at, (size_t)(end - at))));
		}
}

void
executable_stop(struct executable *x)
{
	struct pollfd gone = {.fd = x->fd, .events = POLLIN};

	if (x->pid <= 0)
		return;
	shutdown(x->fd, SHUT_WR);
	(void)poll(&gone, 1, x->dead ? 0 : STOP_MS);
	kill(x->pid, SIGKILL);
	while (waitpid(x->pid, NULL, 0) < 0 && errno == EINTR)
		;
	executable_drain(x);
	close(x->fd);
	close(x->stderr_fd);
	x->pid = 0;
	x->dead = true;
}
