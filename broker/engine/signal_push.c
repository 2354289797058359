/* SPDX-License-Identifier: Apache-2.0 */
/* Internal.SignalPush: a provider's security event, as the gateway received it (RFC 8935). */
#include "broker/engine/api.h"
#include "broker/engine/signals.h"
#include "broker/engine/workers.h"

enum {
	HEADER_TEXT_MAX = 1024,   /* as a worker takes it */
	CONTENT_TYPE_MAX = 128,
	IP_TEXT_MAX = 64,         /* the longest is 45, and a zone */
};

struct push {
	struct view provider, body, content_type, authorization, ip;
};

static void
push_done(struct engine *e, void *ctx, struct call *call, enum signal_end end, const char *err, const char *description)
{
	struct json_writer w;

	(void)e, (void)ctx;
	if (call == NULL)
		return;
	if (end == SIGNAL_FAILED) {
		call_unavailable(call, "signals");
	} else {
		w = call_reply(call);
		json_member_str(&w, "state", end == SIGNAL_TAKEN ? VIEW("taken") : VIEW("refused"));
		json_member_str(&w, "err", view_str(err));
		json_member_str(&w, "description", view_str(description));
		call_end(call, &w);
	}
	call_release(call);
}

void
internal_signal_push(struct call *call)
{
	static const struct json_field fields[] = {
		{"provider", JSON_F_ID, true, offsetof(struct push, provider), 1, CONFIG_NAME_MAX},
		{"body", JSON_F_STRING, true, offsetof(struct push, body), 1, SIGNAL_BODY_TEXT_MAX},
		{"content_type", JSON_F_ID, false, offsetof(struct push, content_type), 1, CONTENT_TYPE_MAX},
		{"authorization", JSON_F_ID, false, offsetof(struct push, authorization), 1, HEADER_TEXT_MAX},
		{"ip", JSON_F_ID, false, offsetof(struct push, ip), 1, IP_TEXT_MAX},
		{0},
	};
	struct engine *e = call->engine;
	struct push p;
	struct worker_said said;
	int i;

	if (!call_bind(call, fields, &p, sizeof(p)))
		return;
	i = config_find_provider(e->rules->config, p.provider);
	if (i < 0) {
		call_not_found(call, "provider");
		return;
	}
	said = workers_said(e, p.provider);
	if (said.heard && !said.signals) {
		call_not_found(call, "provider");
		return;
	}
	signal_take(e, call_hold(call), e->rules->policy->providers[i].tag, p.body, p.content_type, p.authorization, push_done,
	    NULL);
}
