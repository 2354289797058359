/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection as the engine sees it: bytes that came in, bytes to go out. loop.c moves the bytes with libevent; the
 * simulator moves them by hand. Messages are taken one after the other, and answered in their order. A call that waits for
 * its account holds up nobody: its answer has a place in `out`, and what comes behind it goes on. One that waits for
 * somebody else (a plugin, an event) holds up its own connection, unless it has a place already. Nothing is sent while a reply
 * in `out` waits.
 */
#ifndef CS_ENGINE_STREAM_H
#define CS_ENGINE_STREAM_H

#include "broker/base/bytes.h"
#include "broker/base/varlink.h"

enum {
	STREAM_IN_MAX = 4 * (VARLINK_MESSAGE_MAX + 1), /* room to read ahead of a turn */
	STREAM_OUT_MAX = 2 * 1024 * 1024,
	STREAM_OUT_FULL = 256 * 1024,                  /* beyond this a peer that does not read is not read from */
	STREAM_UNSETTLED_FULL = 512,                   /* nor one with so many replies that wait: each keeps a call of 2 KB */
	STREAM_SHORT = 256,                            /* more than the error that takes the place of a reply */
	/* Beyond this only such errors are put in places: room for all of them, and for what a call that was held answers. */
	STREAM_LONG_MAX = STREAM_OUT_MAX - STREAM_UNSETTLED_FULL * STREAM_SHORT - (VARLINK_MESSAGE_MAX + 1),
	STREAM_KEEP = 16 * 1024,                       /* buffer kept by an idle connection */
};

enum stream_kind { STREAM_SERVICE, STREAM_ADMIN, STREAM_GATEWAY, STREAM_WORKER };

struct call;
struct place;

struct stream {
	struct bytes in, out;
	size_t taken;           /* bytes of `in` that were handled */
	size_t scanned;         /* of what is left, searched for the end of a message */
	uint32_t unsettled;     /* replies in `out` that wait, or are waited for; meanwhile `in` does not move, and is not read */
	struct place *places;   /* of these replies */
	uint8_t kind;           /* enum stream_kind */
	bool ended;             /* the peer sends no more */
	bool failed;            /* close without sending the rest */
	bool queued;            /* in the engine's list of streams with something to do */
	struct call *held;      /* a call that holds this stream up */
	uint32_t uid;           /* of the peer, as the kernel says */
	int64_t active_ms;      /* boot clock */
	void *owner;            /* of a worker's stream: its server slot */
	struct stream *next;    /* in that list */
	struct stream *touched_next; /* of this turn */
	bool listed;
	void *io;               /* loop.c's own */
};

/* The input of a stream that is gone, for as long as calls look into it. */
struct stream_left {
	struct bytes in;
	uint32_t calls;
};

/* What the engine asks of whoever moves the bytes. */
struct stream_ops {
	/* There is something to send, or the stream is to be read again, or closed. Called at the end of a turn. */
	void (*update)(void *ctx, struct stream *s);
	/* Connects to a Unix socket; NULL where it cannot be done now. The stream is the engine's until it closes it. */
	struct stream *(*connect)(void *ctx, const char *path);
	/*
	 * Waits for nothing but the store's descriptors, for so long at most: at a start, and for the broker's own events. NULL:
	 * the store has none.
	 */
	void (*wait)(void *ctx, int64_t timeout_ms);
	/*
	 * At a start: it takes longer than it should, because of `what`; said every few seconds, and the start goes on for as long as
	 * that takes. NULL: it is given up after some seconds.
	 */
	void (*late)(void *ctx, const char *what);
	void *ctx;
};

void stream_init(struct stream *s, enum stream_kind kind, uint32_t uid);
void stream_clear(struct stream *s);
/* One call less looks into it; NULL is fine. */
void stream_left_drop(struct stream_left *left);

#endif
