/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls of Factors and those of the enrolment page share. */
#ifndef CS_ENGINE_ENROL_H
#define CS_ENGINE_ENROL_H

#include "broker/engine/device.h"
#include "broker/engine/enrolment.h"
#include "broker/engine/stepup.h"

/* In the call's memory while an enrolment is being finished; a page puts its own behind it. */
struct finish {
	struct view enrolment;
	uint32_t answers;
	struct id id;
	struct stepup given;
	int64_t asked_ms, step;
	bool asking;
	char device[DEVICE_COOKIE_TEXT]; /* of a factor that approves: for the page's browser to keep */
	bool has_device;
	/* what a page adds to each reply: given what has become of the enrolment, "open", "done" or "denied" */
	void (*more)(struct json_writer *w, struct call *call, const char *state);
};

/* The factor in whose place the new one comes, of this account; answers the call itself where there is none. */
bool enrol_replaced(struct call *call, const struct account *a, const struct id *replaces, uint32_t *no);
/* Kept for the page: the array of steps alone. False: it is more than plugins may say. */
bool enrol_keep_shown(struct enrolling *en, const struct json *doc, uint32_t steps);
/* What the countersignature is for. */
enum op enrol_op(bool recovers);
/* With the enrolment's id and the answers in the call's memory, and the service that began it as the caller. */
void enrol_finish(struct call *call);

#endif
