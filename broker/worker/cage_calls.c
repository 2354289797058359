/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of a worker, as a table. What is not here ends the server: so of the plugins that ship each is run
 * by the tests under it, and whoever adds a library to one runs them. seccomp(2) sees numbers, never what a pointer
 * points to; what paths and ports are allowed is Landlock's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "broker/worker/cage.h"

#define ALLOW(when_, name_) {.name = (name_), .when = (when_)}
#define ALLOW_IF(when_, name_, index_, mask_, value_)                                                       \
	{.name = (name_), .when = (when_), .argument_count = 1, .arguments = {{(index_), (mask_), (value_)}}}
#define ALLOW_IF2(when_, name_, index_, mask_, value_, index2_, mask2_, value2_)                            \
	{.name = (name_), .when = (when_), .argument_count = 2,                                             \
	 .arguments = {{(index_), (mask_), (value_)}, {(index2_), (mask2_), (value2_)}}}
#define REFUSE(when_, name_, error_) {.name = (name_), .when = (when_), .error = (error_)}
#define REFUSE_IF(when_, name_, error_, index_, mask_, value_)                                              \
	{.name = (name_), .when = (when_), .error = (error_), .argument_count = 1,                          \
	 .arguments = {{(index_), (mask_), (value_)}}}
#define REFUSE_IF2(when_, name_, error_, index_, mask_, value_, index2_, mask2_, value2_)                   \
	{.name = (name_), .when = (when_), .error = (error_), .argument_count = 2,                          \
	 .arguments = {{(index_), (mask_), (value_)}, {(index2_), (mask2_), (value2_)}}}

