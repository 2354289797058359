/* SPDX-License-Identifier: Apache-2.0 */
/* What can be checked only when everything has been read. */
#include "broker/core/types.h"
#include "broker/parent/config_option.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

const char *
reader_keep_below(struct reader *r, const char *directory, const char *name)
{
	char path[WORD_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return reader_keep(r, path, strlen(path));
}

/* Defaults that depend on other values. */
bool
config_resolve(struct reader *r)
{
	struct config *c = r->c;
	const struct {
		const char **to;
		const char *directory, *name;
	} paths[] = {
		{&c->admin_socket, c->run_directory, "admin"},
		{&c->key_file, c->state_directory, "master.key"},
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (*paths[i].to == NULL)
			*paths[i].to = reader_keep_below(r, paths[i].directory, paths[i].name);
		if (*paths[i].to == NULL)
			return false;
	}
	for (size_t i = 0; i < c->provider_count; i++) {
		if (c->providers[i].cooling_off_ms < 0)
			c->providers[i].cooling_off_ms = c->cooling_off.link_ms;
	}
	for (size_t i = 0; i < c->factor_count; i++) {
		if (c->factors[i].cooling_off_ms < 0)
			c->factors[i].cooling_off_ms = c->cooling_off.factor_ms;
	}
	return store_resolve(r);
}

/* Things of a list that must differ: the first `key` bytes, or where text the strings that they point at. */
struct unique {
	const char *what;
	const void *items;
	size_t count, size, key;
	bool text;
};

static bool
unique_check(struct reader *r, const struct unique *u)
{
	for (size_t i = 1; i < u->count; i++) {
		const char *a = (const char *)u->items + i * u->size;

		for (size_t k = 0; k < i; k++) {
			const char *b = (const char *)u->items + k * u->size;
			bool same = u->text ? strcmp(*(const char *const *)a, *(const char *const *)b) == 0
			                    : memcmp(a, b, u->key) == 0;

			if (same)
				return config_fail(r->err, reader_place(r, a), u->text ? *(const char *const *)a : "",
				    "remove or rename one of them", "%s is written twice", u->what);
		}
	}
	return true;
}

#define UNIQUE_TEXT(what_, list, count_) \
	&(struct unique){what_, list, count_, sizeof((list)[0]), 0, true}
#define UNIQUE_BYTES(what_, list, count_, key_) \
	&(struct unique){what_, list, count_, sizeof((list)[0]), key_, false}

/* Workers, their sockets and the rules of stacks name plugins without their kind. */
static bool
check_plugin_names(struct reader *r)
{
	const struct config *c = r->c;
	struct config_instance one, other;

	for (size_t i = 0; config_instance_at(c, i, &one); i++) {
		for (size_t k = 0; k < i && config_instance_at(c, k, &other); k++) {
			if (one.kind != other.kind && strcmp(one.name, other.name) == 0)
				return config_fail(r->err, reader_place(r, one.block), one.name, "rename one of them",
				    "a %s and a %s are both called \"%s\"", config_kind_name(other.kind), config_kind_name(one.kind),
				    one.name);
		}
		if (!unique_check(r, UNIQUE_TEXT("a setting", one.settings, one.setting_count)))
			return false;
	}
	for (size_t i = 0; i < c->provider_count; i++) {
		const struct config_provider *p = &c->providers[i];

		if (!unique_check(r, UNIQUE_TEXT("a kind", p->assume_independent, p->assume_independent_count)) ||
		    !unique_check(r, UNIQUE_BYTES("a currency's limits", p->limits, p->limits_count, sizeof(uint16_t))))
			return false;
	}
	return true;
}

enum { TITLE_MAX = 64 };  /* bytes: it stands in a sentence */

static bool
check_title(struct reader *r, const char *const *title)
{
	return *title == NULL || strlen(*title) <= TITLE_MAX ||
	    config_fail(r->err, reader_place(r, title), "title", "write a shorter one", "the title has more than %d bytes",
	        TITLE_MAX);
}

/* "ignore" stands alone. */
static bool
check_signals(struct reader *r, const struct config_signals *s)
{
	for (int kind = SIGNAL_KIND_NONE + 1; kind < SIGNAL_KIND__COUNT; kind++) {
		if (s->effects[kind] > SIGNAL_EFFECTS_ALL + 1)
			return config_fail(r->err, reader_place(r, &s->effects[kind]), "ignore",
			    "write either ignore or the effects", "%s is ignored and has an effect",
			    signal_name((enum signal_kind)kind));
	}
	return true;
}

/* A word that is misspelt would protect nobody, and say nothing of it. */
static bool
check_provider(struct reader *r, const struct config_provider *p)
{
	if (!check_title(r, &p->title))
		return false;
	if (p->profile != NULL && config_provider_profile(r->c, p) == NULL)
		return config_fail(r->err, reader_place(r, &p->profile), p->profile,
		    "include the file of the profile before, like: include \"profiles/*.conf\"; or correct the name",
		    "the provider \"%s\" names an unknown profile \"%s\"", p->name, p->profile);
	for (size_t i = 0; i < p->assume_independent_count; i++) {
		if (factor_kind_find(view_str(p->assume_independent[i])) == FACTOR__COUNT)
			return config_fail(r->err, reader_place(r, &p->assume_independent[i]), p->assume_independent[i],
			    "write one of: totp webauthn otp pam recovery approve", "\"%.80s\" is no kind of factor",
			    p->assume_independent[i]);
	}
	return check_signals(r, &p->signals);
}

static bool
check_names(struct reader *r)
{
	const struct config *c = r->c;

	return unique_check(r, UNIQUE_TEXT("a profile of this name", c->profiles, c->profile_count)) &&
	    unique_check(r, UNIQUE_TEXT("a provider of this name", c->providers, c->provider_count)) &&
	    unique_check(r, UNIQUE_TEXT("a factor of this name", c->factors, c->factor_count)) &&
	    unique_check(r, UNIQUE_TEXT("a risk of this name", c->risks, c->risk_count)) &&
	    unique_check(r, UNIQUE_TEXT("a notify of this name", c->notifies, c->notify_count)) &&
	    unique_check(r, UNIQUE_TEXT("a token of this name", c->tokens, c->token_count)) &&
	    unique_check(r, UNIQUE_TEXT("a service of this name", c->services, c->service_count)) &&
	    unique_check(r, UNIQUE_BYTES("a currency's policy-limits", c->policy_limits, c->policy_limits_count, sizeof(uint16_t))) &&
	    unique_check(r, UNIQUE_BYTES("a currency's trusted-factor-limit", c->trusted_factor_limits,
	        c->trusted_factor_limit_count, sizeof(uint16_t))) &&
	    unique_check(r, UNIQUE_BYTES("a uid", c->admin_uids, c->admin_uid_count, sizeof(uint32_t))) &&
	    check_plugin_names(r);
}

/* A caller must be one service and no other. */
static bool
check_identities(struct reader *r, size_t index)
{
	const struct config *c = r->c;
	const struct config_service *s = &c->services[index];

	for (size_t i = 0; i <= index; i++) {
		const struct config_service *t = &c->services[i];

		for (size_t a = 0; a < s->uid_count; a++) {
			for (size_t b = 0; b < (t == s ? a : t->uid_count); b++) {
				if (s->uids[a] == t->uids[b])
					return config_fail(r->err, reader_place(r, &s->uids[a]), "", "give each service a user of its own",
					    "the uid %u is already the service \"%s\"", s->uids[a], t->name);
			}
		}
		for (size_t a = 0; a < s->certificate_count; a++) {
			for (size_t b = 0; b < (t == s ? a : t->certificate_count); b++) {
				if (memcmp(s->certificates[a], t->certificates[b], sizeof(s->certificates[a])) == 0)
					return config_fail(r->err, reader_place(r, &s->certificates[a]), "",
					    "give each service a certificate of its own",
					    "the certificate is already the service \"%s\"", t->name);
			}
		}
		for (size_t a = 0; a < s->token_client_count; a++) {
			for (size_t b = 0; b < (t == s ? a : t->token_client_count); b++) {
				if (strcmp(s->token_clients[a].provider, t->token_clients[b].provider) == 0 &&
				    strcmp(s->token_clients[a].id, t->token_clients[b].id) == 0)
					return config_fail(r->err, reader_place(r, &s->token_clients[a]), s->token_clients[a].id,
					    "give each service a client of its own", "the client is already the service \"%s\"", t->name);
			}
		}
	}
	return true;
}

static bool
check_push(struct reader *r, const struct config_service *s)
{
	if (s->push == NULL || config_find_notify(r->c, view_str(s->push)) >= 0)
		return true;
	return config_fail(r->err, reader_place(r, &s->push), s->push,
	    "write a notify block of this name, with plugin push; or correct the name",
	    "the service \"%s\" is pushed to by an unknown notify \"%s\"", s->name, s->push);
}

static bool
check_doors(struct reader *r, const struct config_service *s)
{
	struct config_place at = reader_place(r, &s->doors);
	const struct config *c = r->c;

	if ((s->doors & CONFIG_DOOR_UNIX) != 0 && s->uid_count == 0)
		return config_fail(r->err, at, "unix", "add: uid NUMBER",
		    "the service \"%s\" has the door unix but no uid to be known by", s->name);
	if ((s->doors & CONFIG_DOOR_HTTPS) != 0 && s->certificate_count == 0 && s->token_client_count == 0)
		return config_fail(r->err, at, "https", "add: certificate-sha256 HEX, or: token-client TOKEN ID",
		    "the service \"%s\" has the door https but no certificate and no client to be known by", s->name);
	if ((s->doors & CONFIG_DOOR_HTTPS) != 0 && c->https.address == NULL)
		return config_fail(r->err, at, "https", "add a listen https, or remove the door",
		    "the service \"%s\" has the door https, but there is none", s->name);
	if ((s->doors & CONFIG_DOOR_HTTPS) != 0 && s->certificate_count > 0 && c->https.client_ca == NULL)
		return config_fail(r->err, at, "https", "add client-ca to listen https, or remove the certificate",
		    "the service \"%s\" has a certificate-sha256, but no client certificate can be checked at listen https", s->name);
	return true;
}

/* The blocks that a service's client ids are of. */
static bool
check_clients(struct reader *r, const struct config_service *s, struct config_client *clients, size_t n,
    int (*find)(const struct config *c, struct view name), const char *block)
{
	for (size_t i = 0; i < n; i++) {
		int at = find(r->c, view_str(clients[i].provider));

		if (at < 0)
			return config_fail(r->err, reader_place(r, &clients[i]), clients[i].provider,
			    "add that block, or correct the name", "the service \"%s\" has a client id of an unknown %s \"%s\"",
			    s->name, block, clients[i].provider);
		clients[i].provider_index = (uint16_t)at;
		for (size_t k = 0; k < i; k++) {
			if (clients[k].provider_index == at && strcmp(clients[k].id, clients[i].id) == 0)
				return config_fail(r->err, reader_place(r, &clients[i]), clients[i].id, "remove one of them",
				    "the client id is written twice");
		}
	}
	return true;
}

static bool
check_service(struct reader *r, size_t index)
{
	struct config_service *s = &r->c->services[index];

	return check_clients(r, s, s->clients, s->client_count, config_find_provider, "provider") &&
	    check_clients(r, s, s->token_clients, s->token_client_count, config_find_token, "token") &&
	    unique_check(r, UNIQUE_TEXT("a return-url", s->return_urls, s->return_url_count)) && check_doors(r, s) &&
	    check_push(r, s) &&
	    check_identities(r, index);
}

static int
find_stack(const struct config *c, const char *name)
{
	for (uint16_t i = 0; i < c->stack_count; i++) {
		if (strcmp(c->stacks[i].name, name) == 0)
			return i;
	}
	return -1;
}

static bool
check_stack_names(struct reader *r)
{
	struct config *c = r->c;

	if (!unique_check(r, UNIQUE_TEXT("a stack", c->stacks, c->stack_count)))
		return false;
	for (size_t i = 0; i < c->service_count; i++) {
		struct config_service *s = &c->services[i];
		int at = s->stack == NULL ? -1 : find_stack(c, s->stack);

		if (at < 0)
			return config_fail(r->err, reader_place(r, &s->stack), s->stack, "", "the service \"%s\" has no stack", s->name);
		s->stack_index = (uint16_t)at;
	}
	return true;
}

static bool
check_limits(struct reader *r, const struct config_limits *limits, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct config_limits *l = &limits[i];
		const struct {
			const char *less_name, *more_name;
			const int64_t *less;
			int64_t more;
		} pairs[] = {
			{"per-payment", "per-day", &l->per_payment_minor, l->per_day_minor},
			{"per-payment", "per-month", &l->per_payment_minor, l->per_month_minor},
			{"per-day", "per-month", &l->per_day_minor, l->per_month_minor},
			{"count-day", "count-month", &l->count_day, l->count_month},
		};

		for (size_t k = 0; k < sizeof(pairs) / sizeof(pairs[0]); k++) {
			if (*pairs[k].less >= 0 && pairs[k].more >= 0 && *pairs[k].less > pairs[k].more)
				return config_fail(r->err, reader_place(r, pairs[k].less), pairs[k].less_name,
				    "lower it, or raise the other", "%s is more than %s, so it can never matter", pairs[k].less_name,
				    pairs[k].more_name);
		}
	}
	return true;
}

