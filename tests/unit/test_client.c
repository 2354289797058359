/* SPDX-License-Identifier: Apache-2.0 */
/* libcountersign as its users link it, against a server that does by script what a broker should not. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "countersign/client.h"

/* What the server does, in order. Every ACCEPT but the first closes the connection before it. */
enum act {
	STOP, /* closes all: nobody listens any more */
	ACCEPT,
	READ,    /* a whole message; it must contain text */
	SEND,    /* text and a NUL */
	SEND_TWICE,  /* the message and the same again, in one piece */
	SEND_SLOWLY, /* the same, a byte a write */
	SEND_PART,   /* text without a NUL */
	SEND_HUGE,   /* 70,000 bytes without a NUL */
	AWAIT_EOF,   /* says nothing until the client closes */
	HANG_UP, /* closes the connection, goes on listening */
	UNLISTEN, /* closes the listening socket, keeps the connection */
};

struct line {
	enum act act;
	const char *text;
};

struct server {
	char dir[32], path[64];
	int listener;
	const struct line *script;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stepped;
	int lines; /* of the script, done */
	int reads; /* messages that came */
	char problem[4096];
};

#define HOLD(id)                                                                                                       \
	"{\"id\":\"" id "\",\"state\":\"open\",\"expires_at\":\"2026-11-29T00:00:00Z\",\"amount\":\"20.00\","            \
	"\"currency\":\"CNY\"}"
#define PERMIT "{\"parameters\":{\"outcome\":\"permit\",\"reason\":\"countersigned\",\"hold\":" HOLD("hold_1") "}}"
#define DENY                                                                                                           \
	"{\"parameters\":{\"outcome\":\"deny\",\"reason\":\"limit_day\",\"detail\":{\"limit\":\"1000.00 CNY\","          \
	"\"used\":\"990.00 CNY\"}}}"

static const struct cs_payment payment = {.session = "sess_1",
    .id = "order-1",
    .amount = "20.00",
    .currency = "CNY",
    .payee_id = "m-7",
    .payee_name = "Corner Shop",
    .ip = "192.0.2.1"};

static void
read_message(struct server *s, int fd, const char *wanted)
{
	static char text[70000];
	size_t have = 0;

	while (have < sizeof(text)) {
		ssize_t n = recv(fd, text + have, 1, 0);

		if (n <= 0) {
			(void)snprintf(s->problem, sizeof(s->problem), "the client hung up before %s", wanted);
			return;
		}
		if (text[have++] == '\0')
			break;
	}
	s->reads++;
	if (strstr(text, wanted) == NULL)
		(void)snprintf(s->problem, sizeof(s->problem), "%.2000s does not contain %.1000s", text, wanted);
}

static void
send_all(int fd, const char *data, size_t len, size_t piece)
{
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;

		if (send(fd, data + at, n, MSG_NOSIGNAL) < 0)
			return;
	}
}

static void *
serve(void *arg)
{
	static char huge[70000];
	struct server *s = arg;
	sigset_t alarms;
	char byte;
	int fd = -1;

	/* Signals are for the client. */
	(void)sigemptyset(&alarms);
	(void)sigaddset(&alarms, SIGALRM);
	(void)pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	memset(huge, 'x', sizeof(huge));
	for (const struct line *l = s->script; l->act != STOP; l++) {
		size_t len = l->text == NULL ? 0 : strlen(l->text);

		switch (l->act) {
		case ACCEPT:
			if (fd >= 0)
				(void)close(fd);
			fd = accept(s->listener, NULL, NULL);
			break;
		case READ:
			read_message(s, fd, l->text);
			break;
		case SEND:
			send_all(fd, l->text, len + 1, len + 1);
			break;
		case SEND_TWICE:
			memcpy(huge, l->text, len + 1);
			memcpy(huge + len + 1, l->text, len + 1);
			send_all(fd, huge, 2 * (len + 1), sizeof(huge));
			break;
		case SEND_SLOWLY:
			send_all(fd, l->text, len + 1, 1);
			break;
		case SEND_PART:
			send_all(fd, l->text, len, len);
			break;
		case SEND_HUGE:
			send_all(fd, huge, sizeof(huge), sizeof(huge));
			break;
		case AWAIT_EOF:
			while (recv(fd, &byte, 1, 0) > 0)
				;
			break;
		case HANG_UP:
			(void)close(fd);
			fd = -1;
			break;
		case UNLISTEN:
			(void)close(s->listener);
			s->listener = -1;
			break;
		case STOP:
			break;
		}
		(void)pthread_mutex_lock(&s->lock);
		s->lines++;
		(void)pthread_cond_signal(&s->stepped);
		(void)pthread_mutex_unlock(&s->lock);
	}
	if (fd >= 0)
		(void)close(fd);
	if (s->listener >= 0)
		(void)close(s->listener);
	return NULL;
}

