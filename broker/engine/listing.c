/* SPDX-License-Identifier: Apache-2.0 */
/* Listing an account's things. */
#include "broker/engine/listing.h"

#include "broker/engine/answer.h"
#include "broker/engine/txn.h"

struct listed {
	struct view account;
	struct id key;
	const struct listing *what;
};

static void
list_txn(struct txn *t, struct account *a, struct call *call)
{
	const struct listing *what = CALL_MEMORY_AS(struct listed, call)->what;
	struct json_writer w;

	if (a->status == ACCOUNT_NONE) {
		call_not_found(call, "account");
		return;
	}
	w = call_reply(call);
	json_key(&w, view_str(what->name));
	json_array_begin(&w);
	what->elements(&w, call, t, a);
	json_array_end(&w);
	call_end(call, &w);
}

void
listing_answer(struct call *call, const struct listing *what)
{
	static const struct json_field fields[] = {
		{"account", JSON_F_ID, true, offsetof(struct listed, account), 1, OUTSIDE_ID_MAX},
		{0},
	};
	struct listed *l = CALL_MEMORY_AS(struct listed, call);

	if (!call_bind(call, fields, l, sizeof(*l)))
		return;
	l->what = what;
	l->key = account_key_of(call->engine, l->account);
	txn_run(call->engine, &l->key, call, list_txn);
}