/* An int among the arguments: the kernel does not look at the other half of the register. */
#define INT UINT64_C(0xffffffff)
/* Opening for anything but reading. O_TMPFILE is more than one bit, O_DIRECTORY among them. */
#define OPENS_TO_WRITE (UINT64_C(0) | O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))
/* What a thread has and a process has not; and no name space of its own. */
#define NAMESPACES                                                                                          \
	(UINT64_C(0) | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

enum {
	READING_AND_CODE = PROT_READ | PROT_EXEC,
	SOCKET_TYPE = 0xf,       /* the kernel's SOCK_TYPE_MASK: flags stand above it */
	TIOCSTI_NUMBER = 0x5412, /* types into a terminal as its user would */
};

const struct seccomp_rule cage_rules[] = {
	/* Descriptors that are there. */
	ALLOW(CAGE_ALWAYS, "read"), ALLOW(CAGE_ALWAYS, "readv"), ALLOW(CAGE_ALWAYS, "pread64"), ALLOW(CAGE_ALWAYS, "preadv"),
	ALLOW(CAGE_ALWAYS, "write"), ALLOW(CAGE_ALWAYS, "writev"), ALLOW(CAGE_ALWAYS, "pwrite64"),
	ALLOW(CAGE_ALWAYS, "close"), ALLOW(CAGE_ALWAYS, "close_range"), ALLOW(CAGE_ALWAYS, "dup"), ALLOW(CAGE_ALWAYS, "dup2"),
	ALLOW(CAGE_ALWAYS, "dup3"), ALLOW(CAGE_ALWAYS, "lseek"), ALLOW(CAGE_ALWAYS, "_llseek"), ALLOW(CAGE_ALWAYS, "fstat"),
	ALLOW(CAGE_ALWAYS, "fstat64"), ALLOW(CAGE_ALWAYS, "pipe"), ALLOW(CAGE_ALWAYS, "pipe2"), ALLOW(CAGE_ALWAYS, "eventfd2"),
	ALLOW(CAGE_ALWAYS, "timerfd_create"), ALLOW(CAGE_ALWAYS, "timerfd_settime"), ALLOW(CAGE_ALWAYS, "timerfd_gettime"),
	ALLOW(CAGE_ALWAYS, "poll"), ALLOW(CAGE_ALWAYS, "ppoll"), ALLOW(CAGE_ALWAYS, "select"), ALLOW(CAGE_ALWAYS, "_newselect"),
	ALLOW(CAGE_ALWAYS, "pselect6"), ALLOW(CAGE_ALWAYS, "epoll_create"), ALLOW(CAGE_ALWAYS, "epoll_create1"),
	ALLOW(CAGE_ALWAYS, "epoll_ctl"), ALLOW(CAGE_ALWAYS, "epoll_wait"), ALLOW(CAGE_ALWAYS, "epoll_pwait"),
	ALLOW(CAGE_ALWAYS, "epoll_pwait2"),
	/* Not the commands that have a signal sent to whom one likes. */
	ALLOW_IF(CAGE_ALWAYS, "fcntl", 1, INT, F_DUPFD), ALLOW_IF(CAGE_ALWAYS, "fcntl", 1, INT, F_DUPFD_CLOEXEC),
	ALLOW_IF(CAGE_ALWAYS, "fcntl", 1, INT, F_GETFD), ALLOW_IF(CAGE_ALWAYS, "fcntl", 1, INT, F_SETFD),
	ALLOW_IF(CAGE_ALWAYS, "fcntl", 1, INT, F_GETFL), ALLOW_IF(CAGE_ALWAYS, "fcntl", 1, INT, F_SETFL),
	ALLOW_IF(CAGE_ALWAYS, "fcntl", 1, INT, F_GETLK), ALLOW_IF(CAGE_ALWAYS, "fcntl", 1, INT, F_SETLK),
	ALLOW_IF(CAGE_ALWAYS, "fcntl", 1, INT, F_SETLKW), ALLOW_IF(CAGE_ALWAYS, "fcntl", 1, INT, F_OFD_GETLK),
	ALLOW_IF(CAGE_ALWAYS, "fcntl", 1, INT, F_OFD_SETLK), ALLOW_IF(CAGE_ALWAYS, "fcntl", 1, INT, F_GET_SEALS),
	/* Questions of terminals and sockets; whatever else is asked was "inappropriate for the device". */
	ALLOW_IF(CAGE_ALWAYS, "ioctl", 1, INT, TCGETS), ALLOW_IF(CAGE_ALWAYS, "ioctl", 1, INT, FIONREAD),
	ALLOW_IF(CAGE_ALWAYS, "ioctl", 1, INT, FIONBIO), ALLOW_IF(CAGE_ALWAYS, "ioctl", 1, INT, FIOCLEX),
	ALLOW_IF(CAGE_ALWAYS, "ioctl", 1, INT, FIONCLEX), ALLOW_IF(CAGE_ALWAYS, "ioctl", 1, INT, TIOCGWINSZ),
	REFUSE_IF(CAGE_ALWAYS, "ioctl", EPERM, 1, INT, TIOCSTI_NUMBER),

	/* The engine's connection, and those that the network kinds open. */
	ALLOW(CAGE_ALWAYS, "accept"), ALLOW(CAGE_ALWAYS, "accept4"), ALLOW(CAGE_ALWAYS, "recvfrom"),
	ALLOW(CAGE_ALWAYS, "recvmsg"), ALLOW(CAGE_ALWAYS, "recv"), ALLOW(CAGE_ALWAYS, "sendto"), ALLOW(CAGE_ALWAYS, "sendmsg"),
	ALLOW(CAGE_ALWAYS, "send"), ALLOW(CAGE_ALWAYS, "shutdown"), ALLOW(CAGE_ALWAYS, "getsockopt"),
	ALLOW(CAGE_ALWAYS, "getsockname"), ALLOW(CAGE_ALWAYS, "getpeername"),

	/* Memory: what is written is never code, and what is code came from a file. */
	ALLOW(CAGE_ALWAYS, "brk"), ALLOW(CAGE_ALWAYS, "munmap"), ALLOW(CAGE_ALWAYS, "mremap"), ALLOW(CAGE_ALWAYS, "madvise"),
	ALLOW(CAGE_ALWAYS, "mlock"), ALLOW(CAGE_ALWAYS, "mlock2"), ALLOW(CAGE_ALWAYS, "munlock"), ALLOW(CAGE_ALWAYS, "membarrier"),
	ALLOW_IF(CAGE_ALWAYS, "mmap", 2, PROT_EXEC, 0), ALLOW_IF(CAGE_ALWAYS, "mmap2", 2, PROT_EXEC, 0),
	ALLOW_IF(CAGE_ALWAYS, "mprotect", 2, PROT_EXEC, 0),
	ALLOW_IF2(CAGE_START, "mmap", 2, INT, READING_AND_CODE, 3, MAP_ANONYMOUS, 0),
	ALLOW_IF2(CAGE_START, "mmap2", 2, INT, READING_AND_CODE, 3, MAP_ANONYMOUS, 0),
	REFUSE_IF(CAGE_SECOND, "mmap", EPERM, 2, PROT_EXEC, PROT_EXEC),
	REFUSE_IF(CAGE_SECOND, "mmap2", EPERM, 2, PROT_EXEC, PROT_EXEC),

	/* Threads and their locks. A process is none: the newer call hides what it asks for, and libraries take the older. */
	ALLOW_IF(CAGE_ALWAYS, "clone", 0, NAMESPACES | CLONE_THREAD, CLONE_THREAD),
	REFUSE(CAGE_ALWAYS, "clone3", ENOSYS),
	ALLOW(CAGE_ALWAYS, "futex"), ALLOW(CAGE_ALWAYS, "futex_time64"), ALLOW(CAGE_ALWAYS, "set_robust_list"),
	ALLOW(CAGE_ALWAYS, "get_robust_list"), ALLOW(CAGE_ALWAYS, "rseq"), ALLOW(CAGE_ALWAYS, "set_tid_address"),
	ALLOW(CAGE_ALWAYS, "set_thread_area"), ALLOW(CAGE_ALWAYS, "arch_prctl"), ALLOW(CAGE_ALWAYS, "sched_yield"),
	ALLOW(CAGE_ALWAYS, "sched_getaffinity"), ALLOW(CAGE_ALWAYS, "sched_getparam"), ALLOW(CAGE_ALWAYS, "sched_getscheduler"),
	ALLOW(CAGE_ALWAYS, "sched_get_priority_max"), ALLOW(CAGE_ALWAYS, "sched_get_priority_min"),
	ALLOW(CAGE_ALWAYS, "getcpu"), ALLOW(CAGE_ALWAYS, "exit"), ALLOW(CAGE_ALWAYS, "exit_group"),
	ALLOW(CAGE_ALWAYS, "restart_syscall"),

	/* Time, chance, and who one is. */
	ALLOW(CAGE_ALWAYS, "clock_gettime"), ALLOW(CAGE_ALWAYS, "clock_gettime64"), ALLOW(CAGE_ALWAYS, "clock_getres"),
	ALLOW(CAGE_ALWAYS, "clock_nanosleep"), ALLOW(CAGE_ALWAYS, "clock_nanosleep_time64"), ALLOW(CAGE_ALWAYS, "nanosleep"),
	ALLOW(CAGE_ALWAYS, "gettimeofday"), ALLOW(CAGE_ALWAYS, "time"), ALLOW(CAGE_ALWAYS, "times"), ALLOW(CAGE_ALWAYS, "alarm"),
	ALLOW(CAGE_ALWAYS, "setitimer"), ALLOW(CAGE_ALWAYS, "getitimer"), ALLOW(CAGE_ALWAYS, "getrandom"),
	ALLOW(CAGE_ALWAYS, "getpid"), ALLOW(CAGE_ALWAYS, "gettid"), ALLOW(CAGE_ALWAYS, "getppid"), ALLOW(CAGE_ALWAYS, "getpgrp"),
	ALLOW(CAGE_ALWAYS, "getpgid"), ALLOW(CAGE_ALWAYS, "getsid"), ALLOW(CAGE_ALWAYS, "getuid"), ALLOW(CAGE_ALWAYS, "geteuid"),
	ALLOW(CAGE_ALWAYS, "getgid"), ALLOW(CAGE_ALWAYS, "getegid"), ALLOW(CAGE_ALWAYS, "getresuid"),
	ALLOW(CAGE_ALWAYS, "getresgid"), ALLOW(CAGE_ALWAYS, "getgroups"), ALLOW(CAGE_ALWAYS, "uname"),
	ALLOW(CAGE_ALWAYS, "sysinfo"), ALLOW(CAGE_ALWAYS, "getrusage"), ALLOW(CAGE_ALWAYS, "getrlimit"),
	ALLOW(CAGE_ALWAYS, "ugetrlimit"), ALLOW_IF2(CAGE_ALWAYS, "prlimit64", 0, INT, 0, 2, UINT64_MAX, 0),
	ALLOW_IF(CAGE_ALWAYS, "prctl", 0, INT, PR_SET_NAME), ALLOW_IF(CAGE_ALWAYS, "prctl", 0, INT, PR_GET_NAME),
	ALLOW_IF(CAGE_ALWAYS, "prctl", 0, INT, PR_GET_DUMPABLE), ALLOW_IF(CAGE_ALWAYS, "prctl", 0, INT, PR_CAPBSET_READ),
	ALLOW_IF(CAGE_ALWAYS, "prctl", 0, INT, PR_GET_SECUREBITS), ALLOW_IF(CAGE_ALWAYS, "prctl", 0, INT, PR_GET_KEEPCAPS),
	ALLOW_IF2(CAGE_ALWAYS, "prctl", 0, INT, PR_CAP_AMBIENT, 1, INT, PR_CAP_AMBIENT_IS_SET),
	ALLOW_IF(CAGE_ALWAYS, "prctl", 0, INT, PR_GET_NO_NEW_PRIVS), ALLOW_IF(CAGE_ALWAYS, "prctl", 0, INT, PR_GET_SECCOMP),
	/* More filters only take more away. */
	ALLOW(CAGE_ALWAYS, "seccomp"),

	/* Signals: to handle, and (in cage.c) to send to itself. */
	ALLOW(CAGE_ALWAYS, "rt_sigaction"), ALLOW(CAGE_ALWAYS, "rt_sigprocmask"), ALLOW(CAGE_ALWAYS, "rt_sigreturn"),
	ALLOW(CAGE_ALWAYS, "sigreturn"), ALLOW(CAGE_ALWAYS, "rt_sigpending"), ALLOW(CAGE_ALWAYS, "rt_sigsuspend"),
	ALLOW(CAGE_ALWAYS, "rt_sigtimedwait"), ALLOW(CAGE_ALWAYS, "sigaltstack"), ALLOW(CAGE_ALWAYS, "pause"),

	/* Looking at files. */
	ALLOW_IF(CAGE_START, "open", 1, OPENS_TO_WRITE, 0), ALLOW_IF(CAGE_START, "openat", 2, OPENS_TO_WRITE, 0),
	ALLOW(CAGE_START, "stat"), ALLOW(CAGE_START, "stat64"), ALLOW(CAGE_START, "lstat"), ALLOW(CAGE_START, "lstat64"),
	ALLOW(CAGE_START, "fstatat64"), ALLOW(CAGE_START, "newfstatat"), ALLOW(CAGE_START, "statx"), ALLOW(CAGE_START, "statfs"),
	ALLOW(CAGE_START, "statfs64"), ALLOW(CAGE_START, "fstatfs"), ALLOW(CAGE_START, "fstatfs64"), ALLOW(CAGE_START, "access"),
	ALLOW(CAGE_START, "faccessat"), ALLOW(CAGE_START, "faccessat2"), ALLOW(CAGE_START, "readlink"),
	ALLOW(CAGE_START, "readlinkat"), ALLOW(CAGE_START, "getdents"), ALLOW(CAGE_START, "getdents64"),
	ALLOW(CAGE_START, "getcwd"), ALLOW(CAGE_START, "fadvise64"), ALLOW(CAGE_START, "fadvise64_64"),
	ALLOW(CAGE_START, "getxattr"), ALLOW(CAGE_START, "lgetxattr"), ALLOW(CAGE_START, "fgetxattr"),
	REFUSE_IF(CAGE_SECOND, "open", EACCES, 1, OPENS_TO_WRITE, 0), REFUSE_IF(CAGE_SECOND, "openat", EACCES, 2, OPENS_TO_WRITE, 0),

	/* Sockets. A name is looked up by a thread, which listens to the kernel's routes and asks name servers. */
	ALLOW(CAGE_NETWORK, "connect"), ALLOW(CAGE_NETWORK, "setsockopt"), ALLOW(CAGE_NETWORK, "bind"),
	ALLOW(CAGE_NETWORK, "sendmmsg"), ALLOW(CAGE_NETWORK, "recvmmsg"), ALLOW(CAGE_NETWORK, "recvmmsg_time64"),
	/* Streams alone: one of datagrams can be sent, and connected, to any local socket. */
	ALLOW_IF2(CAGE_NETWORK, "socketpair", 0, INT, AF_UNIX, 1, SOCKET_TYPE, SOCK_STREAM),
	ALLOW_IF(CAGE_UNIX, "socketpair", 0, INT, AF_UNIX),
	ALLOW_IF(CAGE_INET, "socket", 0, INT, AF_INET), ALLOW_IF(CAGE_INET, "socket", 0, INT, AF_INET6),
	ALLOW_IF2(CAGE_INET, "socket", 0, INT, AF_NETLINK, 2, INT, NETLINK_ROUTE),
	REFUSE_IF(CAGE_NO_UNIX, "socket", EACCES, 0, INT, AF_UNIX),
	ALLOW_IF(CAGE_UNIX, "socket", 0, INT, AF_UNIX), ALLOW(CAGE_UNIX, "connect"), ALLOW(CAGE_UNIX, "bind"),
	ALLOW(CAGE_UNIX, "listen"), ALLOW(CAGE_UNIX, "setsockopt"),

	/* Other programs. They inherit the cage, and never get more rights than this process has. */
	ALLOW_IF(CAGE_PROCESSES, "clone", 0, NAMESPACES, 0), ALLOW(CAGE_PROCESSES, "fork"), ALLOW(CAGE_PROCESSES, "vfork"),
	ALLOW(CAGE_PROCESSES, "execve"), ALLOW(CAGE_PROCESSES, "execveat"), ALLOW(CAGE_PROCESSES, "wait4"),
	ALLOW(CAGE_PROCESSES, "waitpid"), ALLOW(CAGE_PROCESSES, "waitid"), ALLOW(CAGE_PROCESSES, "kill"),
	ALLOW(CAGE_PROCESSES, "tkill"), ALLOW(CAGE_PROCESSES, "tgkill"), ALLOW(CAGE_PROCESSES, "setsid"),
	ALLOW(CAGE_PROCESSES, "setpgid"), ALLOW(CAGE_PROCESSES, "chdir"),
	ALLOW(CAGE_PROCESSES, "fchdir"), ALLOW(CAGE_PROCESSES, "setrlimit"), ALLOW(CAGE_PROCESSES, "signalfd4"),
	ALLOW_IF(CAGE_PROCESSES, "prlimit64", 0, INT, 0), ALLOW(CAGE_PROCESSES, "getpriority"),
	ALLOW(CAGE_PROCESSES, "setpriority"), ALLOW(CAGE_PROCESSES, "capget"), ALLOW(CAGE_PROCESSES, "capset"),
	ALLOW(CAGE_PROCESSES, "setuid"), ALLOW(CAGE_PROCESSES, "setgid"), ALLOW(CAGE_PROCESSES, "setreuid"),
	ALLOW(CAGE_PROCESSES, "setregid"), ALLOW(CAGE_PROCESSES, "setresuid"), ALLOW(CAGE_PROCESSES, "setresgid"),
	ALLOW(CAGE_PROCESSES, "setfsuid"), ALLOW(CAGE_PROCESSES, "setfsgid"), ALLOW(CAGE_PROCESSES, "setgroups"),
	ALLOW(CAGE_PROCESSES, "mprotect"), ALLOW(CAGE_PROCESSES, "sched_setaffinity"), ALLOW(CAGE_PROCESSES, "sched_setscheduler"),
	ALLOW(CAGE_PROCESSES, "memfd_create"), ALLOW(CAGE_PROCESSES, "pidfd_open"), ALLOW(CAGE_PROCESSES, "pidfd_send_signal"),
	ALLOW(CAGE_PROCESSES, "inotify_init1"),
	ALLOW_IF(CAGE_PROCESSES, "mmap", 2, PROT_EXEC, PROT_EXEC), ALLOW_IF(CAGE_PROCESSES, "mmap2", 2, PROT_EXEC, PROT_EXEC),
	ALLOW_IF(CAGE_PROCESSES, "prctl", 0, INT, PR_SET_PDEATHSIG), ALLOW_IF(CAGE_PROCESSES, "prctl", 0, INT, PR_SET_CHILD_SUBREAPER),
	ALLOW_IF(CAGE_PROCESSES, "prctl", 0, INT, PR_SET_NO_NEW_PRIVS), ALLOW_IF(CAGE_PROCESSES, "prctl", 0, INT, PR_SET_KEEPCAPS),
	ALLOW_IF(CAGE_PROCESSES, "prctl", 0, INT, PR_SET_DUMPABLE),
	/* What libpam tells the audit log: it goes on where there is none. */
	REFUSE_IF2(CAGE_PROCESSES, "socket", EPROTONOSUPPORT, 0, INT, AF_NETLINK, 2, INT, NETLINK_AUDIT),
	/* Kernel keys: modules and Kerberos do without. */
	REFUSE(CAGE_PROCESSES, "keyctl", ENOSYS), REFUSE(CAGE_PROCESSES, "add_key", ENOSYS), REFUSE(CAGE_PROCESSES, "request_key", ENOSYS),

	/* Files that are written; which ones is Landlock's. */
	ALLOW(CAGE_WRITE, "open"), ALLOW(CAGE_WRITE, "openat"), ALLOW(CAGE_WRITE, "creat"), ALLOW(CAGE_WRITE, "unlink"),
	ALLOW(CAGE_WRITE, "unlinkat"), ALLOW(CAGE_WRITE, "rename"), ALLOW(CAGE_WRITE, "renameat"), ALLOW(CAGE_WRITE, "renameat2"),
	ALLOW(CAGE_WRITE, "mkdir"), ALLOW(CAGE_WRITE, "mkdirat"), ALLOW(CAGE_WRITE, "rmdir"), ALLOW(CAGE_WRITE, "link"),
	ALLOW(CAGE_WRITE, "linkat"), ALLOW(CAGE_WRITE, "symlink"), ALLOW(CAGE_WRITE, "symlinkat"), ALLOW(CAGE_WRITE, "ftruncate"),
	ALLOW(CAGE_WRITE, "ftruncate64"), ALLOW(CAGE_WRITE, "truncate"), ALLOW(CAGE_WRITE, "fallocate"),
	ALLOW(CAGE_WRITE, "fsync"), ALLOW(CAGE_WRITE, "fdatasync"), ALLOW(CAGE_WRITE, "flock"), ALLOW(CAGE_WRITE, "chmod"),
	ALLOW(CAGE_WRITE, "fchmod"), ALLOW(CAGE_WRITE, "fchmodat"), ALLOW(CAGE_WRITE, "chown"), ALLOW(CAGE_WRITE, "fchown"),
	ALLOW(CAGE_WRITE, "lchown"), ALLOW(CAGE_WRITE, "fchownat"), ALLOW(CAGE_WRITE, "utimensat"), ALLOW(CAGE_WRITE, "umask"),
	ALLOW(CAGE_WRITE, "msync"), ALLOW(CAGE_WRITE, "copy_file_range"),

	/* See SANDBOX_SANITIZED: threads that are no threads, shadow that is mapped, a child that attaches. */
	ALLOW(CAGE_SANITIZER, "clone"), ALLOW(CAGE_SANITIZER, "ptrace"), ALLOW(CAGE_SANITIZER, "wait4"),
	ALLOW(CAGE_SANITIZER, "open"), ALLOW(CAGE_SANITIZER, "openat"), ALLOW(CAGE_SANITIZER, "prctl"),
	ALLOW(CAGE_SANITIZER, "process_vm_readv"), ALLOW(CAGE_SANITIZER, "kill"), ALLOW(CAGE_SANITIZER, "tkill"),
	ALLOW(CAGE_SANITIZER, "tgkill"), ALLOW(CAGE_SANITIZER, "setrlimit"), ALLOW(CAGE_SANITIZER, "personality"),
};
const size_t cage_rules_count = sizeof(cage_rules) / sizeof(cage_rules[0]);
