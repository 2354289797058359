/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a plugin, and what must be true of it before any of its operations is called. */
#include "broker/worker/load.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "broker/worker/executable.h"
#include "broker/worker/settings.h"

enum {
	NAME_MAX_BYTES = 32,
	PARAMETER_MAX = 64,    /* bytes of a callback's parameter */
	CONFIG_KEYS_MAX = 64,  /* far more than anybody would configure */
	/* The struct as version 1 began; what was appended since may be absent. */
	PLUGIN_SIZE_MIN = offsetof(struct countersign_plugin_v1, risk),
	PROVIDER_SIZE_MIN = offsetof(struct countersign_provider_v1, signal),
	FACTOR_SIZE_MIN = offsetof(struct countersign_factor_v1, begin),
};

#define PLUGIN_HAS(p, member) COUNTERSIGN_HAS(p, struct countersign_plugin_v1, member)

static enum cs_err say(char *problem, enum cs_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum cs_err
say(char *problem, enum cs_err err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(problem, LOAD_PROBLEM_MAX, format, ap);
	va_end(ap);
	return err;
}

static bool
is_name(const char *name)
{
	size_t len = name == NULL ? 0 : strlen(name);

	if (len == 0 || len > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') ||
		    (name[i] == '-' && i > 0)))
			return false;
	return true;
}

const char *
load_kind_name(uint32_t kinds, size_t i)
{
	static const char *const names[] = {"provider", "factor", "risk", "notify", "token"};

	for (size_t bit = 0; bit < sizeof(names) / sizeof(names[0]); bit++)
		if ((kinds & 1U << bit) != 0 && i-- == 0)
			return names[bit];
	return NULL;
}

bool
load_factor_begins(const struct countersign_factor_v1 *factor)
{
	return COUNTERSIGN_HAS(factor, struct countersign_factor_v1, begin) && factor->begin != NULL;
}

bool
load_factor_tells(const struct countersign_factor_v1 *factor)
{
	return COUNTERSIGN_HAS(factor, struct countersign_factor_v1, tell) && factor->tell != NULL;
}

#define MAY(name, operation)                                                                       \
	bool name(const struct countersign_provider_v1 *p)                                         \
	{                                                                                          \
		return COUNTERSIGN_HAS(p, struct countersign_provider_v1, operation) &&            \
		    p->operation != NULL;                                                          \
	}

MAY(load_provider_signals, signal)
MAY(load_provider_polls, poll)
MAY(load_provider_streams, stream)
MAY(load_provider_rekeys, rekey)

bool
load_parameter_good(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t len = name == NULL ? 1 : strlen(name);

	return len >= 1 && len <= PARAMETER_MAX && (name == NULL || strspn(name, letters) == len);
}

static enum cs_err
check_operations(const struct countersign_plugin_v1 *p, char *problem)
{
	const struct countersign_provider_v1 *provider = p->provider;
	const struct countersign_factor_v1 *factor = p->factor;
	const struct countersign_risk_v1 *risk = PLUGIN_HAS(p, risk) ? p->risk : NULL;
	const struct countersign_notify_v1 *notify = PLUGIN_HAS(p, notify) ? p->notify : NULL;
	const struct countersign_token_v1 *token = PLUGIN_HAS(p, token) ? p->token : NULL;
	const uint32_t known = COUNTERSIGN_KIND_PROVIDER | COUNTERSIGN_KIND_FACTOR |
	    COUNTERSIGN_KIND_RISK | COUNTERSIGN_KIND_NOTIFY | COUNTERSIGN_KIND_TOKEN;

	if ((p->kinds & known) == 0)
		return say(problem, CS_ERR_VERSION, "it is of no kind that this version knows");
	if (p->self_test == NULL || p->init == NULL || p->profile == NULL)
		return say(problem, CS_ERR_CORRUPT, "it lacks self_test, init or profile");
	if ((p->kinds & COUNTERSIGN_KIND_PROVIDER) != 0 &&
	    (provider == NULL || provider->size < PROVIDER_SIZE_MIN ||
	        provider->authorization_url == NULL || provider->identify == NULL))
		return say(problem, CS_ERR_CORRUPT,
		    "it says that it is a provider and lacks authorization_url or identify");
	if ((p->kinds & COUNTERSIGN_KIND_FACTOR) != 0 &&
	    (factor == NULL || factor->size < FACTOR_SIZE_MIN || !is_name(factor->kind) ||
	        factor->enrol == NULL || factor->verify == NULL))
		return say(problem, CS_ERR_CORRUPT,
		    "it says that it is a factor and lacks a kind, enrol or verify");
	if ((p->kinds & COUNTERSIGN_KIND_RISK) != 0 &&
	    (risk == NULL || risk->size < sizeof(*risk) || risk->assess == NULL))
		return say(problem, CS_ERR_CORRUPT,
		    "it says that it assesses risk and lacks assess");
	if ((p->kinds & COUNTERSIGN_KIND_NOTIFY) != 0 &&
	    (notify == NULL || notify->size < sizeof(*notify) || notify->deliver == NULL))
		return say(problem, CS_ERR_CORRUPT,
		    "it says that it notifies and lacks deliver");
	if ((p->kinds & COUNTERSIGN_KIND_TOKEN) != 0 &&
	    (token == NULL || token->size < sizeof(*token) || token->check == NULL))
		return say(problem, CS_ERR_CORRUPT,
		    "it says that it checks tokens and lacks check");
	return CS_OK;
}

