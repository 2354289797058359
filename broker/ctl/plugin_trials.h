/* SPDX-License-Identifier: Apache-2.0 */
/* What is tried against a plugin of each kind: a table, run by plugin_test.c. */
#ifndef CS_CTL_PLUGIN_TRIALS_H
#define CS_CTL_PLUGIN_TRIALS_H

#include "broker/ctl/plugin_hostile.h"
#include "broker/ctl/plugin_worker.h"

enum { TRIAL_SECRET_MAX = 4096 };

/* What trials of one kind know of each other. */
struct tester {
	struct trial_worker worker;
	const char *kind;
	char issuer[512];           /* of its settings, or one of ours */
	char client[256];           /* likewise: who tokens and codes are for */
	int64_t now_ms;
	struct bytes input;         /* of the present variant */
	char secret[TRIAL_SECRET_MAX], other_secret[TRIAL_SECRET_MAX]; /* of two accounts, base64url; "": none yet */
	bool addressed;             /* the enrolment in hand has an address */
	char said[WORKER_SAID_MAX]; /* a judge's sentence, where it is no constant */
};

struct trial {
	const char *kind;           /* NULL: of all */
	const char *tried;
	const char *method;
	int64_t deadline_ms;        /* 0: the block's */
	bool answers;               /* a sound plugin answers: a refusal is a failure, and unreachable is told */
	/* Writes the i-th variant; NULL: there are no more. */
	const char *(*put)(struct tester *t, struct json_writer *w, size_t i);
	/* Of a reply: NULL, or what is wrong with it. */
	const char *(*judge)(struct tester *t);
};

/* Ended by method NULL; in the order in which they are tried. */
extern const struct trial trials[];

#endif
