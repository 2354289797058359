/* SPDX-License-Identifier: Apache-2.0 */
/* The client loop. Replies on one connection come in the order of the requests, so start times lie
 * in a ring. */
#include "tests/bench/driver.h"

#include <err.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/hist.h"

enum { SILENCE_MS = 10 * 1000, SAMPLE_BYTES = 200 };

struct connection {
	int fd;
	void *io;
	bool waits_to_write;
	char *in, *out;
	size_t in_len, out_len, out_sent, out_cap;
	int64_t *asked_ns; /* ring of DRIVER_DEPTH_MAX */
	uint64_t asked, heard;
};

struct driver {
	const struct driver_options *options;
	const struct transport *transport;
	const struct traffic *traffic;
	struct connection *connections;
	int epoll;
	bool dry; /* the traffic has nothing more to ask */
	int64_t begin_ns, count_from_ns, end_ns;
	uint64_t asked, heard, counted, other, bytes_out, bytes_in, late;
	struct hist hist;
	char sample[SAMPLE_BYTES + 1];
};

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

uint64_t
driver_random(void)
{
	static uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	return x * UINT64_C(2685821657736338717);
}

static int
unix_open(void *ctx, void **io)
{
	const char *path = ctx;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		warnx("the socket's path is too long: %s", path);
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		warn("cannot connect to %s", path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*io = NULL;
	return fd;
}

static ssize_t
unix_read(int fd, void *io, void *buf, size_t len)
{
	(void)io;
	return recv(fd, buf, len, MSG_DONTWAIT);
}

static ssize_t
unix_write(int fd, void *io, const void *buf, size_t len)
{
	(void)io;
	return send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

struct transport
transport_unix(const char *path)
{
	return (struct transport){.open = unix_open,
	    .read = unix_read,
	    .write = unix_write,
	    .ctx = (void *)(uintptr_t)path};
}

static bool
number(const char *text, double most, double *out)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= 0) || value > most)
		return false;
	*out = value;
	return true;
}

bool
driver_option(struct driver_options *options, int c, const char *value)
{
	double v;

	if (c == '?' || value == NULL || !number(value, 1e12, &v))
		return false;
	switch (c) {
	case 'c':
		options->connections = (unsigned)v;
		return v >= 1 && v <= DRIVER_CONNECTIONS_MAX;
	case 'd':
		options->depth = (unsigned)v;
		return v >= 1 && v <= DRIVER_DEPTH_MAX;
	case 's':
		options->seconds = v;
		return true;
	case 'w':
		options->warmup_seconds = v;
		return true;
	case 'n':
		options->count = (uint64_t)v;
		return true;
	case 'r':
		options->rate = v;
		return true;
	default:
		return false;
	}
}

static bool
more_to_ask(const struct driver *d)
{
	return !d->dry && (d->options->count == 0 || d->asked < d->options->count);
}

static bool
queue_one(struct driver *d, struct connection *c, int64_t due_ns)
{
	size_t len;

	if (c->out_cap - c->out_len < DRIVER_REQUEST_MAX) {
		c->out_cap = c->out_cap * 2 + DRIVER_REQUEST_MAX * 4;
		c->out = realloc(c->out, c->out_cap);
		if (c->out == NULL)
			err(1, "realloc");
	}
	len = d->traffic->ask(d->traffic->ctx, c->out + c->out_len);
	if (len == 0) {
		d->dry = true;
		return false;
	}
	c->out_len += len;
	c->asked_ns[c->asked++ % DRIVER_DEPTH_MAX] = due_ns;
	d->asked++;
	d->bytes_out += len;
	return true;
}

static bool
send_queued(struct driver *d, struct connection *c)
{
	struct epoll_event ev = {.data.ptr = c};
	bool blocked = false;

	while (c->out_sent < c->out_len) {
		ssize_t n = d->transport->write(
		    c->fd, c->io, c->out + c->out_sent, c->out_len - c->out_sent);

		if (n < 0 && errno == EAGAIN) {
			blocked = true;
			break;
		}
		if (n < 0) {
			warn("cannot send");
			return false;
		}
		c->out_sent += (size_t)n;
	}
	if (c->out_sent == c->out_len)
		c->out_sent = c->out_len = 0;
	if (blocked != c->waits_to_write) {
		c->waits_to_write = blocked;
		ev.events = EPOLLIN | (blocked ? EPOLLOUT : 0);
		epoll_ctl(d->epoll, EPOLL_CTL_MOD, c->fd, &ev);
	}
	return true;
}

/* A closed loop counts what is answered in the time; an open loop what was due in it, however late
 * the answer. */
