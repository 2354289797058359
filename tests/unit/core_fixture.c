/* SPDX-License-Identifier: Apache-2.0 */
/* The account, the policy and the steps that the tests of the core share. */
#include "tests/unit/core_fixture.h"

#include <stdio.h>

#include "broker/base/check.h"
#include "broker/core/again.h"

/* --- the policy --- */

static uint64_t
name_tag(void *ctx, enum stack_name kind, struct view name)
{
	static const struct {
		uint8_t kind;
		const char *name;
		uint64_t tag;
	} names[] = {{STACK_NAME_PROVIDER, "apple", APPLE}, {STACK_NAME_PROVIDER, "google", GOOGLE},
	    {STACK_NAME_SERVICE, "checkout", CHECKOUT}, {STACK_NAME_SERVICE, "wallet", WALLET},
	    {STACK_NAME_RISK, "scores", RISK_SCORES}, {STACK_NAME_NOTIFY, "hook", NOTIFY_HOOK},
	    {STACK_NAME_EVIDENCE, "phone", VOUCHED_PHONE}, {STACK_NAME_EVIDENCE, "identity-document", VOUCHED_DOCUMENT}};

	(void)ctx;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].kind == kind && view_equal(name, view_str(names[i].name)))
			return names[i].tag;
	}
	return 0;
}

/* One line, cut at its blanks; brackets are one word. */
static void
line_add(struct stack *s, const char *op, const char *line)
{
	struct view words[2 + STACK_ARGS_MAX];
	struct stack_error err;
	struct stack_text text = {.operation = view_str(op),
	    .number = (uint16_t)(s->lines_n + 1),
	    .name_tag = name_tag};
	size_t n = 0;

	while (*line != '\0') {
		size_t len = *line == '[' ? strcspn(line, "]") + 1 : strcspn(line, " ");

		words[n++] = view_of(line, len);
		line += len + (line[len] == ' ');
	}
	text.control = words[0];
	text.rule = words[1];
	text.args = words + 2;
	text.args_n = n - 2;
	CHECK(stack_add(s, &text, &err) == CS_OK);
}

void
fixture_stack(
    struct fixture *f, struct stack *s, const char *op, const char *const *lines, size_t n)
{
	enum op which = op_find(view_str(op));
	struct stack_line *from = &s->lines[s->first[which]];

	memmove(from, from + s->count[which], sizeof(*from) * (s->lines_n - s->first[which] - s->count[which]));
	s->lines_n -= s->count[which];
	for (int later = (int)which + 1; later < OP__COUNT; later++)
		s->first[later] -= s->count[which];
	s->count[which] = 0;
	for (size_t i = 0; i < n; i++)
		line_add(s, op, lines[i]);
	f->policy.needs |= s->needs;
}

static void
stack_usual(struct fixture *f, struct stack *s)
{
	static const char *const guarded[] = {
	    "link", "factor", "grant", "limit", "thaw", "recover", "view"};

	for (size_t i = 0; i < sizeof(guarded) / sizeof(guarded[0]); i++)
		STACK(f, s, guarded[i], "required stepup");
	STACK(f, s, "spend", "requisite session max-age=30d", "sufficient allowance",
	    "required stepup");
}

static struct policy_limit
wide(uint16_t currency, int64_t unit)
{
	return (struct policy_limit){currency, 2000 * unit, 5000 * unit, 20000 * unit, 20, 200};
}

