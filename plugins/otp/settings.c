/* SPDX-License-Identifier: Apache-2.0 */
/* The table of configuration keys, and what must hold between them. */
#include "plugins/otp/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plugins/otp/mail.h"
#include "plugins/otp/template.h"

#define TEMPLATE_KEY(key, text, what) \
	{.name = key, .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = OTP_TEMPLATE_MAX, .default_value = text, .help = what}

const struct countersign_config_key otp_config[] = {
    {.name = "channel", .type = COUNTERSIGN_CONFIG_WORD, .flags = COUNTERSIGN_CONFIG_REQUIRED, .words = "sms mail",
	.help = "How codes are sent. Text messages are a restricted authenticator after NIST SP 800-63B."},
    {.name = "digits", .type = COUNTERSIGN_CONFIG_INT, .min = 6, .max = 10, .default_value = "6", .help = "Digits of a code."},
    {.name = "lifetime", .type = COUNTERSIGN_CONFIG_INT, .min = OTP_LIFETIME_MIN_S, .max = OTP_LIFETIME_MAX_S,
	.default_value = "300", .help = "Seconds that a code is good for."},
    {.name = "issuer", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = 64, .default_value = "Countersign",
	.help = "Who a message is from where no service is named: notices."},
    {.name = "allow", .type = COUNTERSIGN_CONFIG_STRING, .flags = COUNTERSIGN_CONFIG_MANY, .min = 2, .max = 253,
	.help = "Where codes may go at all: a prefix of phone numbers such as +86, or a mail domain with what is below it."},
    {.name = "country", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = 3,
	.help = "Digits that a phone number without + begins with, such as 86; without it such a number is refused."},
    {.name = "gateway", .type = COUNTERSIGN_CONFIG_URL, .min = 9, .max = 1024,
	.help = "Where text messages are posted to."},
    {.name = "authorization", .type = COUNTERSIGN_CONFIG_SECRET, .min = 1, .max = OTP_SECRET_MAX,
	.help = "The header Authorization for the gateway, such as: Bearer abc."},
    {.name = "body-type", .type = COUNTERSIGN_CONFIG_WORD, .words = "json form", .default_value = "json",
	.help = "Whether the body for the gateway is JSON or a form."},
    {.name = "body", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = OTP_TEMPLATE_MAX,
	.default_value = "{\"to\":\"{to}\",\"text\":\"{text}\"}",
	.help = "The body for the gateway, with {to} and {text}, whose values are escaped."},
    {.name = "smtp", .type = COUNTERSIGN_CONFIG_STRING, .min = 8, .max = 255,
	.help = "The mail server: smtp://HOST:PORT, with STARTTLS, or smtps://HOST:PORT; a path is the name said in HELO."},
    {.name = "smtp-user", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = 255, .help = "Who to sign in as at the mail server."},
    {.name = "smtp-password", .type = COUNTERSIGN_CONFIG_SECRET, .min = 1, .max = OTP_PASSWORD_MAX,
	.help = "The password of smtp-user."},
    {.name = "tls", .type = COUNTERSIGN_CONFIG_WORD, .words = "required none", .default_value = "required",
	.help = "none: mail goes unencrypted, to a server on loopback alone."},
    {.name = "from", .type = COUNTERSIGN_CONFIG_STRING, .min = 3, .max = OTP_ADDRESS_MAX, .help = "The sender's mail address."},
    {.name = "from-name", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = 64, .help = "The sender's name."},
    {.name = "outbox", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = OTP_FILE_MAX,
	.help = "For tests: nothing is sent, each message becomes a line of JSON in this file (absolute), or on standard output (-)."},
    TEMPLATE_KEY("payment-en",
	"{service}: you are paying {amount} {currency} to {payee}. Your code is {code}, good for {minutes} min. "
	"Not you? Give the code to nobody, and refuse the payment in {service} at once.",
	"The message for a payment, in English."),
    TEMPLATE_KEY("payment-zh",
	"【{service}】您正在向“{payee}”支付 {amount} {currency}，验证码 {code}，{minutes} 分钟内有效。"
	"如非本人操作，请勿将验证码告诉任何人，并立即在{service}中拒绝该笔付款。",
	"The message for a payment, in Chinese."),
    TEMPLATE_KEY("other-en",
	"{service}: {what}{about}. Your code is {code}, good for {minutes} min. "
	"Not you? Give the code to nobody, and refuse it in {service} at once.",
	"The message for anything else that needs a code, in English."),
    TEMPLATE_KEY("other-zh",
	"【{service}】{what}{about}。验证码 {code}，{minutes} 分钟内有效。如非本人操作，请勿将验证码告诉任何人，并立即在{service}中拒绝。",
	"The message for anything else that needs a code, in Chinese."),
    TEMPLATE_KEY("enrolment-en",
	"{service}: confirm that codes for account {account} may come here. Your code is {code}, good for {minutes} min. "
	"Not you? Ignore this message.",
	"The message that confirms an address, in English."),
    TEMPLATE_KEY("enrolment-zh",
	"【{service}】请确认使用此联系方式接收账户 {account} 的验证码。验证码 {code}，{minutes} 分钟内有效。如非本人操作，请忽略。",
	"The message that confirms an address, in Chinese."),
    TEMPLATE_KEY("notice-en",
	"{service}: {what}{about}. Account {account}, {time}. Not you? Open {service} now and stop it.",
	"A notice about the account, in English."),
    TEMPLATE_KEY("notice-zh", "【{service}】{what}{about}。账户 {account}，{time}。如非本人操作，请立即打开{service}处理。",
	"A notice about the account, in Chinese."),
    TEMPLATE_KEY("subject-en", "{service}: your code", "The subject of a mail with a code, in English."),
    TEMPLATE_KEY("subject-zh", "{service}：验证码", "The subject of a mail with a code, in Chinese."),
    TEMPLATE_KEY("notice-subject-en", "{service}: your account was changed", "The subject of a mail that is a notice, in English."),
    TEMPLATE_KEY("notice-subject-zh", "{service}：账户变更提醒", "The subject of a mail that is a notice, in Chinese."),
};
const size_t otp_config_count = sizeof(otp_config) / sizeof(otp_config[0]);

