/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The brokers that share the store: their beats, the lease on the view of what is shared, and which of them leads. A
 * member beats four times in a lease. Its view is fresh for one lease from the moment when it sent the last beat that
 * came back; a member that has not beaten for a lease and a quarter is silent, and the leader puts it out of the buckets
 * (tenure.h). Nothing here is needed for safety of what was acknowledged: README.md, "Repair".
 */
#ifndef CS_STORE_REDIS_MEMBERS_H
#define CS_STORE_REDIS_MEMBERS_H

#include "broker/store/redis/tenure.h"

enum {
	MEMBERS_LEASE_MS_DEFAULT = 1000,
	MEMBERS_LEASE_MS_MIN = 200,     /* below it a busy machine loses its lease by chance */
};

struct members;

struct members_options {
	struct fleet *fleet;
	const struct layout *layout;
	struct journal *journal;
	struct tenure *tenure;
	const char *name;
	int64_t lease_ms;               /* 0: the default */
};

/* All is borrowed and must live as long. */
struct members *members_new(const struct members_options *o);
void members_free(struct members *m); /* after fleet_free() */
/* Milliseconds until it wants to be called again. */
int64_t members_tick(struct members *m, int64_t now_mono_ms);

/* What store_view() tells. Cheap. */
struct store_view members_view(const struct members *m, int64_t now_mono_ms);
int64_t members_fresh_for_ms(const struct members *m, int64_t now_mono_ms);

struct member_status {
	char id[JOURNAL_MEMBER_TEXT], name[JOURNAL_NAME_TEXT];
	bool self, live, leads;
	int64_t beat_ms;                /* since its last beat was seen; -1: never */
};
/* Returns how many were written. */
size_t members_status(const struct members *m, int64_t now_mono_ms, struct member_status *to, size_t max);
/* By name or id: CS_ERR_NOT_FOUND; CS_ERR_CONFLICT where several have the name (then the id is needed). */
enum cs_err members_find(const struct members *m, const char *name, int64_t now_mono_ms, struct member_status *out);
/* "" where all is well; else one sentence: another process uses this broker's journal, or the store was moved into a file. */
const char *members_why(const struct members *m);

#endif
