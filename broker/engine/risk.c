/* SPDX-License-Identifier: Apache-2.0 */
/* Asking risk plugins. */
#include "broker/engine/risk.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/core/money.h"
#include "broker/engine/pairwise.h"
#include "broker/engine/workers.h"

enum { QUESTION_MAX = 4096, SCORE_MAX = 100 };

_Static_assert((int)CALL_EVIDENCE_MAX >= (int)CONFIG_RISKS_MAX, "every configured plugin may be asked for one call");

struct gathering {
	struct call *call;        /* held; NULL while the questions are still being asked */
	struct id key;
	txn_fn *fn;
	struct call_evidence evidence;
	size_t open;              /* not answered yet */
	struct asking {
		struct gathering *of;
		size_t index;
	} askings[CALL_EVIDENCE_MAX];
};

/* A line of the stack: whom it asks, and for how long. */
struct line {
	uint64_t plugin;
	int64_t deadline_ms;
};

/* Each plugin once: the line that waits longest counts. */
static size_t
lines_of(const struct stack *s, enum op op, struct line to[CALL_EVIDENCE_MAX])
{
	size_t n = 0;

	for (uint16_t i = 0; i < s->count[op]; i++) {
		const struct stack_line *line = &s->lines[s->first[op] + i];
		size_t at = 0;

		if (line->rule != RULE_RISK || line->absent)
			continue;
		while (at < n && to[at].plugin != line->plugin)
			at++;
		if (at == CALL_EVIDENCE_MAX)
			continue;
		if (at == n)
			to[n++] = (struct line){line->plugin, line->deadline_ms};
		else if (to[at].deadline_ms < line->deadline_ms)
			to[at].deadline_ms = line->deadline_ms;
	}
	return n;
}

static int64_t
age(int64_t now_ms, int64_t since_ms)
{
	return now_ms > since_ms ? now_ms - since_ms : 0;
}

static void
put_ages(struct json_writer *w, const struct account *a, const struct session *s, const struct link *l, int64_t now_ms)
{
	int64_t factors = 0, since_ms = INT64_MAX;

	for (size_t i = 0; i < a->factors_n; i++) {
		const struct factor *f = &a->factors[i];

		factors += !factor_gone(a, f, now_ms);
		if (f->since_ms < since_ms)
			since_ms = f->since_ms;
	}
	json_member_int(w, "factors", factors);
	json_member_int(w, "account_age_ms", a->factors_n == 0 ? -1 : age(now_ms, since_ms));
	json_member_int(w, "link_age_ms", l == NULL ? -1 : age(now_ms, l->since_ms));
	json_member_int(w, "session_age_ms", s == NULL ? -1 : age(now_ms, s->opened_ms));
}

/* The members of Assess, but for who is asked. */
static void
put_question(struct json_writer *w, const struct engine *e, const struct account *a, enum op op,
    const struct risk_question *q)
{
	const struct session *s = q->session == NULL ? NULL : account_session(a, q->session);
	const struct link *l = account_link_by_no(a, s != NULL ? s->link_no : q->link_no);
	const struct currency *c = currency_get(q->currency);
	uint64_t provider = l != NULL ? l->provider : q->provider;

	json_member_str(w, "service", view_str(ruleset_service_name(e->rules, q->service)));
	json_member_str(w, "operation", view_str(op_name(op)));
	if (provider != 0)
		json_member_str(w, "provider", view_str(ruleset_provider_name(e->rules, provider)));
	if (c != NULL) {
		json_member_int(w, "amount", q->amount_minor);
		json_member_str(w, "currency", view_of(c->code, 3));
		json_member_int(w, "digits", c->exponent);
	}
	if (q->payee.len > 0)
		json_member_str(w, "payee", q->payee);
	if (q->ip.len > 0)
		json_member_str(w, "ip", q->ip);
	if (q->device.len > 0)
		json_member_str(w, "device", q->device);
	put_ages(w, a, s, l, e->now.wall_ms);
	json_member_int(w, "now_ms", e->now.wall_ms);
}