#define BIT(field) (1U << (field))

/* Which fields each template may and must have. What a user countersigns stands in it: EU 2018/389, Article 5. */
static const struct {
	const char *key[OTP_LANGUAGE_COUNT];
	unsigned allowed, needed;
} templates[OTP_MESSAGE_COUNT] = {
    [OTP_PAYMENT] = {{"payment-en", "payment-zh"},
	BIT(OTP_CODE) | BIT(OTP_AMOUNT) | BIT(OTP_CURRENCY) | BIT(OTP_PAYEE) | BIT(OTP_SERVICE) | BIT(OTP_MINUTES) |
	    BIT(OTP_ACCOUNT),
	BIT(OTP_CODE) | BIT(OTP_AMOUNT) | BIT(OTP_CURRENCY) | BIT(OTP_PAYEE) | BIT(OTP_SERVICE)},
    [OTP_OTHER] = {{"other-en", "other-zh"},
	BIT(OTP_CODE) | BIT(OTP_WHAT) | BIT(OTP_ABOUT) | BIT(OTP_SERVICE) | BIT(OTP_MINUTES) | BIT(OTP_ACCOUNT),
	BIT(OTP_CODE) | BIT(OTP_WHAT) | BIT(OTP_ABOUT) | BIT(OTP_SERVICE)},
    [OTP_ENROLMENT] = {{"enrolment-en", "enrolment-zh"},
	BIT(OTP_CODE) | BIT(OTP_SERVICE) | BIT(OTP_MINUTES) | BIT(OTP_ACCOUNT), BIT(OTP_CODE) | BIT(OTP_SERVICE)},
    [OTP_NOTICE] = {{"notice-en", "notice-zh"},
	BIT(OTP_WHAT) | BIT(OTP_ABOUT) | BIT(OTP_SERVICE) | BIT(OTP_ACCOUNT) | BIT(OTP_TIME), BIT(OTP_WHAT)},
    /* A subject is shown on locked screens: no code there. */
    [OTP_SUBJECT] = {{"subject-en", "subject-zh"}, BIT(OTP_SERVICE), 0},
    [OTP_NOTICE_SUBJECT] = {{"notice-subject-en", "notice-subject-zh"}, BIT(OTP_SERVICE), 0},
};

void
otp_log(const struct countersign_host_v1 *host, int level, const char *text)
{
	host->log(host->context, level, countersign_view_of(text));
}

static int
say(const struct otp *o, const char *key, const char *problem)
{
	char text[320];

	snprintf(text, sizeof(text), "%s: %s", key, problem);
	otp_log(o->host, COUNTERSIGN_LOG_ERROR, text);
	return COUNTERSIGN_INVALID;
}

