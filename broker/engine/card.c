/* SPDX-License-Identifier: Apache-2.0 */
/* The card of a challenge, written from the account and the texts that were sealed when it was opened. */
#include "broker/engine/card.h"

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/answer.h"
#include "broker/engine/things.h"

/* The byte after n characters of UTF-8. */
static size_t
characters(struct view v, size_t n)
{
	size_t i = 0;

	for (; i < v.len && n > 0; n--) {
		i++;
		while (i < v.len && ((uint8_t)v.data[i] & 0xc0) == 0x80)
			i++;
	}
	return i;
}

size_t
account_hint(struct view account, char to[ACCOUNT_HINT_MAX])
{
	struct buf b = buf_over(to, ACCOUNT_HINT_MAX);
	size_t all = 0;

	for (size_t i = 0; i < account.len; i++)
		all += ((uint8_t)account.data[i] & 0xc0) != 0x80;
	/* Of a short one two characters would be most of it. */
	if (all >= 6)
		buf_put(&b, account.data, characters(account, 2));
	buf_put_view(&b, VIEW("***"));
	if (all >= 6) {
		size_t from = characters(account, all - 2);

		buf_put(&b, account.data + from, account.len - from);
	}
	CHECK(!b.full);
	return b.len;
}

/* What is asked, where the card does not say it in a word of its own. */
static struct view
what_of(const struct account *a, const struct challenge *c, const struct texts *card)
{
	const struct allowance *w = account_allowance_by_no(a, c->target_no);

	if (card->of[TEXT_WHAT].data != NULL)
		return card->of[TEXT_WHAT];
	if (c->op == OP_SPEND)
		return VIEW("payment");
	if (c->op == OP_GRANT && w != NULL)
		return w->kind == ALLOWANCE_MANDATE ? VIEW("mandate") : VIEW("allowance");
	return view_str(op_name((enum op)c->op));
}

/* Its word in the configuration, and what people call it where that is another. */
static void
put_provider(struct json_writer *w, const struct engine *e, const struct link *l)
{
	struct view name = view_str(ruleset_provider_name(e->rules, l->provider));
	struct view title = view_str(ruleset_provider_title(e->rules, l->provider));

	json_member_str(w, "provider", name);
	if (!view_equal(name, title))
		json_member_str(w, "provider_title", title);
}

/* What a provider said of the person, as account_hint() shows it: the owner knows which of their IDs it is. */
static void
put_link(struct json_writer *w, const struct engine *e, const struct account *a, struct view cold, const struct link *l)
{
	static struct texts texts;
	char hint[ACCOUNT_HINT_MAX];

	if (texts_from_cold(e->keys, a, cold, &l->id, &texts) == CS_OK && texts.of[TEXT_DISPLAY].len > 0)
		json_member_str(w, "link", view_of(hint, account_hint(texts.of[TEXT_DISPLAY], hint)));
	secret_wipe(&texts, sizeof(texts));
}

void
card_write(const struct engine *e, const struct account *a, struct view cold, const struct challenge *c, struct buf *out)
{
	static struct texts card, own;
	const struct link *l = account_link_by_no(a, c->op == OP_LINK ? c->target_no : c->link_no);
	char hint[ACCOUNT_HINT_MAX];
	size_t hint_len = account_hint(things_account(e->keys, a, cold, &own), hint);
	struct json_writer w = json_to(out);

	(void)texts_from_cold(e->keys, a, cold, &c->id, &card);
	json_object_begin(&w);
	json_member_str(&w, "service", view_str(ruleset_service_name(e->rules, c->service)));
	json_member_str(&w, "account_hint", view_of(hint, hint_len));
	json_member_str(&w, "what", what_of(a, c, &card));
	if (l != NULL)
		put_provider(&w, e, l);
	json_member_str(&w, "payee", card.of[TEXT_PAYEE_NAME].data != NULL ? card.of[TEXT_PAYEE_NAME] :
	    card.of[TEXT_PAYEE_ID]);
	json_member_str(&w, "payee_id", card.of[TEXT_PAYEE_ID]);
	json_member_str(&w, "amount", card.of[TEXT_AMOUNT]);
	json_member_str(&w, "currency", card.of[TEXT_CURRENCY]);
	json_member_str(&w, "worst_case", card.of[TEXT_WORST_CASE]);
	if (l != NULL)
		put_link(&w, e, a, cold, l);
	json_member_str(&w, "label", card.of[TEXT_LABEL]);
	answer_time(&w, "expires_at", c->expires_ms);
	json_object_end(&w);
	CHECK(!out->full);
	secret_wipe(&card, sizeof(card));
	secret_wipe(&own, sizeof(own));
}
