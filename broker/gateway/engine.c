/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to the engine and the calls on them. */
#include "broker/gateway/engine.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"

enum {
	OUT_MAX =
	    1024 *
	    1024, /* unread by the engine: sixteen of the largest messages, 2,000 of the usual */
	IN_MAX = 4 * (JSON_TEXT_MAX + 1),
	READ_CHUNK = 64 * 1024,
	KEEP = 64 * 1024, /* of an empty buffer's capacity */
	LATE_FACTOR = 2,  /* a fast call this many deadlines old takes its connection down */
};

struct engine_call {
	struct engine_call *next;
	engine_done *done; /* NULL: cancelled, or answered by the deadline */
	void *arg;
	int64_t began_ms;
	struct bytes text; /* of a queued slow call only */
	struct connection *watch; /* of a watch only: its connection */
};

struct connection {
	struct engine *engine;
	enum engine_lane lane;
	int fd; /* -1: not connected */
	struct event *read, *write, *retry;
	bool writing; /* the write event is armed */
	unsigned backoff_ms;
	struct bytes in, out;
	size_t out_at, scanned;		   /* out: up to out_at was sent */
	struct engine_call *first, **last; /* in flight, oldest first */
};

struct engine {
	struct event_base *base;
	const char *path;
	struct connection fast[ENGINE_FAST_CONNECTIONS], slow[ENGINE_SLOW_CONNECTIONS], watch[ENGINE_WATCH_CONNECTIONS];
	struct engine_call calls[ENGINE_CALLS_MAX], *unused;
	struct engine_call *queue, **queue_last; /* slow calls without a connection */
	size_t queued, pending;
	struct event *flush; /* runs once a turn, after what the turn brought */
	bool flush_due, away_said, stopping;
	struct bytes scratch; /* a slow call, while it is written */
	struct {
		struct buf *to; /* between begin and commit */
		struct connection *connection;
		size_t from;
	} draft;
	struct json_token tokens[JSON_TOKENS_MAX];
};

static int64_t
now_ms(void)
{
	struct clock_now now;

	clock_read(&now);
	return now.boot_ms;
}

static struct engine_call *
call_new(struct engine *e, engine_done *done, void *arg)
{
	struct engine_call *call = e->unused;

	CHECK(call != NULL);
	e->unused = call->next;
	call->next = NULL;
	call->done = done;
	call->arg = arg;
	call->began_ms = now_ms();
	call->watch = NULL;
	e->pending++;
	return call;
}

/* Gives the call back, then tells its caller: the caller may make the next one at once. */
static void
call_end(struct engine *e, struct engine_call *call, const struct engine_answer *answer)
{
	engine_done *done = call->done;
	void *arg = call->arg;

	if (call->text.buf.cap > 0)
		secret_wipe(call->text.buf.data, call->text.buf.cap);
	bytes_clear(&call->text);
	call->done = NULL;
	call->next = e->unused;
	e->unused = call;
	CHECK(e->pending > 0);
	e->pending--;
	if (done != NULL)
		done(arg, answer);
}

/* Answers the caller, and leaves the call in its place in the order. */
static void
call_give_up(struct engine_call *call, const char *why)
{
	struct engine_answer answer = {.why = why};
	engine_done *done = call->done;

	call->done = NULL;
	if (done != NULL)
		done(call->arg, &answer);
}

static void
calls_push(struct engine_call ***last, struct engine_call *call)
{
	**last = call;
	*last = &call->next;
}

static struct engine_call *
calls_pop(struct engine_call **first, struct engine_call ***last)
{
	struct engine_call *call = *first;

	if (call == NULL)
		return NULL;
	*first = call->next;
	if (*first == NULL)
		*last = first;
	call->next = NULL;
	return call;
}

/* Arms the flush for the end of this turn: events that are active already run first. */
static void
flush_arm(struct engine *e)
{
	if (e->flush_due)
		return;
	e->flush_due = true;
	event_active(e->flush, EV_TIMEOUT, 1);
}

static void
retry_arm(struct connection *c)
{
	struct timeval tv = {c->backoff_ms / 1000, (c->backoff_ms % 1000) * 1000};

	if (!c->engine->away_said)
		log_warn("engine away; asking again until it is back");
	c->engine->away_said = true;
	event_add(c->retry, &tv);
	c->backoff_ms =
	    c->backoff_ms * 2 > ENGINE_BACKOFF_MAX_MS ? ENGINE_BACKOFF_MAX_MS : c->backoff_ms * 2;
}