/* Until the server has done so many lines of its script. */
static void
server_await(struct server *s, int lines)
{
	(void)pthread_mutex_lock(&s->lock);
	while (s->lines < lines)
		(void)pthread_cond_wait(&s->stepped, &s->lock);
	(void)pthread_mutex_unlock(&s->lock);
}

static void
listen_at(struct server *s)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	strncpy(s->dir, "/tmp/cs-test-XXXXXX", sizeof(s->dir) - 1);
	assert_non_null(mkdtemp(s->dir));
	(void)snprintf(s->path, sizeof(s->path), "%s/s", s->dir);
	memcpy(at.sun_path, s->path, strlen(s->path) + 1);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->listener, 16), 0);
}

static struct cs *
server_start(struct server *s, const struct line *script)
{
	struct cs *cs = NULL;

	memset(s, 0, sizeof(*s));
	s->script = script;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->stepped, NULL);
	listen_at(s);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	assert_int_equal(cs_open(s->path, &cs), CS_STATUS_OK);
	return cs;
}

/* The client goes first, so that a script which waits for it ends. */
static void
server_end(struct server *s, struct cs *cs)
{
	cs_close(cs);
	(void)pthread_join(s->thread, NULL);
	(void)unlink(s->path);
	(void)rmdir(s->dir);
	assert_string_equal(s->problem, "");
}

static void
a_permit_comes_with_its_hold(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL},
	    {READ, "{\"method\":\"org.countersign.Payments.Authorize\",\"parameters\":{\"session\":\"sess_1\",\"payment\":"
	           "{\"id\":\"order-1\",\"amount\":\"20.00\",\"currency\":\"CNY\",\"payee\":{\"id\":\"m-7\",\"name\":"
	           "\"Corner Shop\"}},\"context\":{\"ip\":\"192.0.2.1\"}}}"},
	    {SEND, PERMIT}, {STOP, NULL}};
	struct cs_decision d = {.outcome = CS_OUTCOME_DENY};
	struct cs_error error;
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	assert_int_equal(cs_authorize(cs, &payment, &d, &error), CS_STATUS_OK);
	assert_int_equal(d.outcome, CS_OUTCOME_PERMIT);
	assert_string_equal(d.reason, "countersigned");
	assert_string_equal(d.hold.id, "hold_1");
	assert_string_equal(d.hold.amount, "20.00");
	assert_false(d.replayed);
	server_end(&s, cs);
}

static void
a_denial_is_an_answer_with_its_detail(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "Authorize"}, {SEND_SLOWLY, DENY}, {STOP, NULL}};
	struct cs_decision d = {.outcome = CS_OUTCOME_PERMIT};
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	assert_int_equal(cs_authorize(cs, &payment, &d, NULL), CS_STATUS_OK);
	assert_int_equal(d.outcome, CS_OUTCOME_DENY);
	assert_string_equal(d.limit, "1000.00 CNY");
	assert_string_equal(d.used, "990.00 CNY");
	assert_string_equal(d.hold.id, "");
	server_end(&s, cs);
}

