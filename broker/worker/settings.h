/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the configuration says about the one plugin of this worker. The main process reads it,
 * secrets and certificates included, while it may still read them; each server then holds it
 * against the plugin's own table of keys.
 */
#ifndef CS_WORKER_SETTINGS_H
#define CS_WORKER_SETTINGS_H

#include "broker/base/secret.h"
#include "broker/parent/config.h"
#include "countersign/plugin.h"

enum {
	SETTINGS_SECRETS_MAX = 4,            /* files of one plugin */
	SETTINGS_CA_MAX = 512 * 1024,        /* a bundle of authorities; Debian's own has 220 KiB */
	SETTINGS_URL_MAX = 2048,             /* of `allow-url` */
	SETTINGS_VALUE_MAX = 4096,           /* bytes of a value, where the plugin sets no bound */
	SETTINGS_PROBLEM_MAX = 512,         /* room for the sentence in `problem` */
};

struct setting {
	const char *name;
	size_t count;
	const char *const *values;           /* borrowed from the configuration */
	const struct secret *secret;         /* given by file; NULL: not */
};

struct settings {
	const char *name;                    /* of the block in the configuration */
	uint32_t kind;                       /* enum countersign_kind */
	uint32_t servers;
	int64_t deadline_ms;                 /* of one call */
	const char *user;                    /* that the worker becomes; NULL: the role's */
	const struct config_cage *cage;      /* borrowed from the configuration */
	size_t count;
	struct setting items[CONFIG_SETTINGS_MAX];
	size_t secrets_count;
	struct secret secrets[SETTINGS_SECRETS_MAX];
	char *ca;                            /* text of `ca-file`; NULL: the system's */
	size_t ca_len;
	char *certificate;                   /* text of `tls-certificate`; NULL: none */
	size_t certificate_len;
};

/* Keys that the host has for every plugin that uses HTTP. */
#define SETTINGS_CA_FILE "ca-file"
#define SETTINGS_ALLOW_URL "allow-url"
#define SETTINGS_TLS_CERTIFICATE "tls-certificate"
#define SETTINGS_TLS_KEY "tls-key"
extern const struct countersign_config_key settings_host_keys[]; /* ended by name NULL */

/*
 * Takes what concerns `name`. The configuration must outlive the settings. CS_ERR_NOT_FOUND (no
 * such block), CS_ERR_SYSTEM, CS_ERR_DENIED, CS_ERR_FULL, with a sentence in problem.
 */
enum cs_err settings_load(const struct config *config, const char *name, struct settings *to,
    char *problem);
void settings_clear(struct settings *s);

/*
 * Every key against the plugin's table: unknown, missing, too often, of the wrong type, out of
 * bounds.
 */
enum cs_err settings_check(const struct settings *s, const struct countersign_plugin_v1 *plugin,
    char *problem);
/* One value against its key: the same for a default. */
enum cs_err settings_check_value(const struct countersign_config_key *key, const char *value,
    char *problem);

const struct setting *settings_find(const struct settings *s, const char *name);
/* The plugin's key of that name, whatever the size of a key was when it was built; NULL. */
const struct countersign_config_key *settings_key(const struct countersign_plugin_v1 *plugin,
    const char *name);
const struct countersign_config_key *settings_key_at(const struct countersign_plugin_v1 *plugin,
    size_t index);
/* A decimal integer, whole, within int64. */
bool settings_int(const char *text, int64_t *value);

#endif
