/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: what is gathered for one connection and sent in one write, and the fence at its end. A reply counts only when
 * the fence was held: a write of our own after the asks was executed, the required replicas acknowledged it, and
 * afterwards the server was a master still, under the tenure that the connection was greeted with.
 */
#include "broker/store/redis/fleet_int.h"

#include <hiredis/hiredis.h>
#include <stdio.h>

#include "broker/base/check.h"

/* It was executed, or may have been, and its answer does not count. */
static void
ask_unfenced(struct fleet *f, struct ask *a)
{
	if ((a->flags & FLEET_READS) != 0) {
		ask_again(f, a);
		return;
	}
	a->maybe = true;
	if ((a->flags & FLEET_AGAIN) != 0)
		ask_again(f, a);
	else
		ask_give_up(f, a);
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
	c->knock = false;
}

/*
 * The connection is gone. What the kernel did not take to its last byte was not executed: it goes to the front again, in
 * its order.
 */
void
batch_lost(struct conn *c)
{
	struct node *n = c->node;

	for (size_t i = c->asks_n; i > 0; i--) {
		struct ask *a = c->asks[i - 1];

		if (a == NULL)
			continue;
		if (a->reply == NULL && c->ends[i - 1] > c->wire.sent_bytes) {
			a->asking = NULL;
			queue_push_front(&n->queue, a);
			continue;
		}
		reply_free(a->reply);
		a->reply = NULL;
		ask_unfenced(n->fleet, a);
	}
	if (c->knock)
		n->knock_us = mono_us() + KNOCK_MS * 1000;
	batch_release(c);
}

/* Whose fence key is written: the first ask's, then others that this server owns. */
static unsigned
fence_bucket(const struct conn *c)
{
	const struct node *n = c->node;

	if (c->fence_tries == 0 && c->asks_n > 0 && c->asks[0] != NULL)
		return c->asks[0]->bucket;
	for (unsigned i = 1; i <= SLOTS_BUCKETS; i++) {
		unsigned b = (c->fence_bucket + i) % SLOTS_BUCKETS;

		if (n->fleet->owner[b] == n)
			return b;
	}
	return c->fence_bucket;
}

static void
fence_put(struct conn *c)
{
	struct fleet *f = c->node->fleet;
	char key[64], number[24], timeout[24], replicas[16];

	c->wrote = c->acknowledged = c->fence_again = false;
	c->fence_answered = 0;
	if (f->replicas > 0) {
		if (!c->fence_expires)
			c->fence_bucket = fence_bucket(c);
		snprintf(key, sizeof(key), "%s{%s}f", f->prefix, slots_tag(c->fence_bucket));
		snprintf(number, sizeof(number), "%llu", (unsigned long long)++f->fences);
		/* PEXPIRE is a write that a server without memory executes, where the key is there from better days. */
		if (c->fence_expires)
			conn_put(c, 3, (const char *[]){"PEXPIRE", key, "1000000000"}, NULL);
		else
			conn_put(c, 3, (const char *[]){"SET", key, number}, NULL);
		snprintf(replicas, sizeof(replicas), "%u", f->replicas);
		snprintf(timeout, sizeof(timeout), "%lld", (long long)(f->timeout_us * 3 / 4 / 1000));
		conn_put(c, 3, (const char *[]){"WAIT", replicas, timeout}, NULL);
	}
	conn_put(c, 2, (const char *[]){"INFO", "replication"}, NULL);
	wire_write(&c->wire);
}

/* Takes what this connection may carry: in order, nothing of a bucket that another one carries something of. */
static void
batch_gather(struct conn *c)
{
	struct node *n = c->node;
	struct fleet *f = n->fleet;
	struct queue old = n->queue;
	int64_t now = mono_us();
	size_t bytes = 0;
	struct ask *a;

	n->queue = (struct queue){NULL, NULL, 0};
	c->fenced = false;
	c->expiry_us = INT64_MAX;
	while ((a = queue_pop(&old)) != NULL) {
		if ((a->tenure_no != 0 && a->tenure_no != c->tenure_no) || now >= a->deadline_us) {
			ask_give_up(f, a);
		} else if (c->asks_n == BATCH_ASKS_MAX || (bytes > 0 && bytes + a->command_len > BATCH_BYTES_MAX) ||
		    (f->busy_on[a->bucket] != NULL && f->busy_on[a->bucket] != c) ||
		    (n->state == FLEET_OWNER_SHORT && (a->flags & FLEET_UNFENCED) == 0)) {
			queue_push(&n->queue, a);
		} else {
			f->busy_on[a->bucket] = c;
			c->asks[c->asks_n++] = a;
			bytes += a->command_len;
			c->fenced = c->fenced || (a->flags & FLEET_UNFENCED) == 0;
			if (a->deadline_us < c->expiry_us)
				c->expiry_us = a->deadline_us;
		}
	}
}