/* Each of these is no answer: the caller must neither see a permit nor have its decision changed. */
static void
what_is_no_answer_never_permits(void **state)
{
	static const char *const replies[] = {
	    "", "{", "[]", "{\"parameters\":{}}", "{}", "no json", "{\"parameters\":{\"outcome\":\"permit\"}}",
	    "{\"parameters\":{\"outcome\":\"permit\",\"reason\":\"x\"}}",
	    "{\"parameters\":{\"outcome\":\"PERMIT\",\"reason\":\"x\",\"hold\":" HOLD("h") "}}",
	    "{\"parameters\":{\"outcome\":true,\"reason\":\"x\",\"hold\":" HOLD("h") "}}",
	    "{\"parameters\":{\"outcome\":\"deny\",\"outcome\":\"permit\",\"reason\":\"x\",\"hold\":" HOLD("h") "}}",
	    "{\"parameters\":{\"outcome\":\"permit\",\"reason\":\"x\",\"hold\":\"h\"}}",
	    "{\"parameters\":{\"outcome\":\"permit\",\"reason\":\"x\\u0007\",\"hold\":" HOLD("h") "}}",
	    "{\"parameters\":{\"outcome\":\"permit\",\"reason\":"
	    "\"a-reason-that-is-longer-than-any-reason-of-the-table-may-ever-be\",\"hold\":" HOLD("h") "}}",
	    "{\"parameters\":{\"outcome\":\"step_up\",\"reason\":\"x\"}}",
	    "{\"continues\":true,\"parameters\":{\"outcome\":\"permit\",\"reason\":\"x\",\"hold\":" HOLD("h") "}}",
	    "{\"parameters\":{\"outcome\":\"permit\",\"reason\":\"\xff\",\"hold\":" HOLD("h") "}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		const struct line script[] = {{ACCEPT, NULL}, {READ, "Authorize"}, {SEND, replies[i]}, {STOP, NULL}};
		struct cs_decision d = {.outcome = CS_OUTCOME_DENY, .reason = "untouched"};
		struct cs_error error = {.message = ""};
		struct server s;
		struct cs *cs = server_start(&s, script);

		assert_int_equal(cs_authorize(cs, &payment, &d, &error), CS_STATUS_PROTOCOL);
		assert_int_equal(d.outcome, CS_OUTCOME_DENY);
		assert_string_equal(d.reason, "untouched");
		assert_true(strlen(error.message) > 0);
		server_end(&s, cs);
	}
}

static void
a_reply_beyond_every_bound_is_refused(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "Authorize"}, {SEND_HUGE, NULL}, {STOP, NULL}};
	struct cs_decision d = {.outcome = CS_OUTCOME_DENY};
	struct cs_error error;
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	assert_int_equal(cs_authorize(cs, &payment, &d, &error), CS_STATUS_PROTOCOL);
	assert_non_null(strstr(error.message, "longer than a message"));
	server_end(&s, cs);
}

/* A late reply to an earlier call must not be taken for the reply to the next one. */
static void
a_reply_after_the_time_out_is_not_anothers(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "order-1"}, {AWAIT_EOF, NULL}, {SEND, PERMIT},
	    {ACCEPT, NULL}, {READ, "order-2"}, {SEND, DENY}, {STOP, NULL}};
	struct cs_payment second = payment;
	struct cs_decision d = {.outcome = CS_OUTCOME_DENY};
	struct cs_error error;
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	second.id = "order-2";
	assert_int_equal(cs_set_timeout(cs, 60), CS_STATUS_OK);
	assert_int_equal(cs_authorize(cs, &payment, &d, &error), CS_STATUS_TIMEOUT);
	assert_int_equal(cs_set_timeout(cs, 5000), CS_STATUS_OK);
	assert_int_equal(cs_authorize(cs, &second, &d, &error), CS_STATUS_OK);
	assert_int_equal(d.outcome, CS_OUTCOME_DENY);
	server_end(&s, cs);
}

