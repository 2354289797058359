/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker as a transmitter of security events (OpenID Shared Signals Framework 1.0): where it is managed, and the one
 * answer whose shape depends on the question. All else is forwarded as it is, by its row of the table.
 */
#include "broker/gateway/exchange.h"
#include "broker/gateway/handlers.h"

static void
url_member(struct json_writer *w, const char *name, struct view base, const char *path)
{
	uint8_t text[1024];
	struct buf b = buf_over(text, sizeof(text));

	buf_put_view(&b, base);
	buf_put_view(&b, view_str(path));
	json_member_str(w, name, buf_view(&b));
}

void
receiver_configuration(struct exchange *x)
{
	struct view base = x->gateway->public_url;
	size_t mark = reply_json_begin(x, 200);
	struct json_writer w = json_to(x->out);

	json_object_begin(&w);
	json_member_str(&w, "spec_version", VIEW("1_0"));
	json_member_str(&w, "issuer", base);
	url_member(&w, "jwks_uri", base, "/.well-known/jwks.json");
	json_key(&w, VIEW("delivery_methods_supported"));
	json_array_begin(&w);
	json_put_str(&w, VIEW("urn:ietf:rfc:8935"));
	json_put_str(&w, VIEW("urn:ietf:rfc:8936"));
	json_array_end(&w);
	url_member(&w, "configuration_endpoint", base, "/signals/stream");
	url_member(&w, "status_endpoint", base, "/signals/status");
	url_member(&w, "verification_endpoint", base, "/signals/verify");
	json_key(&w, VIEW("authorization_schemes"));
	json_array_begin(&w);
	json_object_begin(&w);
	json_member_str(&w, "spec_urn", VIEW("urn:ietf:rfc:8705"));
	json_object_end(&w);
	json_array_end(&w);
	json_member_str(&w, "default_subjects", VIEW("ALL"));
	json_object_end(&w);
	reply_end(x, mark);
}

/* SSF 1.0 section 7.1.2: without an id, the list of the receiver's streams, which has one member at most. */
static void
listed(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = forward_result(x, answer);
	struct json_writer w;
	size_t mark;

	if (r.error.len > 0 && !view_equal(r.error, VIEW("org.countersign.NotFound"))) {
		reply_problem_of(x, &r);
		return;
	}
	mark = reply_json_begin(x, 200);
	w = json_to(x->out);
	json_array_begin(&w);
	if (r.error.len == 0)
		json_put_copy(&w, r.doc, r.body);
	json_array_end(&w);
	reply_end(x, mark);
}

void
receiver_streams(struct exchange *x)
{
	struct json_writer w;

	if (x->request->query.len > 0) {
		api_forward(x);
		return;
	}
	if (!exchange_forward_begin(x, ENGINE_FAST, VIEW("org.countersign.Receiver.Get"), &w)) {
		reply_problem(x, 503, "org.countersign.Unavailable", "the broker takes no call now; ask again");
		return;
	}
	if (!exchange_send(x, &w, listed))
		reply_problem(x, 400, "org.countersign.InvalidParameter", "the call is too long");
}
