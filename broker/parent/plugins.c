/* SPDX-License-Identifier: Apache-2.0 */
/* The checks look at descriptors, never at names a second time. */
#include "broker/parent/plugins.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum cs_err
refuse(char *why, enum cs_err e, const char *path, const char *reason)
{
	snprintf(why, PLUGIN_WHY_MAX, "plugin %.400s: %s", path, reason);
	return e;
}

static enum cs_err
check_owner(int fd, bool directory, const char *path, char *why)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return refuse(why, CS_ERR_SYSTEM, path, strerror(errno));
	if (!directory && !S_ISREG(st.st_mode))
		return refuse(why, CS_ERR_DENIED, path, "it is no regular file");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return refuse(why, CS_ERR_DENIED, path,
		    directory ? "its directory belongs to another user; chown it to root" : "it belongs to another user; chown it to root");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return refuse(why, CS_ERR_DENIED, path,
		    directory ? "others can write to its directory; chmod go-w it" : "others can write to it; chmod go-w it");
	return CS_OK;
}

static enum cs_err
open_in(int directory, const char *path, int *out, char *why)
{
	const char *name = strrchr(path, '/') + 1;
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	enum cs_err e;

	if (fd < 0 && errno == ELOOP)
		return refuse(why, CS_ERR_DENIED, path, "it is a symbolic link; name the file itself");
	if (fd < 0)
		return refuse(why, errno == ENOENT ? CS_ERR_NOT_FOUND : CS_ERR_SYSTEM, path,
		    errno == ENOENT ? "there is no such file; install it or correct the name" : strerror(errno));
	e = check_owner(fd, false, path, why);
	if (e != CS_OK) {
		close(fd);
		return e;
	}
	*out = fd;
	return CS_OK;
}

enum cs_err
plugin_open(const char *directory, const char *plugin, int *fd, char *why)
{
	char path[PATH_MAX], parent[PATH_MAX];
	enum cs_err e;
	int at, n;

	n = plugin[0] == '/' ? snprintf(path, sizeof(path), "%s", plugin)
	                     : snprintf(path, sizeof(path), "%s/%s.so", directory, plugin);
	if (n < 0 || (size_t)n >= sizeof(path))
		return refuse(why, CS_ERR_DENIED, plugin, "its path is too long");
	memcpy(parent, path, sizeof(parent));
	strrchr(parent, '/')[1] = '\0';
	at = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return refuse(why, errno == ENOENT ? CS_ERR_NOT_FOUND : CS_ERR_SYSTEM, path,
		    errno == ENOENT ? "there is no such directory; install the plugin or correct --plugins" : strerror(errno));
	e = check_owner(at, true, path, why);
	if (e == CS_OK)
		e = open_in(at, path, fd, why);
	close(at);
	return e;
}
