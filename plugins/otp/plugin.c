/* SPDX-License-Identifier: Apache-2.0 */
/* The factor `otp`: one-time codes by text message or mail. See README.md. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/otp/code.h"
#include "plugins/otp/send.h"
#include "plugins/otp/template.h"

/*
 * The secret that the engine seals: version, channel, the address's length and bytes; while the factor is enrolled also
 * what is kept of the code that was sent.
 */
enum { SECRET_VERSION = 1, SECRET_HEAD = 3, OTP_SECRET_BYTES = SECRET_HEAD + OTP_ADDRESS_MAX + OTP_KEPT_BYTES };

struct secret {
	struct otp_address address;
	struct countersign_view kept;  /* absent: the enrolment was finished */
};

static const struct {
	const char *label;       /* %s: the address, masked */
	const char *restricted;  /* NIST SP 800-63B, 5.2.10: the user is told */
} words[OTP_LANGUAGE_COUNT] = {
    [OTP_EN] = {"Code sent to %s", "Others can read text messages, for instance when a number is moved to another SIM card. "
	"An authenticator app or a passkey is safer: add one when you can."},
    [OTP_ZH] = {"已发送至 %s 的验证码", "短信可能被他人截获（例如手机号被补卡）。建议尽快添加更安全的验证器应用或通行密钥。"},
};

static size_t
write_secret(const struct otp *o, const struct otp_address *a, const uint8_t *kept, uint8_t to[OTP_SECRET_BYTES])
{
	size_t n = SECRET_HEAD;

	to[0] = SECRET_VERSION;
	to[1] = (uint8_t)o->channel;
	to[2] = (uint8_t)a->len;
	memcpy(to + n, a->text, a->len);
	n += a->len;
	if (kept != NULL) {
		memcpy(to + n, kept, OTP_KEPT_BYTES);
		n += OTP_KEPT_BYTES;
	}
	return n;
}

/* Of this version and of the configured channel; an address of the other channel can be sent nothing. */
static bool
read_secret(const struct otp *o, struct countersign_view v, struct secret *s)
{
	const uint8_t *b = (const uint8_t *)v.data;
	size_t rest;

	if (v.len < SECRET_HEAD || b[0] != SECRET_VERSION || b[1] != (uint8_t)o->channel || b[2] == 0 || b[2] > OTP_ADDRESS_MAX ||
	    v.len < (size_t)SECRET_HEAD + b[2])
		return false;
	rest = v.len - SECRET_HEAD - b[2];
	if (rest != 0 && rest != OTP_KEPT_BYTES)
		return false;
	memcpy(s->address.text, v.data + SECRET_HEAD, b[2]);
	s->address.text[b[2]] = '\0';
	s->address.len = b[2];
	s->kept = (struct countersign_view){rest == 0 ? NULL : v.data + SECRET_HEAD + b[2], rest};
	return true;
}

static struct countersign_view
address_of(const struct otp_address *a)
{
	return (struct countersign_view){a->text, a->len};
}

static struct otp_written
room_for_message(const struct otp *o)
{
	return (struct otp_written){
	    .subject = {o->host->scratch(o->host->context, OTP_SUBJECT_MAX), OTP_SUBJECT_MAX, 0},
	    .text = {o->host->scratch(o->host->context, OTP_MESSAGE_MAX), OTP_MESSAGE_MAX, 0},
	};
}

static bool
has_room(const struct otp_written *w)
{
	return w->subject.data != NULL && w->text.data != NULL;
}

static int
put_code_step(const struct otp *o, const struct otp_address *a, enum otp_language language, struct countersign_step *step)
{
	char masked[OTP_MASKED_MAX], label[OTP_MASKED_MAX + 64];
	int n;

	(void)otp_address_mask(o->channel, a, masked);
	n = snprintf(label, sizeof(label), words[language].label, masked);
	step->kind = COUNTERSIGN_STEP_CODE;
	step->digits = o->digits;
	return countersign_put(&step->value, label, (size_t)n);
}

/* ---- operations ------------------------------------------------------------------------------ */

