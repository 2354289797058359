/* SPDX-License-Identifier: Apache-2.0 */
/* Messages and addresses. */
#include "plugins/pam/wire.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4 };

bool
wire_send(int fd, const struct wire *w)
{
	size_t len = offsetof(struct wire, text) + w->text_len;
	ssize_t n;

	do
		n = send(fd, w, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
}

bool
wire_receive(int fd, struct wire *w)
{
	ssize_t n;

	memset(w, 0, sizeof(*w));
	do
		n = recv(fd, w, sizeof(*w), 0);
	while (n < 0 && errno == EINTR);
	if (n < (ssize_t)offsetof(struct wire, text) || w->text_len > WIRE_ANSWERS_MAX || w->prompts_count > WIRE_PROMPTS_MAX)
		return false;
	for (size_t i = 0; i < WIRE_PROMPTS_MAX; i++)
		w->prompts[i].label[WIRE_LABEL_MAX] = '\0';
	return (size_t)n == offsetof(struct wire, text) + w->text_len;
}

static socklen_t
address_of(const struct wire_address *at, struct sockaddr_un *to)
{
	/* A path that begins with a NUL lies in no file system: it ends with its last socket. */
	size_t n = 1 + (size_t)snprintf(to->sun_path + 1, sizeof(to->sun_path) - 1, "countersign-pam-");

	to->sun_family = AF_UNIX;
	to->sun_path[0] = '\0';
	for (size_t i = 0; i < WIRE_NAME_BYTES; i++)
		n += (size_t)snprintf(to->sun_path + n, sizeof(to->sun_path) - n, "%02x", at->name[i]);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

int
wire_listen(const struct wire_address *at)
{
	struct sockaddr_un address;
	socklen_t len = address_of(at, &address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

bool
wire_is_own(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && len == sizeof(peer) && peer.uid == geteuid();
}

int
wire_connect(const struct wire_address *at)
{
	struct sockaddr_un address;
	socklen_t len = address_of(at, &address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, len) == 0 && wire_is_own(fd))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}