/* Bytes that nobody asked for, on a connection that rests. */
static void
a_reply_before_the_call_is_not_its_answer(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "Payments.Get"},
	    {SEND, "{\"parameters\":{\"hold\":" HOLD("h") "}}"}, {SEND, PERMIT}, {ACCEPT, NULL}, {READ, "order-1"},
	    {SEND, DENY}, {STOP, NULL}};
	struct cs_decision d = {.outcome = CS_OUTCOME_PERMIT};
	struct cs_hold hold;
	struct server s;
	struct cs *cs = server_start(&s, script);
	enum cs_status first = cs_get_payment(cs, "a", "p", &hold, NULL);

	(void)state;
	/* Where the stray reply arrives together with the right one, the right one is not trusted either. */
	assert_true(first == CS_STATUS_OK || first == CS_STATUS_PROTOCOL);
	server_await(&s, 4);
	assert_int_equal(cs_authorize(cs, &payment, &d, NULL), CS_STATUS_OK);
	assert_int_equal(d.outcome, CS_OUTCOME_DENY);
	server_end(&s, cs);
}

static void
two_replies_to_one_call_are_none(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "order-1"}, {SEND_TWICE, PERMIT}, {ACCEPT, NULL},
	    {READ, "order-1"}, {SEND, DENY}, {STOP, NULL}};
	struct cs_decision d = {.outcome = CS_OUTCOME_DENY};
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	assert_int_equal(cs_authorize(cs, &payment, &d, NULL), CS_STATUS_PROTOCOL);
	assert_int_equal(d.outcome, CS_OUTCOME_DENY);
	assert_int_equal(cs_authorize(cs, &payment, &d, NULL), CS_STATUS_OK);
	assert_int_equal(d.outcome, CS_OUTCOME_DENY);
	server_end(&s, cs);
}

static void
a_broken_connection_is_asked_again_once(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "order-1"}, {SEND_PART, "{\"parameters\":{\"out"},
	    {HANG_UP, NULL}, {ACCEPT, NULL}, {READ, "order-1"}, {SEND, PERMIT}, {STOP, NULL}};
	struct cs_decision d = {.outcome = CS_OUTCOME_DENY};
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	assert_int_equal(cs_authorize(cs, &payment, &d, NULL), CS_STATUS_OK);
	assert_int_equal(d.outcome, CS_OUTCOME_PERMIT);
	assert_int_equal(s.reads, 2);
	server_end(&s, cs);
}

static void
twice_lost_is_lost(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "order-1"}, {HANG_UP, NULL}, {ACCEPT, NULL},
	    {READ, "order-1"}, {HANG_UP, NULL}, {STOP, NULL}};
	struct cs_decision d = {.outcome = CS_OUTCOME_DENY};
	struct cs_error error;
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	assert_int_equal(cs_authorize(cs, &payment, &d, &error), CS_STATUS_LOST);
	assert_non_null(strstr(error.message, "it may have acted"));
	server_end(&s, cs);
	assert_int_equal(s.reads, 2);
}

/* It was sent once: that nobody can be reached now does not mean that nothing happened. */
static void
lost_and_then_unreachable_is_lost(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "order-1"}, {UNLISTEN, NULL}, {HANG_UP, NULL},
	    {STOP, NULL}};
	struct cs_decision d = {.outcome = CS_OUTCOME_DENY};
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	assert_int_equal(cs_authorize(cs, &payment, &d, NULL), CS_STATUS_LOST);
	server_end(&s, cs);
}

/* A wrong code counts: an answer is never given twice. */
static void
an_answer_is_never_sent_twice(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "\"answers\":[{\"step\":\"s\",\"value\":\"123456\"}]"},
	    {HANG_UP, NULL}, {ACCEPT, NULL}, {READ, "StepUp.Get"}, {SEND, "{\"error\":\"org.countersign.NotFound\"}"},
	    {STOP, NULL}};
	const struct cs_answer answer = {.step = "s", .value = "123456"};
	struct cs_response r = {.reason = "untouched"};
	struct cs_prompt prompt;
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	assert_int_equal(cs_challenge_respond(cs, "chal_1", &answer, 1, &r, NULL), CS_STATUS_LOST);
	assert_string_equal(r.reason, "untouched");
	assert_int_equal(cs_challenge_get(cs, "chal_1", &prompt, NULL), CS_STATUS_NOT_FOUND);
	server_end(&s, cs);
}

