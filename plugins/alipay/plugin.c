/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `alipay`: Alipay's open platform. See README.md. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/alipay/answer.h"
#include "plugins/alipay/key.h"
#include "plugins/alipay/request.h"
#include "plugins/lib/encoding.h"
#include "plugins/lib/web.h"

#define ISSUER "https://openauth.alipay.com"
#define METHOD_TOKEN "alipay.system.oauth.token"
#define METHOD_PROFILE "alipay.user.info.share"

enum {
	TEXT_BYTES = 255,
	STATE_MAX = 100,   /* what Alipay takes */
	CODE_BYTES = 512,  /* theirs have 32 */
	URL_BYTES = 2048,
	FORM_BYTES = 4096,
	ROOT_SN_BYTES = 255, /* SNs of several authorities, joined by "_" */
	FRESH_MS = 5 * 60 * 1000, /* an answer stands for the moment in which it was given: as long as a code */
};

/* Which id is the subject, where both are there. */
enum subject { SUBJECT_EITHER, SUBJECT_OPEN_ID, SUBJECT_USER_ID };

struct alipay {
	const struct countersign_host_v1 *host;
	struct countersign_view app_id, authorize_url, gateway_url, scope, root_sn;
	enum subject subject;
	bool shows_nickname;
	EVP_PKEY *app_key, *alipay_key;
	/* Certificate mode: else empty. */
	char app_sn[KEY_SERIAL_LEN + 1], alipay_sn[KEY_SERIAL_LEN + 1];
};

static const struct countersign_config_key config[] = {
    {.name = "client-id",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_REQUIRED,
	.min = 1,
	.max = 64,
	.help = "The APPID of the open platform."},
    {.name = "private-key",
	.type = COUNTERSIGN_CONFIG_SECRET,
	.flags = COUNTERSIGN_CONFIG_REQUIRED,
	.min = 64,
	.max = KEY_TEXT_MAX,
	.help = "The app's private key (RSA2): PEM, or one line of base64 as Alipay's tool writes it."},
    {.name = "alipay-public-key",
	.type = COUNTERSIGN_CONFIG_STRING,
	.min = 64,
	.max = 2048,
	.help = "Alipay's public key for this app, one line of base64 as the open platform shows it; not in certificate "
		"mode."},
    {.name = "app-certificate",
	.type = COUNTERSIGN_CONFIG_SECRET,
	.min = 64,
	.max = KEY_TEXT_MAX,
	.help = "Certificate mode: the app's certificate (PEM, appCertPublicKey_APPID.crt)."},
    {.name = "alipay-certificate",
	.type = COUNTERSIGN_CONFIG_SECRET,
	.min = 64,
	.max = KEY_TEXT_MAX,
	.help = "Certificate mode: Alipay's certificate (PEM, alipayCertPublicKey_RSA2.crt)."},
    {.name = "alipay-root-cert-sn",
	.type = COUNTERSIGN_CONFIG_STRING,
	.min = 32,
	.max = ROOT_SN_BYTES,
	.help = "Certificate mode: the SN of Alipay's root certificates (alipayRootCert.crt), as README.md reckons it."},
    {.name = "scope",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "auth_base auth_user",
	.default_value = "auth_base",
	.help = "What is asked for: auth_base says who it is; auth_user asks the user for their profile."},
    {.name = "subject",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "either open-id user-id",
	.default_value = "either",
	.help = "Which id a link is keyed by: the open_id where there is one, else the user_id; or always the one or "
		"the other."},
    {.name = "display-claim",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "none nick_name",
	.default_value = "none",
	.help = "What people are shown of the ID; nick_name needs scope auth_user and another call; proves nothing."},
    {.name = "authorize-url",
	.type = COUNTERSIGN_CONFIG_URL,
	.min = 9,
	.max = 255,
	.default_value = "https://openauth.alipay.com/oauth2/publicAppAuthorize.htm",
	.help = "Where browsers are sent."},
    {.name = "gateway-url",
	.type = COUNTERSIGN_CONFIG_URL,
	.min = 9,
	.max = 255,
	.default_value = "https://openapi.alipay.com/gateway.do",
	.help = "Where codes are exchanged."},
};