static void
connection_close(struct connection *c, const char *why)
{
	struct engine_answer answer = {.why = why};
	struct engine_call *call, *first = c->first;

	if (c->fd < 0)
		return;
	event_del(c->read);
	event_del(c->write);
	close(c->fd);
	c->fd = -1;
	c->writing = false;
	if (c->out.buf.cap > 0)
		secret_wipe(c->out.buf.data, c->out.buf.cap);
	c->in.buf.len = 0;
	c->out.buf.len = c->out_at = c->scanned = 0;
	/* The calls are taken off first: a caller may make the next call while it hears of the end
	 * of this one. */
	c->first = NULL;
	c->last = &c->first;
	if (c->lane == ENGINE_FAST && !c->engine->stopping)
		retry_arm(c);
	while ((call = first) != NULL) {
		first = call->next;
		call_end(c->engine, call, &answer);
	}
}

static void connection_on_read(evutil_socket_t fd, short what, void *arg);
static void connection_on_write(evutil_socket_t fd, short what, void *arg);

static bool
connection_open(struct connection *c)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = strlen(c->engine->path);
	int fd;

	CHECK(c->fd < 0 && len < sizeof(to.sun_path));
	memcpy(to.sun_path, c->engine->path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return false;
	}
	c->fd = fd;
	event_assign(c->read, c->engine->base, fd, EV_READ | EV_PERSIST, connection_on_read, c);
	event_assign(c->write, c->engine->base, fd, EV_WRITE | EV_PERSIST, connection_on_write, c);
	event_add(c->read, NULL);
	return true;
}

static void
connection_on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;

	(void)fd;
	(void)what;
	if (c->fd < 0 && !connection_open(c))
		retry_arm(c);
}

/* Writes what there is; arms the write event where the socket is full. */
static void
connection_flush(struct connection *c)
{
	while (c->fd >= 0 && c->out_at < c->out.buf.len) {
		ssize_t n = send(
		    c->fd, c->out.buf.data + c->out_at, c->out.buf.len - c->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (!c->writing)
				event_add(c->write, NULL);
			c->writing = true;
			return;
		}
		if (n <= 0) {
			connection_close(c, "the connection to the engine broke");
			return;
		}
		secret_wipe(c->out.buf.data + c->out_at, (size_t)n);
		c->out_at += (size_t)n;
	}
	if (c->writing)
		event_del(c->write);
	c->writing = false;
	c->out.buf.len = c->out_at = 0;
	bytes_shrink(&c->out, KEEP);
}

static void
connection_on_write(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	connection_flush(arg);
}

/* Puts a queued call on a slow connection. */
static void
slow_send(struct connection *c, struct engine_call *call)
{
	buf_put_view(&c->out.buf, buf_view(&call->text.buf));
	secret_wipe(call->text.buf.data, call->text.buf.cap);
	bytes_clear(&call->text);
	calls_push(&c->last, call);
	connection_flush(c);
}

/* Gives queued calls to slow connections that have none. */
static void
slow_dispatch(struct engine *e)
{
	for (size_t i = 0; i < ENGINE_SLOW_CONNECTIONS && e->queue != NULL; i++) {
		struct connection *c = &e->slow[i];

		if (c->first != NULL || (c->fd < 0 && !connection_open(c)))
			continue;
		e->queued--;
		slow_send(c, calls_pop(&e->queue, &e->queue_last));
	}
}

static void
flush_run(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;

	(void)fd;
	(void)what;
	e->flush_due = false;
	for (size_t i = 0; i < ENGINE_FAST_CONNECTIONS; i++)
		if (!e->fast[i].writing)
			connection_flush(&e->fast[i]);
	for (size_t i = 0; i < ENGINE_WATCH_CONNECTIONS; i++)
		if (e->watch[i].out.buf.len > 0 && !e->watch[i].writing)
			connection_flush(&e->watch[i]);
	slow_dispatch(e);
}

/* One reply. False: it is none, or nobody asked. */
static bool
connection_take(struct connection *c, char *text, size_t len)
{
	struct engine *e = c->engine;
	struct engine_answer answer = {.doc = NULL};
	struct json_error err;
	struct json doc;

	if (c->first == NULL)
		return false;
	if (varlink_read_reply(text, len, e->tokens, JSON_TOKENS_MAX, &doc, &answer.reply, &err) !=
	    CS_OK)
		return false;
	answer.doc = &doc;
	c->backoff_ms = ENGINE_BACKOFF_FIRST_MS;
	e->away_said = false;
	if (answer.reply.continues && c->lane != ENGINE_WATCH)
		return false;
	if (answer.reply.continues) {
		c->first->done(c->first->arg, &answer);
		return true;
	}
	call_end(e, calls_pop(&c->first, &c->last), &answer);
	return true;
}

