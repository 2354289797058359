/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups in the policy and in the broker's state. The arrays are short and dense: a walk is as
 * fast as anything.
 */
#include "broker/core/policy.h"

const struct policy_service *
policy_service(const struct policy *p, uint64_t tag)
{
	for (size_t i = 0; i < p->services_n; i++) {
		if (p->services[i].tag == tag)
			return &p->services[i];
	}
	return NULL;
}

const struct policy_provider *
policy_provider(const struct policy *p, uint64_t tag)
{
	for (size_t i = 0; i < p->providers_n; i++) {
		if (p->providers[i].tag == tag)
			return &p->providers[i];
	}
	return NULL;
}

const struct policy_limit *
policy_limit(const struct policy_limit *limits, size_t n, uint16_t currency)
{
	for (size_t i = 0; i < n; i++) {
		if (limits[i].currency == currency)
			return &limits[i];
	}
	return NULL;
}

const struct broker_provider *
broker_provider(const struct broker_state *b, uint64_t tag)
{
	for (size_t i = 0; i < b->providers_n; i++) {
		if (b->providers[i].tag == tag)
			return &b->providers[i];
	}
	return NULL;
}
