/* SPDX-License-Identifier: Apache-2.0 */
/* The table of routes. The hottest comes first: the search is linear and ends there. */
#include "broker/gateway/routes.h"

#include <stdio.h>

#include "broker/gateway/handlers.h"

enum {
	READ = ROUTE_SERVICE,
	WRITE = ROUTE_SERVICE | ROUTE_BODY,
	READ_SLOW = READ | ROUTE_SLOW,
	WRITE_SLOW = WRITE | ROUTE_SLOW,
	AUTHZEN = ROUTE_SERVICE | ROUTE_BODY | ROUTE_AUTHZEN,
	PAGE = ROUTE_PAGE,
};

/* A call that is forwarded; the same with members of the query; a route with calls of its own. */
#define CALL(method, path, call, status, flags) ASK(method, path, call, status, flags, NULL)
#define ASK(method, path, call, status, flags, query)                                              \
	{                                                                                          \
		method, path, "org.countersign." call, status, flags, query, api_forward           \
	}
#define OWN(method, path, status, flags, handle)                                                   \
	{                                                                                          \
		method, path, NULL, status, flags, NULL, handle                                    \
	}

/* clang-format off */
const struct route routes[] = {
	/* AuthZEN */
	OWN("POST", "/access/v1/evaluation", 200, AUTHZEN, authzen_evaluation),
	OWN("POST", "/access/v1/evaluations", 200, AUTHZEN, authzen_evaluations),
	OWN("GET", "/.well-known/authzen-configuration", 200, 0, authzen_configuration),

	/* payments */
	CALL("POST", "/v1/holds/{hold}/capture", "Payments.Capture", 200, WRITE),
	CALL("POST", "/v1/holds/{hold}/release", "Payments.Release", 200, WRITE),
	CALL("GET", "/v1/accounts/{account}/payments/{payment}", "Payments.Get", 200, READ),
	CALL("POST", "/v1/accounts/{account}/payments/{payment}/refunds", "Payments.Refund", 200, WRITE),

	/* sign-ins, sessions, links */
	CALL("POST", "/v1/sign-ins", "Sessions.Begin", 201, WRITE_SLOW),
	CALL("POST", "/v1/sign-ins/{sign_in}/session", "Sessions.Take", 201, WRITE),
	CALL("POST", "/v1/sign-ins/{sign_in}/link", "Links.Complete", 200, WRITE_SLOW),
	CALL("POST", "/v1/sessions", "Sessions.Open", 201, WRITE_SLOW),
	CALL("DELETE", "/v1/sessions/{session}", "Sessions.Close", 204, READ),
	CALL("POST", "/v1/links", "Links.Begin", 201, WRITE_SLOW),
	CALL("GET", "/v1/links/{link}", "Links.Get", 200, READ),
	CALL("DELETE", "/v1/links/{link}", "Links.Remove", 200, READ),
	CALL("POST", "/v1/links/{link}/evidence", "Links.Attest", 200, WRITE),
	CALL("POST", "/v1/links/{link}/suspension", "Links.Suspend", 200, WRITE),
	CALL("DELETE", "/v1/links/{link}/suspension", "Links.Resume", 200, READ_SLOW),
	CALL("GET", "/v1/accounts/{account}/links", "Links.List", 200, READ),

	/* step-up */
	CALL("GET", "/v1/challenges/{challenge}", "StepUp.Get", 200, READ_SLOW),
	OWN("GET", "/v1/challenges/{challenge}/events", 200, READ, stepup_events),
	CALL("POST", "/v1/challenges/{challenge}/answers", "StepUp.Respond", 200, WRITE_SLOW),
	CALL("POST", "/v1/challenges/{challenge}/refusal", "StepUp.Refuse", 200, WRITE),

	/* factors */
	CALL("GET", "/v1/accounts/{account}/factors", "Factors.List", 200, READ),
	CALL("POST", "/v1/accounts/{account}/factors", "Factors.Begin", 200, WRITE_SLOW),
	CALL("POST", "/v1/enrolments/{enrolment}/answers", "Factors.Finish", 200, WRITE_SLOW),
	ASK("DELETE", "/v1/factors/{factor}", "Factors.Remove", 200, READ_SLOW, "challenge"),
	CALL("POST", "/v1/factors/{factor}/unlock", "Factors.Unlock", 200, WRITE_SLOW),

	/* allowances, limits */
	CALL("POST", "/v1/allowances", "Allowances.Grant", 200, WRITE_SLOW),
	CALL("DELETE", "/v1/allowances/{allowance}", "Allowances.Revoke", 200, READ),
	CALL("GET", "/v1/accounts/{account}/allowances", "Allowances.List", 200, READ),
	ASK("GET", "/v1/accounts/{account}/limits", "Limits.Get", 200, READ, "link"),
	CALL("PUT", "/v1/accounts/{account}/limits", "Limits.Set", 200, WRITE_SLOW),

	/* accounts, look-up, events */
	CALL("GET", "/v1/accounts/{account}", "Accounts.Get", 200, READ),
	CALL("DELETE", "/v1/accounts/{account}", "Accounts.Close", 200, READ),
	CALL("POST", "/v1/accounts/{account}/reports", "Accounts.ReportNotMe", 200, WRITE),
	CALL("POST", "/v1/accounts/{account}/views", "Accounts.View", 200, WRITE_SLOW),
	CALL("GET", "/v1/accounts/{account}/ids", "Lookup.ByAccount", 200, READ),
	ASK("GET", "/v1/providers/{provider}/subjects/{subject}", "Lookup.BySubject", 200, READ, "issuer"),
	ASK("GET", "/v1/events", "Events.Watch", 200, READ, "#after #limit"),
	CALL("GET", "/v1/whoami", "Whoami", 200, READ),

	/* signals */
	OWN("POST", "/ssf/{provider}", 202, ROUTE_SET, ssf_push),
	OWN("GET", "/.well-known/ssf-configuration", 200, 0, receiver_configuration),
	CALL("POST", "/signals/stream", "Receiver.Create", 201, WRITE),
	{"GET", "/signals/stream", "org.countersign.Receiver.Get", 200, READ, "stream_id", receiver_streams},
	CALL("PATCH", "/signals/stream", "Receiver.Update", 200, WRITE),
	CALL("PUT", "/signals/stream", "Receiver.Replace", 200, WRITE),
	ASK("DELETE", "/signals/stream", "Receiver.Delete", 204, READ, "stream_id"),
	ASK("GET", "/signals/status", "Receiver.Status", 200, READ, "stream_id"),
	CALL("POST", "/signals/status", "Receiver.SetStatus", 200, WRITE),
	CALL("POST", "/signals/verify", "Receiver.Verify", 204, WRITE),
	CALL("POST", "/signals/poll", "Receiver.Poll", 200, WRITE),

	/* browsers */
	OWN("GET", "/c/{token}", 200, PAGE, page_probe),
	OWN("POST", "/c/{token}", 200, PAGE, page_post),
	OWN("GET", "/c/{token}/state", 200, 0, page_poll),
	OWN("GET", "/e/{token}", 200, PAGE, enrol_probe),
	OWN("POST", "/e/{token}", 200, PAGE, enrol_post),
	OWN("GET", "/l/{token}", 200, PAGE, view_show),
	OWN("POST", "/l/{token}", 303, PAGE, view_post),
	OWN("GET", "/l/{token}/{place}", 200, PAGE, view_show),
	OWN("POST", "/l/{token}/{place}", 303, PAGE, view_post),
	OWN("GET", "/l/{token}/{place}/{of}", 200, PAGE, view_show),
	OWN("POST", "/l/{token}/{place}/{of}", 303, PAGE, view_post),
	OWN("GET", "/d", 200, PAGE, device_probe),
	OWN("POST", "/d", 200, PAGE, device_post),
	OWN("GET", "/d/state", 200, 0, device_poll),
	OWN("GET", "/s/{token}", 303, PAGE, browser_start),
	OWN("GET", "/callback/{provider}", 303, PAGE, browser_callback),
	OWN("POST", "/callback/{provider}", 303, PAGE, browser_callback),
	OWN("GET", "/countersign.js", 200, 0, page_script),

	/* keys and health */
	OWN("GET", "/.well-known/jwks.json", 200, 0, api_keys),
	OWN("GET", "/healthz", 200, 0, api_health),
};
/* clang-format on */

