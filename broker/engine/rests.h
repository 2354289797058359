/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin says that a new factor rests on, as the core keeps it for rule 11. */
#ifndef CS_ENGINE_RESTS_H
#define CS_ENGINE_RESTS_H

#include "broker/base/json.h"
#include "broker/core/decide.h"

struct rests {
	/*
	 * Tags (name_tag) of whole words: a mail domain with its parents of two labels or more, a phone number's
	 * beginnings of one to four digits, an AAGUID. No address and no number is kept.
	 */
	uint64_t of[FACTOR_RESTS_MAX];
	uint8_t n, copies;        /* enum copies */
	bool attested;
};

/* The array `rests_on` of a worker's answer. False where it is malformed, contradicts itself or is too much. */
bool rests_read(const struct json *doc, uint32_t array, struct rests *out);

#endif
