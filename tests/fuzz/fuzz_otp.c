/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reaches the factor otp from outside: addresses, values of templates, and what a mail is made of. The first byte
 * chooses; a NUL parts two inputs. No address that is taken holds anything but its own few characters, no value leaves its
 * place in JSON, form or mail, and a mail has the headers that it always has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "broker/base/check.h"
#include "plugins/otp/address.h"
#include "plugins/otp/code.h"
#include "plugins/otp/mail.h"
#include "plugins/otp/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
try_address(enum otp_channel channel, struct countersign_view v)
{
	static const char phone[] = "+0123456789";
	static const char mailbox[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.@_-+";
	struct otp_address a, again;
	char masked[OTP_MASKED_MAX];
	size_t n, digits = 0;

	if (!otp_address_read(channel, v, countersign_view_of("86"), &a))
		return;
	CHECK(a.len > 0 && a.len <= OTP_ADDRESS_MAX && strlen(a.text) == a.len);
	CHECK(strspn(a.text, channel == OTP_SMS ? phone : mailbox) == a.len);
	CHECK(otp_address_read(channel, (struct countersign_view){a.text, a.len}, countersign_view_of(NULL), &again));
	CHECK(again.len == a.len && memcmp(again.text, a.text, a.len) == 0);
	n = otp_address_mask(channel, &a, masked);
	CHECK(n > 0 && n < OTP_MASKED_MAX);
	for (size_t i = 0; i < n; i++)
		digits += masked[i] >= '0' && masked[i] <= '9';
	if (channel == OTP_SMS)
		CHECK(digits + 4 <= a.len - 1);
	else
		CHECK(masked[0] == a.text[0] && memcmp(masked + 1, "***@", 4) == 0 && strchr(a.text, '@') == strrchr(a.text, '@'));
}

static bool
is_plain(struct countersign_view v)
{
	return otp_is_text(v);
}

/* The value comes out of the JSON as it went in. */
static void
try_json(struct countersign_view v)
{
	struct otp_values values = {.of = {[OTP_TEXT] = v, [OTP_TO] = countersign_view_of("+8613812345678")}};
	char filled[OTP_BODY_MAX];
	struct countersign_buffer to = {filled, sizeof(filled), 0};
	const json_t *text;
	json_t *doc;

	if (otp_template_fill(countersign_view_of("{\"to\":\"{to}\",\"text\":\"{text}\"}"), &values, OTP_JSON, &to) != COUNTERSIGN_OK)
		return;
	doc = json_loadb(filled, to.len, JSON_REJECT_DUPLICATES, NULL);
	CHECK(doc != NULL && json_object_size(doc) == 2);
	text = json_object_get(doc, "text");
	CHECK(json_string_length(text) == v.len && (v.len == 0 || memcmp(json_string_value(text), v.data, v.len) == 0));
	json_decref(doc);
}

static void
try_form(struct countersign_view v)
{
	struct otp_values values = {.of = {[OTP_TEXT] = v}};
	char filled[OTP_BODY_MAX];
	struct countersign_buffer to = {filled, sizeof(filled), 0};

	if (otp_template_fill(countersign_view_of("t={text}"), &values, OTP_FORM, &to) != COUNTERSIGN_OK)
		return;
	for (size_t i = 2; i < to.len; i++)
		CHECK(filled[i] != '&' && filled[i] != '=' && filled[i] > ' ' && filled[i] < 0x7f);
}

/* Any template, any value: what comes out has no more lines than the template says. */
static void
try_template(struct countersign_view t, struct countersign_view value)
{
	struct otp_values values = {.of = {[OTP_PAYEE] = value, [OTP_CODE] = countersign_view_of("123456")}};
	char filled[OTP_MESSAGE_MAX];
	struct countersign_buffer to = {filled, sizeof(filled), 0};
	size_t lines = 0, allowed = 0;

	if (otp_template_problem(t, (1U << OTP_FIELD_COUNT) - 1, 0, false) != NULL)
		return;
	if (otp_template_fill(t, &values, OTP_PLAIN, &to) != COUNTERSIGN_OK)
		return;
	CHECK(is_plain(value));
	for (size_t i = 0; i + 1 < t.len; i++)
		allowed += t.data[i] == '\\' && t.data[i + 1] == 'n';
	for (size_t i = 0; i < to.len; i++) {
		lines += filled[i] == '\n';
		CHECK(filled[i] == '\n' || (unsigned char)filled[i] >= 0x20);
	}
	CHECK(lines <= allowed);
}

static void
try_mail(struct countersign_view subject, struct countersign_view text)
{
	static const char *const headers[] = {"Date: ", "From: ", " <", "To: ", "Message-ID: ", "Subject: ", " =?UTF-8?B?", "Auto-Submitted: ",
	    "MIME-Version: ", "Content-Type: ", "Content-Transfer-Encoding: "};
	struct otp_address address;
	struct otp_mail m = {.from = &address, .to = &address, .from_name = subject, .subject = subject, .text = text, .at_ms = 1800000000000};
	char mail[OTP_MAIL_MAX];
	struct countersign_buffer to = {mail, sizeof(mail) - 1, 0};
	char *end, *line;

	CHECK(otp_address_read(OTP_MAIL, countersign_view_of("a@example.com"), countersign_view_of(NULL), &address));
	if (otp_mail_write(&m, &to) != COUNTERSIGN_OK)
		return;
	mail[to.len] = '\0';
	end = strstr(mail, "\r\n\r\n");
	CHECK(end != NULL && strlen(mail) == to.len);
	for (line = mail; line < end; line = strstr(line, "\r\n") + 2) {
		bool known = false;

		for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
			known = known || strncmp(line, headers[i], strlen(headers[i])) == 0;
		CHECK(known);
	}
	for (line = end + 4; *line != '\0'; line++)
		CHECK(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n", *line) != NULL);
}

/* What is kept, and an answer: neither crashes, and nothing made up is ever right. */
static void
try_code(struct countersign_view kept, struct countersign_view answer)
{
	struct otp_purpose purpose = {.challenge = {"c", 1}, .address = {"+8613812345678", 14}};
	bool right = false;

	if (otp_code_check(&purpose, kept, answer, 0, &right) == COUNTERSIGN_OK)
		CHECK(!right);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct countersign_view v = {(const char *)data + 1, len - 1}, first, second;
	const char *nul;

	if (len == 0)
		return 0;
	nul = v.len == 0 ? NULL : memchr(v.data, '\0', v.len);
	first = (struct countersign_view){v.data, nul == NULL ? v.len : (size_t)(nul - v.data)};
	second = (struct countersign_view){nul == NULL ? NULL : nul + 1, nul == NULL ? 0 : v.len - first.len - 1};
	switch (data[0]) {
	case 'p':
		try_address(OTP_SMS, v);
		break;
	case 'm':
		try_address(OTP_MAIL, v);
		break;
	case 'j':
		try_json(v);
		break;
	case 'f':
		try_form(v);
		break;
	case 't':
		try_template(first, second);
		break;
	case 'w':
		try_mail(first, second);
		break;
	case 'c':
		if (v.len > OTP_KEPT_BYTES)
			try_code((struct countersign_view){v.data, OTP_KEPT_BYTES},
			    (struct countersign_view){v.data + OTP_KEPT_BYTES, v.len - OTP_KEPT_BYTES});
		break;
	default:
		break;
	}
	return 0;
}
