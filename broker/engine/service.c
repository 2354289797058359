/* SPDX-License-Identifier: Apache-2.0 */
/* org.varlink.service and org.countersign: what the broker is, and who it takes the caller for. */
#include "config.h"

#include "broker/engine/api.h"

static const struct interface interfaces[] = {
#include "broker/engine/interfaces.inc"
};

enum { INTERFACES_N = sizeof(interfaces) / sizeof(interfaces[0]) };

const struct interface *
interface_at(size_t i)
{
	return i < INTERFACES_N ? &interfaces[i] : NULL;
}

void
service_get_info(struct call *call)
{
	struct json_writer w = call_reply(call);

	json_member_str(&w, "vendor", VIEW("Countersign"));
	json_member_str(&w, "product", VIEW("countersign"));
	json_member_str(&w, "version", VIEW(PACKAGE_VERSION));
	json_member_str(&w, "url", VIEW("https://countersign.example/"));
	json_key(&w, VIEW("interfaces"));
	json_array_begin(&w);
	json_put_str(&w, VIEW("org.varlink.service"));
	for (size_t i = 0; i < INTERFACES_N; i++)
		json_put_str(&w, view_str(interfaces[i].name));
	json_array_end(&w);
	call_end(call, &w);
}

void
service_get_description(struct call *call)
{
	static const struct json_field fields[] = {
		{"interface", JSON_F_STRING, true, 0, 0, 0},
		{0},
	};
	struct view name;

	if (!call_bind(call, fields, &name, sizeof(name)))
		return;
	for (size_t i = 0; i < INTERFACES_N; i++) {
		if (view_equal(name, view_str(interfaces[i].name))) {
			struct json_writer w = call_reply(call);

			json_member_str(&w, "description", view_str(interfaces[i].text));
			call_end(call, &w);
			return;
		}
	}
	call_fail(call, "org.varlink.service.InterfaceNotFound", "interface", name);
}

void
whoami(struct call *call)
{
	static const struct {
		uint32_t right;
		const char *name;
	} rights[] = {{RIGHT_SPEND, "spend"}, {RIGHT_REFUND, "refund"}, {RIGHT_LINK, "link"}, {RIGHT_ENROL, "enrol"},
		{RIGHT_RESPOND, "respond"}, {RIGHT_LOOKUP, "lookup"}, {RIGHT_ENUMERATE, "enumerate"},
		{RIGHT_EXPLAIN, "explain"}, {RIGHT_SIGNALS, "signals"}};
	const struct ruleset *r = call->engine->rules;
	struct json_writer w = call_reply(call);

	if (call->caller.service != 0) {
		json_member_str(&w, "service", view_str(ruleset_service_name(r, call->caller.service)));
		json_member_str(&w, "realm", view_str(r->config->realm));
	}
	json_key(&w, VIEW("rights"));
	json_array_begin(&w);
	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		if ((call->caller.rights & rights[i].right) != 0)
			json_put_str(&w, view_str(rights[i].name));
	}
	json_array_end(&w);
	json_member_bool(&w, "admin", call->caller.admin);
	json_member_str(&w, "broker", VIEW("countersign"));
	json_member_str(&w, "version", VIEW(PACKAGE_VERSION));
	call_end(call, &w);
}
