/* SPDX-License-Identifier: Apache-2.0 */
/* One server: its connections, the batches that go to it, and the fence at the end of each. */
#include "broker/store/redis/fleet_int.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"

static void conn_up(void *arg);
static void conn_reply(void *arg, struct redisReply *r);
static void conn_down(void *arg, const char *why);

static const struct wire_events wire_events = {conn_up, conn_reply, conn_down};

struct node *
node_new(struct fleet *f, const struct fleet_address *at, bool sentinel)
{
	struct node *n = calloc(1, sizeof(*n));

	CHECK(n != NULL);
	if (address_read(at->text, &n->where) != CS_OK) {
		free(n);
		return NULL;
	}
	n->fleet = f;
	n->address = *at;
	n->sentinel = sentinel;
	for (size_t i = 0; i < FLEET_CONNECTIONS; i++) {
		n->conns[i].node = n;
		wire_set_up(&n->conns[i].wire, &f->poller, &wire_events, &n->conns[i]);
	}
	return n;
}

void
node_free(struct node *n)
{
	for (size_t i = 0; i < FLEET_CONNECTIONS; i++) {
		if (n->conns[i].wire.state != WIRE_CLOSED)
			wire_hang_up(&n->conns[i].wire);
	}
	free(n);
}

void
node_set(struct node *n, enum fleet_owner_state state, const char *format, ...)
{
	va_list args;

	n->state = state;
	va_start(args, format);
	vsnprintf(n->why, sizeof(n->why), format, args);
	va_end(args);
	if (state == FLEET_OWNER_DOWN || state == FLEET_OWNER_REFUSED)
		map_stale(n->fleet);
}

void
conn_put(struct conn *c, int argc, const char **argv, const size_t *lens)
{
	char *command = NULL;
	int len = redisFormatCommandArgv(&command, argc, argv, lens);

	CHECK(len > 0);
	wire_put(&c->wire, command, (size_t)len);
	secret_wipe(command, (size_t)len); /* it may hold the password */
	free(command);
}

/* Batches */

/* What was in flight and whose fate is unknown, or whose answer does not count. */
static void
ask_unfenced(struct fleet *f, struct ask *a)
{
	if ((a->flags & FLEET_READS) != 0) {
		ask_again(f, a);
	} else if ((a->flags & FLEET_AGAIN) != 0) {
		a->maybe = true;
		ask_again(f, a);
	} else {
		ask_end(f, a, CS_ERR_UNKNOWN, NULL, 0);
	}
}

static void
batch_release(struct conn *c)
{
	struct fleet *f = c->node->fleet;

	for (unsigned b = 0; b < SLOTS_BUCKETS; b++) {
		if (f->busy_on[b] == c)
			f->busy_on[b] = NULL;
	}
	c->asks_n = c->answered = 0;
}

static void
batch_lost(struct conn *c)
{
	for (size_t i = 0; i < c->asks_n; i++) {
		struct ask *a = c->asks[i];

		if (a == NULL)
			continue;
		reply_free(a->reply);
		a->reply = NULL;
		ask_unfenced(c->node->fleet, a);
	}
	batch_release(c);
}

static void
batch_fence(struct conn *c)
{
	struct fleet *f = c->node->fleet;
	char key[64], number[24], timeout[24], replicas[16];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)++f->fences);
	if (c->sets) {
		/* A write of our own, so that the replicas' acknowledgement proves that this is the master still. */
		snprintf(key, sizeof(key), "%s{%s}f", f->prefix, slots_tag(c->asks[0]->bucket));
		conn_put(c, 3, (const char *[]){"SET", key, number}, NULL);
	}
	if (c->waits) {
		snprintf(replicas, sizeof(replicas), "%u", f->replicas);
		snprintf(timeout, sizeof(timeout), "%lld", (long long)(f->timeout_us * 3 / 4 / 1000));
		conn_put(c, 3, (const char *[]){"WAIT", replicas, timeout}, NULL);
	}
	conn_put(c, 2, (const char *[]){"INFO", "replication"}, NULL);
}

