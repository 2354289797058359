/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens a plugin's file and checks it, by the descriptor that it was opened as: that nobody but root and the broker's own
 * user could have written it, and, where the configuration asks, that it is the one that was pinned or signed.
 */
#ifndef CS_PARENT_PLUGINS_H
#define CS_PARENT_PLUGINS_H

#include <sys/stat.h>

#include "broker/parent/config.h"
#include "broker/parent/plugin_trust.h"

enum {
	PLUGIN_WHY_MAX = 1024,
	PLUGIN_PATH_MAX = 512,
	PLUGIN_FILE_MAX = 64 * 1024 * 1024,  /* bytes that are held in memory; plugins have a hundredth of it */
};

struct plugin_file {
	int fd;               /* what the worker loads from; closed by the caller */
	struct stat st;       /* of the file itself */
	char path[PLUGIN_PATH_MAX];
	bool digested;        /* the next two are there */
	uint8_t sha256[TRUST_DIGEST_LEN];
	char signer[TRUST_NAME_MAX + 1]; /* file of the key that signed it; "": no signature was asked for */
};

/*
 * plugin of the instance: a name, for NAME.so in the directory, or an absolute path. The file must be a regular one, no
 * symbolic link, and it and its directory must belong to root or to this process's user and be writable by nobody else.
 *
 * Where the block has pins, or config.plugins requires something, the file is copied into sealed memory, and digest, pins
 * and signature are of that copy, which is what out->fd then is: whatever is written into the file afterwards, a worker
 * that is started again loads what was checked. Otherwise out->fd is the file, and replacing it changes nothing until the
 * next reload.
 *
 * CS_ERR_NOT_FOUND, CS_ERR_DENIED, CS_ERR_SYSTEM with a sentence for people in why (PLUGIN_WHY_MAX bytes).
 */
enum cs_err plugin_open(const char *directory, const struct config *c, const struct config_instance *instance,
    struct plugin_file *out, char *why);

/* The same looks at one file by its path, without pins; always digested. signer: asked of these keys unless NULL. */
enum cs_err plugin_open_path(const char *path, const char *keys, struct plugin_file *out, char *why);

/* The path of a plugin as a block names it; CS_ERR_FULL. */
enum cs_err plugin_path(const char *directory, const char *plugin, char path[PLUGIN_PATH_MAX]);

#endif