static void
policy_usual(struct fixture *f)
{
	static const uint64_t plugins[FACTOR__COUNT] = {[FACTOR_TOTP] = PLUGIN_TOTP,
	    [FACTOR_WEBAUTHN] = PLUGIN_WEBAUTHN,
	    [FACTOR_PAM] = PLUGIN_PAM,
	    [FACTOR_RECOVERY] = PLUGIN_RECOVERY};
	struct policy *p = &f->policy;

	*p = (struct policy){.digest = id_of('d', 1),
	    .utc_offset_s = 8 * 3600,
	    .link_cooling_off_ms = DAY_MS,
	    .session_idle_ms = 15 * MINUTE_MS,
	    .session_max_ms = DAY_MS,
	    .challenge_ms = 10 * MINUTE_MS,
	    .redeem_ms = 5 * MINUTE_MS,
	    .hold_ms = 7 * DAY_MS,
	    .allowance_max_ms = 90 * DAY_MS,
	    .prompts_per_link_day = 10,
	    .open_per_link = 3,
	    .services_n = 2,
	    .providers_n = 2,
	    .limits_n = 3};
	p->limits[0] = wide(CNY, 100);
	p->limits[1] = wide(JPY, 20);
	p->limits[2] = wide(BHD, 1000);
	for (int k = 0; k < FACTOR__COUNT; k++) {
		p->factors[k] = (struct policy_factor){.plugin = plugins[k],
		    .cooling_off_ms = DAY_MS,
		    .enabled = plugins[k] != 0,
		    .reverified = k != FACTOR_PAM};
	}
	p->services[0] =
	    (struct policy_service){CHECKOUT, 0xff, DOOR_UNIX | DOOR_HTTPS, &f->checkout};
	p->services[1] = (struct policy_service){WALLET, 0xff, DOOR_UNIX, &f->wallet};
	p->providers[0] =
	    (struct policy_provider){.tag = APPLE, .plugin = PLUGIN_OIDC, .cooling_off_ms = -1};
	p->providers[1] =
	    (struct policy_provider){.tag = GOOGLE, .plugin = PLUGIN_OIDC, .cooling_off_ms = -1};
}

void
fixture_init(struct fixture *f)
{
	struct id key = id_of('k', 1);

	memset(f, 0, sizeof(*f));
	policy_usual(f);
	stack_usual(f, &f->checkout);
	stack_usual(f, &f->wallet);
	f->broker = (struct broker_state){.clock_ok = true, .providers_n = 2};
	f->broker.providers[0] =
	    (struct broker_provider){.tag = APPLE, .enabled = true, .pinned = true, .fresh = true};
	f->broker.providers[1] =
	    (struct broker_provider){.tag = GOOGLE, .enabled = true, .pinned = true, .fresh = true};
	account_init(&f->account, &key);
	f->asked = (struct asked){.policy = &f->policy,
	    .broker = &f->broker,
	    .service = CHECKOUT,
	    .door = DOOR_UNIX,
	    .now_ms = NOON_MS};
}

void
fixture_ready(struct fixture *f)
{
	fixture_init(f);
	f->asked.now_ms = NOON_MS - 4 * DAY_MS;
	CHECK(do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, 0) == REASON_FIRST_FACTOR);
	f->totp = f->d.no;
	fixture_wait(f, DAY_MS);
	CHECK(do_enrol(f, FACTOR_WEBAUTHN, PLUGIN_WEBAUTHN, f->totp) == REASON_COUNTERSIGNED);
	f->webauthn = f->d.no;
	fixture_wait(f, DAY_MS);
	CHECK(do_link(f, APPLE, 1, f->totp, &f->apple) == REASON_COUNTERSIGNED);
	CHECK(do_link(f, GOOGLE, 2, f->totp, &f->google) == REASON_COUNTERSIGNED);
	f->asked.now_ms = NOON_MS;
	CHECK(do_session(f, f->apple, &f->session) == REASON_ASKED);
}

/* --- ids --- */

struct id
id_of(char kind, uint64_t n)
{
	struct id id = {{0}};

	id.b[0] = (uint8_t)kind;
	memcpy(id.b + 8, &n, sizeof(n));
	return id;
}

struct id
id_new(struct fixture *f)
{
	return id_of('n', ++f->ids);
}

/* --- steps --- */

/* One scratch for each side: entries that are not used must not matter, so what is decoded lands on
 * garbage. */
static uint8_t encoded[ACCOUNT_BYTES_MAX], again[ACCOUNT_BYTES_MAX];

