/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on the control socket, with or without a descriptor. */
#include "broker/parent/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *
control_state_name(uint32_t state)
{
	static const char *const names[] = {
		[CONTROL_DOWN] = "down",
		[CONTROL_STARTING] = "starting",
		[CONTROL_UP] = "up",
		[CONTROL_STOPPING] = "stopping",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

struct control_message
control_text(enum control_type type, uint64_t generation, const char *text)
{
	struct control_message m;

	memset(&m, 0, sizeof(m));
	m.type = type;
	m.generation = generation;
	snprintf(m.text, sizeof(m.text), "%s", text == NULL ? "" : text);
	return m;
}

union passing {
	struct cmsghdr header;  /* for its alignment */
	char bytes[CMSG_SPACE(sizeof(int))];
};

enum cs_err
control_send(int fd, const struct control_message *m, int passed)
{
	struct iovec iov = {(void *)(uintptr_t)m, sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	union passing p;
	ssize_t n;

	if (passed >= 0) {
		memset(&p, 0, sizeof(p));
		msg.msg_control = p.bytes;
		msg.msg_controllen = sizeof(p.bytes);
		p.header.cmsg_level = SOL_SOCKET;
		p.header.cmsg_type = SCM_RIGHTS;
		p.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&p.header), &passed, sizeof(int));
	}
	do
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(*m))
		return CS_OK;
	return n < 0 && (errno == EAGAIN || errno == ENOBUFS) ? CS_ERR_FULL : CS_ERR_UNAVAILABLE;
}

static int
take_passed(struct msghdr *msg)
{
	int found = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&found, CMSG_DATA(c), sizeof(found));
	}
	return found;
}

enum cs_err
control_receive(int fd, struct control_message *m, int *passed)
{
	struct control_message got;
	struct iovec iov = {&got, sizeof(got)};
	union passing p;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = p.bytes, .msg_controllen = sizeof(p.bytes)};
	ssize_t n;
	int came;

	memset(&got, 0, sizeof(got));
	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? CS_ERR_NOT_FOUND : CS_ERR_UNAVAILABLE;
	if (n == 0)
		return CS_ERR_UNAVAILABLE;
	came = take_passed(&msg);
	if (n != (ssize_t)sizeof(got) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		if (came >= 0)
			close(came);
		return CS_ERR_SYNTAX;
	}
	if (got.type == CONTROL_PROCESS)
		got.process.role[CONTROL_ROLE_MAX - 1] = '\0';
	else
		got.text[CONTROL_TEXT_MAX - 1] = '\0';
	*m = got;
	*passed = came;
	return CS_OK;
}