static int
otp_enrol(void *instance, const struct countersign_enrol *in, struct countersign_enrol_answer *out)
{
	const struct otp *o = instance;
	enum otp_language language = OTP_EN;
	struct otp_written message = room_for_message(o);
	char code[OTP_DIGITS_MAX + 1];
	uint8_t kept[OTP_KEPT_BYTES], secret[OTP_SECRET_BYTES];
	struct otp_address a;
	struct otp_purpose purpose = {.address = {NULL, 0}};
	size_t n = 0;
	int rc;

	if (!COUNTERSIGN_HAS(in, struct countersign_enrol, language) || !has_room(&message))
		return COUNTERSIGN_INTERNAL;
	language = otp_language_of(in->language);
	if (!otp_address_read(o->channel, in->address, o->country, &a) || !otp_settings_allow(o, &a)) {
		otp_log(o->host, COUNTERSIGN_LOG_INFO, "an enrolment named no address of this channel, or none that `allow` has");
		return COUNTERSIGN_BAD_ADDRESS;
	}
	purpose.address = address_of(&a);
	otp_code_make(o->host, o->digits, code);
	rc = otp_code_keep(o->host, &purpose, code, in->call.now_ms + 1000LL * o->lifetime_s, kept);
	if (rc == COUNTERSIGN_OK)
		rc = otp_message_enrolment(o, in->issuer, in->account_hint, language, code, &message);
	explicit_bzero(code, sizeof(code));
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->secret, secret, write_secret(o, &a, kept, secret));
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	if (rc == COUNTERSIGN_OK && o->channel == OTP_SMS) {
		out->steps[n].kind = COUNTERSIGN_STEP_SHOW;
		out->steps[n].digits = 0;
		rc = countersign_put(&out->steps[n].value, words[language].restricted, strlen(words[language].restricted));
		n++;
	}
	if (rc == COUNTERSIGN_OK)
		rc = put_code_step(o, &a, language, &out->steps[n++]);
	/* Last: what could not be answered for is not sent. */
	if (rc == COUNTERSIGN_OK)
		rc = otp_send(o, &in->call, &a, &message, language, "enrolment");
	out->steps_count = n;
	return rc;
}

static int
otp_begin(void *instance, const struct countersign_begin *in, struct countersign_begin_answer *out)
{
	const struct otp *o = instance;
	enum otp_language language = otp_language_of(in->language);
	struct otp_written message = room_for_message(o);
	char code[OTP_DIGITS_MAX + 1], masked[OTP_MASKED_MAX];
	uint8_t kept[OTP_KEPT_BYTES];
	int64_t expires_ms = in->call.now_ms + 1000LL * o->lifetime_s;
	struct otp_purpose purpose = {.challenge = in->challenge};
	struct secret s;
	int rc;

	if (!has_room(&message) || in->challenge.len == 0 || !read_secret(o, in->secret, &s) || s.kept.len > 0)
		return COUNTERSIGN_INVALID;
	purpose.address = address_of(&s.address);
	otp_code_make(o->host, o->digits, code);
	rc = otp_code_keep(o->host, &purpose, code, expires_ms, kept);
	if (rc == COUNTERSIGN_OK)
		rc = otp_message_code(o, in->operation, in->card, language, code, &message);
	explicit_bzero(code, sizeof(code));
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->state, kept, sizeof(kept));
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->destination, masked, otp_address_mask(o->channel, &s.address, masked));
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	if (rc == COUNTERSIGN_OK)
		rc = put_code_step(o, &s.address, language, &out->steps[0]);
	if (rc == COUNTERSIGN_OK)
		rc = otp_send(o, &in->call, &s.address, &message, language, "code");
	out->steps_count = 1;
	out->expires_ms = expires_ms;
	return rc;
}

/* The end of an enrolment: the address is what is kept, and what the factor rests on. */
static int
finish_enrolment(const struct otp *o, const struct secret *s, struct countersign_verify_answer *out)
{
	uint8_t secret[OTP_SECRET_BYTES];
	int rc = countersign_put(&out->secret, secret, write_secret(o, &s->address, NULL, secret));

	return rc != COUNTERSIGN_OK ? rc : otp_address_rests_on(o->channel, &s->address, &out->rests_on);
}

static int
otp_verify(void *instance, const struct countersign_verify *in, struct countersign_verify_answer *out)
{
	const struct otp *o = instance;
	struct otp_purpose purpose = {.challenge = in->challenge};
	bool enrolling = in->challenge.len == 0, right = false;
	struct secret s;
	int rc;

	if (!COUNTERSIGN_HAS(in, struct countersign_verify, state) ||
	    !COUNTERSIGN_HAS(out, struct countersign_verify_answer, rests_on) || !read_secret(o, in->secret, &s) ||
	    enrolling != (s.kept.len > 0))
		return COUNTERSIGN_INVALID;
	purpose.address = address_of(&s.address);
	rc = otp_code_check(&purpose, enrolling ? s.kept : in->state, in->answer, in->call.now_ms, &right);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	if (rc == COUNTERSIGN_OK && right && enrolling)
		rc = finish_enrolment(o, &s, out);
	if (rc != COUNTERSIGN_OK)
		return rc;
	out->verdict = right ? COUNTERSIGN_RIGHT : COUNTERSIGN_WRONG;
	out->step = right ? 0 : -1;
	return COUNTERSIGN_OK;
}

