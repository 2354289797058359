/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence on links: how it is told and shown. What it does is the core's (decide_attest()). */
#ifndef CS_ENGINE_EVIDENCE_H
#define CS_ENGINE_EVIDENCE_H

#include "broker/engine/engine.h"

/* The provider or service that vouches; "?" where the configuration has it no more. */
const char *evidence_by_name(const struct engine *e, uint64_t by, bool by_service);

#endif