static void
account_round_trip(struct fixture *f)
{
	struct buf first = buf_over(encoded, sizeof(encoded)),
		   second = buf_over(again, sizeof(again));
	uint64_t revision = f->account.revision;
	struct id key = f->account.key;

	account_encode(&f->account, &first);
	CHECK(!first.full);
	memset(&f->account, 0xa5, sizeof(f->account));
	CHECK(account_decode(view_of(encoded, first.len), &key, revision, &f->account) == CS_OK);
	account_encode(&f->account, &second);
	CHECK(first.len == second.len && memcmp(encoded, again, first.len) == 0);
}

static void
event_round_trip(const struct event *e, struct event *back)
{
	uint8_t one[EVENT_BYTES_MAX], two[EVENT_BYTES_MAX];
	struct buf first = buf_over(one, sizeof(one)), second = buf_over(two, sizeof(two));

	event_encode(e, &first);
	CHECK(!first.full);
	memset(back, 0x5a, sizeof(*back));
	CHECK(event_decode(view_of(one, first.len), back) == CS_OK);
	event_encode(back, &second);
	CHECK(first.len == second.len && memcmp(one, two, first.len) == 0);
}

/* The event says enough of what was asked: the same policy decides the same again. */
static void
check_again(struct fixture *f, const struct event *e)
{
	struct broker_state broker = f->broker;
	struct again taken;

	if (!decide_again(&f->policy, &broker, &f->account, e, &taken))
		return;
	if (again_differs(&taken))
		fprintf(stderr, "%s %s: recorded %s, decided again %s\n", event_type_name((enum event_type)e->type),
		    op_name(taken.op), reason_name((enum reason)taken.reason), reason_name((enum reason)taken.now.reason));
	CHECK(!again_differs(&taken));
	f->again++;
}

void
fixture_commit(struct fixture *f)
{
	CHECK(f->d.events_n <= DECISION_EVENTS_MAX);
	CHECK(f->d.outcome == reason_outcome((enum reason)f->d.reason));
	CHECK(!f->d.replayed || f->d.events_n == 0 || f->d.reason == REASON_NARROWS);
	for (size_t i = 0; i < f->d.events_n; i++) {
		struct event e;

		event_round_trip(&f->d.events[i], &e);
		check_again(f, &e);
		CHECK(apply(&f->account, &e, &f->left) == CS_OK);
		f->applied++;
		account_round_trip(f);
	}
}

void
fixture_begin(struct fixture *f)
{
	do {
		decide_due(&f->asked, &f->account, &f->d);
		fixture_commit(f);
	} while (f->d.outcome == OUTCOME_PERMIT);
	f->asked.fresh[0] = id_new(f);
	f->asked.fresh[1] = id_new(f);
}

void
fixture_wait(struct fixture *f, int64_t ms)
{
	f->asked.now_ms += ms;
}

static enum reason
done(struct fixture *f)
{
	fixture_commit(f);
	return (enum reason)f->d.reason;
}

/* --- payments --- */

void
spend_seal(struct request *r)
{
	memset(&r->content, 0, sizeof(r->content));
	memcpy(r->content.b, &r->amount_minor, 6);
	memcpy(r->content.b + 6, &r->currency, 2);
	memcpy(r->content.b + 8, r->payee.b + 8, 8);
	memcpy(r->content.b + 16, r->payment.b, 16);
}

struct request
spend_of(const struct fixture *f, uint64_t payment, int64_t amount_minor)
{
	struct request r = {.op = OP_SPEND,
	    .session = f->session,
	    .payee = id_of('m', 1),
	    .currency = CNY,
	    .amount_minor = amount_minor,
	    .payment = id_of((char)f->asked.service, payment)};

	spend_seal(&r);
	return r;
}

enum reason
do_request(struct fixture *f, const struct request *r)
{
	fixture_begin(f);
	decide(&f->asked, &f->account, r, &f->d);
	return done(f);
}

