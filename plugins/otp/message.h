/* SPDX-License-Identifier: Apache-2.0 */
/* What a message says: templates filled in with what the card or the notice holds. */
#ifndef CS_PLUGIN_OTP_MESSAGE_H
#define CS_PLUGIN_OTP_MESSAGE_H

#include "plugins/otp/settings.h"

enum { OTP_SUBJECT_MAX = 240 };

struct otp_written {
	struct countersign_buffer subject, text;  /* memory of the caller's: OTP_SUBJECT_MAX, OTP_MESSAGE_MAX */
};

/*
 * Of a card (JSON, as the broker shows it to the user). A payment's message always has amount, currency and payee.
 * COUNTERSIGN_OK; COUNTERSIGN_INVALID: the card lacks what must be said, or holds what must not be sent;
 * COUNTERSIGN_FULL.
 */
int otp_message_code(const struct otp *o, struct countersign_view operation, struct countersign_view card,
    enum otp_language language, const char *code, struct otp_written *to);
int otp_message_enrolment(const struct otp *o, struct countersign_view issuer, struct countersign_view account,
    enum otp_language language, const char *code, struct otp_written *to);
/* message: JSON, as tell() is given it. */
int otp_message_notice(const struct otp *o, struct countersign_view message, enum otp_language language,
    struct otp_written *to);

#endif
