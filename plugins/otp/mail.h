/* SPDX-License-Identifier: Apache-2.0 */
/* Mail: a message after RFC 5322, and its way to the mail server by libcurl (RFC 5321, RFC 3207). */
#ifndef CS_PLUGIN_OTP_MAIL_H
#define CS_PLUGIN_OTP_MAIL_H

#include "plugins/otp/settings.h"

enum { OTP_MAIL_MAX = 16 * 1024 };  /* bytes of a whole mail: a message in base64, and its headers */

struct otp_mail {
	const struct otp_address *from, *to;
	struct countersign_view from_name, subject, text;
	uint8_t id[16];        /* random: for Message-ID */
	int64_t at_ms;
};

/*
 * Headers and body in base64, with CRLF. COUNTERSIGN_OK; COUNTERSIGN_INVALID where name or subject hold anything but one
 * line of text; COUNTERSIGN_FULL.
 */
int otp_mail_write(const struct otp_mail *m, struct countersign_buffer *to);
/* What is wrong with the server's URL, as a sentence; NULL: nothing. */
const char *otp_mail_server_problem(struct countersign_view url, bool tls);
/*
 * COUNTERSIGN_OK: the server has taken it. COUNTERSIGN_UNREACHABLE or COUNTERSIGN_TOO_LATE: it has not, or did not say so;
 * a line of the log says why.
 */
int otp_mail_send(const struct otp *o, const struct otp_address *to, struct countersign_view mail, int64_t timeout_ms);

#endif