static enum cs_err
check_key(const struct countersign_config_key *key, char *problem)
{
	char why[SETTINGS_PROBLEM_MAX];

	if (!is_name(key->name) || key->help == NULL)
		return say(
		    problem, CS_ERR_CORRUPT, "a configuration key lacks a proper name or help");
	if (key->type < COUNTERSIGN_CONFIG_STRING || key->type > COUNTERSIGN_CONFIG_SECRET)
		return say(problem, CS_ERR_VERSION,
		    "key %s is of a type that this version does not know", key->name);
	if (key->type == COUNTERSIGN_CONFIG_WORD && key->words == NULL)
		return say(problem, CS_ERR_CORRUPT, "key %s names no words", key->name);
	if (key->min > key->max)
		return say(problem, CS_ERR_CORRUPT, "key %s has its bounds the wrong way round",
		    key->name);
	if (key->default_value != NULL &&
	    settings_check_value(key, key->default_value, why) != CS_OK)
		return say(problem, CS_ERR_CORRUPT, "a default breaks its own rule: %.400s", why);
	return CS_OK;
}

static enum cs_err
check_config(const struct countersign_plugin_v1 *p, char *problem)
{
	enum cs_err err = CS_OK;

	if (p->config_count > CONFIG_KEYS_MAX ||
	    (p->config_count > 0 && (p->config == NULL ||
	        p->config_key_size < sizeof(struct countersign_config_key))))
		return say(problem, CS_ERR_CORRUPT, "its table of configuration keys is malformed");
	for (size_t i = 0; err == CS_OK && i < p->config_count; i++) {
		const struct countersign_config_key *key = settings_key_at(p, i);

		err = check_key(key, problem);
		if (err == CS_OK && settings_key(p, key->name) != key)
			err = say(problem, CS_ERR_CORRUPT, "it has the key %s twice", key->name);
	}
	return err;
}

enum cs_err
load_check(const struct countersign_plugin_v1 *p, char *problem)
{
	enum cs_err err;

	if (p == NULL)
		return say(
		    problem, CS_ERR_CORRUPT, "%s() gives nothing", COUNTERSIGN_PLUGIN_SYMBOL);
	if (p->size < PLUGIN_SIZE_MIN || p->abi != COUNTERSIGN_PLUGIN_ABI)
		return say(problem, CS_ERR_VERSION,
		    "it was built for another version of the plugin "
		    "interface (size %zu, ABI %u): build it with this version's plugin.h",
		    p->size, p->size >= offsetof(struct countersign_plugin_v1, kinds) ? p->abi : 0);
	if (!is_name(p->name) || p->version == NULL || p->help == NULL)
		return say(problem, CS_ERR_CORRUPT, "it lacks a proper name, version or help");
	err = check_operations(p, problem);
	return err != CS_OK ? err : check_config(p, problem);
}

/*
 * The parent looked at owner, mode and pin; what can be seen again without its rights is looked at
 * again.
 */
static enum cs_err
check_file(int fd, char *problem)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return say(problem, CS_ERR_DENIED, "it is not a regular file");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return say(
		    problem, CS_ERR_DENIED, "its group or others may write to it: chmod go-w");
	return CS_OK;
}

enum cs_err
load_plugin(int fd, const struct countersign_plugin_v1 **plugin, char *problem)
{
	const struct countersign_plugin_v1 *(*entry)(void);
	const struct countersign_plugin_v1 *p;
	char path[32];
	enum cs_err err = check_file(fd, problem);
	void *handle;

	if (err != CS_OK)
		return err;
	if (executable_is(fd)) {
		err = executable_load(fd, &p, problem);
		if (err == CS_OK)
			err = load_check(p, problem);
		if (err == CS_OK)
			*plugin = p;
		return err;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL)
		return say(problem, CS_ERR_CORRUPT, "it cannot be loaded: %s", dlerror());
	*(void **)&entry = dlsym(handle, COUNTERSIGN_PLUGIN_SYMBOL);
	if (entry == NULL)
		return say(problem, CS_ERR_VERSION, "it has no function %s(): it is no plugin of "
		    "Countersign, or of a later version", COUNTERSIGN_PLUGIN_SYMBOL);
	p = entry();
	err = load_check(p, problem);
	if (err == CS_OK)
		*plugin = p;
	return err;
}