/* Takes what this connection may carry: in order, nothing of a bucket that another one carries something of. */
static size_t
batch_gather(struct conn *c)
{
	struct node *n = c->node;
	struct fleet *f = n->fleet;
	struct queue old = n->queue;
	int64_t now = mono_us();
	size_t bytes = 0;
	struct ask *a;

	n->queue = (struct queue){NULL, NULL, 0};
	c->fenced = c->waits = false;
	c->sets = f->replicas > 0;
	while ((a = queue_pop(&old)) != NULL) {
		if (a->tenure_no != 0 && a->tenure_no != n->tenure_no) {
			ask_end(f, a, a->maybe ? CS_ERR_UNKNOWN : CS_ERR_UNAVAILABLE, NULL, 0);
		} else if (now >= a->deadline_us) {
			ask_end(f, a, a->maybe ? CS_ERR_UNKNOWN : CS_ERR_UNAVAILABLE, NULL, 0);
		} else if (c->asks_n == BATCH_ASKS_MAX || (bytes > 0 && bytes + a->command_len > BATCH_BYTES_MAX) ||
		    (f->busy_on[a->bucket] != NULL && f->busy_on[a->bucket] != c) ||
		    (n->state == FLEET_OWNER_SHORT && (a->flags & FLEET_UNFENCED) == 0)) {
			queue_push(&n->queue, a);
		} else {
			f->busy_on[a->bucket] = c;
			c->asks[c->asks_n++] = a;
			bytes += a->command_len;
			if ((a->flags & FLEET_UNFENCED) == 0) {
				c->fenced = true;
				c->sets = c->sets && (a->flags & FLEET_READS) != 0;
			}
		}
	}
	c->sets = c->sets && c->fenced;
	c->waits = c->fenced && f->replicas > 0;
	return c->asks_n;
}

static bool
batch_send(struct conn *c)
{
	struct node *n = c->node;

	if (batch_gather(c) == 0)
		return false;
	for (size_t i = 0; i < c->asks_n; i++)
		wire_put(&c->wire, c->asks[i]->command, c->asks[i]->command_len);
	if (c->fenced)
		batch_fence(c);
	c->state = CONN_BUSY;
	c->answered = 0;
	c->held = true;
	c->began_us = mono_us();
	c->deadline_us = c->began_us + n->fleet->timeout_us;
	n->batches++;
	n->commands += c->asks_n;
	wire_write(&c->wire);
	return true;
}

static void
batch_answer(struct conn *c, struct redisReply *r)
{
	struct fleet *f = c->node->fleet;
	struct ask *a = c->asks[c->answered];
	struct fleet_address to;
	unsigned slot;

	switch (reply_sort(r)) {
	case REPLY_FINE:
		if ((a->flags & FLEET_UNFENCED) == 0) {
			a->reply = r;
			return;
		}
		ask_end(f, a, CS_OK, r, c->tenure_no);
		r = NULL;
		break;
	case REPLY_MOVED:
		if (reply_redirect(r, c->node->where.host, &slot, &to) && f->mode == FLEET_CLUSTER) {
			struct node *owner = fleet_node(f, &to, false);

			if (owner != NULL)
				fleet_own(f, slot / SLOTS_PER_BUCKET, owner);
		}
		map_stale(f);
		ask_again(f, a);
		break;
	case REPLY_NOSCRIPT:
		c->node->reload = true;
		c->node->probe_us = 0;
		ask_again(f, a);
		break;
	case REPLY_READONLY:
		c->held = false;
		ask_again(f, a);
		break;
	case REPLY_ASK:
	case REPLY_LATER:
		map_stale(f);
		ask_again(f, a);
		break;
	case REPLY_FULL:
		ask_end(f, a, CS_ERR_FULL, NULL, 0);
		break;
	case REPLY_DENIED:
		node_set(c->node, c->node->state, "a command was refused (%.*s): the user needs %s", (int)(r->len < 90 ? r->len : 90), r->str, fleet_acl_rules());
		ask_end(f, a, CS_ERR_DENIED, NULL, 0);
		break;
	default:
		ask_end(f, a, CS_ERR_CORRUPT, r, c->tenure_no);
		r = NULL;
		break;
	}
	c->asks[c->answered] = NULL;
	reply_free(r);
}

static void
batch_done(struct conn *c)
{
	struct node *n = c->node;
	struct fleet *f = n->fleet;
	int64_t took = mono_us() - c->began_us;
	bool held = c->held;

	for (size_t i = 0; i < c->asks_n; i++) {
		struct ask *a = c->asks[i];

		if (a == NULL)
			continue;
		if (held) {
			struct redisReply *r = a->reply;

			a->reply = NULL;
			ask_end(f, a, CS_OK, r, c->tenure_no);
		} else {
			reply_free(a->reply);
			a->reply = NULL;
			ask_unfenced(f, a);
		}
	}
	batch_release(c);
	n->latency_us = n->latency_us == 0 ? took : n->latency_us + (took - n->latency_us) / 16;
	c->state = CONN_IDLE;
}

/* The replies after those of the asks: SET, WAIT, INFO, as far as they were sent. */
static void
batch_fence_answer(struct conn *c, struct redisReply *r)
{
	struct node *n = c->node;
	size_t at = c->answered - c->asks_n;
	bool restart = false;

	if (c->sets && at == 0) {
		c->held = c->held && reply_sort(r) == REPLY_FINE;
	} else if (c->waits && at == (size_t)c->sets) {
		if (r->type != REDIS_REPLY_INTEGER || r->integer < (long long)n->fleet->replicas) {
			c->held = false;
			node_set(n, FLEET_OWNER_SHORT, "only %lld of %u replicas have what was written; nothing more is until they do",
			    r->type == REDIS_REPLY_INTEGER ? r->integer : 0, n->fleet->replicas);
			n->probe_us = mono_us() + HURRY_MS * 1000;
		}
	} else {
		struct reply_info info = n->info;

		restart = !reply_info(reply_view(r), &info) || !info.master || strcmp(info.replid, c->replid) != 0;
		c->held = c->held && !restart;
		n->info.online = info.online;
		n->info.lag_bytes = info.lag_bytes;
	}
	reply_free(r);
	c->answered++;
	if (c->answered < c->asks_n + c->sets + c->waits + 1)
		return;
	batch_done(c);
	if (restart)
		node_restart(n);
}

