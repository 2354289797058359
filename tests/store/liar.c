/* SPDX-License-Identifier: Apache-2.0 */
/* A server that is honest until it is told to lie. */
#include <hiredis/hiredis.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/store/fleet_world.h"

enum { CLIENTS_MAX = 32, ID_DIGITS = 40 };

struct client {
	int fd;
	redisReader *reader;
};

static const char honest_id[] = "0123456789abcdef0123456789abcdef01234567";
static const char other_id[] = "ffffffffffffffffffffffffffffffffffffffff";

static bool
say(int fd, const char *data, size_t n, bool slow)
{
	for (size_t done = 0; done < n;) {
		ssize_t k = send(fd, data + done, slow ? 1 : n - done, MSG_NOSIGNAL);

		if (k <= 0)
			return false;
		done += (size_t)k;
	}
	return true;
}

static bool
say_text(const struct liar *l, int fd, const char *text)
{
	return say(fd, text, strlen(text), *l->lie == LIE_BYTE_BY_BYTE);
}

static bool
say_bulk(const struct liar *l, int fd, const char *text)
{
	char out[1200];

	snprintf(out, sizeof(out), "$%zu\r\n%s\r\n", strlen(text), text);
	return say_text(l, fd, out);
}

static bool
info(const struct liar *l, int fd, bool fence)
{
	char text[1000];
	int lie = fence ? *l->lie : LIE_NONE;

	if (lie == LIE_EMPTY_INFO)
		return say_bulk(l, fd, "");
	if (lie == LIE_INFO_ERROR)
		return say_text(l, fd, "-ERR no\r\n");
	snprintf(text, sizeof(text), "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:%s\r\nloading:0\r\naof_enabled:1\r\n"
	    "used_memory:1000\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\nrole:%s\r\nconnected_slaves:1\r\n"
	    "slave0:ip=127.0.0.1,port=1,state=online,offset=10,lag=0\r\nmaster_replid:%s\r\nmaster_repl_offset:10\r\n",
	    honest_id, lie == LIE_REPLICA_NOW ? "slave" : "master", lie == LIE_NEW_HISTORY ? other_id : honest_id);
	return say_bulk(l, fd, text);
}

/* An ask of the test: INCR or GET. */
static bool
asked(const struct liar *l, int fd, bool write)
{
	char deep[200] = "";

	*l->executed += write;
	if (*l->lie == LIE_WAITS) {
		++*l->begun;
		while (*l->begun > *l->allowed)
			usleep(1000);
	}
	switch (*l->lie) {
	case LIE_GARBAGE:
		return say_text(l, fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
	case LIE_HUGE_BULK:
		return say_text(l, fd, "$4611686018427387904\r\nabc");
	case LIE_HUGE_ARRAY:
		return say_text(l, fd, "*1073741825\r\n:1\r\n");
	case LIE_DEEP:
		for (size_t i = 0; i < 40; i++)
			memcpy(deep + 4 * i, "*1\r\n", 5);
		return say_text(l, fd, deep);
	case LIE_EXTRA_REPLY:
		return say_text(l, fd, ":1\r\n:2\r\n");
	case LIE_NO_REPLY:
		return true;
	case LIE_HALF_REPLY:
		return say_text(l, fd, "$10\r\nabc");
	case LIE_CLOSES:
		return false;
	case LIE_MOVED:
		return say_text(l, fd, "-MOVED 0 127.0.0.1:1\r\n");
	case LIE_ASK:
		return say_text(l, fd, "-ASK 0 127.0.0.1:1\r\n");
	case LIE_READONLY:
		return say_text(l, fd, "-READONLY You can't write against a read only replica.\r\n");
	case LIE_RESP3:
		return say_text(l, fd, ">2\r\n+a\r\n+b\r\n");
	default:
		return say_text(l, fd, ":1\r\n");
	}
}

static bool
answer(const struct liar *l, int fd, const redisReply *r)
{
	const char *word = r->elements > 0 ? r->element[0]->str : "";

	if (*l->lie == LIE_SILENT)
		return true;
	if (strcasecmp(word, "INFO") == 0)
		return info(l, fd, r->elements == 2);
	if (strcasecmp(word, "CONFIG") == 0)
		return say_text(l, fd, "*8\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n$11\r\nappendfsync\r\n$6\r\nalways\r\n"
		    "$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n$25\r\nno-appendfsync-on-rewrite\r\n$2\r\nno\r\n");
	if (strcasecmp(word, "TIME") == 0)
		return say_text(l, fd, "*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n");
	if (strcasecmp(word, "WAIT") == 0)
		return say_text(l, fd, *l->lie == LIE_WAIT_FEW ? ":0\r\n" : *l->lie == LIE_WAIT_TEXT ? "+1\r\n" : ":1\r\n");
	if (strcasecmp(word, "SET") == 0)
		return say_text(l, fd, *l->lie == LIE_SET_REFUSED ? "-ERR no\r\n" : "+OK\r\n");
	if (strcasecmp(word, "INCR") == 0 || strcasecmp(word, "GET") == 0)
		return asked(l, fd, strcasecmp(word, "INCR") == 0);
	return say_text(l, fd, "+OK\r\n");
}

/* False: this client is done with. */
static bool
serve(const struct liar *l, struct client *c)
{
	char chunk[16384];
	ssize_t n = recv(c->fd, chunk, sizeof(chunk), 0);
	void *reply = NULL;

	if (n <= 0)
		return false;
	redisReaderFeed(c->reader, chunk, (size_t)n);
	while (redisReaderGetReply(c->reader, &reply) == REDIS_OK && reply != NULL) {
		bool goes_on = answer(l, c->fd, reply);

		freeReplyObject(reply);
		if (!goes_on)
			return false;
	}
	return true;
}

static _Noreturn void
live(const struct liar *l, int listener)
{
	struct pollfd fds[CLIENTS_MAX + 1] = {{.fd = listener, .events = POLLIN}};
	struct client clients[CLIENTS_MAX + 1];
	nfds_t n = 1;

	for (;;) {
		poll(fds, n, -1);
		for (nfds_t i = n - 1; i > 0; i--)
			if (fds[i].revents != 0 && !serve(l, &clients[i])) {
				close(fds[i].fd);
				redisReaderFree(clients[i].reader);
				fds[i] = fds[--n];
				clients[i] = clients[n];
			}
		if (fds[0].revents != 0 && n <= CLIENTS_MAX) {
			fds[n] = (struct pollfd){.fd = accept(listener, NULL, NULL), .events = POLLIN};
			clients[n] = (struct client){fds[n].fd, redisReaderCreate()};
			n++;
		}
	}
}

void
liar_start(struct liar *l)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(shared != MAP_FAILED);
	l->executed = &shared[0];
	l->lie = (volatile int *)&shared[1];
	l->allowed = &shared[2];
	l->begun = &shared[3];
	snprintf(l->socket, sizeof(l->socket), "%s/liar", scratch());
	snprintf(a.sun_path, sizeof(a.sun_path), "%.107s", l->socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 64), 0);
	l->pid = fork();
	assert_true(l->pid >= 0);
	if (l->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		live(l, fd);
	}
	close(fd);
}
