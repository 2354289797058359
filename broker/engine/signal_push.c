/* SPDX-License-Identifier: Apache-2.0 */
/* Internal.SignalPush: a provider's security event, as the gateway received it. */
#include "broker/engine/api.h"

enum {
	SIGNAL_BODY_TEXT_MAX = 21848,   /* 16 KiB in base64url */
	SIGNAL_HEADER_MAX = 4096,
	IP_TEXT_MAX = 64,               /* the longest is 45, and a zone */
};

struct push {
	struct view provider, body, content_type, authorization, ip;
};

void
internal_signal_push(struct call *call)
{
	static const struct json_field fields[] = {
		{"provider", JSON_F_ID, true, offsetof(struct push, provider), 1, CONFIG_NAME_MAX},
		{"body", JSON_F_STRING, true, offsetof(struct push, body), 1, SIGNAL_BODY_TEXT_MAX},
		{"content_type", JSON_F_ID, false, offsetof(struct push, content_type), 1, SIGNAL_HEADER_MAX},
		{"authorization", JSON_F_ID, false, offsetof(struct push, authorization), 1, SIGNAL_HEADER_MAX},
		{"ip", JSON_F_ID, false, offsetof(struct push, ip), 1, IP_TEXT_MAX},
		{0},
	};
	struct push *p = CALL_MEMORY_AS(struct push, call);

	if (!call_bind(call, fields, p, sizeof(*p)))
		return;
	if (config_find_provider(call->engine->rules->config, p->provider) < 0)
		call_not_found(call, "provider");
	else
		call_unavailable(call, "signals");
}
