/* SPDX-License-Identifier: Apache-2.0 */
/* store: the options of each kind of store, how its addresses read, and what of them does not go together. */
#include "broker/parent/config_option.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/base/bytes.h"

enum { ADDRESS_MAX = 5 + CONFIG_SOCKET_PATH_MAX };  /* bytes: "unix:" and a path; hosts' names are shorter in practice */
enum { REPLICAS_MAX = 8 };   /* of one master; each is waited for in every write */

/* Addresses: "unix:/path", "host:port", "[v6]:port" */

static bool
port_good(const char *s)
{
	unsigned long port = 0;

	if (*s < '1' || *s > '9' || strlen(s) > 5)
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		port = port * 10 + (unsigned long)(*s - '0');
	return *s == '\0' && port <= 65535;
}

static bool
host_good(const char *s, const char *end)
{
	bool v6 = *s == '[';

	if (v6 && (end - s < 4 || end[-1] != ']'))
		return false;
	if (v6)
		s++, end--;
	for (const char *p = s; p < end; p++) {
		if (v6 ? !isxdigit((unsigned char)*p) && strchr(":.", *p) == NULL
		       : !isalnum((unsigned char)*p) && strchr("-._", *p) == NULL)
			return false;
	}
	return end > s;
}

static bool
address_read(struct reader *r, const struct option *o, void *base, void *at)
{
	static const char like[] = "write it like \"10.0.0.1:6379\", \"redis-1.example:6379\" or \"[2001:db8::1]:6379\"";
	const char *s = r->words.text, *colon = strrchr(s, ':');
	bool one = strcmp(o->name, "server") == 0;

	(void)base;
	if (strlen(s) > ADDRESS_MAX)
		return reader_fail(r, "choose a shorter one", "an address has more than %d bytes", ADDRESS_MAX);
	if (strncmp(s, "unix:", 5) == 0) {
		if (!one)
			return reader_fail(r, like, "%s servers tell each other's addresses, which are of TCP", o->name);
		if (s[5] != '/')
			return reader_fail(r, "write it like \"unix:/run/redis/redis.sock\"", "the path of a socket begins at the root");
		return reader_take_text(r, at);
	}
	if (colon == NULL || !host_good(s, colon) || !port_good(colon + 1))
		return reader_fail(r, one ? "write it like \"unix:/run/redis/redis.sock\" or \"10.0.0.1:6379\"" : like,
		    "\"%.64s\" is no address of a server", s);
	return reader_take_text(r, at);
}

static bool
address_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	return type_text.print(b, o, base, at);
}

static const struct option_type type_address = {"ADDRESS", address_read, address_print, NULL};

/* sentinel MASTER ADDRESS ... */

static bool
sentinel_read(struct reader *r, const struct option *o, void *base, void *at)
{
	struct config_redis *redis = base;

	(void)at;
	if (!name_check(r, "a master that Sentinel watches") || !reader_take_text(r, &redis->sentinel_master))
		return false;
	if (!reader_at_item(r))
		return reader_fail(r, "write it like: sentinel \"payments\" \"10.0.0.1:26379\" \"10.0.0.2:26379\" \"10.0.0.3:26379\"",
		    "sentinel needs addresses after the master's name");
	while (reader_at_item(r)) {
		if (redis->sentinel_count == CONFIG_ITEMS_MAX)
			return reader_fail(r, "remove some", "there are more than %d of \"%s\"", CONFIG_ITEMS_MAX, o->name);
		if (!address_read(r, o, base, &redis->sentinels[redis->sentinel_count]))
			return false;
		redis->sentinel_count++;
	}
	return true;
}

static bool
sentinel_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const struct config_redis *redis = base;

	(void)o;
	(void)at;
	if (redis->sentinel_count == 0)
		return false;
	print_quoted(b, redis->sentinel_master);
	for (size_t i = 0; i < redis->sentinel_count; i++)
		print_quoted(b, redis->sentinels[i]);
	return true;
}

static const struct option_type type_sentinel = {"MASTER ADDRESS ...", sentinel_read, sentinel_print, NULL};

/* tls { ... }: that it stands there switches it on */

static bool
tls_read(struct reader *r, const struct option *o, void *base, void *at)
{
	((struct config_tls *)at)->on = true;
	return type_block.read(r, o, base, at);
}

static bool
tls_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	return ((const struct config_tls *)at)->on && type_block.print(b, o, base, at);
}

const struct option_type type_tls = {"{ ... }", tls_read, tls_print, NULL};

/* The options */