/* All have answered, and the call waits: it goes on with what they said. */
static void
gathered(struct gathering *g)
{
	struct call *call = g->call;
	struct id key = g->key;
	txn_fn *fn = g->fn;

	call->evidence = g->evidence;
	free(g);
	txn_run_held(call->engine, &key, call, fn);
}

static void
assessed(struct engine *e, void *ctx, const struct worker_result *result)
{
	static const struct json_field fields[] = {{"score", JSON_F_INT, true, 0, 0, 0}, {0}};
	struct asking *asking = ctx;
	struct gathering *g = asking->of;
	struct evidence *to = &g->evidence.of[asking->index];
	struct json_problem problem = {0};
	int64_t score = -1;

	(void)e;
	if (result->err == CS_OK && result->parameters != 0 &&
	    json_bind(result->doc, result->parameters, fields, true, &score, &problem) == CS_OK && score >= 0 &&
	    score <= SCORE_MAX) {
		to->answered = true;
		to->score = (uint8_t)score;
	} else if (result->err == CS_OK) {
		*result->lied = true;
	}
	log_debug("msg=\"risk was assessed\" answered=%d score=%lld", to->answered, (long long)score);
	if (--g->open == 0 && g->call != NULL)
		gathered(g);
}

static void
ask_one(struct gathering *g, struct engine *e, const struct account *a, const char *name, const struct line *line,
    struct view question)
{
	char bytes[QUESTION_MAX + 64];
	struct buf b = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&b);

	json_object_begin(&w);
	pairwise_member(&w, "account", e, &a->key, name);
	buf_put_u8(&b, ',');
	buf_put_view(&b, question);
	CHECK(!b.full);
	workers_ask_within(e, view_str(name), line->deadline_ms, "Assess", view_of(bytes + 1, b.len - 1), assessed,
	    &g->askings[g->evidence.n - 1]);
}

static void
ask_all(struct gathering *g, struct engine *e, const struct account *a, enum op op, const struct risk_question *q,
    const struct line *lines, size_t n)
{
	const struct config *c = e->rules->config;
	char bytes[QUESTION_MAX];
	struct buf b = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&b);

	json_object_begin(&w);
	put_question(&w, e, a, op, q);
	/* Three texts of 128 bytes at most, escaped six times as long, and little else. */
	CHECK(!b.full);
	for (size_t i = 0; i < n; i++) {
		size_t at = g->evidence.n++;

		g->evidence.of[at] = (struct evidence){.plugin = lines[i].plugin};
		g->askings[at] = (struct asking){g, at};
		g->open++;
		for (uint16_t k = 0; k < c->risk_count; k++) {
			if (name_tag(view_str(c->risks[k].name)) == lines[i].plugin)
				ask_one(g, e, a, c->risks[k].name, &lines[i], view_of(bytes + 1, b.len - 1));
		}
	}
}

bool
risk_wait(const struct account *a, struct call *call, enum op op, const struct risk_question *q, txn_fn *fn)
{
	struct engine *e = call->engine;
	const struct policy_service *service;
	struct line lines[CALL_EVIDENCE_MAX];
	struct gathering *g;
	size_t n;

	if (!risk_any(call, op) || call->evidence.op == op)
		return false;
	service = policy_service(e->rules->policy, q->service);
	if (service == NULL || (service->stack->risk_ops & 1U << op) == 0)
		return false;
	n = lines_of(service->stack, op, lines);
	g = calloc(1, sizeof(*g));
	CHECK(g != NULL);
	g->key = a->key;
	g->fn = fn;
	g->evidence.op = (uint8_t)op;
	ask_all(g, e, a, op, q, lines, n);
	if (g->open == 0) {
		/* Nobody could be asked, or each failed at once. */
		call->evidence = g->evidence;
		free(g);
		return false;
	}
	g->call = call_hold(call);
	return true;
}

bool
risk_wait_operation(const struct account *a, struct call *call, enum op op, uint32_t link_no, txn_fn *fn)
{
	const struct risk_question q = {.service = call->caller.service, .link_no = link_no};

	return risk_wait(a, call, op, &q, fn);
}