/* The broker restarted while the connection rested: not even a call that may be sent only once notices. */
static void
a_restart_between_calls_is_not_noticed(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "Sessions.Close"}, {SEND, "{}"}, {HANG_UP, NULL},
	    {ACCEPT, NULL}, {READ, "Sessions.Close"}, {SEND, "{\"parameters\":{}}"}, {STOP, NULL}};
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	assert_int_equal(cs_session_close(cs, "sess_1", NULL), CS_STATUS_OK);
	server_await(&s, 4);
	assert_int_equal(cs_session_close(cs, "sess_2", NULL), CS_STATUS_OK);
	server_end(&s, cs);
}

static void
nobody_at_the_socket_is_unreachable(void **state)
{
	struct cs_decision d = {.outcome = CS_OUTCOME_DENY};
	struct cs_error error;
	struct cs *cs = NULL;

	(void)state;
	assert_int_equal(cs_open("/nonexistent/socket", &cs), CS_STATUS_OK);
	assert_int_equal(cs_authorize(cs, &payment, &d, &error), CS_STATUS_UNREACHABLE);
	assert_int_equal(error.os_error, ENOENT);
	assert_non_null(strstr(error.message, "/nonexistent/socket: No such file"));
	assert_non_null(strstr(error.message, "countersignd"));
	cs_close(cs);
	cs_close(NULL);
}

/* A broker that no longer accepts: connecting waits, but not beyond the time-out. */
static void
a_full_backlog_is_unreachable_in_time(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct server s = {.problem = ""};
	struct cs_hold hold;
	struct cs *cs = NULL;
	int waiting;

	(void)state;
	listen_at(&s);
	assert_int_equal(listen(s.listener, 0), 0);
	memcpy(at.sun_path, s.path, sizeof(s.path));
	do {
		waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	} while (connect(waiting, (struct sockaddr *)&at, sizeof(at)) == 0);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(cs_open(s.path, &cs), CS_STATUS_OK);
	assert_int_equal(cs_set_timeout(cs, 50), CS_STATUS_OK);
	assert_int_equal(cs_get_payment(cs, "a", "p", &hold, NULL), CS_STATUS_UNREACHABLE);
	cs_close(cs);
	(void)close(waiting);
	(void)close(s.listener);
	(void)unlink(s.path);
	(void)rmdir(s.dir);
}

