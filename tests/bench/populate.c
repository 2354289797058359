/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts for the benchmark, written into the broker's store before it starts. Each has a history that could have
 * happened, event by event through apply(): a first factor, a link countersigned with it, a session, and an allowance
 * granted in it, so that its session spends without a prompt.
 *
 *   populate COUNTERSIGN.CONF --people FILE [--accounts N] [--issuer URL]
 *
 * The people are lines "session account" for `load`. The subject of ACCOUNT at the provider is "subject-ACCOUNT".
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/secret.h"
#include "broker/core/apply.h"
#include "broker/core/money.h"
#include "broker/engine/ids.h"
#include "broker/engine/keyring.h"
#include "broker/engine/store_open.h"
#include "broker/parent/config.h"
#include "broker/store/redis/pollset.h"

#define AGO_MS HOUR_MS
#define ALLOWANCE_MS (30 * DAY_MS)

enum {
	EVENTS_MAX = 8,
	A_FLUSH = 512, /* accounts to a commit of the store */
	FACTOR_NO = 1, /* serials, in the order of the events */
	LINK_NO = 2,
	LINK_CHALLENGE_NO = 3,
	ALLOWANCE_NO = 4,
	GRANT_CHALLENGE_NO = 5,
	PER_PAYMENT_MINOR = 10000,
	TOTAL_MINOR = 100000000,
	WAIT_MS = 100,
};

struct names {
	struct view realm, provider, issuer;
	uint64_t service, provider_tag, totp;
	uint16_t currency;
};

struct maker {
	struct names names;
	struct keyring *keys;
	struct store *store;
	int64_t now_ms;
	struct account account;
	struct store_event events[EVENTS_MAX];
	size_t events_n;
	struct buf log, hot;
	uint8_t log_bytes[EVENTS_MAX * EVENT_BYTES_MAX];
	uint8_t hot_bytes[STORE_HOT_MAX];
	struct pollset pollset;
	uint64_t failed;
	enum cs_err why; /* of the last of them */
	size_t open;  /* commits that were not answered yet */
};

static struct id
fresh(void)
{
	struct id id;

	secret_random(id.b, sizeof(id.b));
	return id;
}

/* As the engine does it: chained, encoded, applied. */
static void
happen(struct maker *m, struct event e)
{
	struct account *a = &m->account;
	struct apply_left left;
	size_t start = m->log.len;

	e.prev = a->chain;
	event_encode(&e, &m->log);
	CHECK(!m->log.full && m->events_n < EVENTS_MAX);
	CHECK(apply(a, &e, &left) == CS_OK);
	m->events[m->events_n++].event = view_of(m->log.data + start, m->log.len - start);
	sha256(view_of(m->log.data + start, m->log.len - start), &a->chain);
}

static void
challenge_happens(struct maker *m, struct event opened)
{
	opened.type = EVENT_CHALLENGE_OPENED;
	opened.time_ms = m->account.time_ms;
	opened.id = fresh();
	opened.kinds = 1 << FACTOR_TOTP;
	opened.need = 1;
	opened.expires_ms = opened.time_ms + HOUR_MS;
	happen(m, opened);
	happen(m, (struct event){.type = EVENT_CHALLENGE_ANSWERED, .time_ms = opened.time_ms,
	              .challenge_no = opened.no, .target_no = FACTOR_NO, .flags = EVENT_FLAG_COMPLETE,
	              .usable_ms = opened.time_ms});
}

static void
factor_and_link(struct maker *m, const struct id *subject)
{
	int64_t ago = m->now_ms - AGO_MS;

	happen(m, (struct event){.type = EVENT_FACTOR_ENROLLED, .time_ms = ago, .service = m->names.service,
	              .plugin = m->names.totp, .no = FACTOR_NO, .id = fresh(), .kind = FACTOR_TOTP,
	              .usable_ms = ago, .flags = EVENT_FLAG_FIRST});
	happen(m, (struct event){.type = EVENT_LINK_PROPOSED, .time_ms = ago, .service = m->names.service,
	              .provider = m->names.provider_tag, .no = LINK_NO, .id = fresh(),
	              .subject = *subject});
	challenge_happens(m, (struct event){.op = OP_LINK, .service = m->names.service,
	                         .no = LINK_CHALLENGE_NO, .link_no = LINK_NO, .target_no = LINK_NO});
}

static struct id
session_and_allowance(struct maker *m)
{
	struct id session = fresh();

	happen(m, (struct event){.type = EVENT_SESSION_OPENED, .time_ms = m->now_ms,
	              .service = m->names.service, .link_no = LINK_NO, .id = session,
	              .auth_ms = m->now_ms});
	happen(m, (struct event){.type = EVENT_ALLOWANCE_PROPOSED, .time_ms = m->now_ms,
	              .service = m->names.service, .no = ALLOWANCE_NO, .link_no = LINK_NO, .id = fresh(),
	              .kind = ALLOWANCE_SESSION, .currency = m->names.currency,
	              .per_payment_minor = PER_PAYMENT_MINOR, .per_day_minor = TOTAL_MINOR,
	              .total_minor = TOTAL_MINOR, .expires_ms = m->now_ms + ALLOWANCE_MS});
	challenge_happens(m, (struct event){.op = OP_GRANT, .service = m->names.service,
	                         .no = GRANT_CHALLENGE_NO, .link_no = LINK_NO,
	                         .target_no = ALLOWANCE_NO, .session = session});
	return session;
}

