/* SPDX-License-Identifier: Apache-2.0 */
/* Payments: the question, and what becomes of a hold. */
#include "broker/client/fields.h"

/* In the order of enum cs_outcome. */
static const char *const outcomes[] = {"deny", "step_up", "permit", NULL};

static const struct take_field hold_fields[] = {
	TAKE_TEXT_AT("id", true, struct cs_hold, id),
	TAKE_TEXT_AT("state", true, struct cs_hold, state),
	TAKE_TEXT_AT("expires_at", true, struct cs_hold, expires_at),
	TAKE_TEXT_AT("amount", true, struct cs_hold, amount),
	TAKE_TEXT_AT("currency", true, struct cs_hold, currency),
	TAKE_TEXT_AT("captured", false, struct cs_hold, captured),
	TAKE_TEXT_AT("refunded", false, struct cs_hold, refunded),
	TAKE_END,
};

static const struct take_field challenge_fields[] = {
	TAKE_TEXT_AT("id", true, struct cs_challenge, id),
	TAKE_TEXT_AT("url", false, struct cs_challenge, url),
	TAKE_TEXT_AT("expires_at", true, struct cs_challenge, expires_at),
	TAKE_TEXTS_AT("factors", true, struct cs_challenge, factors, CS_FACTORS_MAX, factor_count),
	TAKE_END,
};

static const struct take_field detail_fields[] = {
	TAKE_TEXT_AT("limit", false, struct cs_decision, limit),
	TAKE_TEXT_AT("used", false, struct cs_decision, used),
	TAKE_TEXT_AT("scope", false, struct cs_decision, scope),
	TAKE_TEXT_AT("until", false, struct cs_decision, until),
	TAKE_END,
};

static const struct take_field decision_fields[] = {
	TAKE_WORD_AT("outcome", true, struct cs_decision, outcome, outcomes),
	TAKE_TEXT_AT("reason", true, struct cs_decision, reason),
	TAKE_BOOL_AT("replayed", false, struct cs_decision, replayed),
	TAKE_TEXT_AT("receipt", false, struct cs_decision, receipt),
	TAKE_OBJECT_AT("hold", false, struct cs_decision, hold, hold_fields),
	TAKE_OBJECT_AT("challenge", false, struct cs_decision, challenge, challenge_fields),
	TAKE_INTO_SAME("detail", false, detail_fields),
	TAKE_END,
};

/* Release, Refund and Get answer with a hold alone. */
static const struct take_field reply_hold_fields[] = {
	{"hold", TAKE_OBJECT, true, 0, 0, 0, 0, hold_fields, NULL},
	TAKE_END,
};

/* What each outcome promises must be there: a caller may rely on it. */
static void
check_decision(struct call *c, const struct cs_decision *d, bool with_effect)
{
	if (c->status != CS_STATUS_OK || !with_effect)
		return;
	if (d->outcome == CS_OUTCOME_PERMIT && d->hold.id[0] == '\0')
		call_fail(c, CS_STATUS_PROTOCOL, "hold", "the broker's reply permits without a hold");
	else if (d->outcome == CS_OUTCOME_STEP_UP && d->challenge.id[0] == '\0')
		call_fail(c, CS_STATUS_PROTOCOL, "challenge", "the broker's reply asks for a step-up without a challenge");
}

static enum cs_status
end_with_decision(struct call *c, bool with_effect, struct cs_decision *decision)
{
	struct cs_decision got = {.outcome = CS_OUTCOME_DENY};
	enum cs_status status;

	if (decision == NULL)
		call_fail(c, CS_STATUS_ARGUMENT, "decision", "decision is NULL");
	call_run(c);
	take_fields(c, decision_fields, &got);
	check_decision(c, &got, with_effect);
	status = call_end(c);
	if (status == CS_STATUS_OK)
		*decision = got;
	return status;
}

static enum cs_status
end_with_hold(struct call *c, struct cs_hold *hold)
{
	struct cs_hold got = {.id = ""};
	enum cs_status status;

	if (hold == NULL)
		call_fail(c, CS_STATUS_ARGUMENT, "out", "out is NULL");
	call_run(c);
	take_fields(c, reply_hold_fields, &got);
	status = call_end(c);
	if (status == CS_STATUS_OK)
		*hold = got;
	return status;
}