static void
batch_begin(struct conn *c)
{
	c->state = CONN_BUSY;
	c->answered = 0;
	c->asking_said = c->deposed = c->fence_expires = false;
	c->fence_tries = 0;
	c->began_us = mono_us();
	c->deadline_us = c->began_us + c->node->fleet->timeout_us;
}

bool
batch_send(struct conn *c)
{
	struct node *n = c->node;

	batch_gather(c);
	if (c->asks_n == 0)
		return false;
	batch_begin(c);
	for (size_t i = 0; i < c->asks_n; i++) {
		c->asking[i] = c->asks[i]->asking != NULL;
		if (c->asking[i])
			conn_put(c, 1, (const char *[]){"ASKING"}, NULL);
		wire_put(&c->wire, c->asks[i]->command, c->asks[i]->command_len);
		c->ends[i] = c->wire.put_bytes;
	}
	n->batches++;
	n->commands += c->asks_n;
	if (c->fenced)
		fence_put(c);
	else
		wire_write(&c->wire);
	return true;
}

void
batch_knock(struct conn *c)
{
	c->asks_n = 0;
	c->fenced = c->knock = true;
	c->fence_bucket = 0;
	batch_begin(c);
	fence_put(c);
}

/* Those whose time is over end now; the batch goes on without them. */
void
batch_expire(struct conn *c, int64_t now)
{
	int64_t next = INT64_MAX;

	if (now < c->expiry_us)
		return;
	for (size_t i = 0; i < c->asks_n; i++) {
		struct ask *a = c->asks[i];

		if (a == NULL)
			continue;
		if (now >= a->deadline_us) {
			reply_free(a->reply);
			a->reply = NULL;
			a->maybe = true;
			ask_give_up(c->node->fleet, a);
			c->asks[i] = NULL;
		} else if (a->deadline_us < next)
			next = a->deadline_us;
	}
	c->expiry_us = next;
}

/* Another server owns the slot, or is about to. */
static void
ask_redirected(struct conn *c, struct ask *a, const struct redisReply *r, bool asked)
{
	struct fleet *f = c->node->fleet;
	struct fleet_address to;
	struct node *there = NULL;
	unsigned slot;

	if (f->mode == FLEET_CLUSTER && reply_redirect(r, c->node->where.host, &slot, &to) && slot == slots_of_bucket(a->bucket))
		there = fleet_node(f, &to, false);
	if (there != NULL && reply_sort(r) == REPLY_MOVED)
		fleet_own(f, a->bucket, there);
	else if (there != NULL && a->tenure_no == 0 && !asked) {
		/* For whoever does not insist on an owner that was proved; from there no further. */
		a->asking = there;
		queue_push(&there->queue, a);
		return;
	}
	map_stale(f);
	ask_again(f, a);
}

static void
ask_answered(struct conn *c, struct ask *a, struct redisReply *r, bool asked)
{
	struct node *n = c->node;
	struct fleet *f = n->fleet;

	switch (reply_sort(r)) {
	case REPLY_FINE:
		ask_end(f, a, CS_OK, r, c->tenure_no); /* unfenced, by the caller's wish */
		return;
	case REPLY_MOVED:
	case REPLY_ASK:
		ask_redirected(c, a, r, asked);
		break;
	case REPLY_NOSCRIPT:
		n->reload = true;
		n->probe_us = 0;
		ask_again(f, a);
		break;
	case REPLY_READONLY:
		c->deposed = true;
		map_stale(f);
		ask_again(f, a);
		break;
	case REPLY_LATER:
		map_stale(f);
		ask_again(f, a);
		break;
	case REPLY_FULL:
		ask_end(f, a, a->maybe ? CS_ERR_UNKNOWN : CS_ERR_FULL, NULL, 0);
		break;
	case REPLY_DENIED:
		node_set(n, n->state, "a command was refused (%.*s): the user needs %s", (int)(r->len < 90 ? r->len : 90), r->str, fleet_acl_rules());
		ask_end(f, a, a->maybe ? CS_ERR_UNKNOWN : CS_ERR_DENIED, NULL, 0);
		break;
	case REPLY_OTHER:
		ask_end(f, a, CS_ERR_CORRUPT, r, c->tenure_no);
		return;
	}
	reply_free(r);
}

