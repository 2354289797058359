/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One turn: wait, read what has arrived on all sockets, let the engine decide and commit, write. There is no timer and
 * no minimum: what arrives during a commit is the next batch.
 */
#include "broker/engine/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/engine/call.h"
#include "broker/engine/loop_store.h"
#include "broker/engine/txn.h"
#include "broker/engine/workers.h"

enum {
	CONNECTIONS_MAX = 1024,          /* of clients */
	IDLE_MS = 10 * 60 * 1000,        /* a connection without a call */
	STUCK_MS = 30 * 1000,            /* a peer that does not read */
	READ_BYTES = 64 * 1024,
	ACCEPTS_MAX = 64,                /* in one turn, so that a crowd at the door does not stop the house */
	IDLE_BUDGET_US = 300,            /* of the store's own work between turns */
	SWEEP_MS = 5000,
	TICK_US = 250000,
	LAST_TURNS_MS = 2000,            /* for what was decided to become durable, where the store answers later */
};

struct io {
	struct loop *loop;
	struct stream stream;
	struct event *read, *write;
	int fd;
	bool writing, reading, connecting;
	int64_t stuck_ms;                /* since when the peer takes nothing; 0: it does */
	struct io *next, *prev;
};

struct listener {
	struct loop *loop;
	struct event *event;
	enum stream_kind kind;
	int fd;
};

struct loop {
	struct role *role;
	struct engine *engine;
	struct event_base *base;
	struct event *control, *term, *interrupt, *tick;
	struct event *soon;              /* before the next tick somebody's time is over */
	struct listener listeners[3];
	size_t listeners_n, connections;
	struct io *all;
	struct loop_store store;
	bool stopping, shut;
	bool ticked, served;             /* since the last tick */
	int64_t swept_ms;
	struct control_process table[CONTROL_PROCESSES_MAX]; /* as it comes, process by process */
};

static void
io_close(struct io *io)
{
	struct loop *l = io->loop;

	engine_gone(l->engine, &io->stream);
	if (io->stream.kind != STREAM_WORKER)
		l->connections--;
	if (io->prev != NULL)
		io->prev->next = io->next;
	else
		l->all = io->next;
	if (io->next != NULL)
		io->next->prev = io->prev;
	event_free(io->read);
	event_free(io->write);
	close(io->fd);
	stream_clear(&io->stream);
	free(io);
}

static void
io_want(struct io *io, bool reading, bool writing)
{
	if (reading != io->reading) {
		CHECK((reading ? event_add(io->read, NULL) : event_del(io->read)) == 0);
		io->reading = reading;
	}
	if (writing != io->writing) {
		CHECK((writing ? event_add(io->write, NULL) : event_del(io->write)) == 0);
		io->writing = writing;
	}
}

