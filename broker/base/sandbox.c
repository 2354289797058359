/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors, uids and limits that a role gives up. */
#include "broker/base/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/base/sandbox_landlock.h"

/* Closes low to high, both included. */
static void
close_span(unsigned low, unsigned high)
{
	long open_max = sysconf(_SC_OPEN_MAX);

	if (low > high || close_range(low, high, 0) == 0)
		return;
	/* A kernel before 5.9. */
	for (unsigned fd = low; fd <= high && (long)fd < open_max; fd++)
		close((int)fd);
}

void
sandbox_close_from(int from, const int *keep, size_t n)
{
	unsigned low = from < 0 ? 0 : (unsigned)from;

	for (;;) {
		unsigned next = UINT_MAX;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= 0 && (unsigned)keep[i] >= low && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next == UINT_MAX)
			break;
		if (next > low)
			close_span(low, next - 1);
		low = next + 1;
	}
	close_span(low, UINT_MAX);
}

static enum cs_err
refused(int error)
{
	errno = error;
	return CS_ERR_SYSTEM;
}

enum cs_err
sandbox_drop(uid_t uid, gid_t gid)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) != 0)
		return CS_ERR_SYSTEM;
	if (ruid != 0 && euid != 0 && suid != 0)
		return CS_OK;
	if (uid == 0 || gid == 0)
		return refused(EINVAL);
	if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
	    setresuid(uid, uid, uid) != 0)
		return CS_ERR_SYSTEM;
	if (getresuid(&ruid, &euid, &suid) != 0 || getresgid(&rgid, &egid, &sgid) != 0)
		return CS_ERR_SYSTEM;
	if (ruid != uid || euid != uid || suid != uid || rgid != gid || egid != gid || sgid != gid)
		return refused(EPERM);
	/* A capability that survived would let it back in: try the door. */
	if (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0)
		return refused(EPERM);
	return CS_OK;
}

enum cs_err
sandbox_limits(size_t open_files_max)
{
	const struct rlimit no_core = {0, 0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &no_core) != 0)
		return CS_ERR_SYSTEM;
	/* The leak checker attaches to the process as a debugger does. */
	if (!SANDBOX_SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return CS_ERR_SYSTEM;
	return sandbox_bound(RLIMIT_NOFILE, open_files_max);
}

enum cs_err
sandbox_bound(int resource, uint64_t max)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
		return CS_ERR_SYSTEM;
	if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > max)
		limit.rlim_max = max;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &limit) == 0 ? CS_OK : CS_ERR_SYSTEM;
}

void
sandbox_probe(struct sandbox_kernel *out)
{
	const uint32_t kill_process = SECCOMP_RET_KILL_PROCESS;
	struct seccomp_notif_sizes sizes;

	*out = (struct sandbox_kernel){
		.no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0,
		.seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &kill_process) == 0,
		.landlock = landlock_version(),
		.memory = !SANDBOX_SANITIZED,
	};
	out->seccomp_names = out->seccomp && syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0;
}
