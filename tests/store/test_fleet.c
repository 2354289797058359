/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet over real redis-servers and over one that lies. What is held: nothing that was not fenced is ever CS_OK, what
 * was surely not executed is never UNKNOWN, what may have been is never UNAVAILABLE, and nothing hangs.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/store/redis/slots.h"
#include "tests/store/fleet_world.h"
#include "tests/store/redis_server.h"

enum { SOON_MS = 6000, SHORT_TIMEOUT_MS = 300 };

static const char durable[] = "appendonly yes\nappendfsync always\nrepl-diskless-sync-delay 0\n";
static struct process servers[7];

static struct fleet_address
at_socket(const struct process *p)
{
	struct fleet_address a;

	snprintf(a.text, sizeof(a.text), "unix:%.110s/s", p->dir);
	return a;
}

static struct fleet_address
at_port(const struct process *p)
{
	struct fleet_address a;

	snprintf(a.text, sizeof(a.text), "127.0.0.1:%d", p->port);
	return a;
}

static int
world_clean(void **state)
{
	(void)state;
	processes_end();
	memset(servers, 0, sizeof(servers));
	return 0;
}

static struct fleet_owner_status
first_owner(const struct world *w)
{
	struct fleet_owner_status s[8];

	assert_true(fleet_owners(w->fleet, s, 8) >= 1);
	return s[0];
}

/* ---- one server ---- */

static void
one_server_answers(void **state)
{
	static const char *const texts[] = {"return redis.call('INCRBY', KEYS[1], ARGV[1])"};
	struct fleet_address a;
	struct world w;
	struct answer answer;
	char key[40];
	struct view keys[1], args[1] = {VIEW("5")};

	(void)state;
	process_start(&servers[0], durable);
	a = at_socket(&servers[0]);
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1, .scripts = texts, .scripts_n = 1});
	assert_null(fleet_tenure(w.fleet, 3));
	assert_int_equal(fleet_time_us(w.fleet, 3), -1);
	assert_int_equal(world_do(&w, 3, 0, "INCR %k", &answer), CS_OK); /* asked before there is a connection */
	assert_int_equal(answer.integer, 1);
	assert_string_equal(answer.tenure, fleet_tenure(w.fleet, 3));
	assert_true(llabs(first_owner(&w).clock_ms) < 1000);
	assert_true(first_owner(&w).durable);
	assert_true(fleet_time_us(w.fleet, 3) > 0);

	snprintf(key, sizeof(key), "t{%s}test", slots_tag(3));
	keys[0] = view_str(key);
	for (int i = 0; i < 2; i++) {
		memset(&answer, 0, sizeof(answer));
		fleet_script(w.fleet, 3, 0, keys, 1, args, 1, 0, answer_take, &answer);
		world_wait(&w, &answer);
		assert_int_equal(answer.err, CS_OK);
		assert_int_equal(answer.integer, 6 + 5 * i);
		cli(&servers[0], "script flush"); /* the second time it is loaded again */
	}
	assert_int_equal(world_do(&w, 3, 0, "HSET %k a b", &answer), CS_ERR_CORRUPT);
	assert_non_null(strstr(answer.text, "WRONGTYPE"));
	world_end(&w);
}

/* What is asked together goes in one write; what is asked meanwhile gathers; one bucket's asks keep their order. */
static void
many_asks_are_few_batches(void **state)
{
	enum { MANY = 2000 };
	static struct answer answers[MANY];
	struct fleet_address a;
	struct world w;
	uint64_t before;

	(void)state;
	process_start(&servers[0], durable);
	a = at_socket(&servers[0]);
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1, .timeout_ms = 10000});
	assert_true(world_ready(&w, SOON_MS, NULL));
	before = first_owner(&w).batches;
	for (unsigned i = 0; i < MANY; i++) {
		world_ask(&w, i % 7, 0, "INCR %k", &answers[i]);
		if (i % 500 == 499)
			fleet_flush(w.fleet);
	}
	for (unsigned i = 0; i < MANY; i++) {
		world_wait(&w, &answers[i]);
		assert_int_equal(answers[i].err, CS_OK);
		assert_int_equal(answers[i].integer, 1 + i / 7);
	}
	print_message("%d asks in %llu batches\n", MANY, (unsigned long long)(first_owner(&w).batches - before));
	assert_true(first_owner(&w).batches - before <= 8);
	world_end(&w);
}

