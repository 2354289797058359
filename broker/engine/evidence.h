/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence on links: how it comes, and how it is told and shown. What it does is the core's (decide_attest()). */
#ifndef CS_ENGINE_EVIDENCE_H
#define CS_ENGINE_EVIDENCE_H

#include "broker/engine/txn.h"

struct identity;
struct identity_fact;

enum { EVIDENCE_KIND_MAX = 32, EVIDENCE_VALUE_MAX = 254 };

/* The provider or service that vouches; "?" where the configuration has it no more. */
const char *evidence_by_name(const struct engine *e, uint64_t by, bool by_service);

/* One line of a plugin, "KIND SECONDS [VALUE]" (plugin.h). False where it is none; then *f is half read. */
bool evidence_read(const struct engine *e, struct view line, struct identity_fact *f);
/* What the provider vouched for at this sign-in stands on the link, or is found to have changed. */
void evidence_of_signin(struct txn *t, struct account *a, struct call *call, uint32_t link_no, const struct identity *who);
/* The texts of a link's evidence go with it. */
void evidence_drop(const struct account *a, uint32_t link_no, struct extra *extra);
/* A member `evidence`: an array; none where nobody vouches for anything. */
void answer_evidence(struct json_writer *w, const struct engine *e, const struct account *a, struct view cold,
    const struct link *l);

#endif
