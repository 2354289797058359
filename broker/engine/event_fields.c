/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of an event as members: what a field means depends on its kind, its name and the type. */
#include "broker/engine/event_json.h"

#include <stdio.h>

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/engine/answer.h"
#include "broker/engine/evidence.h"

enum id_kind
event_id_kind(enum event_type type)
{
	switch (type) {
	case EVENT_FACTOR_ENROLLED:
	case EVENT_FACTOR_REMOVED:
	case EVENT_FACTOR_UNLOCKED:
		return ID_FACTOR;
	case EVENT_LINK_PROPOSED:
	case EVENT_LINK_SUSPENDED:
	case EVENT_LINK_RESUMED:
	case EVENT_LINK_REVOKED:
	case EVENT_SIGNALLED:
	case EVENT_LINK_REKEYED:
		return ID_LINK;
	case EVENT_SESSION_OPENED:
	case EVENT_SESSION_CLOSED:
		return ID_SESSION;
	case EVENT_FACTOR_FAILED:
	case EVENT_CHALLENGE_OPENED:
	case EVENT_CHALLENGE_ANSWERED:
	case EVENT_CHALLENGE_REFUSED:
	case EVENT_NOT_ME:
	case EVENT_VIEW_OPENED:
		return ID_CHALLENGE;
	case EVENT_ALLOWANCE_PROPOSED:
	case EVENT_ALLOWANCE_REVOKED:
		return ID_ALLOWANCE;
	default:
		return ID__COUNT;
	}
}

static const char *const id_names[ID__COUNT] = {
	[ID_FACTOR] = "factor", [ID_LINK] = "link", [ID_SESSION] = "session", [ID_CHALLENGE] = "challenge",
	[ID_ALLOWANCE] = "allowance",
};

void
event_put_hex(struct json_writer *w, const char *name, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * sizeof(struct hash)];

	CHECK(2 * n <= sizeof(text));
	for (size_t i = 0; i < 2 * n; i++)
		text[i] = digits[bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	json_member_str(w, name, view_of(text, 2 * n));
}

void
event_put_id(struct json_writer *w, const char *name, enum id_kind kind, const struct event_row *row, const struct id *id)
{
	struct id_text t = id_format(kind, &row->key, id);

	json_member_str(w, name, id_view(&t));
}

typedef void put_fn(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value);

static int64_t
number(const void *value)
{
	int64_t v;

	memcpy(&v, value, sizeof(v));
	return v;
}

static void
put_nothing(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)w, (void)e, (void)row, (void)name, (void)value;
}

static void
put_provider(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)value;
	if (ruleset_provider(e->rules, row->event.provider) != NULL)
		json_member_str(w, name, view_str(ruleset_provider_name(e->rules, row->event.provider)));
	else
		event_put_hex(w, "provider_tag", value, sizeof(uint64_t));
}

static void
put_plugin(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	const struct config *c = e->rules->config;
	const char *plugin = NULL;

	for (uint16_t i = 0; i < c->provider_count; i++) {
		if (name_tag(view_str(c->providers[i].plugin)) == row->event.plugin)
			plugin = c->providers[i].plugin;
	}
	for (uint16_t i = 0; i < c->factor_count; i++) {
		if (name_tag(view_str(c->factors[i].plugin)) == row->event.plugin)
			plugin = c->factors[i].plugin;
	}
	if (plugin != NULL)
		json_member_str(w, name, view_str(plugin));
	else
		event_put_hex(w, "plugin_tag", value, sizeof(uint64_t));
}

static void
put_own_id(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	enum id_kind kind = event_id_kind((enum event_type)row->event.type);

	(void)e, (void)name;
	/* A denial makes nothing: it names the mandate, or the countersignature, that was brought. */
	if (row->event.type == EVENT_DENIED)
		kind = row->event.op == OP_SPEND ? ID_ALLOWANCE : ID_CHALLENGE;
	if (kind != ID__COUNT)
		event_put_id(w, id_names[kind], kind, row, value);
	else if (row->event.type == EVENT_PAYMENT_REFUNDED)
		event_put_hex(w, "refund_digest", value, sizeof(struct id));
	else if (row->event.type == EVENT_SHADOW_DIFFERS)
		event_put_hex(w, "candidate_policy", value, sizeof(struct id));
	else
		event_put_hex(w, row->event.type == EVENT_PROVIDER_PINNED || row->event.type == EVENT_PROVIDER_REKEYED ?
		    "pin" : row->event.type == EVENT_LINK_ATTESTED ? "evidence_id" : "id", value, sizeof(struct id));
}

