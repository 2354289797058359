/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence on links. */
#include "broker/engine/evidence.h"

const char *
evidence_by_name(const struct engine *e, uint64_t by, bool by_service)
{
	return by_service ? ruleset_service_name(e->rules, by) : ruleset_provider_name(e->rules, by);
}
