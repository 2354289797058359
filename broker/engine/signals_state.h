/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of security events share; private to them. */
#ifndef CS_ENGINE_SIGNALS_STATE_H
#define CS_ENGINE_SIGNALS_STATE_H

#include "broker/engine/signals.h"

/* One event of a message. */
struct signal_event {
	enum signal_kind kind;
	bool good;                     /* its detail makes it good news */
	int64_t at_ms;                 /* -1: not said */
	struct id claim;               /* of its subject; zero: it names none that a link could have */
	struct id once;                /* of message, event and subject: counts once */
	char name[SIGNAL_NAME_MAX + 1], detail[SIGNAL_TEXT_MAX + 1];
};

/*
 *	ASKED    the plugin looks at it
 *	READY    the next event may be looked at, or none is left
 *	BUSY     the store or a transaction has it
 *	UNKNOWN  all is looked at; its unknown subjects are to be counted in the broker's record
 *	FAILED   nothing more is done with it
 */
enum signal_job_state { SIGNAL_JOB_ASKED, SIGNAL_JOB_READY, SIGNAL_JOB_BUSY, SIGNAL_JOB_UNKNOWN, SIGNAL_JOB_FAILED };

struct signal_job {
	struct signal_job *next;
	struct call *call;             /* NULL: it was answered where its transaction failed */
	signal_done_fn *done;
	void *ctx;                     /* of done */
	uint64_t provider;             /* tag */
	uint8_t state, events_n, at;
	bool applied, duplicate;       /* of its events: one had its commit, one was there before */
	bool sure;                     /* of the event at hand: the account is known to be as it is looked at */
	uint16_t unknown_n;
	struct id message;             /* of provider, issuer and id; zero while it is not known */
	struct id account;             /* that has the subject of the event at hand */
	char issuer[SIGNAL_TEXT_MAX + 1], id[SIGNAL_TEXT_MAX + 1];
	struct signal_event events[SIGNAL_EVENTS_MAX];
};

struct signal_ack {
	char id[SIGNAL_TEXT_MAX + 1];
};

/* A provider; kept by its tag while the engine runs. */
struct signal_source {
	uint64_t provider;
	bool polling, more, silent, heard_again;
	int64_t next_poll_ms;          /* boot clock */
	uint32_t sets_open;            /* of the poll at hand: sets that are not finished */
	uint32_t taken_n, refused_n, told_n, told_refused_n; /* told: those that the poll on its way tells of */
	struct signal_ack taken[SIGNAL_ACKS_MAX], refused[SIGNAL_ACKS_MAX];
	int64_t unknown_n;             /* not yet in the broker's record */
	enum signal_kind unknown_kind;
	struct id unknown_claim;       /* where there is one alone */
	int64_t unknown_boot_ms;       /* when they were written last */
	char state[SIGNAL_STATE_MAX + 1]; /* of the verification that is expected, or empty */
	struct signal_stats stats;
};

/* As many as are configured, and as many that a reload took away while something of them was on its way. */
enum { SIGNAL_SOURCES_MAX = 2 * POLICY_PROVIDERS_MAX };

struct signals {
	struct signal_job *jobs;
	uint32_t jobs_n;
	uint32_t sources_n;
	struct signal_source sources[SIGNAL_SOURCES_MAX];
	int64_t started_ms;            /* wall clock of the first tick */
};

/* Made where it is not there yet; never NULL for a configured provider. */
struct signal_source *signal_source(struct engine *e, uint64_t provider);
/* Something came from the provider. */
void signal_heard(struct engine *e, struct signal_source *s);
/* An event whose subject nobody has linked. */
void signal_unknown(struct signal_source *s, const struct signal_event *ev);

/* signal_take.c: one step of a message; signal_poll.c: what is due at one provider. */
void signal_job_step(struct engine *e, struct signal_job *job);
/* Ends it, and frees it. */
void signal_job_end(struct engine *e, struct signal_job *job, enum signal_end end, const char *err,
    const char *description);
/* Milliseconds until it is due; INT64_MAX: it is not polled. */
int64_t signal_poll_tick(struct engine *e, struct signal_source *s, const struct config_provider *p);

#endif