static void
count_reply(struct driver *d, int64_t due_ns, int64_t now)
{
	int64_t at = d->options->rate > 0 ? due_ns : now;

	if (at < d->count_from_ns || (d->end_ns != 0 && at >= d->end_ns))
		return;
	hist_add(&d->hist, now - due_ns);
	d->counted++;
}

/* Takes the whole replies out of the connection's buffer; returns how many. */
static unsigned
take_replies(struct driver *d, struct connection *c, int64_t now)
{
	unsigned n = 0;
	size_t at = 0, len;
	enum heard heard;

	for (; c->heard < c->asked; n++) {
		heard = HEARD_OK;
		len = d->traffic->hear(d->traffic->ctx, c->in + at, c->in_len - at, &heard);
		if (len == 0)
			break;
		if (heard != HEARD_OK && d->other++ == 0) {
			size_t show = len < SAMPLE_BYTES ? len : SAMPLE_BYTES;
			memcpy(d->sample, c->in + at, show);
		}
		count_reply(d, c->asked_ns[c->heard % DRIVER_DEPTH_MAX], now);
		c->heard++;
		d->heard++;
		d->bytes_in += len;
		at += len;
	}
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
	return n;
}

static bool
on_readable(struct driver *d, struct connection *c)
{
	unsigned replies = 0;
	int64_t now;

	do {
		ssize_t n = d->transport->read(
		    c->fd, c->io, c->in + c->in_len, DRIVER_READ_BYTES - c->in_len);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			warnx("the server closed the connection after %llu replies: %s",
			    (unsigned long long)c->heard, n < 0 ? strerror(errno) : "end of file");
			return false;
		}
		c->in_len += (size_t)n;
		now = now_ns();
		replies += take_replies(d, c, now);
		if (c->in_len == DRIVER_READ_BYTES) {
			warnx("a reply of more than %d bytes", DRIVER_READ_BYTES);
			return false;
		}
	} while (d->transport->drain);
	if (d->options->rate > 0 || replies == 0)
		return true;
	now = now_ns();
	if (d->end_ns != 0 && now >= d->end_ns)
		return true;
	for (; replies > 0 && more_to_ask(d); replies--)
		if (!queue_one(d, c, now))
			break;
	return send_queued(d, c);
}

static bool
connect_all(struct driver *d)
{
	for (unsigned i = 0; i < d->options->connections; i++) {
		struct connection *c = &d->connections[i];
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

		c->fd = d->transport->open(d->transport->ctx, &c->io);
		if (c->fd < 0)
			return false;
		c->in = malloc(DRIVER_READ_BYTES);
		c->asked_ns = calloc(DRIVER_DEPTH_MAX, sizeof(*c->asked_ns));
		if (c->in == NULL || c->asked_ns == NULL)
			err(1, "malloc");
		if (epoll_ctl(d->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0)
			err(1, "epoll_ctl");
	}
	return true;
}

static bool
fill_all(struct driver *d)
{
	for (unsigned i = 0; i < d->options->connections; i++) {
		struct connection *c = &d->connections[i];
		int64_t now = now_ns();

		for (unsigned k = 0; k < d->options->depth && more_to_ask(d); k++)
			if (!queue_one(d, c, now))
				break;
		if (!send_queued(d, c))
			return false;
	}
	return true;
}

/* Open loop: queues all that is due by now, in turn over the connections. Returns ns until the
 * next, or -1. */
static int64_t
queue_due(struct driver *d, int64_t now, bool *failed)
{
	double gap_ns = 1e9 / d->options->rate;
	bool last = false;
	int64_t due = 0;

	for (;;) {
		struct connection *c = &d->connections[d->asked % d->options->connections];

		due = d->begin_ns + llround((double)d->asked * gap_ns);
		last = !more_to_ask(d) || (d->end_ns != 0 && due >= d->end_ns);
		if (last || due > now)
			break;
		if (c->asked - c->heard >= DRIVER_DEPTH_MAX) {
			d->late++;
			break; /* its latency goes on counting: due stays what it is */
		}
		if (!queue_one(d, c, due)) {
			last = true;
			break;
		}
	}
	for (unsigned i = 0; i < d->options->connections; i++)
		if (d->connections[i].out_len > 0 && !send_queued(d, &d->connections[i]))
			*failed = true;
	if (last)
		return -1;
	return due > now ? due - now : 100 * 1000;
}

static bool
finished(const struct driver *d, int64_t now)
{
	bool over = d->end_ns != 0 && now >= d->end_ns;

	if (d->options->rate > 0)
		return d->heard == d->asked && (over || !more_to_ask(d));
	return over || (d->heard == d->asked && !more_to_ask(d));
}

static bool
loop(struct driver *d)
{
	struct epoll_event events[DRIVER_CONNECTIONS_MAX];
	int64_t last_ns = now_ns(), now;
	bool failed = false;

	while (!failed && !finished(d, now = now_ns())) {
		int64_t wait_ns = d->options->rate > 0 ? queue_due(d, now, &failed) : -1;
		struct timespec wait = {
		    .tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};
		struct timespec silence = {.tv_nsec = 100 * 1000000};
		int n = epoll_pwait2(d->epoll, events, DRIVER_CONNECTIONS_MAX,
		    wait_ns >= 0 ? &wait : &silence, NULL);

		if (n < 0 && errno != EINTR)
			err(1, "epoll_pwait2");
		if (n > 0)
			last_ns = now_ns();
		else if (d->heard < d->asked &&
			 now_ns() - last_ns > (int64_t)SILENCE_MS * 1000000) {
			warnx("no reply for %d s; %llu of %llu answered", SILENCE_MS / 1000,
			    (unsigned long long)d->heard, (unsigned long long)d->asked);
			return false;
		}
		for (int i = 0; i < n && !failed; i++) {
			struct connection *c = events[i].data.ptr;

			if (events[i].events & EPOLLOUT)
				failed |= !send_queued(d, c);
			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				failed |= !on_readable(d, c);
		}
	}
	return !failed;
}

static void
print_text(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text >= ' ' && *text < 127 ? *text : ' ');
	}
	putchar('"');
}

