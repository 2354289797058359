/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox, the gateway, and the way to the mail server. */
#include "plugins/otp/send.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plugins/otp/mail.h"
#include "plugins/otp/template.h"

enum {
	ANSWER_MAX = 64 * 1024,        /* bytes that a gateway may answer; nothing of it is used */
	WITHOUT_DEADLINE_MS = 10 * 1000,
};

static struct countersign_view
written(const struct countersign_buffer *b)
{
	return (struct countersign_view){b->data, b->len};
}

static json_t *
text_of(struct countersign_view v)
{
	return json_stringn(v.len > 0 ? v.data : "", v.len);
}

/* One write of one line, so that several servers can share the file. */
static int
append_line(const struct otp *o, char *line)
{
	size_t len = strlen(line);
	char path[OTP_FILE_MAX + 1];
	int fd = STDOUT_FILENO;
	ssize_t n;

	line[len] = '\n';
	snprintf(path, sizeof(path), "%.*s", (int)o->outbox.len, o->outbox.data);
	if (strcmp(path, "-") != 0)
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	n = fd < 0 ? -1 : write(fd, line, len + 1);
	if (n != (ssize_t)(len + 1))
		otp_log(o->host, COUNTERSIGN_LOG_ERROR, "the outbox cannot be written: its directory must exist and belong to the worker's user");
	if (fd > STDERR_FILENO)
		close(fd);
	return n == (ssize_t)(len + 1) ? COUNTERSIGN_OK : COUNTERSIGN_UNREACHABLE;
}

static int
send_outbox(const struct otp *o, const struct countersign_call *call, const struct otp_address *to,
    const struct otp_written *message, enum otp_language language, const char *kind)
{
	json_t *doc = json_pack("{sI ss ss ss ss so so}", "at", (json_int_t)call->now_ms, "channel", o->channel == OTP_SMS ? "sms" : "mail",
	    "kind", kind, "language", language == OTP_ZH ? "zh" : "en", "to", to->text, "subject", text_of(written(&message->subject)),
	    "text", text_of(written(&message->text)));
	char *line = doc == NULL ? NULL : json_dumps(doc, JSON_COMPACT);
	int rc = COUNTERSIGN_INTERNAL;

	if (line != NULL)
		rc = append_line(o, line);
	free(line);
	json_decref(doc);
	return rc;
}

static int
send_sms(const struct otp *o, const struct otp_address *to, const struct otp_written *message)
{
	const struct otp_values values = {.of = {[OTP_TO] = {to->text, to->len}, [OTP_TEXT] = written(&message->text)}};
	struct countersign_http_response response = {.size = sizeof(response)};
	struct countersign_http_request request = {.size = sizeof(request), .url = o->gateway};
	struct countersign_buffer body = {o->host->scratch(o->host->context, OTP_BODY_MAX), OTP_BODY_MAX, 0};
	char text[64];
	int rc;

	response.body = (struct countersign_buffer){o->host->scratch(o->host->context, ANSWER_MAX), ANSWER_MAX, 0};
	if (body.data == NULL || response.body.data == NULL)
		return COUNTERSIGN_INTERNAL;
	rc = otp_template_fill(o->body, &values, o->body_is_form ? OTP_FORM : OTP_JSON, &body);
	request.content_type = countersign_view_of(o->body_is_form ? "application/x-www-form-urlencoded" : "application/json");
	request.authorization = (struct countersign_view){o->authorization_len > 0 ? o->authorization : NULL, o->authorization_len};
	request.body = written(&body);
	if (rc == COUNTERSIGN_OK)
		rc = o->host->http(o->host->context, &request, &response);
	if (rc != COUNTERSIGN_OK || (response.status >= 200 && response.status < 300))
		return rc;
	snprintf(text, sizeof(text), "the gateway for text messages answered %d", (int)response.status);
	otp_log(o->host, COUNTERSIGN_LOG_WARN, text);
	return COUNTERSIGN_UNREACHABLE;
}

static int64_t
time_left(const struct otp *o, const struct countersign_call *call)
{
	if (call->deadline_boot_ms == 0)
		return WITHOUT_DEADLINE_MS;
	return call->deadline_boot_ms - o->host->boot_ms(o->host->context) - OTP_SEND_MARGIN_MS;
}

static int
send_mail(const struct otp *o, const struct countersign_call *call, const struct otp_address *to,
    const struct otp_written *message)
{
	struct otp_mail mail = {.from = &o->from, .to = to, .from_name = o->from_name, .subject = written(&message->subject),
	    .text = written(&message->text), .at_ms = call->now_ms};
	struct countersign_buffer whole = {o->host->scratch(o->host->context, OTP_MAIL_MAX), OTP_MAIL_MAX, 0};
	int rc;

	if (whole.data == NULL)
		return COUNTERSIGN_INTERNAL;
	o->host->random(o->host->context, mail.id, sizeof(mail.id));
	rc = otp_mail_write(&mail, &whole);
	return rc != COUNTERSIGN_OK ? rc : otp_mail_send(o, to, written(&whole), time_left(o, call));
}

int
otp_send(const struct otp *o, const struct countersign_call *call, const struct otp_address *to,
    const struct otp_written *message, enum otp_language language, const char *kind)
{
	if (o->outbox.len > 0)
		return send_outbox(o, call, to, message, language, kind);
	return o->channel == OTP_SMS ? send_sms(o, to, message) : send_mail(o, call, to, message);
}
