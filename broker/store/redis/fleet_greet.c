/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a server before it is used and now and then afterwards, what is judged by it, and who owns what. */
#include "broker/store/redis/fleet_int.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <time.h>

#include "broker/base/check.h"

enum { VERSION_LEAST = 70000 };

void
map_stale(struct fleet *f)
{
	int64_t soon = mono_us() + HURRY_MS * 1000 / 4;

	if (f->mode == FLEET_SINGLE)
		return;
	for (size_t i = 0; i < f->nodes_n; i++) {
		if (f->nodes[i]->probe_us > soon)
			f->nodes[i]->probe_us = soon;
	}
}

static void
greet_put(struct conn *c, enum greet what, int argc, const char **argv, const size_t *lens)
{
	CHECK(c->greets_n < GREETS_MAX);
	c->greets[c->greets_n++] = (uint8_t)what;
	conn_put(c, argc, argv, lens);
}

static void
greet_auth(struct conn *c)
{
	const struct fleet *f = c->node->fleet;
	const struct secret *password = c->node->sentinel ? &f->sentinel_password : &f->password;
	const char *user = c->node->sentinel ? f->sentinel_user : f->user;
	const char *argv[3] = {"AUTH", user, (const char *)password->bytes};
	size_t lens[3] = {4, user == NULL ? 0 : strlen(user), password->len};

	if (password->len == 0)
		return;
	c->wire.wipe = true;
	if (user != NULL)
		greet_put(c, GREET_AUTH, 3, argv, lens);
	else
		greet_put(c, GREET_AUTH, 2, (const char *[]){argv[0], argv[2]}, (const size_t[]){lens[0], lens[2]});
}

void
greet_send(struct conn *c, bool first)
{
	struct fleet *f = c->node->fleet;

	c->state = CONN_GREETING;
	c->greets_n = c->greets_at = 0;
	c->node->good = true;
	c->deadline_us = mono_us() + f->timeout_us + 1000000;
	if (first) {
		greet_auth(c);
		if (!c->node->sentinel)
			greet_put(c, GREET_NAME, 3, (const char *[]){"CLIENT", "SETNAME", "countersign"}, NULL);
	}
	if (c->node->sentinel) {
		greet_put(c, GREET_MASTER, 3, (const char *[]){"SENTINEL", "GET-MASTER-ADDR-BY-NAME", f->sentinel_master}, NULL);
	} else {
		greet_put(c, GREET_INFO, 1, (const char *[]){"INFO"}, NULL);
		greet_put(c, GREET_CONFIG, 6,
		    (const char *[]){"CONFIG", "GET", "appendonly", "appendfsync", "maxmemory-policy", "no-appendfsync-on-rewrite"}, NULL);
		greet_put(c, GREET_TIME, 1, (const char *[]){"TIME"}, NULL);
		for (size_t i = 0; (first || c->node->reload) && i < f->scripts_n; i++)
			greet_put(c, GREET_SCRIPT, 3, (const char *[]){"SCRIPT", "LOAD", f->scripts[i]}, NULL);
		c->node->reload = false;
		if (first && !f->weaker_persistence) {
			char key[64];

			snprintf(key, sizeof(key), "%s{%s}f", f->prefix, slots_tag(0));
			greet_put(c, GREET_DEFAULT, 7, (const char *[]){"ACL", "DRYRUN", "default", "HSET", key, "a", "b"}, NULL);
		}
		if (f->mode == FLEET_CLUSTER)
			greet_put(c, GREET_EPOCH, 2, (const char *[]){"CLUSTER", "INFO"}, NULL);
		if (f->mode == FLEET_CLUSTER)
			greet_put(c, GREET_SLOTS, 2, (const char *[]){"CLUSTER", "SLOTS"}, NULL);
	}
	wire_write(&c->wire);
}

/* Who owns what */

static void
slots_range(void *ctx, unsigned first, unsigned last, const struct fleet_address *master)
{
	struct fleet *f = ctx;
	struct node *n = fleet_node(f, master, false);

	for (unsigned b = 0; n != NULL && b < SLOTS_BUCKETS; b++) {
		unsigned slot = slots_of_bucket(b);

		if (slot >= first && slot <= last)
			fleet_own(f, b, n);
	}
}

