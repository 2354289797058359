/* SPDX-License-Identifier: Apache-2.0 */
/* See plain_fleet.h. */
#include "tests/store/plain_fleet.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/check.h"
#include "broker/store/redis/scripts.h"
#include "broker/store/redis/slots.h"
#include "tests/store/harness.h"

struct ask {
	struct ask *next;
	unsigned bucket, flags;
	int script;
	char *command;
	int command_n;
	char tenure[FLEET_TENURE_TEXT];
	fleet_fn *done;
	void *ctx;
};

struct fleet {
	redisContext *redis;
	char tenure[FLEET_TENURE_TEXT];
	struct ask *first, **end;
	plain_fate_fn *fate;
	void *fate_ctx;
	unsigned asks;
};

struct fleet *
plain_fleet_new(const char *socket, const char *tenure)
{
	struct fleet *f = calloc(1, sizeof(*f));

	CHECK(f != NULL);
	f->redis = redisConnectUnix(socket);
	CHECK(f->redis != NULL && f->redis->err == 0);
	f->end = &f->first;
	plain_fleet_tenure(f, tenure);
	return f;
}

/* As a real fleet takes it from INFO. */
static void
tenure_read(struct fleet *f)
{
	static const char *const parts[][3] = {{"INFO", "server", "run_id:"}, {"INFO", "replication", "master_replid:"}};
	size_t len = 0;

	for (size_t i = 0; i < 2; i++) {
		redisReply *r = PLAIN_NOW(f, view_str(parts[i][0]), view_str(parts[i][1]));
		const char *at = strstr(r->str, parts[i][2]);

		CHECK(at != NULL);
		at += strlen(parts[i][2]);
		len += (size_t)snprintf(f->tenure + len, sizeof(f->tenure) - len, "%s%.40s", i == 0 ? "" : ":", at);
		freeReplyObject(r);
	}
}

enum cs_err
fleet_new(const struct fleet_options *o, const struct poller *p, struct fleet **out, char why[FLEET_WHY_TEXT])
{
	(void)p;
	CHECK(o->servers_n == 1 && strncmp(o->servers[0].text, "unix:", 5) == 0);
	why[0] = '\0';
	*out = plain_fleet_new(o->servers[0].text + 5, "");
	tenure_read(*out);
	return CS_OK;
}

void
plain_fleet_tenure(struct fleet *f, const char *tenure)
{
	snprintf(f->tenure, sizeof(f->tenure), "%s", tenure);
}

void
plain_fleet_reconnect(struct fleet *f, const char *socket)
{
	redisFree(f->redis);
	f->redis = redisConnectUnix(socket);
	CHECK(f->redis != NULL && f->redis->err == 0);
}

void
plain_fleet_fate(struct fleet *f, plain_fate_fn *fate, void *ctx)
{
	f->fate = fate;
	f->fate_ctx = ctx;
}

unsigned
plain_fleet_asks(const struct fleet *f)
{
	return f->asks;
}

static int
format(char **to, const struct view *argv, size_t argc)
{
	const char *texts[1024];
	size_t lens[1024];
	int n;

	CHECK(argc <= 1024);
	for (size_t i = 0; i < argc; i++) {
		texts[i] = argv[i].len == 0 ? "" : argv[i].data;
		lens[i] = argv[i].len;
	}
	n = redisFormatCommandArgv(to, (int)argc, texts, lens);
	CHECK(n > 0);
	return n;
}

static redisReply *
run(struct fleet *f, const char *command, int n)
{
	void *reply = NULL;

	CHECK(redisAppendFormattedCommand(f->redis, command, (size_t)n) == REDIS_OK);
	if (redisGetReply(f->redis, &reply) != REDIS_OK)
		fail_msg("redis: %s", f->redis->errstr);
	f->asks++;
	return reply;
}

redisReply *
plain_fleet_now(struct fleet *f, const struct view *argv, size_t argc)
{
	char *command = NULL;
	int n = format(&command, argv, argc);
	redisReply *r = run(f, command, n);

	free(command);
	if (r->type == REDIS_REPLY_ERROR)
		fail_msg("redis: %s", r->str);
	return r;
}

