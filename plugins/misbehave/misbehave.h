/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this plugin share: its behaviours, and how a call is told one. */
#ifndef CS_PLUGIN_MISBEHAVE_H
#define CS_PLUGIN_MISBEHAVE_H

#include <stdbool.h>

#include "countersign/plugin.h"

#define BEHAVIOURS(X)                                                                              \
	X(honest)      /* says what was asked */                                                   \
	X(crash)       /* dies of SIGSEGV */                                                       \
	X(exit)        /* ends the process as if all were well */                                  \
	X(hang)        /* never returns, with every signal blocked */                              \
	X(slow)        /* takes half of the time that is left */                                   \
	X(lie_request) /* answers another call */                                                  \
	X(lie_subject) /* names another subject: mallory */                                        \
	X(lie_issuer)  /* names another issuer */                                                  \
	X(lie_audience) /* made for another client */                                              \
	X(lie_nonce)   /* made for another sign-in */                                              \
	X(lie_no_nonce) /* made for no sign-in at all */                                          \
	X(lie_time)    /* expired a day ago, and says so */                                        \
	X(lie_verdict) /* a factor: every answer is right, at a step that was used */              \
	X(lie_secret)  /* a factor: right, and exchanges what is kept of it */                     \
	X(lie_rests)   /* a factor: right, and says what it rests on, asked or not */             \
	X(lie_word)    /* a factor: right, and rests on what plugin.h does not know */             \
	X(lie_more)    /* a factor: asks for more, and does not say what */                        \
	X(lie_state)   /* a factor: right, and leaves a state all the same */                      \
	X(lie_passkey) /* a factor: asks for a passkey in the middle of a conversation */          \
	X(long)        /* a factor: shows all that there is room for, in bytes that JSON doubles */ \
	X(more)        /* a factor: right so far, one more question: honest */                     \
	X(lie_proof)   /* a token plugin: saw a proof where none was shown */                      \
	X(lie_score)   /* a risk plugin: 101 of 100 */                                             \
	X(lie_low)     /* a risk plugin: -1 */                                                     \
	X(garbage)     /* control characters and bytes that are no UTF-8 */                        \
	X(overflow)    /* claims to have written more than there was room for */                   \
	X(nonsense)    /* returns a result that does not exist */                                  \
	X(flood)       /* writes ten thousand lines to the log, then is honest */                  \
	X(refuse)      /* bad_token */                                                             \
	X(fail)        /* unreachable */

enum behaviour {
#define X(name) name##_behaviour,
	BEHAVIOURS(X)
#undef X
	BEHAVIOUR_COUNT
};

struct misbehave {
	const struct countersign_host_v1 *host;
	enum behaviour always;
	struct countersign_view issuer;
	bool prompts, code_alone;
};

/*
 * What this call is told, and what of it can be done before there is an answer. COUNTERSIGN_OK: go
 * on.
 */
int behave(struct misbehave *m, struct countersign_view input, const struct countersign_call *call,
    enum behaviour *as);
int put_request(enum behaviour as, const struct countersign_call *call, struct countersign_buffer *to);

/* doors.c. A token is its client's own name; a message is SUBJECT|EVENT|DETAIL, of this moment. */
int misbehave_check(void *instance, const struct countersign_token *in,
    struct countersign_token_answer *out);
int misbehave_signal(void *instance, const struct countersign_signal *in,
    struct countersign_signal_answer *out);

#endif