/* What there was before; of evidence, of what it is. */
static void
put_before(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e, (void)name;
	event_put_hex(w, row->event.type == EVENT_PROVIDER_REKEYED ? "was_pin" :
	    row->event.type == EVENT_LINK_ATTESTED ? "value_digest" :
	    row->event.type == EVENT_DENIED ? "to_digest" : "was_digest", value, sizeof(struct id));
}

/* Of evidence: its kind stands in the texts, who vouches for it here. */
static void
put_rests(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	const struct event *ev = &row->event;

	(void)name, (void)value;
	if (ev->type == EVENT_LINK_ATTESTED)
		json_member_str(w, "by", view_str(evidence_by_name(e, ev->rests[1], (ev->flags & EVENT_FLAG_SERVICE) != 0)));
}

static void
put_session(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e;
	if (event_id_kind((enum event_type)row->event.type) != ID_SESSION)
		event_put_id(w, name, ID_SESSION, row, value);
}

static void
put_payment(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e, (void)name;
	event_put_id(w, "hold", ID_HOLD, row, value);
}

/* Digests have names of their own, because the texts that they are of may stand beside them. */
static void
put_digest(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%s_digest", name);

	(void)e, (void)row;
	CHECK(n > 0 && (size_t)n < sizeof(text));
	event_put_hex(w, text, value, strcmp(name, "content") == 0 ? sizeof(struct hash) : sizeof(struct id));
}

static void
put_op(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e, (void)row;
	if (number(value) > 0 && number(value) < OP__COUNT)
		json_member_str(w, name, view_str(op_name((enum op)number(value))));
}

/* Serials are the account's own; the id of what they name is shown where the account still has it. */
static void
put_link_no(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	const struct link *l = row->account == NULL ? NULL : account_link_by_no(row->account, (uint32_t)number(value));

	(void)e;
	json_member_int(w, name, number(value));
	if (l != NULL && event_id_kind((enum event_type)row->event.type) != ID_LINK)
		event_put_id(w, "link", ID_LINK, row, &l->id);
}

static void
put_challenge_no(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e;
	json_member_int(w, name, number(value));
	for (size_t i = 0; row->account != NULL && i < row->account->challenges_n; i++) {
		const struct challenge *c = &row->account->challenges[i];

		if (c->no == number(value) && event_id_kind((enum event_type)row->event.type) != ID_CHALLENGE)
			event_put_id(w, "challenge", ID_CHALLENGE, row, &c->id);
	}
}

static void
put_allowance_no(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	const struct allowance *l = row->account == NULL ? NULL :
	    account_allowance_by_no(row->account, (uint32_t)number(value));

	(void)e;
	json_member_int(w, name, number(value));
	if (l != NULL && event_id_kind((enum event_type)row->event.type) != ID_ALLOWANCE)
		event_put_id(w, "allowance", ID_ALLOWANCE, row, &l->id);
}

static void
put_kind(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e;
	if (row->event.type == EVENT_SIGNALLED || row->event.type == EVENT_SIGNAL_UNKNOWN) {
		if (number(value) > SIGNAL_KIND_NONE && number(value) < SIGNAL_KIND__COUNT)
			json_member_str(w, "signal", view_str(signal_name((enum signal_kind)number(value))));
		return;
	}
	if (row->event.type == EVENT_ALLOWANCE_PROPOSED)
		json_member_str(w, name, number(value) == ALLOWANCE_MANDATE ? VIEW("mandate") : VIEW("session"));
	else if (number(value) >= 0 && number(value) < FACTOR__COUNT)
		json_member_str(w, name, view_str(factor_kind_name((enum factor_kind)number(value))));
}