static const struct option sqlite_options[] = {
	{.name = "path", .type = &type_path, ONE(config, store.path),
	 .help = "The database file. Default: countersign.db in the state directory."},
	{.name = "cache", .type = &type_size, ONE(config, store.cache_bytes), .min = 1 << 20, .max = INT64_C(64) << 30,
	 .preset = "16 MiB", .help = "How much memory the engine keeps encoded accounts in."},
	{.name = NULL},
};
static const struct block sqlite_block = {"store sqlite", sqlite_options};

static const struct option tls_options[] = {
	{.name = "ca", .type = &type_path, ONE(config_tls, ca), 
	 .help = "The authorities that the servers' certificates are checked against, PEM. Default: the system's."},
	{.name = "certificate", .type = &type_path, ONE(config_tls, certificate),
	 .help = "The broker's own certificate with its chain, PEM, for servers with tls-auth-clients yes."},
	{.name = "key", .type = &type_path, ONE(config_tls, key), .help = "Its private key, PEM, mode 0600."},
	{.name = "name", .type = &type_text, ONE(config_tls, name), .argument = "HOST",
	 .help = "The name that all servers' certificates have. Default: the host of each address; in a cluster those are what"
	         " its nodes announce, often bare addresses."},
	{.name = NULL},
};
static const struct block tls_block = {"tls", tls_options};

static const char *const weaker_words[] = {"everysec", "no-persistence", "no-replicas", NULL};

static const struct option redis_options[] = {
	{.name = "server", .type = &type_address, ONE(config_redis, server),
	 .help = "One Redis server: unix:/PATH or HOST:PORT. One of server, sentinel and cluster is needed."},
	{.name = "sentinel", .type = &type_sentinel, ONE(config_redis, sentinel_master),
	 .help = "The name of a master and the addresses of the Sentinels that watch it: they say which server is it now."},
	{.name = "cluster", .type = &type_address, MANY(config_redis, clusters, cluster_count, CONFIG_ITEMS_MAX),
	 .argument = "ADDRESS ...", .help = "Some nodes of a Redis Cluster; the others are learned from any one of them."},
	{.name = "user", .type = &type_text, ONE(config_redis, user), .argument = "NAME",
	 .help = "The ACL user at the servers. Default: theirs."},
	{.name = "password-file", .type = &type_path, ONE(config_redis, password_file),
	 .help = "A file of mode 0600 with the password in its first line, which belongs to the engine's user. It is read when"
	         " the engine starts."},
	{.name = "sentinel-user", .type = &type_text, ONE(config_redis, sentinel_user), .argument = "NAME",
	 .help = "The ACL user at the Sentinels. Default: theirs."},
	{.name = "sentinel-password-file", .type = &type_path, ONE(config_redis, sentinel_password_file),
	 .help = "As password-file, for the Sentinels."},
	{.name = "tls", .type = &type_tls, ONE(config_redis, tls), .block = &tls_block,
	 .help = "TLS 1.2 or later with every server and Sentinel. Without it nothing is encrypted."},
	{.name = "prefix", .type = &type_name, ONE(config_redis, prefix), .preset = "\"cs\"",
	 .help = "What every key begins with. Two stores may share servers under two of these. Never change it."},
	{.name = "name", .type = &type_name, ONE(config_redis, name),
	 .help = "What this broker is called among those that share the store; each needs another. Default: the host's name."},
	{.name = "journal", .type = &type_path, ONE(config_redis, journal),
	 .help = "The broker's own file of what it acknowledged, from which lost writes are put back: on a disk of its own, never"
	         " shared. Default: journal.db in the state directory."},
	{.name = "journal-kept", .type = &type_duration, ONE(config_redis, journal_kept_ms), .min = MINUTE, .max = 90 * DAY,
	 .preset = "10m", .help = "How long the journal remembers at least, counted while the broker runs. What servers lose that is"
	         " older cannot be put back, and its accounts are held."},
	{.name = "journal-size", .type = &type_size, ONE(config_redis, journal_bytes), .min = 64 << 20, .max = INT64_C(1) << 44,
	 .preset = "8 GiB", .help = "How large the journal may grow. Where what it must remember has no room, nothing more is acknowledged:"
	         " some 1 KiB an event."},
	{.name = "replicas", .type = &type_count, ONE(config_redis, replicas), .max = REPLICAS_MAX,
	 .help = "How many replicas must have a write before it is acknowledged. Default: 1 with sentinel and cluster, 0 with"
	         " server. While fewer answer, nothing that was asked is permitted."},
	{.name = "lease", .type = &type_duration, ONE(config_redis, lease_ms), .min = 200, .max = 10 * SECOND, .preset = "1s",
	 .help = "How old this broker's view of freezes, providers and other brokers may be before it fails closed; so too how long"
	         " a freeze may take to reach all. The same for all brokers of a store."},
	{.name = "timeout", .type = &type_duration, ONE(config_redis, timeout_ms), .min = 50, .max = 30 * SECOND, .preset = "1s",
	 .help = "How long a server may take to answer before what was asked counts as unavailable."},
	{.name = "cache", .type = &type_size, ONE(config_redis, cache_bytes), .min = 1 << 20, .max = INT64_C(64) << 30,
	 .preset = "64 MiB", .help = "How much memory the engine keeps encoded accounts in; one that is there is decided in one"
	         " round trip."},
	{.name = "weaker", .type = &type_words, ONE(config_redis, weaker), .words = weaker_words,
	 .argument = "everysec|no-persistence|no-replicas ...",
	 .help = "What is given up of the promise that nothing acknowledged is lost; status and check say so. With everysec,"
	         " servers may run with appendfsync everysec; with no-persistence, without appendonly; with no-replicas,"
	         " replicas may be 0 where there are failovers."},
	{.name = NULL},
};
static const struct block redis_block = {"store redis", redis_options};