static void
the_brokers_errors_become_statuses(void **state)
{
	static const struct {
		const char *reply;
		enum cs_status status;
		const char *field;
		int retry_ms;
	} cases[] = {
	    {"{\"error\":\"org.countersign.InvalidParameter\",\"parameters\":{\"field\":\"payment.amount\",\"reason\":"
	     "\"CNY has two digits\"}}",
	        CS_STATUS_INVALID, "payment.amount", 0},
	    {"{\"error\":\"org.countersign.NotAuthenticated\"}", CS_STATUS_NOT_AUTHENTICATED, "", 0},
	    {"{\"error\":\"org.countersign.NotPermitted\",\"parameters\":{\"right\":\"spend\"}}",
	        CS_STATUS_NOT_PERMITTED, "spend", 0},
	    {"{\"error\":\"org.countersign.NotFound\",\"parameters\":{\"what\":\"session\"}}", CS_STATUS_NOT_FOUND,
	        "session", 0},
	    {"{\"error\":\"org.countersign.Conflict\",\"parameters\":{\"what\":\"hold\"}}", CS_STATUS_CONFLICT, "hold",
	        0},
	    {"{\"error\":\"org.countersign.TooMany\",\"parameters\":{\"what\":\"calls\",\"retry_after_ms\":250}}",
	        CS_STATUS_TOO_MANY, "calls", 250},
	    {"{\"error\":\"org.countersign.Unavailable\",\"parameters\":{\"what\":\"store\",\"retry_after_ms\":-1}}",
	        CS_STATUS_UNAVAILABLE, "store", 0},
	    {"{\"error\":\"org.example.Odd\"}", CS_STATUS_ERROR, "", 0},
	    {"{\"error\":\"org.countersign.NotFound\",\"parameters\":{\"what\":\"\\u001b[2J\"}}", CS_STATUS_NOT_FOUND,
	        "?[2J", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct line script[] = {{ACCEPT, NULL}, {READ, "Authorize"}, {SEND, cases[i].reply}, {STOP, NULL}};
		struct cs_decision d = {.outcome = CS_OUTCOME_DENY};
		struct cs_error error;
		struct server s;
		struct cs *cs = server_start(&s, script);

		assert_int_equal(cs_authorize(cs, &payment, &d, &error), cases[i].status);
		assert_string_equal(error.field, cases[i].field);
		assert_int_equal(error.retry_after_ms, cases[i].retry_ms);
		assert_true(strncmp(error.name, "org.", 4) == 0);
		assert_null(strchr(error.message, '\033'));
		server_end(&s, cs);
	}
}

static void
bad_arguments_send_nothing(void **state)
{
	static char long_id[CS_ID_MAX + 2];
	struct cs_decision d = {.outcome = CS_OUTCOME_DENY};
	struct cs_payment p = payment;
	struct cs_session session;
	struct cs_error error;
	struct cs *cs = NULL;

	(void)state;
	memset(long_id, 'x', CS_ID_MAX + 1);
	assert_int_equal(cs_open("", &cs), CS_STATUS_ARGUMENT);
	assert_int_equal(cs_open("/nonexistent/socket", &cs), CS_STATUS_OK);
	assert_int_equal(cs_set_timeout(cs, 0), CS_STATUS_ARGUMENT);
	assert_int_equal(cs_authorize(NULL, &payment, &d, &error), CS_STATUS_ARGUMENT);
	assert_int_equal(cs_authorize(cs, NULL, &d, &error), CS_STATUS_ARGUMENT);
	assert_int_equal(cs_authorize(cs, &payment, NULL, &error), CS_STATUS_ARGUMENT);
	p.id = NULL;
	assert_int_equal(cs_authorize(cs, &p, &d, &error), CS_STATUS_ARGUMENT);
	assert_string_equal(error.field, "id");
	p.id = long_id;
	assert_int_equal(cs_authorize(cs, &p, &d, &error), CS_STATUS_ARGUMENT);
	p = payment;
	p.payee_name = "two\nlines";
	assert_int_equal(cs_authorize(cs, &p, &d, &error), CS_STATUS_ARGUMENT);
	assert_string_equal(error.field, "name");
	p.payee_name = "\xc3\x28";
	assert_int_equal(cs_authorize(cs, &p, &d, &error), CS_STATUS_ARGUMENT);
	assert_int_equal(cs_session_open(cs, "s", "token", "code", &session, &error), CS_STATUS_ARGUMENT);
	assert_int_equal(cs_session_open(cs, "s", NULL, NULL, &session, &error), CS_STATUS_ARGUMENT);
	cs_close(cs);
}

static void
look_ups_give_every_link(void **state)
{
#define ENTRY(id) "{\"link\":\"" id "\",\"account\":\"a\",\"provider\":\"apple\",\"state\":\"active\",\"since\":\"x\"}"
	static const struct line script[] = {{ACCEPT, NULL},
	    {READ, "{\"provider\":\"apple\",\"subject\":\"s-1\"}"}, {SEND, "{\"parameters\":{\"entry\":" ENTRY("l1") "}}"},
	    {READ, "Lookup.ByAccount"},
	    {SEND, "{\"parameters\":{\"account\":\"a\",\"state\":\"open\",\"later\":[1,{}],\"entries\":[" ENTRY("l1") ","
	        ENTRY("l2") "]}}"}, {STOP, NULL}};
	struct cs_account account;
	struct cs_link link;
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	assert_int_equal(cs_lookup_subject(cs, "apple", NULL, "s-1", &link, NULL), CS_STATUS_OK);
	assert_string_equal(link.id, "l1");
	assert_int_equal(cs_lookup_account(cs, "a", &account, NULL), CS_STATUS_OK);
	assert_int_equal(account.link_count, 2);
	assert_string_equal(account.links[1].id, "l2");
	server_end(&s, cs);
}

#define STATE(more, state) "{" more "\"parameters\":{\"state\":\"" state "\"}}"

static void
a_wait_outlives_the_handles_time_out_and_a_restart(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "\"more\":true"},
	    {SEND, STATE("\"continues\":true,", "open")}, {HANG_UP, NULL}, {ACCEPT, NULL}, {READ, "StepUp.Watch"},
	    {SEND_SLOWLY, STATE("\"continues\":true,", "open")}, {SEND, STATE("", "done")}, {STOP, NULL}};
	enum cs_challenge_state got = CS_CHALLENGE_OPEN;
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	assert_int_equal(cs_set_timeout(cs, 1), CS_STATUS_OK);
	assert_int_equal(cs_challenge_wait(cs, "chal_1", 10000, &got, NULL), CS_STATUS_OK);
	assert_int_equal(got, CS_CHALLENGE_DONE);
	server_end(&s, cs);
}