static void
a_server_that_died_is_another_tenure(void **state)
{
	struct fleet_address a;
	struct world w;
	struct answer early, again, read, bound, any;
	char tenure[FLEET_TENURE_TEXT];

	(void)state;
	process_start(&servers[0], durable);
	a = at_socket(&servers[0]);
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1, .timeout_ms = 3000});
	assert_true(world_ready(&w, SOON_MS, NULL));
	snprintf(tenure, sizeof(tenure), "%s", fleet_tenure(w.fleet, 0));
	assert_int_equal(world_do(&w, 0, 0, "INCR %k", NULL), CS_OK);
	/* In flight when it dies: it does not answer any more. */
	process_signal(&servers[0], SIGSTOP);
	world_ask(&w, 0, 0, "INCR %k", &early);
	world_ask(&w, 1, FLEET_AGAIN | FLEET_ANY_TENURE, "SET %k x", &again);
	world_ask(&w, 2, FLEET_READS, "GET %k", &read);
	fleet_flush(w.fleet);
	world_turn(&w);
	process_kill(&servers[0]);
	world_wait(&w, &early);
	assert_int_equal(early.err, CS_ERR_UNKNOWN);
	world_ask(&w, 0, 0, "INCR %k", &bound);
	world_ask(&w, 3, FLEET_ANY_TENURE, "INCR %k", &any);
	fleet_flush(w.fleet);
	unlink(a.text + 5);
	process_again(&servers[0]);
	world_wait(&w, &again);
	assert_int_equal(again.err, CS_OK);
	assert_string_not_equal(again.tenure, tenure);
	world_wait(&w, &read);
	assert_int_equal(read.err, CS_ERR_UNAVAILABLE); /* bound to the old one */
	world_wait(&w, &bound);
	assert_int_equal(bound.err, CS_ERR_UNAVAILABLE);
	world_wait(&w, &any);
	assert_int_equal(any.err, CS_OK);
	assert_string_equal(fleet_tenure(w.fleet, 0), any.tenure);
	assert_int_equal(world_do(&w, 0, 0, "GET %k", &early), CS_OK);
	assert_string_equal(early.text, "1");
	world_end(&w);
}

/* What the kernel did not take was surely not executed: it is sent again, though nobody said that it may be. */
static void
what_was_not_sent_is_sent_again(void **state)
{
	enum { BIG = 3 * 1024 * 1024 }; /* more than a Unix socket holds */
	static char big[BIG];
	struct fleet_address a;
	struct world w;
	struct answer sent, half = {0}, unsent;
	char key[64];

	(void)state;
	process_start(&servers[0], durable);
	a = at_socket(&servers[0]);
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1, .timeout_ms = 5000});
	assert_true(world_ready(&w, SOON_MS, NULL));
	process_signal(&servers[0], SIGSTOP);
	world_ask(&w, 0, FLEET_ANY_TENURE, "INCR %k", &sent);
	memset(big, 'x', sizeof(big));
	snprintf(key, sizeof(key), "t{%s}test", slots_tag(1));
	fleet_ask(w.fleet, 1, (struct view[]){VIEW("SET"), view_str(key), view_of(big, sizeof(big))}, 3, FLEET_ANY_TENURE, answer_take, &half);
	world_ask(&w, 2, FLEET_ANY_TENURE, "INCR %k", &unsent);
	fleet_flush(w.fleet);
	process_kill(&servers[0]);
	unlink(a.text + 5);
	process_again(&servers[0]);
	world_wait(&w, &sent);
	world_wait(&w, &half);
	world_wait(&w, &unsent);
	assert_int_equal(sent.err, CS_ERR_UNKNOWN);
	assert_int_equal(half.err, CS_OK);
	assert_int_equal(unsent.err, CS_OK);
	assert_int_equal(unsent.integer, 1);
	world_end(&w);
}

/* A server that is stopped: what it has got is UNKNOWN, what it has not is UNAVAILABLE, all within the time-out. */
static void
silence_ends_in_time(void **state)
{
	struct fleet_address a;
	struct world w;
	struct answer sent, after[12];
	int64_t began;

	(void)state;
	process_start(&servers[0], durable);
	a = at_socket(&servers[0]);
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1, .timeout_ms = SHORT_TIMEOUT_MS});
	assert_true(world_ready(&w, SOON_MS, NULL));
	process_signal(&servers[0], SIGSTOP);
	began = now_ms();
	world_ask(&w, 0, 0, "INCR %k", &sent);
	fleet_flush(w.fleet);
	for (unsigned i = 0; i < 12; i++)
		world_ask(&w, 0, 0, "INCR %k", &after[i]); /* the same bucket: they wait for it */
	world_wait(&w, &sent);
	assert_int_equal(sent.err, CS_ERR_UNKNOWN);
	for (unsigned i = 0; i < 12; i++) {
		world_wait(&w, &after[i]);
		assert_int_equal(after[i].err, CS_ERR_UNAVAILABLE);
	}
	assert_true(now_ms() - began < 10 * SHORT_TIMEOUT_MS);
	process_signal(&servers[0], SIGCONT);
	assert_true(world_ready(&w, SOON_MS, NULL));
	assert_int_equal(world_do(&w, 0, 0, "INCR %k", &sent), CS_OK);
	assert_true(sent.integer <= 2); /* that which was UNKNOWN, and this */
	world_end(&w);
}