/* Sends what may be sent. False where the connection is broken. */
static bool
io_send(struct io *io)
{
	struct stream *s = &io->stream;
	ssize_t n;

	if (s->unsettled > 0 || s->out.buf.len == 0)
		return true;
	n = send(io->fd, s->out.buf.data, s->out.buf.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	bytes_consume(&s->out, (size_t)n);
	io->stuck_ms = 0;
	return true;
}

static void
io_update(struct io *io)
{
	struct stream *s = &io->stream;
	int64_t now_ms = io->loop->engine->now.boot_ms;
	bool full, was_full = s->out.buf.len >= STREAM_OUT_FULL;

	/* Here, not where bytes are read: the turn's own time is known only after its events. */
	s->active_ms = now_ms;
	if (!io->connecting && !io_send(io))
		s->failed = true;
	if (s->failed || (s->ended && s->out.buf.len == 0 && s->unsettled == 0 && s->held == NULL &&
	    s->in.buf.len == 0)) {
		io_close(io);
		return;
	}
	if (s->out.buf.len > 0 && s->unsettled == 0 && io->stuck_ms == 0)
		io->stuck_ms = now_ms;
	full = s->out.buf.len >= STREAM_OUT_FULL || s->in.buf.len >= STREAM_IN_MAX - READ_BYTES;
	/* What calls look into must not move: it is read again when they are answered, for good. */
	io_want(io, !s->ended && !full && s->held == NULL && s->unsettled == 0,
	    io->connecting || (s->out.buf.len > 0 && s->unsettled == 0));
	/* Calls that were read but not looked at, since nobody took the answers. */
	if (was_full && s->out.buf.len < STREAM_OUT_FULL && s->in.buf.len > 0)
		engine_ready(io->loop->engine, s);
	if (s->in.buf.len == 0)
		bytes_shrink(&s->in, STREAM_KEEP);
	bytes_shrink(&s->out, STREAM_KEEP);
}

static void
stream_update(void *ctx, struct stream *s)
{
	(void)ctx;
	io_update(s->io);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct io *io = arg;
	struct stream *s = &io->stream;
	uint8_t *to = buf_room(&s->in.buf, READ_BYTES);
	ssize_t n;

	(void)what;
	CHECK(to != NULL);
	n = recv(fd, to, READ_BYTES, MSG_DONTWAIT);
	if (n > 0) {
		s->in.buf.len += (size_t)n;
	} else if (n == 0) {
		s->ended = true;
	} else if (errno != EAGAIN && errno != EINTR) {
		s->failed = true;
	}
	engine_ready(io->loop->engine, s);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct io *io = arg;
	int err = 0;
	socklen_t len = sizeof(err);

	(void)what;
	if (io->connecting) {
		io->connecting = false;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0 || err != 0)
			io->stream.failed = true;
	}
	engine_ready(io->loop->engine, &io->stream);
}

static struct io *
io_new(struct loop *l, int fd, enum stream_kind kind, uint32_t uid)
{
	struct io *io = calloc(1, sizeof(*io));
	struct clock_now now;

	CHECK(io != NULL);
	clock_read(&now);
	io->loop = l;
	io->fd = fd;
	stream_init(&io->stream, kind, uid);
	io->stream.io = io;
	io->stream.active_ms = now.boot_ms;
	io->read = event_new(l->base, fd, EV_READ | EV_PERSIST, on_readable, io);
	io->write = event_new(l->base, fd, EV_WRITE | EV_PERSIST, on_writable, io);
	CHECK(io->read != NULL && io->write != NULL);
	io->next = l->all;
	if (l->all != NULL)
		l->all->prev = io;
	l->all = io;
	return io;
}

static struct stream *
stream_connect(void *ctx, const char *path)
{
	struct loop *l = ctx;
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	struct io *io;
	int fd;

	if (len >= sizeof(to.sun_path))
		return NULL;
	memcpy(to.sun_path, path, len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		/* A Unix socket connects at once or not at all. */
		close(fd);
		return NULL;
	}
	io = io_new(l, fd, STREAM_WORKER, 0);
	io_want(io, true, false);
	return &io->stream;
}

static void
store_wait(void *ctx, int64_t timeout_ms)
{
	loop_store_wait(&((struct loop *)ctx)->store, timeout_ms);
}

static void
start_late(void *ctx, const char *what)
{
	role_late(((struct loop *)ctx)->role, what);
}

struct stream_ops
loop_stream_ops(struct loop *l)
{
	return (struct stream_ops){.update = stream_update, .connect = stream_connect, .wait = store_wait, .late = start_late,
	    .ctx = l};
}

const struct poller *
loop_poller(struct loop *l)
{
	return &l->store.poller;
}

static bool
peer_allowed(struct loop *l, enum stream_kind kind, uint32_t uid)
{
	const struct config *c = l->engine->rules->config;

	if (kind != STREAM_ADMIN)
		return true;
	if (c->admin_uid_count == 0)
		return uid == 0 || uid == geteuid();
	for (uint16_t i = 0; i < c->admin_uid_count; i++) {
		if (c->admin_uids[i] == uid)
			return true;
	}
	return false;
}

static void
on_connection(evutil_socket_t listening, short what, void *arg)
{
	struct listener *from = arg;
	struct loop *l = from->loop;

	(void)what;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct ucred peer;
		socklen_t len = sizeof(peer);

		if (fd < 0)
			return;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
		    !peer_allowed(l, from->kind, peer.uid) || l->connections >= CONNECTIONS_MAX) {
			log_warn("msg=\"a connection is refused\" uid=%u connections=%zu", peer.uid, l->connections);
			close(fd);
			continue;
		}
		l->connections++;
		io_want(io_new(l, fd, from->kind, peer.uid), true, false);
	}
}