static void
batch_done(struct conn *c, bool held)
{
	struct node *n = c->node;
	int64_t took = mono_us() - c->began_us;

	for (size_t i = 0; i < c->asks_n; i++) {
		struct ask *a = c->asks[i];
		struct redisReply *r;

		if (a == NULL)
			continue;
		r = a->reply;
		a->reply = NULL;
		if (held) {
			ask_end(n->fleet, a, CS_OK, r, c->tenure_no);
		} else {
			reply_free(r);
			ask_unfenced(n->fleet, a);
		}
	}
	n->latency_us = n->latency_us == 0 ? took : n->latency_us + (took - n->latency_us) / 16;
	c->state = CONN_IDLE;
	batch_release(c);
}

static void
fence_wrote(struct conn *c, const struct redisReply *r)
{
	switch (reply_sort(r)) {
	case REPLY_FINE:
		c->wrote = c->fence_expires ? r->type == REDIS_REPLY_INTEGER && r->integer == 1 : reply_is_status(r, "OK");
		break;
	case REPLY_MOVED:
	case REPLY_ASK:
		c->fence_again = true;
		c->fence_expires = false;
		map_stale(c->node->fleet);
		break;
	case REPLY_FULL:
		c->fence_again = !c->fence_expires;
		c->fence_expires = true;
		break;
	default:
		break;
	}
}

/* Replicas did not acknowledge in time: until a fence alone is held, nothing fenced is sent. */
static void
replicas_missing(struct node *n)
{
	n->knock = true;
	n->knock_us = mono_us() + KNOCK_MS * 1000;
	node_set(n, FLEET_OWNER_SHORT, "fewer than %u replicas acknowledge what is written: look at them, and at the network between them and it",
	    n->fleet->replicas);
}

/* The last reply of a batch. */
static void
fence_ended(struct conn *c, const struct redisReply *r)
{
	struct node *n = c->node;
	const struct fleet *f = n->fleet;
	struct reply_info info = {.run_id = ""};
	bool same = reply_info(reply_view(r), &info) && info.said_role && info.master && strcmp(info.replid, c->replid) == 0;
	bool held = same && !c->deposed && (f->replicas == 0 || (c->wrote && c->acknowledged));
	bool knock = c->knock;

	if (same && !c->deposed && !held && c->fence_again && ++c->fence_tries < FENCE_TRIES_MAX) {
		fence_put(c);
		return;
	}
	if (same) {
		n->info.online = info.online;
		n->info.lag_bytes = info.lag_bytes;
	}
	batch_done(c, held);
	if (!same || c->deposed) {
		node_restart(n); /* it is looked at anew, with all its connections */
	} else if (held) {
		n->knock = false;
		if (n->state == FLEET_OWNER_SHORT)
			node_set(n, FLEET_OWNER_READY, "%s", "");
	} else if (f->replicas > 0 && c->wrote) {
		replicas_missing(n);
	} else if (knock)
		n->knock_us = mono_us() + KNOCK_MS * 1000;
}

static void
fence_answer(struct conn *c, struct redisReply *r)
{
	const struct fleet *f = c->node->fleet;
	size_t at = c->fence_answered++ + (f->replicas > 0 ? 0 : 2);

	if (at == 0)
		fence_wrote(c, r);
	else if (at == 1)
		c->acknowledged = r->type == REDIS_REPLY_INTEGER && r->integer >= (long long)f->replicas;
	else
		fence_ended(c, r);
	reply_free(r);
}

void
batch_answer(struct conn *c, struct redisReply *r)
{
	size_t at = c->answered;
	struct ask *a = at < c->asks_n ? c->asks[at] : NULL;

	/* Each ask has its own deadline; who answers, however slowly, is not hung up on. */
	c->deadline_us = mono_us() + c->node->fleet->timeout_us;
	if (at == c->asks_n) {
		fence_answer(c, r);
		return;
	}
	if (c->asking[at] && !c->asking_said) {
		c->asking_said = true;
		reply_free(r);
		return;
	}
	c->asking_said = false;
	c->answered++;
	if (a == NULL) {
		reply_free(r); /* its time was over before */
	} else if (reply_sort(r) == REPLY_FINE && (a->flags & FLEET_UNFENCED) == 0) {
		a->reply = r;
	} else {
		c->asks[at] = NULL;
		a->asking = NULL;
		ask_answered(c, a, r, c->asking[at]);
	}
	if (c->answered == c->asks_n && !c->fenced)
		batch_done(c, true);
}