static struct countersign_view
setting(const struct alipay *a, const char *name)
{
	return a->host->config_text(a->host->context, name, 0);
}

/* A setting given by file, in `memory`; absent where it was not given. */
static struct countersign_view
file_of(const struct alipay *a, const char *name, char memory[KEY_TEXT_MAX])
{
	struct countersign_buffer to = {memory, KEY_TEXT_MAX, 0};

	if (a->host->config_secret(a->host->context, name, &to) != COUNTERSIGN_OK)
		return countersign_view_of(NULL);
	return (struct countersign_view){to.data, to.len};
}

/* The app's certificate must be of its key: Alipay's own message for the mistake names neither. */
static const char *
read_certificates(struct alipay *a, char memory[KEY_TEXT_MAX])
{
	struct countersign_view text = file_of(a, "app-certificate", memory);
	EVP_PKEY *app = text.data == NULL ? NULL : key_read_certificate(text, a->app_sn);
	int same = app == NULL ? 0 : EVP_PKEY_eq(app, a->app_key);

	EVP_PKEY_free(app);
	if (app == NULL)
		return "app-certificate is missing, or no certificate of an RSA key (PEM)";
	if (same != 1)
		return "app-certificate is not of private-key";
	text = file_of(a, "alipay-certificate", memory);
	a->alipay_key = text.data == NULL ? NULL : key_read_certificate(text, a->alipay_sn);
	if (a->alipay_key == NULL)
		return "alipay-certificate is missing, or no certificate of an RSA key (PEM)";
	a->root_sn = setting(a, "alipay-root-cert-sn");
	return a->root_sn.len > 0 ? NULL : "alipay-root-cert-sn is missing: certificate mode needs it";
}

static const char *
read_keys(struct alipay *a)
{
	static const char either[] = "give alipay-public-key, or app-certificate, alipay-certificate and "
				     "alipay-root-cert-sn: one or the other";
	struct countersign_view alipay_key = setting(a, "alipay-public-key");
	char memory[KEY_TEXT_MAX];
	const char *problem = NULL;
	bool certificates;

	a->app_key = key_read_private(file_of(a, "private-key", memory));
	OPENSSL_cleanse(memory, sizeof(memory));
	if (a->app_key == NULL)
		return "private-key is no RSA key of 2048 bits or more, in PEM or one line of base64";
	certificates = file_of(a, "app-certificate", memory).data != NULL ||
	    file_of(a, "alipay-certificate", memory).data != NULL || setting(a, "alipay-root-cert-sn").len > 0;
	if (certificates == (alipay_key.len > 0))
		return either;
	if (certificates)
		return read_certificates(a, memory);
	a->alipay_key = key_read_public(alipay_key);
	if (a->alipay_key == NULL)
		problem = "alipay-public-key is no RSA key of 2048 bits or more";
	else if (EVP_PKEY_eq(a->alipay_key, a->app_key) == 1)
		problem = "alipay-public-key is the app's own: take the one that the open platform shows as Alipay's";
	return problem;
}

static const char *
read_settings(struct alipay *a)
{
	struct countersign_view word = setting(a, "subject");

	a->app_id = setting(a, "client-id");
	a->authorize_url = setting(a, "authorize-url");
	a->gateway_url = setting(a, "gateway-url");
	a->scope = setting(a, "scope");
	a->shows_nickname = view_is_text(setting(a, "display-claim"), "nick_name");
	a->subject = view_is_text(word, "open-id") ? SUBJECT_OPEN_ID :
	    view_is_text(word, "user-id") ? SUBJECT_USER_ID : SUBJECT_EITHER;
	if (a->shows_nickname && !view_is_text(a->scope, "auth_user"))
		return "display-claim nick_name needs scope auth_user";
	return read_keys(a);
}

static void
alipay_fini(void *instance)
{
	struct alipay *a = instance;

	EVP_PKEY_free(a->app_key);
	EVP_PKEY_free(a->alipay_key);
	free(a);
}

