/* SPDX-License-Identifier: Apache-2.0 */
/* The acts. None of them harms whoever runs this without a cage: signals are of number 0, files are in /tmp. */
#include "acts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE_TOO_MUCH (UINT64_C(64) << 30)

enum { PORT_DISCARD = 9 };

/* Each gives a value below 0 with errno where it was refused. */

static int
act_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : (int)waitpid(pid, NULL, 0);
}

static int
act_exec(void)
{
	char *const arguments[] = {(char *)(uintptr_t)"true", NULL};

	return execv("/bin/true", arguments);
}

static int
act_read(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static int
act_write(void)
{
	return open("/tmp/countersign-misbehave", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int
act_unlink(void)
{
	return unlink("/tmp/countersign-misbehave");
}

static int
act_connect(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT_DISCARD)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -1;
	rc = connect(fd, (struct sockaddr *)&to, sizeof(to));
	close(fd);
	return rc;
}

static int
act_listen(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -1 : listen(fd, 1);
}

static int
act_local(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* What socket() does not give, by another way: to the system's log, say. */
static int
act_datagram(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds);
}

static int
act_ptrace(void)
{
	return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static int
act_signal(void)
{
	return kill(1, 0);
}

static int
act_memory(void)
{
	return mmap(NULL, SIZE_TOO_MUCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) ==
	    MAP_FAILED ? -1 : 0;
}

static int
act_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int
act_memfd(void)
{
	return memfd_create("code", 0);
}

static int
act_mount(void)
{
	return mount("none", "/tmp", "tmpfs", MS_REMOUNT, NULL);
}

static int
act_bpf(void)
{
	return (int)syscall(SYS_bpf, 0, NULL, 0);
}

static int
act_unshare(void)
{
	return (int)syscall(SYS_unshare, 0x10000000);
}

static int
act_keys(void)
{
	return (int)syscall(SYS_keyctl, 0, -4, 0);
}

#define ACT(name) {#name, name}
static const struct {
	const char *name;
	int (*play)(void);
} acts[] = {
	ACT(act_fork), ACT(act_exec), ACT(act_read), ACT(act_write), ACT(act_unlink), ACT(act_connect), ACT(act_listen),
	ACT(act_local), ACT(act_datagram), ACT(act_ptrace), ACT(act_signal), ACT(act_memory), ACT(act_code), ACT(act_memfd), ACT(act_mount),
	ACT(act_bpf), ACT(act_unshare), ACT(act_keys),
};

int
act(const struct countersign_host_v1 *host, struct countersign_view name)
{
	char text[64];
	int rc;

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (strlen(acts[i].name) != name.len || memcmp(acts[i].name, name.data, name.len) != 0)
			continue;
		errno = 0;
		rc = acts[i].play();
		if (rc < 0)
			snprintf(text, sizeof(text), "%s: errno %d", acts[i].name, errno);
		else
			snprintf(text, sizeof(text), "%s: done", acts[i].name);
		host->log(host->context, COUNTERSIGN_LOG_ERROR, countersign_view_of(text));
		return rc < 0 ? COUNTERSIGN_UNREACHABLE : COUNTERSIGN_OK;
	}
	return COUNTERSIGN_INVALID;
}