static void
put_author(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e, (void)row;
	if (number(value) >= 0 && number(value) < AUTHOR__COUNT)
		json_member_str(w, name, view_str(author_name((enum author)number(value))));
}

static void
put_basis(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	static const char *const names[] = {"none", "countersignature", "allowance", "mandate"};

	(void)e, (void)row;
	if (number(value) >= 0 && number(value) <= BASIS_MANDATE)
		json_member_str(w, name, view_str(names[number(value)]));
}

static void
put_currency(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	const struct currency *c = currency_get((uint16_t)number(value));

	(void)e, (void)row;
	if (c != NULL)
		json_member_str(w, name, view_of(c->code, 3));
	else
		json_member_int(w, name, number(value));
}

static void
put_amount(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e;
	if (currency_get((uint16_t)row->event.currency) != NULL && number(value) >= 0)
		answer_amount(w, name, number(value), (uint16_t)row->event.currency);
	else
		json_member_int(w, name, number(value));
}

static bool
is_limit(const struct event_row *row)
{
	return row->event.type == EVENT_LIMIT_SET || row->event.type == EVENT_PROVIDER_LIMIT;
}

/* Of a limit it is stored plus one, so that "no limit" is the empty field. */
static void
put_bound(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	int64_t v = number(value) - (is_limit(row) ? 1 : 0);

	put_amount(w, e, row, name, &v);
}

static void
put_count_bound(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e;
	json_member_int(w, name, number(value) - (is_limit(row) ? 1 : 0));
}

/* The factors behind a countersignature: kind and serial of each. */
static void
put_factors(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	uint32_t nos[CHALLENGE_FACTORS_MAX];

	(void)e;
	memcpy(nos, value, sizeof(nos));
	json_key(w, view_str(name));
	json_array_begin(w);
	for (size_t i = 0; i < CHALLENGE_FACTORS_MAX; i++) {
		const struct factor *f = row->account == NULL ? NULL : account_factor_by_no(row->account, nos[i]);

		if (nos[i] == 0)
			continue;
		json_object_begin(w);
		json_member_int(w, "no", nos[i]);
		if (f != NULL) {
			json_member_str(w, "kind", view_str(factor_kind_name((enum factor_kind)f->kind)));
			event_put_id(w, "id", ID_FACTOR, row, &f->id);
		}
		json_object_end(w);
	}
	json_array_end(w);
}

static void
put_kinds(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e, (void)row;
	json_key(w, view_str(name));
	json_array_begin(w);
	for (int k = 0; k < FACTOR__COUNT; k++) {
		if ((number(value) & 1 << k) != 0)
			json_put_str(w, view_str(factor_kind_name((enum factor_kind)k)));
	}
	json_array_end(w);
}

static void
put_effects(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e, (void)row;
	json_key(w, view_str(name));
	json_array_begin(w);
	for (int i = 0; i < SIGNAL_EFFECTS_N; i++) {
		if ((number(value) & 1 << i) != 0)
			json_put_str(w, view_str(signal_effect_name((enum signal_effect_bit)i)));
	}
	json_array_end(w);
}

/* "expires_ms" is shown as the time "expires_at". */
static void
put_time(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%.*sat", (int)(strlen(name) - 2), name);

	(void)e, (void)row;
	CHECK(n > 0 && (size_t)n < sizeof(text));
	answer_time(w, text, number(value));
}

/* When the user signed in; of a security event, when that happened by the provider's word. */
static void
put_auth(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	put_time(w, e, row, row->event.type == EVENT_SIGNALLED ? "happened_ms" :
	    row->event.type == EVENT_LINK_ATTESTED ? "verified_ms" : name, value);
}

/* What it is a time of depends on the event. */
static void
put_usable(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)name;
	switch (row->event.type) {
	case EVENT_SESSION_OPENED:
		/* Sessions that were last used before then could give their place to this one. */
		answer_time(w, "idle_before", number(value));
		break;
	case EVENT_PAYMENT_REFUNDED:
		put_time(w, e, row, "permitted_ms", value);
		break;
	case EVENT_MEMBER_FORGOTTEN:
	case EVENT_STORE_RELEASED:
		put_time(w, e, row, "said_ms", value);
		break;
	default:
		put_time(w, e, row, "usable_ms", value);
		break;
	}
}

