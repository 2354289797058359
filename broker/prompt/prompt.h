/* SPDX-License-Identifier: Apache-2.0 */
/* countersign-prompt: what its files share. See countersign-prompt(1). */
#ifndef CS_PROMPT_PROMPT_H
#define CS_PROMPT_PROMPT_H

#include <signal.h>

#include "broker/base/bytes.h"
#include "broker/base/json.h"
#include "countersign/client.h"

/* Exit statuses: one for each way that a challenge can end, so that a script knows without reading. */
enum prompt_exit {
	PROMPT_DONE = 0,
	PROMPT_REFUSED = 1,     /* or denied */
	PROMPT_MISUSE = 2,
	PROMPT_EXPIRED = 3,     /* or used already, or never there */
	PROMPT_LOCKED = 4,
	PROMPT_UNREACHABLE = 5, /* the broker, or it does not let us ask */
	PROMPT_OPEN = 6,        /* the user left; the challenge is still open */
};

enum { PROMPT_OUT_MAX = 256 * 1024 };

struct prompt {
	struct cs *broker;
	bool json;        /* events on stdout, answers on stdin */
	bool utf8, color, zh;
	int tty;          /* -1 with --json */
	bool said_wait;   /* once is enough */
	bool card_shown;
	struct bytes out; /* of what is being printed */
	char in[CS_MESSAGE_MAX]; /* --json: what came and was not read yet */
	size_t in_len;
	bool in_ended;
};

/* --- text.c: everything from outside goes through text_put --- */

/* Control characters, bidi controls and broken bytes become \x1b, \u{202e}; beyond ASCII too where the terminal has no UTF-8. */
void text_put(struct prompt *p, const char *text);
/* The same, line by line. */
void text_put_lines(struct prompt *p, const char *text);
/* Our own words and escape sequences, as they are. */
void raw_put(struct prompt *p, const char *text);
/* Switches a colour on where there are colours: "1" is strong, "2" dim, "31" red; NULL: off. */
void style_put(struct prompt *p, const char *code);
/* A label and blanks up to this column. */
void label_put(struct prompt *p, const char *label, size_t columns);
/* Writes what was put to the terminal (or stdout), and forgets it. */
void out_flush(struct prompt *p);

/* --- card.c --- */
void card_put(struct prompt *p, const struct cs_prompt *card);
/* "20.00", "CNY" as people of this language write it. */
void money_put(struct prompt *p, const char *amount, const char *currency);

/* --- tty.c --- */
enum line_result { LINE_GOT, LINE_END, LINE_TIMEOUT };

/* false: there is no terminal. */
bool tty_open(struct prompt *p);
/*
 * Prints what was put, reads a line without its newline, at most timeout_ms (-1: for ever). On a signal the terminal is
 * as it was before, and then the signal has its usual effect; after SIGTSTP what was put is printed again.
 */
enum line_result tty_line(struct prompt *p, bool echo, int timeout_ms, char *line, size_t size);

/* --- conversations of libcountersign: ctx is the struct prompt --- */
cs_conversation tty_conversation;
cs_conversation json_conversation;
cs_conversation *conversation_of(const struct prompt *p);

/* --- json.c --- */
void json_event_error(struct prompt *p, const char *status, const char *message);
/* An event of enrolment: name, and one text member unless NULL; uri may be NULL. */
void json_event(struct prompt *p, const char *event, const char *member, const char *value);

/* --- qr.c --- */
/* text as a QR code in half-block characters; nothing where it does not fit one, or the terminal has no UTF-8. */
void qr_put(struct prompt *p, const char *text);

/* --- main.c --- */
int say_failure(struct prompt *p, enum cs_status status, const struct cs_error *error);
int converse(struct prompt *p, const char *challenge);
/* Milliseconds until this time; 0 once it is over, -1 where it is none. */
int ms_until(const char *rfc3339);

/* --- enrol.c --- */
struct enrol_wish {
	const char *kind, *account, *label, *proof, *address, *challenge;
};
int enrol(struct prompt *p, const struct enrol_wish *wish);

#endif