enum reason
do_spend(struct fixture *f, uint64_t payment, int64_t amount_minor)
{
	struct request r = spend_of(f, payment, amount_minor);

	return do_request(f, &r);
}

enum reason
do_answer_step(struct fixture *f, const struct id *challenge, uint32_t factor_no, int64_t step)
{
	struct answer answer = {*challenge, factor_no, true, step};

	fixture_begin(f);
	decide_answer(&f->asked, &f->account, &answer, &f->d);
	return done(f);
}

int64_t
fixture_step(struct fixture *f, uint32_t factor_no)
{
	const struct factor *by = account_factor_by_no(&f->account, factor_no);
	int64_t code = 0;

	if (by == NULL || by->kind != FACTOR_RECOVERY)
		return ++f->step;
	while (code < RECOVERY_CODES_MAX - 1 && (by->last_step >> code & 1) != 0)
		code++;
	return code;
}

enum reason
do_answer(struct fixture *f, const struct id *challenge, uint32_t factor_no, bool right)
{
	struct answer answer = {*challenge, factor_no, right, right ? fixture_step(f, factor_no) : 0};

	fixture_begin(f);
	decide_answer(&f->asked, &f->account, &answer, &f->d);
	return done(f);
}

enum reason
do_countersigned(struct fixture *f, const struct request *r, uint32_t factor_no)
{
	enum reason reason = do_request(f, r);
	struct id challenge = f->d.id;

	if (f->d.outcome != OUTCOME_STEP_UP)
		return reason;
	reason = do_answer(f, &challenge, factor_no, true);
	return reason == REASON_COUNTERSIGNED ? do_request(f, r) : reason;
}

enum reason
do_capture(struct fixture *f, uint64_t payment, uint64_t capture, int64_t amount_minor)
{
	struct id hold = id_of((char)f->asked.service, payment), id = id_of('c', capture);

	fixture_begin(f);
	decide_capture(&f->asked, &f->account, NULL, &hold, &id, amount_minor, &f->d);
	return done(f);
}

enum reason
do_release(struct fixture *f, uint64_t payment)
{
	struct id hold = id_of((char)f->asked.service, payment);

	fixture_begin(f);
	decide_release(&f->asked, &f->account, &hold, &f->d);
	return done(f);
}

enum reason
do_refund(struct fixture *f, uint64_t payment, uint64_t refund, int64_t amount_minor)
{
	struct id id = id_of((char)f->asked.service, payment), r = id_of('r', refund);

	fixture_begin(f);
	decide_refund(&f->asked, &f->account, NULL, &id, &r, amount_minor, &f->d);
	return done(f);
}

/* --- what widens power: ask, answer, ask again --- */

/* Whether the newest decision is a prompt that `by` has answered, so that asking again makes sense.
 */
static bool
prompted(struct fixture *f, uint32_t by, struct id *challenge)
{
	if (f->d.outcome != OUTCOME_STEP_UP || by == 0)
		return false;
	*challenge = f->d.id;
	return do_answer(f, challenge, by, true) == REASON_COUNTERSIGNED;
}

enum reason
do_enrol(struct fixture *f, enum factor_kind kind, uint64_t plugin, uint32_t by)
{
	struct enrolment e = {.kind = kind, .plugin = plugin};

	return do_enrolment(f, &e, by);
}

enum reason
do_enrolment(struct fixture *f, struct enrolment *e, uint32_t by)
{
	e->factor = id_new(f);
	e->content = (struct hash){{'e', (uint8_t)e->kind, (uint8_t)f->ids, (uint8_t)(f->ids >> 8)}};
	do {
		fixture_begin(f);
		decide_enrol(&f->asked, &f->account, e, &f->d);
		fixture_commit(f);
	} while (prompted(f, by, &e->challenge));
	return (enum reason)f->d.reason;
}

