/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence on links: from plugins at a sign-in and from services, and as it is shown. */
#include "broker/engine/evidence.h"

#include "broker/base/clock.h"
#include "broker/core/room.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/links.h"
#include "broker/engine/lookup.h"
#include "broker/engine/tell.h"
#include "broker/engine/texts.h"

const char *
evidence_by_name(const struct engine *e, uint64_t by, bool by_service)
{
	return by_service ? ruleset_service_name(e->rules, by) : ruleset_provider_name(e->rules, by);
}

/* --- reading --- */

static bool
kind_good(struct view kind)
{
	for (size_t i = 0; i < kind.len; i++) {
		bool letter = kind.data[i] >= 'a' && kind.data[i] <= 'z';

		if (!letter && (i == 0 || kind.data[i] != '-'))
			return false;
	}
	return kind.len > 0 && kind.len <= EVIDENCE_KIND_MAX;
}

static struct id
value_digest(const struct engine *e, struct view kind, struct view value)
{
	struct view parts[2] = {kind, value};

	return value.len == 0 ? (struct id){{0}} : keyring_id(e->keys, DIGEST_EVIDENCE, parts, 2);
}

static struct view
word(struct view *rest)
{
	size_t n = 0;
	struct view w;

	while (n < rest->len && rest->data[n] != ' ')
		n++;
	w = view_of(rest->data, n);
	*rest = view_of(rest->data + n + (n < rest->len), rest->len - n - (n < rest->len));
	return w;
}

bool
evidence_read(const struct engine *e, struct view line, struct identity_fact *f)
{
	struct view kind = word(&line), seconds = word(&line);
	int64_t s = 0;

	if (!kind_good(kind) || seconds.len == 0 || seconds.len > 12 || line.len > EVIDENCE_VALUE_MAX)
		return false;
	for (size_t i = 0; i < seconds.len; i++) {
		if (seconds.data[i] < '0' || seconds.data[i] > '9')
			return false;
		s = s * 10 + (seconds.data[i] - '0');
	}
	*f = (struct identity_fact){.value = value_digest(e, kind, line), .verified_ms = s * 1000};
	memcpy(f->kind, kind.data, kind.len);
	return true;
}

/* --- telling the core --- */

/* The event with its texts; those of what gives its place go. */
static void
note(struct txn *t, struct account *a, struct call *call, struct decision *d, struct view kind, struct view source)
{
	const struct engine *e = call->engine;
	static struct extra extra;
	const struct event *ev = &d->events[0];
	const struct fact like = {.link_no = (uint32_t)ev->link_no, .kind = ev->rests[0], .by = ev->rests[1],
	    .by_service = (ev->flags & EVENT_FLAG_SERVICE) != 0};
	int place = room_fact(a, &like);
	struct texts texts;

	if (ev->type != EVENT_LINK_ATTESTED) {
		txn_decision(t, a, d, NULL);
		return;
	}
	texts_init(&texts);
	texts.of[TEXT_EVIDENCE] = kind;
	if (source.len > 0)
		texts.of[TEXT_SOURCE] = source;
	extra_init(&extra);
	if (place >= 0 && place < a->facts_n && !id_equal(&a->facts[place].id, &d->id))
		extra_drop(&extra, &a->facts[place].id);
	texts_to_event(e->keys, a, &texts, &extra);
	texts_to_cold(e->keys, a, &texts, &d->id, &extra);
	txn_decision(t, a, d, &extra);
	if ((ev->flags & EVENT_FLAG_LOWERED) != 0)
		tell_others(t, a, call, "evidence_lowered", 0, kind);
}

void
evidence_of_signin(struct txn *t, struct account *a, struct call *call, uint32_t link_no, const struct identity *who)
{
	static struct decision d;
	const struct link *l = account_link_by_no(a, link_no);
	struct asked asked;

	for (size_t i = 0; l != NULL && i < who->facts_n; i++) {
		const struct identity_fact *f = &who->facts[i];
		struct attesting what = {.link_no = link_no, .kind = name_tag(view_str(f->kind)), .by = l->provider,
		    .value = f->value, .verified_ms = f->verified_ms};

		call_asked(call, &asked);
		decide_attest(&asked, a, &what, &d);
		if (d.events_n > 0)
			note(t, a, call, &d, view_str(f->kind), view_of(NULL, 0));
	}
}

