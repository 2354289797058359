/* SPDX-License-Identifier: Apache-2.0 */
/* The factor otp: addresses, templates, what is sent, and which answers are right. */
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "plugins/otp/address.h"
#include "plugins/otp/code.h"
#include "plugins/otp/mail.h"
#include "plugins/otp/template.h"
#include "tests/unit/plugin_host.h"
#include "tests/unit/unit.h"

static const int64_t now_ms = INT64_C(1800000000000);
static const char card[] = "{\"service\":\"Corner Shop\",\"account_hint\":\"al***\",\"what\":\"payment\",\"payee\":\"Noodle \\\"Bar\\\"\","
			   "\"amount\":\"88.00\",\"currency\":\"CNY\"}";

struct fixture {
	struct fake_host host;
	const struct countersign_plugin_v1 *plugin;
	void *instance;
	char secret[1024], state[COUNTERSIGN_STATE_MAX], value[4][COUNTERSIGN_STEP_VALUE_MAX], destination[256], rests_on[512];
	size_t secret_len, state_len;
	int64_t expires_ms;
	size_t steps_count;
	struct countersign_step steps[COUNTERSIGN_STEPS_MAX];
};

/* What the gateway was sent last. */
static struct {
	char url[256], type[64], authorization[64], body[4096];
	int status, result;
	unsigned count;
} gateway;

static int
receive(struct fake_host *h, const struct countersign_http_request *request, struct countersign_http_response *response)
{
	(void)h;
	snprintf(gateway.url, sizeof(gateway.url), "%.*s", (int)request->url.len, request->url.data);
	snprintf(gateway.type, sizeof(gateway.type), "%.*s", (int)request->content_type.len, request->content_type.data);
	snprintf(gateway.authorization, sizeof(gateway.authorization), "%.*s", (int)request->authorization.len,
	    request->authorization.len > 0 ? request->authorization.data : "");
	snprintf(gateway.body, sizeof(gateway.body), "%.*s", (int)request->body.len, request->body.data);
	gateway.count++;
	response->status = gateway.status;
	return gateway.result;
}

#define SMS {"channel", "sms"}, {"gateway", "https://sms.example/send"}

static int
try_start(struct fixture *f, const struct fake_setting *settings)
{
	memset(f, 0, sizeof(*f));
	memset(&gateway, 0, sizeof(gateway));
	gateway.status = 200;
	f->plugin = countersign_plugin_v1();
	fake_host_init(&f->host, f->plugin, settings);
	f->host.answer = receive;
	return f->plugin->init(&f->host.table, &f->instance);
}

static void
start(struct fixture *f, const struct fake_setting *settings)
{
	assert_int_equal(try_start(f, settings), COUNTERSIGN_OK);
}

static void
stop(struct fixture *f)
{
	f->plugin->fini(f->instance);
	fake_host_clear(&f->host);
}

static void
give_steps(struct fixture *f, struct countersign_step *steps)
{
	for (size_t i = 0; i < COUNTERSIGN_STEPS_MAX; i++)
		steps[i].value = (struct countersign_buffer){f->value[i], sizeof(f->value[i]) - 1, 0};
}

static void
keep_steps(struct fixture *f, struct countersign_step *steps, size_t n)
{
	f->steps_count = n;
	for (size_t i = 0; i < n; i++) {
		f->steps[i] = steps[i];
		f->value[i][steps[i].value.len] = '\0';
	}
}

static int
enrol(struct fixture *f, const char *address, const char *language)
{
	struct countersign_enrol in = {.size = sizeof(in), .call = {.now_ms = now_ms}, .address = countersign_view_of(address),
	    .language = countersign_view_of(language)};
	char request[16];
	struct countersign_enrol_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0},
	    .secret = {f->secret, sizeof(f->secret), 0}};
	int rc;

	in.call.request = countersign_view_of("r1");
	in.account_hint = countersign_view_of("al***");
	in.issuer = countersign_view_of("Corner Shop");
	give_steps(f, out.steps);
	rc = f->plugin->factor->enrol(f->instance, &in, &out);
	fake_host_clear(&f->host);
	if (rc == COUNTERSIGN_OK) {
		f->secret_len = out.secret.len;
		keep_steps(f, out.steps, out.steps_count);
	}
	return rc;
}

