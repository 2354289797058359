/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call: who asks, what is asked, and its answer. A call lives on the stack of the turn that reads it; one that has to
 * wait is copied (call_hold) and holds its stream up until call_release.
 */
#ifndef CS_ENGINE_CALL_H
#define CS_ENGINE_CALL_H

#include "broker/engine/engine.h"
#include "broker/engine/ids.h"

enum { CALL_MEMORY = 1536 };

struct method;
struct place;
struct stream_left;
struct txn;

struct caller {
	uint64_t service;       /* tag; 0: no service */
	uint32_t rights;
	uint32_t door;
	bool admin;
	bool gateway;           /* the gateway itself, on its own behalf */
};

enum { CALL_EVIDENCE_MAX = 8 };

/* What risk plugins said of this call, for decisions of one operation. */
struct call_evidence {
	uint8_t op;             /* enum op; OP_NONE: nobody was asked */
	uint8_t n;
	struct evidence of[CALL_EVIDENCE_MAX];
};

struct call {
	struct engine *engine;
	struct stream *stream;  /* NULL: the peer is gone */
	const struct method *method;
	struct json doc;        /* valid until the handler returns */
	uint32_t parameters;
	struct caller caller;
	bool more, oneway;
	bool forwarded;         /* the reply is wrapped for the gateway */
	bool answered;
	struct txn *txn;        /* that the answer rests on */
	size_t start;           /* of the reply in the stream's out */
	struct view ip;         /* of a forwarded call's peer */
	uint64_t number;
	struct place *place;    /* put aside, or asked again: where its answer goes; its stream went on meanwhile */
	struct stream_left *left; /* what the message is in when the peer is gone */
	void (*after)(struct call *call, void *ends); /* see call_after() */
	void *ends;
	bool again;             /* a copy that was put aside, or is asked again after a conflict: it holds up no stream */
	uint16_t used;          /* of memory */
	struct call_evidence evidence;
	_Alignas(16) uint8_t memory[CALL_MEMORY]; /* the handler's own */
};

/* The first bytes of the call's memory; how much of it is in use is what a copy has to take along. */
static inline void *
call_memory(struct call *call, size_t size)
{
	if (size > call->used)
		call->used = (uint16_t)size;
	return call->memory;
}

#define CALL_MEMORY_AS(type, call) \
	(_Generic((char (*)[sizeof(type) <= CALL_MEMORY ? 1 : -1])0, \
	    char (*)[1]: (type *)call_memory(call, sizeof(type))))

/* Copies a call that waits; its stream is held up. Views into the message stay valid; doc does not. */
struct call *call_hold(struct call *call);
/*
 * Copies a call that waits for its account. Its answer gets a place, and its stream goes on, unless the call was held already
 * or wants more than one reply.
 */
struct call *call_put_aside(struct call *call);
/* Frees it; the stream goes on. The call must have been answered. */
void call_release(struct call *call);
/* Wipes and frees a call on the heap, answered or not. */
void call_free(struct call *call);

/*
 * What is to be done once the answer stands: when its commit is durable, or has failed for good. Until then the call may
 * be decided again, and needs whatever its memory points to. At once where the answer rests on no commit.
 */
void call_after(struct call *call, void (*after)(struct call *call, void *ends), void *ends);

/* The parameters of the success reply; the writer is inside the object. */
struct json_writer call_reply(struct call *call);
/* With `more`: another reply follows. */
struct json_writer call_reply_more(struct call *call);
void call_end(struct call *call, struct json_writer *w);
/* A success without parameters. */
void call_done(struct call *call);

void call_invalid(struct call *call, const char *field, const char *reason);
void call_not_found(struct call *call, const char *what);
void call_conflict(struct call *call, const char *what);
void call_not_permitted(struct call *call, const char *right);
void call_unauthenticated(struct call *call);
void call_too_many(struct call *call, const char *what, int64_t retry_after_ms);
void call_unavailable(struct call *call, const char *what);
/* org.varlink.service.MethodNotFound and the like: an error with one string. */
void call_fail(struct call *call, const char *error, const char *key, struct view value);

/* Reads the parameters by a table into the call's memory, zeroed; answers InvalidParameter itself and gives false. */
bool call_bind(struct call *call, const struct json_field *fields, void *to, size_t size);
/* The caller holds this right, or the call is answered NotPermitted. */
bool call_needs(struct call *call, enum right right, const char *name);
/* An id parameter; answers NotFound itself. */
bool call_id(struct call *call, enum id_kind kind, struct view text, const char *what, struct id *account, struct id *id);

/* What a decision needs to know of this call. */
void call_asked(struct call *call, struct asked *asked);

/* Finds the method, asks whether this caller may call it, and calls it. */
void call_dispatch(struct call *call, struct view name);

/* Takes the whole messages of a stream, as far as it is not held up. */
void calls_read(struct engine *e, struct stream *s);
/* Whether it has bytes that were not looked at, and would be. */
bool calls_unread(const struct stream *s);

#endif
