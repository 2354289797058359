/* SPDX-License-Identifier: Apache-2.0 */
/* What is configured, read and checked once when the worker starts. */
#ifndef CS_PLUGIN_OTP_SETTINGS_H
#define CS_PLUGIN_OTP_SETTINGS_H

#include "plugins/otp/address.h"

/* What a message is for: each has a template a language. */
enum otp_message { OTP_PAYMENT, OTP_OTHER, OTP_ENROLMENT, OTP_NOTICE, OTP_SUBJECT, OTP_NOTICE_SUBJECT, OTP_MESSAGE_COUNT };
enum otp_language { OTP_EN, OTP_ZH, OTP_LANGUAGE_COUNT };

enum {
	OTP_SECRET_MAX = 1024,        /* bytes of a secret that is given by file */
	OTP_PASSWORD_MAX = 256,
	OTP_CA_MAX = 512 * 1024,      /* bytes of ca-file, as the host has it */
	OTP_LIFETIME_MIN_S = 30,      /* less cannot be typed from a phone in the other hand */
	OTP_LIFETIME_MAX_S = 900,     /* NIST SP 800-63B allows ten minutes; mail may be slow */
	OTP_FILE_MAX = 4096,
};

struct otp {
	const struct countersign_host_v1 *host;
	enum otp_channel channel;
	unsigned digits, lifetime_s;
	struct countersign_view issuer, country, outbox;
	struct countersign_view template[OTP_MESSAGE_COUNT][OTP_LANGUAGE_COUNT];
	/* sms */
	struct countersign_view gateway, body;
	bool body_is_form;
	char authorization[OTP_SECRET_MAX];
	size_t authorization_len;
	/* mail */
	struct countersign_view smtp, user, from_name;
	struct otp_address from;
	char password[OTP_PASSWORD_MAX + 1];
	bool has_password, tls;
	char *ca;                     /* PEM; NULL: the system's */
	size_t ca_len;
};

extern const struct countersign_config_key otp_config[];
extern const size_t otp_config_count;

/* COUNTERSIGN_OK; COUNTERSIGN_INVALID, and a line of the log says what is wrong. otp_settings_clear() in both cases. */
int otp_settings_read(const struct countersign_host_v1 *host, struct otp *o);
void otp_settings_clear(struct otp *o);
/* Whether the allow list of the configuration, where there is one, has this address. */
bool otp_settings_allow(const struct otp *o, const struct otp_address *a);
enum otp_language otp_language_of(struct countersign_view language);
void otp_log(const struct countersign_host_v1 *host, int level, const char *text);

#endif