enum reason
do_unlock(struct fixture *f, uint32_t factor_no, uint32_t by)
{
	struct hash content = {{'u', (uint8_t)factor_no}};
	struct id challenge = {{0}};

	do {
		fixture_begin(f);
		decide_factor_unlock(&f->asked, &f->account, factor_no, &challenge, &content, &f->d);
		fixture_commit(f);
	} while (prompted(f, by, &challenge));
	return (enum reason)f->d.reason;
}

enum reason
do_remove(struct fixture *f, uint32_t factor_no, uint32_t by)
{
	struct hash content = {{'x', (uint8_t)factor_no}};
	struct id challenge = {{0}};

	do {
		fixture_begin(f);
		decide_factor_remove(
		    &f->asked, &f->account, factor_no, &challenge, &content, &f->d);
		fixture_commit(f);
	} while (prompted(f, by, &challenge));
	return (enum reason)f->d.reason;
}

enum reason
do_propose(struct fixture *f, uint64_t provider, uint64_t subject, uint32_t *no)
{
	struct id s = id_of('s', subject);

	fixture_begin(f);
	decide_link_propose(&f->asked, &f->account, provider, &s, &f->d);
	*no = f->d.no;
	return done(f);
}

struct request
link_of(uint32_t no)
{
	return (struct request){
	    .op = OP_LINK, .link_no = no, .target_no = no, .content = {{'l', (uint8_t)no}}};
}

/* The answer itself carries it out. */
enum reason
do_link(struct fixture *f, uint64_t provider, uint64_t subject, uint32_t by, uint32_t *no)
{
	enum reason reason = do_propose(f, provider, subject, no);
	struct request r = link_of(*no);
	struct id challenge;

	if (reason != REASON_ASKED)
		return reason;
	do_request(f, &r);
	prompted(f, by, &challenge);
	return (enum reason)f->d.reason;
}

enum reason
do_session(struct fixture *f, uint32_t link_no, struct id *session)
{
	fixture_begin(f);
	decide_session_open(&f->asked, &f->account, link_no, f->asked.now_ms, &f->d);
	*session = f->d.id;
	return done(f);
}

struct grant
grant_of(const struct fixture *f)
{
	return (struct grant){.kind = ALLOWANCE_SESSION,
	    .session = f->session,
	    .payee = id_of('m', 1),
	    .currency = CNY,
	    .per_payment_minor = 10000,
	    .per_day_minor = 20000,
	    .total_minor = 30000,
	    .expires_ms = f->asked.now_ms + 30 * DAY_MS};
}

struct request
grant_request(const struct fixture *f, const struct grant *g, uint32_t no)
{
	(void)f;
	return (struct request){.op = OP_GRANT,
	    .session = g->session,
	    .target_no = no,
	    .content = {{'g', (uint8_t)no, (uint8_t)(no >> 8)}}};
}

enum reason
do_grant(struct fixture *f, const struct grant *g, uint32_t by, struct id *id, uint32_t *no)
{
	struct id challenge;
	struct request r;

	fixture_begin(f);
	decide_grant(&f->asked, &f->account, g, &f->d);
	*id = f->d.id;
	*no = f->d.no;
	if (done(f) != REASON_ASKED)
		return (enum reason)f->d.reason;
	r = grant_request(f, g, *no);
	do_request(f, &r);
	prompted(f, by, &challenge);
	return (enum reason)f->d.reason;
}

struct limit
limit_of(uint32_t link_no, uint16_t currency)
{
	return (struct limit){.link_no = link_no,
	    .currency = currency,
	    .author = AUTHOR_USER,
	    .per_payment_minor = -1,
	    .per_day_minor = -1,
	    .per_month_minor = -1,
	    .count_day = -1,
	    .count_month = -1};
}

enum reason
do_limit(struct fixture *f, const struct limit *l, uint32_t by)
{
	struct hash content = {
	    {'m', (uint8_t)l->per_day_minor, (uint8_t)l->per_payment_minor, (uint8_t)l->link_no}};
	struct id challenge = {{0}};

	do {
		fixture_begin(f);
		decide_limit(&f->asked, &f->account, l, &challenge, &content, &f->d);
		fixture_commit(f);
	} while (prompted(f, by, &challenge));
	return (enum reason)f->d.reason;
}

