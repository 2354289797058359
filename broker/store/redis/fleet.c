/* SPDX-License-Identifier: Apache-2.0 */
/* The fleet's front: options, asks, their ways and ends, and what is told of the servers. */
#include "broker/store/redis/fleet_int.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/check.h"

int64_t
mono_us(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Queues */

void
queue_push(struct queue *q, struct ask *a)
{
	a->next = NULL;
	if (q->head == NULL)
		q->head = a;
	else
		q->last->next = a;
	q->last = a;
	q->n++;
}

struct ask *
queue_pop(struct queue *q)
{
	struct ask *a = q->head;

	if (a != NULL) {
		q->head = a->next;
		q->n--;
	}
	return a;
}

void
queue_push_front(struct queue *q, struct ask *a)
{
	a->next = q->head;
	if (q->head == NULL)
		q->last = a;
	q->head = a;
	q->n++;
}

/* Tenures: numbers stand for the texts, for good */

uint32_t
tenure_number(struct fleet *f, const char *text)
{
	for (uint32_t i = f->tenures_n; i > 0; i--) {
		if (strcmp(f->tenures[i - 1], text) == 0)
			return i;
	}
	CHECK(f->tenures_n < TENURES_MAX);
	f->tenures = realloc(f->tenures, (f->tenures_n + 1) * sizeof(f->tenures[0]));
	CHECK(f->tenures != NULL);
	f->tenures[f->tenures_n] = strdup(text);
	CHECK(f->tenures[f->tenures_n] != NULL);
	return ++f->tenures_n;
}

/* Asks */

void
ask_end(struct fleet *f, struct ask *a, enum cs_err err, struct redisReply *reply, uint32_t executed_no)
{
	a->err = err;
	a->reply = reply;
	a->executed_no = executed_no;
	a->ended_us = mono_us();
	queue_push(&f->finished, a);
}

void
ask_give_up(struct fleet *f, struct ask *a)
{
	ask_end(f, a, a->maybe && (a->flags & FLEET_READS) == 0 ? CS_ERR_UNKNOWN : CS_ERR_UNAVAILABLE, NULL, 0);
}

void
ask_route(struct fleet *f, struct ask *a)
{
	struct node *n = a->asking != NULL ? a->asking : f->owner[a->bucket];

	if (n != NULL && n->state == FLEET_OWNER_REFUSED && !a->maybe)
		ask_end(f, a, CS_ERR_DENIED, NULL, 0);
	else
		queue_push(n == NULL ? &f->homeless : &n->queue, a);
}

void
ask_again(struct fleet *f, struct ask *a)
{
	int64_t pause_ms = (int64_t)PAUSE_FIRST_MS << (a->pauses < 6 ? a->pauses : 6);

	a->pauses += a->pauses < 6;
	a->asking = NULL;
	a->not_before_us = mono_us() + (pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause_ms) * 1000;
	if (a->not_before_us >= a->deadline_us)
		ask_give_up(f, a);
	else
		queue_push(&f->paused, a);
}

static void
ask_new(struct fleet *f, unsigned bucket, int argc, const char **argv, const size_t *lens, unsigned flags, fleet_fn *done, void *ctx)
{
	struct ask *a = calloc(1, sizeof(*a));
	int len;

	CHECK(a != NULL && bucket < SLOTS_BUCKETS);
	len = redisFormatCommandArgv(&a->command, argc, argv, lens);
	CHECK(len > 0);
	a->command_len = (size_t)len;
	a->done = done;
	a->ctx = ctx;
	a->asked_us = mono_us();
	a->deadline_us = a->asked_us + f->timeout_us;
	a->bucket = (uint16_t)bucket;
	a->flags = (uint8_t)((flags & FLEET_UNFENCED) != 0 ? flags | FLEET_ANY_TENURE : flags);
	if ((a->flags & FLEET_ANY_TENURE) == 0 && f->owner[bucket] != NULL)
		a->tenure_no = f->owner[bucket]->tenure_no;
	if (f->ending)
		ask_give_up(f, a);
	else
		ask_route(f, a);
}

void
fleet_ask(struct fleet *f, unsigned bucket, const struct view *argv, size_t argc, unsigned flags, fleet_fn *done, void *ctx)
{
	const char **words = calloc(argc, sizeof(*words));
	size_t *lens = calloc(argc, sizeof(*lens));

	CHECK(words != NULL && lens != NULL);
	for (size_t i = 0; i < argc; i++) {
		words[i] = argv[i].len == 0 ? "" : (const char *)argv[i].data;
		lens[i] = argv[i].len;
	}
	ask_new(f, bucket, (int)argc, words, lens, flags, done, ctx);
	free(words);
	free(lens);
}

void
fleet_script(struct fleet *f, unsigned bucket, unsigned script, const struct view *keys, size_t keys_n, const struct view *args,
    size_t args_n, unsigned flags, fleet_fn *done, void *ctx)
{
	size_t argc = 3 + keys_n + args_n;
	struct view *argv = calloc(argc, sizeof(*argv));
	char count[16];

	CHECK(argv != NULL && script < f->scripts_n);
	snprintf(count, sizeof(count), "%zu", keys_n);
	argv[0] = VIEW("EVALSHA");
	argv[1] = view_str(f->shas[script]);
	argv[2] = view_str(count);
	if (keys_n > 0)
		memcpy(argv + 3, keys, keys_n * sizeof(*keys));
	if (args_n > 0)
		memcpy(argv + 3 + keys_n, args, args_n * sizeof(*args));
	fleet_ask(f, bucket, argv, argc, flags, done, ctx);
	free(argv);
}

/* Turns */

static void
finished_run(struct fleet *f)
{
	struct queue ended = f->finished;
	struct ask *a;

	/* What ends while these run is for the next round: one that asks again each time must not keep us here. */
	f->finished = (struct queue){NULL, NULL, 0};
	f->running = true;
	while ((a = queue_pop(&ended)) != NULL) {
		struct fleet_reply r = {.value = a->reply, .tenure = a->executed_no == 0 ? "" : f->tenures[a->executed_no - 1],
		    .took_us = a->ended_us - a->asked_us};

		a->done(a->ctx, a->err, a->err == CS_OK || a->err == CS_ERR_CORRUPT ? &r : NULL);
		reply_free(a->reply);
		free(a->command);
		free(a);
	}
	f->running = false;
}

/* Ends what is too old, and gives what may go on to its owner. */
static void
queue_sweep(struct fleet *f, struct queue *q, int64_t now_us, bool homeless)
{
	struct queue old = *q;
	struct ask *a;

	*q = (struct queue){NULL, NULL, 0};
	while ((a = queue_pop(&old)) != NULL) {
		if (now_us >= a->deadline_us)
			ask_give_up(f, a);
		else if (homeless ? f->owner[a->bucket] != NULL : now_us >= a->not_before_us)
			ask_route(f, a);
		else
			queue_push(q, a);
	}
}

static void
node_sweep(struct fleet *f, struct node *n, int64_t now_us)
{
	struct queue old = n->queue;
	struct ask *a;

	n->queue = (struct queue){NULL, NULL, 0};
	while ((a = queue_pop(&old)) != NULL) {
		if (now_us >= a->deadline_us)
			ask_give_up(f, a);
		else if ((a->asking == NULL && f->owner[a->bucket] != n) || (n->state == FLEET_OWNER_REFUSED && !a->maybe))
			ask_route(f, a);
		else
			queue_push(&n->queue, a);
	}
}

static void
fleet_turn(struct fleet *f)
{
	CHECK(!f->running);
	for (int round = 0; round < ROUNDS_MAX; round++) {
		finished_run(f);
		for (size_t i = 0; i < f->nodes_n; i++)
			node_send(f->nodes[i]);
		if (f->finished.n == 0)
			break;
	}
}

void
fleet_flush(struct fleet *f)
{
	fleet_turn(f);
}

static void
fleet_sweep(struct fleet *f, int64_t now)
{
	f->sweep_us = now + SWEEP_MS * 1000;
	queue_sweep(f, &f->homeless, now, true);
	queue_sweep(f, &f->paused, now, false);
	for (size_t i = 0; i < f->nodes_n; i++) {
		if (f->nodes[i]->queue.n > 0)
			node_sweep(f, f->nodes[i], now);
	}
	for (size_t i = 0; i < f->nodes_n;) {
		struct node *n = f->nodes[i];

		if (!node_spare(n, now)) {
			i++;
			continue;
		}
		node_restart(n); /* which may have had something in flight */
		if (n->queue.n > 0)
			break;
		node_free(n);
		f->nodes[i] = f->nodes[--f->nodes_n];
	}
}

int64_t
fleet_tick(struct fleet *f)
{
	int64_t now = mono_us();
	bool soon = false;

	for (size_t i = 0; i < f->nodes_n; i++)
		soon = node_tick(f->nodes[i], now) || soon;
	if (now >= f->sweep_us)
		fleet_sweep(f, now);
	fleet_turn(f);
	soon = soon || f->homeless.n > 0 || f->paused.n > 0;
	for (size_t i = 0; i < f->nodes_n && !soon; i++)
		soon = f->nodes[i]->queue.n > 0;
	return fleet_ready(f) ? 1 : soon ? SWEEP_MS : HURRY_MS / 4;
}

bool
fleet_ready(const struct fleet *f)
{
	return f->finished.n > 0;
}

/* Servers */

struct node *
fleet_node(struct fleet *f, const struct fleet_address *at, bool sentinel)
{
	for (size_t i = 0; i < f->nodes_n; i++) {
		if (f->nodes[i]->sentinel == sentinel && strcmp(f->nodes[i]->address.text, at->text) == 0)
			return f->nodes[i];
	}
	if (f->nodes_n == FLEET_OWNERS_MAX)
		return NULL;
	f->nodes[f->nodes_n] = node_new(f, at, sentinel);
	return f->nodes[f->nodes_n] == NULL ? NULL : f->nodes[f->nodes_n++];
}

void
fleet_own(struct fleet *f, unsigned bucket, struct node *n)
{
	struct node *before = f->owner[bucket];

	if (before == n)
		return;
	if (before != NULL)
		before->buckets--;
	f->owner[bucket] = n;
	n->buckets++;
}

const char *
fleet_tenure(const struct fleet *f, unsigned bucket)
{
	const struct node *n = f->owner[bucket];

	return n == NULL || n->tenure_no == 0 ? NULL : f->tenures[n->tenure_no - 1];
}

int64_t
fleet_time_us(const struct fleet *f, unsigned bucket)
{
	const struct node *n = f->owner[bucket];

	return n == NULL || n->time_us == 0 ? -1 : n->time_us + (mono_us() - n->time_at_us);
}

/* Options */

static enum cs_err
secret_take(const char *path, struct secret *to, char why[FLEET_WHY_TEXT])
{
	enum cs_err e = path == NULL ? CS_OK : secret_read_file(path, true, to);

	if (e == CS_ERR_DENIED)
		snprintf(why, FLEET_WHY_TEXT, "%s is open to others or belongs to somebody else: chown it to the broker's user, chmod 600", path);
	else if (e != CS_OK)
		snprintf(why, FLEET_WHY_TEXT, "%s cannot be read: %s", path, e == CS_ERR_FULL ? "it is too long" : strerror(errno));
	return e;
}

static char *
text_copy(const char *text)
{
	char *copy = text == NULL ? NULL : strdup(text);

	CHECK(text == NULL || copy != NULL);
	return copy;
}

static void
scripts_take(struct fleet *f, const struct fleet_options *o)
{
	CHECK(o->scripts_n <= FLEET_SCRIPTS_MAX);
	for (size_t i = 0; i < o->scripts_n; i++) {
		unsigned char sum[EVP_MAX_MD_SIZE];
		unsigned len = 0;

		CHECK(EVP_Digest(o->scripts[i], strlen(o->scripts[i]), sum, &len, EVP_sha1(), NULL) == 1 && len == 20);
		for (size_t k = 0; k < len; k++)
			snprintf(f->shas[i] + 2 * k, 3, "%02x", sum[k]);
		f->scripts[i] = text_copy(o->scripts[i]);
	}
	f->scripts_n = o->scripts_n;
}

enum cs_err
fleet_new(const struct fleet_options *o, const struct poller *p, struct fleet **out, char why[FLEET_WHY_TEXT])
{
	struct fleet *f = calloc(1, sizeof(*f));
	enum cs_err e;

	CHECK(f != NULL && o->servers_n > 0);
	*f = (struct fleet){.poller = *p, .mode = o->mode, .replicas = o->replicas, .weaker_fsync = o->weaker_fsync,
	    .weaker_persistence = o->weaker_persistence, .log = o->log, .timeout_us = o->timeout_ms * 1000};
	snprintf(f->prefix, sizeof(f->prefix), "%s", o->prefix);
	f->user = text_copy(o->user);
	f->sentinel_user = text_copy(o->sentinel_user);
	f->sentinel_master = text_copy(o->sentinel_master);
	scripts_take(f, o);
	e = secret_take(o->password_file, &f->password, why);
	if (e == CS_OK)
		e = secret_take(o->sentinel_password_file, &f->sentinel_password, why);
	if (e == CS_OK && o->tls)
		e = tls_client_new(o->ca_file, o->certificate_file, o->key_file, o->server_name, &f->tls, why, FLEET_WHY_TEXT);
	for (size_t i = 0; e == CS_OK && i < o->servers_n; i++) {
		struct node *n = fleet_node(f, &o->servers[i], o->mode == FLEET_SENTINEL);

		if (n == NULL) {
			snprintf(why, FLEET_WHY_TEXT, "\"%.100s\" is no address of a server", o->servers[i].text);
			e = CS_ERR_RANGE;
			continue;
		}
		n->seed = true;
		if (o->mode == FLEET_SINGLE) {
			for (unsigned b = 0; b < SLOTS_BUCKETS; b++)
				fleet_own(f, b, n);
		}
	}
	if (e != CS_OK) {
		fleet_free(f);
		return e;
	}
	*out = f;
	return CS_OK;
}

void
fleet_free(struct fleet *f)
{
	struct ask *a;

	CHECK(!f->running);
	f->ending = true;
	f->log = false;
	for (size_t i = 0; i < f->nodes_n; i++)
		node_restart(f->nodes[i]);
	for (size_t i = 0; i < f->nodes_n; i++) {
		while ((a = queue_pop(&f->nodes[i]->queue)) != NULL)
			ask_give_up(f, a);
	}
	while ((a = queue_pop(&f->homeless)) != NULL || (a = queue_pop(&f->paused)) != NULL)
		ask_give_up(f, a);
	/* A completion may ask more, which ends at once. */
	while (f->finished.n > 0)
		finished_run(f);
	for (size_t i = 0; i < f->nodes_n; i++)
		node_free(f->nodes[i]);
	for (size_t i = 0; i < f->scripts_n; i++)
		free(f->scripts[i]);
	for (uint32_t i = 0; i < f->tenures_n; i++)
		free(f->tenures[i]);
	free(f->tenures);
	tls_client_free(f->tls);
	secret_clear(&f->password);
	secret_clear(&f->sentinel_password);
	free(f->user);
	free(f->sentinel_user);
	free(f->sentinel_master);
	free(f);
}

/* What is told */

static void
owner_status(const struct node *n, struct fleet_owner_status *to)
{
	const struct fleet *f = n->fleet;

	*to = (struct fleet_owner_status){.state = n->state, .buckets = n->buckets, .replicas = n->info.online,
	    .lag_bytes = n->info.lag_bytes, .clock_ms = n->clock_ms, .memory_bytes = n->info.memory,
	    .memory_max_bytes = n->info.memory_max, .latency_us = n->latency_us, .queued = n->queue.n, .batches = n->batches,
	    .commands = n->commands, .reconnects = n->reconnects,
	    .durable = strcmp(n->appendonly, "yes") == 0 && strcmp(n->appendfsync, "always") == 0};
	snprintf(to->address, sizeof(to->address), "%s", n->address.text);
	snprintf(to->why, sizeof(to->why), "%s", n->why);
	if (n->tenure_no != 0)
		snprintf(to->tenure, sizeof(to->tenure), "%s", f->tenures[n->tenure_no - 1]);
	for (size_t i = 0; i < FLEET_CONNECTIONS; i++)
		to->connections += n->conns[i].state >= CONN_IDLE;
}

size_t
fleet_owners(const struct fleet *f, struct fleet_owner_status *to, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < f->nodes_n && n < max; i++) {
		if (!f->nodes[i]->sentinel && (f->nodes[i]->buckets > 0 || f->nodes[i]->conns[0].state >= CONN_IDLE))
			owner_status(f->nodes[i], &to[n++]);
	}
	return n;
}