static int
verify_at(struct fixture *f, const char *answer, const char *challenge, int64_t at_ms)
{
	struct countersign_verify in = {.size = sizeof(in), .call = {.now_ms = at_ms}, .secret = {f->secret, f->secret_len},
	    .answer = countersign_view_of(answer), .last_step = -1, .challenge = countersign_view_of(challenge),
	    .state = {f->state, f->state_len}};
	char request[16], secret[1024];
	struct countersign_verify_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0}, .verdict = -1,
	    .secret = {secret, sizeof(secret), 0}, .rests_on = {f->rests_on, sizeof(f->rests_on) - 1, 0}};
	int rc;

	in.call.request = countersign_view_of("r2");
	rc = f->plugin->factor->verify(f->instance, &in, &out);
	fake_host_clear(&f->host);
	if (rc != COUNTERSIGN_OK)
		return -rc;
	assert_int_equal(out.request.len, 2);
	assert_int_equal(out.step, out.verdict == COUNTERSIGN_RIGHT ? 0 : -1);
	f->rests_on[out.rests_on.len] = '\0';
	if (challenge != NULL || out.verdict != COUNTERSIGN_RIGHT)
		assert_true(out.secret.len == 0 && out.rests_on.len == 0);
	if (out.secret.len > 0) {
		memcpy(f->secret, secret, out.secret.len);
		f->secret_len = out.secret.len;
	}
	return out.verdict;
}

static int
begin(struct fixture *f, const char *challenge, const char *operation, const char *what, const char *language)
{
	struct countersign_begin in = {.size = sizeof(in), .call = {.now_ms = now_ms}, .secret = {f->secret, f->secret_len},
	    .challenge = countersign_view_of(challenge), .operation = countersign_view_of(operation),
	    .card = countersign_view_of(what), .language = countersign_view_of(language), .number = 1};
	char request[16];
	struct countersign_begin_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0},
	    .state = {f->state, sizeof(f->state), 0}, .destination = {f->destination, sizeof(f->destination) - 1, 0}};
	int rc;

	in.call.request = countersign_view_of("r3");
	give_steps(f, out.steps);
	rc = f->plugin->factor->begin(f->instance, &in, &out);
	fake_host_clear(&f->host);
	if (rc == COUNTERSIGN_OK) {
		f->state_len = out.state.len;
		f->destination[out.destination.len] = '\0';
		f->expires_ms = out.expires_ms;
		keep_steps(f, out.steps, out.steps_count);
	}
	return rc;
}

/* The text and the digits of the code in what the gateway was sent. */
static const char *
sent_code(void)
{
	static char code[OTP_DIGITS_MAX + 1];

	for (const char *c = gateway.body; *c != '\0'; c++) {
		size_t n = strspn(c, "0123456789");

		if ((n == 6 || n == 8 || n == 10) && c[-1] != '+') {
			snprintf(code, sizeof(code), "%.*s", (int)n, c);
			return code;
		}
		c += n > 0 ? n - 1 : 0;
	}
	fail();
	return NULL;
}