static void
take_config(struct loop *l, const struct control_message *m, int fd)
{
	struct config *config = NULL;
	struct config_error err = {.line = 0};
	char why[256] = "the configuration cannot be read";
	enum cs_err result = fd < 0 ? CS_ERR_SYSTEM : role_config_read(fd, &config, &err);
	struct control_message answer = {.type = CONTROL_OK, .generation = m->generation};

	if (result == CS_OK)
		result = engine_reload(l->engine, config, why);
	if (result != CS_OK) {
		config_free(config);
		answer = control_text(CONTROL_ERROR, m->generation, why);
	}
	log_info("msg=\"configuration %s\" generation=%llu", result == CS_OK ? "swapped" : "kept",
	    (unsigned long long)m->generation);
	control_send(l->role->control_fd, &answer, -1);
}

/* The last of a table makes all of it the present one: half of one and half of another is no state of the processes. */
static void
take_process(struct loop *l, const struct control_message *m)
{
	if (m->count > CONTROL_PROCESSES_MAX || m->index >= m->count)
		return;
	l->table[m->index] = m->process;
	if (m->index + 1 < m->count)
		return;
	memcpy(l->engine->processes, l->table, m->count * sizeof(l->table[0]));
	l->engine->processes_n = m->count;
}

static void
on_control(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	struct control_message m;
	int passed;
	enum cs_err err;

	(void)what;
	while ((err = control_receive(fd, &m, &passed)) == CS_OK) {
		switch ((enum control_type)m.type) {
		case CONTROL_CONFIG:
			take_config(l, &m, passed);
			break;
		case CONTROL_PROCESS:
			take_process(l, &m);
			break;
		case CONTROL_RELOADED:
		case CONTROL_REFUSED:
			engine_reloaded(l->engine, m.generation, m.type == CONTROL_REFUSED ? m.text : NULL);
			break;
		default:
			break;
		}
		if (passed >= 0)
			close(passed);
	}
	if (err == CS_ERR_UNAVAILABLE)
		l->stopping = true;
}

static void
on_term(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	((struct loop *)arg)->stopping = true;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	((struct loop *)arg)->ticked = true;
}

static void
on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* A turn comes when due_ms have passed, if no tick comes before. */
static void
wake_within(struct loop *l, int64_t due_ms)
{
	struct timeval in = {0, (due_ms > 0 ? due_ms : 1) * 1000};

	if (due_ms < TICK_US / 1000)
		CHECK(event_add(l->soon, &in) == 0);
}