static int
alipay_init(const struct countersign_host_v1 *host, void **instance)
{
	struct alipay *a = calloc(1, sizeof(*a));
	const char *problem;

	if (a == NULL)
		return COUNTERSIGN_INTERNAL;
	a->host = host;
	problem = read_settings(a);
	if (problem != NULL) {
		web_log(host, COUNTERSIGN_LOG_ERROR, problem, countersign_view_of(NULL));
		alipay_fini(a);
		return COUNTERSIGN_INVALID;
	}
	*instance = a;
	return COUNTERSIGN_OK;
}

static int
alipay_self_test(const struct countersign_host_v1 *host)
{
	static const char text[] = "{\"x_response\":{\"a\":\"\\/}\"}, \"sign\":\"c2ln\"}";
	struct alipay_cut cut;

	(void)host;
	if (answer_cut(countersign_view_of(text), "x_response", &cut) != COUNTERSIGN_OK ||
	    !view_is_text(cut.inner, "{\"a\":\"\\/}\"}") || !view_is_text(cut.sign, "c2ln") || cut.error)
		return COUNTERSIGN_INTERNAL;
	return COUNTERSIGN_OK;
}

static int
alipay_profile(void *instance, struct countersign_profile *profile)
{
	/* A code by SMS signs in to Alipay: who has the number has the account. */
	static const char *const controls[] = {"phone:+86", NULL};

	(void)instance;
	profile->assurance = COUNTERSIGN_STABLE_SUBJECT | COUNTERSIGN_CODE_ALONE;
	profile->controls = controls;
	if (COUNTERSIGN_HAS(profile, struct countersign_profile, code_parameter))
		profile->code_parameter = "auth_code";
	return COUNTERSIGN_OK;
}

static int
alipay_authorization_url(void *instance, const struct countersign_authorize *in,
    struct countersign_authorize_answer *out)
{
	struct alipay *a = instance;
	struct countersign_buffer *url = &out->url;
	int rc = COUNTERSIGN_OK;
	size_t from;