/* All whole replies that have come. */
static void
connection_take_all(struct connection *c)
{
	size_t at = 0, len;
	enum cs_err rc;

	while ((rc = varlink_frame(
		    (char *)c->in.buf.data + at, c->in.buf.len - at, &c->scanned, &len)) == CS_OK) {
		if (!connection_take(c, (char *)c->in.buf.data + at, len)) {
			log_error("engine answered what is no reply");
			connection_close(c, "the engine answered what is no reply");
			return;
		}
		secret_wipe(c->in.buf.data + at, len);
		at += len + 1;
		if (c->fd < 0)
			return;
	}
	if (rc == CS_ERR_FULL) {
		connection_close(c, "the engine's reply is too large");
		return;
	}
	bytes_consume(&c->in, at);
	bytes_shrink(&c->in, KEEP);
}

static void
connection_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;
	uint8_t *to = buf_room(&c->in.buf, READ_CHUNK);
	ssize_t n;

	(void)what;
	CHECK(to != NULL);
	n = recv(fd, to, READ_CHUNK, 0);
	if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		connection_close(c, "the engine went away");
		return;
	}
	c->in.buf.len += (size_t)n;
	connection_take_all(c);
	if (c->lane == ENGINE_SLOW && c->engine->queue != NULL)
		flush_arm(c->engine);
}

static void
connection_init(struct connection *c, struct engine *e, enum engine_lane lane)
{
	c->engine = e;
	c->lane = lane;
	c->fd = -1;
	c->backoff_ms = ENGINE_BACKOFF_FIRST_MS;
	c->last = &c->first;
	c->read = event_new(e->base, -1, EV_READ | EV_PERSIST, connection_on_read, c);
	c->write = event_new(e->base, -1, EV_WRITE | EV_PERSIST, connection_on_write, c);
	c->retry = evtimer_new(e->base, connection_on_retry, c);
	CHECK(c->read != NULL && c->write != NULL && c->retry != NULL);
	bytes_init(&c->in, IN_MAX);
	bytes_init(&c->out, OUT_MAX);
}

struct engine *
engine_new(struct event_base *base, const char *socket_path)
{
	struct engine *e = calloc(1, sizeof(*e));

	CHECK(e != NULL);
	e->base = base;
	e->path = socket_path;
	e->queue_last = &e->queue;
	for (size_t i = ENGINE_CALLS_MAX; i > 0; i--) {
		bytes_init(&e->calls[i - 1].text, VARLINK_MESSAGE_MAX + 1);
		e->calls[i - 1].next = e->unused;
		e->unused = &e->calls[i - 1];
	}
	bytes_init(&e->scratch, VARLINK_MESSAGE_MAX + 1);
	e->flush = evtimer_new(base, flush_run, e);
	CHECK(e->flush != NULL);
	for (size_t i = 0; i < ENGINE_FAST_CONNECTIONS; i++) {
		connection_init(&e->fast[i], e, ENGINE_FAST);
		connection_on_retry(-1, 0, &e->fast[i]);
	}
	for (size_t i = 0; i < ENGINE_SLOW_CONNECTIONS; i++)
		connection_init(&e->slow[i], e, ENGINE_SLOW);
	for (size_t i = 0; i < ENGINE_WATCH_CONNECTIONS; i++)
		connection_init(&e->watch[i], e, ENGINE_WATCH);
	return e;
}

static void
connection_clear(struct connection *c)
{
	connection_close(c, "the gateway stops");
	event_free(c->read);
	event_free(c->write);
	event_free(c->retry);
	bytes_clear(&c->in);
	bytes_clear(&c->out);
}

void
engine_free(struct engine *e)
{
	struct engine_answer answer = {.why = "the gateway stops"};
	struct engine_call *call;

	if (e == NULL)
		return;
	e->stopping = true;
	for (size_t i = 0; i < ENGINE_FAST_CONNECTIONS; i++)
		connection_clear(&e->fast[i]);
	for (size_t i = 0; i < ENGINE_SLOW_CONNECTIONS; i++)
		connection_clear(&e->slow[i]);
	for (size_t i = 0; i < ENGINE_WATCH_CONNECTIONS; i++)
		connection_clear(&e->watch[i]);
	while ((call = calls_pop(&e->queue, &e->queue_last)) != NULL)
		call_end(e, call, &answer);
	bytes_clear(&e->scratch);
	event_free(e->flush);
	free(e);
}