struct loop *
loop_new(struct role *role)
{
	struct loop *l = calloc(1, sizeof(*l));
	struct event_config *cfg = event_config_new();

	CHECK(l != NULL && cfg != NULL);
	l->role = role;
	/* The clock is read once a turn, by us. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	l->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	CHECK(l->base != NULL);
	loop_store_init(&l->store, l->base);
	return l;
}

static void
listen_on(struct loop *l, const char *name, enum stream_kind kind)
{
	struct listener *to = &l->listeners[l->listeners_n];
	int fd = role_listener(l->role, name);

	if (fd < 0)
		return;
	l->listeners_n++;
	*to = (struct listener){.loop = l, .kind = kind, .fd = fd};
	to->event = event_new(l->base, fd, EV_READ | EV_PERSIST, on_connection, to);
	CHECK(to->event != NULL && event_add(to->event, NULL) == 0);
}

/* Whether a peer who watches has closed its side altogether: nothing is read while a call waits, so nothing says so. */
static bool
watcher_gone(const struct io *io)
{
	struct pollfd p = {.fd = io->fd};

	return io->stream.held != NULL && io->stream.held->more && poll(&p, 1, 0) == 1 && (p.revents & POLLHUP) != 0;
}

/* Idle, stuck and gone peers are closed; a call that waits keeps its connection. */
static void
sweep(struct loop *l)
{
	int64_t now_ms = l->engine->now.boot_ms;

	if (now_ms - l->swept_ms < SWEEP_MS)
		return;
	l->swept_ms = now_ms;
	for (struct io *io = l->all, *next; io != NULL; io = next) {
		bool idle = io->stream.held == NULL && now_ms - io->stream.active_ms > IDLE_MS;
		bool stuck = io->stuck_ms != 0 && now_ms - io->stuck_ms > STUCK_MS;

		next = io->next;
		if (io->stream.kind != STREAM_WORKER && io->stream.kind != STREAM_GATEWAY &&
		    (idle || stuck || watcher_gone(io)))
			io_close(io);
	}
}

static void
stop_listening(struct loop *l)
{
	for (size_t i = 0; i < l->listeners_n; i++)
		event_del(l->listeners[i].event);
	l->shut = true;
}

/* Milliseconds until there is something to do without a descriptor. */
static int64_t
turn(struct loop *l, bool more)
{
	struct engine *e = l->engine;
	struct clock_now now;
	int64_t due_ms, store_ms;

	CHECK(event_base_loop(l->base, EVLOOP_ONCE | (more ? EVLOOP_NONBLOCK : 0)) >= 0);
	l->served |= engine_waits(e);
	clock_read(&now);
	engine_turn_begin(e, &now);
	engine_turn_end(e);
	due_ms = engine_tick(e);
	store_ms = engine_store_rest(e);
	return store_ms < due_ms ? store_ms : due_ms;
}

/*
 * The store's own work costs a sync, so it waits until nothing was asked from one tick to the next; what cannot wait,
 * the store does with a flush. Returns whether the next turn comes at once.
 */
static bool
rest(struct loop *l, bool resting)
{
	if (l->ticked && !l->served)
		resting = true;
	if (l->served)
		resting = false;
	if (l->ticked)
		l->ticked = l->served = false;
	return resting && store_idle(l->engine->store, IDLE_BUDGET_US);
}

void
loop_run(struct loop *l, struct engine *e)
{
	struct timeval every = {0, TICK_US};
	bool resting = false;

	l->engine = e;
	e->control_fd = l->role->control_fd;
	listen_on(l, "service", STREAM_SERVICE);
	listen_on(l, "admin", STREAM_ADMIN);
	listen_on(l, "gateway", STREAM_GATEWAY);
	l->control = event_new(l->base, l->role->control_fd, EV_READ | EV_PERSIST, on_control, l);
	l->term = evsignal_new(l->base, SIGTERM, on_term, l);
	l->interrupt = evsignal_new(l->base, SIGINT, on_term, l);
	l->tick = event_new(l->base, -1, EV_PERSIST, on_tick, l);
	l->soon = evtimer_new(l->base, on_soon, NULL);
	CHECK(l->control != NULL && l->term != NULL && l->interrupt != NULL && l->tick != NULL && l->soon != NULL);
	CHECK(event_add(l->control, NULL) == 0 && event_add(l->term, NULL) == 0 &&
	    event_add(l->interrupt, NULL) == 0 && event_add(l->tick, &every) == 0);
	while (!l->stopping) {
		wake_within(l, turn(l, resting || engine_waits(e)));
		sweep(l);
		resting = rest(l, resting);
	}
	/* What was read is answered, then the doors close. */
	stop_listening(l);
	turn(l, true);
	/* A store that answers later has until then to say what became of it. */
	for (int64_t until_ms = clock_steady_ms() + LAST_TURNS_MS; txns_busy(e) && clock_steady_ms() < until_ms;) {
		loop_store_wait(&l->store, LAST_TURNS_MS / 100);
		turn(l, true);
	}
}

void
loop_end(struct loop *l)
{
	while (l->all != NULL)
		io_close(l->all);
	for (size_t i = 0; i < l->listeners_n; i++)
		event_free(l->listeners[i].event);
	event_free(l->control);
	event_free(l->term);
	event_free(l->interrupt);
	event_free(l->tick);
	event_free(l->soon);
}

void
loop_free(struct loop *l)
{
	loop_store_clear(&l->store);
	event_base_free(l->base);
	free(l);
}