static void
committed(void *ctx, enum cs_err err)
{
	struct maker *m = ctx;

	m->open--;
	m->failed += err != CS_OK;
	if (err != CS_OK)
		m->why = err;
}

static void
make_account(struct maker *m, unsigned long number, FILE *people)
{
	char name[32], subject_name[48];
	int name_len = snprintf(name, sizeof(name), "account-%08lu", number);
	int subject_len = snprintf(subject_name, sizeof(subject_name), "subject-%s", name);
	struct view account_parts[] = {m->names.realm, view_of(name, (size_t)name_len)};
	struct view subject_parts[] = {m->names.realm, m->names.provider, m->names.issuer,
	    view_of(subject_name, (size_t)subject_len)};
	struct id key = keyring_id(m->keys, DIGEST_ACCOUNT, account_parts, 2);
	struct id subject = keyring_id(m->keys, DIGEST_SUBJECT, subject_parts, 4);
	struct store_commit commit = {.events = m->events, .claims_n = 1};
	struct store_claim claim = {.release = false};
	struct id session;
	struct id_text text;

	account_init(&m->account, &key);
	m->account.salt = fresh();
	m->events_n = m->log.len = m->hot.len = 0;
	factor_and_link(m, &subject);
	session = session_and_allowance(m);
	account_encode(&m->account, &m->hot);
	CHECK(!m->hot.full);
	memcpy(commit.key.b, key.b, sizeof(key.b));
	memcpy(claim.claim.b, subject.b, sizeof(subject.b));
	commit.events_n = m->events_n;
	commit.hot = buf_view(&m->hot);
	commit.claims = &claim;
	m->open++;
	store_commit(m->store, &commit, committed, m);
	text = id_format(ID_SESSION, &key, &session);
	fprintf(people, "%.*s %s\n", (int)text.len, text.data, name);
}

static int64_t
steady_ms(void)
{
	struct clock_now now;

	clock_read(&now);
	return now.steady_ms;
}

/* Until all that was committed is durable. */
static void
settle(struct maker *m)
{
	store_flush(m->store);
	while (m->open > 0) {
		int64_t due_ms = store_tick(m->store, steady_ms());

		if (m->open > 0)
			pollset_wait(&m->pollset, due_ms > WAIT_MS ? WAIT_MS : (int)due_ms);
		store_flush(m->store);
	}
}

static struct config *
config_open(const char *path)
{
	struct config_error why;
	struct config *config;
	char text[1024];

	if (config_load(path, &config, &why) == CS_OK)
		return config;
	config_error_text(&why, text, sizeof(text));
	errx(1, "%s", text);
}

static struct names
names_of(const struct config *c, const char *issuer)
{
	int totp = config_find_factor(c, VIEW("totp"));

	if (c->service_count == 0 || c->provider_count == 0 || totp < 0)
		errx(1, "the configuration needs a service, a provider and the factor totp");
	return (struct names){.realm = view_str(c->realm), .provider = view_str(c->providers[0].name),
	    .issuer = view_str(issuer), .service = name_tag(view_str(c->services[0].name)),
	    .provider_tag = name_tag(view_str(c->providers[0].name)),
	    .totp = name_tag(view_str(c->factors[totp].plugin)), .currency = currency_find(VIEW("CNY"))};
}

static void
populate(const struct config *c, const char *issuer, const char *path, unsigned long accounts)
{
	static struct maker m;
	FILE *people = fopen(path, "we");
	struct clock_now now;
	char why[256];

	if (people == NULL)
		err(1, "cannot write %s", path);
	pollset_init(&m.pollset);
	if (keyring_open(c->key_file, &m.keys, why) != CS_OK ||
	    engine_store_open(c, m.keys, &m.pollset.poller, &m.store, why) != CS_OK)
		errx(1, "%s", why);
	clock_read(&now);
	m.now_ms = now.wall_ms;
	m.names = names_of(c, issuer);
	m.log = buf_over(m.log_bytes, sizeof(m.log_bytes));
	m.hot = buf_over(m.hot_bytes, sizeof(m.hot_bytes));
	for (unsigned long i = 0; i < accounts; i++) {
		make_account(&m, i, people);
		if (i % A_FLUSH == A_FLUSH - 1)
			settle(&m);
	}
	settle(&m);
	store_close(m.store);
	pollset_clear(&m.pollset);
	keyring_free(m.keys);
	if (m.failed > 0)
		errx(1, "%llu accounts could not be written (%s); is the store new?", (unsigned long long)m.failed, cs_err_name(m.why));
	if (fclose(people) != 0)
		err(1, "cannot write %s", path);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {{"people", required_argument, NULL, 'f'},
	    {"accounts", required_argument, NULL, 'n'}, {"issuer", required_argument, NULL, 'i'},
	    {NULL, 0, NULL, 0}};
	const char *people = NULL, *issuer = "https://idp.test";
	unsigned long accounts = 100000;
	struct config *config;
	int c;

	while ((c = getopt_long(argc, argv, "f:n:i:", longs, NULL)) != -1) {
		if (c == 'f')
			people = optarg;
		else if (c == 'n')
			accounts = strtoul(optarg, NULL, 10);
		else if (c == 'i')
			issuer = optarg;
		else
			return 2;
	}
	if (argc - optind != 1 || people == NULL || accounts < 1 || accounts > 99999999)
		errx(2, "usage: populate COUNTERSIGN.CONF --people FILE [--accounts N] [--issuer URL]");
	config = config_open(argv[optind]);
	populate(config, issuer, people, accounts);
	config_free(config);
	return 0;
}