static void
enrol_fully(struct fixture *f)
{
	assert_int_equal(enrol(f, "+8613812345678", "en"), COUNTERSIGN_OK);
	assert_int_equal(verify_at(f, sent_code(), NULL, now_ms), COUNTERSIGN_RIGHT);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void
test_phone_numbers(void **state)
{
	static const struct {
		const char *typed, *country, *read, *masked;
	} cases[] = {
	    {"+8613812345678", "", "+8613812345678", "+86 138****5678"},
	    {" +86 138-1234-5678 ", "", "+8613812345678", "+86 138****5678"},
	    {"13812345678", "86", "+8613812345678", "+86 138****5678"},
	    {"0791234567", "41", "+41791234567", "+41 7****4567"},
	    {"+1 (415) 555-0100", "", "+14155550100", "+1 41****0100"},
	    {"+35312345678", "", "+35312345678", "+353 ****5678"},
	    {"+6421234567", "", "+6421234567", "+64 ****4567"},
	    {"+290123456", "", "+290123456", "+290 ****56"},
	    {"13812345678", "", NULL, NULL}, {"+0123456789", "", NULL, NULL}, {"+1234567", "", NULL, NULL},
	    {"+1234567890123456", "", NULL, NULL}, {"", "", NULL, NULL}, {"+", "", NULL, NULL}, {"++8613812345678", "", NULL, NULL},
	    {"+8613812345678\n", "", NULL, NULL}, {"+86138\r\n12345678", "", NULL, NULL}, {"+86138;12345678", "", NULL, NULL},
	    {"+861381234567a", "", NULL, NULL}, {"alice@example.com", "86", NULL, NULL},
	    {"+\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4\xd9\xa5\xd9\xa6\xd9\xa7\xd9\xa8", "", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct otp_address a = {.len = 0};
		char masked[OTP_MASKED_MAX];
		bool read = otp_address_read(OTP_SMS, countersign_view_of(cases[i].typed), countersign_view_of(cases[i].country), &a);

		assert_int_equal(read, cases[i].read != NULL);
		if (!read)
			continue;
		assert_string_equal(a.text, cases[i].read);
		masked[otp_address_mask(OTP_SMS, &a, masked)] = '\0';
		assert_string_equal(masked, cases[i].masked);
	}
}

static void
test_mailboxes(void **state)
{
	static const char *const good[][3] = {
	    {"alice@example.com", "alice@example.com", "a***@example.com"},
	    {" Al.Ice+pay@Sub.EXAMPLE.com ", "Al.Ice+pay@sub.example.com", "A***@sub.example.com"},
	    {"x@a-b.c1", "x@a-b.c1", "x***@a-b.c1"},
	    {"0@xn--fiq228c.cn", "0@xn--fiq228c.cn", "0***@xn--fiq228c.cn"},
	};
	static const char *const bad[] = {"", "alice", "@example.com", "alice@", "alice@example", "alice@@example.com", "a@b@c.de",
	    "alice@.com", "alice@example.", "alice@-a.com", "alice@a-.com", "alice@a..com", "alice@1.2.3.4", "alice@[1.2.3.4]",
	    ".a@example.com", "a.@example.com", "a..b@example.com", "\"a b\"@example.com", "a b@example.com", "a\nb@example.com",
	    "a@example.com\r\nBcc: b@example.com", "a@exam\rple.com", "a,b@example.com", "<a@example.com>", "a(x)@example.com",
	    "a@\xe4\xb8\xad\xe6\x96\x87.cn", "\xe4\xb8\xad@example.com", "-f@example.com", "a@example.com>", "a;b@example.com", "a`b@example.com"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct otp_address a = {.len = 0};
		char masked[OTP_MASKED_MAX];

		assert_true(otp_address_read(OTP_MAIL, countersign_view_of(good[i][0]), countersign_view_of(NULL), &a));
		assert_string_equal(a.text, good[i][1]);
		masked[otp_address_mask(OTP_MAIL, &a, masked)] = '\0';
		assert_string_equal(masked, good[i][2]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct otp_address a = {.len = 0};

		if (otp_address_read(OTP_MAIL, countersign_view_of(bad[i]), countersign_view_of(NULL), &a))
			fail_msg("was read: %s", bad[i]);
	}
}

static void
test_allow_lists(void **state)
{
	struct otp_address phone, mail;

	(void)state;
	assert_true(otp_address_read(OTP_SMS, countersign_view_of("+8613812345678"), countersign_view_of(NULL), &phone));
	assert_true(otp_address_read(OTP_MAIL, countersign_view_of("a@mail.example.com"), countersign_view_of(NULL), &mail));
	assert_true(otp_address_under(OTP_SMS, &phone, countersign_view_of("+86")));
	assert_false(otp_address_under(OTP_SMS, &phone, countersign_view_of("+1")));
	assert_true(otp_address_under(OTP_MAIL, &mail, countersign_view_of("example.com")));
	assert_true(otp_address_under(OTP_MAIL, &mail, countersign_view_of("mail.example.com")));
	assert_false(otp_address_under(OTP_MAIL, &mail, countersign_view_of("ample.com")));
	assert_false(otp_address_under(OTP_MAIL, &mail, countersign_view_of("a@mail.example.com")));
}

/* ---- templates and mails --------------------------------------------------------------------- */

static void
test_values_never_leave_their_place(void **state)
{
	static const char *const refused[] = {"a\nb", "a\rb", "\x1b[31m", "a\x7f", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xae" "00.05",
	    "\xe2\x81\xa6", "\xff", "\xc0\x8a", "\xed\xa0\x80", "\xe4\xb8"};
	struct otp_values values = {.of = {[OTP_CODE] = {"1", 1}}};
	char text[256];
	struct countersign_buffer to = {text, sizeof(text), 0};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		values.of[OTP_PAYEE] = countersign_view_of(refused[i]);
		assert_int_equal(otp_template_fill(countersign_view_of("x"), &values, OTP_PLAIN, &to), COUNTERSIGN_INVALID);
	}
	/* A value that looks like a field is not one. */
	values.of[OTP_PAYEE] = countersign_view_of("{code}\\n");
	assert_int_equal(otp_template_fill(countersign_view_of("{payee}|{code}\\n"), &values, OTP_PLAIN, &to), COUNTERSIGN_OK);
	assert_int_equal(to.len, strlen("{code}\\n|1\n"));
	assert_memory_equal(text, "{code}\\n|1\n", to.len);
	values.of[OTP_PAYEE] = countersign_view_of(NULL);
	values.of[OTP_TEXT] = countersign_view_of("say \"hi\" & \\ \n\xe4\xbd\xa0");
	assert_int_equal(otp_template_fill(countersign_view_of("{\"t\":\"{text}\",\"{x}\":1}"), &values, OTP_JSON, &to), COUNTERSIGN_OK);
	text[to.len] = '\0';
	assert_string_equal(text, "{\"t\":\"say \\\"hi\\\" & \\\\ \\n\xe4\xbd\xa0\",\"{x}\":1}");
	assert_int_equal(otp_template_fill(countersign_view_of("t={text}"), &values, OTP_FORM, &to), COUNTERSIGN_OK);
	text[to.len] = '\0';
	assert_string_equal(text, "t=say%20%22hi%22%20%26%20%5C%20%0A%E4%BD%A0");
	to.cap = 5;
	assert_int_equal(otp_template_fill(countersign_view_of("t={text}"), &values, OTP_FORM, &to), COUNTERSIGN_FULL);
}

static void
test_a_mail_is_ascii_and_its_lines_are_short(void **state)
{
	static const char text[] = "你好 Corner Shop\n.\nsecond line, which is long enough to be broken over more than one line of base64";
	struct otp_address from, to;
	struct otp_mail m = {.from = &from, .to = &to, .from_name = countersign_view_of("商店 \"A\" <b@c.de>"), .at_ms = now_ms,
	    .subject = countersign_view_of("验证码验证码验证码验证码验证码验证码验证码验证码验证码"), .text = countersign_view_of(text)};
	char mail[OTP_MAIL_MAX];
	struct countersign_buffer out = {mail, sizeof(mail), 0};
	size_t line = 0;

	(void)state;
	assert_true(otp_address_read(OTP_MAIL, countersign_view_of("codes@shop.example"), countersign_view_of(NULL), &from));
	assert_true(otp_address_read(OTP_MAIL, countersign_view_of("a@example.com"), countersign_view_of(NULL), &to));
	assert_int_equal(otp_mail_write(&m, &out), COUNTERSIGN_OK);
	mail[out.len] = '\0';
	assert_non_null(strstr(mail, "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"));
	assert_non_null(strstr(mail, "\r\nTo: <a@example.com>\r\n"));
	assert_non_null(strstr(mail, "\r\nSubject: =?UTF-8?B?6aqM6K+B56CB"));
	assert_null(strstr(mail, "b@c.de"));
	for (size_t i = 0; i < out.len; i++) {
		assert_true((mail[i] >= 0x20 && mail[i] < 0x7f) || mail[i] == '\r' || mail[i] == '\n');
		assert_int_equal(mail[i] == '\n', i > 0 && mail[i - 1] == '\r');
		line = mail[i] == '\n' ? 0 : line + 1;
		assert_true(line <= 90);
	}
	m.subject = countersign_view_of("a\r\nBcc: x@example.com");
	assert_int_equal(otp_mail_write(&m, &out), COUNTERSIGN_INVALID);
}

static void
test_settings_that_make_no_sense(void **state)
{
	static const struct {
		struct fake_setting settings[6];
		const char *problem;
	} cases[] = {
	    {{{"channel", "sms"}, {NULL, NULL}}, "gateway: "},
	    {{{"channel", "mail"}, {NULL, NULL}}, "smtp: "},
	    {{{"channel", "mail"}, {"smtp", "smtp://mail.example"}, {NULL, NULL}}, "from: "},
	    {{{"channel", "mail"}, {"smtp", "smtp://mail.example"}, {"from", "a@b.de"}, {"tls", "none"}, {NULL, NULL}}, "loopback"},
	    {{{"channel", "mail"}, {"smtp", "smtps://127.0.0.1"}, {"from", "a@b.de"}, {"tls", "none"}, {NULL, NULL}}, "loopback"},
	    {{{"channel", "mail"}, {"smtp", "smtp://127.0.0.1.example.com"}, {"from", "a@b.de"}, {"tls", "none"}, {NULL, NULL}}, "loopback"},
	    {{{"channel", "mail"}, {"smtp", "http://mail.example"}, {"from", "a@b.de"}, {NULL, NULL}}, "smtp://HOST:PORT"},
	    {{{"channel", "mail"}, {"smtp", "smtp://a:b@mail.example"}, {"from", "a@b.de"}, {NULL, NULL}}, "smtp-user"},
	    {{{"channel", "mail"}, {"smtp", "smtp://mail.example"}, {"from", "a@b.de"}, {"smtp-user", "a"}, {NULL, NULL}}, "together"},
	    {{SMS, {"body", "{\"to\":{to},\"text\":\"{text}\"}"}, {NULL, NULL}}, "no JSON"},
	    {{SMS, {"body", "{\"text\":\"{text}\"}"}, {NULL, NULL}}, "lacks a field"},
	    {{SMS, {"payment-en", "{code}: {amount} {currency} to {payee}, {service}"}, {NULL, NULL}}, "before {code}"},
	    {{SMS, {"payment-en", "{service}, {payee}: {code} for {amount} {currency}"}, {NULL, NULL}}, "before {code}"},
	    {{SMS, {"payment-en", "{service}, {amount} {currency}: {code} for {payee}"}, {NULL, NULL}}, "before {code}"},
	    {{SMS, {"payment-en", "{service} {code}"}, {NULL, NULL}}, "lacks a field"},
	    {{SMS, {"other-zh", "{service} {what}{about} {code} {nonsense}"}, {NULL, NULL}}, "no field"},
	    {{SMS, {"subject-en", "your code {code}"}, {NULL, NULL}}, "no field"},
	    {{SMS, {"subject-en", "a\\nb"}, {NULL, NULL}}, "one line"},
	    {{SMS, {"allow", "86"}, {NULL, NULL}}, "prefix with +"},
	    {{{"channel", "mail"}, {"outbox", "/tmp/x"}, {"allow", "Example.com"}, {NULL, NULL}}, "small letters"},
	    {{SMS, {"country", "+86"}, {NULL, NULL}}, "digits alone"},
	    {{{"channel", "sms"}, {"outbox", "here"}, {NULL, NULL}}, "absolute"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;

		assert_int_equal(try_start(&f, cases[i].settings), COUNTERSIGN_INVALID);
		if (strstr(f.host.log, cases[i].problem) == NULL)
			fail_msg("case %zu says: %s", i, f.host.log);
	}
}

/* ---- the operations -------------------------------------------------------------------------- */

static void
test_enrolment_proves_the_address(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, (struct fake_setting[]){SMS, {"authorization", "Bearer abc"}, {NULL, NULL}});
	assert_int_equal(enrol(&f, "+86 138 1234 5678", "en"), COUNTERSIGN_OK);
	assert_string_equal(gateway.url, "https://sms.example/send");
	assert_string_equal(gateway.type, "application/json");
	assert_string_equal(gateway.authorization, "Bearer abc");
	assert_non_null(strstr(gateway.body, "\"to\":\"+8613812345678\",\"text\":\"Corner Shop: confirm"));
	/* NIST SP 800-63B: who enrols a text message is told what it is worth. */
	assert_int_equal(f.steps_count, 2);
	assert_int_equal(f.steps[0].kind, COUNTERSIGN_STEP_SHOW);
	assert_non_null(strstr(f.value[0], "SIM"));
	assert_int_equal(f.steps[1].kind, COUNTERSIGN_STEP_CODE);
	assert_int_equal(f.steps[1].digits, 6);
	assert_string_equal(f.value[1], "Code sent to +86 138****5678");
	assert_int_equal(verify_at(&f, "000000", NULL, now_ms), COUNTERSIGN_WRONG);
	assert_int_equal(verify_at(&f, sent_code(), NULL, now_ms), COUNTERSIGN_RIGHT);
	assert_string_equal(f.rests_on, "phone:+8613812345678");
	/* What is kept from now on holds nothing of the code. */
	assert_true(f.secret_len < 20);
	assert_int_equal(verify_at(&f, sent_code(), NULL, now_ms), -COUNTERSIGN_INVALID);
	stop(&f);
}

/* A factor whose address was not proved is sent nothing and countersigns nothing. */
static void
test_before_its_enrolment_is_over_it_is_no_factor(void **state)
{
	char unfinished[1024];
	struct fixture f;
	size_t len;

	(void)state;
	start(&f, (struct fake_setting[]){SMS, {NULL, NULL}});
	assert_int_equal(enrol(&f, "+8613812345678", "en"), COUNTERSIGN_OK);
	len = f.secret_len;
	memcpy(unfinished, f.secret, len);
	assert_int_equal(begin(&f, "c", "spend", card, "en"), COUNTERSIGN_INVALID);
	assert_int_equal(verify_at(&f, sent_code(), NULL, now_ms), COUNTERSIGN_RIGHT);
	assert_int_equal(begin(&f, "c", "spend", card, "en"), COUNTERSIGN_OK);
	memcpy(f.secret, unfinished, len);
	f.secret_len = len;
	assert_int_equal(verify_at(&f, sent_code(), "c", now_ms), -COUNTERSIGN_INVALID);
	stop(&f);
}

static void
test_enrolment_needs_an_address(void **state)
{
	static const char *const bad[] = {NULL, "", "13812345678", "+86 13812345678\r\nX: y", "+1 415 555 0100"};
	struct fixture f;

	(void)state;
	start(&f, (struct fake_setting[]){SMS, {"allow", "+86"}, {"allow", "+852"}, {NULL, NULL}});
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(enrol(&f, bad[i], "en"), COUNTERSIGN_BAD_ADDRESS);
	assert_int_equal(gateway.count, 0);
	assert_int_equal(enrol(&f, "+85212345678", "zh-CN"), COUNTERSIGN_OK);
	assert_non_null(strstr(gateway.body, "【Corner Shop】"));
	stop(&f);
}

static void
test_the_message_says_what_before_the_code(void **state)
{
	struct fixture f;
	const char *service, *amount, *payee, *code;

	(void)state;
	start(&f, (struct fake_setting[]){SMS, {NULL, NULL}});
	enrol_fully(&f);
	for (int zh = 0; zh < 2; zh++) {
		assert_int_equal(begin(&f, "challenge 1", "spend", card, zh ? "zh" : "en"), COUNTERSIGN_OK);
		service = strstr(gateway.body, "Corner Shop");
		amount = strstr(gateway.body, "88.00 CNY");
		payee = strstr(gateway.body, "Noodle \\\"Bar\\\"");
		code = strstr(gateway.body, sent_code());
		assert_true(service != NULL && amount != NULL && payee != NULL);
		assert_true(service < code && amount < code && payee < code);
		assert_non_null(strstr(code, zh ? "如非本人操作" : "Not you?"));
		assert_string_equal(f.destination, "+86 138****5678");
		assert_int_equal(f.expires_ms, now_ms + 300000);
		assert_int_equal(verify_at(&f, sent_code(), "challenge 1", now_ms), COUNTERSIGN_RIGHT);
	}
	stop(&f);
}

static void
test_other_operations_say_what_they_are(void **state)
{
	static const char grant[] = "{\"service\":\"Corner Shop\",\"what\":\"allowance\",\"payee\":\"Metro\",\"worst_case\":\"3000.00 CNY\"}";
	struct fixture f;

	(void)state;
	start(&f, (struct fake_setting[]){SMS, {NULL, NULL}});
	enrol_fully(&f);
	assert_int_equal(begin(&f, "c", "grant", grant, "en"), COUNTERSIGN_OK);
	assert_non_null(strstr(gateway.body,
	    "Corner Shop: allow payments without asking each time: Metro, at most 3000.00 CNY. Your code is "));
	stop(&f);
}

static void
test_no_code_without_what_must_be_said(void **state)
{
	static const char *const cards[] = {"", "null", "[]", "{\"service\":\"S\"}", "{\"service\":\"S\",\"amount\":\"1.00\",\"currency\":\"CNY\"}",
	    "{\"service\":\"S\",\"amount\":5,\"currency\":\"CNY\",\"payee\":\"P\"}",
	    "{\"amount\":\"1.00\",\"currency\":\"CNY\",\"payee\":\"P\"}",
	    "{\"service\":\"S\",\"amount\":\"1.00\",\"currency\":\"CNY\",\"payee\":\"P\\r\\nBcc: x\"}",
	    "{\"service\":\"S\",\"service\":\"T\",\"amount\":\"1.00\",\"currency\":\"CNY\",\"payee\":\"P\"}"};
	struct fixture f;
	unsigned sent;

	(void)state;
	start(&f, (struct fake_setting[]){SMS, {NULL, NULL}});
	enrol_fully(&f);
	sent = gateway.count;
	for (size_t i = 0; i < sizeof(cards) / sizeof(cards[0]); i++)
		assert_int_equal(begin(&f, "c", "spend", cards[i], "en"), COUNTERSIGN_INVALID);
	assert_int_equal(gateway.count, sent);
	stop(&f);
}

static void
test_a_code_is_good_for_one_challenge_and_time(void **state)
{
	char first[OTP_DIGITS_MAX + 1], spaced[OTP_DIGITS_MAX + 2];
	struct fixture f;

	(void)state;
	start(&f, (struct fake_setting[]){SMS, {"lifetime", "60"}, {"digits", "8"}, {NULL, NULL}});
	enrol_fully(&f);
	assert_int_equal(begin(&f, "challenge 1", "spend", card, "en"), COUNTERSIGN_OK);
	snprintf(first, sizeof(first), "%s", sent_code());
	assert_int_equal(strlen(first), 8);
	snprintf(spaced, sizeof(spaced), "%.4s %.4s", first, first + 4);
	assert_int_equal(verify_at(&f, first, "challenge 1", now_ms), COUNTERSIGN_RIGHT);
	assert_int_equal(verify_at(&f, spaced, "challenge 1", now_ms + 59999), COUNTERSIGN_RIGHT);
	assert_int_equal(verify_at(&f, first, "challenge 1", now_ms + 60000), COUNTERSIGN_WRONG);
	assert_int_equal(verify_at(&f, first, "challenge 2", now_ms), COUNTERSIGN_WRONG);
	/* Sent again: the code before is void. */
	assert_int_equal(begin(&f, "challenge 1", "spend", card, "en"), COUNTERSIGN_OK);
	assert_int_equal(verify_at(&f, first, "challenge 1", now_ms), COUNTERSIGN_WRONG);
	assert_int_equal(verify_at(&f, sent_code(), "challenge 1", now_ms), COUNTERSIGN_RIGHT);
	/* Another account's address. */
	f.secret[5] ^= 1;
	assert_int_equal(verify_at(&f, sent_code(), "challenge 1", now_ms), COUNTERSIGN_WRONG);
	stop(&f);
}

static void
test_wrong_answers_are_all_alike(void **state)
{
	static const char *const wrong[] = {"", "0", "abcdef", "00000\xff", "1234567890123", "12345\n", "xxxxxx"};
	struct fixture f;
	char longer[16];

	(void)state;
	start(&f, (struct fake_setting[]){SMS, {NULL, NULL}});
	enrol_fully(&f);
	assert_int_equal(begin(&f, "c", "spend", card, "en"), COUNTERSIGN_OK);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(verify_at(&f, wrong[i], "c", now_ms), COUNTERSIGN_WRONG);
	snprintf(longer, sizeof(longer), "%s0", sent_code());
	assert_int_equal(verify_at(&f, longer, "c", now_ms), COUNTERSIGN_WRONG);
	longer[5] = '\0';
	assert_int_equal(verify_at(&f, longer, "c", now_ms), COUNTERSIGN_WRONG);
	/* Never begun, or begun by something else. */
	f.state_len = 0;
	assert_int_equal(verify_at(&f, sent_code(), "c", now_ms), -COUNTERSIGN_INVALID);
	stop(&f);
}

static void
test_what_was_not_taken_was_not_sent(void **state)
{
	static const int statuses[] = {199, 302, 400, 401, 429, 500, 503};
	struct fixture f;

	(void)state;
	start(&f, (struct fake_setting[]){SMS, {NULL, NULL}});
	enrol_fully(&f);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		gateway.status = statuses[i];
		assert_int_equal(begin(&f, "c", "spend", card, "en"), COUNTERSIGN_UNREACHABLE);
		assert_int_equal(enrol(&f, "+8613812345678", "en"), COUNTERSIGN_UNREACHABLE);
	}
	gateway.result = COUNTERSIGN_TOO_LATE;
	assert_int_equal(begin(&f, "c", "spend", card, "en"), COUNTERSIGN_TOO_LATE);
	assert_null(strstr(f.host.log, "138"));
	stop(&f);
}

static void
test_a_factor_of_the_other_channel_is_none(void **state)
{
	struct fixture f;
	char secret[64];
	size_t len;

	(void)state;
	start(&f, (struct fake_setting[]){SMS, {NULL, NULL}});
	enrol_fully(&f);
	len = f.secret_len;
	memcpy(secret, f.secret, len);
	stop(&f);
	start(&f, (struct fake_setting[]){{"channel", "mail"}, {"outbox", "/dev/null"}, {NULL, NULL}});
	memcpy(f.secret, secret, len);
	f.secret_len = len;
	assert_int_equal(begin(&f, "c", "spend", card, "en"), COUNTERSIGN_INVALID);
	stop(&f);
}

/* Every length is right, leading zeros stay, and every last digit comes. */
static void
test_codes_have_all_their_digits(void **state)
{
	unsigned last[10] = {0}, first_zero = 0;
	char code[OTP_DIGITS_MAX + 1];
	struct fixture f;

	(void)state;
	start(&f, (struct fake_setting[]){SMS, {NULL, NULL}});
	for (int i = 0; i < 256; i++) {
		f.host.next_random = (unsigned char)i;
		for (unsigned digits = OTP_DIGITS_MIN; digits <= OTP_DIGITS_MAX; digits++) {
			otp_code_make(&f.host.table, digits, code);
			assert_int_equal(strlen(code), digits);
			assert_int_equal(strspn(code, "0123456789"), digits);
			last[code[digits - 1] - '0']++;
			first_zero += code[0] == '0';
		}
	}
	assert_true(first_zero > 0);
	for (int i = 0; i < 10; i++)
		assert_true(last[i] > 0);
	stop(&f);
}

static void
test_a_notice_is_told(void **state)
{
	static const char message[] =
	    "{\"what\":\"recovery_begun\",\"at\":\"2027-01-15T08:00:00Z\",\"account_hint\":\"al***\",\"detail\":\"totp\"}";
	char request[16];
	struct countersign_tell in = {.size = sizeof(in), .call = {.now_ms = now_ms}};
	struct countersign_tell_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0}};
	struct fixture f;

	(void)state;
	start(&f, (struct fake_setting[]){SMS, {"issuer", "Example Pay"}, {NULL, NULL}});
	enrol_fully(&f);
	in.call.request = countersign_view_of("r4");
	in.secret = (struct countersign_view){f.secret, f.secret_len};
	in.message = countersign_view_of(message);
	assert_int_equal(f.plugin->factor->tell(f.instance, &in, &out), COUNTERSIGN_OK);
	assert_non_null(strstr(gateway.body, "Example Pay: someone began to recover your account: totp. Account al***, 2027-01-15T08:00:00Z."));
	in.message = countersign_view_of("{\"what\":\"a\\nb\"}");
	assert_int_equal(f.plugin->factor->tell(f.instance, &in, &out), COUNTERSIGN_INVALID);
	stop(&f);
}