static void
freeing_ends_all(void **state)
{
	struct fleet_address a = {.text = "unix:/nonexistent/socket"};
	struct world w;
	struct answer waiting = {0}, flying = {0};

	(void)state;
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1});
	assert_true(world_says(&w, "No such file", SOON_MS));
	world_ask(&w, 0, 0, "INCR %k", &waiting);
	world_turn(&w);
	world_end(&w);
	assert_int_equal(waiting.calls, 1);
	assert_int_equal(waiting.err, CS_ERR_UNAVAILABLE);

	process_start(&servers[0], durable);
	a = at_socket(&servers[0]);
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1});
	assert_true(world_ready(&w, SOON_MS, NULL));
	process_signal(&servers[0], SIGSTOP);
	world_ask(&w, 0, 0, "INCR %k", &flying);
	fleet_flush(w.fleet);
	world_end(&w);
	assert_int_equal(flying.calls, 1);
	assert_int_equal(flying.err, CS_ERR_UNKNOWN);
}

/* ---- what is refused ---- */

static void
refused(const char *settings, const char *words, const struct fleet_options *with)
{
	struct fleet_options o = *with;
	struct fleet_address a;
	struct world w;

	process_start(&servers[0], settings);
	a = at_socket(&servers[0]);
	o.mode = FLEET_SINGLE;
	o.servers = &a;
	o.servers_n = 1;
	world_begin(&w, &o);
	if (words == NULL) {
		char why[FLEET_WHY_TEXT];

		if (!world_ready(&w, SOON_MS, why))
			fail_msg("%s: %s", settings, why);
		assert_int_equal(world_do(&w, 0, 0, "INCR %k", NULL), CS_OK);
	} else {
		if (!world_says(&w, words, SOON_MS))
			fail_msg("not refused with \"%s\": %s", words, settings);
		assert_int_equal(world_do(&w, 0, 0, "INCR %k", NULL), CS_ERR_DENIED);
		assert_int_equal(first_owner(&w).state, FLEET_OWNER_REFUSED);
	}
	world_end(&w);
	processes_end();
}

static const char *
secret_file(const char *name, const char *text)
{
	static char path[2][300];
	static int turn;
	FILE *f;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", scratch(), name);
	f = fopen(path[turn], "w");
	assert_non_null(f);
	fprintf(f, "%s\n", text);
	fclose(f);
	shell("chmod 600 %s", path[turn]);
	return path[turn];
}

static void
servers_that_would_forget_are_refused(void **state)
{
	const struct fleet_options strict = {0}, weak_fsync = {.weaker_fsync = true}, none = {.weaker_persistence = true};

	(void)state;
	refused("appendonly no\n", "appendonly", &strict);
	refused("appendonly no\n", NULL, &none);
	refused("appendonly yes\nappendfsync everysec\n", "appendfsync is everysec", &strict);
	refused("appendonly yes\nappendfsync everysec\n", NULL, &weak_fsync);
	refused("appendonly yes\nappendfsync no\n", "appendfsync is no", &weak_fsync);
	refused("appendonly yes\nappendfsync always\nno-appendfsync-on-rewrite yes\n", "no-appendfsync-on-rewrite", &strict);
	refused("appendonly yes\nappendfsync always\nmaxmemory-policy allkeys-lru\n", "noeviction", &none);
	refused("appendonly yes\nappendfsync always\ncluster-enabled yes\n", "cluster", &strict);
	refused("appendonly yes\nappendfsync always\nreplicaof 127.0.0.1 1\n", "replica of 127.0.0.1", &strict);
}