/* A server on the wrong side of a partition, or back from the dead, tells an old map: its epoch is lower. */
static void
slots_take(struct node *n, const struct redisReply *r)
{
	if (n->epoch < n->fleet->epoch)
		return;
	n->fleet->epoch = n->epoch;
	(void)reply_slots(r, n->where.host, slots_range, n->fleet);
}

/* The master that most Sentinels name; what there is stays where they do not agree. */
static void
votes_count(struct fleet *f)
{
	const struct fleet_address *best = NULL;
	unsigned best_n = 0;
	struct node *n;

	for (size_t i = 0; i < f->nodes_n; i++) {
		unsigned votes = 0;

		for (size_t k = 0; f->nodes[i]->sentinel && f->nodes[i]->vote.text[0] != '\0' && k < f->nodes_n; k++)
			votes += f->nodes[k]->sentinel && strcmp(f->nodes[i]->vote.text, f->nodes[k]->vote.text) == 0;
		if (votes > best_n) {
			best_n = votes;
			best = &f->nodes[i]->vote;
		}
	}
	if (best == NULL || (f->owner[0] != NULL && f->owner[0]->state == FLEET_OWNER_READY && best_n < 2))
		return;
	n = fleet_node(f, best, false);
	for (unsigned b = 0; n != NULL && b < SLOTS_BUCKETS; b++)
		fleet_own(f, b, n);
}

static void
master_take(struct node *n, const struct redisReply *r)
{
	struct view port = r->type == REDIS_REPLY_ARRAY && r->elements == 2 ? reply_view(r->element[1]) : view_of(NULL, 0);
	unsigned number = 0;

	for (size_t i = 0; i < port.len && i < 5; i++)
		number = number * 10 + (unsigned)(((const char *)port.data)[i] - '0');
	if (port.len == 0 || !reply_address(reply_view(r->element[0]), number, &n->vote)) {
		n->vote.text[0] = '\0';
		node_set(n, FLEET_OWNER_REFUSED, "this Sentinel knows no master \"%.64s\": correct the name", n->fleet->sentinel_master);
		n->good = false;
		return;
	}
	votes_count(n->fleet);
}

/* What is judged */

static void
judge(struct conn *c)
{
	struct node *n = c->node;
	const struct fleet *f = n->fleet;
	const struct reply_info *i = &n->info;

	if (!i->master) {
		if (f->mode == FLEET_SINGLE)
			node_set(n, FLEET_OWNER_REFUSED, "it is a replica of %.100s: name the master, or use sentinel or cluster", i->master_address);
		else
			node_set(n, FLEET_OWNER_DOWN, "it is a replica");
	} else if (i->version < VERSION_LEAST) {
		node_set(n, FLEET_OWNER_REFUSED, "Redis %s is too old: 7.0 is needed", i->version_text);
	} else if (i->cluster != (f->mode == FLEET_CLUSTER)) {
		node_set(n, FLEET_OWNER_REFUSED, i->cluster ? "it is a node of a cluster: write cluster in place of server"
		                                            : "it is no node of a cluster: write server in place of cluster");
	} else if (n->config_denied) {
		node_set(n, FLEET_OWNER_REFUSED, "its settings may not be read: give the user +config|get; it needs %s", fleet_acl_rules());
	} else if (strcmp(i->eviction, "noeviction") != 0) {
		node_set(n, FLEET_OWNER_REFUSED, "maxmemory-policy is %s: it would forget accounts; set noeviction", i->eviction);
	} else if (strcmp(n->appendonly, "yes") != 0 && !f->weaker_persistence) {
		node_set(n, FLEET_OWNER_REFUSED, "appendonly is no: it would forget everything; set appendonly yes, or accept the loss with weaker no-persistence");
	} else if (strcmp(n->appendfsync, "always") != 0 && !f->weaker_persistence &&
	    !(f->weaker_fsync && strcmp(n->appendfsync, "everysec") == 0)) {
		node_set(n, FLEET_OWNER_REFUSED, "appendfsync is %s: set always, or accept the loss with weaker everysec", n->appendfsync);
	} else if (strcmp(n->no_fsync_on_rewrite, "yes") == 0 && !f->weaker_persistence && !f->weaker_fsync) {
		node_set(n, FLEET_OWNER_REFUSED, "no-appendfsync-on-rewrite is yes: set no, or accept the loss with weaker everysec");
	} else if (n->forgets[0] != '\0' && !f->weaker_persistence) {
		node_set(n, FLEET_OWNER_REFUSED, "at its next start it would forget what scripts wrote, as its user default may not repeat its own file: write "
		    "user default off ~* &* +@all (%.60s)", n->forgets);
	} else if (i->loading) {
		node_set(n, FLEET_OWNER_DOWN, "it reads its files yet");
	} else if (i->online < f->replicas) {
		node_set(n, FLEET_OWNER_SHORT, "%u of %u replicas are in step; nothing is written until they are", i->online, f->replicas);
	} else if (n->knock) {
		if (n->state != FLEET_OWNER_SHORT)
			node_set(n, FLEET_OWNER_SHORT, "whether %u replicas acknowledge what is written is being tried", f->replicas);
	} else {
		node_set(n, FLEET_OWNER_READY, "%s", "");
	}
}