static void
a_wait_ends_in_time(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "StepUp.Watch"},
	    {SEND, STATE("\"continues\":true,", "open")}, {AWAIT_EOF, NULL}, {STOP, NULL}};
	enum cs_challenge_state got = CS_CHALLENGE_REFUSED;
	struct server s;
	struct cs *cs = server_start(&s, script);

	(void)state;
	assert_int_equal(cs_challenge_wait(cs, "chal_1", 50, &got, NULL), CS_STATUS_TIMEOUT);
	assert_int_equal(got, CS_CHALLENGE_REFUSED);
	server_end(&s, cs);
}

static void
any_method_can_be_called(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL},
	    {READ, "{\"method\":\"org.x.Do\",\"parameters\":{ \"a\" : [1, \"\\u00e9\"] }}"},
	    {SEND, "{\"parameters\":{\"b\":\"\\n\",\"c\":[]}}"}, {READ, "{\"method\":\"org.x.Do\",\"parameters\":{}}"},
	    {SEND, "{\"parameters\":{\"long\":\"0123456789\"}}"}, {STOP, NULL}};
	static const char *const bad[] = {"", "[]", "{", "1", "{},\"more\":true", "{}{}", "{\"a\":1,\"a\":2}"};
	struct server s;
	char reply[20];
	size_t len = 0;
	struct cs *cs = server_start(&s, script);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cs_call(cs, "org.x.Do", bad[i], reply, sizeof(reply), &len, NULL), CS_STATUS_ARGUMENT);
	assert_int_equal(cs_call(cs, "Do", NULL, reply, sizeof(reply), &len, NULL), CS_STATUS_ARGUMENT);
	assert_int_equal(
	    cs_call(cs, "org.x.Do", "{ \"a\" : [1, \"\\u00e9\"] }", reply, sizeof(reply), &len, NULL), CS_STATUS_OK);
	assert_string_equal(reply, "{\"b\":\"\\n\",\"c\":[]}");
	assert_int_equal(len, strlen(reply));
	assert_int_equal(cs_call(cs, "org.x.Do", NULL, reply, sizeof(reply), &len, NULL), CS_STATUS_TOO_BIG);
	server_end(&s, cs);
}

static void
ignore(int number)
{
	(void)number;
}

static void
signals_do_not_disturb(void **state)
{
	static const struct line script[] = {{ACCEPT, NULL}, {READ, "order-1"}, {SEND_SLOWLY, PERMIT}, {STOP, NULL}};
	const struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
	struct sigaction act = {.sa_handler = ignore}, old;
	struct cs_decision d = {.outcome = CS_OUTCOME_DENY};
	struct server s;
	struct cs *cs = server_start(&s, script);
	enum cs_status status;

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &act, &old), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	status = cs_authorize(cs, &payment, &d, NULL);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
	assert_int_equal(status, CS_STATUS_OK);
	assert_int_equal(d.outcome, CS_OUTCOME_PERMIT);
	server_end(&s, cs);
}

enum { THREADS = 8, CALLS = 50 };

