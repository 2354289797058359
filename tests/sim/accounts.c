/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts are made of real events, chained and applied as the engine does it. */
#include "tests/sim/accounts.h"

#include <stdio.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/core/apply.h"
#include "broker/core/money.h"
#include "broker/engine/cold.h"

enum {
	EVENTS_MAX = 20,
	FACTOR_NO = 1,
	LINK_NO = 2,
	LINK_CHALLENGE_NO = 3,
	ALLOWANCE_NO = 4,
	GRANT_CHALLENGE_NO = 5,
	SPARE_CHALLENGE_NO = 6,
	SPARE_NO = 7,
	CODES_CHALLENGE_NO = 8,
	CODES_NO = 9,
	RECOVERY_CHALLENGE_NO = 10,
	RECOVERED_NO = 11,
	RECOVERED_AFTER_MS = 5000, /* in the middle of a short run */
};

struct maker {
	struct account account;
	struct extra extra;
	uint8_t log_bytes[EVENTS_MAX * EVENT_BYTES_MAX];
	struct buf log;
	struct store_event events[EVENTS_MAX];
	size_t n;
};

static struct id
fresh(void)
{
	struct id id;

	secret_random(id.b, sizeof(id.b));
	return id;
}

static void
happen(struct maker *m, struct event e)
{
	struct apply_left left;
	size_t start = m->log.len;
	struct store_event *to = &m->events[m->n++];

	CHECK(m->n <= EVENTS_MAX);
	if (m->n == 1) {
		struct hash h;

		/* The first event brings the account's salt. */
		extra_init(&m->extra);
		extra_salt(&m->extra, &m->account.salt);
		sha256(buf_view(&m->extra.buf), &h);
		memcpy(e.extra.b, h.b, sizeof(e.extra.b));
		to->extra = buf_view(&m->extra.buf);
	}
	e.prev = m->account.chain;
	event_encode(&e, &m->log);
	CHECK(!m->log.full && apply(&m->account, &e, &left) == CS_OK);
	to->event = view_of(m->log.data + start, m->log.len - start);
	sha256(to->event, &m->account.chain);
}

static void
countersigned(struct maker *m, struct event opened)
{
	opened.type = EVENT_CHALLENGE_OPENED;
	opened.time_ms = m->account.time_ms;
	opened.id = fresh();
	opened.kinds = 1 << FACTOR_TOTP;
	opened.need = 1;
	opened.expires_ms = opened.time_ms + HOUR_MS;
	happen(m, opened);
	happen(m, (struct event){.type = EVENT_CHALLENGE_ANSWERED, .time_ms = opened.time_ms, .challenge_no = opened.no,
	    .target_no = FACTOR_NO, .flags = EVENT_FLAG_COMPLETE, .usable_ms = opened.time_ms});
}

static void
enrolled(struct maker *m, uint64_t service, struct event e)
{
	countersigned(m, (struct event){.op = e.op, .service = service, .no = e.challenge_no, .target_no = e.replaces_no});
	e.type = EVENT_FACTOR_ENROLLED;
	e.time_ms = m->account.time_ms;
	e.service = service;
	e.plugin = name_tag(VIEW("totp"));
	e.id = fresh();
	happen(m, e);
}

/* A factor whose replacement becomes usable while the account spends: some payment's event writes down that it is gone. */
static void
recover(struct maker *m, uint64_t service, int64_t usable_ms)
{
	enrolled(m, service, (struct event){.op = OP_FACTOR, .challenge_no = SPARE_CHALLENGE_NO, .no = SPARE_NO,
	    .kind = FACTOR_TOTP, .rests = {1, 2}, .copies = COPIES_POSSIBLE, .factors = {FACTOR_NO}});
	enrolled(m, service, (struct event){.op = OP_FACTOR, .challenge_no = CODES_CHALLENGE_NO, .no = CODES_NO,
	    .kind = FACTOR_RECOVERY, .factors = {FACTOR_NO}});
	enrolled(m, service, (struct event){.op = OP_RECOVER, .challenge_no = RECOVERY_CHALLENGE_NO, .no = RECOVERED_NO,
	    .kind = FACTOR_TOTP, .replaces_no = SPARE_NO, .usable_ms = usable_ms, .factors = {CODES_NO}});
}

static void
done(void *ctx, enum cs_err err)
{
	CHECK(err == CS_OK);
	*(bool *)ctx = true;
}

void
person_make(struct world *w, int number, struct person *p)
{
	static struct maker m;
	uint64_t service = name_tag(VIEW("shop")), provider = name_tag(VIEW("sandbox"));
	int64_t ago = w->now.wall_ms - HOUR_MS, now = w->now.wall_ms;
	uint8_t hot[ACCOUNT_BYTES_MAX];
	struct buf state = buf_over(hot, sizeof(hot));
	struct store_commit c = {.events = m.events};
	struct view parts[2] = {VIEW("simulated"), view_of(p->name, 0)};
	bool written = false;

	m.n = 0;
	m.log = buf_over(m.log_bytes, sizeof(m.log_bytes));
	parts[1].len = (size_t)snprintf(p->name, sizeof(p->name), "a%d", number);
	p->key = keyring_id(w->keys, DIGEST_ACCOUNT, parts, 2);
	p->session = fresh();
	account_init(&m.account, &p->key);
	m.account.salt = fresh();
	happen(&m, (struct event){.type = EVENT_FACTOR_ENROLLED, .time_ms = ago, .service = service,
	    .plugin = name_tag(VIEW("totp")), .no = FACTOR_NO, .id = fresh(), .kind = FACTOR_TOTP, .usable_ms = ago,
	    .flags = EVENT_FLAG_FIRST});
	happen(&m, (struct event){.type = EVENT_LINK_PROPOSED, .time_ms = ago, .service = service, .provider = provider,
	    .no = LINK_NO, .id = fresh(), .subject = fresh()});
	countersigned(&m, (struct event){.op = OP_LINK, .service = service, .no = LINK_CHALLENGE_NO, .link_no = LINK_NO,
	    .target_no = LINK_NO});
	happen(&m, (struct event){.type = EVENT_SESSION_OPENED, .time_ms = now, .service = service, .link_no = LINK_NO,
	    .id = p->session, .auth_ms = now});
	happen(&m, (struct event){.type = EVENT_ALLOWANCE_PROPOSED, .time_ms = now, .service = service,
	    .no = ALLOWANCE_NO, .link_no = LINK_NO, .id = fresh(), .kind = ALLOWANCE_SESSION,
	    .currency = currency_find(VIEW("CNY")), .per_payment_minor = ALLOWANCE_EACH, .per_day_minor = ALLOWANCE_DAY,
	    .total_minor = ALLOWANCE_TOTAL, .expires_ms = now + 30 * DAY_MS});
	countersigned(&m, (struct event){.op = OP_GRANT, .service = service, .no = GRANT_CHALLENGE_NO, .link_no = LINK_NO,
	    .target_no = ALLOWANCE_NO, .session = p->session});
	if (number % 2 == 0)
		recover(&m, service, now + RECOVERED_AFTER_MS);
	account_encode(&m.account, &state);
	memcpy(c.key.b, p->key.b, sizeof(c.key.b));
	c.events_n = m.n;
	c.hot = buf_view(&state);
	world_misbehave(w, true);
	store_commit(w->store, &c, done, &written);
	store_flush(w->store);
	CHECK(written);
	world_misbehave(w, false);
	p->session_text = id_format(ID_SESSION, &p->key, &p->session);
}
