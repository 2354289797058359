/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the noun `store` share. */
#ifndef CS_CTL_STORE_H
#define CS_CTL_STORE_H

#include "broker/ctl/bar.h"
#include "broker/parent/config.h"

struct tool;
struct keyring;

enum { STORE_REALM_TEXT = 33, TOOL_TIMEOUT_MS = 20000, STORE_CALL_MS = 15000 /* of what a broker answers at once, or that is still waiting itself */ };

#define STORE_NO_BROKER "where no broker answers, say it with --offline, and -f with the broker's configuration"

/* store_status.c */
int store_status_show(struct ctl *ctl, char **args, int count);
/* store_offline.c: the same without a broker. */
int store_status_offline(struct ctl *ctl);
int store_forget_offline(struct ctl *ctl, const char *name, const char *reason);
int store_release_offline(struct ctl *ctl, int64_t bucket, const char *reason);
/* store_check.c */
int store_check_any(struct ctl *ctl, char **args, int count);
/* store_migrate.c */
int store_migrate(struct ctl *ctl, char **args, int count);

/* What was found by a walk, and where; told as it comes. */
struct store_findings {
	struct ctl *ctl;
	struct bar *bar;
	uint64_t bad, mended, told;
};

/* mend: what an admin does about it; NULL: it was mended just now. */
void store_found(struct store_findings *f, const char *what, const char *where, const char *mend);

/* store_check_file.c: a SQLite file. */
int store_check_file(struct ctl *ctl, const char *path);
/* store_check_redis.c */
int store_check_redis(struct ctl *ctl, const struct config *config);

/* store_tool.c. Each says itself what is wrong. */
/* As root: goes on as the owner of this file, so that what is made belongs to the broker and its secrets are read as it reads them. */
int store_become_owner(struct ctl *ctl, const char *path);
int store_keys(struct ctl *ctl, const struct config *config, struct keyring **keys);
/* What stands in a shared store so that brokers of another realm or key file stay out. */
void store_realm(const struct keyring *keys, const struct config *config, char to[STORE_REALM_TEXT]);
/* Redis as the configuration says, ready for use. */
int store_tool(struct ctl *ctl, const struct config *config, struct tool **tool);

/* What was made or renamed beside this file is still so after a crash. CS_ERR_SYSTEM: errno. */
enum cs_err store_sync_directory(const char *path);

/* store_import.c, store_export.c: from and to a SQLite file. */
int store_import(struct ctl *ctl, const char *path, const struct config *config);
int store_export(struct ctl *ctl, const struct config *config, const char *path);

#endif