static void
rights_are_named(void **state)
{
	char settings[1200];
	struct fleet_options o = {.user = "broker"};

	(void)state;
	o.password_file = secret_file("p1", "wrong");
	snprintf(settings, sizeof(settings), "%suser broker on >right ~t{* %s\nuser default off ~* &* +@all\n", durable, fleet_acl_rules());
	refused(settings, "password-file", &o);
	o.password_file = secret_file("p2", "right");
	refused(settings, NULL, &o);
	o.password_file = secret_file("p3", "right");
	snprintf(settings, sizeof(settings), "%suser broker on >right ~t{* %s -config|get\nuser default off ~* &* +@all\n", durable, fleet_acl_rules());
	refused(settings, "config|get", &o);
	/* A server that would pass over its own file at its next start. */
	o.password_file = secret_file("p4", "right");
	snprintf(settings, sizeof(settings), "%suser broker on >right ~t{* %s\nuser default off\n", durable, fleet_acl_rules());
	refused(settings, "user default off ~* &* +@all", &o);
	o = (struct fleet_options){0};
	snprintf(settings, sizeof(settings), "%srequirepass secret\n", durable);
	refused(settings, "password-file", &o);
}

static void
full_memory_is_said_and_reads_go_on(void **state)
{
	struct fleet_address a;
	struct world w;
	struct answer answer;

	(void)state;
	process_start(&servers[0], durable);
	a = at_socket(&servers[0]);
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1});
	assert_int_equal(world_do(&w, 0, 0, "SET %k here", NULL), CS_OK);
	cli(&servers[0], "config set maxmemory 1");
	assert_int_equal(world_do(&w, 0, 0, "SET %k there", NULL), CS_ERR_FULL);
	assert_int_equal(world_do(&w, 0, FLEET_READS, "GET %k", &answer), CS_OK);
	assert_string_equal(answer.text, "here");
	world_end(&w);
}

/* ---- TLS ---- */

static void
tls_names_and_certificates_are_checked(void **state)
{
	char settings[1600], ca[300], cert[300], key[300], other[300];
	struct fleet_options o = {.mode = FLEET_SINGLE, .tls = true, .ca_file = ca, .certificate_file = cert, .key_file = key};
	struct fleet_address a;
	struct world w;
	int port = port_free();

	(void)state;
	shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2 && "
	      "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout s.key -out s.csr -subj /CN=server && "
	      "printf 'subjectAltName=IP:127.0.0.1,DNS:redis.example' > ext && "
	      "openssl x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out s.pem -days 2 -extfile ext && "
	      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout o.key -out o.pem -subj /CN=other -days 2 && chmod 600 *.key");
	snprintf(ca, sizeof(ca), "%s/ca.pem", scratch());
	snprintf(cert, sizeof(cert), "%s/s.pem", scratch());
	snprintf(key, sizeof(key), "%s/s.key", scratch());
	snprintf(other, sizeof(other), "%s/o.pem", scratch());
	snprintf(settings, sizeof(settings), "%stls-port %d\ntls-cert-file %s\ntls-key-file %s\ntls-ca-cert-file %s\ntls-auth-clients yes\n", durable,
	    port, cert, key, ca);
	process_start(&servers[0], settings);
	snprintf(a.text, sizeof(a.text), "127.0.0.1:%d", port);
	o.servers = &a;
	o.servers_n = 1;
	world_begin(&w, &o);
	assert_int_equal(world_do(&w, 0, 0, "INCR %k", NULL), CS_OK);
	world_end(&w);
	o.server_name = "redis.example";
	world_begin(&w, &o);
	assert_int_equal(world_do(&w, 0, 0, "INCR %k", NULL), CS_OK);
	world_end(&w);
	o.server_name = "other.example";
	world_begin(&w, &o);
	assert_true(world_says(&w, "certificate is not accepted", SOON_MS));
	world_end(&w);
	o.server_name = NULL;
	o.ca_file = other;
	world_begin(&w, &o);
	assert_true(world_says(&w, "certificate is not accepted", SOON_MS));
	world_end(&w);
	o.ca_file = ca;
	o.certificate_file = o.key_file = NULL;
	world_begin(&w, &o);
	assert_true(world_says(&w, "certificate required", SOON_MS));
	world_end(&w);
	/* A name that has to be resolved, and a server that does not speak TLS. */
	o.tls = false;
	snprintf(a.text, sizeof(a.text), "localhost:%d", port);
	world_begin(&w, &o);
	assert_int_equal(world_do(&w, 0, 0, "INCR %k", NULL), CS_ERR_UNAVAILABLE);
	world_end(&w);
}

/* ---- replicas ---- */

static void
replica_begin(int n)
{
	char settings[300];

	servers[0].port = port_free();
	process_start(&servers[0], durable);
	for (int i = 1; i <= n; i++) {
		servers[i].port = port_free();
		snprintf(settings, sizeof(settings), "%sreplicaof 127.0.0.1 %d\n", durable, servers[0].port);
		process_start(&servers[i], settings);
	}
}

