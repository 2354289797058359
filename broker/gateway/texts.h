/* SPDX-License-Identifier: Apache-2.0 */
/* Every text that people read on the pages, in every language, in one table. */
#ifndef CS_GATEWAY_TEXTS_H
#define CS_GATEWAY_TEXTS_H

#include "broker/base/buf.h"

enum language { LANGUAGE_EN, LANGUAGE_ZH, LANGUAGE_COUNT };

enum text {
	TEXT_TITLE,
	TEXT_PROBE,
	TEXT_SHOW,
	TEXT_WHAT,
	TEXT_SERVICE,
	TEXT_AMOUNT,
	TEXT_PAYEE,
	TEXT_ANY_PAYEE,
	TEXT_LABEL,
	TEXT_PROVIDER,
	TEXT_ACCOUNT,
	TEXT_WORST_CASE,
	TEXT_EXPIRES,
	TEXT_METHOD,
	TEXT_CODE,
	TEXT_CONFIRM,
	TEXT_REFUSE,
	TEXT_NOT_ME,
	TEXT_HOW_TO_REFUSE,
	TEXT_NO_STEP,
	TEXT_WRONG,
	TEXT_ATTEMPTS,
	TEXT_NEXT_STEP,
	TEXT_WAIT,
	TEXT_DONE,
	TEXT_USED,
	TEXT_LOCKED,
	TEXT_REFUSED,
	TEXT_REPORTED,
	TEXT_EXPIRED,
	TEXT_BACK,
	TEXT_SIGNED_IN,
	TEXT_SIGN_IN_FAILED,
	TEXT_UNKNOWN_PAGE,
	TEXT_OTHER_BROWSER,
	TEXT_BAD_REQUEST,
	TEXT_TOO_MANY,
	TEXT_UNAVAILABLE,
	TEXT_PROBLEM,
	TEXT_WHAT_PAYMENT,
	TEXT_WHAT_LINK,
	TEXT_WHAT_FACTOR,
	TEXT_WHAT_FACTOR_REMOVAL,
	TEXT_WHAT_ALLOWANCE,
	TEXT_WHAT_MANDATE,
	TEXT_WHAT_LIMIT,
	TEXT_WHAT_THAW,
	TEXT_COUNT
};

/* Never empty. */
struct view text_get(enum text text, enum language language);
/* BCP 47 tag, and the language's name for itself. */
struct view language_tag(enum language language);
struct view language_name(enum language language);
/* What the browser asks for (RFC 9110 section 12.5.4), English where it asks for nothing that we
 * have. */
enum language language_choose(struct view accept_language);
/* By its tag ("en", "zh"); false where unknown. */
bool language_find(struct view tag, enum language *language);

#endif