static int
otp_tell(void *instance, const struct countersign_tell *in, struct countersign_tell_answer *out)
{
	const struct otp *o = instance;
	enum otp_language language = otp_language_of(in->language);
	struct otp_written message = room_for_message(o);
	struct secret s;
	int rc;

	if (!has_room(&message) || !read_secret(o, in->secret, &s))
		return COUNTERSIGN_INVALID;
	rc = otp_message_notice(o, in->message, language, &message);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	return rc != COUNTERSIGN_OK ? rc : otp_send(o, &in->call, &s.address, &message, language, "notice");
}

/* ---- the plugin ------------------------------------------------------------------------------ */

/* One code through template and digest, the right one and a wrong one; and libcurl knows mail with TLS. */
static int
otp_self_test(const struct countersign_host_v1 *host)
{
	static const char mail[] = "Some.One@Shop.EXAMPLE";
	const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
	const struct otp_values values = {.of = {[OTP_CODE] = {"123456", 6}}};
	char text[32];
	struct countersign_buffer to = {text, sizeof(text), 0};
	struct otp_address a;
	struct otp_purpose purpose;
	uint8_t kept[OTP_KEPT_BYTES];
	bool right = false, wrong = true, mails = false;

	for (const char *const *p = curl->protocols; *p != NULL; p++)
		mails = mails || strcmp(*p, "smtps") == 0;
	if (!mails || !otp_address_read(OTP_MAIL, countersign_view_of(mail), countersign_view_of(NULL), &a) ||
	    strcmp(a.text, "Some.One@shop.example") != 0 ||
	    otp_template_fill(countersign_view_of("<{code}>"), &values, OTP_PLAIN, &to) != COUNTERSIGN_OK || to.len != 8 ||
	    memcmp(text, "<123456>", 8) != 0)
		return COUNTERSIGN_INTERNAL;
	purpose = (struct otp_purpose){.challenge = {"c", 1}, .address = address_of(&a)};
	if (otp_code_keep(host, &purpose, "123456", 1000, kept) != COUNTERSIGN_OK ||
	    otp_code_check(&purpose, (struct countersign_view){(char *)kept, sizeof(kept)}, countersign_view_of("123 456"), 999, &right) !=
		COUNTERSIGN_OK ||
	    otp_code_check(&purpose, (struct countersign_view){(char *)kept, sizeof(kept)}, countersign_view_of("123457"), 999, &wrong) !=
		COUNTERSIGN_OK)
		return COUNTERSIGN_INTERNAL;
	return right && !wrong ? COUNTERSIGN_OK : COUNTERSIGN_INTERNAL;
}

static void
otp_fini(void *instance)
{
	otp_settings_clear(instance);
	free(instance);
	curl_global_cleanup();
}

static int
otp_init(const struct countersign_host_v1 *host, void **instance)
{
	struct otp *o = calloc(1, sizeof(*o));
	int rc;

	if (o == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(o);
		return COUNTERSIGN_INTERNAL;
	}
	rc = otp_settings_read(host, o);
	if (rc != COUNTERSIGN_OK) {
		otp_fini(o);
		return rc;
	}
	*instance = o;
	return COUNTERSIGN_OK;
}

static int
otp_profile(void *instance, struct countersign_profile *profile)
{
	(void)instance;
	profile->assurance = 0;
	profile->controls = NULL;
	return COUNTERSIGN_OK;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_factor_v1 factor = {
	    .size = sizeof(factor),
	    .kind = "otp",
	    .enrol = otp_enrol,
	    .verify = otp_verify,
	    .begin = otp_begin,
	    .tell = otp_tell,
	};
	static struct countersign_plugin_v1 plugin = {
	    .size = sizeof(plugin),
	    .abi = COUNTERSIGN_PLUGIN_ABI,
	    .kinds = COUNTERSIGN_KIND_FACTOR,
	    .flags = COUNTERSIGN_USES_HTTP | COUNTERSIGN_SENDS,
	    .config = otp_config,
	    .config_key_size = sizeof(otp_config[0]),
	    .name = "otp",
	    .version = "1",
	    .help = "One-time codes by text message or mail. Text messages are a restricted authenticator (NIST SP 800-63B).",
	    .self_test = otp_self_test,
	    .init = otp_init,
	    .fini = otp_fini,
	    .profile = otp_profile,
	    .factor = &factor,
	};

	plugin.config_count = (uint32_t)otp_config_count;
	return &plugin;
}