	if (in->state.len == 0 || in->state.len > STATE_MAX || in->redirect_uri.len == 0)
		return COUNTERSIGN_INVALID;
	if (!view_is(in->client_id, a->app_id))
		return COUNTERSIGN_BAD_AUDIENCE;
	url->len = 0;
	put_view(url, &rc, a->authorize_url);
	put_text(url, &rc, "?");
	from = url->len;
	put_pair(url, &rc, from, "app_id", in->client_id);
	put_pair(url, &rc, from, "scope", a->scope);
	put_pair(url, &rc, from, "redirect_uri", in->redirect_uri);
	put_pair(url, &rc, from, "state", in->state);
	return rc != COUNTERSIGN_OK ? rc :
	    countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

/* ---- who came back --------------------------------------------------------------------------- */

struct post {
	const char *method, *node;
	const char *name;              /* of what is secret */
	struct countersign_view value;
	bool grants;                   /* it has a grant_type */
};

static int
describe(const struct alipay *a, const struct post *p, const char *time, struct alipay_request *r)
{
	const struct {
		const char *name;
		struct countersign_view value;
		bool in_form;
	} all[] = {
		{"app_id", a->app_id, false},
		{"method", countersign_view_of(p->method), false},
		{"format", countersign_view_of("JSON"), false},
		{"charset", countersign_view_of("utf-8"), false},
		{"sign_type", countersign_view_of("RSA2"), false},
		{"timestamp", countersign_view_of(time), false},
		{"version", countersign_view_of("1.0"), false},
		{"app_cert_sn", countersign_view_of(a->app_sn), false},
		{"alipay_root_cert_sn", a->root_sn, false},
		{"grant_type", countersign_view_of(p->grants ? "authorization_code" : ""), true},
		{p->name, p->value, true},
	};
	int rc = COUNTERSIGN_OK;

	for (size_t i = 0; rc == COUNTERSIGN_OK && i < sizeof(all) / sizeof(all[0]); i++)
		rc = request_add(r, all[i].name, all[i].value, all[i].in_form);
	return rc;
}

static int
send_post(struct alipay *a, const struct post *p, int64_t now_ms, struct countersign_buffer *body)
{
	char *memory = a->host->scratch(a->host->context, URL_BYTES + 2 * FORM_BYTES);
	struct countersign_buffer url, form, signed_text;
	struct countersign_http_request request = {0};
	struct alipay_request r = {0};
	char time[REQUEST_TIME_LEN + 1];
	int status = 0, rc;

	if (memory == NULL)
		return COUNTERSIGN_INTERNAL;
	url = (struct countersign_buffer){memory, URL_BYTES, 0};
	form = (struct countersign_buffer){memory + URL_BYTES, FORM_BYTES, 0};
	signed_text = (struct countersign_buffer){memory + URL_BYTES + FORM_BYTES, FORM_BYTES, 0};
	request_time(now_ms, time);
	rc = describe(a, p, time, &r);
	put_view(&url, &rc, a->gateway_url);
	put_text(&url, &rc, "?");
	if (rc == COUNTERSIGN_OK)
		rc = request_write(&r, a->app_key, &signed_text, &url, &form);
	request.url = (struct countersign_view){url.data, url.len};
	request.body = (struct countersign_view){form.data, form.len};
	request.content_type = countersign_view_of("application/x-www-form-urlencoded;charset=utf-8");
	if (rc == COUNTERSIGN_OK)
		rc = web_send(a->host, &request, &status, body);
	OPENSSL_cleanse(memory, URL_BYTES + 2 * FORM_BYTES);
	if (rc != COUNTERSIGN_OK)
		return rc == COUNTERSIGN_INVALID ? COUNTERSIGN_PROVIDER_ERROR : rc;
	if (status >= 500 || status == 429)
		return COUNTERSIGN_UNREACHABLE;
	return status == 200 ? COUNTERSIGN_OK : COUNTERSIGN_PROVIDER_ERROR;
}

static int
ask(struct alipay *a, const struct post *p, int64_t now_ms, struct alipay_answer *to)
{
	static const struct {
		int rc;
		const char *text;
	} said[] = {
		{COUNTERSIGN_BAD_SIGNATURE, "Alipay's key did not sign this answer: look whether alipay-public-key is "
					    "the one that the open platform shows now"},
		{COUNTERSIGN_BAD_KEY, "Alipay signs with another certificate than alipay-certificate: download the new one"},
		{COUNTERSIGN_PROVIDER_ERROR, "Alipay's answer is not what it documents"},
	};
	struct countersign_buffer body;
	int rc = send_post(a, p, now_ms, &body);

	if (rc != COUNTERSIGN_OK)
		return rc;
	rc = answer_read((struct countersign_view){body.data, body.len}, p->node, a->alipay_key,
	    countersign_view_of(a->alipay_sn), to);
	OPENSSL_cleanse(body.data, body.len);
	if (to->word[0] != '\0' && rc != COUNTERSIGN_BAD_CODE) {
		web_log(a->host, COUNTERSIGN_LOG_WARN, "Alipay refused:", countersign_view_of(to->word));
		return rc;
	}
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		if (said[i].rc == rc)
			web_log(a->host, COUNTERSIGN_LOG_WARN, said[i].text, countersign_view_of(NULL));
	return rc;
}

/* Where the profile names the person, it must be the same one. */
static bool
contradicts(struct countersign_view a, struct countersign_view b)
{
	return a.len > 0 && b.len > 0 && !view_is(a, b);
}

/* For people only: a profile that cannot be had is an empty one, but one of somebody else is an error. */
static int
put_nickname(struct alipay *a, int64_t now_ms, const struct alipay_answer *who, struct countersign_buffer *display)
{
	const struct post p = {METHOD_PROFILE, "alipay_user_info_share_response", "auth_token", who->access_token,
	    false};
	struct alipay_answer profile = {0};
	int rc = ask(a, &p, now_ms, &profile);

	if (rc == COUNTERSIGN_OK &&
	    (contradicts(profile.user_id, who->user_id) || contradicts(profile.open_id, who->open_id))) {
		web_log(a->host, COUNTERSIGN_LOG_WARN, "Alipay's profile is somebody else's", countersign_view_of(NULL));
		rc = COUNTERSIGN_PROVIDER_ERROR;
	} else if (rc == COUNTERSIGN_OK && profile.nickname.len <= TEXT_BYTES) {
		(void)countersign_put(display, profile.nickname.data, profile.nickname.len);
	} else if (rc != COUNTERSIGN_BAD_SIGNATURE && rc != COUNTERSIGN_BAD_KEY) {
		rc = COUNTERSIGN_OK;
	}
	answer_clear(&profile);
	return rc;
}

/* An open_id means something for its app alone, a user_id everywhere: two namespaces, so that none can be the other. */
static int
put_id(struct countersign_buffer *issuer, struct countersign_buffer *subject, struct countersign_view app,
    struct countersign_view id)
{
	int rc = COUNTERSIGN_OK;