static void
no_acknowledgement_no_success(void **state)
{
	struct fleet_address a;
	struct world w;
	struct answer unknown, held_back, reading;

	(void)state;
	replica_begin(1);
	a = at_port(&servers[0]);
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1, .replicas = 1, .timeout_ms = 600});
	assert_true(world_ready(&w, SOON_MS, NULL));
	assert_int_equal(world_do(&w, 0, 0, "INCR %k", NULL), CS_OK);
	assert_int_equal(world_do(&w, 1, FLEET_READS, "GET %k", NULL), CS_OK);
	process_signal(&servers[1], SIGSTOP);
	world_ask(&w, 1, FLEET_READS, "GET %k", &reading); /* it alone: the fence's own write is what nobody acknowledges */
	world_ask(&w, 0, 0, "INCR %k", &unknown);
	world_wait(&w, &unknown);
	assert_int_equal(unknown.err, CS_ERR_UNKNOWN);
	world_wait(&w, &reading);
	assert_int_equal(reading.err, CS_ERR_UNAVAILABLE);
	assert_int_equal(first_owner(&w).state, FLEET_OWNER_SHORT);
	/* From now on nothing is even sent. */
	assert_int_equal(world_do(&w, 0, 0, "INCR %k", &held_back), CS_ERR_UNAVAILABLE);
	assert_int_equal(world_do(&w, 0, FLEET_UNFENCED | FLEET_READS, "GET %k", &reading), CS_OK);
	assert_string_equal(reading.text, "2");
	process_signal(&servers[1], SIGCONT);
	assert_true(world_ready(&w, SOON_MS, NULL));
	assert_int_equal(world_do(&w, 0, 0, "INCR %k", &unknown), CS_OK);
	assert_int_equal(unknown.integer, 3);
	/* Without memory reads are still fenced, by a key that is there. */
	cli(&servers[0], "config set maxmemory 1");
	assert_int_equal(world_do(&w, 0, FLEET_READS, "GET %k", &reading), CS_OK);
	assert_string_equal(reading.text, "3");
	world_end(&w);
}

/* A master that is made a replica, and one that gets another history without being restarted. */
static void
a_deposed_master_is_not_believed(void **state)
{
	struct fleet_address a;
	struct world w;
	struct answer answer;
	char tenure[FLEET_TENURE_TEXT];

	(void)state;
	replica_begin(0);
	a = at_port(&servers[0]);
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1, .timeout_ms = 1000});
	assert_int_equal(world_do(&w, 0, 0, "INCR %k", &answer), CS_OK);
	snprintf(tenure, sizeof(tenure), "%s", answer.tenure);
	cli(&servers[0], "replicaof 127.0.0.1 1");
	cli(&servers[0], "replicaof no one"); /* nothing was lost, but that is not known: a new history */
	assert_int_not_equal(world_do(&w, 0, 0, "INCR %k", &answer), CS_OK);
	assert_true(world_ready(&w, SOON_MS, NULL));
	assert_int_equal(world_do(&w, 0, 0, "INCR %k", &answer), CS_OK);
	assert_string_not_equal(answer.tenure, tenure);
	cli(&servers[0], "replicaof 127.0.0.1 1");
	assert_int_not_equal(world_do(&w, 0, FLEET_READS, "GET %k", &answer), CS_OK);
	assert_true(world_says(&w, "replica", SOON_MS));
	world_end(&w);
}

/* ---- a server that is slow ---- */

/* How much more time has passed for this process than did: a test lets it pass without waiting. */
static int64_t ahead_ms;

int
clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = (int)syscall(SYS_clock_gettime, id, t);

	if (id == CLOCK_MONOTONIC)
		t->tv_sec += ahead_ms / 1000;
	return rc;
}

/* Each of its answers takes longer than half of the time-out, so the batch takes longer than all of it. */
static void
who_answers_slowly_is_not_hung_up_on(void **state)
{
	enum { TIMEOUT_MS = 60000, SLOW_MS = 40000, ASKS = 3 };
	static struct liar liar;
	struct fleet_address a;
	struct world w;
	struct answer answers[ASKS];

	(void)state;
	liar_start(&liar);
	snprintf(a.text, sizeof(a.text), "unix:%.110s", liar.socket);
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1, .timeout_ms = TIMEOUT_MS});
	assert_true(world_ready(&w, SOON_MS, NULL));
	*liar.lie = LIE_WAITS;
	for (int i = 0; i < ASKS; i++)
		world_ask(&w, 0, FLEET_UNFENCED | FLEET_READS, "GET %k", &answers[i]);
	fleet_flush(w.fleet);
	for (int64_t until = now_ms() + SOON_MS; *liar.begun == 0; world_turn(&w))
		assert_true(now_ms() < until);
	ahead_ms += SLOW_MS;
	*liar.allowed = 1;
	world_wait(&w, &answers[0]);
	assert_int_equal(answers[0].err, CS_OK);
	/* Now the batch is as old as nobody may be who says nothing. Whose time is over is told so. */
	ahead_ms += SLOW_MS;
	for (int i = 1; i < ASKS; i++) {
		world_wait(&w, &answers[i]);
		assert_int_equal(answers[i].err, CS_ERR_UNAVAILABLE);
	}
	assert_int_equal(first_owner(&w).connections, 1);
	assert_int_equal(first_owner(&w).state, FLEET_OWNER_READY);
	/* And behind the answers that nobody waits for any more come others. */
	*liar.allowed = 2 * ASKS;
	assert_int_equal(world_do(&w, 0, FLEET_UNFENCED | FLEET_READS, "GET %k", &answers[0]), CS_OK);
	world_end(&w);
	kill(liar.pid, SIGKILL);
	waitpid(liar.pid, NULL, 0);
}

