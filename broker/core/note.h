/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes: what a line of a stack says about the law that it serves, by `note=NAME`. A note of a line that answered success
 * in the pass that gave a permit or a step_up stands in the event, in explain and in the answer.
 */
#ifndef CS_CORE_NOTE_H
#define CS_CORE_NOTE_H

#include "broker/base/buf.h"

/* X(enum, name, text): the numbers are stored, so the order only grows at its end, and never beyond 31. */
#define NOTES(X) \
	X(LIABILITY_INSTITUTION, "liability-institution", \
	    "the institution bears the whole loss (PBOC 2015 No. 43, Art. 24(3))") \
	X(LIABILITY_CONTRACT, "liability-contract", "the contract says who bears the loss (PBOC 2015 No. 43, Art. 24)") \
	X(SCA_EXEMPT_CONTACTLESS, "sca-exempt-contactless", \
	    "no strong customer authentication: contactless at the point of sale (PSD2 RTS, Art. 11)") \
	X(SCA_EXEMPT_TRUSTED, "sca-exempt-trusted", \
	    "no strong customer authentication: trusted beneficiary (PSD2 RTS, Art. 13)") \
	X(SCA_EXEMPT_RECURRING, "sca-exempt-recurring", \
	    "no strong customer authentication: recurring transaction (PSD2 RTS, Art. 14)") \
	X(SCA_EXEMPT_LOW_VALUE, "sca-exempt-low-value", \
	    "no strong customer authentication: low-value transaction (PSD2 RTS, Art. 16)") \
	X(AFA_EXEMPT_RECURRING, "afa-exempt-recurring", \
	    "no additional factor of authentication: recurring transaction (RBI e-mandate framework)") \
	X(COOLING_OFF, "cooling-off", "within a cooling-off period (MAS shared responsibility framework)")

enum note {
	NOTE_NONE,
#define X(id, name, text) NOTE_##id,
	NOTES(X)
#undef X
	NOTE__COUNT
};

_Static_assert(NOTE__COUNT <= 32, "a mask of notes fits 32 bits");

/* The bit of a note in a mask; of NOTE_NONE nothing. */
static inline uint32_t
note_bit(enum note note)
{
	return note == NOTE_NONE ? 0 : UINT32_C(1) << note;
}

/* "" for NOTE_NONE. */
const char *note_name(enum note note);
const char *note_text(enum note note);
/* NOTE_NONE where there is no such word. */
enum note note_find(struct view name);

#endif
