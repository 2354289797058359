/* SPDX-License-Identifier: Apache-2.0 */
/* Where codes go: phone numbers after ITU-T E.164, and a strict subset of RFC 5321's mailboxes. Pure. */
#ifndef CS_PLUGIN_OTP_ADDRESS_H
#define CS_PLUGIN_OTP_ADDRESS_H

#include <stdbool.h>

#include "countersign/plugin.h"

enum otp_channel { OTP_SMS, OTP_MAIL, OTP_CHANNEL_COUNT };

enum {
	OTP_ADDRESS_MAX = 254,      /* RFC 5321, 4.5.3.1.3, without the angle brackets */
	OTP_PHONE_DIGITS_MIN = 8,   /* no country has shorter mobile numbers with its code */
	OTP_PHONE_DIGITS_MAX = 15,  /* E.164 */
	OTP_MASKED_MAX = COUNTERSIGN_DESTINATION_MAX,
};

struct otp_address {
	char text[OTP_ADDRESS_MAX + 1];
	size_t len;
};

/*
 * Reads what a person or a service typed, and makes it what is kept and compared: "+8613812345678", or the mailbox with its
 * domain in small letters. country: the digits that a number without "+" begins with, or absent: then "+" must be there.
 * False: it is no address of this channel; `to` is untouched.
 */
bool otp_address_read(enum otp_channel channel, struct countersign_view typed, struct countersign_view country,
    struct otp_address *to);
/* For people who know the address already: "+86 138****5678", "a***@example.com". The length. */
size_t otp_address_mask(enum otp_channel channel, const struct otp_address *a, char to[OTP_MASKED_MAX]);
/* Whether it lies under one entry of an allow list: a prefix "+86", or a domain and what is below it. */
bool otp_address_under(enum otp_channel channel, const struct otp_address *a, struct countersign_view entry);
/* "phone:+86..." or "mail-domain:...", as plugin.h has it. COUNTERSIGN_OK or COUNTERSIGN_FULL. */
int otp_address_rests_on(enum otp_channel channel, const struct otp_address *a, struct countersign_buffer *to);

#endif