/* Answers Payments.Get with a hold whose id is the payment's, one call a connection at a time. */
static void *
serve_echo(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->listener, NULL, NULL);

	for (int i = 0; i < THREADS * CALLS; i++) {
		char text[512], reply[512], *id;
		size_t have = 0;

		while (have < sizeof(text) - 1 && recv(fd, text + have, 1, 0) == 1 && text[have] != '\0')
			have++;
		text[have] = '\0';
		id = strstr(text, "\"payment\":\"");
		if (id == NULL)
			break;
		id += strlen("\"payment\":\"");
		id[strcspn(id, "\"")] = '\0';
		(void)snprintf(reply, sizeof(reply),
		    "{\"parameters\":{\"hold\":{\"id\":\"%s\",\"state\":\"open\",\"expires_at\":\"x\",\"amount\":\"1\","
		    "\"currency\":\"CNY\"}}}", id);
		send_all(fd, reply, strlen(reply) + 1, 7);
	}
	(void)close(fd);
	(void)close(s->listener);
	return NULL;
}

struct caller {
	struct cs *cs;
	int number, wrong;
};

static void *
ask_often(void *arg)
{
	struct caller *c = arg;

	for (int i = 0; i < CALLS; i++) {
		struct cs_hold hold = {.id = ""};
		char id[32];

		(void)snprintf(id, sizeof(id), "p-%d-%d", c->number, i);
		if (cs_get_payment(c->cs, "a", id, &hold, NULL) != CS_STATUS_OK || strcmp(hold.id, id) != 0)
			c->wrong++;
	}
	return NULL;
}

static void
threads_share_a_handle(void **state)
{
	struct caller callers[THREADS];
	pthread_t threads[THREADS];
	struct server s = {.problem = ""};
	struct cs *cs = NULL;

	(void)state;
	listen_at(&s);
	assert_int_equal(pthread_create(&s.thread, NULL, serve_echo, &s), 0);
	assert_int_equal(cs_open(s.path, &cs), CS_STATUS_OK);
	(void)cs_set_timeout(cs, 60000);
	for (int i = 0; i < THREADS; i++) {
		callers[i] = (struct caller){cs, i, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &callers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_int_equal(callers[i].wrong, 0);
	}
	server_end(&s, cs);
}

static void
every_status_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i <= CS_STATUS_ERROR; i++)
		assert_string_not_equal(cs_status_name((enum cs_status)i), "unknown");
	assert_string_equal(cs_status_name((enum cs_status)(CS_STATUS_ERROR + 1)), "unknown");
	assert_true(strlen(cs_version()) >= 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_permit_comes_with_its_hold),
	    cmocka_unit_test(a_denial_is_an_answer_with_its_detail),
	    cmocka_unit_test(what_is_no_answer_never_permits),
	    cmocka_unit_test(a_reply_beyond_every_bound_is_refused),
	    cmocka_unit_test(a_reply_after_the_time_out_is_not_anothers),
	    cmocka_unit_test(a_reply_before_the_call_is_not_its_answer),
	    cmocka_unit_test(two_replies_to_one_call_are_none),
	    cmocka_unit_test(a_broken_connection_is_asked_again_once),
	    cmocka_unit_test(twice_lost_is_lost),
	    cmocka_unit_test(lost_and_then_unreachable_is_lost),
	    cmocka_unit_test(an_answer_is_never_sent_twice),
	    cmocka_unit_test(a_restart_between_calls_is_not_noticed),
	    cmocka_unit_test(nobody_at_the_socket_is_unreachable),
	    cmocka_unit_test(a_full_backlog_is_unreachable_in_time),
	    cmocka_unit_test(the_brokers_errors_become_statuses),
	    cmocka_unit_test(bad_arguments_send_nothing),
	    cmocka_unit_test(look_ups_give_every_link),
	    cmocka_unit_test(a_wait_outlives_the_handles_time_out_and_a_restart),
	    cmocka_unit_test(a_wait_ends_in_time),
	    cmocka_unit_test(any_method_can_be_called),
	    cmocka_unit_test(signals_do_not_disturb),
	    cmocka_unit_test(threads_share_a_handle),
	    cmocka_unit_test(every_status_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
