/* SPDX-License-Identifier: Apache-2.0 */
/* One server: its connections, when they are made, and when it is looked at. */
#include "broker/store/redis/fleet_int.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"

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

static const char *const state_names[] = {
	[FLEET_OWNER_DOWN] = "down", [FLEET_OWNER_CHECKING] = "checking", [FLEET_OWNER_REFUSED] = "refused",
	[FLEET_OWNER_SHORT] = "short-of-replicas", [FLEET_OWNER_READY] = "ready"};

void
node_set(struct node *n, enum fleet_owner_state state, const char *format, ...)
{
	bool news = n->state != state;
	va_list args;

	n->state = state;
	va_start(args, format);
	vsnprintf(n->why, sizeof(n->why), format, args);
	va_end(args);
	if (news && n->fleet->log)
		log_at(state == FLEET_OWNER_READY ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "redis %s=%s state=%s why=%s", n->sentinel ? "sentinel" : "server",
		    log_value(view_str(n->address.text)), state_names[state], log_value(view_str(n->why)));
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
	} else if (c->state == CONN_BUSY) {
		batch_answer(c, r);
	} else {
		reply_free(r);
		conn_drop(c, "it says what was not asked");
	}
}

static void
back_off(struct node *n)
{
	int64_t pause = (int64_t)BACKOFF_FIRST_MS << (n->failures < 6 ? n->failures : 6);
	uint8_t jitter;

	secret_random(&jitter, 1);
	pause = (pause > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : pause) * 1000;
	n->failures++;
	n->open_us = mono_us() + pause / 2 + pause * jitter / 512;
}

static void
conn_lost(struct conn *c, const char *why)
{
	struct node *n = c->node;
	bool others = false, served = c->greeted;

	c->state = CONN_CLOSED;
	c->greeted = false;
	batch_lost(c);
	for (size_t i = 0; i < FLEET_CONNECTIONS; i++)
		others = others || n->conns[i].greeted;
	if (!served || !others)
		back_off(n);
	if (!others && !n->refusing)
		node_set(n, FLEET_OWNER_DOWN, "%s", why);
}

static void
conn_down(void *arg, const char *why)
{
	conn_lost(arg, why);
}

void
conn_drop(struct conn *c, const char *why)
{
	char copy[FLEET_WHY_TEXT];

	snprintf(copy, sizeof(copy), "%s", why); /* it may be the node's own, which is written anew */
	wire_hang_up(&c->wire);
	conn_lost(c, copy);
}

void
node_restart(struct node *n)
{
	for (size_t i = 0; i < FLEET_CONNECTIONS; i++) {
		if (n->conns[i].state != CONN_CLOSED || n->conns[i].wire.state != WIRE_CLOSED)
			conn_drop(&n->conns[i], "its role or its history is another; it is looked at again");
	}
}

bool
node_spare(struct node *n, int64_t now)
{
	if (n->seed || n->sentinel || n->buckets > 0 || n->queue.n > 0) {
		n->spare_us = 0;
		return false;
	}
	if (n->spare_us == 0)
		n->spare_us = now + SPARE_MS * 1000;
	return now >= n->spare_us;
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
	for (size_t i = 0; i < FLEET_CONNECTIONS && n->queue.n > 0; i++) {
		struct conn *c = &n->conns[i];

		/* Where one idle connection may carry nothing (the buckets are busy elsewhere), no other may. */
		if (c->state == CONN_IDLE && !batch_send(c))
			return;
		opening = opening || (c->state != CONN_CLOSED && !c->greeted);
		if (c->state == CONN_CLOSED && closed == NULL)
			closed = c;
	}
	if (n->queue.n > 0 && n->state == FLEET_OWNER_READY && closed != NULL && !opening && mono_us() >= n->open_us)
		conn_open(closed);
}

/* True: something is under way. */
static bool
conn_tick(struct conn *c, int64_t now)
{
	bool soon = wire_tick(&c->wire);

	if (c->state == CONN_BUSY)
		batch_expire(c, now);
	if (c->state != CONN_CLOSED && c->state != CONN_IDLE && now >= c->deadline_us)
		conn_drop(c, c->state == CONN_OPENING ? "it does not take connections" : "it does not answer in time");
	return soon || (c->state != CONN_CLOSED && c->state != CONN_IDLE);
}

bool
node_tick(struct node *n, int64_t now)
{
	bool soon = false, any = false;
	struct conn *idle = NULL;

	for (size_t i = 0; i < FLEET_CONNECTIONS; i++) {
		struct conn *c = &n->conns[i];

		if (c->state != CONN_CLOSED)
			soon = conn_tick(c, now) || soon;
		any = any || c->state != CONN_CLOSED;
		if (c->state == CONN_IDLE)
			idle = c;
	}
	if (!any && now >= n->open_us)
		conn_open(&n->conns[0]);
	else if (idle != NULL && n->state == FLEET_OWNER_SHORT && n->knock && n->buckets > 0 && now >= n->knock_us)
		batch_knock(idle);
	else if (idle != NULL && now >= n->probe_us)
		greet_send(idle, false);
	return soon || (n->state == FLEET_OWNER_SHORT && n->knock);
}