/* ---- a server that lies ---- */

static void
an_honest_server_is_believed(void **state)
{
	static struct liar liar;
	struct fleet_address a;
	struct world w;
	struct answer answer;

	(void)state;
	liar_start(&liar);
	snprintf(a.text, sizeof(a.text), "unix:%.110s", liar.socket);
	*liar.lie = LIE_BYTE_BY_BYTE;
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1, .replicas = 1, .timeout_ms = 5000});
	assert_int_equal(world_do(&w, 0, 0, "INCR %k", &answer), CS_OK);
	*liar.lie = LIE_NONE;
	assert_int_equal(world_do(&w, 0, FLEET_READS, "GET %k", &answer), CS_OK);
	assert_int_equal(*liar.executed, 1);
	world_end(&w);
	kill(liar.pid, SIGKILL);
	waitpid(liar.pid, NULL, 0);
}

/* A write and a read in one batch. */
static void
lies_are_never_success(void **state)
{
	static struct liar liar;
	struct fleet_address a;
	struct world w;
	struct answer write, read;

	(void)state;
	liar_start(&liar);
	snprintf(a.text, sizeof(a.text), "unix:%.110s", liar.socket);
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SINGLE, .servers = &a, .servers_n = 1, .replicas = 1, .timeout_ms = SHORT_TIMEOUT_MS});
	for (int lie = LIE_GARBAGE; lie < LIE__COUNT; lie++) {
		/* These say that it was not executed, so it may be sent again; else it is executed once at most, and then nobody knows. */
		bool not_executed = lie == LIE_MOVED || lie == LIE_ASK || lie == LIE_READONLY;
		int64_t began;
		long before;

		*liar.lie = LIE_NONE;
		if (!world_ready(&w, SOON_MS, NULL))
			fail_msg("lie %d: it does not recover from the one before", lie);
		before = *liar.executed;
		*liar.lie = lie;
		began = now_ms();
		world_ask(&w, 0, 0, "INCR %k", &write);
		world_ask(&w, 1, FLEET_READS, "GET %k", &read);
		world_wait(&w, &write);
		world_wait(&w, &read);
		if (write.err != (not_executed ? CS_ERR_UNAVAILABLE : CS_ERR_UNKNOWN))
			fail_msg("lie %d, write: %s", lie, cs_err_name(write.err));
		if (read.err != CS_ERR_UNAVAILABLE)
			fail_msg("lie %d, read: %s", lie, cs_err_name(read.err));
		if (!not_executed && *liar.executed - before > 1)
			fail_msg("lie %d: executed %ld times", lie, *liar.executed - before);
		if (now_ms() - began > 10 * SHORT_TIMEOUT_MS)
			fail_msg("lie %d took %lld ms", lie, (long long)(now_ms() - began));
	}
	world_end(&w);
	kill(liar.pid, SIGKILL);
	waitpid(liar.pid, NULL, 0);
}

/* ---- Sentinel ---- */