/* A connection for one watch; NULL where all have one. */
static struct connection *
watch_free(struct engine *e)
{
	for (size_t i = 0; i < ENGINE_WATCH_CONNECTIONS; i++) {
		struct connection *c = &e->watch[i];

		if (c->first == NULL)
			return c->fd >= 0 || connection_open(c) ? c : NULL;
	}
	return NULL;
}

/* The one that a client's calls always take; while that is away, another. NULL where all are. */
static struct connection *
fast_up(struct engine *e, unsigned affinity)
{
	for (unsigned i = 0; i < ENGINE_FAST_CONNECTIONS; i++) {
		struct connection *c = &e->fast[(affinity + i) % ENGINE_FAST_CONNECTIONS];

		if (c->fd >= 0)
			return c;
	}
	return NULL;
}

struct buf *
engine_begin(struct engine *e, enum engine_lane lane, unsigned affinity)
{
	struct connection *c = lane == ENGINE_FAST ? fast_up(e, affinity) : lane == ENGINE_WATCH ? watch_free(e) : NULL;

	CHECK(e->draft.to == NULL);
	if (e->unused == NULL || (lane != ENGINE_SLOW && c == NULL) || (c == NULL && e->queued >= ENGINE_SLOW_QUEUE))
		return NULL;
	e->draft.connection = c;
	e->draft.to = c != NULL ? &c->out.buf : &e->scratch.buf;
	e->draft.from = e->draft.to->len;
	return e->draft.to;
}

struct engine_call *
engine_commit(struct engine *e, engine_done *done, void *arg)
{
	struct connection *c = e->draft.connection;
	struct buf *to = e->draft.to;
	struct engine_call *call;

	CHECK(to != NULL);
	e->draft.to = NULL;
	if (to->full || to->len - e->draft.from > VARLINK_MESSAGE_MAX + 1) {
		to->full = false;
		to->len = e->draft.from;
		return NULL;
	}
	CHECK(to->len > e->draft.from && to->data[to->len - 1] == '\0');
	call = call_new(e, done, arg);
	if (c != NULL) {
		call->watch = c->lane == ENGINE_WATCH ? c : NULL;
		calls_push(&c->last, call);
	} else {
		buf_put_view(&call->text.buf, buf_view(to));
		secret_wipe(to->data, to->len);
		to->len = 0;
		calls_push(&e->queue_last, call);
		e->queued++;
	}
	flush_arm(e);
	return call;
}

void
engine_cancel(struct engine_call *call)
{
	call->done = NULL;
	/* What nobody hears any more need not be watched: the engine sees the connection's end. */
	if (call->watch != NULL)
		connection_close(call->watch, "nobody listens any more");
}

size_t
engine_pending(const struct engine *e)
{
	return e->pending;
}

static void
fast_tick(struct connection *c, int64_t now)
{
	if (c->first != NULL && now - c->first->began_ms > LATE_FACTOR * ENGINE_FAST_DEADLINE_MS) {
		connection_close(c, "the engine did not answer in time");
		return;
	}
	/* Oldest first: the rest is younger. Whoever hears of it may close the connection's later
	 * calls, not these. */
	for (struct engine_call *call = c->first; call != NULL; call = call->next) {
		if (now - call->began_ms <= ENGINE_FAST_DEADLINE_MS)
			return;
		call_give_up(call, "the engine did not answer in time");
	}
}

static void
queue_tick(struct engine *e, int64_t now)
{
	struct engine_answer answer = {.why = "too many wait for the engine"};

	while (e->queue != NULL && now - e->queue->began_ms > ENGINE_SLOW_DEADLINE_MS) {
		e->queued--;
		call_end(e, calls_pop(&e->queue, &e->queue_last), &answer);
	}
}

void
engine_tick(struct engine *e)
{
	int64_t now = now_ms();

	for (size_t i = 0; i < ENGINE_FAST_CONNECTIONS; i++)
		fast_tick(&e->fast[i], now);
	for (size_t i = 0; i < ENGINE_SLOW_CONNECTIONS; i++) {
		struct connection *c = &e->slow[i];

		if (c->first != NULL && now - c->first->began_ms > ENGINE_SLOW_DEADLINE_MS)
			connection_close(c, "the engine did not answer in time");
	}
	queue_tick(e, now);
	if (e->queue != NULL)
		flush_arm(e);
}
