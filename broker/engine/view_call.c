/* SPDX-License-Identifier: Apache-2.0 */
/* From a token and a cookie to the view, and its account. */
#include "broker/engine/view_call.h"

#include <stdio.h>

#include "broker/base/check.h"
#include "broker/engine/ids.h"

bool
view_call_as(struct call *call, uint64_t service)
{
	const struct policy_service *s = policy_service(call->engine->rules->policy, service);

	if (s == NULL)
		return false;
	/* A door of its own: the page was asked for through one, and the browser came by none of them. */
	call->caller = (struct caller){.service = service, .rights = s->rights,
	    .door = (s->doors & DOOR_HTTPS) != 0 ? DOOR_HTTPS : DOOR_UNIX};
	return true;
}

/* An id of a link of this account; answers NotFound itself. */
static bool
read_link(struct call *call, struct view_call *c)
{
	struct id key;

	if (c->link_text.data == NULL)
		return true;
	if (!call_id(call, ID_LINK, c->link_text, "link", &key, &c->link))
		return false;
	if (id_equal(&key, &c->key))
		return true;
	call_not_found(call, "link");
	return false;
}

bool
view_call_bind(struct call *call, const struct json_field *fields, size_t size)
{
	struct view_call *c = call_memory(call, size);
	struct owner_view *v;

	if (!call_bind(call, fields, c, size))
		return false;
	v = view_find(call->engine, c->token, c->cookie);
	if (v != NULL && !v->over && !view_call_as(call, v->service))
		view_end(v);
	if (v == NULL || v->over) {
		call_not_found(call, v == NULL ? "page" : "view");
		return false;
	}
	v->used_boot_ms = call->engine->now.boot_ms;
	c->key = v->account;
	return read_link(call, c);
}

void
view_call_run(struct call *call, txn_fn *fn)
{
	struct view_call *c = CALL_MEMORY_AS(struct view_call, call);

	txn_run(call->engine, &c->key, call, fn);
}

struct owner_view *
view_call_here(struct call *call, const struct account *a)
{
	struct view_call *c = CALL_MEMORY_AS(struct view_call, call);
	struct owner_view *v = view_find(call->engine, c->token, c->cookie);

	if (v != NULL && !view_stands(v, a))
		view_end(v);
	if (v != NULL && !v->over)
		return v;
	call_not_found(call, v == NULL ? "page" : "view");
	return NULL;
}

const struct link *
view_call_link(struct call *call, const struct account *a)
{
	struct view_call *c = CALL_MEMORY_AS(struct view_call, call);
	const struct link *l = account_link(a, &c->link);

	if (l == NULL)
		call_not_found(call, "link");
	return l;
}

void
view_call_done(struct call *call)
{
	struct json_writer w = call_reply(call);

	json_member_str(&w, "outcome", VIEW("permit"));
	call_end(call, &w);
}

size_t
view_url(const struct engine *e, const struct owner_view *v, char url[PAGE_URL_MAX])
{
	char token[2 * sizeof(v->token.b)];
	size_t len = base32_encode(v->token.b, sizeof(v->token.b), token);
	int n = snprintf(url, PAGE_URL_MAX, "%s/l/%.*s", e->rules->config->public_url, (int)len, token);

	CHECK(n > 0 && n < PAGE_URL_MAX);
	return (size_t)n;
}
