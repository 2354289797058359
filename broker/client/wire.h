/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to the broker, as a client has it: connect, send a message, receive a message, each by a deadline.
 * Shared by libcountersign and countersignctl. Allocates nothing, raises no SIGPIPE, survives signals, short reads and
 * short writes. Knows no method.
 */
#ifndef CS_CLIENT_WIRE_H
#define CS_CLIENT_WIRE_H

#include <sys/un.h>

#include "broker/base/varlink.h"

enum {
	WIRE_TOKENS_MAX = 16384, /* a full page of events: four bytes of text a token */
	WIRE_PATH_MAX = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1,
};

enum wire_result {
	WIRE_OK,
	WIRE_UNREACHABLE, /* nobody answers at path; os_error says why */
	WIRE_UNSENT,      /* broke before the last byte went out: the peer cannot have acted */
	WIRE_LOST,        /* broke afterwards: the peer may have acted */
	WIRE_TIMEOUT,     /* after the message went out */
	WIRE_GARBAGE,     /* what came is no reply; `reason` says why */
};

struct wire {
	int fd; /* -1: not connected */
	char path[WIRE_PATH_MAX + 1];
	int os_error;
	const char *reason;
	size_t have;    /* bytes in `in` */
	size_t taken;   /* of these, the message that was received last, with its NUL */
	size_t scanned;
	char in[VARLINK_MESSAGE_MAX + 1];
	struct json_token tokens[WIRE_TOKENS_MAX];
};

/* Milliseconds that never step; what deadlines are counted in. */
int64_t wire_now_ms(void);

enum { WIRE_NO_DEADLINE = -1 };

/* false: the path is empty or too long for a socket. */
bool wire_init(struct wire *w, const char *path);
void wire_close(struct wire *w);

/*
 * Connects, unless there is a connection that is still good: one that the peer has closed meanwhile, or that carries
 * bytes nobody asked for, is made anew, so that a daemon's restart between two calls is not noticed.
 * WIRE_OK, WIRE_UNREACHABLE.
 */
enum wire_result wire_connect(struct wire *w, int64_t deadline_ms);

/* A whole message with its NUL. Every failure but a reply that waits already closes the connection. WIRE_OK, WIRE_UNSENT. */
enum wire_result wire_send(struct wire *w, struct view message, int64_t deadline_ms);

/*
 * The next reply. doc and reply point into the wire until the next receive. After anything but WIRE_OK the connection
 * is closed, since a late reply would be taken for that of the next call. WIRE_OK, WIRE_LOST, WIRE_TIMEOUT, WIRE_GARBAGE.
 */
enum wire_result wire_receive(struct wire *w, int64_t deadline_ms, struct json *doc, struct varlink_reply *reply);

#endif
