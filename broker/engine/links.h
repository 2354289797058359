/* SPDX-License-Identifier: Apache-2.0 */
/* From an identity to a proposed link and its challenge: what Links.Complete and a browser's return share. */
#ifndef CS_ENGINE_LINKS_H
#define CS_ENGINE_LINKS_H

#include "broker/engine/identify.h"
#include "broker/engine/txn.h"

/* err: CS_OK: decided; CS_ERR_UNAVAILABLE: the store cannot tell. */
struct link_result {
	enum cs_err err;
	struct signin *signin;      /* to be ended; in SIGNIN_CHECKING */
	struct txn *txn;            /* of CS_OK, as the rest */
	const struct account *account;
	const struct link *link;    /* that was proposed, or NULL */
	const struct decision *decision;
};

/* Answers the call. */
typedef void link_end_fn(struct call *call, const struct link_result *result);

/* For the service that the call's caller is, and the sign-in's account. The call is held, and released once answered. */
void link_propose(struct call *call, struct signin *s, const struct identity *who, link_end_fn *end);

/* Another account holds the ID of this link, or of this sign-in: that it was tried is an event. */
void link_deny_taken(struct txn *t, struct account *a, const struct engine *e, uint64_t service, uint64_t provider);

/* An object: a Link of the interface. name NULL: as an element. */
void answer_link(struct json_writer *w, const char *name, struct call *call, const struct txn *t,
    const struct account *a, const struct link *l);

/* Suspends or revokes the link, with the words of who asked; the subject of one that is revoked is free again. */
void link_narrow(struct txn *t, struct account *a, struct call *call, const struct link *l, enum link_state to,
    struct view words);
/*
 * The user's thaw of a link: *d is a permit, carried out, or a step_up, opened, or a denial. False: plugins are asked first,
 * and `again` is run with what they say.
 */
bool link_resume(struct txn *t, struct account *a, struct call *call, const struct link *l, struct view return_url,
    txn_fn *again, struct decision *d);

#endif
