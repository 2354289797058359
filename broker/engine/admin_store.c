/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Admin: the store as this broker sees it, and an admin's word on what is shared in it. */
#include <stdio.h>

#include "broker/base/log.h"
#include "broker/engine/admin.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/record.h"

enum { BUCKETS = 1024, MEMBER_NAME_MAX = 64 };

/* What a store that nobody shares has to tell. */
static void
write_status(struct json_writer *w, const struct engine *e)
{
	struct store_status s;

	store_status(e->store, &s);
	json_member_int(w, "records", (int64_t)s.records);
	json_member_int(w, "events", (int64_t)s.log_last);
	json_member_int(w, "behind", (int64_t)(s.log_last - s.folded));
	json_member_int(w, "cache_bytes", (int64_t)s.cache_bytes);
	json_member_int(w, "wal_bytes", (int64_t)s.wal_bytes);
	json_member_int(w, "db_bytes", (int64_t)s.db_bytes);
	json_member_int(w, "disk_free_bytes", (int64_t)s.disk_free_bytes);
	json_member_bool(w, "narrow_only", s.narrow_only);
	if (s.detail[0] != '\0')
		json_member_str(w, "detail", view_str(s.detail));
	if (s.way_out[0] != '\0')
		json_member_str(w, "way_out", view_str(s.way_out));
}

void
admin_store(struct call *call)
{
	struct engine *e = call->engine;
	struct json_writer w = call_reply(call);

	json_member_str(&w, "kind", view_str(e->store->ops->kind));
	json_key(&w, VIEW("store"));
	json_object_begin(&w);
	if (!store_report(e->store, &w))
		write_status(&w, e);
	json_object_end(&w);
	call_end(call, &w);
}

/* --- an admin's word --- */

struct word {
	struct view name, account, reason;
	int64_t bucket;
	char text[MEMBER_NAME_MAX + 1];
	struct id key;
	enum event_type type;
};

static void
answer_word(struct call *call)
{
	struct word *word = CALL_MEMORY_AS(struct word, call);
	struct json_writer w = call_reply(call);

	if (word->type == EVENT_MEMBER_FORGOTTEN)
		json_member_str(&w, "forgotten", view_str(word->text));
	else
		json_member_bool(&w, "released", true);
	call_end(call, &w);
}

/* It is done; the broker's own record keeps it and why, where it can be written. True: that answers and releases the call. */
static bool
note_word(struct call *call)
{
	struct word *word = CALL_MEMORY_AS(struct word, call);
	struct event ev = {.type = word->type, .reason = REASON_ASKED, .id = word->key, .no = (uint32_t)(word->bucket + 1)};
	char words[ADMIN_WORDS_MAX + MEMBER_NAME_MAX + 3];
	int n;

	log_warn("msg=\"an admin's word on the store\" what=%s name=%s bucket=%lld reason=\"%.*s\"",
	    event_type_name(word->type), word->text, (long long)word->bucket, (int)word->reason.len, word->reason.data);
	if (record_busy(call->engine)) {
		answer_word(call);
		return false;
	}
	n = word->type == EVENT_MEMBER_FORGOTTEN ?
	    snprintf(words, sizeof(words), "%s: %.*s", word->text, (int)word->reason.len, word->reason.data) :
	    snprintf(words, sizeof(words), "%.*s", (int)word->reason.len, word->reason.data);
	record_commit(call->engine, &ev, view_of(words, n < 0 ? 0 : (size_t)n), call, answer_word);
	return true;
}

static void
word_done(void *ctx, enum cs_err err)
{
	struct call *call = ctx;
	const struct word *word = CALL_MEMORY_AS(struct word, call);
	bool forget = word->type == EVENT_MEMBER_FORGOTTEN;

	if (err == CS_OK && note_word(call))
		return;
	if (err == CS_ERR_NOT_FOUND)
		call_not_found(call, forget ? "member of the store" : "held account or bucket");
	else if (err == CS_ERR_CONFLICT)
		call_conflict(call, forget ? "this member is alive: stop that broker first" : "it is being repaired");
	else if (err == CS_ERR_DENIED)
		call_conflict(call, "the store of this broker is not shared");
	else if (err != CS_OK)
		call_unavailable(call, "store");
	call_release(call);
}

void
admin_store_forget(struct call *call)
{
	static const struct json_field fields[] = {
		{"name", JSON_F_ID, true, offsetof(struct word, name), 1, MEMBER_NAME_MAX},
		{"reason", JSON_F_ID, true, offsetof(struct word, reason), 1, ADMIN_WORDS_MAX - 1},
		{0},
	};
	struct word *word = CALL_MEMORY_AS(struct word, call);

	if (!call_bind(call, fields, word, sizeof(*word)))
		return;
	word->type = EVENT_MEMBER_FORGOTTEN;
	word->bucket = -1;
	memcpy(word->text, word->name.data, word->name.len);
	word->text[word->name.len] = '\0';
	call = call_hold(call);
	word = CALL_MEMORY_AS(struct word, call);
	store_forget_member(call->engine->store, word->text, word_done, call);
}

void
admin_store_release(struct call *call)
{
	static const struct json_field fields[] = {
		{"account", JSON_F_ID, false, offsetof(struct word, account), 1, OUTSIDE_ID_MAX},
		{"bucket", JSON_F_INT, false, offsetof(struct word, bucket), -1, BUCKETS - 1},
		{"reason", JSON_F_ID, true, offsetof(struct word, reason), 1, ADMIN_WORDS_MAX - 1},
		{0},
	};
	struct word *word = CALL_MEMORY_AS(struct word, call);
	struct store_key key;

	if (!call_bind(call, fields, word, sizeof(*word)))
		return;
	if (json_get(&call->doc, call->parameters, VIEW("bucket")) == 0)
		word->bucket = -1;
	if ((word->account.data == NULL) != (word->bucket >= 0)) {
		call_invalid(call, "account", "give the account, or the bucket");
		return;
	}
	word->type = EVENT_STORE_RELEASED;
	if (word->account.data != NULL)
		word->key = account_key_of(call->engine, word->account);
	memcpy(key.b, word->key.b, sizeof(key.b));
	call = call_hold(call);
	word = CALL_MEMORY_AS(struct word, call);
	store_release(call->engine->store, &key, (int)word->bucket, word_done, call);
}