static void
put_payment(struct call *c, const struct cs_payment *p)
{
	put_id(c, "session", p->session, PUT_OPTIONAL);
	put_id(c, "allowance", p->allowance, PUT_OPTIONAL);
	put_id(c, "account", p->account, PUT_OPTIONAL);
	put_object_begin(c, "payment");
	put_id(c, "id", p->id, PUT_REQUIRED);
	put_text(c, "amount", p->amount, CS_AMOUNT_MAX, PUT_REQUIRED);
	put_text(c, "currency", p->currency, CS_CURRENCY_MAX, PUT_REQUIRED);
	put_object_begin(c, "payee");
	put_id(c, "id", p->payee_id, PUT_REQUIRED);
	put_id(c, "name", p->payee_name, PUT_OPTIONAL);
	put_object_end(c);
	put_object_end(c);
	if (p->ip == NULL && p->device == NULL)
		return;
	put_object_begin(c, "context");
	put_text(c, "ip", p->ip, CS_TEXT_MAX, PUT_OPTIONAL);
	put_text(c, "device", p->device, CS_TEXT_MAX, PUT_OPTIONAL);
	put_object_end(c);
}

CS_PUBLIC enum cs_status
cs_authorize(struct cs *handle, const struct cs_payment *payment, struct cs_decision *decision,
    struct cs_error *error)
{
	struct call c;

	call_begin(&c, handle, "org.countersign.Payments.Authorize", CALL_REPEAT, error);
	if (payment == NULL) {
		call_fail(&c, CS_STATUS_ARGUMENT, "payment", "payment is NULL");
		return call_end(&c);
	}
	put_payment(&c, payment);
	put_text(&c, "return_url", payment->return_url, CS_URL_MAX, PUT_OPTIONAL);
	if (payment->capture)
		put_bool(&c, "capture", true);
	if (payment->receipt)
		put_bool(&c, "receipt", true);
	return end_with_decision(&c, true, decision);
}

CS_PUBLIC enum cs_status
cs_evaluate(struct cs *handle, const struct cs_payment *payment, struct cs_decision *decision,
    struct cs_error *error)
{
	struct call c;

	call_begin(&c, handle, "org.countersign.Payments.Evaluate", CALL_REPEAT, error);
	if (payment == NULL) {
		call_fail(&c, CS_STATUS_ARGUMENT, "payment", "payment is NULL");
		return call_end(&c);
	}
	put_payment(&c, payment);
	return end_with_decision(&c, false, decision);
}

CS_PUBLIC enum cs_status
cs_capture(struct cs *handle, const char *hold, const char *capture_id, const char *amount,
    struct cs_decision *decision, struct cs_error *error)
{
	struct call c;

	call_begin(&c, handle, "org.countersign.Payments.Capture", CALL_REPEAT, error);
	put_id(&c, "hold", hold, PUT_REQUIRED);
	put_id(&c, "capture_id", capture_id, PUT_REQUIRED);
	put_text(&c, "amount", amount, CS_AMOUNT_MAX, PUT_OPTIONAL);
	return end_with_decision(&c, false, decision);
}

CS_PUBLIC enum cs_status
cs_release(struct cs *handle, const char *hold, struct cs_hold *out, struct cs_error *error)
{
	struct call c;

	call_begin(&c, handle, "org.countersign.Payments.Release", CALL_REPEAT, error);
	put_id(&c, "hold", hold, PUT_REQUIRED);
	return end_with_hold(&c, out);
}

CS_PUBLIC enum cs_status
cs_refund(struct cs *handle, const struct cs_refund_request *refund, struct cs_hold *out, struct cs_error *error)
{
	struct call c;

	call_begin(&c, handle, "org.countersign.Payments.Refund", CALL_REPEAT, error);
	if (refund == NULL) {
		call_fail(&c, CS_STATUS_ARGUMENT, "refund", "refund is NULL");
		return call_end(&c);
	}
	put_id(&c, "account", refund->account, PUT_REQUIRED);
	put_id(&c, "payment", refund->payment, PUT_REQUIRED);
	put_id(&c, "refund_id", refund->id, PUT_REQUIRED);
	put_text(&c, "amount", refund->amount, CS_AMOUNT_MAX, PUT_REQUIRED);
	return end_with_hold(&c, out);
}

CS_PUBLIC enum cs_status
cs_get_payment(struct cs *handle, const char *account, const char *payment, struct cs_hold *out,
    struct cs_error *error)
{
	struct call c;

	call_begin(&c, handle, "org.countersign.Payments.Get", CALL_REPEAT, error);
	put_id(&c, "account", account, PUT_REQUIRED);
	put_id(&c, "payment", payment, PUT_REQUIRED);
	return end_with_hold(&c, out);
}
