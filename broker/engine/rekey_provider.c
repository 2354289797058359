/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin.RekeyProvider: what a provider is now, its plugin, issuer and client ids, is accepted as the identity that rule 3 asks for;
 * and back. Admin.RekeyLinks: the window in which sign-ins that prove it move links to new subjects.
 */
#include "broker/base/clock.h"
#include "broker/engine/admin.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/event_json.h"
#include "broker/engine/record.h"

/* Longer than any provider takes to move its users; who needs more opens another. */
#define WINDOW_MS_MAX (366 * DAY_MS)

struct asked_provider {
	struct view name, reason, until;
	bool undo;
	uint64_t tag;
	int64_t until_ms;
	struct record_pin pin;
};

static bool
find_provider(struct call *call, struct asked_provider *x)
{
	x->tag = name_tag(x->name);
	if (ruleset_provider(call->engine->rules, x->tag) != NULL)
		return true;
	call_not_found(call, "provider");
	return false;
}

static void
provider_rekeyed(struct call *call)
{
	struct asked_provider *x = CALL_MEMORY_AS(struct asked_provider, call);
	struct record_pin now = record_pin(call->engine, x->tag);
	struct json_writer w = call_reply(call);

	event_put_hex(&w, "pin", now.accepted.b, sizeof(now.accepted.b));
	event_put_hex(&w, "was_pin", x->pin.accepted.b, sizeof(x->pin.accepted.b));
	json_member_bool(&w, "matches", id_equal(&now.accepted, &now.configured));
	call_end(call, &w);
}

void
admin_rekey_provider(struct call *call)
{
	static const struct json_field fields[] = {
		{"provider", JSON_F_ID, true, offsetof(struct asked_provider, name), 1, CONFIG_NAME_MAX},
		{"reason", JSON_F_ID, true, offsetof(struct asked_provider, reason), 1, ADMIN_WORDS_MAX - 1},
		{"undo", JSON_F_BOOL, false, offsetof(struct asked_provider, undo), 0, 0},
		{0},
	};
	struct asked_provider *x = CALL_MEMORY_AS(struct asked_provider, call);
	struct event ev = {.type = EVENT_PROVIDER_REKEYED, .reason = REASON_ASKED};

	if (!call_bind(call, fields, x, sizeof(*x)) || !find_provider(call, x))
		return;
	x->pin = record_pin(call->engine, x->tag);
	if (x->undo ? id_zero(&x->pin.before) : id_equal(&x->pin.accepted, &x->pin.configured)) {
		call_conflict(call, x->undo ? "no re-key of this provider is left to be taken back" :
		    "this provider is the one that it was: there is nothing to accept");
		return;
	}
	ev.provider = x->tag;
	ev.id = x->undo ? x->pin.before : x->pin.configured;
	ev.digest = x->pin.accepted;
	ev.flags = x->undo ? EVENT_FLAG_UNDONE : 0;
	record_commit(call->engine, &ev, x->reason, call, provider_rekeyed);
}

static void
window_set(struct call *call)
{
	struct asked_provider *x = CALL_MEMORY_AS(struct asked_provider, call);
	struct json_writer w = call_reply(call);

	if (x->until_ms > 0)
		answer_time(&w, "until", x->until_ms);
	call_end(call, &w);
}

void
admin_rekey_links(struct call *call)
{
	static const struct json_field fields[] = {
		{"provider", JSON_F_ID, true, offsetof(struct asked_provider, name), 1, CONFIG_NAME_MAX},
		{"reason", JSON_F_ID, true, offsetof(struct asked_provider, reason), 1, ADMIN_WORDS_MAX - 1},
		{"until", JSON_F_STRING, false, offsetof(struct asked_provider, until), 0, 0},
		{0},
	};
	struct asked_provider *x = CALL_MEMORY_AS(struct asked_provider, call);
	struct event ev = {.type = EVENT_PROVIDER_WINDOW, .reason = REASON_ASKED};
	int64_t now_ms = call->engine->now.wall_ms;

	if (!call_bind(call, fields, x, sizeof(*x)))
		return;
	if (x->until.data != NULL) {
		x->until_ms = clock_parse(x->until.data, x->until.len);
		if (x->until_ms <= now_ms || x->until_ms > now_ms + WINDOW_MS_MAX) {
			call_invalid(call, "until", "must be a time in UTC that is still to come, at most a year ahead, such as "
			    "2026-01-31T12:00:00Z");
			return;
		}
	}
	if (!find_provider(call, x))
		return;
	ev.provider = x->tag;
	ev.expires_ms = x->until_ms;
	record_commit(call->engine, &ev, x->reason, call, window_set);
}
