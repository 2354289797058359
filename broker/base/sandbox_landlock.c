/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock's three system calls, and its constants up to version 6: Debian 12's headers know those of version 2. */
#include "broker/base/sandbox_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on every architecture. */
enum { CALL_CREATE = 444, CALL_ADD = 445, CALL_RESTRICT = 446 };
enum { CREATE_VERSION = 1, RULE_PATH = 1, RULE_PORT = 2 };

enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_CHAR = 1 << 6,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_SOCK = 1 << 9,
	FS_MAKE_FIFO = 1 << 10,
	FS_MAKE_BLOCK = 1 << 11,
	FS_MAKE_SYM = 1 << 12,
	FS_REFER = 1 << 13,
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
	NET_BIND_TCP = 1 << 0,
	NET_CONNECT_TCP = 1 << 1,
	SCOPE_ABSTRACT_SOCKETS = 1 << 0,
	SCOPE_SIGNALS = 1 << 1,
};
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_OF_READERS (FS_READ_FILE | FS_READ_DIR)
/* No devices. */
#define FS_OF_WRITERS                                                                                       \
	(FS_OF_READERS | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK | \
	    FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER | FS_TRUNCATE)

/* As the kernel reads them; it takes the size of what a caller knows. */
struct ruleset_attr {
	uint64_t files, tcp, scoped;
};
struct path_attr {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));
struct port_attr {
	uint64_t allowed, port;
};

int
landlock_version(void)
{
	long version = syscall(CALL_CREATE, NULL, (size_t)0, CREATE_VERSION);

	return version < 0 ? 0 : (int)version;
}

/* All rights over files that this version handles: each of them a bit, in their order. */
static uint64_t
files_of(int version)
{
	uint64_t all = FS_REFER - 1;

	if (version >= 2)
		all |= FS_REFER;
	if (version >= 3)
		all |= FS_TRUNCATE;
	if (version >= 5)
		all |= FS_IOCTL_DEV;
	return all;
}

enum cs_err
landlock_init(struct landlock *l, bool tcp)
{
	int version = landlock_version();
	struct ruleset_attr attr = {.files = files_of(version)};
	size_t size = offsetof(struct ruleset_attr, tcp);
	long fd;

	if (version == 0)
		return CS_ERR_UNAVAILABLE;
	if (version >= LANDLOCK_TCP) {
		size = offsetof(struct ruleset_attr, scoped);
		attr.tcp = tcp ? NET_BIND_TCP | NET_CONNECT_TCP : 0;
	}
	if (version >= LANDLOCK_SCOPES) {
		size = sizeof(attr);
		attr.scoped = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
	}
	fd = syscall(CALL_CREATE, &attr, size, 0);
	if (fd < 0)
		return CS_ERR_SYSTEM;
	*l = (struct landlock){(int)fd, version, attr.files, attr.tcp};
	return CS_OK;
}

enum cs_err
landlock_file(struct landlock *l, int fd, unsigned access)
{
	struct path_attr attr = {.fd = fd};
	struct stat st;

	if (fstat(fd, &st) != 0)
		return CS_ERR_SYSTEM;
	if ((access & LANDLOCK_READ) != 0)
		attr.allowed |= FS_OF_READERS;
	if ((access & LANDLOCK_EXECUTE) != 0)
		attr.allowed |= FS_EXECUTE;
	if ((access & LANDLOCK_WRITE) != 0)
		attr.allowed |= FS_OF_WRITERS;
	if (!S_ISDIR(st.st_mode))
		attr.allowed &= FS_OF_FILES;
	attr.allowed &= l->files;
	/* A file of the kernel's own, such as a memfd, stands nowhere: Landlock neither limits it nor takes a rule. */
	if (syscall(CALL_ADD, l->fd, RULE_PATH, &attr, 0) != 0 && errno != EBADFD)
		return CS_ERR_SYSTEM;
	return CS_OK;
}

enum cs_err
landlock_path(struct landlock *l, const char *path, unsigned access)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	enum cs_err err;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? CS_ERR_NOT_FOUND : CS_ERR_SYSTEM;
	err = landlock_file(l, fd, access);
	close(fd);
	return err;
}

enum cs_err
landlock_port(struct landlock *l, uint16_t port)
{
	struct port_attr attr = {.allowed = NET_CONNECT_TCP, .port = port};

	if (l->tcp == 0)
		return CS_OK;
	return syscall(CALL_ADD, l->fd, RULE_PORT, &attr, 0) == 0 ? CS_OK : CS_ERR_SYSTEM;
}

enum cs_err
landlock_enforce(struct landlock *l)
{
	long rc = syscall(CALL_RESTRICT, l->fd, 0);
	int error = errno;

	close(l->fd);
	l->fd = -1;
	errno = error;
	return rc == 0 ? CS_OK : CS_ERR_SYSTEM;
}
