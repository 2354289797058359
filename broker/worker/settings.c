/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin's configuration: read, and held against the plugin's table. */
#include "broker/worker/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/worker/load.h"

const struct countersign_config_key settings_host_keys[] = {
	{.name = SETTINGS_CA_FILE, .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = SETTINGS_VALUE_MAX,
	    .help = "PEM file of the authorities to trust instead of the system's."},
	{.name = SETTINGS_ALLOW_URL, .type = COUNTERSIGN_CONFIG_URL, .max = SETTINGS_URL_MAX,
	    .flags = COUNTERSIGN_CONFIG_MANY,
	    .help = "An origin that the plugin may fetch from, besides those of its own URLs."},
	{.name = SETTINGS_TLS_CERTIFICATE, .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = SETTINGS_VALUE_MAX,
	    .help = "PEM file of the certificate, and those above it, that the plugin shows where it is asked for one."},
	{.name = SETTINGS_TLS_KEY, .type = COUNTERSIGN_CONFIG_SECRET, .min = 1, .max = SECRET_MAX,
	    .help = "The certificate's private key, PEM without a passphrase."},
	{.name = NULL},
};

static enum cs_err say(char *problem, enum cs_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum cs_err
say(char *problem, enum cs_err err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(problem, SETTINGS_PROBLEM_MAX, format, ap);
	va_end(ap);
	return err;
}

static enum cs_err
read_secret(struct settings *to, struct setting *item, const char *path, char *problem)
{
	struct secret *s = &to->secrets[to->secrets_count];
	enum cs_err err;

	if (to->secrets_count == SETTINGS_SECRETS_MAX)
		return say(problem, CS_ERR_FULL,
		    "more than %d settings are given by file: drop some", SETTINGS_SECRETS_MAX);
	err = secret_read_file(path, true, s);
	if (err != CS_OK)
		return say(problem, err,
		    "the file of %s, %s, cannot be used (%s): it must be owned by "
		    "the broker's user or root, with mode 0600, and hold at most %d bytes",
		    item->name, path, err == CS_ERR_SYSTEM ? strerror(errno) : cs_err_name(err),
		    SECRET_MAX);
	item->secret = s;
	to->secrets_count++;
	return CS_OK;
}

/* A file of certificates, which are nobody's secret. */
static enum cs_err
read_pem(const char *key, const char *path, char **text, size_t *len, char *problem)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return say(problem, CS_ERR_SYSTEM, "%s %s cannot be read: %s", key, path, strerror(errno));
	free(*text);
	*len = 0;
	*text = malloc(SETTINGS_CA_MAX + 1);
	CHECK(*text != NULL);
	while ((n = read(fd, *text + *len, SETTINGS_CA_MAX + 1 - *len)) > 0)
		*len += (size_t)n;
	close(fd);
	if (n < 0 || *len == 0 || *len > SETTINGS_CA_MAX)
		return say(problem, CS_ERR_FULL, "%s %s must hold 1 byte to 512 KiB of certificates (PEM)", key, path);
	return CS_OK;
}

static enum cs_err
take(struct settings *to, const struct config_setting *s, size_t count, char *problem)
{
	for (size_t i = 0; i < count; i++) {
		struct setting *item = &to->items[to->count++];
		enum cs_err err = CS_OK;

		*item = (struct setting){s[i].name, s[i].value_count, s[i].values, NULL};
		if (s[i].is_file)
			err = read_secret(to, item, s[i].values[0], problem);
		else if (strcmp(s[i].name, SETTINGS_CA_FILE) == 0 && s[i].value_count == 1)
			err = read_pem(s[i].name, s[i].values[0], &to->ca, &to->ca_len, problem);
		else if (strcmp(s[i].name, SETTINGS_TLS_CERTIFICATE) == 0 && s[i].value_count == 1)
			err = read_pem(s[i].name, s[i].values[0], &to->certificate, &to->certificate_len, problem);
		if (err != CS_OK)
			return err;
	}
	return CS_OK;
}