static void
ask_add(struct fleet *f, unsigned bucket, int script, const struct view *argv, size_t argc, unsigned flags, fleet_fn *done, void *ctx)
{
	struct ask *a = calloc(1, sizeof(*a));

	CHECK(a != NULL && bucket < SLOTS_BUCKETS);
	*a = (struct ask){.bucket = bucket, .flags = flags, .script = script, .done = done, .ctx = ctx};
	a->command_n = format(&a->command, argv, argc);
	memcpy(a->tenure, f->tenure, sizeof(a->tenure));
	*f->end = a;
	f->end = &a->next;
}

void
fleet_ask(struct fleet *f, unsigned bucket, const struct view *argv, size_t argc, unsigned flags, fleet_fn *done, void *ctx)
{
	ask_add(f, bucket, -1, argv, argc, flags, done, ctx);
}

void
fleet_script(struct fleet *f, unsigned bucket, unsigned script, const struct view *keys, size_t keys_n, const struct view *args,
    size_t args_n, unsigned flags, fleet_fn *done, void *ctx)
{
	struct view argv[512] = {VIEW("EVAL"), view_str(script_texts[script])};
	char count[24];

	CHECK(keys_n + args_n + 3 <= 512);
	for (size_t i = 0; i < keys_n; i++)
		CHECK(slots_of_key(keys[i]) == slots_of_bucket(bucket));
	snprintf(count, sizeof(count), "%zu", keys_n);
	argv[2] = view_str(count);
	memcpy(argv + 3, keys, keys_n * sizeof(keys[0]));
	memcpy(argv + 3 + keys_n, args, args_n * sizeof(args[0]));
	ask_add(f, bucket, (int)script, argv, 3 + keys_n + args_n, flags, done, ctx);
}

static void
execute(struct fleet *f, struct ask *a)
{
	enum plain_fate fate = f->fate == NULL ? FATE_DONE : f->fate(f->fate_ctx, a->bucket, a->script);
	enum cs_err lost = (a->flags & FLEET_READS) != 0 ? CS_ERR_UNAVAILABLE : CS_ERR_UNKNOWN;
	struct fleet_reply reply = {.tenure = f->tenure};
	redisReply *r = NULL;

	if (strcmp(a->tenure, f->tenure) != 0)
		fate = FATE_REFUSED;
	if (fate == FATE_DONE || fate == FATE_UNHEARD)
		reply.value = r = run(f, a->command, a->command_n);
	if (fate != FATE_DONE)
		a->done(a->ctx, fate == FATE_REFUSED ? CS_ERR_UNAVAILABLE : fate == FATE_FULL ? CS_ERR_FULL : lost, NULL);
	else
		a->done(a->ctx, r->type == REDIS_REPLY_ERROR ? CS_ERR_CORRUPT : CS_OK, &reply);
	if (r != NULL)
		freeReplyObject(r);
}

/* What completions ask waits for the next. */
void
fleet_flush(struct fleet *f)
{
	struct ask *a = f->first, *next;

	f->first = NULL;
	f->end = &f->first;
	for (; a != NULL; a = next) {
		next = a->next;
		execute(f, a);
		free(a->command);
		free(a);
	}
}

int64_t
fleet_tick(struct fleet *f)
{
	return f->first != NULL ? 1 : INT64_MAX;
}

bool
fleet_ready(const struct fleet *f)
{
	return f->first != NULL;
}

const char *
fleet_tenure(const struct fleet *f, unsigned bucket)
{
	(void)bucket;
	return f->tenure;
}

int64_t
fleet_time_us(const struct fleet *f, unsigned bucket)
{
	struct timespec t;

	(void)f, (void)bucket;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

size_t
fleet_owners(const struct fleet *f, struct fleet_owner_status *to, size_t max)
{
	(void)f, (void)to, (void)max;
	return 0;
}

unsigned
fleet_why(const struct fleet *f, char why[FLEET_WHY_TEXT])
{
	(void)f;
	why[0] = '\0';
	return 0;
}

const char *
fleet_acl_rules(void)
{
	return "";
}

void
fleet_free(struct fleet *f)
{
	plain_fleet_tenure(f, "over");
	while (f->first != NULL)
		fleet_flush(f);
	redisFree(f->redis);
	free(f);
}
