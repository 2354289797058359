/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What claims and scans need to know of tenure.h: whether a bucket may be asked, under which tenure, and whether it has
 * been open without a pause since then, without which an answer counts for nothing.
 */
#ifndef CS_STORE_REDIS_GATE_H
#define CS_STORE_REDIS_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "broker/store/redis/fleet.h"

struct gate {
	const char *(*open)(void *ctx, unsigned bucket);   /* as tenure_open() */
	uint32_t (*turn)(void *ctx, unsigned bucket);      /* as tenure_turn() */
	void (*doubt)(void *ctx, unsigned bucket);         /* as tenure_doubt() */
	void *ctx;
};

/* What was noted when something was asked. */
struct gate_pass {
	unsigned bucket;
	uint32_t turn;
	char tenure[FLEET_TENURE_TEXT];
};

/* False: the bucket is not open; what opens it is under way. */
static inline bool
gate_enter(const struct gate *g, unsigned bucket, struct gate_pass *pass)
{
	const char *tenure = g->open(g->ctx, bucket);

	if (tenure == NULL)
		return false;
	pass->bucket = bucket;
	pass->turn = g->turn(g->ctx, bucket);
	(void)snprintf(pass->tenure, sizeof(pass->tenure), "%s", tenure);
	return true;
}

static inline bool
gate_holds(const struct gate *g, const struct gate_pass *pass)
{
	const char *tenure = g->open(g->ctx, pass->bucket);

	return tenure != NULL && g->turn(g->ctx, pass->bucket) == pass->turn && strcmp(tenure, pass->tenure) == 0;
}

#endif