static void
put_flags(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	static const char *const names[] = {"first", "capture", "complete", "report", "assumed", "revived", "https",
	    "attested", "voids", "own", "resumes", "lowered", "undone", "service", "offline"};

	(void)e, (void)row;
	json_key(w, view_str(name));
	json_array_begin(w);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((number(value) & 1 << i) != 0)
			json_put_str(w, view_str(names[i]));
	}
	json_array_end(w);
}

/* The mask as the names of its notes. */
static void
put_notes(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e, (void)row;
	json_key(w, view_str(name));
	json_array_begin(w);
	for (int n = NOTE_NONE + 1; n < NOTE__COUNT; n++) {
		if ((number(value) & note_bit((enum note)n)) != 0)
			json_put_str(w, view_str(note_name((enum note)n)));
	}
	json_array_end(w);
}

/* The instance's name; a tag where the configuration has it no more. */
static void
put_risk(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	const struct config *c = e->rules->config;
	uint64_t tag;

	(void)row;
	memcpy(&tag, value, sizeof(tag));
	for (uint16_t i = 0; i < c->risk_count; i++) {
		if (name_tag(view_str(c->risks[i].name)) == tag) {
			json_member_str(w, name, view_str(c->risks[i].name));
			return;
		}
	}
	event_put_hex(w, name, value, sizeof(tag));
}

static void
put_score(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e, (void)row;
	json_member_int(w, name, number(value) - 1);
}

/* The other answer, as the event's own is shown. */
static void
put_candidate(struct json_writer *w, const struct engine *e, const struct event_row *row, const char *name,
    const void *value)
{
	(void)e, (void)row, (void)name;
	if (number(value) <= 0 || number(value) >= REASON__COUNT)
		return;
	json_member_str(w, "candidate_outcome", view_str(outcome_name(reason_outcome((enum reason)number(value)))));
	json_member_str(w, "candidate_reason", view_str(reason_name((enum reason)number(value))));
}

/* Fields that are more than a number or a digest. The service's name stands in the event itself. */
static const struct {
	const char *name;
	put_fn *put;
} putters[] = {
	{"op", put_op}, {"service", put_nothing}, {"provider", put_provider}, {"plugin", put_plugin},
	{"link_no", put_link_no}, {"id", put_own_id}, {"session", put_session}, {"subject", put_digest},
	{"payment", put_payment}, {"content", put_digest}, {"payee", put_digest}, {"kind", put_kind},
	{"author", put_author}, {"basis", put_basis}, {"currency", put_currency}, {"amount", put_amount},
	{"captured", put_amount}, {"challenge_no", put_challenge_no}, {"allowance_no", put_allowance_no},
	{"factors", put_factors}, {"capture", put_digest}, {"kinds", put_kinds}, {"usable_ms", put_usable},
	{"expires_ms", put_time}, {"auth_ms", put_auth}, {"per_payment", put_bound}, {"per_day", put_bound},
	{"per_month", put_bound}, {"total", put_amount}, {"count_day", put_count_bound},
	{"count_month", put_count_bound}, {"seen_day", put_amount}, {"seen_month", put_amount}, {"flags", put_flags},
	{"extra", put_digest}, {"candidate", put_candidate}, {"risk", put_risk}, {"other_risk", put_risk}, {"risk_score", put_score},
	{"other_risk_score", put_score}, {"notes", put_notes},
	{"effects", put_effects}, {"digest", put_before}, {"rests", put_rests},
};

void
event_put_field(struct json_writer *w, const struct engine *e, const struct event_row *row, const struct event_field *f)
{
	const uint8_t *value = (const uint8_t *)&row->event + f->offset;

	for (size_t i = 0; i < sizeof(putters) / sizeof(putters[0]); i++) {
		if (strcmp(putters[i].name, f->name) == 0) {
			putters[i].put(w, e, row, f->name, value);
			return;
		}
	}
	if (f->kind == EVENT_NUM)
		json_member_int(w, f->name, number(value));
	else if (f->kind == EVENT_ID)
		event_put_hex(w, f->name, value, sizeof(struct id));
}
