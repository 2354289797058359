/* SPDX-License-Identifier: Apache-2.0 */
/* How a subject is named: the claim that makes a link unique, and the state that people are told. */
#ifndef CS_ENGINE_LOOKUP_H
#define CS_ENGINE_LOOKUP_H

#include "broker/engine/call.h"

/* "active", "cooling_off", ... */
const char *link_state_name(const struct engine *e, const struct link *l);
/* The unique key of (realm, provider, issuer, subject); also the subject's digest in the account's state. */
struct id subject_claim(const struct engine *e, const char *provider, struct view issuer, struct view subject);
/* The link by which this subject stands for the account: active or suspended; NULL where there is none. */
const struct link *link_of_subject(const struct account *a, const struct id *claim);
/* Asks the store who has this claim; the call is held. */
void claim_holder(struct call *call, const struct id *claim, store_find_fn *done);
/* The same, also by the name that it was moved from: for what only takes power away. */
const struct link *link_of_any_name(const struct account *a, const struct id *claim);
/* The provider's one issuer as configured, or NULL. */
const char *provider_issuer(const struct engine *e, const char *provider);

#endif
