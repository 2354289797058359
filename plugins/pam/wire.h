/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What plugin, keeper and PAM process say to each other, over sockets that keep messages apart. All three are one
 * program on one machine.
 *
 *	plugin ──request──► keeper ──answers──► PAM process (modules)
 *	       ◄──event────        ◄──event────
 */
#ifndef CS_PLUGIN_PAM_WIRE_H
#define CS_PLUGIN_PAM_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "countersign/plugin.h"

enum {
	WIRE_NAME_BYTES = 16,      /* of the keeper's address, which every user of the machine can list */
	WIRE_KEY_BYTES = 16,       /* what one must know beside it; nobody can list that */
	WIRE_PROMPTS_MAX = COUNTERSIGN_STEPS_MAX - 1, /* asked at once; the fourth step is for what is only shown */
	WIRE_LABEL_MAX = 200,      /* bytes of a prompt */
	WIRE_INFO_MAX = 1500,      /* bytes of what modules want shown, in lines */
	WIRE_ANSWER_MAX = 511,     /* bytes of one answer: PAM_MAX_RESP_SIZE with its NUL */
	WIRE_ANSWERS_MAX = 2048,   /* bytes of all answers to a round */
	WIRE_MESSAGE_MAX = 4096,
};

enum wire_type {
	/* requests */
	WIRE_ANSWERS = 'A',        /* round, then lines: answers to that round; then wait for what comes, be it the end */
	WIRE_WAIT = 'W',           /* wait for what comes; the end is told, and stays to be fetched by ANSWERS */
	WIRE_STATUS = 'S',         /* what is to be shown now, without waiting */
	WIRE_QUIT = 'Q',
	/* events */
	WIRE_PROMPTS = 'P',
	WIRE_INFO = 'I',
	WIRE_END = 'E',
};

struct wire_prompt {
	uint8_t hidden;            /* typed without being shown */
	char label[WIRE_LABEL_MAX + 1];
};

enum { WIRE_CRASHED = -1, WIRE_REFUSED = -2 };  /* codes beside those of PAM */

/* One message: a value on a socket between processes of one program. What a type does not need stays zero. */
struct wire {
	uint8_t type;              /* enum wire_type */
	uint8_t round;             /* of PROMPTS and ANSWERS: 1..., so that no answer meets a prompt that nobody saw */
	uint8_t prompts_count;
	uint8_t asked;             /* of END: something was asked in this conversation */
	int32_t code;              /* of END: what PAM returned, or WIRE_CRASHED, or WIRE_REFUSED: the answers were none */
	uint8_t key[WIRE_KEY_BYTES]; /* of requests */
	struct wire_prompt prompts[WIRE_PROMPTS_MAX];
	uint16_t text_len;
	char text[WIRE_ANSWERS_MAX]; /* of INFO, PROMPTS and END: lines to be shown; of ANSWERS: lines */
};

_Static_assert(sizeof(struct wire) < WIRE_MESSAGE_MAX, "one message, one packet");

/* Where a conversation is. */
struct wire_address {
	uint8_t name[WIRE_NAME_BYTES], key[WIRE_KEY_BYTES];
};

/* Whole messages alone. False: the other side is gone, or sent something else. */
bool wire_send(int fd, const struct wire *w);
bool wire_receive(int fd, struct wire *w);
/* A listening socket in the abstract name space, or a connection to one whose other side is of this user. -1: no. */
int wire_listen(const struct wire_address *at);
int wire_connect(const struct wire_address *at);
/* Whether the process at the other end of a Unix socket is of this user. */
bool wire_is_own(int fd);

#endif