enum otp_language
otp_language_of(struct countersign_view language)
{
	return language.len >= 2 && memcmp(language.data, "zh", 2) == 0 ? OTP_ZH : OTP_EN;
}

static struct countersign_view
text_of(const struct otp *o, const char *key)
{
	return o->host->config_text(o->host->context, key, 0);
}

static bool
is_word(struct countersign_view v, const char *word)
{
	return v.len == strlen(word) && memcmp(v.data, word, v.len) == 0;
}

static int
read_templates(struct otp *o)
{
	for (int m = 0; m < OTP_MESSAGE_COUNT; m++) {
		for (int l = 0; l < OTP_LANGUAGE_COUNT; l++) {
			const char *key = templates[m].key[l];
			struct countersign_view t = text_of(o, key);
			const char *problem = otp_template_problem(t, templates[m].allowed, templates[m].needed, false);

			if (problem == NULL && m == OTP_PAYMENT && (!otp_template_order(t, OTP_AMOUNT, OTP_CODE) ||
			    !otp_template_order(t, OTP_PAYEE, OTP_CODE)))
				problem = "{amount} and {payee} must come before {code}: people stop reading at the code";
			if (problem == NULL && m >= OTP_SUBJECT && memmem(t.data, t.len, "\\n", 2) != NULL)
				problem = "a subject is one line";
			if (problem != NULL)
				return say(o, key, problem);
			o->template[m][l] = t;
		}
	}
	return COUNTERSIGN_OK;
}

/* As it would be posted, with values that need escaping: does it parse? */
static int
check_json_body(const struct otp *o)
{
	struct otp_values values = {.of = {[OTP_TO] = countersign_view_of("+8613812345678"),
					[OTP_TEXT] = countersign_view_of("a \"b\" \\ c\nd")}};
	char filled[OTP_TEMPLATE_MAX + 64];
	struct countersign_buffer to = {filled, sizeof(filled), 0};
	json_t *doc = NULL;

	if (otp_template_fill(o->body, &values, OTP_JSON, &to) == COUNTERSIGN_OK)
		doc = json_loadb(filled, to.len, JSON_REJECT_DUPLICATES, NULL);
	if (doc == NULL)
		return say(o, "body", "it is no JSON once {to} and {text} are filled in: they stand within quotation marks");
	json_decref(doc);
	return COUNTERSIGN_OK;
}

static int
read_sms(struct otp *o)
{
	struct countersign_buffer secret = {o->authorization, sizeof(o->authorization), 0};
	const char *problem;
	int rc;

	o->gateway = text_of(o, "gateway");
	if (o->gateway.len == 0 && o->outbox.len == 0)
		return say(o, "gateway", "channel sms needs the URL that text messages are posted to");
	o->body = text_of(o, "body");
	o->body_is_form = is_word(text_of(o, "body-type"), "form");
	problem = otp_template_problem(o->body, BIT(OTP_TO) | BIT(OTP_TEXT), BIT(OTP_TO) | BIT(OTP_TEXT), true);
	if (problem != NULL)
		return say(o, "body", problem);
	rc = o->host->config_secret(o->host->context, "authorization", &secret);
	if (rc != COUNTERSIGN_OK && rc != COUNTERSIGN_INVALID)
		return say(o, "authorization", "the file is too long");
	o->authorization_len = rc == COUNTERSIGN_OK ? secret.len : 0;
	if (!otp_is_text((struct countersign_view){o->authorization, o->authorization_len}))
		return say(o, "authorization", "the file must hold one line of text");
	return o->body_is_form ? COUNTERSIGN_OK : check_json_body(o);
}

/* The host gives the path: what it read before it gave up its rights is for its own connections. */
static int
read_ca(struct otp *o)
{
	struct countersign_view v = text_of(o, "ca-file");
	char path[OTP_FILE_MAX + 1];
	ssize_t n = 0;
	int fd;

	if (v.len == 0 || v.len > OTP_FILE_MAX)
		return COUNTERSIGN_OK;
	snprintf(path, sizeof(path), "%.*s", (int)v.len, v.data);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	o->ca = malloc(OTP_CA_MAX);
	if (fd < 0 || o->ca == NULL) {
		if (fd >= 0)
			close(fd);
		return say(o, "ca-file", "it cannot be read by the worker's user");
	}
	while (o->ca_len < OTP_CA_MAX && (n = read(fd, o->ca + o->ca_len, OTP_CA_MAX - o->ca_len)) > 0)
		o->ca_len += (size_t)n;
	close(fd);
	return n < 0 || o->ca_len == 0 ? say(o, "ca-file", "it is empty or cannot be read") : COUNTERSIGN_OK;
}