static void
print_result(const struct driver *d)
{
	const struct driver_options *o = d->options;
	int64_t from = d->count_from_ns, now = now_ns();
	int64_t to = d->end_ns != 0 && d->end_ns < now ? d->end_ns : now;
	double seconds = (double)(to - from) / 1e9;

	printf("{\"name\":");
	print_text(d->traffic->name);
	printf(",\"connections\":%u,\"depth\":%u,\"seconds\":%.3f,\"answers\":%llu,\"rate\":%.1f,"
	       "\"asked_rate\":%.1f",
	    o->connections, o->depth, seconds, (unsigned long long)d->counted,
	    seconds > 0 ? (double)d->counted / seconds : 0, o->rate);
	printf(",\"all_answers\":%llu,\"unexpected\":%llu,\"late\":%llu,\"request_bytes\":%.1f,"
	       "\"reply_bytes\":%.1f",
	    (unsigned long long)d->heard, (unsigned long long)d->other, (unsigned long long)d->late,
	    d->asked > 0 ? (double)d->bytes_out / (double)d->asked : 0,
	    d->heard > 0 ? (double)d->bytes_in / (double)d->heard : 0);
	printf(",\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f",
	    (double)hist_percentile_ns(&d->hist, 50) / 1e3,
	    (double)hist_percentile_ns(&d->hist, 90) / 1e3,
	    (double)hist_percentile_ns(&d->hist, 99) / 1e3,
	    (double)hist_percentile_ns(&d->hist, 99.9) / 1e3, (double)d->hist.max_ns / 1e3);
	if (d->other > 0) {
		printf(",\"sample\":");
		print_text(d->sample);
	}
	printf("}\n");
}

int
driver_run(const struct driver_options *options, const struct transport *transport,
    const struct traffic *traffic)
{
	static struct driver d;
	bool ok;

	d = (struct driver){.options = options, .transport = transport, .traffic = traffic};
	d.connections = calloc(options->connections, sizeof(*d.connections));
	d.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (d.connections == NULL || d.epoll < 0)
		err(1, "cannot start");
	prctl(PR_SET_TIMERSLACK,
	    1UL); /* the open loop's time-table is in microseconds; the default slack is 50 */
	if (!connect_all(&d))
		return 1;
	d.begin_ns = now_ns();
	d.count_from_ns = d.begin_ns + llround(options->warmup_seconds * 1e9);
	d.end_ns = options->seconds > 0 ? d.count_from_ns + llround(options->seconds * 1e9) : 0;
	ok = (options->rate > 0 || fill_all(&d)) && loop(&d);
	print_result(&d);
	for (unsigned i = 0; i < options->connections; i++)
		close(d.connections[i].fd);
	if (d.other > 0)
		warnx("%llu of %llu replies were not what was asked for; the first: %s",
		    (unsigned long long)d.other, (unsigned long long)d.heard, d.sample);
	return ok && d.other == 0 ? 0 : 1;
}
