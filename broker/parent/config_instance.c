/* SPDX-License-Identifier: Apache-2.0 */
/* What every block that names a plugin has in common: one list over the providers, factors, risk, notify and token blocks. */
#include "broker/parent/config.h"

static const char *const kind_names[CONFIG_KINDS] = {"provider", "factor", "risk", "notify", "token"};

const char *
config_kind_name(enum config_kind kind)
{
	return kind_names[kind];
}

/* The blocks differ in type, but not in the names of these members. */
#define COMMON(kind_, b) \
	{.kind = (kind_), .name = (b)->name, .plugin = (b)->plugin, .servers = (b)->servers,                     \
	 .deadline_ms = (b)->deadline_ms, .queue = (b)->queue, .user = (b)->user, .cage = &(b)->cage,            \
	 .settings = (b)->settings,                                                                              \
	 .setting_count = (b)->setting_count, .pins = (b)->pins, .pin_count = (b)->pin_count,                    \
	 .socket = (b)->socket, .block = (b)}

bool
config_instance_at(const struct config *c, size_t i, struct config_instance *out)
{
	if (i < c->provider_count) {
		*out = (struct config_instance)COMMON(CONFIG_PROVIDER, &c->providers[i]);
		return true;
	}
	i -= c->provider_count;
	if (i < c->factor_count) {
		*out = (struct config_instance)COMMON(CONFIG_FACTOR, &c->factors[i]);
		return true;
	}
	i -= c->factor_count;
	if (i < c->risk_count) {
		*out = (struct config_instance)COMMON(CONFIG_RISK, &c->risks[i]);
		return true;
	}
	i -= c->risk_count;
	if (i < c->notify_count) {
		*out = (struct config_instance)COMMON(CONFIG_NOTIFY, &c->notifies[i]);
		return true;
	}
	i -= c->notify_count;
	if (i < c->token_count) {
		*out = (struct config_instance)COMMON(CONFIG_TOKEN, &c->tokens[i]);
		return true;
	}
	return false;
}

bool
config_instance_find(const struct config *c, struct view name, struct config_instance *out)
{
	struct config_instance found;

	for (size_t i = 0; config_instance_at(c, i, &found); i++) {
		if (view_equal(view_str(found.name), name)) {
			*out = found;
			return true;
		}
	}
	return false;
}

const char **
config_instance_socket(struct config *c, size_t i)
{
	if (i < c->provider_count)
		return &c->providers[i].socket;
	i -= c->provider_count;
	if (i < c->factor_count)
		return &c->factors[i].socket;
	i -= c->factor_count;
	if (i < c->risk_count)
		return &c->risks[i].socket;
	i -= c->risk_count;
	return i < c->notify_count ? &c->notifies[i].socket : &c->tokens[i - c->notify_count].socket;
}
