/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities by the system calls themselves: no library for three calls. */
#include "broker/parent/privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int kept[] = {CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_NET_BIND_SERVICE};

static bool
is_kept(int cap)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (kept[i] == cap)
			return true;
	}
	return false;
}

enum cs_err
privileges_drop(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (geteuid() != 0)
		return CS_OK;
	/* The bounding set first: it binds what is executed, and needs a capability that goes next. */
	for (int cap = 0; cap < 64; cap++) {
		if (!is_kept(cap) && prctl(PR_CAPBSET_DROP, cap) != 0 && errno != EINVAL)
			return CS_ERR_SYSTEM;
	}
	memset(data, 0, sizeof(data));
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		data[kept[i] / 32].permitted |= UINT32_C(1) << (kept[i] % 32);
		data[kept[i] / 32].effective |= UINT32_C(1) << (kept[i] % 32);
	}
	return syscall(SYS_capset, &header, data) == 0 ? CS_OK : CS_ERR_SYSTEM;
}
