/* SPDX-License-Identifier: Apache-2.0 */
/* The server process. */
#include "broker/worker/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/worker/cage.h"
#include "broker/worker/calls.h"
#include "broker/worker/executable.h"
#include "broker/worker/load.h"

enum { LOAD_DEADLINE_MS = 20 * 1000 };  /* loading, self-test and init touch no network */

static volatile sig_atomic_t stopping;

static void
on_terminate(int signal_number)
{
	(void)signal_number;
	stopping = 1;
}

static void
set_deadline(void *context, int64_t deadline_boot_ms)
{
	const struct serve *s = context;
	const uint64_t one = 1;
	ssize_t n;

	atomic_store(&s->slot->deadline_boot_ms, deadline_boot_ms);
	/* Only a new deadline is news to the watchdog; a full counter wakes it as well. */
	if (deadline_boot_ms != 0) {
		n = write(s->poke_fd, &one, sizeof(one));
		(void)n;
	}
}

static _Noreturn void
unfit(const char *step, const char *problem)
{
	log_error("plugin step=%s msg=%s", step, log_value(view_str(problem)));
	exit(SERVE_EXIT_UNFIT);
}

static void
prepare(const struct serve *s, struct host *host, struct calls *calls)
{
	static struct http *http;
	char problem[SETTINGS_PROBLEM_MAX];
	const struct countersign_plugin_v1 *p;
	const int keep[] = {s->plugin_fd, s->listen_fd, s->poke_fd, s->cage_fd};

	if (cage_first(s->settings, s->cage_fd, keep, sizeof(keep) / sizeof(keep[0]), problem) != CS_OK)
		unfit("cage", problem);
	if (!s->settings->cage->processes && executable_is(s->plugin_fd))
		unfit("load", "it is a program, and its cage lets it start none: write  cage { processes yes }  in its block");
	if (load_plugin(s->plugin_fd, &p, problem) != CS_OK)
		unfit("load", problem);
	host_init(host, p, NULL, NULL);
	if (p->self_test(&host->table) != COUNTERSIGN_OK)
		unfit("self-test",
		    "the plugin's self-test failed: it or one of its libraries is broken");
	host_call_end(host);
	if (settings_check(s->settings, p, problem) != CS_OK || cage_check(s->settings, p, problem) != CS_OK)
		unfit("configuration", problem);
	atomic_store(&s->slot->uses_http, (p->flags & COUNTERSIGN_USES_HTTP) != 0);
	if ((p->flags & COUNTERSIGN_USES_HTTP) != 0 &&
	    http_new(s->settings, p, &http, problem) != CS_OK)
		unfit("configuration", problem);
	host_init(host, p, s->settings, http);
	*calls = (struct calls){.host = host, .plugin = p, .settings = s->settings,
	    .deadline = set_deadline, .deadline_context = (void *)s};
	if (p->init(&host->table, &calls->instance) != COUNTERSIGN_OK)
		unfit("init", "the plugin did not start; the line before says why");
	host_call_end(host);
	if (cage_second(s->settings, p->flags, problem) != CS_OK)
		unfit("cage", problem);
}

/* Waits for one descriptor, or for SIGTERM, which is let in only here. False: stop. */
static bool
wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	sigset_t open_mask;

	sigemptyset(&open_mask);
	while (!stopping) {
		int n = ppoll(&p, 1, NULL, &open_mask);

		if (n > 0)
			return true;
		CHECK(n < 0 && errno == EINTR);
	}
	return false;
}

/* False: the peer is gone. */
static bool
send_all(int fd, const struct buf *out)
{
	size_t sent = 0;

	while (sent < out->len) {
		ssize_t n = send(fd, out->data + sent, out->len - sent, MSG_NOSIGNAL);
		struct pollfd p = {.fd = fd, .events = POLLOUT};

		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			(void)poll(&p, 1, -1);
		else if (errno != EINTR)
			return false;
	}
	return true;
}

/* Answers every whole message that is there. False: the connection is over. */
static bool
answer_all(struct calls *calls, int fd, struct bytes *in, size_t *scanned)
{
	size_t len;
	enum cs_err err;

	while ((err = varlink_frame((char *)in->buf.data, in->buf.len, scanned, &len)) == CS_OK) {
		struct bytes out;
		bool sent;

		bytes_init(&out, 2 * VARLINK_MESSAGE_MAX);
		calls_answer(calls, (char *)in->buf.data, len, &out.buf);
		secret_wipe(in->buf.data, len);
		bytes_consume(in, len + 1);
		sent = !out.buf.full && send_all(fd, &out.buf);
		if (out.buf.len > 0)
			secret_wipe(out.buf.data, out.buf.len);
		bytes_clear(&out);
		if (calls->broken)
			exit(SERVE_EXIT_BROKEN);
		if (!sent || stopping)
			return false;
	}
	return err == CS_ERR_NOT_FOUND;
}

static void
serve_connection(struct calls *calls, int fd)
{
	struct bytes in;
	size_t scanned = 0;

	bytes_init(&in, VARLINK_MESSAGE_MAX + 1);
	while (wait_for(fd, POLLIN)) {
		char chunk[4096];
		size_t room = VARLINK_MESSAGE_MAX + 1 - in.buf.len;
		ssize_t n =
		    recv(fd, chunk, room < sizeof(chunk) ? room : sizeof(chunk), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			break;
		buf_put(&in.buf, chunk, (size_t)n);
		secret_wipe(chunk, (size_t)n);
		if (in.buf.full || !answer_all(calls, fd, &in, &scanned))
			break;
	}
	bytes_clear(&in);
	close(fd);
}

_Noreturn void
serve_run(const struct serve *s)
{
	struct sigaction terminate = {.sa_handler = on_terminate};
	static struct host host;
	struct calls calls;

	sigaction(SIGTERM, &terminate, NULL);
	prepare(s, &host, &calls);
	atomic_store(&s->slot->ready, 1);
	set_deadline((void *)s, 0);
	(void)!write(s->poke_fd, &(uint64_t){1}, sizeof(uint64_t));
	while (wait_for(s->listen_fd, POLLIN)) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			serve_connection(&calls, fd);
		else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			log_warn("accept errno=%d", errno);
	}
	if (calls.plugin->fini != NULL)
		calls.plugin->fini(calls.instance);
	http_free(host.http);
	exit(0);
}