unsigned
fleet_why(const struct fleet *f, char why[FLEET_WHY_TEXT])
{
	const struct node *bad = NULL;
	unsigned missing = 0;

	for (unsigned b = 0; b < SLOTS_BUCKETS; b++) {
		const struct node *n = f->owner[b];

		missing += n == NULL || n->state != FLEET_OWNER_READY;
		if (n != NULL && n->state != FLEET_OWNER_READY)
			bad = n;
	}
	for (size_t i = 0; missing > 0 && bad == NULL && i < f->nodes_n; i++) {
		if (f->nodes[i]->why[0] != '\0')
			bad = f->nodes[i];
	}
	why[0] = '\0';
	if (missing > 0 && bad != NULL)
		snprintf(why, FLEET_WHY_TEXT, "%.110s: %.200s", bad->address.text, bad->why[0] == '\0' ? "being looked at" : bad->why);
	else if (missing > 0)
		snprintf(why, FLEET_WHY_TEXT, "no server is known for %u of %d parts of the data yet", missing, SLOTS_BUCKETS);
	return missing;
}

const char *
fleet_acl_rules(void)
{
	return "-@all +@string +@hash +@set +@sortedset +@stream +del +exists +expire +pexpire +scan +evalsha +script|load +wait +time "
	       "+info +role +ping +asking +config|get +acl|dryrun +cluster|slots +cluster|info +client|setname";
}