static void
sentinels_are_followed(void **state)
{
	struct fleet_address a[3];
	struct world w;
	struct answer answer;
	char tenure[FLEET_TENURE_TEXT];

	(void)state;
	replica_begin(1);
	for (int i = 0; i < 3; i++) {
		servers[2 + i].port = port_free();
		/* A sentinel is redis-server in another role, and writes into its own file. */
		shell("mkdir s%d && printf 'port %d\\nbind 127.0.0.1\\ndir %s/s%d\\nlogfile log\\n%s' > s%d/s.conf", i, servers[2 + i].port, scratch(), i,
		    "sentinel monitor main 127.0.0.1 ", i);
		shell("printf '%d 2\\nsentinel down-after-milliseconds main 500\\nsentinel failover-timeout main 3000\\n' >> s%d/s.conf", servers[0].port, i);
		servers[2 + i].pid = fork();
		if (servers[2 + i].pid == 0) {
			char conf[300];

			snprintf(conf, sizeof(conf), "%s/s%d/s.conf", scratch(), i);
			execlp("redis-server", "redis-server", conf, "--sentinel", (char *)NULL);
			_exit(127);
		}
		a[i] = at_port(&servers[2 + i]);
	}
	world_begin(&w, &(struct fleet_options){.mode = FLEET_SENTINEL, .servers = a, .servers_n = 3, .sentinel_master = "main", .timeout_ms = 1000});
	assert_true(world_ready(&w, SOON_MS, NULL));
	assert_int_equal(world_do(&w, 9, 0, "INCR %k", &answer), CS_OK);
	snprintf(tenure, sizeof(tenure), "%s", answer.tenure);
	/* The sentinels have to have found each other and the replica. */
	for (int64_t until = now_ms() + 10000; strstr(cli(&servers[2], "sentinel ckquorum main || true"), "OK 3") == NULL ||
	    strstr(cli(&servers[2], "sentinel replicas main"), "master-link-status\nok") == NULL;) {
		assert_true(now_ms() < until);
		world_turn(&w);
	}
	process_kill(&servers[0]);
	for (int64_t until = now_ms() + 15000; world_do(&w, 9, FLEET_ANY_TENURE, "INCR %k", &answer) != CS_OK;)
		assert_true(now_ms() < until);
	assert_string_not_equal(answer.tenure, tenure);
	assert_true(answer.integer >= 1);
	for (int i = 0; i < 3; i++)
		process_kill(&servers[2 + i]);
	world_end(&w);
}

/* ---- Cluster ---- */

static struct fleet_address cluster_at[6];

static void
cluster_begin(void)
{
	char all[200] = "";

	for (int i = 0; i < 6; i++) {
		char settings[300];

		servers[i].port = port_free();
		snprintf(settings, sizeof(settings), "%scluster-enabled yes\ncluster-node-timeout 1000\ncluster-replica-validity-factor 0\n", durable);
		process_start(&servers[i], settings);
		cluster_at[i] = at_port(&servers[i]);
		snprintf(all + strlen(all), sizeof(all) - strlen(all), " 127.0.0.1:%d", servers[i].port);
	}
	shell("redis-cli --cluster create%s --cluster-replicas 1 --cluster-yes", all);
}

/* Which server, by address, owns the bucket; -1 none of ours. */
static int
owner_of(const struct world *w, unsigned bucket)
{
	struct fleet_owner_status s[16];
	size_t n = fleet_owners(w->fleet, s, 16);

	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < 6; k++)
			if (s[i].buckets > 0 && strcmp(s[i].tenure, fleet_tenure(w->fleet, bucket)) == 0 && strcmp(s[i].address, cluster_at[k].text) == 0)
				return k;
	return -1;
}

static void
node_id(int i, char id[41])
{
	snprintf(id, 41, "%.40s", cli(&servers[i], "cluster myid"));
}