	issuer->len = 0;
	put_text(issuer, &rc, app.len > 0 ? ISSUER "/" : ISSUER);
	put_view(issuer, &rc, app);
	return rc != COUNTERSIGN_OK ? rc : countersign_put(subject, id.data, id.len);
}

static int
put_subject(const struct alipay *a, const struct alipay_answer *got, struct countersign_identity *out)
{
	const struct countersign_view everywhere = {NULL, 0};
	bool has_was = COUNTERSIGN_HAS(out, struct countersign_identity, was_subject) && out->was_subject.cap > 0;
	bool opens = a->subject == SUBJECT_OPEN_ID || (a->subject == SUBJECT_EITHER && got->open_id.len > 0);
	int rc;

	if ((opens ? got->open_id : got->user_id).len == 0) {
		web_log(a->host, COUNTERSIGN_LOG_WARN, "Alipay did not give the id that  subject  asks for",
		    countersign_view_of(NULL));
		return COUNTERSIGN_PROVIDER_ERROR;
	}
	if (!opens)
		return put_id(&out->issuer, &out->subject, everywhere, got->user_id);
	rc = put_id(&out->issuer, &out->subject, a->app_id, got->open_id);
	/* The same signed answer names both: so was this person known before the app moved to open_ids. */
	if (rc == COUNTERSIGN_OK && has_was && got->user_id.len > 0)
		rc = put_id(&out->was_issuer, &out->was_subject, everywhere, got->user_id);
	return rc;
}

static int
alipay_identify(void *instance, const struct countersign_identify *in, struct countersign_identity *out)
{
	struct alipay *a = instance;
	const struct post p = {METHOD_TOKEN, "alipay_system_oauth_token_response", "code", in->code, true};
	struct alipay_answer got = {0};
	int rc;

	if (in->client_ids_count == 0)
		return COUNTERSIGN_INVALID;
	if (in->code.len == 0)
		return COUNTERSIGN_BAD_TYPE;
	if (!view_is(in->client_ids[0], a->app_id))
		return COUNTERSIGN_BAD_AUDIENCE;
	/* RFC 9207: Alipay sends no iss, so whoever does is not Alipay. */
	if (in->iss.len > 0)
		return COUNTERSIGN_BAD_ISSUER;
	if (in->code.len > CODE_BYTES)
		return COUNTERSIGN_BAD_CODE;
	rc = ask(a, &p, in->call.now_ms, &got);
	if (rc == COUNTERSIGN_OK)
		rc = put_subject(a, &got, out);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->audience, a->app_id.data, a->app_id.len);
	if (rc == COUNTERSIGN_OK && a->shows_nickname && got.access_token.len > 0)
		rc = put_nickname(a, in->call.now_ms, &got, &out->display);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	answer_clear(&got);
	out->nonce.len = 0;
	out->auth_time_ms = COUNTERSIGN_NO_TIME;
	out->issued_at_ms = in->call.now_ms;
	out->expires_at_ms = in->call.now_ms + FRESH_MS;
	return rc;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_provider_v1 provider = {
		.size = sizeof(provider),
		.authorization_url = alipay_authorization_url,
		.identify = alipay_identify,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_PROVIDER,
		.flags = COUNTERSIGN_USES_HTTP,
		.config_count = sizeof(config) / sizeof(config[0]),
		.config_key_size = sizeof(config[0]),
		.config = config,
		.name = "alipay",
		.version = "1",
		.help = "Alipay's open platform.",
		.self_test = alipay_self_test,
		.init = alipay_init,
		.fini = alipay_fini,
		.profile = alipay_profile,
		.provider = &provider,
	};

	return &plugin;
}