/* As if each kind were an option, so that the manual lists theirs. Of mem there is nothing to say; it takes what sqlite takes. */
static const struct option store_options[] = {
	{.name = "sqlite", .type = &type_block, .block = &sqlite_block, .help = "A file on this machine, of this broker alone."},
	{.name = "redis", .type = &type_block, ONE(config, store.redis), .block = &redis_block,
	 .help = "Redis servers, which any number of brokers with the same key file share; see doc/shared-store.md."},
	{.name = "mem", .type = &type_block, .block = &sqlite_block, .flags = OPTION_CANONICAL, .help = "Memory."},
	{.name = NULL},
};
const struct block store_block = {"store", store_options};

/* The kinds in the order of their options. */
static const enum config_store_kind kinds[] = {CONFIG_STORE_SQLITE, CONFIG_STORE_REDIS, CONFIG_STORE_MEM};

static bool
store_read(struct reader *r, const struct option *o, void *base, void *at)
{
	static const char *const names[] = {"sqlite", "redis", "mem", NULL};
	struct config *c = base;
	struct config_place place = r->words.place;
	const struct option *kind;
	size_t i = 0;
	void *to;

	(void)o;
	(void)at;
	while (names[i] != NULL && strcmp(names[i], r->words.text) != 0)
		i++;
	if (names[i] == NULL)
		return reader_fail_unknown(r, "store", names);
	kind = &store_options[i];
	to = (char *)base + kind->offset;
	c->store.kind = kinds[i];
	if (!reader_next(r))
		return false;
	if (r->words.type == WORD_OPEN)
		return block_read_braces(r, kind->block, to);
	return block_finish(r, kind->block, to, 0, place);
}

static bool
store_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const struct config *c = base;
	const struct option *kind = store_options;

	(void)o;
	(void)at;
	while (kinds[kind - store_options] != c->store.kind)
		kind++;
	print_text(b, " ");
	print_text(b, kind->name);
	print_text(b, " ");
	block_print(b, kind->block, (const char *)c + kind->offset);
	return true;
}

const struct option_type type_store = {"KIND", store_read, store_print, NULL};

bool
config_store_same(const struct config *a, const struct config *b)
{
	struct bytes text[2];
	bool same;

	bytes_init(&text[0], CONFIG_FILE_MAX);
	bytes_init(&text[1], CONFIG_FILE_MAX);
	store_print(&text[0].buf, NULL, a, NULL);
	store_print(&text[1].buf, NULL, b, NULL);
	same = view_equal(view_of(text[0].buf.data, text[0].buf.len), view_of(text[1].buf.data, text[1].buf.len));
	bytes_clear(&text[0]);
	bytes_clear(&text[1]);
	return same;
}

const char *
config_weaker_name(const struct config *c, size_t i)
{
	for (size_t k = 0; c->store.kind == CONFIG_STORE_REDIS && weaker_words[k] != NULL; k++) {
		if ((c->store.redis.weaker & 1U << k) != 0 && i-- == 0)
			return weaker_words[k];
	}
	return NULL;
}

/* Defaults that depend on other values */