static void
a_cluster_is_followed(void **state)
{
	enum { BUCKET = 5 };
	struct world w;
	struct answer answer, bound;
	struct fleet_owner_status s[16];
	char text[FLEET_WHY_TEXT], from_id[41], to_id[41], key[64], tenure[FLEET_TENURE_TEXT];
	unsigned slot = slots_of_bucket(BUCKET), buckets = 0;
	int from, to = -1;
	size_t n;

	(void)state;
	cluster_begin();
	world_begin(&w, &(struct fleet_options){.mode = FLEET_CLUSTER, .servers = cluster_at, .servers_n = 2, .timeout_ms = 1500, .replicas = 1});
	if (!world_ready(&w, 15000, text))
		fail_msg("%s", text);
	n = fleet_owners(w.fleet, s, 16);
	for (size_t i = 0; i < n; i++)
		buckets += s[i].buckets;
	assert_int_equal(buckets, SLOTS_BUCKETS);
	for (unsigned b = 0; b < SLOTS_BUCKETS; b += 64)
		assert_int_equal(world_do(&w, b, 0, "INCR %k", NULL), CS_OK);
	assert_int_equal(world_do(&w, BUCKET, 0, "SET %k before", &answer), CS_OK);
	snprintf(tenure, sizeof(tenure), "%s", answer.tenure);

	/* The slot is on its way: the key is there already. */
	from = owner_of(&w, BUCKET);
	assert_true(from >= 0);
	for (unsigned b = 0; b < SLOTS_BUCKETS && to < 0; b++)
		to = owner_of(&w, b) == from ? -1 : owner_of(&w, b);
	assert_true(to >= 0);
	node_id(from, from_id);
	node_id(to, to_id);
	snprintf(text, sizeof(text), "cluster setslot %u importing %s", slot, from_id);
	cli(&servers[to], text);
	snprintf(text, sizeof(text), "cluster setslot %u migrating %s", slot, to_id);
	cli(&servers[from], text);
	snprintf(key, sizeof(key), "t{%s}test", slots_tag(BUCKET));
	snprintf(text, sizeof(text), "migrate 127.0.0.1 %d %s 0 1000", servers[to].port, key);
	cli(&servers[from], text);
	assert_int_equal(world_do(&w, BUCKET, FLEET_READS | FLEET_ANY_TENURE, "GET %k", &answer), CS_OK); /* ASK */
	assert_string_equal(answer.text, "before");
	assert_string_not_equal(answer.tenure, tenure);
	assert_int_equal(world_do(&w, BUCKET, FLEET_READS, "GET %k", &bound), CS_ERR_UNAVAILABLE); /* whoever proved the old owner waits */
	/* The fence's key of the other asks of that owner is on its way too: another one does. */
	assert_int_equal(world_do(&w, BUCKET + 1, 0, "INCR %k", NULL), CS_OK);
	snprintf(text, sizeof(text), "cluster setslot %u node %s", slot, to_id);
	cli(&servers[to], text);
	cli(&servers[from], text);
	assert_int_equal(world_do(&w, BUCKET, FLEET_READS | FLEET_ANY_TENURE, "GET %k", &answer), CS_OK); /* MOVED */
	assert_string_equal(answer.text, "before");
	assert_string_equal(answer.tenure, fleet_tenure(w.fleet, BUCKET));
	assert_int_equal(owner_of(&w, BUCKET), to);

	if (getenv("CS_LONG") == NULL) {
		world_end(&w); /* tests/cluster kills masters, too */
		return;
	}
	/* A master dies: its replica takes over, under a tenure of its own. With one replica a master it is short then; so none is asked. */
	world_end(&w);
	world_begin(&w, &(struct fleet_options){.mode = FLEET_CLUSTER, .servers = cluster_at, .servers_n = 6, .timeout_ms = 1500});
	assert_true(world_ready(&w, SOON_MS, NULL));
	snprintf(tenure, sizeof(tenure), "%s", fleet_tenure(w.fleet, BUCKET));
	process_kill(&servers[to]);
	assert_int_not_equal(world_do(&w, BUCKET, 0, "INCR %k", &answer), CS_OK);
	for (int64_t until = now_ms() + 15000; world_do(&w, BUCKET, FLEET_READS | FLEET_ANY_TENURE, "GET %k", &answer) != CS_OK;)
		assert_true(now_ms() < until);
	assert_string_equal(answer.text, "before");
	assert_string_not_equal(answer.tenure, tenure);
	assert_true(world_ready(&w, SOON_MS, NULL));
	world_end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(one_server_answers, world_clean),
	    cmocka_unit_test_teardown(many_asks_are_few_batches, world_clean),
	    cmocka_unit_test_teardown(a_server_that_died_is_another_tenure, world_clean),
	    cmocka_unit_test_teardown(what_was_not_sent_is_sent_again, world_clean),
	    cmocka_unit_test_teardown(silence_ends_in_time, world_clean),
	    cmocka_unit_test_teardown(freeing_ends_all, world_clean),
	    cmocka_unit_test_teardown(servers_that_would_forget_are_refused, world_clean),
	    cmocka_unit_test_teardown(rights_are_named, world_clean),
	    cmocka_unit_test_teardown(full_memory_is_said_and_reads_go_on, world_clean),
	    cmocka_unit_test_teardown(tls_names_and_certificates_are_checked, world_clean),
	    cmocka_unit_test_teardown(no_acknowledgement_no_success, world_clean),
	    cmocka_unit_test_teardown(a_deposed_master_is_not_believed, world_clean),
	    cmocka_unit_test_teardown(who_answers_slowly_is_not_hung_up_on, world_clean),
	    cmocka_unit_test_teardown(an_honest_server_is_believed, world_clean),
	    cmocka_unit_test_teardown(lies_are_never_success, world_clean),
	    cmocka_unit_test_teardown(sentinels_are_followed, world_clean),
	    cmocka_unit_test_teardown(a_cluster_is_followed, world_clean),
	};

	if (!redis_server_there())
		return 77;
	signal(SIGPIPE, SIG_IGN);
	srand((unsigned)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
