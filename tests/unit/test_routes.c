/* SPDX-License-Identifier: Apache-2.0 */
/* The table of routes: it finds what it should, and openapi.json describes exactly what it holds.
 */
#include "tests/unit/unit.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/gateway/routes.h"

static json_t *
openapi_load(void)
{
	const char *top = getenv("CS_SRCDIR");
	char path[4096];
	json_error_t err;
	json_t *doc;

	snprintf(path, sizeof(path), "%s/broker/gateway/openapi.json", top == NULL ? "." : top);
	doc = json_load_file(path, JSON_REJECT_DUPLICATES, &err);
	if (doc == NULL)
		fail_msg("%s:%d: %s", path, err.line, err.text);
	return doc;
}

/* The operation that describes a route, or NULL. */
static json_t *
operation_of(json_t *doc, const struct route *r)
{
	char method[16];
	size_t n = 0;

	for (; r->method[n] != '\0'; n++)
		method[n] = (char)tolower((unsigned char)r->method[n]);
	method[n] = '\0';
	return json_object_get(json_object_get(json_object_get(doc, "paths"), r->path), method);
}

static bool
parameter_described(json_t *operation, const char *in, struct view name)
{
	json_t *parameter;
	size_t i;

	json_array_foreach(json_object_get(operation, "parameters"), i, parameter)
	{
		const char *got = json_string_value(json_object_get(parameter, "name"));

		if (strcmp(json_string_value(json_object_get(parameter, "in")), in) == 0 &&
		    view_equal(view_str(got), name))
			return true;
	}
	return false;
}

static void
every_route_is_described(void **state)
{
	json_t *doc = openapi_load();

	(void)state;
	for (size_t i = 0; i < route_count; i++) {
		const struct route *r = &routes[i];
		json_t *op = operation_of(doc, r);
		struct view member;
		char status[16];

		if (op == NULL)
			fail_msg("%s %s is not in openapi.json", r->method, r->path);
		snprintf(status, sizeof(status), "%u", r->status);
		if (json_object_get(json_object_get(op, "responses"), status) == NULL)
			fail_msg("%s %s: no answer %s", r->method, r->path, status);
		if (r->call != NULL)
			assert_string_equal(
			    json_string_value(json_object_get(op, "operationId")), r->call);
		assert_int_equal(
		    (r->flags & ROUTE_SERVICE) != 0, json_object_get(op, "security") != NULL);
		for (size_t n = 0; (member = route_member(r->path, n)).len > 0; n++)
			assert_true(parameter_described(op, "path", member));
		for (const char *q = r->query; q != NULL && *q != '\0';) {
			size_t len = strcspn(q, " ");

			assert_true(parameter_described(
			    op, "query", view_of(q + (*q == '#'), len - (*q == '#'))));
			q += len + strspn(q + len, " ");
		}
	}
	json_decref(doc);
}

static void
nothing_else_is_described(void **state)
{
	json_t *doc = openapi_load(), *item, *op;
	const char *path, *method;
	size_t n = 0;

	(void)state;
	json_object_foreach(json_object_get(doc, "paths"), path, item)
	{
		json_object_foreach(item, method, op)
		{
			n++;
		}
	}
	assert_int_equal(n, route_count);
	json_decref(doc);
}

static void
paths_are_found(void **state)
{
	const struct route *r;
	struct view params[ROUTE_PARAMS_MAX];
	char allow[ROUTE_ALLOW_MAX];

	(void)state;
	assert_int_equal(
	    route_find(VIEW("GET"), VIEW("/v1/accounts/a%2Fb/payments/p"), &r, params, allow),
	    CS_OK);
	assert_string_equal(r->call, "org.countersign.Payments.Get");
	assert_view_equal(params[0], "a%2Fb");
	assert_view_equal(params[1], "p");
	assert_int_equal(route_find(VIEW("PUT"), VIEW("/access/v1/evaluation"), &r, params, allow),
	    CS_ERR_CONFLICT);
	assert_string_equal(allow, "POST");
	assert_int_equal(
	    route_find(VIEW("PUT"), VIEW("/v1/links/l"), &r, params, allow), CS_ERR_CONFLICT);
	assert_string_equal(allow, "GET, DELETE");
}

static void
other_paths_are_not(void **state)
{
	static const char *const paths[] = {"/", "//", "/v1", "/v1/links/", "/v1/links/a/", "/c/",
	    "/c", "/c/a/b", "/access/v1/evaluation/", "/v1/accounts//payments/p", "/V1/whoami",
	    "/healthz?"};
	const struct route *r;
	struct view params[ROUTE_PARAMS_MAX];
	char allow[ROUTE_ALLOW_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(route_find(VIEW("GET"), view_str(paths[i]), &r, params, allow),
		    CS_ERR_NOT_FOUND);
}

/* The admin's interface and our own cannot be forwarded, and a gateway does not try. */
static void
no_route_reaches_admin_or_internal(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count; i++) {
		if (routes[i].call == NULL)
			continue;
		assert_null(strstr(routes[i].call, ".Admin."));
		assert_null(strstr(routes[i].call, ".Internal."));
		assert_true((routes[i].flags & ROUTE_SERVICE) != 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_route_is_described),
	    cmocka_unit_test(nothing_else_is_described),
	    cmocka_unit_test(paths_are_found),
	    cmocka_unit_test(other_paths_are_not),
	    cmocka_unit_test(no_route_reaches_admin_or_internal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