static bool
check_listen(struct reader *r)
{
	struct config *c = r->c;

	if (c->service_socket == NULL)
		return config_fail(r->err, (struct config_place){"", 0, 0}, "listen",
		    "add: listen service \"/run/countersign/socket\"", "there is no \"listen service\"");
	if (strlen(c->admin_socket) > CONFIG_SOCKET_PATH_MAX)
		return config_fail(r->err, reader_place(r, &c->run_directory), "run-directory", "choose a shorter path",
		    "the path of the admin socket is too long");
	if (strcmp(c->service_socket, c->admin_socket) == 0)
		return config_fail(r->err, reader_place(r, &c->admin_socket), "listen", "give each a path of its own",
		    "listen service and listen admin have the same path");
	if (c->https.address != NULL && c->public_url == NULL)
		return config_fail(r->err, reader_place(r, &c->https), "public-url", "add: public-url \"https://HOST:PORT\"",
		    "listen https needs a public-url, which browsers are sent to");
	if (c->public_url != NULL && c->public_url[strlen(c->public_url) - 1] == '/')
		return config_fail(r->err, reader_place(r, &c->public_url), c->public_url, "remove the slash at its end",
		    "public-url ends with a slash");
	return true;
}

bool
config_check(struct reader *r)
{
	struct config *c = r->c;

	if (!check_listen(r) || !store_check(r) || !check_names(r) || !check_limits(r, c->policy_limits, c->policy_limits_count))
		return false;
	for (size_t i = 0; i < c->profile_count; i++) {
		if (!check_title(r, &c->profiles[i].title))
			return false;
	}
	for (size_t i = 0; i < c->provider_count; i++) {
		if (!check_limits(r, c->providers[i].limits, c->providers[i].limits_count) ||
		    !check_provider(r, &c->providers[i]))
			return false;
	}
	for (size_t i = 0; i < c->service_count; i++) {
		if (!check_service(r, i))
			return false;
	}
	return check_stack_names(r) && stacks_compile(r);
}

