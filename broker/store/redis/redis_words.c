/* SPDX-License-Identifier: Apache-2.0 */
/* What admins said offline, for whoever makes events of it: the oldest word that is not told, and the mark that it is. */
#include <hiredis/hiredis.h>

#include "broker/base/log.h"
#include "broker/store/redis/redis_int.h"
#include "broker/store/redis/tenure_int.h"
#include "broker/store/redis/word_code.h"

static struct view
meta_key(const struct store_redis *s, struct layout_key *to)
{
	return layout_key(&s->layout, 0, LAYOUT_META, "eta", 3, to);
}

static bool
told(const struct redisReply *meta, struct view name)
{
	char text[WORD_NAME_TEXT];

	word_told_name(text, name);
	for (size_t i = 0; i + 1 < meta->elements; i += 2)
		if (view_equal(proof_text(meta, i), view_str(text)))
			return true;
	return false;
}

/* Names begin with their time, all as long: the least is the oldest. */
static bool
older(struct view a, struct view b)
{
	return b.len == 0 || memcmp(a.data, b.data, a.len) < 0;
}

static void
words_read(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct call *call = ctx;
	const struct redisReply *meta = err == CS_OK ? reply->value : NULL;
	struct view name = view_of(NULL, 0), value = name;
	struct store_word word;

	if (meta == NULL || meta->type != REDIS_REPLY_ARRAY) {
		call_finish(call, CS_ERR_UNAVAILABLE);
		return;
	}
	for (size_t i = 0; i + 1 < meta->elements; i += 2) {
		struct view field = proof_text(meta, i);

		if (!word_named(field) || !older(field, name) || told(meta, field))
			continue;
		if (word_decode(field, proof_text(meta, i + 1), &word) == CS_OK) {
			name = field;
			value = proof_text(meta, i + 1);
		} else if (!call->s->word_unread) {
			call->s->word_unread = true;
			log_warn("store has an admin's word that this version cannot read: see 'store status --offline' field=%s", log_value(field));
		}
	}
	buf_put_view(&call->body.buf, name);
	buf_put_view(&call->body.buf, value);
	call->n = name.len;
	call_finish(call, name.len > 0 ? CS_OK : CS_ERR_NOT_FOUND);
}

void
redis_word(struct store *base, store_word_fn *done, void *ctx)
{
	static const struct store_key zero;
	struct store_redis *s = (struct store_redis *)base;
	struct call *call = call_new(s, CALL_SAID, &zero, ctx);
	struct layout_key key;
	struct view argv[2] = {VIEW("HGETALL"), meta_key(s, &key)};

	call->done.word = done;
	call->state = CALL_ASKED;
	if (s->closing)
		call_finish(call, CS_ERR_UNAVAILABLE);
	else
		fleet_ask(s->fleet, 0, argv, 2, FLEET_READS, words_read, call);
}

void
word_complete(struct call *call)
{
	struct view all = buf_view(&call->body.buf);
	struct store_word word;

	if (call->err == CS_OK)
		call->err = word_decode(view_of(all.data, call->n), view_of(all.data + call->n, all.len - call->n), &word);
	call->done.word(call->ctx, call->err, call->err == CS_OK ? &word : NULL);
}

static void
marked(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	(void)reply;
	call_finish(ctx, err == CS_OK ? CS_OK : CS_ERR_UNAVAILABLE);
}

void
redis_word_told(struct store *base, struct view name, store_commit_fn *done, void *ctx)
{
	static const struct store_key zero;
	struct store_redis *s = (struct store_redis *)base;
	struct call *call = call_new(s, CALL_WORD, &zero, ctx);
	char text[WORD_NAME_TEXT];
	struct layout_key key;
	struct view argv[4] = {VIEW("HSET"), meta_key(s, &key), {text, 0}, VIEW("1")};

	call->done.commit = done;
	call->state = CALL_ASKED;
	/* While it closes there are no servers any more, and the word is found again. */
	if (s->closing || !word_named(name)) {
		call_finish(call, s->closing ? CS_ERR_UNAVAILABLE : CS_ERR_NOT_FOUND);
		return;
	}
	word_told_name(text, name);
	argv[2] = view_str(text);
	fleet_ask(s->fleet, 0, argv, 4, FLEET_AGAIN, marked, call);
}