/* Whether some bucket has nobody to serve it. */
static bool
trouble(const struct fleet *f)
{
	unsigned served = 0;

	for (size_t i = 0; i < f->nodes_n; i++)
		served += f->nodes[i]->state == FLEET_OWNER_READY ? f->nodes[i]->buckets : 0;
	return served < SLOTS_BUCKETS;
}

static void
greeted(struct conn *c)
{
	struct node *n = c->node;
	char tenure[FLEET_TENURE_TEXT];
	uint32_t no;
	bool hurry;

	c->state = CONN_IDLE;
	if (!n->good && !n->sentinel) {
		/* It refused us: from the start, later. */
		n->refusing = true;
		conn_drop(c, n->why);
		n->refusing = false;
		n->open_us = mono_us() + BACKOFF_MAX_MS * 1000;
		return;
	}
	if (!n->sentinel && (n->info.run_id[0] == '\0' || n->info.replid[0] == '\0' || !n->info.said_role)) {
		conn_drop(c, "its INFO does not say who it is and what its role is");
		return;
	}
	c->greeted = true;
	n->failures = 0;
	if (n->sentinel) {
		if (n->good)
			node_set(n, FLEET_OWNER_READY, "%s", "");
		n->probe_us = mono_us() + (trouble(n->fleet) ? HURRY_MS : PROBE_MS / 2) * 1000;
		return;
	}
	snprintf(tenure, sizeof(tenure), "%s:%s", n->info.run_id, n->info.replid);
	no = tenure_number(n->fleet, tenure);
	c->tenure_no = no;
	snprintf(c->replid, sizeof(c->replid), "%s", n->info.replid);
	if (n->tenure_no != 0 && n->tenure_no != no) {
		/* The other connections were greeted under what is over. */
		for (size_t i = 0; i < FLEET_CONNECTIONS; i++) {
			if (&n->conns[i] != c && n->conns[i].state != CONN_CLOSED)
				conn_drop(&n->conns[i], "its history is another");
		}
	}
	if (n->tenure_no != no) {
		n->tenure_no = no;
		n->knock = n->fleet->replicas > 0; /* that it says master is no proof: a fence that is held is one */
		n->knock_us = 0;
	}
	judge(c);
	hurry = n->state != FLEET_OWNER_READY && n->state != FLEET_OWNER_REFUSED && n->buckets > 0;
	if (n->fleet->mode == FLEET_CLUSTER)
		hurry = hurry || trouble(n->fleet);
	n->probe_us = mono_us() + (hurry ? HURRY_MS : PROBE_MS) * 1000;
}