/* Files */

static bool
check_file(struct reader *r, const void *at, const char *path)
{
	struct stat st;

	if (path == NULL || (stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, R_OK) == 0))
		return true;
	return config_fail(r->err, reader_place(r, at), path, "make the file, or correct the path", "\"%.160s\" is no readable file",
	    path);
}

/* reader: the role that reads it once it has become its user; CONFIG_ROLE_COUNT: before that. */
static bool
check_secret(struct reader *r, const void *at, const char *path, enum config_role reader)
{
	const char *user = reader == CONFIG_ROLE_COUNT || geteuid() != 0 ? NULL : r->c->users[reader];
	const struct passwd *pw = user == NULL ? NULL : getpwnam(user);
	struct config_place place = reader_place(r, at);
	struct stat st;

	if (path == NULL)
		return true;
	if (!check_file(r, at, path) || stat(path, &st) != 0)
		return false;
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return config_fail(r->err, place, path, "chmod 600 the file", "\"%.160s\" holds a secret and is open to others",
		    path);
	if (pw != NULL && st.st_uid != pw->pw_uid)
		return config_fail(r->err, place, path, "chown it to the user that the option user names",
		    "\"%.160s\" holds a secret that \"%.32s\" must read, and belongs to another user", path, user);
	if (pw == NULL && st.st_uid != 0 && st.st_uid != geteuid())
		return config_fail(r->err, place, path, "chown it to root or to the broker's user",
		    "\"%.160s\" holds a secret and belongs to another user", path);
	return true;
}

