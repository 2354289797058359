/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy, a broker and one account for tests of the core, and the steps that the engine would
 * take: what is due first, then the decision, then every event, encoded and decoded, applied in
 * order, and the account encoded and decoded. Broken invariants abort, so that the same code serves
 * unit tests, the random walk and the fuzzer.
 */
#ifndef CS_TESTS_UNIT_CORE_FIXTURE_H
#define CS_TESTS_UNIT_CORE_FIXTURE_H

#include "broker/core/apply.h"
#include "broker/core/decide.h"
#include "broker/core/money.h"

#define CHECKOUT UINT64_C(101) /* a service with every right, over both doors */
#define WALLET UINT64_C(102)   /* a service with every right, over the socket only */
#define APPLE UINT64_C(201)
#define GOOGLE UINT64_C(202)
#define PLUGIN_TOTP UINT64_C(301)
#define PLUGIN_WEBAUTHN UINT64_C(302)
#define PLUGIN_OIDC UINT64_C(303)
#define PLUGIN_PAM UINT64_C(304)
#define PLUGIN_RECOVERY UINT64_C(305)
#define RISK_SCORES UINT64_C(401)
#define NOTIFY_HOOK UINT64_C(402)
#define VOUCHED_PHONE UINT64_C(501)
#define VOUCHED_DOCUMENT UINT64_C(502)

enum { CNY = 156, JPY = 392, BHD = 48, KWD = 414 };

/* 2026-03-10 12:00 in +08:00. */
#define NOON_MS INT64_C(1773115200000)
#define MINUTE_MS INT64_C(60000)

struct fixture {
	struct policy policy;
	struct broker_state broker;
	struct stack checkout, wallet;
	struct account account;
	struct asked asked;
	struct decision d;	/* the newest */
	struct apply_left left; /* what the newest step gave to the store */
	uint64_t ids;
	int64_t step;		 /* TOTP */
	uint32_t totp, webauthn; /* serials of the two factors */
	uint32_t apple, google;	 /* serials of the two links */
	struct id session;	 /* at the checkout, through Apple */
	unsigned applied;	 /* events so far */
	unsigned again;		 /* of them decided again, with the same outcome */
};

/* Policy and broker; the account is unknown. */
void fixture_init(struct fixture *f);
/* An account with two factors, two links and one session, all past their cooling-off. */
void fixture_ready(struct fixture *f);
/* Replaces a service's lines of one operation: each line without its operation, like "required
 * stepup any=totp". */
void fixture_stack(
    struct fixture *f, struct stack *s, const char *op, const char *const *lines, size_t n);
#define STACK(f, s, op, ...)                                                                       \
	fixture_stack((f), (s), (op), (const char *const[]){__VA_ARGS__},                          \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

struct id id_new(struct fixture *f);
/* The same bytes for the same number and kind of thing. */
struct id id_of(char kind, uint64_t n);

/* Before a decision: new ids, and what is due is done. */
void fixture_begin(struct fixture *f);
/* After a decision: its events happen. */
void fixture_commit(struct fixture *f);
void fixture_wait(struct fixture *f, int64_t ms);

/* A payment to payee 1; change what is to differ. */
struct request spend_of(const struct fixture *f, uint64_t payment, int64_t amount_minor);
/* What the card of a payment shows, digested. To be called again after a change. */
void spend_seal(struct request *r);

/* Each begins, decides and commits, and gives the reason; f->d has the rest. */
enum reason do_request(struct fixture *f, const struct request *r);
enum reason do_spend(struct fixture *f, uint64_t payment, int64_t amount_minor);
enum reason do_answer(
    struct fixture *f, const struct id *challenge, uint32_t factor_no, bool right);
enum reason do_answer_step(
    struct fixture *f, const struct id *challenge, uint32_t factor_no, int64_t step);
/* Asks, answers with this factor, asks again. */
enum reason do_countersigned(struct fixture *f, const struct request *r, uint32_t factor_no);
/* What a right answer of this factor brings: of printed codes the first that is left, of others a newer step. */
int64_t fixture_step(struct fixture *f, uint32_t factor_no);
/* The content of the enrolment is the kind. by: answers, where a countersignature is asked for; 0:
 * nobody does. */
enum reason do_enrol(struct fixture *f, enum factor_kind kind, uint64_t plugin, uint32_t by);
/* As it is written; e->factor and e->content are made here. */
enum reason do_enrolment(struct fixture *f, struct enrolment *e, uint32_t by);
enum reason do_remove(struct fixture *f, uint32_t factor_no, uint32_t by);
enum reason do_unlock(struct fixture *f, uint32_t factor_no, uint32_t by);
/* f->d.no of the last step is the link's serial in *no. */
enum reason do_link(
    struct fixture *f, uint64_t provider, uint64_t subject, uint32_t by, uint32_t *no);
enum reason do_propose(struct fixture *f, uint64_t provider, uint64_t subject, uint32_t *no);
struct request link_of(uint32_t no);
enum reason do_session(struct fixture *f, uint32_t link_no, struct id *session);
struct grant grant_of(const struct fixture *f);
/* *id is the allowance's, *no its serial. */
enum reason do_grant(
    struct fixture *f, const struct grant *g, uint32_t by, struct id *id, uint32_t *no);
struct request grant_request(const struct fixture *f, const struct grant *g, uint32_t no);
struct limit limit_of(uint32_t link_no, uint16_t currency);
enum reason do_limit(struct fixture *f, const struct limit *l, uint32_t by);
enum reason do_freeze(struct fixture *f, uint32_t link_no, enum author author);
enum reason do_thaw(struct fixture *f, uint32_t link_no, enum author author, uint32_t by);
/* Opens the owner's page, by that factor where it is asked for one. */
enum reason do_view(struct fixture *f, uint32_t by);
enum reason do_not_me(struct fixture *f, uint32_t link_no);
enum reason do_narrow(struct fixture *f, uint32_t link_no, enum link_state to);
enum reason do_signal(struct fixture *f, uint32_t link_no, enum signal_kind kind, uint32_t effects);
/* To that subject; by an admin, or by what a sign-in proved. */
enum reason do_rekey(struct fixture *f, uint32_t link_no, uint64_t subject, enum author author);
enum reason do_rekey_undo(struct fixture *f, uint32_t link_no);
/* value 0: not said. by: a provider's tag, or the asking service. */
enum reason do_attest(
    struct fixture *f, uint32_t link_no, uint64_t kind, uint64_t by, uint64_t value, int64_t verified_ms);
enum reason do_refuse(struct fixture *f, const struct id *challenge, bool report);
enum reason do_revoke(struct fixture *f, uint32_t allowance_no);
/* By the number of the payment, at the asking service. */
enum reason do_capture(struct fixture *f, uint64_t payment, uint64_t capture, int64_t amount_minor);
enum reason do_release(struct fixture *f, uint64_t payment);
enum reason do_refund(struct fixture *f, uint64_t payment, uint64_t refund, int64_t amount_minor);
enum reason do_close(struct fixture *f);

/* What the account has spent in the running day or month, in all. */
int64_t spent_day(const struct fixture *f, uint16_t currency);

#endif