/* The host's name, with what a name may not have replaced. */
static const char *
host_name(struct reader *r)
{
	char name[CONFIG_NAME_MAX + 1] = "";

	if (gethostname(name, sizeof(name)) != 0 && name[0] == '\0')
		snprintf(name, sizeof(name), "broker");
	name[CONFIG_NAME_MAX] = '\0';
	for (size_t i = 0; name[i] != '\0'; i++) {
		if (!isalnum((unsigned char)name[i]) && (i == 0 || strchr("-_.", name[i]) == NULL))
			name[i] = i == 0 ? 'x' : '-';
	}
	return reader_keep(r, name, strlen(name));
}

bool
store_resolve(struct reader *r)
{
	struct config *c = r->c;
	struct config_redis *redis = &c->store.redis;

	if (c->store.path == NULL)
		c->store.path = reader_keep_below(r, c->state_directory, "countersign.db");
	if (c->store.kind != CONFIG_STORE_REDIS)
		return c->store.path != NULL;
	if (redis->journal == NULL)
		redis->journal = reader_keep_below(r, c->state_directory, "journal.db");
	if (redis->name == NULL)
		redis->name = host_name(r);
	if (redis->replicas < 0)
		redis->replicas = redis->server == NULL ? 1 : 0;
	return c->store.path != NULL && redis->journal != NULL && redis->name != NULL;
}

/* What does not go together */

static bool
check_servers(struct reader *r)
{
	const struct config_redis *redis = &r->c->store.redis;
	const struct {
		bool given;
		const char *name;
		const void *at;
	} ways[] = {
		{redis->server != NULL, "server", &redis->server},
		{redis->sentinel_count > 0, "sentinel", &redis->sentinel_master},
		{redis->cluster_count > 0, "cluster", &redis->clusters[0]},
	};
	const char *first = NULL;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (ways[i].given && first != NULL)
			return config_fail(r->err, reader_place(r, ways[i].at), ways[i].name, "keep the one that is meant",
			    "store redis has both a %s and a %s", first, ways[i].name);
		if (ways[i].given)
			first = ways[i].name;
	}
	return first != NULL || config_fail(r->err, reader_place(r, &r->c->store), "redis",
	    "add: server ADDRESS, or: sentinel MASTER ADDRESS ..., or: cluster ADDRESS ...", "store redis names no servers");
}

static bool
check_weaker(struct reader *r)
{
	const struct config_redis *redis = &r->c->store.redis;
	bool allowed = (redis->weaker & CONFIG_WEAKER_NO_REPLICAS) != 0;

	if (redis->server == NULL && redis->replicas == 0 && !allowed)
		return config_fail(r->err, reader_place(r, &redis->replicas), "replicas",
		    "write replicas 1 or more; or accept the loss with: weaker no-replicas",
		    "replicas is 0: a failover loses what no replica has heard");
	if (allowed && (redis->replicas > 0 || redis->server != NULL))
		return config_fail(r->err, reader_place(r, &redis->weaker), "no-replicas", "remove the word, or write replicas 0",
		    "weaker no-replicas is written, and %s", redis->server != NULL ? "one server has no failovers" : "replicas are waited for");
	return true;
}

static bool
check_tls(struct reader *r)
{
	const struct config_tls *tls = &r->c->store.redis.tls;
	bool key = tls->key != NULL;

	if ((tls->certificate != NULL) == key)
		return true;
	return config_fail(r->err, reader_place(r, key ? &tls->key : &tls->certificate), key ? "key" : "certificate",
	    "write both, or neither", "the %s for the store's TLS has no %s", key ? "key" : "certificate",
	    key ? "certificate" : "key");
}

bool
store_check(struct reader *r)
{
	const struct config_redis *redis = &r->c->store.redis;

	if (r->c->store.kind != CONFIG_STORE_REDIS)
		return true;
	if (!check_servers(r) || !check_weaker(r) || !check_tls(r))
		return false;
	if (redis->user != NULL && redis->password_file == NULL)
		return config_fail(r->err, reader_place(r, &redis->user), redis->user, "add: password-file PATH",
		    "the store's user has no password");
	if (redis->sentinel_user != NULL && redis->sentinel_password_file == NULL)
		return config_fail(r->err, reader_place(r, &redis->sentinel_user), redis->sentinel_user, "add: sentinel-password-file PATH",
		    "the Sentinels' user has no password");
	if (redis->sentinel_password_file != NULL && redis->sentinel_count == 0)
		return config_fail(r->err, reader_place(r, &redis->sentinel_password_file), "sentinel-password-file", "remove it",
		    "there is no sentinel for the password");
	return true;
}
