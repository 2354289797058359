/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared store: records, their log, claims and payments in Redis (one server, Sentinel or Cluster), written by many
 * brokers at a time. See README.md for what lies where, the life of a commit, and what is promised.
 */
#ifndef CS_STORE_REDIS_REDIS_H
#define CS_STORE_REDIS_REDIS_H

#include "broker/store/redis/fleet.h"
#include "broker/store/store.h"

enum {
	STORE_REDIS_WHY_TEXT = 320,
	STORE_REDIS_CALLS_MAX = 16384, /* open at a time; more are answered with CS_ERR_UNAVAILABLE */
};

struct store_redis_options {
	/*
	 * scripts are set by the store. timeout_ms is that of a whole call of the store; a command gets half of it, so that
	 * one whose fate is unknown is asked again in time.
	 */
	struct fleet_options fleet;
	const char *name;         /* of this broker, as the other brokers and people see it */
	const char *journal_path; /* this broker's own file, made when absent */
	int64_t journal_keep_ms;  /* 0: the journal's default */
	uint64_t journal_bytes;   /* that it may grow to; 0: the journal's default */
	struct store_key realm;   /* digest of what must be the same for all brokers of a store: their key file */
	int64_t lease_ms;         /* how old the view of what is shared may be; 0: 1 s */
	size_t cache_bytes;       /* encoded states kept in memory; 0: 64 MiB */
	int64_t open_ms;          /* how long opening may take, 0: 10 s */
};

/*
 * Connects, proves that nothing acknowledged is missing, and joins the other brokers; waits for that, polling itself.
 * `poller` is used from the return on, and must live as long as the store. On failure *why holds one sentence for the
 * admin: what, where, how to mend. CS_ERR_UNAVAILABLE: the servers or the other brokers were not there in time.
 */
enum cs_err store_redis_open(
    const struct store_redis_options *options, const struct poller *poller, struct store **s, char why[STORE_REDIS_WHY_TEXT]);

#endif