enum reason
do_thaw(struct fixture *f, uint32_t link_no, enum author author, uint32_t by)
{
	struct hash content = {{'t', (uint8_t)link_no}};
	struct id challenge = {{0}};

	do {
		fixture_begin(f);
		decide_thaw(&f->asked, &f->account, link_no, author, &challenge, &content, &f->d);
		fixture_commit(f);
	} while (prompted(f, by, &challenge));
	return (enum reason)f->d.reason;
}

enum reason
do_view(struct fixture *f, uint32_t by)
{
	struct hash content = {{'v'}};
	struct id challenge = {{0}};

	do {
		fixture_begin(f);
		decide_view(&f->asked, &f->account, &challenge, &content, &f->d);
		fixture_commit(f);
	} while (prompted(f, by, &challenge));
	return (enum reason)f->d.reason;
}

/* --- what narrows it --- */

enum reason
do_freeze(struct fixture *f, uint32_t link_no, enum author author)
{
	fixture_begin(f);
	decide_freeze(&f->asked, &f->account, link_no, author, &f->d);
	return done(f);
}

enum reason
do_not_me(struct fixture *f, uint32_t link_no)
{
	fixture_begin(f);
	decide_not_me(&f->asked, &f->account, link_no, &f->d);
	return done(f);
}

enum reason
do_narrow(struct fixture *f, uint32_t link_no, enum link_state to)
{
	fixture_begin(f);
	decide_link_narrow(&f->asked, &f->account, link_no, to, &f->d);
	return done(f);
}

enum reason
do_signal(struct fixture *f, uint32_t link_no, enum signal_kind kind, uint32_t effects)
{
	fixture_begin(f);
	decide_signal(&f->asked, &f->account, link_no, kind, effects, 0, &f->d);
	return done(f);
}

enum reason
do_rekey(struct fixture *f, uint32_t link_no, uint64_t subject, enum author author)
{
	struct rekey r = {.link_no = link_no, .subject = id_of('s', subject), .author = author};

	fixture_begin(f);
	decide_link_rekey(&f->asked, &f->account, &r, &f->d);
	return done(f);
}

enum reason
do_rekey_undo(struct fixture *f, uint32_t link_no)
{
	struct rekey r = {.link_no = link_no, .author = AUTHOR_ADMIN, .undo = true};

	fixture_begin(f);
	decide_link_rekey(&f->asked, &f->account, &r, &f->d);
	return done(f);
}

enum reason
do_attest(struct fixture *f, uint32_t link_no, uint64_t kind, uint64_t by, uint64_t value, int64_t verified_ms)
{
	struct attesting what = {.link_no = link_no, .kind = kind, .by = by, .verified_ms = verified_ms,
	    .by_service = by == f->asked.service};

	if (value != 0)
		what.value = id_of('v', value);
	fixture_begin(f);
	decide_attest(&f->asked, &f->account, &what, &f->d);
	return done(f);
}

enum reason
do_refuse(struct fixture *f, const struct id *challenge, bool report)
{
	fixture_begin(f);
	decide_refuse(&f->asked, &f->account, challenge, report, &f->d);
	return done(f);
}

enum reason
do_revoke(struct fixture *f, uint32_t allowance_no)
{
	fixture_begin(f);
	decide_allowance_revoke(&f->asked, &f->account, allowance_no, &f->d);
	return done(f);
}

enum reason
do_close(struct fixture *f)
{
	fixture_begin(f);
	decide_close(&f->asked, &f->account, &f->d);
	return done(f);
}

int64_t
spent_day(const struct fixture *f, uint16_t currency)
{
	static const struct id whole;
	const struct counter *c = account_counter(&f->account, &whole, currency);

	return c == NULL || c->day != window_day(&f->policy, f->asked.now_ms) ? 0 : c->day_minor;
}