void
evidence_drop(const struct account *a, uint32_t link_no, struct extra *extra)
{
	for (size_t i = 0; i < a->facts_n; i++) {
		if (a->facts[i].link_no == link_no)
			extra_drop(extra, &a->facts[i].id);
	}
}

/* --- showing --- */

static void
put_fact(struct json_writer *w, const struct engine *e, const struct account *a, struct view cold, const struct fact *f)
{
	struct texts texts;

	json_object_begin(w);
	if (texts_from_cold(e->keys, a, cold, &f->id, &texts) != CS_OK)
		texts_init(&texts);
	json_member_str(w, "kind", texts.of[TEXT_EVIDENCE].len > 0 ? texts.of[TEXT_EVIDENCE] : VIEW("?"));
	json_member_str(w, f->by_service ? "service" : "provider", view_str(evidence_by_name(e, f->by, f->by_service)));
	json_member_str(w, "source", texts.of[TEXT_SOURCE]);
	json_member_str(w, "state", f->lowered ? VIEW("lowered") : VIEW("stands"));
	if (f->verified_ms > 0)
		answer_time(w, "verified_at", f->verified_ms);
	answer_time(w, "since", f->since_ms);
	json_object_end(w);
}

void
answer_evidence(struct json_writer *w, const struct engine *e, const struct account *a, struct view cold,
    const struct link *l)
{
	bool any = false;

	for (size_t i = 0; i < a->facts_n; i++) {
		if (a->facts[i].link_no != l->no)
			continue;
		if (!any) {
			json_key(w, VIEW("evidence"));
			json_array_begin(w);
		}
		any = true;
		put_fact(w, e, a, cold, &a->facts[i]);
	}
	if (any)
		json_array_end(w);
}

/* --- Links.Attest --- */

enum { SOURCE_MAX = 128 };

struct attest {
	struct view link, kind, verified_at, value, source;
	struct id key, id;
	int64_t verified_ms;
};

static void
attest_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct attest *x = CALL_MEMORY_AS(struct attest, call);
	const struct link *l = account_link(a, &x->id);
	struct attesting what;
	struct json_writer w;
	struct asked asked;

	if (l == NULL) {
		call_not_found(call, "link");
		return;
	}
	what = (struct attesting){.link_no = l->no, .kind = name_tag(x->kind), .by = call->caller.service,
	    .by_service = true, .value = value_digest(call->engine, x->kind, x->value), .verified_ms = x->verified_ms};
	call_asked(call, &asked);
	decide_attest(&asked, a, &what, &d);
	if (d.events_n > 0)
		note(t, a, call, &d, x->kind, x->source);
	w = call_reply(call);
	answer_outcome(&w, &d);
	answer_link(&w, "link", call, t, a, account_link(a, &x->id));
	call_end(call, &w);
}

void
links_attest(struct call *call)
{
	static const struct json_field fields[] = {
		{"link", JSON_F_STRING, true, offsetof(struct attest, link), 0, 0},
		{"kind", JSON_F_ID, true, offsetof(struct attest, kind), 1, EVIDENCE_KIND_MAX},
		{"verified_at", JSON_F_STRING, true, offsetof(struct attest, verified_at), 0, 0},
		{"value", JSON_F_ID, false, offsetof(struct attest, value), 1, EVIDENCE_VALUE_MAX},
		{"source", JSON_F_ID, false, offsetof(struct attest, source), 1, SOURCE_MAX},
		{0},
	};
	struct attest *x = CALL_MEMORY_AS(struct attest, call);

	if (!call_bind(call, fields, x, sizeof(*x)))
		return;
	if (!kind_good(x->kind)) {
		call_invalid(call, "kind", "must be lower-case letters and hyphens, such as phone or identity-document");
		return;
	}
	x->verified_ms = clock_parse(x->verified_at.data, x->verified_at.len);
	if (x->verified_ms < 0) {
		call_invalid(call, "verified_at", "must be a time in UTC, such as 2026-01-31T12:00:00Z");
		return;
	}
	if (call_id(call, ID_LINK, x->link, "link", &x->key, &x->id))
		txn_run(call->engine, &x->key, call, attest_txn);
}
