/* SPDX-License-Identifier: Apache-2.0 */
/* The card: what the user is asked, in full, and the form that answers it. */
#ifndef CS_GATEWAY_CARD_H
#define CS_GATEWAY_CARD_H

#include "broker/gateway/html.h"

struct card_form {
	struct view cookie; /* of this browser: what the form's proof is made of */
	enum card_news {
		CARD_FIRST, /* shown for the first time */
		CARD_NEXT,  /* that was right, and there is more to do */
		CARD_WRONG, /* that was not right */
		CARD_WAIT,  /* not taken now: too early */
	} news;
	int64_t attempts_left;
};

/* From a reply of PageOpen whose state is "open". */
void card_write(struct page *p, const struct exchange_result *r, const struct card_form *form);

#endif
