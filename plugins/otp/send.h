/* SPDX-License-Identifier: Apache-2.0 */
/* A message's way out: the outbox, the gateway for text messages, or the mail server. */
#ifndef CS_PLUGIN_OTP_SEND_H
#define CS_PLUGIN_OTP_SEND_H

#include "plugins/otp/message.h"

/* Time before the deadline at which a message is given up, so that there is time to say so. */
enum { OTP_SEND_MARGIN_MS = 150 };

/*
 * COUNTERSIGN_OK: somebody took it on. Else nothing is known to have left, and a line of the log says why. kind is a word
 * for the outbox.
 */
int otp_send(const struct otp *o, const struct countersign_call *call, const struct otp_address *to,
    const struct otp_written *message, enum otp_language language, const char *kind);

#endif