const size_t route_count = sizeof(routes) / sizeof(routes[0]);

/* The first segment of v ("/a/b" gives "a"), which v then begins after. */
static struct view
segment_next(struct view *v)
{
	const char *from = v->data + 1;
	const char *slash = memchr(from, '/', v->len - 1);
	struct view got = view_of(from, slash == NULL ? v->len - 1 : (size_t)(slash - from));

	*v = view_of(from + got.len, v->len - 1 - got.len);
	return got;
}

static bool
path_matches(const char *pattern, struct view path, struct view params[ROUTE_PARAMS_MAX])
{
	struct view want = view_str(pattern);
	size_t n = 0;

	while (want.len > 0 && path.len > 0) {
		struct view w = segment_next(&want), got = segment_next(&path);

		if (w.data[0] == '{') {
			if (got.len == 0 || n == ROUTE_PARAMS_MAX)
				return false;
			params[n++] = got;
		} else if (!view_equal(w, got)) {
			return false;
		}
	}
	return want.len == 0 && path.len == 0;
}

enum cs_err
route_find(struct view method, struct view path, const struct route **route,
    struct view params[ROUTE_PARAMS_MAX], char allow[ROUTE_ALLOW_MAX])
{
	size_t len = 0;

	allow[0] = '\0';
	for (size_t i = 0; i < route_count; i++) {
		struct view got[ROUTE_PARAMS_MAX] = {{NULL, 0}};

		if (!path_matches(routes[i].path, path, got))
			continue;
		if (view_equal(view_str(routes[i].method), method)) {
			*route = &routes[i];
			memcpy(params, got, sizeof(got));
			return CS_OK;
		}
		len += (size_t)snprintf(allow + len, ROUTE_ALLOW_MAX - len, "%s%s",
		    len == 0 ? "" : ", ", routes[i].method);
	}
	return len == 0 ? CS_ERR_NOT_FOUND : CS_ERR_CONFLICT;
}

struct view
route_member(const char *path, size_t n)
{
	for (const char *p = strchr(path, '{'); p != NULL; p = strchr(p + 1, '{'))
		if (n-- == 0)
			return view_of(p + 1, strcspn(p + 1, "}"));
	return view_of(NULL, 0);
}
