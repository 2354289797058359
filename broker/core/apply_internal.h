/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of apply(); private to core. Each answers false where the event does not fit the state. */
#ifndef CS_CORE_APPLY_INTERNAL_H
#define CS_CORE_APPLY_INTERNAL_H

#include "broker/core/apply.h"

#define ARRAY_DROP(array, n, i) \
	do { \
		memmove(&(array)[i], &(array)[(i) + 1], ((size_t)(n) - (i) - 1) * sizeof((array)[0])); \
		(n)--; \
	} while (0)

/* The serial of something new. */
static inline bool
take_no(struct account *a, int64_t no)
{
	if (no != a->next_no)
		return false;
	a->next_no++;
	return true;
}

bool apply_permitted(struct account *a, const struct event *e, struct apply_left *left);
bool apply_captured(struct account *a, const struct event *e, struct apply_left *left);
bool apply_given_back(struct account *a, const struct event *e, struct apply_left *left);
bool apply_refunded(struct account *a, const struct event *e, struct apply_left *left);

/* apply_factor.c */
bool apply_factor_enrolled(struct account *a, const struct event *e, struct apply_left *left);
bool apply_factor_removed(struct account *a, const struct event *e, struct apply_left *left);
bool apply_factor_unlocked(struct account *a, const struct event *e, struct apply_left *left);
/* What was replaced by a factor that is usable now goes. Every event begins with it. */
void factors_settle(struct account *a, int64_t time_ms);

/* apply_link.c */
bool apply_link_rekeyed(struct account *a, const struct event *e, struct apply_left *left);
bool apply_link_attested(struct account *a, const struct event *e, struct apply_left *left);
/* Evidence on a link that went, or was given up, is nobody's. */
void facts_drop(struct account *a, uint32_t link_no);
/* Lowers what anybody vouches for on the link: of that kind (0: of every kind), but what is of that value (or NULL). */
void facts_lower(struct account *a, uint32_t link_no, uint64_t kind, const struct id *but, int64_t ms);
/* A subject of the account goes by another name: what was counted, limited or frozen for it is so still. */
void subject_moves(struct account *a, const struct id *from, const struct id *to);

bool apply_challenge_opened(struct account *a, const struct event *e, struct apply_left *left);
bool apply_answered(struct account *a, const struct event *e, struct apply_left *left);
bool apply_failed(struct account *a, const struct event *e, struct apply_left *left);
bool apply_refused(struct account *a, const struct event *e, struct apply_left *left);

/* signal.c */
bool apply_signalled(struct account *a, const struct event *e, struct apply_left *left);
/* This session was countersigned: what was paused before it was opened goes on. */
void allowances_resume(struct account *a, const struct session *s);
/* Nothing of the newest security event stands any more, where that is so. */
void signal_lifted(struct account *a, uint32_t link_no);

struct challenge *challenge_by_no(struct account *a, uint32_t no);
/* Marks the countersignature that an event names as used. False where it is not there to be used. */
bool challenge_use(struct account *a, int64_t no);
/* Voids open and unredeemed challenges of a link (0: of all), but the one with serial `but`. */
void challenges_void(struct account *a, uint32_t link_no, uint32_t but);
void allowances_void(struct account *a, uint32_t link_no);
void sessions_drop(struct account *a, uint32_t link_no);
/* Each number becomes the smaller of both. */
void limit_narrow(struct limit *l, const struct limit *by);
/* Holds of a link (0: of all) are given up; what they counted stays counted. */
void holds_void(struct account *a, uint32_t link_no);

#endif
