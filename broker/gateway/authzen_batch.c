/* SPDX-License-Identifier: Apache-2.0 */
/* Several evaluations in one request: access/v1/evaluations of the AuthZEN Authorization API 1.0. */
#include <stdlib.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/gateway/authzen.h"
#include "broker/gateway/handlers.h"

enum {
	ITEMS_MAX = 64,		   /* of one batch; they are decided one by one */
	ITEM_TEXT_MAX = 32 * 1024, /* an answer without explain takes a few hundred bytes */
};

enum semantic { EXECUTE_ALL, DENY_ON_FIRST_DENY, PERMIT_ON_FIRST_PERMIT };

static const struct view semantic_names[] = {
    [EXECUTE_ALL] = VIEW("execute_all"),
    [DENY_ON_FIRST_DENY] = VIEW("deny_on_first_deny"),
    [PERMIT_ON_FIRST_PERMIT] = VIEW("permit_on_first_permit"),
};

struct item {
	struct batch *batch;
	struct question question;
	struct engine_call *call; /* in flight */
	bool answered, decision;
	struct bytes text;
};

struct batch {
	struct exchange *exchange;
	struct json doc;
	enum semantic semantic;
	size_t count, open; /* items; questions not yet answered */
	bool sending;
	struct item items[];
};

static void
batch_free(void *state)
{
	struct batch *b = state;

	for (size_t i = 0; i < b->count; i++) {
		if (b->items[i].call != NULL)
			engine_cancel(b->items[i].call);
		bytes_clear(&b->items[i].text);
	}
	free(b->doc.tokens);
	free(b);
}

static void
item_error(struct item *it, unsigned status, struct view message)
{
	struct json_writer w = json_to(&it->text.buf);

	authzen_error_decision(&w, status, message);
	it->answered = true;
}

static void
item_settle(struct item *it, const struct exchange_result *r)
{
	struct json_writer w = json_to(&it->text.buf);
	char message[MESSAGE_MAX];

	if (r->error.len > 0) {
		item_error(it, error_status(r->error), authzen_error_message(r, message, sizeof(message)));
		return;
	}
	it->decision = authzen_decision_write(&w, r);
	it->answered = true;
	if (!it->text.buf.full)
		return;
	it->text.buf.full = false;
	it->text.buf.len = 0;
	it->decision = false;
	item_error(it, 500, VIEW("the answer is too large"));
}

static void batch_go(struct batch *b);

static void
item_answered(void *arg, const struct engine_answer *answer)
{
	struct item *it = arg;
	struct exchange_result r = forward_result(it->batch->exchange, answer);

	it->call = NULL;
	it->batch->open--;
	item_settle(it, &r);
	batch_go(it->batch);
}

/* Asks the engine, or settles at once what needs no engine. */
static void
item_ask(struct item *it)
{
	struct batch *b = it->batch;
	const char *missing = question_check(&b->doc, &it->question);
	struct view method =
	    missing != NULL ? view_of(NULL, 0) : question_method(&b->doc, &it->question);
	struct json_writer w;

	if (missing != NULL) {
		item_error(it, 400, view_str(missing));
	} else if (method.len == 0) {
		w = json_to(&it->text.buf);
		authzen_not_applicable(&w);
		it->answered = true;
	} else if (!exchange_forward_begin(
		       b->exchange, b->exchange->gateway->decisions, method, &w)) {
		item_error(it, 503, VIEW("Unavailable"));
	} else {
		question_write(&w, &b->doc, &it->question);
		json_object_end(&w);
		varlink_end(&w);
		it->call = engine_commit(b->exchange->gateway->engine, item_answered, it);
		if (it->call == NULL)
			item_error(it, 413, VIEW("the item is too large"));
		else
			b->open++;
	}
}

/* May the item after this one still be asked? */
static bool
batch_goes_on(const struct batch *b, const struct item *it)
{
	switch (b->semantic) {
	case DENY_ON_FIRST_DENY:
		return it->decision;
	case PERMIT_ON_FIRST_PERMIT:
		return !it->decision;
	case EXECUTE_ALL:
		break;
	}
	return true;
}

