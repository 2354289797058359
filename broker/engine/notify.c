/* SPDX-License-Identifier: Apache-2.0 */
/* Writing notices and handing them to their plugins. */
#include "broker/engine/notify.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"
#include "broker/core/money.h"
#include "broker/engine/answer.h"
#include "broker/engine/pairwise.h"
#include "broker/engine/workers.h"

enum {
	DOCUMENT_MAX = 8 * 1024,  /* as a worker takes it; a notice has some texts of 128 bytes */
	NOTICE_ID_BYTES = 16,
	SAY_AGAIN_MS = 1000,      /* a receiver that is down makes one line a second, not one a payment */
};

struct notice_queued {
	struct notice_queued *next;
	char id[2 * NOTICE_ID_BYTES + 1];
	char name[CONFIG_NAME_MAX + 1];
	struct bytes document;
	bool tell;              /* to a factor: the document is the call's parameters, and holds its secret */
};

static void
queued_free(struct notice_queued *q)
{
	if (q->tell)
		secret_wipe(q->document.buf.data, q->document.buf.len);
	bytes_clear(&q->document);
	free(q);
}

static void
put_payment(struct json_writer *w, const struct notice *n)
{
	if (n->currency == CURRENCY_NONE)
		return;
	json_key(w, VIEW("payment"));
	json_object_begin(w);
	json_member_str(w, "id", n->payment);
	answer_amount(w, "amount", n->amount_minor, n->currency);
	answer_currency(w, "currency", n->currency);
	json_member_str(w, "payee", n->payee);
	json_object_end(w);
}

/* No subject, no account id, no id that opens anything: a hold's or challenge's id stays with its service. */
static void
write_document(struct notice_queued *q, const struct engine *e, const struct account *a, uint64_t service,
    const struct notice *n, const struct decision *d)
{
	struct json_writer w = json_to(&q->document.buf);

	json_object_begin(&w);
	json_member_str(&w, "id", view_str(q->id));
	answer_time(&w, "time", d->events[0].time_ms);
	json_member_str(&w, "service", view_str(ruleset_service_name(e->rules, service)));
	json_member_str(&w, "operation", view_str(op_name(n->op)));
	answer_outcome(&w, d);
	pairwise_member(&w, "account", e, &a->key, q->name);
	if (n->provider != 0)
		json_member_str(&w, "provider", view_str(ruleset_provider_name(e->rules, n->provider)));
	put_payment(&w, n);
	if (d->notes != 0)
		answer_notes(&w, d->notes);
	json_object_end(&w);
	CHECK(!q->document.buf.full);
}

static struct notice_queued *
queued_new(const char *name)
{
	static const char digits[] = "0123456789abcdef";
	struct notice_queued *q = calloc(1, sizeof(*q));
	uint8_t id[NOTICE_ID_BYTES];

	CHECK(q != NULL);
	secret_random(id, sizeof(id));
	for (size_t i = 0; i < 2 * sizeof(id); i++)
		q->id[i] = digits[id[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	memcpy(q->name, name, strlen(name) + 1);
	bytes_init(&q->document, DOCUMENT_MAX);
	return q;
}

void
notify_decision(struct txn *t, const struct account *a, struct call *call, const struct notice *n,
    const struct decision *d)
{
	const struct engine *e = call->engine;
	const struct config *c = e->rules->config;
	uint64_t tag = n->service != 0 ? n->service : call->caller.service;
	const struct policy_service *service;

	if (d->notify == 0 || d->events_n == 0)
		return;
	service = policy_service(e->rules->policy, tag);
	for (size_t i = 0; service != NULL && i < service->stack->plugins_n; i++) {
		for (uint16_t k = 0; (d->notify >> i & 1) != 0 && k < c->notify_count; k++) {
			struct notice_queued *q;

			if (name_tag(view_str(c->notifies[k].name)) != service->stack->plugins[i])
				continue;
			q = queued_new(c->notifies[k].name);
			write_document(q, e, a, tag, n, d);
			txn_notice(t, q);
		}
	}
}

void
notify_operation(struct txn *t, const struct account *a, struct call *call, enum op op, const struct decision *d)
{
	const struct notice n = {.op = op};

	notify_decision(t, a, call, &n, d);
}

struct notice_queued *
notify_tell(const char *kind, struct buf **parameters)
{
	struct notice_queued *q = queued_new(kind);

	q->tell = true;
	*parameters = &q->document.buf;
	return q;
}

static void
delivered(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct notice_queued *q = ctx;

	if (result->err != CS_OK) {
		e->notices_lost++;
		if (e->now.boot_ms - e->notices_said_ms >= SAY_AGAIN_MS) {
			log_warn("msg=\"a notice was lost\" notify=%s notice=%s why=%s lost=%llu", q->name, q->id,
			    log_value(result->reason), (unsigned long long)e->notices_lost);
			e->notices_said_ms = e->now.boot_ms;
		}
	}
	queued_free(q);
}

static void
send_one(struct engine *e, struct notice_queued *q)
{
	struct view told = buf_view(&q->document.buf);
	struct bytes members;
	struct json_writer w;

	if (q->tell) {
		workers_ask(e, view_str(q->name), "Tell", view_of(told.data + 1, told.len - 2), delivered, q);
		return;
	}
	bytes_init(&members, WORKER_REQUEST_MAX);
	w = json_to(&members.buf);
	json_object_begin(&w);
	json_member_str(&w, "id", view_str(q->id));
	json_member_str(&w, "document", buf_view(&q->document.buf));
	json_member_int(&w, "now_ms", e->now.wall_ms);
	json_object_end(&w);
	CHECK(!members.buf.full && members.buf.len > 2);
	workers_ask(e, view_str(q->name), "Deliver", view_of(members.buf.data + 1, members.buf.len - 2), delivered, q);
	bytes_clear(&members);
}

void
notify_send(struct engine *e, struct notice_queued **list)
{
	struct notice_queued *q = *list;

	*list = NULL;
	while (q != NULL) {
		struct notice_queued *next = q->next;

		q->next = NULL;
		send_one(e, q);
		q = next;
	}
}

void
notify_drop(struct notice_queued **list)
{
	while (*list != NULL) {
		struct notice_queued *q = *list;

		*list = q->next;
		queued_free(q);
	}
}

void
notify_append(struct notice_queued **list, struct notice_queued *q)
{
	while (*list != NULL)
		list = &(*list)->next;
	*list = q;
}