static bool
check_store_files(struct reader *r)
{
	const struct config_redis *redis = &r->c->store.redis;

	return check_secret(r, &redis->password_file, redis->password_file, CONFIG_ENGINE) &&
	    check_secret(r, &redis->sentinel_password_file, redis->sentinel_password_file, CONFIG_ENGINE) &&
	    check_file(r, &redis->tls.ca, redis->tls.ca) && check_file(r, &redis->tls.certificate, redis->tls.certificate) &&
	    check_secret(r, &redis->tls.key, redis->tls.key, CONFIG_ENGINE);
}

static bool
check_setting_files(struct reader *r, const struct config_setting *settings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct config_setting *s = &settings[i];
		size_t len = strlen(s->name);
		bool is_path = s->is_file || (len > 5 && strcmp(s->name + len - 5, "-file") == 0) ||
		    strcmp(s->name, "tls-certificate") == 0;

		for (size_t k = 0; is_path && k < s->value_count; k++) {
			if (s->is_file ? !check_secret(r, s, s->values[k], CONFIG_ROLE_COUNT) : !check_file(r, s, s->values[k]))
				return false;
		}
	}
	return true;
}

static bool
check_users(struct reader *r)
{
	for (size_t i = 0; i < CONFIG_ROLE_COUNT; i++) {
		const char *name = r->c->users[i];

		if (name != NULL && getpwnam(name) == NULL)
			return config_fail(r->err, reader_place(r, &r->c->users[i]), name, "make the user, or correct the name",
			    "there is no user \"%s\"", name);
	}
	return true;
}

