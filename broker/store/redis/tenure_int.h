/* SPDX-License-Identifier: Apache-2.0 */
/* Inside tenure: tenure.c (states, proofs), repair.c (what is lost, put back, held), tenure_admin.c (put out, forget, release). */
#ifndef CS_STORE_REDIS_TENURE_INT_H
#define CS_STORE_REDIS_TENURE_INT_H

#include "broker/base/bytes.h"
#include "broker/store/redis/commit_code.h"
#include "broker/store/redis/scripts.h"
#include "broker/store/redis/tenure.h"

struct redisReply;

enum {
	/* Of an entry in the repair area: kind, key, revision, member. Two members' entries never share one; of one member's, see putback.lua. */
	REPAIR_FIELD_BYTES = 1 + STORE_KEY_BYTES + 8 + JOURNAL_MEMBER_TEXT - 1,
	REPAIR_COUNT_BYTES = 8,         /* before the body of its value */
	PUT_ENTRIES = 128,              /* in one script */
	PUT_BYTES = 512 * 1024,         /* then no more are added */
	WAITS_KEPT = 4,                 /* ids that a bucket remembers to wait for */
};

/* What prove.lua and its like answer. */
enum proof_answer {
	PROOF_OPEN = 1,
	PROOF_LOST,
	PROOF_WAITING,
	PROOF_REPAIR,
	PROOF_LEARN,
	PROOF_TENURE,
	PROOF_HELD,
	PROOF_JOINING,
};

struct repair {
	uint8_t (*fields)[REPAIR_FIELD_BYTES]; /* in order: of a record, by growing revision */
	size_t fields_n, at;
	char head_tenure[FLEET_TENURE_TEXT + 1]; /* "~" before the tenure, or the tenure of an open bucket */
	bool late;                             /* it is open: others have gone on without what is put back */
	bool fits;                             /* the entry at `at` */
	uint64_t segment;
	struct bytes value;                    /* of the entry at `at` */
	struct view parts[COMMIT_GROUNDS_MAX + 1]; /* of that, where it is a commit: its ground, then itself */
	size_t parts_n, part, met; /* met: how often what is there was another than this part fits on, at the end of a way */
	bool upwards;                          /* a part of the ground was applied: those after it follow */
	struct commit_image image;
	struct commit_call call;
};

struct tenure_bucket {
	struct tenure *t;
	unsigned index;
	enum tenure_state state;
	char tenure[FLEET_TENURE_TEXT]; /* that is being proved, or was */
	char proved[FLEET_TENURE_TEXT]; /* under which a proof was last answered */
	uint32_t turn;
	bool busy;                      /* a script is under way */
	bool looking;                   /* its head is being looked at */
	bool doubted;                   /* while it was: what it says is not enough */
	unsigned tries;
	int64_t due_ms;
	struct repair *repair;
	char waits[WAITS_KEPT][JOURNAL_MEMBER_TEXT];
	size_t waits_n;
};

/* What is known of another member. */
struct peer {
	char id[JOURNAL_MEMBER_TEXT];
	bool confirmed;        /* it has us in its journal */
	int64_t live_until_ms; /* until then its mark alone is not believed: it will prove itself in a moment */
};

/* A member that is being put out of all buckets. */
struct out {
	char id[JOURNAL_MEMBER_TEXT];
	struct out *next;
	uint8_t done[JOURNAL_BUCKETS / 8], asked[JOURNAL_BUCKETS / 8];
};

struct tenure {
	struct tenure_options o;
	unsigned n; /* buckets */
	struct tenure_bucket buckets[JOURNAL_BUCKETS];
	unsigned open_n;
	unsigned look_at;         /* the next open bucket to be looked at again */
	unsigned sweep_at;        /* the next one that is not open to be asked for */
	int64_t looked_ms;
	int64_t swept_ms;  /* when all buckets were looked through */
	int64_t told_ms;   /* when a bucket's trouble was told last */
	int64_t now_ms, whole_ms; /* since when all are open; -1: they are not */
	int64_t time_us;          /* the greatest of the owners' clocks, of this tick */
	struct peer *peers;
	size_t peers_n;
	bool barred, leaving;
	struct out *outs;
	struct tenure_status count;
};

/* tenure.c */
/* Asks for a proof now, or as soon as the owner is known. */
void bucket_step(struct tenure_bucket *b);
/* The script under way has ended; goes on after so long, twice as long each time where `backs_off`. */
void bucket_later(struct tenure_bucket *b, int64_t ms, bool backs_off);
/* The first number of a reply that is an array; 0 where it is none. */
long long proof_code(const struct redisReply *r);
struct view proof_text(const struct redisReply *r, size_t i);

/* repair.c: each asks; the bucket is busy until its last answer, and is stepped then. */
/* Puts what is missing after that count into the repair area. */
void repair_put(struct tenure_bucket *b, uint64_t after_n);
/* Applies what lies in the repair area. */
void repair_apply(struct tenure_bucket *b, struct view head_tenure);
void repair_free(struct repair *r);

/* tenure_admin.c */
void outs_sweep(struct tenure *t);
/* The bucket was closed: its marks are no longer certain. */
void outs_reset(struct tenure *t, unsigned bucket);

#endif