/* Connections */

static void
conn_up(void *arg)
{
	struct conn *c = arg;

	c->state = CONN_GREETING;
	c->deadline_us = mono_us() + c->node->fleet->timeout_us + 1000000;
	greet_send(c, true);
}

static void
conn_reply(void *arg, struct redisReply *r)
{
	struct conn *c = arg;

	if (c->state == CONN_GREETING) {
		greet_take(c, r);
	} else if (c->state != CONN_BUSY) {
		reply_free(r);
		conn_drop(c, "it says what was not asked");
	} else if (c->answered < c->asks_n) {
		batch_answer(c, r);
		c->answered++;
		if (c->answered == c->asks_n && !c->fenced)
			batch_done(c);
	} else {
		batch_fence_answer(c, r);
	}
}

static void
conn_lost(struct conn *c, const char *why)
{
	struct node *n = c->node;
	bool was_first = true;

	batch_lost(c);
	c->state = CONN_CLOSED;
	for (size_t i = 0; i < FLEET_CONNECTIONS; i++)
		was_first = was_first && n->conns[i].state < CONN_IDLE;
	if (was_first && n->state != FLEET_OWNER_REFUSED) {
		int64_t pause = (int64_t)BACKOFF_FIRST_MS << (n->failures < 6 ? n->failures : 6);
		uint8_t jitter;

		secret_random(&jitter, 1);
		pause = (pause > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : pause) * 1000;
		n->failures++;
		n->open_us = mono_us() + pause / 2 + pause * jitter / 512;
		node_set(n, FLEET_OWNER_DOWN, "%s", why);
	}
}

static void
conn_down(void *arg, const char *why)
{
	conn_lost(arg, why);
}

void
conn_drop(struct conn *c, const char *why)
{
	wire_hang_up(&c->wire);
	conn_lost(c, why);
}

void
node_restart(struct node *n)
{
	for (size_t i = 0; i < FLEET_CONNECTIONS; i++) {
		if (n->conns[i].state != CONN_CLOSED || n->conns[i].wire.state != WIRE_CLOSED)
			conn_drop(&n->conns[i], "its role or its history is another; it is looked at again");
	}
	n->open_us = 0;
}

static void
conn_open(struct conn *c)
{
	struct node *n = c->node;

	n->reconnects++;
	c->state = CONN_OPENING;
	c->deadline_us = mono_us() + n->fleet->timeout_us + 500000;
	wire_open(&c->wire, &n->where, n->fleet->tls);
}

void
node_send(struct node *n)
{
	struct conn *closed = NULL;
	bool opening = false;

	if (n->queue.n == 0 || (n->state != FLEET_OWNER_READY && n->state != FLEET_OWNER_SHORT))
		return;
	for (size_t i = 0; i < FLEET_CONNECTIONS; i++) {
		struct conn *c = &n->conns[i];

		if (c->state == CONN_IDLE && n->queue.n > 0)
			(void)batch_send(c);
		opening = opening || c->state == CONN_OPENING || c->state == CONN_GREETING;
		if (c->state == CONN_CLOSED && closed == NULL)
			closed = c;
	}
	if (n->queue.n > 0 && n->state == FLEET_OWNER_READY && closed != NULL && !opening)
		conn_open(closed);
}

bool
node_tick(struct node *n, int64_t now)
{
	bool soon = false, any = false;
	struct conn *idle = NULL;

	for (size_t i = 0; i < FLEET_CONNECTIONS; i++) {
		struct conn *c = &n->conns[i];

		if (c->state == CONN_CLOSED)
			continue;
		if (wire_tick(&c->wire))
			soon = true;
		if (c->state != CONN_CLOSED && c->state != CONN_IDLE && now >= c->deadline_us)
			conn_drop(c, c->state == CONN_OPENING ? "it does not take connections" : "it does not answer in time");
		any = any || c->state != CONN_CLOSED;
		if (c->state == CONN_IDLE)
			idle = c;
		soon = soon || c->state == CONN_BUSY || c->state == CONN_OPENING || c->state == CONN_GREETING;
	}
	if (!any && now >= n->open_us)
		conn_open(&n->conns[0]);
	else if (idle != NULL && now >= n->probe_us)
		greet_send(idle, false);
	return soon;
}
