/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of `plugin` share: files by name, the configuration that uses them, the worker that looks at one. */
#ifndef CS_CTL_PLUGIN_H
#define CS_CTL_PLUGIN_H

#include <sys/types.h>

#include "broker/ctl/ctl.h"
#include "broker/parent/plugins.h"

enum {
	PLUGIN_NAME_MAX = 64,        /* bytes of a name, without ".so" */
	PLUGIN_VERIFY_MAX = 64,      /* names at once */
	PLUGIN_USERS_TEXT_MAX = 256, /* "provider apple, factor totp" */
};

/*
 * The configuration, or NULL where --config was not given and there is none yet: then nothing is required and nobody uses
 * anything. CTL_OK, or CTL_BAD_CONFIG after the problem was printed.
 */
int plugin_config(struct ctl *ctl, struct config **config);
/* The directory of keys that sign plugins. */
const char *plugin_keys(const struct config *config);
/* The blocks that use the plugin, in words; "" for none, and for no configuration. */
const char *plugin_users(const struct config *config, const char *plugin, char text[PLUGIN_USERS_TEXT_MAX]);

/* "totp" of "/x/totp.so"; false with a message where it is no name that a block could write. */
bool plugin_file_name(struct ctl *ctl, const char *path, char name[PLUGIN_NAME_MAX + 1]);

/*
 * Runs `countersign-worker --check FILE`, which loads it in a process of its own. CTL_OK with its description as ctl->doc; or
 * the exit code after the reason was printed.
 */
int plugin_look(struct ctl *ctl, const char *file);

/*
 * Values of our own, printed as if the daemon had said them: begin, write, then plugin_said() reads them into ctl->doc.
 */
struct json_writer plugin_say(struct ctl *ctl);
int plugin_said(struct ctl *ctl);

/* A file beside others, from its beginning to its name: "" of success, else what failed. Written, synced, mode set. */
int plugin_write(struct ctl *ctl, int directory, const char *name, mode_t mode, const char *text, size_t len);

/* plugin_test.c: everything that is tried against a file. CTL_OK, CTL_BAD_CONFIG where it failed; printed unless silent. */
int plugin_try(struct ctl *ctl, const char *file, bool silent);

/* The verbs. */
int plugin_new(struct ctl *ctl, char **args, int count);
int plugin_test(struct ctl *ctl, char **args, int count);
int plugin_install(struct ctl *ctl, char **args, int count);
int plugin_remove(struct ctl *ctl, char **args, int count);
int plugin_verify(struct ctl *ctl, char **args, int count);
int plugin_sign(struct ctl *ctl, char **args, int count);

#endif