static void
batch_reply(struct batch *b)
{
	struct exchange *x = b->exchange;
	size_t mark = reply_json_begin(x, 200);
	struct json_writer w = json_to(x->out);

	json_object_begin(&w);
	json_key(&w, VIEW("evaluations"));
	json_array_begin(&w);
	for (size_t i = 0; i < b->count && b->items[i].answered; i++) {
		json_put_raw(&w, buf_view(&b->items[i].text.buf));
		if (!batch_goes_on(b, &b->items[i]))
			break;
	}
	json_array_end(&w);
	json_object_end(&w);
	x->state = NULL;
	batch_free(b);
	reply_end(x, mark);
}

/* Asks what may be asked now; answers when nothing is left. A short circuit asks one by one: asking
 * has effects. */
static void
batch_go(struct batch *b)
{
	bool stopped = false;

	if (b->sending)
		return;
	b->sending = true;
	for (size_t i = 0; i < b->count && !stopped; i++) {
		struct item *it = &b->items[i];

		if (!it->answered && it->call == NULL)
			item_ask(it);
		stopped = b->semantic != EXECUTE_ALL && (!it->answered || !batch_goes_on(b, it));
	}
	b->sending = false;
	if (b->open == 0)
		batch_reply(b);
}

static const char *
semantic_read(const struct json *doc, enum semantic *to)
{
	uint32_t options = json_get(doc, 0, VIEW("options"));
	uint32_t token = options == 0 || json_type(doc, options) != JSON_OBJECT
			     ? 0
			     : json_get(doc, options, VIEW("evaluations_semantic"));

	*to = EXECUTE_ALL;
	if (options != 0 && json_type(doc, options) != JSON_OBJECT)
		return "options must be an object";
	if (token == 0)
		return NULL;
	for (size_t i = 0; i < sizeof(semantic_names) / sizeof(semantic_names[0]); i++) {
		if (json_type(doc, token) == JSON_STRING &&
		    view_equal(json_text(doc, token), semantic_names[i])) {
			*to = (enum semantic)i;
			return NULL;
		}
	}
	return "evaluations_semantic must be execute_all, deny_on_first_deny or "
	       "permit_on_first_permit";
}

static struct batch *
batch_new(struct exchange *x, const struct json *doc, size_t count, enum semantic semantic)
{
	struct batch *b = calloc(1, sizeof(*b) + count * sizeof(b->items[0]));

	CHECK(b != NULL);
	b->exchange = x;
	b->doc = *doc;
	b->doc.tokens = malloc(doc->count * sizeof(*doc->tokens));
	CHECK(b->doc.tokens != NULL);
	memcpy(b->doc.tokens, doc->tokens, doc->count * sizeof(*doc->tokens));
	b->semantic = semantic;
	b->count = count;
	for (size_t i = 0; i < count; i++) {
		b->items[i].batch = b;
		bytes_init(&b->items[i].text, ITEM_TEXT_MAX);
	}
	x->state = b;
	x->state_free = batch_free;
	return b;
}

static void
batch_start(struct exchange *x, const struct json *doc, uint32_t list,
    const struct question *defaults, enum semantic semantic)
{
	struct batch *b = batch_new(x, doc, doc->tokens[list].count, semantic);
	uint32_t at = json_first(doc, list);

	for (size_t i = 0; i < b->count; i++) {
		struct item *it = &b->items[i];
		const char *reason = "an item must be an object";

		it->question = *defaults;
		if (json_type(doc, at) == JSON_OBJECT)
			reason = question_read(doc, at, &it->question);
		if (reason != NULL)
			item_error(it, 400, view_str(reason));
		at = json_next(doc, at);
	}
	batch_go(b);
}

void
authzen_evaluations(struct exchange *x)
{
	struct question q = {0};
	enum semantic semantic;
	const char *reason;
	struct json doc;
	uint32_t list;

	if (!authzen_body(x, &doc, &q))
		return;
	list = json_get(&doc, 0, VIEW("evaluations"));
	reason = semantic_read(&doc, &semantic);
	if (reason == NULL && list != 0 && json_type(&doc, list) != JSON_ARRAY)
		reason = "evaluations must be an array";
	if (reason == NULL && list != 0 && doc.tokens[list].count > ITEMS_MAX)
		reason = "at most 64 evaluations in one request";
	if (reason != NULL)
		authzen_error(x, 400, view_str(reason));
	else if (list == 0 || doc.tokens[list].count == 0)
		authzen_evaluate(x, &doc, &q);
	else
		batch_start(x, &doc, list, &q, semantic);
}
