/* SPDX-License-Identifier: Apache-2.0 */
/* Assess of risk plugins and Deliver of notify plugins. */
#include "broker/worker/calls_run.h"

/* ---- Assess ---------------------------------------------------------------------------------- */

#define AGE(member)                                                                                \
	{#member, JSON_F_INT, true, offsetof(struct assess_parameters, member), -1, NOW_MAX_MS}

const struct json_field assess_fields[] = {
    HEAD(assess_parameters),
    NOW(assess_parameters),
    TEXT(assess_parameters, service, true, OUTSIDE_MAX),
    TEXT(assess_parameters, operation, true, OUTSIDE_MAX),
    TEXT(assess_parameters, provider, false, OUTSIDE_MAX),
    TEXT(assess_parameters, account, true, OUTSIDE_MAX),
    TEXT(assess_parameters, currency, false, 3),
    TEXT(assess_parameters, payee, false, OUTSIDE_MAX),
    TEXT(assess_parameters, ip, false, OUTSIDE_MAX),
    TEXT(assess_parameters, device, false, OUTSIDE_MAX),
    {"amount", JSON_F_INT, false, offsetof(struct assess_parameters, amount), 0, NOW_MAX_MS},
    {"digits", JSON_F_INT, false, offsetof(struct assess_parameters, digits), 0, 4},
    {"factors", JSON_F_INT, true, offsetof(struct assess_parameters, factors), 0, OUTSIDE_MAX},
    AGE(account_age_ms),
    AGE(link_age_ms),
    AGE(session_age_ms),
    {.name = NULL},
};

static bool
is_reason(const struct countersign_buffer *b)
{
	if (b->len > COUNTERSIGN_REASON_MAX)
		return false;
	for (size_t i = 0; i < b->len; i++)
		if (!(b->data[i] >= 'a' && b->data[i] <= 'z') && b->data[i] != '_' &&
		    !(b->data[i] >= '0' && b->data[i] <= '9'))
			return false;
	return true;
}

int
run_assess(struct run *r)
{
	const struct assess_parameters *p = r->parameters;
	const struct countersign_assess in = {
		.size = sizeof(in),
		.call = r->call,
		.service = run_view(p->service),
		.operation = run_view(p->operation),
		.provider = run_view(p->provider),
		.account = run_view(p->account),
		.currency = run_view(p->currency),
		.payee = run_view(p->payee),
		.ip = run_view(p->ip),
		.device = run_view(p->device),
		.amount_minor = p->amount,
		.currency_digits = (int32_t)p->digits,
		.factors = (int32_t)p->factors,
		.account_age_ms = p->account_age_ms,
		.link_age_ms = p->link_age_ms,
		.session_age_ms = p->session_age_ms,
	};
	struct countersign_assessment out = {
		.size = sizeof(out),
		.request = run_text(r, 0),
		.reason = {r->memory[1], COUNTERSIGN_REASON_MAX, 0},
		.score = -1, /* a plugin that forgets it has said nothing */
	};
	int rc = r->calls->plugin->risk->assess(r->calls->instance, &in, &out);

	if (rc != COUNTERSIGN_OK)
		return rc;
	if (!run_is_text(&out.request, 0, TEXT_MAX) || !is_reason(&out.reason) || out.score < 0 ||
	    out.score > COUNTERSIGN_SCORE_MAX)
		return GARBAGE;
	r->reply = varlink_reply_begin(r->out, false);
	run_member(r, "request", &out.request);
	json_member_int(&r->reply, "score", out.score);
	run_member(r, "reason", &out.reason);
	varlink_end(&r->reply);
	return COUNTERSIGN_OK;
}

/* ---- Deliver --------------------------------------------------------------------------------- */

const struct json_field deliver_fields[] = {
    HEAD(deliver_parameters),
    NOW(deliver_parameters),
    TEXT(deliver_parameters, id, true, OUTSIDE_MAX),
    TEXT(deliver_parameters, document, true, DOCUMENT_MAX),
    {.name = NULL},
};

int
run_deliver(struct run *r)
{
	const struct deliver_parameters *p = r->parameters;
	const struct countersign_deliver in = {
		.size = sizeof(in),
		.call = r->call,
		.id = run_view(p->id),
		.document = run_view(p->document),
	};
	struct countersign_delivery out = {.size = sizeof(out), .request = run_text(r, 0)};
	int rc = r->calls->plugin->notify->deliver(r->calls->instance, &in, &out);

	if (rc != COUNTERSIGN_OK)
		return rc;
	if (!run_is_text(&out.request, 0, TEXT_MAX))
		return GARBAGE;
	r->reply = varlink_reply_begin(r->out, false);
	run_member(r, "request", &out.request);
	varlink_end(&r->reply);
	return COUNTERSIGN_OK;
}
