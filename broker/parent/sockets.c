/* SPDX-License-Identifier: Apache-2.0 */
/* Binds the doors. A path that is in use is never taken over. */
#include "broker/parent/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static enum cs_err
refuse(char *why, enum cs_err e, const char *what, const char *path, const char *reason)
{
	snprintf(why, SOCKET_WHY_MAX, "%s %.400s: %s", what, path, reason);
	return e;
}

enum cs_err
directory_make(const char *path, mode_t mode, uid_t owner, char *why)
{
	struct stat st;

	if (mkdir(path, mode) == 0) {
		if (chmod(path, mode) != 0 || (owner != (uid_t)-1 && chown(path, owner, (gid_t)-1) != 0))
			return refuse(why, CS_ERR_SYSTEM, "cannot prepare the directory", path, strerror(errno));
	} else if (errno != EEXIST) {
		return refuse(why, CS_ERR_SYSTEM, "cannot make the directory", path, strerror(errno));
	}
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return refuse(why, CS_ERR_DENIED, "cannot use", path, "it is no directory");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return refuse(why, CS_ERR_DENIED, "cannot use the directory", path, "others can write to it; chmod go-w it");
	if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != owner)
		return refuse(why, CS_ERR_DENIED, "cannot use the directory", path, "it belongs to another user; chown it");
	return CS_OK;
}

/* Is there something at the path that must not be replaced? */
static enum cs_err
check_vacant(const struct sockaddr_un *sa, char *why)
{
	struct stat st;
	int fd, e;

	if (lstat(sa->sun_path, &st) != 0)
		return errno == ENOENT ? CS_OK
		                       : refuse(why, CS_ERR_SYSTEM, "cannot look at", sa->sun_path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return refuse(why, CS_ERR_CONFLICT, "cannot listen on", sa->sun_path, "a file that is no socket is there; remove it");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return refuse(why, CS_ERR_SYSTEM, "cannot try", sa->sun_path, strerror(errno));
	e = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 ? 0 : errno;
	close(fd);
	if (e == ECONNREFUSED)
		return unlink(sa->sun_path) == 0 ? CS_OK
		                                 : refuse(why, CS_ERR_SYSTEM, "cannot remove", sa->sun_path, strerror(errno));
	return refuse(why, CS_ERR_CONFLICT, "cannot listen on", sa->sun_path, "another daemon answers there; stop it first");
}

enum cs_err
socket_bind_unix(const char *path, mode_t mode, uid_t owner, int *out, char *why)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	mode_t before;
	enum cs_err e;
	int fd, bound;

	if (strlen(path) >= sizeof(sa.sun_path))
		return refuse(why, CS_ERR_DENIED, "cannot listen on", path, "the path is too long");
	memcpy(sa.sun_path, path, strlen(path) + 1);
	e = check_vacant(&sa, why);
	if (e != CS_OK)
		return e;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return refuse(why, CS_ERR_SYSTEM, "cannot make the socket", path, strerror(errno));
	/* Nobody gets in between bind and chmod. */
	before = umask(0777);
	bound = bind(fd, (const struct sockaddr *)&sa, sizeof(sa));
	umask(before);
	if (bound != 0 || chmod(path, mode) != 0 || (owner != (uid_t)-1 && chown(path, owner, (gid_t)-1) != 0) ||
	    listen(fd, SOCKET_BACKLOG) != 0) {
		refuse(why, CS_ERR_SYSTEM, "cannot listen on", path, strerror(errno));
		close(fd);
		return CS_ERR_SYSTEM;
	}
	*out = fd;
	return CS_OK;
}

enum cs_err
socket_bind_tcp(const char *address, uint32_t port, int *out, char *why)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr *sa = (struct sockaddr *)&four;
	socklen_t len = sizeof(four);
	const int on = 1;
	char place[80];
	int fd;

	if (inet_pton(AF_INET, address, &four.sin_addr) != 1) {
		if (inet_pton(AF_INET6, address, &six.sin6_addr) != 1)
			return refuse(why, CS_ERR_DENIED, "cannot listen on", address, "it is no address");
		sa = (struct sockaddr *)&six;
		len = sizeof(six);
	}
	snprintf(place, sizeof(place), "%s port %u", address, port);
	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* TCP_NODELAY is inherited by what is accepted: with TLS, Nagle costs 40 ms an answer. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 || bind(fd, sa, len) != 0 ||
	    listen(fd, SOCKET_BACKLOG) != 0) {
		refuse(why, CS_ERR_SYSTEM, "cannot listen on", place, strerror(errno));
		if (fd >= 0)
			close(fd);
		return CS_ERR_SYSTEM;
	}
	*out = fd;
	return CS_OK;
}