static void
test_the_outbox_takes_a_line_a_message(void **state)
{
	char path[] = "/tmp/cs-outbox-XXXXXX", line[4096];
	struct fixture f;
	json_t *doc;
	FILE *file;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	start(&f, (struct fake_setting[]){{"channel", "mail"}, {"outbox", path}, {NULL, NULL}});
	assert_int_equal(enrol(&f, "alice@example.com", "zh"), COUNTERSIGN_OK);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	doc = json_loads(line, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(doc, "to")), "alice@example.com");
	assert_string_equal(json_string_value(json_object_get(doc, "kind")), "enrolment");
	assert_string_equal(json_string_value(json_object_get(doc, "subject")), "Corner Shop：验证码");
	assert_int_equal(gateway.count, 0);
	json_decref(doc);
	assert_null(fgets(line, sizeof(line), file));
	fclose(file);
	unlink(path);
	stop(&f);
}

static void
test_self_test_passes(void **state)
{
	struct fake_host host;

	(void)state;
	fake_host_init(&host, countersign_plugin_v1(), NULL);
	assert_int_equal(countersign_plugin_v1()->self_test(&host.table), COUNTERSIGN_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_self_test_passes),
	    cmocka_unit_test(test_phone_numbers),
	    cmocka_unit_test(test_mailboxes),
	    cmocka_unit_test(test_allow_lists),
	    cmocka_unit_test(test_values_never_leave_their_place),
	    cmocka_unit_test(test_a_mail_is_ascii_and_its_lines_are_short),
	    cmocka_unit_test(test_settings_that_make_no_sense),
	    cmocka_unit_test(test_enrolment_proves_the_address),
	    cmocka_unit_test(test_before_its_enrolment_is_over_it_is_no_factor),
	    cmocka_unit_test(test_enrolment_needs_an_address),
	    cmocka_unit_test(test_the_message_says_what_before_the_code),
	    cmocka_unit_test(test_other_operations_say_what_they_are),
	    cmocka_unit_test(test_no_code_without_what_must_be_said),
	    cmocka_unit_test(test_a_code_is_good_for_one_challenge_and_time),
	    cmocka_unit_test(test_wrong_answers_are_all_alike),
	    cmocka_unit_test(test_what_was_not_taken_was_not_sent),
	    cmocka_unit_test(test_a_factor_of_the_other_channel_is_none),
	    cmocka_unit_test(test_codes_have_all_their_digits),
	    cmocka_unit_test(test_a_notice_is_told),
	    cmocka_unit_test(test_the_outbox_takes_a_line_a_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
