/* SPDX-License-Identifier: Apache-2.0 */
/* A mail's way to its server. The only file of this plugin that touches libcurl. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/otp/mail.h"

enum { CONNECT_TIMEOUT_MAX_MS = 5000 };

/* 127.0.0.0/8, ::1 and the name that libcurl itself never asks anybody for. */
static bool
is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	    (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
}

static const char *
server_problem(CURLU *url, const char *text, bool tls)
{
	char *scheme = NULL, *host = NULL, *user = NULL, *query = NULL;
	const char *problem = "it must be smtp://HOST:PORT or smtps://HOST:PORT";

	if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		goto out;
	if (strcmp(scheme, "smtp") != 0 && strcmp(scheme, "smtps") != 0)
		goto out;
	problem = NULL;
	if (curl_url_get(url, CURLUPART_USER, &user, 0) != CURLUE_NO_USER)
		problem = "the user is given by smtp-user, the password by smtp-password";
	else if (curl_url_get(url, CURLUPART_QUERY, &query, 0) != CURLUE_NO_QUERY)
		problem = "it must be smtp://HOST:PORT or smtps://HOST:PORT";
	else if (!tls && (strcmp(scheme, "smtp") != 0 || !is_loopback(host)))
		problem = "tls none is for smtp:// on loopback alone: codes must not cross a network in the open";
out:
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_free(query);
	return problem;
}

const char *
otp_mail_server_problem(struct countersign_view url, bool tls)
{
	CURLU *parsed = curl_url();
	char text[256];
	const char *problem;

	if (parsed == NULL || url.len >= sizeof(text))
		problem = "it is too long";
	else {
		snprintf(text, sizeof(text), "%.*s", (int)url.len, url.data);
		problem = server_problem(parsed, text, tls);
	}
	curl_url_cleanup(parsed);
	return problem;
}

struct upload {
	struct countersign_view mail;
	size_t sent;
};

static size_t
read_mail(char *to, size_t size, size_t count, void *context)
{
	struct upload *u = context;
	size_t n = size * count, left = u->mail.len - u->sent;

	n = n < left ? n : left;
	memcpy(to, u->mail.data + u->sent, n);
	u->sent += n;
	return n;
}

static bool
set_server(CURL *c, const struct otp *o)
{
	struct curl_blob ca = {o->ca, o->ca_len, CURL_BLOB_NOCOPY};
	char url[256], user[256];
	bool ok;

	snprintf(url, sizeof(url), "%.*s", (int)o->smtp.len, o->smtp.data);
	snprintf(user, sizeof(user), "%.*s", (int)o->user.len, o->user.len > 0 ? o->user.data : "");
	ok = curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
	    /* Without an answer to STARTTLS the mail is not sent. */
	    curl_easy_setopt(c, CURLOPT_USE_SSL, (long)(o->tls ? CURLUSESSL_ALL : CURLUSESSL_NONE)) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK && curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK;
	if (ok && o->ca_len > 0)
		ok = curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca) == CURLE_OK;
	if (ok && o->has_password)
		ok = curl_easy_setopt(c, CURLOPT_USERNAME, user) == CURLE_OK &&
		    curl_easy_setopt(c, CURLOPT_PASSWORD, o->password) == CURLE_OK;
	return ok;
}

static bool
set_mail(CURL *c, const struct otp *o, struct upload *u, struct curl_slist *to, int64_t timeout_ms)
{
	char from[OTP_ADDRESS_MAX + 3];

	snprintf(from, sizeof(from), "<%s>", o->from.text);
	return curl_easy_setopt(c, CURLOPT_MAIL_FROM, from) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_MAIL_RCPT, to) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_READFUNCTION, read_mail) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_READDATA, u) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
		(long)(timeout_ms < CONNECT_TIMEOUT_MAX_MS ? timeout_ms : CONNECT_TIMEOUT_MAX_MS)) == CURLE_OK &&
	    /* The password is for one connection, which ends with the mail. */
	    curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK;
}

static int
result_of(const struct otp *o, CURL *c, CURLcode code)
{
	char text[160];
	long status = 0;

	if (code == CURLE_OK)
		return COUNTERSIGN_OK;
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	snprintf(text, sizeof(text), "the mail server did not take the mail: %s (last answer %ld)", curl_easy_strerror(code), status);
	otp_log(o->host, COUNTERSIGN_LOG_WARN, text);
	return code == CURLE_OPERATION_TIMEDOUT ? COUNTERSIGN_TOO_LATE : COUNTERSIGN_UNREACHABLE;
}

int
otp_mail_send(const struct otp *o, const struct otp_address *to, struct countersign_view mail, int64_t timeout_ms)
{
	struct upload upload = {mail, 0};
	char recipient[OTP_ADDRESS_MAX + 3];
	struct curl_slist *recipients;
	CURL *c = curl_easy_init();
	int rc = COUNTERSIGN_INTERNAL;

	snprintf(recipient, sizeof(recipient), "<%s>", to->text);
	recipients = curl_slist_append(NULL, recipient);
	if (timeout_ms <= 0)
		rc = COUNTERSIGN_TOO_LATE;
	else if (c != NULL && recipients != NULL && set_server(c, o) && set_mail(c, o, &upload, recipients, timeout_ms))
		rc = result_of(o, c, curl_easy_perform(c));
	curl_easy_cleanup(c);
	curl_slist_free_all(recipients);
	return rc;
}