/* A path that is not there could not be opened to the cage later. */
static bool
check_cage_path(struct reader *r, const char *const *path)
{
	struct stat st;

	if (stat(*path, &st) == 0)
		return true;
	return config_fail(r->err, reader_place(r, path), *path, "make it, or correct the path",
	    "the cage names %.160s: %s", *path, strerror(errno));
}

static bool
check_cage(struct reader *r, const struct config_instance *one)
{
	for (size_t i = 0; i < one->cage->read_count; i++) {
		if (!check_cage_path(r, &one->cage->reads[i]))
			return false;
	}
	for (size_t i = 0; i < one->cage->write_count; i++) {
		if (!check_cage_path(r, &one->cage->writes[i]))
			return false;
	}
	if (one->user != NULL && getpwnam(one->user) == NULL)
		return config_fail(r->err, (struct config_place){"", 0, 0}, one->user, "make the user, or correct the name",
		    "%s \"%.32s\" names the user \"%.32s\", and there is none", config_kind_name(one->kind), one->name, one->user);
	return true;
}

bool
config_check_files(struct reader *r)
{
	const struct config *c = r->c;
	struct config_instance one;

	if (!check_file(r, &c->https.certificate, c->https.certificate) ||
	    !check_secret(r, &c->https.key, c->https.key, CONFIG_ROLE_COUNT) ||
	    !check_file(r, &c->https.client_ca, c->https.client_ca) || !check_users(r) || !check_store_files(r))
		return false;
	for (size_t i = 0; config_instance_at(c, i, &one); i++) {
		if (!check_setting_files(r, one.settings, one.setting_count) || !check_cage(r, &one))
			return false;
	}
	return true;
}
