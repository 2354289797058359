/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Lookup: who is this ID, and which IDs has this account? The NSS side. */
#include "broker/base/check.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/evidence.h"
#include "broker/engine/lookup.h"
#include "broker/engine/things.h"
#include "broker/engine/txn.h"

static const char *const account_states[] = {"none", "open", "closed"};

const char *
link_state_name(const struct engine *e, const struct link *l)
{
	switch ((enum link_state)l->state) {
	case LINK_PROPOSED:
		return "proposed";
	case LINK_ACTIVE:
		return l->usable_ms > e->now.wall_ms ? "cooling_off" : "active";
	case LINK_SUSPENDED:
		return "suspended";
	default:
		return "revoked";
	}
}

struct id
subject_claim(const struct engine *e, const char *provider, struct view issuer, struct view subject)
{
	struct view parts[4] = {view_str(e->rules->config->realm), view_str(provider), issuer, subject};

	return keyring_id(e->keys, DIGEST_SUBJECT, parts, 4);
}

const struct link *
link_of_subject(const struct account *a, const struct id *claim)
{
	for (size_t i = 0; i < a->links_n; i++) {
		const struct link *l = &a->links[i];

		if (id_equal(&l->subject, claim) && (l->state == LINK_ACTIVE || l->state == LINK_SUSPENDED))
			return l;
	}
	return NULL;
}

const struct link *
link_of_any_name(const struct account *a, const struct id *claim)
{
	const struct link *found = link_of_subject(a, claim);

	for (size_t i = 0; found == NULL && i < a->links_n; i++) {
		const struct link *l = &a->links[i];

		if (id_equal(&l->was, claim) && (l->state == LINK_ACTIVE || l->state == LINK_SUSPENDED))
			found = l;
	}
	return found;
}

void
claim_holder(struct call *call, const struct id *claim, store_find_fn *done)
{
	struct store_key key;

	memcpy(key.b, claim->b, sizeof(key.b));
	store_find(call->engine->store, &key, done, call);
}

const char *
provider_issuer(const struct engine *e, const char *provider)
{
	int i = config_find_provider(e->rules->config, view_str(provider));
	const struct config_provider *p = i < 0 ? NULL : &e->rules->config->providers[i];

	for (uint16_t k = 0; p != NULL && k < p->setting_count; k++) {
		if (strcmp(p->settings[k].name, "issuer") == 0 && p->settings[k].value_count > 0)
			return p->settings[k].values[0];
	}
	return NULL;
}

struct by_account {
	struct view account;
	struct id key;
};

static void
write_entry(struct json_writer *w, const struct engine *e, const struct account *a, const struct link *l,
    struct view cold, struct view account)
{
	json_object_begin(w);
	answer_id(w, "link", ID_LINK, a, &l->id);
	json_member_str(w, "account", account);
	json_member_str(w, "provider", view_str(ruleset_provider_name(e->rules, l->provider)));
	json_member_str(w, "state", view_str(link_state_name(e, l)));
	answer_time(w, "since", l->since_ms);
	answer_evidence(w, e, a, cold, l);
	json_object_end(w);
}

static void
by_account_txn(struct txn *t, struct account *a, struct call *call)
{
	struct by_account *b = CALL_MEMORY_AS(struct by_account, call);
	struct json_writer w;

	if (a->status == ACCOUNT_NONE) {
		call_not_found(call, "account");
		return;
	}
	w = call_reply(call);
	json_member_str(&w, "account", b->account);
	json_member_str(&w, "state", view_str(account_states[a->status]));
	json_key(&w, VIEW("entries"));
	json_array_begin(&w);
	for (size_t i = 0; i < a->links_n; i++)
		write_entry(&w, call->engine, a, &a->links[i], txn_cold(t), b->account);
	json_array_end(&w);
	call_end(call, &w);
}

void
lookup_by_account(struct call *call)
{
	static const struct json_field fields[] = {
		{"account", JSON_F_ID, true, offsetof(struct by_account, account), 1, OUTSIDE_ID_MAX},
		{0},
	};
	struct by_account *b = CALL_MEMORY_AS(struct by_account, call);

	if (!call_bind(call, fields, b, sizeof(*b)))
		return;
	b->key = account_key_of(call->engine, b->account);
	txn_run(call->engine, &b->key, call, by_account_txn);
}

struct by_subject {
	struct view provider, issuer, subject;
	struct id claim;
};

static void
by_subject_txn(struct txn *t, struct account *a, struct call *call)
{
	struct by_subject *b = CALL_MEMORY_AS(struct by_subject, call);
	const struct link *l = link_of_subject(a, &b->claim);
	struct texts texts;
	struct json_writer w;

	if (l == NULL) {
		call_not_found(call, "subject");
		return;
	}
	w = call_reply(call);
	json_key(&w, VIEW("entry"));
	write_entry(&w, call->engine, a, l, txn_cold(t), things_account(call->engine->keys, a, txn_cold(t), &texts));
	call_end(call, &w);
}

/* The store may answer at once or later: the call is held either way, and released here. */
static void
found(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct call *call = ctx;
	struct id key;

	if (err == CS_ERR_NOT_FOUND || (err == CS_OK && tombstone)) {
		call_not_found(call, "subject");
	} else if (err != CS_OK) {
		call_unavailable(call, "store");
	} else {
		memcpy(key.b, holder->b, sizeof(key.b));
		txn_run_held(call->engine, &key, call, by_subject_txn);
		return;
	}
	call_release(call);
}

void
lookup_by_subject(struct call *call)
{
	static const struct json_field fields[] = {
		{"provider", JSON_F_ID, true, offsetof(struct by_subject, provider), 1, CONFIG_NAME_MAX},
		{"issuer", JSON_F_ID, false, offsetof(struct by_subject, issuer), 1, 255},
		{"subject", JSON_F_ID, true, offsetof(struct by_subject, subject), 1, 255},
		{0},
	};
	struct by_subject *b = CALL_MEMORY_AS(struct by_subject, call);
	struct engine *e = call->engine;
	struct store_key claim;
	char name[CONFIG_NAME_MAX + 1];
	const char *issuer;

	if (!call_bind(call, fields, b, sizeof(*b)))
		return;
	memcpy(name, b->provider.data, b->provider.len);
	name[b->provider.len] = '\0';
	if (config_find_provider(e->rules->config, b->provider) < 0) {
		call_not_found(call, "provider");
		return;
	}
	issuer = provider_issuer(e, name);
	if (b->issuer.data == NULL && issuer != NULL)
		b->issuer = view_str(issuer);
	b->claim = subject_claim(e, name, b->issuer, b->subject);
	memcpy(claim.b, b->claim.b, sizeof(claim.b));
	/* The call is held while the store looks: it must not live on this stack by then. */
	store_find(e->store, &claim, found, call_hold(call));
}
