/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin that is a program says anything: the worker reads it within its bounds, answers what it asks of its host, and takes
 * nothing for an answer that is none. The first byte chooses the call, the rest is what the program says once it has heard it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/worker/executable_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { DEADLINE_MS = 1000, ROOM = 256, SETS_ROOM = 4096, TOKENS = 8 };

struct program {
	int fd;
	const uint8_t *data;
	size_t len;
};

/* Hears the call, speaks, and hears the rest out. */
static void *
speak(void *context)
{
	const struct program *p = context;
	char heard[4096];
	ssize_t n;

	do
		n = recv(p->fd, heard, sizeof(heard), 0);
	while (n > 0 && heard[n - 1] != '\0');
	for (size_t sent = 0; n > 0 && sent < p->len; sent += (size_t)n)
		n = send(p->fd, p->data + sent, p->len - sent, MSG_NOSIGNAL);
	shutdown(p->fd, SHUT_WR);
	while (recv(p->fd, heard, sizeof(heard), 0) > 0)
		;
	return NULL;
}

static void
host_log(void *context, int level, struct countersign_view text)
{
	(void)context;
	CHECK(level >= COUNTERSIGN_LOG_ERROR && level <= COUNTERSIGN_LOG_DEBUG && text.len <= 4096);
}

static int
host_http(void *context, const struct countersign_http_request *request, struct countersign_http_response *response)
{
	(void)context;
	CHECK(request->headers_count <= COUNTERSIGN_HEADERS_MAX && request->timeout_ms >= 0);
	response->status = 200;
	return countersign_put(&response->body, request->body.data, request->body.len);
}

#define B(name) {memory[name], ROOM, 0}

static void
ask(const struct countersign_plugin_v1 *p, struct executable *x, unsigned which)
{
	static char memory[8 + 4 * COUNTERSIGN_SIGNAL_EVENTS][ROOM], sets[COUNTERSIGN_SETS_MAX][SETS_ROOM];
	const struct countersign_view id = countersign_view_of("web");
	const struct countersign_call call = {countersign_view_of("r"), 1, executable_boot_ms() + DEADLINE_MS};
	const struct countersign_identify who = {.size = sizeof(who), .call = call, .client_ids = &id, .client_ids_count = 1};
	const struct countersign_verify answer = {.size = sizeof(answer), .call = call};
	const struct countersign_signal signal = {.size = sizeof(signal), .call = call, .client_ids = &id, .client_ids_count = 1};
	const struct countersign_poll poll = {.size = sizeof(poll), .call = call, .taken = &id, .taken_count = 1};
	const struct countersign_assess risk = {.size = sizeof(risk), .call = call};
	struct countersign_identity identity = {.size = sizeof(identity), .request = B(0), .issuer = B(1), .subject = B(2),
	    .audience = B(3), .nonce = B(4), .display = B(5), .was_issuer = B(6), .was_subject = B(7), .evidence = B(8)};
	struct countersign_verify_answer verdict = {.size = sizeof(verdict), .request = B(0), .secret = B(1), .rests_on = B(2),
	    .state = B(3), .steps = {{.value = B(4)}, {.value = B(5)}, {.value = B(6)}, {.value = B(7)}}};
	struct countersign_signal_answer told = {.size = sizeof(told), .request = B(0), .issuer = B(1), .id = B(2),
	    .audience = B(3), .state = B(4)};
	struct countersign_poll_answer polled = {.size = sizeof(polled), .request = B(0)};
	struct countersign_assessment score = {.size = sizeof(score), .request = B(0), .reason = B(1)};
	int rc;

	for (size_t i = 0; i < COUNTERSIGN_SIGNAL_EVENTS; i++)
		told.events[i] = (struct countersign_security_event){B(8 + 4 * i), B(9 + 4 * i), B(10 + 4 * i), B(11 + 4 * i), 0};
	for (size_t i = 0; i < COUNTERSIGN_SETS_MAX; i++) {
		polled.ids[i] = (struct countersign_buffer)B(1 + i);
		polled.sets[i] = (struct countersign_buffer){sets[i], SETS_ROOM, 0};
	}
	rc = which == 0 ? p->provider->identify(x, &who, &identity) : which == 1 ? p->factor->verify(x, &answer, &verdict) :
	    which == 2 ? p->provider->signal(x, &signal, &told) : which == 3 ? p->provider->poll(x, &poll, &polled) :
	    p->risk->assess(x, &risk, &score);
	CHECK(rc >= 0 && (rc < EXECUTABLE_GARBAGE || rc == EXECUTABLE_GARBAGE));
	CHECK(verdict.steps_count <= COUNTERSIGN_STEPS_MAX && told.events_count <= COUNTERSIGN_SIGNAL_EVENTS &&
	    polled.sets_count <= COUNTERSIGN_SETS_MAX);
	CHECK(identity.subject.len <= ROOM && identity.evidence.len <= ROOM && verdict.state.len <= ROOM &&
	    verdict.rests_on.len <= ROOM && told.id.len <= ROOM && score.reason.len <= ROOM && polled.sets[0].len <= SETS_ROOM);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct countersign_host_v1 host = {.size = sizeof(host), .log = host_log, .http = host_http};
	static const char operations[] = "{\"operations\":[\"signal\",\"poll\"]}";
	static struct executable x;
	struct json_token tokens[TOKENS];
	struct program program;
	char said[sizeof(operations)];
	struct json doc;
	pthread_t thread;
	int pair[2];

	if (len == 0)
		return 0;
	x = (struct executable){.stderr_fd = -1, .name = "fuzz", .host = &host,
	    .plugin = {.kinds = COUNTERSIGN_KIND_PROVIDER | COUNTERSIGN_KIND_FACTOR | COUNTERSIGN_KIND_RISK}};
	memcpy(said, operations, sizeof(said));
	CHECK(json_read(said, strlen(operations), tokens, TOKENS, &doc, NULL) == CS_OK);
	executable_operations(&x, &doc, json_get(&doc, 0, VIEW("operations")));
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
	x.fd = pair[0];
	program = (struct program){pair[1], data + 1, len - 1};
	CHECK(pthread_create(&thread, NULL, speak, &program) == 0);
	ask(&x.plugin, &x, data[0] % 5U);
	close(pair[0]);
	CHECK(pthread_join(thread, NULL) == 0);
	close(pair[1]);
	return 0;
}
