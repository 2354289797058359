/* SPDX-License-Identifier: Apache-2.0 */
/* store migrate: which way. */
#include "broker/ctl/store.h"

#include "broker/ctl/check.h"

static bool
is_redis(const char *name)
{
	return strcmp(name, "redis") == 0;
}

int
store_migrate(struct ctl *ctl, char **args, int count)
{
	struct config *config;
	int rc;

	(void)args, (void)count;
	if (ctl->from == NULL || ctl->to == NULL || is_redis(ctl->from) == is_redis(ctl->to))
		return ctl_fail(ctl, CTL_USAGE, "say --from FILE --to redis, or --from redis --to FILE; --config names the configuration "
		    "with the `store redis`");
	rc = check_load(ctl, &config);
	if (rc != CTL_OK)
		return rc;
	if (config->store.kind != CONFIG_STORE_REDIS)
		rc = ctl_fail(ctl, CTL_BAD_CONFIG, "%s has no `store redis`: give the configuration that the broker shall have "
		    "%s, with --config", ctl->config, is_redis(ctl->to) ? "afterwards" : "now");
	else
		rc = is_redis(ctl->to) ? store_import(ctl, ctl->from, config) : store_export(ctl, config, ctl->to);
	config_free(config);
	return rc;
}