static int
read_mail(struct otp *o)
{
	struct countersign_buffer secret = {o->password, OTP_PASSWORD_MAX, 0};
	const char *problem;
	int rc;

	o->smtp = text_of(o, "smtp");
	if (o->smtp.len == 0 && o->outbox.len == 0)
		return say(o, "smtp", "channel mail needs a mail server, such as smtp://mail.example:587");
	o->user = text_of(o, "smtp-user");
	o->from_name = text_of(o, "from-name");
	o->tls = !is_word(text_of(o, "tls"), "none");
	if (!otp_address_read(OTP_MAIL, text_of(o, "from"), countersign_view_of(NULL), &o->from) && o->smtp.len > 0)
		return say(o, "from", "channel mail needs the sender's address, such as codes@shop.example");
	if (!otp_is_text(o->from_name) || !otp_is_text(o->user))
		return say(o, "from-name", "it holds a control character, or smtp-user does");
	rc = o->host->config_secret(o->host->context, "smtp-password", &secret);
	o->has_password = rc == COUNTERSIGN_OK;
	if (o->has_password && (secret.len == 0 || memchr(o->password, '\0', secret.len) != NULL))
		return say(o, "smtp-password", "the file must hold one line of text");
	o->password[secret.len] = '\0';
	if (o->has_password != (o->user.len > 0))
		return say(o, "smtp-user", "user and password are given together, or neither");
	problem = o->smtp.len > 0 ? otp_mail_server_problem(o->smtp, o->tls) : NULL;
	return problem != NULL ? say(o, "smtp", problem) : read_ca(o);
}

static int
check_allow(const struct otp *o)
{
	size_t n = o->host->config_count(o->host->context, "allow");

	for (size_t i = 0; i < n; i++) {
		struct countersign_view v = o->host->config_text(o->host->context, "allow", i);

		if (o->channel == OTP_SMS && (v.data[0] != '+' || strspn(v.data + 1, "0123456789") + 1 != v.len))
			return say(o, "allow", "of phone numbers it is a prefix with +, such as +86");
		if (o->channel == OTP_MAIL && (memchr(v.data, '@', v.len) != NULL || v.data[0] == '.'))
			return say(o, "allow", "of mail addresses it is a domain, such as example.com");
		for (size_t k = 0; k < v.len; k++)
			if (v.data[k] >= 'A' && v.data[k] <= 'Z')
				return say(o, "allow", "write domains in small letters");
	}
	return COUNTERSIGN_OK;
}

bool
otp_settings_allow(const struct otp *o, const struct otp_address *a)
{
	size_t n = o->host->config_count(o->host->context, "allow");

	for (size_t i = 0; i < n; i++)
		if (otp_address_under(o->channel, a, o->host->config_text(o->host->context, "allow", i)))
			return true;
	return n == 0;
}

int
otp_settings_read(const struct countersign_host_v1 *host, struct otp *o)
{
	int rc;

	o->host = host;
	o->channel = is_word(text_of(o, "channel"), "sms") ? OTP_SMS : OTP_MAIL;
	o->digits = (unsigned)host->config_int(host->context, "digits", 6);
	o->lifetime_s = (unsigned)host->config_int(host->context, "lifetime", 300);
	o->issuer = text_of(o, "issuer");
	o->country = text_of(o, "country");
	o->outbox = text_of(o, "outbox");
	if (o->country.len > 0 && strspn(o->country.data, "0123456789") != o->country.len)
		return say(o, "country", "it is digits alone, such as 86");
	if (o->outbox.len > 0 && o->outbox.data[0] != '/' && !is_word(o->outbox, "-"))
		return say(o, "outbox", "it must be an absolute path, or -");
	rc = read_templates(o);
	if (rc == COUNTERSIGN_OK)
		rc = check_allow(o);
	if (rc == COUNTERSIGN_OK)
		rc = o->channel == OTP_SMS ? read_sms(o) : read_mail(o);
	if (rc == COUNTERSIGN_OK && o->outbox.len > 0)
		otp_log(host, COUNTERSIGN_LOG_WARN,
		    "outbox: codes are written down for tests and nothing is sent; never do this with real accounts");
	return rc;
}

void
otp_settings_clear(struct otp *o)
{
	free(o->ca);
	explicit_bzero(o, sizeof(*o));
}
