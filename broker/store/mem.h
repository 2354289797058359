/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in memory: the oracle of the contract suite, and the one that misbehaves for the simulator. Everything
 * random comes from the seed, so that a run repeats.
 */
#ifndef CS_STORE_MEM_H
#define CS_STORE_MEM_H

#include "broker/store/store.h"

struct store_mem_options {
	uint64_t seed;
	/* Chances in 1/1000. All zero: an honest, immediate store. */
	uint16_t delay;        /* a completion waits for one of the next flushes or idles; what is read is read then */
	uint16_t reorder;      /* waiting completions run in another order */
	uint16_t fail;         /* CS_ERR_UNAVAILABLE, nothing written */
	uint16_t lose_reply;   /* written, but answered CS_ERR_UNKNOWN */
	uint16_t lose_write;   /* not written, answered CS_ERR_UNKNOWN */
	uint16_t conflict;     /* CS_ERR_CONFLICT although the revision fits, nothing written */
	uint32_t conflicts;    /* not a chance: so many of the next commits meet a conflict */
	uint32_t history;      /* not a chance: so many durable commits can be forgotten; as given to store_mem_open() */
};

/* options NULL: honest. */
struct store *store_mem_open(const struct store_mem_options *options);
/*
 * Takes back what was not flushed, as a crash does, and runs no completion. Afterwards s is as a store that was opened
 * again; only outside completions.
 */
void store_mem_crash(struct store *s);
/*
 * The last n commits never were, although they were answered: as of a server whose place another one took that had not heard
 * of them. At most `history`; gives how many. Right after a flush.
 */
size_t store_mem_forget(struct store *s, size_t n);
/* Changes the chances from here on. */
void store_mem_misbehave(struct store *s, const struct store_mem_options *options);

#endif