static void
time_take(struct node *n, const struct redisReply *r)
{
	struct timespec ours;
	long long s = 0, us = 0;

	if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 || r->element[0]->str == NULL || r->element[1]->str == NULL ||
	    sscanf(r->element[0]->str, "%lld", &s) != 1 || sscanf(r->element[1]->str, "%lld", &us) != 1)
		return;
	CHECK(clock_gettime(CLOCK_REALTIME, &ours) == 0);
	n->time_us = s * 1000000 + us;
	n->time_at_us = mono_us();
	n->clock_ms = n->time_us / 1000 - (ours.tv_sec * 1000 + ours.tv_nsec / 1000000);
}

static void
config_take(struct node *n, const struct redisReply *r)
{
	n->config_denied = reply_sort(r) == REPLY_DENIED;
	if (!reply_config(r, "appendonly", n->appendonly, sizeof(n->appendonly)))
		n->appendonly[0] = '\0';
	if (!reply_config(r, "appendfsync", n->appendfsync, sizeof(n->appendfsync)))
		n->appendfsync[0] = '\0';
	if (!reply_config(r, "no-appendfsync-on-rewrite", n->no_fsync_on_rewrite, sizeof(n->no_fsync_on_rewrite)))
		n->no_fsync_on_rewrite[0] = '\0';
	if (!reply_config(r, "maxmemory-policy", n->info.eviction, sizeof(n->info.eviction)))
		n->info.eviction[0] = '\0';
}

/*
 * Redis reads its append only file as the user default, and passes over each MULTI of it that default may not execute,
 * without a word: all that scripts wrote.
 */
static void
default_take(struct node *n, const struct redisReply *r)
{
	struct view said = reply_view(r);

	n->forgets[0] = '\0';
	if (!reply_is_status(r, "OK"))
		snprintf(n->forgets, sizeof(n->forgets), "%.*s", (int)(said.len < 90 ? said.len : 90), said.len == 0 ? "no answer" : said.data);
}

/* The reply is an error: whether the greeting goes on. */
static bool
greet_error(struct conn *c, enum greet what, const struct redisReply *r)
{
	int len = (int)(r->len < 120 ? r->len : 120);

	if (what == GREET_CONFIG || what == GREET_NAME)
		return true;
	if (reply_sort(r) == REPLY_LATER && what != GREET_AUTH) {
		conn_drop(c, r->str);
		return false;
	}
	c->node->good = false;
	if (what == GREET_AUTH || reply_sort(r) == REPLY_DENIED)
		node_set(c->node, FLEET_OWNER_REFUSED, "it refuses the user or a command (%.*s): user and password-file, or its rights: %s", len, r->str,
		    fleet_acl_rules());
	else
		node_set(c->node, FLEET_OWNER_REFUSED, "it says: %.*s", len, r->str);
	return true;
}

void
greet_take(struct conn *c, struct redisReply *r)
{
	struct node *n = c->node;
	enum greet what = (enum greet)c->greets[c->greets_at++];
	bool goes_on = true;

	if (reply_sort(r) != REPLY_FINE)
		goes_on = greet_error(c, what, r);
	if (goes_on && what == GREET_INFO && reply_sort(r) == REPLY_FINE) {
		struct reply_info info = {.eviction = ""};

		(void)reply_info(reply_view(r), &info);
		n->info = info;
	} else if (goes_on && what == GREET_DEFAULT) {
		default_take(n, r);
	} else if (goes_on && what == GREET_EPOCH) {
		n->epoch = reply_epoch(reply_view(r));
	} else if (goes_on && what == GREET_CONFIG) {
		config_take(n, r);
	} else if (goes_on && what == GREET_TIME) {
		time_take(n, r);
	} else if (goes_on && what == GREET_MASTER && reply_sort(r) != REPLY_DENIED) {
		master_take(n, r);
	} else if (goes_on && what == GREET_SLOTS && reply_sort(r) == REPLY_FINE) {
		slots_take(n, r);
	}
	reply_free(r);
	if (goes_on && c->state == CONN_GREETING && c->greets_at == c->greets_n)
		greeted(c);
}
