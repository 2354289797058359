/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner is told, to each of the other factors that can. */
#include "broker/engine/tell.h"

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/answer.h"
#include "broker/engine/card.h"
#include "broker/engine/enrolment.h"
#include "broker/engine/notify.h"
#include "broker/engine/proof.h"
#include "broker/engine/things.h"

enum { MESSAGE_MAX = 1024 }; /* as a worker takes it */

static void
write_message(struct buf *out, struct txn *t, const struct account *a, struct call *call, const char *what,
    struct view detail)
{
	static struct texts own;
	char hint[ACCOUNT_HINT_MAX];
	struct json_writer w = json_to(out);

	json_object_begin(&w);
	json_member_str(&w, "what", view_str(what));
	answer_time(&w, "at", a->time_ms);
	json_member_str(&w, "account_hint",
	    view_of(hint, account_hint(things_account(call->engine->keys, a, txn_cold(t), &own), hint)));
	json_member_str(&w, "detail", detail);
	json_object_end(&w);
	CHECK(!out->full);
	secret_wipe(&own, sizeof(own));
}

static void
tell_one(struct txn *t, const struct account *a, struct call *call, const struct factor *f, struct view message)
{
	uint8_t bytes[ENROLMENT_SECRET_MAX];
	char text[BASE64URL_LEN(ENROLMENT_SECRET_MAX)];
	struct buf secret = buf_over(bytes, sizeof(bytes));
	struct notice_queued *q;
	struct json_writer w;
	struct buf *out;

	if (things_secret_open(call->engine->keys, a, txn_cold(t), &f->id, &secret) != CS_OK || secret.full)
		return;
	q = notify_tell(factor_kind_name((enum factor_kind)f->kind), &out);
	w = json_to(out);
	json_object_begin(&w);
	json_member_str(&w, "secret", view_of(text, base64url_encode(secret.data, secret.len, text)));
	json_member_str(&w, "message", message);
	json_member_int(&w, "now_ms", call->engine->now.wall_ms);
	json_object_end(&w);
	CHECK(!out->full);
	txn_notice(t, q);
	secret_wipe(bytes, sizeof(bytes));
	secret_wipe(text, sizeof(text));
}

void
tell_others(struct txn *t, const struct account *a, struct call *call, const char *what, uint32_t factor_no,
    struct view detail)
{
	const struct engine *e = call->engine;
	uint8_t bytes[MESSAGE_MAX];
	struct buf message = buf_over(bytes, sizeof(bytes));

	for (size_t i = 0; i < a->factors_n; i++) {
		const struct factor *f = &a->factors[i];

		if (f->no == factor_no || factor_gone(a, f, e->now.wall_ms) ||
		    !proof_said(e, (enum factor_kind)f->kind).tells)
			continue;
		if (message.len == 0)
			write_message(&message, t, a, call, what, detail);
		tell_one(t, a, call, f, buf_view(&message));
	}
}