enum cs_err
settings_load(const struct config *c, const char *name, struct settings *to, char *problem)
{
	struct config_instance found;
	enum cs_err err;

	memset(to, 0, sizeof(*to));
	to->name = name;
	if (!config_instance_find(c, view_str(name), &found))
		return say(problem, CS_ERR_NOT_FOUND,
		    "the configuration has no provider, factor, risk or notify \"%s\"", name);
	to->kind = 1U << found.kind;
	to->servers = found.servers;
	to->deadline_ms = found.deadline_ms;
	to->user = found.user;
	to->cage = found.cage;
	err = take(to, found.settings, found.setting_count, problem);
	if (err != CS_OK)
		settings_clear(to);
	return err;
}

void
settings_clear(struct settings *s)
{
	for (size_t i = 0; i < s->secrets_count; i++)
		secret_clear(&s->secrets[i]);
	free(s->ca);
	free(s->certificate);
	memset(s, 0, sizeof(*s));
}

const struct setting *
settings_find(const struct settings *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->items[i].name, name) == 0)
			return &s->items[i];
	return NULL;
}

const struct countersign_config_key *
settings_key_at(const struct countersign_plugin_v1 *plugin, size_t index)
{
	return (const void *)((const char *)plugin->config + index * plugin->config_key_size);
}

const struct countersign_config_key *
settings_key(const struct countersign_plugin_v1 *plugin, const char *name)
{
	for (size_t i = 0; i < plugin->config_count; i++)
		if (strcmp(settings_key_at(plugin, i)->name, name) == 0)
			return settings_key_at(plugin, i);
	return NULL;
}

bool
settings_int(const char *text, int64_t *value)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == ' ' || *text == '+')
		return false;
	*value = v;
	return true;
}

