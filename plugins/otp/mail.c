/* SPDX-License-Identifier: Apache-2.0 */
/* Writing mails. Every header is of fixed form, or encoded so that no byte of a value stands in it as it is. */
#include "plugins/otp/mail.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <time.h>

#include "plugins/otp/template.h"

enum {
	/* RFC 2047, 2: an encoded word has at most 75 characters; 45 bytes in base64 and its frame have 72. */
	WORD_BYTES = 45,
	LINE_BYTES = 57,  /* 76 characters in base64: RFC 2045, 6.8 */
};

static int
put(struct countersign_buffer *to, int rc, const char *text, size_t len)
{
	if (rc != COUNTERSIGN_OK)
		return rc;
	if (len > to->cap - to->len)
		return COUNTERSIGN_FULL;
	memcpy(to->data + to->len, text, len);
	to->len += len;
	return COUNTERSIGN_OK;
}

static int
put_str(struct countersign_buffer *to, int rc, const char *text)
{
	return put(to, rc, text, strlen(text));
}

static int
put_base64(struct countersign_buffer *to, int rc, const char *data, size_t len)
{
	unsigned char out[(LINE_BYTES + 2) / 3 * 4 + 1];
	int n = EVP_EncodeBlock(out, (const unsigned char *)data, (int)len);

	return put(to, rc, (const char *)out, (size_t)n);
}

/* The value of a header as encoded words of RFC 2047, each of whole characters, a line each. */
static int
put_words(struct countersign_buffer *to, int rc, struct countersign_view v)
{
	for (size_t i = 0; i < v.len && rc == COUNTERSIGN_OK;) {
		size_t n = v.len - i < WORD_BYTES ? v.len - i : WORD_BYTES;

		while (i + n < v.len && ((unsigned char)v.data[i + n] & 0xc0) == 0x80)
			n--;
		rc = put_str(to, rc, i > 0 ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
		rc = put_base64(to, rc, v.data + i, n);
		rc = put_str(to, rc, "?=");
		i += n;
	}
	return rc;
}

/* RFC 5322, 3.3, in UTC, whatever the locale is. */
static int
put_date(struct countersign_buffer *to, int rc, int64_t at_ms)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm tm;
	char text[64];

	if (gmtime_r(&seconds, &tm) == NULL)
		return COUNTERSIGN_INVALID;
	snprintf(text, sizeof(text), "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d +0000\r\n", days + (size_t)(3 * tm.tm_wday), tm.tm_mday,
	    months + (size_t)(3 * tm.tm_mon), tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return put_str(to, rc, text);
}

static int
put_id(struct countersign_buffer *to, int rc, const struct otp_mail *m)
{
	char hex[2 * sizeof(m->id) + 1];

	for (size_t i = 0; i < sizeof(m->id); i++)
		snprintf(hex + 2 * i, 3, "%02x", m->id[i]);
	rc = put_str(to, rc, "Message-ID: <");
	rc = put_str(to, rc, hex);
	rc = put_str(to, rc, (const char *)memchr(m->from->text, '@', m->from->len));
	return put_str(to, rc, ">\r\n");
}

static int
put_headers(struct countersign_buffer *to, int rc, const struct otp_mail *m)
{
	rc = put_date(to, rc, m->at_ms);
	rc = put_str(to, rc, "From: ");
	if (m->from_name.len > 0) {
		rc = put_words(to, rc, m->from_name);
		rc = put_str(to, rc, "\r\n ");
	}
	rc = put_str(to, rc, "<");
	rc = put(to, rc, m->from->text, m->from->len);
	rc = put_str(to, rc, ">\r\nTo: <");
	rc = put(to, rc, m->to->text, m->to->len);
	rc = put_str(to, rc, ">\r\n");
	rc = put_id(to, rc, m);
	rc = put_str(to, rc, "Subject: ");
	rc = put_words(to, rc, m->subject);
	/* RFC 3834: holidays are not answered to a machine. */
	return put_str(to, rc,
	    "\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n");
}

int
otp_mail_write(const struct otp_mail *m, struct countersign_buffer *to)
{
	int rc = COUNTERSIGN_OK;

	to->len = 0;
	if (!otp_is_text(m->subject) || !otp_is_text(m->from_name) || m->from->len == 0 || m->to->len == 0)
		return COUNTERSIGN_INVALID;
	rc = put_headers(to, rc, m);
	for (size_t i = 0; i < m->text.len && rc == COUNTERSIGN_OK; i += LINE_BYTES) {
		rc = put_base64(to, rc, m->text.data + i, m->text.len - i < LINE_BYTES ? m->text.len - i : LINE_BYTES);
		rc = put_str(to, rc, "\r\n");
	}
	return rc;
}
