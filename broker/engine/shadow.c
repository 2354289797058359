/* SPDX-License-Identifier: Apache-2.0 */
/* Deciding again beside the live policy, and counting where it differs. */
#include "broker/engine/shadow.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/core/again.h"
#include "broker/engine/answer.h"
#include "broker/engine/record.h"
#include "broker/engine/record_state.h"

enum {
	KINDS_MAX = 64,        /* of service, operation and reasons; what comes beyond is counted together */
	EVERY_MS = 1000,       /* between two events */
};

/* One way to differ. */
struct kind {
	uint64_t service;
	uint8_t op, live, candidate;   /* enum op; enum reason */
	bool capture;
	uint64_t count, pending;       /* since the candidate was loaded; not yet written */
};

struct shadow {
	struct ruleset *rules;
	struct id pins[POLICY_PROVIDERS_MAX];
	struct broker_state broker;
	char file[256];
	int64_t since_ms;
	int64_t written_ms;            /* boot clock */
	uint64_t compared, differ;
	struct kind kinds[KINDS_MAX];
	size_t n;
	struct again again;
};

enum cs_err
shadow_new(struct config *config, struct shadow **out, char why[256])
{
	struct shadow *s;
	char reason[256];
	enum cs_err err;

	if (config->shadow == NULL) {
		*out = NULL;
		return CS_OK;
	}
	s = calloc(1, sizeof(*s));
	CHECK(s != NULL);
	err = ruleset_new(config->shadow, &s->rules, reason);
	if (err != CS_OK) {
		snprintf(why, 256, "the candidate %.80s: %.140s", config->shadow_config, reason);
		free(s);
		return err;
	}
	config->shadow = NULL;
	snprintf(s->file, sizeof(s->file), "%s", config->shadow_config);
	record_pins(s->rules->config, s->pins);
	s->written_ms = -EVERY_MS;
	*out = s;
	return CS_OK;
}

void
shadow_payees(struct shadow *s, const struct keyring *keys)
{
	if (s != NULL)
		ruleset_payees(s->rules, keys);
}

void
shadow_free(struct shadow *s)
{
	if (s == NULL)
		return;
	ruleset_free(s->rules);
	free(s);
}

void
shadow_publish(struct engine *e)
{
	struct shadow *s = e->shadow;

	if (s == NULL)
		return;
	if (s->since_ms == 0)
		s->since_ms = e->now.wall_ms;
	record_view(e, s->rules->policy, s->pins, &s->broker);
}

static struct kind *
kind_of(struct shadow *s, const struct kind *like)
{
	for (size_t i = 0; i < s->n; i++) {
		struct kind *k = &s->kinds[i];

		if (k->service == like->service && k->op == like->op && k->live == like->live &&
		    k->candidate == like->candidate && k->capture == like->capture)
			return k;
	}
	/* The last place is that of all others. */
	if (s->n == KINDS_MAX)
		return &s->kinds[KINDS_MAX - 1];
	s->kinds[s->n] = s->n < KINDS_MAX - 1 ? *like : (struct kind){0};
	return &s->kinds[s->n++];
}

void
shadow_look(struct engine *e, const struct account *before, const struct event *ev)
{
	struct shadow *s = e->shadow;
	struct again *a = &s->again;
	struct kind like, *k;

	if (!decide_again(s->rules->policy, &s->broker, before, ev, a))
		return;
	s->compared++;
	if (!again_differs(a))
		return;
	s->differ++;
	like = (struct kind){.service = ev->service, .op = (uint8_t)a->op, .live = a->reason, .candidate = a->now.reason,
	    .capture = a->capture};
	k = kind_of(s, &like);
	k->count++;
	k->pending++;
}

static struct kind *
most_pending(struct shadow *s)
{
	struct kind *most = NULL;

	for (size_t i = 0; i < s->n; i++) {
		if (s->kinds[i].pending > 0 && (most == NULL || s->kinds[i].pending > most->pending))
			most = &s->kinds[i];
	}
	return most;
}

static bool
write_one(struct engine *e, struct kind *k)
{
	struct event ev = {.type = EVENT_SHADOW_DIFFERS, .reason = k->live, .op = k->op, .service = k->service,
	    .candidate = k->candidate, .id = e->shadow->rules->policy->digest, .count = (int64_t)k->pending,
	    .flags = k->capture ? EVENT_FLAG_CAPTURE : 0};

	if (!record_note(e, &ev, view_of(NULL, 0)))
		return false;
	k->pending = 0;
	return true;
}

void
shadow_tick(struct engine *e)
{
	struct shadow *s = e->shadow;
	struct kind *k;

	if (s == NULL || e->now.boot_ms - s->written_ms < EVERY_MS || (k = most_pending(s)) == NULL)
		return;
	/* A store that takes nothing now is not asked more often for that. */
	s->written_ms = e->now.boot_ms;
	(void)write_one(e, k);
}

void
shadow_write_all(struct engine *e)
{
	struct kind *k;

	while (e->shadow != NULL && (k = most_pending(e->shadow)) != NULL) {
		if (!write_one(e, k)) {
			log_warn("msg=\"differences of the candidate could not be written\"");
			return;
		}
	}
}

static void
put_kind(struct json_writer *w, const struct engine *e, const struct kind *k)
{
	json_object_begin(w);
	if (k->op == OP_NONE) {
		json_member_str(w, "operation", VIEW("others"));
	} else {
		json_member_str(w, "service", view_str(ruleset_service_name(e->rules, k->service)));
		json_member_str(w, "operation", k->capture ? VIEW("capture") : view_str(op_name((enum op)k->op)));
		json_member_str(w, "live", view_str(outcome_name(reason_outcome((enum reason)k->live))));
		json_member_str(w, "live_reason", view_str(reason_name((enum reason)k->live)));
		json_member_str(w, "candidate", view_str(outcome_name(reason_outcome((enum reason)k->candidate))));
		json_member_str(w, "candidate_reason", view_str(reason_name((enum reason)k->candidate)));
	}
	json_member_int(w, "count", (int64_t)k->count);
	json_object_end(w);
}

void
shadow_status(struct json_writer *w, const struct engine *e)
{
	static const char digits[] = "0123456789abcdef";
	const struct shadow *s = e->shadow;
	char policy[2 * sizeof(struct id)];

	if (s == NULL)
		return;
	for (size_t i = 0; i < sizeof(policy); i++)
		policy[i] = digits[s->rules->policy->digest.b[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	json_key(w, VIEW("shadow"));
	json_object_begin(w);
	json_member_str(w, "config", view_str(s->file));
	json_member_str(w, "policy", view_of(policy, sizeof(policy)));
	answer_time(w, "since", s->since_ms);
	json_member_int(w, "compared", (int64_t)s->compared);
	json_member_int(w, "differ", (int64_t)s->differ);
	json_key(w, VIEW("differences"));
	json_array_begin(w);
	for (size_t i = 0; i < s->n; i++)
		put_kind(w, e, &s->kinds[i]);
	json_array_end(w);
	json_object_end(w);
}