static bool
has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	if (len == 0 || strchr(word, ' ') != NULL)
		return false;
	for (const char *at = words; (at = strstr(at, word)) != NULL; at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

enum cs_err
settings_check_value(const struct countersign_config_key *key, const char *value, char *problem)
{
	int64_t number = 0, len = (int64_t)strlen(value);
	bool bound = key->min != 0 || key->max != 0;

	switch (key->type) {
	case COUNTERSIGN_CONFIG_INT:
		if (!settings_int(value, &number) ||
		    (bound && (number < key->min || number > key->max)))
			return say(problem, CS_ERR_RANGE,
			    "%s must be a whole number from %lld to %lld, not "
			    "\"%.64s\"",
			    key->name, (long long)key->min, (long long)key->max, value);
		return CS_OK;
	case COUNTERSIGN_CONFIG_BOOL:
		if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
			return say(problem, CS_ERR_RANGE, "%s must be yes or no, not \"%.64s\"",
			    key->name, value);
		return CS_OK;
	case COUNTERSIGN_CONFIG_WORD:
		if (!has_word(key->words, value))
			return say(problem, CS_ERR_RANGE, "%s must be one of: %s; not \"%.64s\"",
			    key->name, key->words, value);
		return CS_OK;
	case COUNTERSIGN_CONFIG_URL:
		if (strncmp(value, "https://", strlen("https://")) != 0)
			return say(problem, CS_ERR_RANGE,
			    "%s must begin with https://, not \"%.64s\"", key->name, value);
		break;
	default:
		break;
	}
	if (len > SETTINGS_VALUE_MAX || (bound && (len < key->min || len > key->max)))
		return say(problem, CS_ERR_RANGE, "%s must have %lld to %lld bytes, and has %lld",
		    key->name, (long long)key->min,
		    (long long)(bound ? key->max : SETTINGS_VALUE_MAX), (long long)len);
	return CS_OK;
}

static enum cs_err
check_item(const struct setting *item, const struct countersign_config_key *key, char *problem)
{
	enum cs_err err = CS_OK;

	if (key->type == COUNTERSIGN_CONFIG_SECRET) {
		if (item->secret == NULL)
			return say(problem, CS_ERR_DENIED,
			    "%s is a secret: write  set %s file \"PATH\"", key->name, key->name);
		if ((int64_t)item->secret->len < key->min ||
		    (key->max != 0 && (int64_t)item->secret->len > key->max))
			return say(problem, CS_ERR_RANGE,
			    "the file of %s must hold %lld to %lld bytes", key->name,
			    (long long)key->min, (long long)key->max);
		return CS_OK;
	}
	if (item->secret != NULL)
		return say(problem, CS_ERR_DENIED, "%s is no secret: write its value, not a file",
		    key->name);
	if (item->count > 1 && (key->flags & COUNTERSIGN_CONFIG_MANY) == 0)
		return say(problem, CS_ERR_RANGE, "%s takes one value, and has %zu", key->name,
		    item->count);
	for (size_t i = 0; err == CS_OK && i < item->count; i++)
		err = settings_check_value(key, item->values[i], problem);
	return err;
}

/* The host's own key of that name, for plugins that use HTTP; NULL. */
static const struct countersign_config_key *
host_key(const struct countersign_plugin_v1 *plugin, const char *name)
{
	if ((plugin->flags & COUNTERSIGN_USES_HTTP) == 0)
		return NULL;
	for (const struct countersign_config_key *key = settings_host_keys; key->name != NULL; key++)
		if (strcmp(key->name, name) == 0)
			return key;
	return NULL;
}

/* A certificate shows nothing without its key, nor a key without its certificate. */
static enum cs_err
check_pair(const struct settings *s, char *problem)
{
	bool certificate = settings_find(s, SETTINGS_TLS_CERTIFICATE) != NULL;
	bool key = settings_find(s, SETTINGS_TLS_KEY) != NULL;

	if (certificate == key)
		return CS_OK;
	return say(problem, CS_ERR_NOT_FOUND, "%s needs %s beside it: write  set %s%s \"PATH\"",
	    key ? SETTINGS_TLS_KEY : SETTINGS_TLS_CERTIFICATE, key ? SETTINGS_TLS_CERTIFICATE : SETTINGS_TLS_KEY,
	    key ? SETTINGS_TLS_CERTIFICATE : SETTINGS_TLS_KEY, key ? "" : " file");
}

static enum cs_err
unknown_key(const struct countersign_plugin_v1 *plugin, const char *name, char *problem)
{
	int n = snprintf(problem, SETTINGS_PROBLEM_MAX, "plugin %s has no key \"%.64s\"; it knows:",
	    plugin->name, name);

	for (size_t i = 0; i < plugin->config_count && n > 0 && n < SETTINGS_PROBLEM_MAX; i++)
		n += snprintf(problem + n, (size_t)(SETTINGS_PROBLEM_MAX - n), " %s",
		    settings_key_at(plugin, i)->name);
	return CS_ERR_NOT_FOUND;
}

enum cs_err
settings_check(const struct settings *s, const struct countersign_plugin_v1 *plugin, char *problem)
{
	if ((plugin->kinds & s->kind) == 0)
		return say(problem, CS_ERR_RANGE, "plugin %s is no %s: it cannot serve \"%s\"",
		    plugin->name, load_kind_name(s->kind, 0), s->name);
	for (size_t i = 0; i < s->count; i++) {
		const struct setting *item = &s->items[i];
		const struct countersign_config_key *key = settings_key(plugin, item->name);
		enum cs_err err;

		if (key == NULL)
			key = host_key(plugin, item->name);
		err = key == NULL ? unknown_key(plugin, item->name, problem) :
		    check_item(item, key, problem);
		if (err != CS_OK)
			return err;
	}
	for (size_t i = 0; i < plugin->config_count; i++) {
		const struct countersign_config_key *key = settings_key_at(plugin, i);

		if ((key->flags & COUNTERSIGN_CONFIG_REQUIRED) != 0 &&
		    settings_find(s, key->name) == NULL)
			return say(problem, CS_ERR_NOT_FOUND, "plugin %s needs the key %s: %s",
			    plugin->name, key->name, key->help);
	}
	return (plugin->flags & COUNTERSIGN_USES_HTTP) != 0 ? check_pair(s, problem) : CS_OK;
}
