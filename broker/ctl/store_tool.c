/* SPDX-License-Identifier: Apache-2.0 */
/* Redis as a configuration has it, for commands that look at the store itself; and as whom its files are read. */
#include "broker/ctl/store.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/engine/keyring.h"
#include "broker/store/redis/tool.h"

enum { PATIENCE_MS = 10 * 1000 };

int
store_become_owner(struct ctl *ctl, const char *path)
{
	struct stat st;

	if (geteuid() != 0 || stat(path, &st) != 0 || st.st_uid == 0)
		return CTL_OK;
	if (setgroups(0, NULL) < 0 || setegid(st.st_gid) < 0 || seteuid(st.st_uid) < 0)
		return ctl_fail(ctl, CTL_FAILED, "cannot become the user of %s: %s", path, strerror(errno));
	return CTL_OK;
}

enum cs_err
store_sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd, error = 0;

	CHECK(dir != NULL);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		error = errno;
	if (fd >= 0)
		(void)close(fd);
	free(dir);
	errno = error;
	return error == 0 ? CS_OK : CS_ERR_SYSTEM;
}

int
store_keys(struct ctl *ctl, const struct config *config, struct keyring **keys)
{
	char why[256];

	/* Opening makes one where there is none: a new key would read nothing of the old store. */
	if (access(config->key_file, F_OK) != 0)
		return ctl_fail(ctl, CTL_BAD_CONFIG, "%s: there is no such key file: give the one that the store was written with",
		    config->key_file);
	if (keyring_open(config->key_file, keys, why) != CS_OK)
		return ctl_fail(ctl, CTL_BAD_CONFIG, "%s", why);
	return CTL_OK;
}

void
store_realm(const struct keyring *keys, const struct config *config, char to[STORE_REALM_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	struct view name = view_str(config->realm);
	struct id id = keyring_id(keys, DIGEST_REALM, &name, 1);

	for (size_t i = 0; i < 2 * sizeof(id.b); i++)
		to[i] = digits[id.b[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	to[2 * sizeof(id.b)] = '\0';
}

static void
put_address(struct fleet_address *to, size_t *n, const char *text)
{
	size_t len = strlen(text);

	CHECK(len < sizeof(to->text) && *n < FLEET_SERVERS_MAX);
	memcpy(to[*n].text, text, len + 1);
	++*n;
}

int
store_tool(struct ctl *ctl, const struct config *config, struct tool **tool)
{
	const struct config_redis *r = &config->store.redis;
	struct fleet_address servers[FLEET_SERVERS_MAX];
	size_t n = 0;
	struct fleet_options o = {.mode = r->cluster_count > 0 ? FLEET_CLUSTER : r->sentinel_count > 0 ? FLEET_SENTINEL : FLEET_SINGLE,
	    .servers = servers, .sentinel_master = r->sentinel_master, .user = r->user, .password_file = r->password_file,
	    .sentinel_user = r->sentinel_user, .sentinel_password_file = r->sentinel_password_file, .tls = r->tls.on,
	    .ca_file = r->tls.ca, .certificate_file = r->tls.certificate, .key_file = r->tls.key, .server_name = r->tls.name,
	    .prefix = r->prefix, .replicas = (unsigned)r->replicas, .weaker_fsync = (r->weaker & (CONFIG_WEAKER_EVERYSEC | CONFIG_WEAKER_NO_PERSISTENCE)) != 0,
	    .weaker_persistence = (r->weaker & CONFIG_WEAKER_NO_PERSISTENCE) != 0, .timeout_ms = TOOL_TIMEOUT_MS};
	char why[TOOL_WHY_TEXT];
	enum cs_err err;

	if (r->server != NULL)
		put_address(servers, &n, r->server);
	for (uint16_t i = 0; i < r->sentinel_count; i++)
		put_address(servers, &n, r->sentinels[i]);
	for (uint16_t i = 0; i < r->cluster_count; i++)
		put_address(servers, &n, r->clusters[i]);
	o.servers_n = n;
	err = tool_open(&o, PATIENCE_MS, tool, why);
	if (err == CS_OK)
		return CTL_OK;
	return ctl_fail(ctl, err == CS_ERR_UNAVAILABLE ? CTL_UNREACHABLE : CTL_FAILED, "the store on Redis cannot be used: %s", why);
}
