/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the shared parts of answers. */
#include "broker/engine/answer.h"

#include <stdio.h>

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/engine/page.h"
#include "broker/engine/steps.h"

void
answer_outcome(struct json_writer *w, const struct decision *d)
{
	json_member_str(w, "outcome", view_str(outcome_name((enum outcome)d->outcome)));
	json_member_str(w, "reason", view_str(reason_name((enum reason)d->reason)));
}

void
answer_time(struct json_writer *w, const char *name, int64_t ms)
{
	char text[CLOCK_TEXT_MAX];

	json_member_str(w, name, view_of(text, clock_text(ms, text)));
}

void
answer_amount(struct json_writer *w, const char *name, int64_t minor, uint16_t currency)
{
	char text[MONEY_TEXT_MAX];

	json_member_str(w, name, view_of(text, money_format(minor, currency, text)));
}

void
answer_currency(struct json_writer *w, const char *name, uint16_t currency)
{
	const struct currency *c = currency_get(currency);

	CHECK(c != NULL);
	json_member_str(w, name, view_of(c->code, 3));
}

void
answer_id(struct json_writer *w, const char *name, enum id_kind kind, const struct account *a, const struct id *id)
{
	struct id_text t = id_format(kind, &a->key, id);

	json_member_str(w, name, id_view(&t));
}

static const char *const payment_states[PAYMENT__STATES] = {"open", "captured", "released", "expired"};

void
answer_hold(struct json_writer *w, const struct account *a, const struct payment *p)
{
	json_key(w, VIEW("hold"));
	json_object_begin(w);
	answer_id(w, "id", ID_HOLD, a, &p->id);
	json_member_str(w, "state", view_str(payment_states[p->state]));
	answer_time(w, "expires_at", p->expires_ms == 0 ? p->permitted_ms : p->expires_ms);
	answer_amount(w, "amount", p->amount_minor, p->currency);
	answer_currency(w, "currency", p->currency);
	if (p->state == PAYMENT_CAPTURED)
		answer_amount(w, "captured", p->captured_minor, p->currency);
	if (p->refunded_minor > 0)
		answer_amount(w, "refunded", p->refunded_minor, p->currency);
	json_object_end(w);
}

void
answer_kinds(struct json_writer *w, const char *name, const struct account *a, uint8_t kinds)
{
	uint8_t held = 0;

	for (size_t i = 0; i < a->factors_n; i++) {
		if (!a->factors[i].removed)
			held |= (uint8_t)(1 << a->factors[i].kind);
	}
	json_key(w, view_str(name));
	json_array_begin(w);
	for (int k = 0; k < FACTOR__COUNT; k++) {
		if ((kinds & held & 1 << k) != 0)
			json_put_str(w, view_str(factor_kind_name((enum factor_kind)k)));
	}
	json_array_end(w);
}

void
answer_challenge(struct json_writer *w, struct call *call, const struct account *a, const struct challenge *c,
    struct view return_url)
{
	struct engine *e = call->engine;
	char url[PAGE_URL_MAX];

	json_key(w, VIEW("challenge"));
	json_object_begin(w);
	answer_id(w, "id", ID_CHALLENGE, a, &c->id);
	if (e->rules->config->public_url != NULL) {
		size_t len = page_new(e, &a->key, &c->id, c->expires_ms, return_url, url);

		page_of_challenge(e, &c->id)->opens_view = c->op == OP_VIEW;
		json_member_str(w, "url", view_of(url, len));
	}
	answer_time(w, "expires_at", c->expires_ms);
	answer_kinds(w, "factors", a, c->kinds);
	json_object_end(w);
}

const struct challenge *
challenge_of(const struct account *a, const struct decision *d)
{
	const struct challenge *c = account_challenge(a, &d->id);

	CHECK(d->outcome == OUTCOME_STEP_UP && c != NULL);
	return c;
}

void
answer_detail(struct json_writer *w, const struct account *a, const struct decision *d)
{
	char text[MONEY_TEXT_MAX + 8];
	const struct currency *c = currency_get(d->detail.currency);

	if (!d->detail.set)
		return;
	json_key(w, VIEW("detail"));
	json_object_begin(w);
	if (d->detail.until_ms != 0) {
		answer_time(w, "until", d->detail.until_ms);
	} else {
		const int64_t values[2] = {d->detail.limit, d->detail.used};
		const char *const keys[2] = {"limit", "used"};

		for (int i = 0; i < 2; i++) {
			size_t len;

			if (c == NULL) {
				len = (size_t)snprintf(text, sizeof(text), "%lld", (long long)values[i]);
			} else {
				len = money_format(values[i], c->number, text);
				text[len++] = ' ';
				memcpy(text + len, c->code, 3);
				len += 3;
			}
			json_member_str(w, keys[i], view_of(text, len));
		}
		json_member_str(w, "scope", d->detail.link_no != 0 ? VIEW("link") : VIEW("account"));
	}
	json_object_end(w);
	(void)a;
}

void
answer_explain(struct json_writer *w, const struct call *call, const struct asked *asked, const struct account *a,
    const struct request *r, const struct decision *d)
{
	const struct config *c = call->engine->rules->config;
	const struct config_service *service = ruleset_service(call->engine->rules, call->caller.service);
	struct steps_stack stack = {c, NULL, r->op, true};

	/* It was removed from the configuration while it waited: there is no stack to tell of. */
	if (service == NULL)
		return;
	stack.stack = &c->stacks[service->stack_index];
	json_key(w, VIEW("explain"));
	json_array_begin(w);
	steps_write(w, asked->trace, &stack);
	json_array_end(w);
	json_key(w, VIEW("mend"));
	json_array_begin(w);
	steps_mend(w, asked, a, r, d);
	json_array_end(w);
	if (d->notes != 0)
		answer_notes(w, d->notes);
}

void
answer_notes(struct json_writer *w, uint32_t notes)
{
	json_key(w, VIEW("notes"));
	json_array_begin(w);
	for (int i = 1; i < NOTE__COUNT; i++)
		if ((notes & note_bit((enum note)i)) != 0)
			json_put_str(w, view_str(note_name((enum note)i)));
	json_array_end(w);
}

struct id
account_key_of(const struct engine *e, struct view account)
{
	struct view parts[2] = {view_str(e->rules->config->realm), account};

	return keyring_id(e->keys, DIGEST_ACCOUNT, parts, 2);
}

bool
return_url_known(const struct call *call, struct view url)
{
	const struct config_service *s = ruleset_service(call->engine->rules, call->caller.service);

	for (uint16_t i = 0; s != NULL && i < s->return_url_count; i++) {
		if (view_equal(url, view_str(s->return_urls[i])))
			return true;
	}
	return url.data == NULL;
}
