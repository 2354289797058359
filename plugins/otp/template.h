/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates: text with fields in braces, "{code}". Pure. What stands in a field comes from outside and can
 * never be more than text: no value with a control character is taken, and a body of JSON or of a form escapes it.
 */
#ifndef CS_PLUGIN_OTP_TEMPLATE_H
#define CS_PLUGIN_OTP_TEMPLATE_H

#include <stdbool.h>

#include "countersign/plugin.h"

enum otp_field {
	OTP_CODE,
	OTP_AMOUNT,
	OTP_CURRENCY,
	OTP_PAYEE,
	OTP_SERVICE,
	OTP_MINUTES,
	OTP_WHAT,     /* what is confirmed, or what happened, in words */
	OTP_ABOUT,    /* more of it, where there is more: begins with a separator, or is empty */
	OTP_ACCOUNT,  /* the account's hint */
	OTP_TIME,
	OTP_TO,       /* the address */
	OTP_TEXT,     /* the whole message */
	OTP_FIELD_COUNT
};

enum otp_escape { OTP_PLAIN, OTP_JSON, OTP_FORM };

enum {
	OTP_TEMPLATE_MAX = 600,  /* bytes of one: ten text messages */
	OTP_MESSAGE_MAX = 1600,  /* bytes of a message when it is filled in */
	OTP_BODY_MAX = 4 * OTP_MESSAGE_MAX,
};

struct otp_values {
	struct countersign_view of[OTP_FIELD_COUNT];
};

/* Of a field, without braces. */
const char *otp_field_name(enum otp_field field);

/* Valid UTF-8 without control characters, line separators or marks that turn the direction of writing. */
bool otp_is_text(struct countersign_view v);

/*
 * What is wrong with a template, as a sentence, or NULL. allowed and needed: a bit for each field. literal: braces that are
 * not fields of `allowed` stand for themselves, as in a body of JSON; else they are refused.
 */
const char *otp_template_problem(struct countersign_view t, unsigned allowed, unsigned needed, bool literal);
/* Whether the first {field} comes before the first {other}; both must be there. */
bool otp_template_order(struct countersign_view t, enum otp_field field, enum otp_field other);

/*
 * Fills in. In a PLAIN template "\n" is a new line; in the others the template is taken as it is and values are escaped. A
 * field whose value is absent becomes nothing. COUNTERSIGN_OK; COUNTERSIGN_INVALID for a value that is no text (the
 * value of {text} alone may have new lines, since it is a message already); COUNTERSIGN_FULL.
 */
int otp_template_fill(struct countersign_view t, const struct otp_values *values, enum otp_escape escape,
    struct countersign_buffer *to);

#endif
