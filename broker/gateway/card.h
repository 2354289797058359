/* SPDX-License-Identifier: Apache-2.0 */
/* The card: what the user is asked, in full, and the form that answers it. */
#ifndef CS_GATEWAY_CARD_H
#define CS_GATEWAY_CARD_H

#include "broker/gateway/html.h"
#include "broker/gateway/prompt.h"

struct card_form {
	struct view cookie; /* of this browser: what the form's proof is made of */
	struct view way;    /* id of the step that the user wants to answer with; empty: the first */
	enum card_news {
		CARD_FIRST,  /* shown for the first time */
		CARD_NEXT,   /* that was right, and there is more to do */
		CARD_WRONG,  /* that was not right */
		CARD_WAIT,   /* not taken now: too early */
		CARD_EMPTY,  /* nothing was entered */
		CARD_BUDGET, /* no more codes are sent */
		CARD_SENT,   /* a code is on its way */
		CARD_TWICE,  /* sent a second time: answered by how it stands */
	} news;
	int64_t retry_after_ms; /* 0: unknown */
};

/* Does this card wait for something that happens elsewhere, so that the page has to ask again? */
bool card_waits(const struct exchange_result *r, const struct card_form *form);
/* From a reply of PageOpen whose state is "open". */
void card_write(struct page *p, const struct exchange_result *r, const struct card_form *form);

/* What is asked, in full: the question as a heading ("h1"), and the facts, the amount first. id: of their list, or NULL. */
void card_facts(struct page *p, const struct exchange_result *card, const char *heading, const char *id);

/*
 * card_steps.c, the parts of it: the fields, and the pair of buttons up to its second; the ways that are not shown and
 * "send again"; the form to which their buttons belong.
 */
void card_steps(struct page *p, const struct exchange_result *r, const struct card_form *form);
void card_other_ways(struct page *p, const struct exchange_result *r, const struct card_form *form);
void card_other_form(struct page *p, const struct exchange_result *r, const struct card_form *form);

#endif
