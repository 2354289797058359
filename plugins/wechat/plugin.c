/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `wechat`: the WeChat open platform, for web pages and apps. See README.md. */
#include <stdio.h>
#include <stdlib.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/web.h"
#include "plugins/wechat/answer.h"

#define ISSUER "https://open.weixin.qq.com"

enum {
	APPS_MAX = 8,
	TEXT_BYTES = 255,    /* an issuer, an audience, what is shown */
	SECRETS_BYTES = 4096,
	STATE_MAX = 128,     /* what WeChat takes */
	CODE_BYTES = 512,    /* theirs have 32 */
	URL_BYTES = 2048,
	FRESH_MS = 5 * 60 * 1000, /* an answer stands for the moment in which it was given: as long as a code */
};

/* Which id is the subject, where both are there. */
enum subject { SUBJECT_EITHER, SUBJECT_UNIONID, SUBJECT_OPENID };

struct app {
	struct countersign_view id, secret;
};

struct wechat {
	const struct countersign_host_v1 *host;
	struct countersign_view authorize_url, api_url, scope;
	enum subject subject;
	bool shows_nickname;
	size_t apps_count;
	struct app apps[APPS_MAX];
	char secrets[SECRETS_BYTES];
	size_t secrets_len;
};

static const struct countersign_config_key config[] = {
    {.name = "client-id",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_REQUIRED | COUNTERSIGN_CONFIG_MANY,
	.min = 1,
	.max = 64,
	.help = "An AppID of the open platform: of the web page first, then of apps."},
    {.name = "client-secret",
	.type = COUNTERSIGN_CONFIG_SECRET,
	.flags = COUNTERSIGN_CONFIG_REQUIRED,
	.min = 1,
	.max = SECRETS_BYTES,
	.help = "The AppSecret; of several apps a line each: the AppID, a space, its AppSecret."},
    {.name = "scope",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "snsapi_login snsapi_base snsapi_userinfo",
	.default_value = "snsapi_login",
	.help = "What is asked for: snsapi_login of a web page; the others of pages within WeChat."},
    {.name = "subject",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "either unionid openid",
	.default_value = "either",
	.help = "Which id a link is keyed by: the unionid where there is one, else the openid; or always the one or "
		"the other."},
    {.name = "display-claim",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "none nickname",
	.default_value = "none",
	.help = "What people are shown of the ID; nickname costs another call; proves nothing."},
    {.name = "authorize-url",
	.type = COUNTERSIGN_CONFIG_URL,
	.min = 9,
	.max = 255,
	.default_value = "https://open.weixin.qq.com/connect/qrconnect",
	.help = "Where browsers are sent; of pages within WeChat .../connect/oauth2/authorize."},
    {.name = "api-url",
	.type = COUNTERSIGN_CONFIG_URL,
	.min = 9,
	.max = 255,
	.default_value = "https://api.weixin.qq.com",
	.help = "Where codes are exchanged."},
};

static struct countersign_view
setting(const struct wechat *w, const char *name)
{
	return w->host->config_text(w->host->context, name, 0);
}

/* The next word of a line, and what is left of the text. */
static struct countersign_view
take_until(struct countersign_view *text, const char *ends)
{
	struct countersign_view word = {text->data, 0};

	while (word.len < text->len && strchr(ends, text->data[word.len]) == NULL)
		word.len++;
	text->data += word.len;
	text->len -= word.len;
	if (text->len > 0) {
		text->data++;
		text->len--;
	}
	return word;
}

static struct app *
find_app(struct wechat *w, struct countersign_view id)
{
	for (size_t i = 0; i < w->apps_count; i++)
		if (id.len > 0 && view_is(id, w->apps[i].id))
			return &w->apps[i];
	return NULL;
}

/* NULL, or a sentence. A file of one word is the secret of the only app. */
static const char *
read_secrets(struct wechat *w)
{
	struct countersign_buffer to = {w->secrets, sizeof(w->secrets), 0};
	struct countersign_view left;

	if (w->host->config_secret(w->host->context, "client-secret", &to) != COUNTERSIGN_OK)
		return "client-secret is missing";
	w->secrets_len = to.len;
	left = (struct countersign_view){w->secrets, to.len};
	if (memchr(left.data, ' ', left.len) == NULL) {
		w->apps[0].secret = take_until(&left, "\r\n");
		return w->apps_count == 1 ? NULL :
		    "client-secret must have a line for each client-id: the AppID, a space, its AppSecret";
	}
	while (left.len > 0) {
		struct countersign_view line = take_until(&left, "\r\n"), id = take_until(&line, " ");
		struct app *app = find_app(w, id);

		if (id.len == 0)
			continue;
		if (app == NULL)
			return "client-secret has a line of an app that is no client-id";
		app->secret = line;
	}
	return NULL;
}

/* NULL, or a sentence that says what is wrong. */
static const char *
read_settings(struct wechat *w)
{
	const struct countersign_host_v1 *h = w->host;
	struct countersign_view word = setting(w, "subject");
	size_t n = h->config_count(h->context, "client-id");
	const char *problem;

	w->authorize_url = setting(w, "authorize-url");
	w->api_url = setting(w, "api-url");
	w->scope = setting(w, "scope");
	w->shows_nickname = view_is_text(setting(w, "display-claim"), "nickname");
	w->subject = view_is_text(word, "unionid") ? SUBJECT_UNIONID :
	    view_is_text(word, "openid") ? SUBJECT_OPENID : SUBJECT_EITHER;
	if (n > APPS_MAX)
		return "too many values: at most 8 of client-id";
	if (w->shows_nickname && view_is_text(w->scope, "snsapi_base"))
		return "display-claim nickname needs another scope than snsapi_base, which gives no nickname";
	for (size_t i = 0; i < n; i++)
		w->apps[w->apps_count++].id = h->config_text(h->context, "client-id", i);
	problem = read_secrets(w);
	for (size_t i = 0; problem == NULL && i < n; i++)
		if (w->apps[i].secret.len == 0)
			problem = "client-secret has no secret for one of the values of client-id";
	return problem;
}

static void
wechat_fini(void *instance)
{
	explicit_bzero(instance, sizeof(struct wechat));
	free(instance);
}

static int
wechat_init(const struct countersign_host_v1 *host, void **instance)
{
	struct wechat *w = calloc(1, sizeof(*w));
	const char *problem;

	if (w == NULL)
		return COUNTERSIGN_INTERNAL;
	w->host = host;
	problem = read_settings(w);
	if (problem != NULL) {
		web_log(host, COUNTERSIGN_LOG_ERROR, problem, countersign_view_of(NULL));
		wechat_fini(w);
		return COUNTERSIGN_INVALID;
	}
	*instance = w;
	return COUNTERSIGN_OK;
}

static int
wechat_self_test(const struct countersign_host_v1 *host)
{
	struct wechat_answer a;
	int rc = answer_read(countersign_view_of("{\"errcode\":40029,\"errmsg\":\"invalid code\"}"), &a);

	(void)host;
	answer_clear(&a);
	return rc == COUNTERSIGN_BAD_CODE ? COUNTERSIGN_OK : COUNTERSIGN_INTERNAL;
}

static int
wechat_profile(void *instance, struct countersign_profile *profile)
{
	/* A code by SMS signs in to WeChat: who has the number has the account. */
	static const char *const controls[] = {"phone:+86", NULL};

	(void)instance;
	profile->assurance = COUNTERSIGN_STABLE_SUBJECT | COUNTERSIGN_CODE_ALONE;
	profile->controls = controls;
	return COUNTERSIGN_OK;
}

static int
wechat_authorization_url(void *instance, const struct countersign_authorize *in,
    struct countersign_authorize_answer *out)
{
	struct wechat *w = instance;
	struct countersign_buffer *url = &out->url;
	int rc = COUNTERSIGN_OK;
	size_t from;

	if (in->state.len == 0 || in->state.len > STATE_MAX || in->redirect_uri.len == 0)
		return COUNTERSIGN_INVALID;
	if (find_app(w, in->client_id) == NULL)
		return COUNTERSIGN_BAD_AUDIENCE;
	url->len = 0;
	put_view(url, &rc, w->authorize_url);
	put_text(url, &rc, "?");
	from = url->len;
	/* Their servers want this order. */
	put_pair(url, &rc, from, "appid", in->client_id);
	put_pair(url, &rc, from, "redirect_uri", in->redirect_uri);
	put_pair(url, &rc, from, "response_type", countersign_view_of("code"));
	put_pair(url, &rc, from, "scope", w->scope);
	put_pair(url, &rc, from, "state", in->state);
	put_text(url, &rc, "#wechat_redirect");
	return rc != COUNTERSIGN_OK ? rc :
	    countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

/* ---- who came back --------------------------------------------------------------------------- */

/* One GET below api-url. The query may hold the secret: it is in the host's scratch memory alone, and in no log. */
static int
ask(struct wechat *w, struct countersign_buffer *url, struct wechat_answer *to)
{
	struct countersign_http_request request = {.url = {url->data, url->len}};
	struct countersign_buffer body;
	char number[32];
	int status = 0, rc = web_send(w->host, &request, &status, &body);

	explicit_bzero(url->data, url->len);
	if (rc != COUNTERSIGN_OK)
		return rc == COUNTERSIGN_INVALID ? COUNTERSIGN_PROVIDER_ERROR : rc;
	if (status >= 500 || status == 429)
		return COUNTERSIGN_UNREACHABLE;
	if (status != 200)
		return COUNTERSIGN_PROVIDER_ERROR;
	rc = answer_read((struct countersign_view){body.data, body.len}, to);
	explicit_bzero(body.data, body.len);
	/* Their text may repeat what was sent; the number says it all. */
	snprintf(number, sizeof(number), "%lld", (long long)to->errcode);
	if (to->errcode != 0 && rc != COUNTERSIGN_BAD_CODE)
		web_log(w->host, COUNTERSIGN_LOG_WARN, "WeChat refused; its errcode is", countersign_view_of(number));
	else if (rc == COUNTERSIGN_PROVIDER_ERROR)
		web_log(w->host, COUNTERSIGN_LOG_WARN, "WeChat's answer is not what it documents",
		    countersign_view_of(NULL));
	return rc;
}

static int
begin_url(struct wechat *w, const char *path, struct countersign_buffer *url, size_t *from)
{
	int rc = COUNTERSIGN_OK;

	*url = (struct countersign_buffer){w->host->scratch(w->host->context, URL_BYTES), URL_BYTES, 0};
	if (url->data == NULL)
		return COUNTERSIGN_INTERNAL;
	put_view(url, &rc, w->api_url);
	put_text(url, &rc, path);
	*from = url->len;
	return rc;
}

static int
exchange(struct wechat *w, const struct app *app, struct countersign_view code, struct wechat_answer *to)
{
	struct countersign_buffer url;
	size_t from = 0;
	int rc = begin_url(w, "/sns/oauth2/access_token?", &url, &from);

	if (rc != COUNTERSIGN_OK)
		return rc;
	put_pair(&url, &rc, from, "appid", app->id);
	put_pair(&url, &rc, from, "secret", app->secret);
	put_pair(&url, &rc, from, "code", code);
	put_pair(&url, &rc, from, "grant_type", countersign_view_of("authorization_code"));
	return rc != COUNTERSIGN_OK ? rc : ask(w, &url, to);
}

/* For people only: a profile that cannot be had is an empty one, but one of somebody else is an error. */
static int
put_nickname(struct wechat *w, const struct wechat_answer *who, struct countersign_buffer *display)
{
	struct wechat_answer profile = {0};
	struct countersign_buffer url;
	size_t from = 0;
	int rc = begin_url(w, "/sns/userinfo?", &url, &from);

	if (rc != COUNTERSIGN_OK)
		return rc;
	put_pair(&url, &rc, from, "access_token", who->access_token);
	put_pair(&url, &rc, from, "openid", who->openid);
	if (rc == COUNTERSIGN_OK)
		rc = ask(w, &url, &profile);
	if (rc == COUNTERSIGN_OK && (!view_is(profile.openid, who->openid) || (profile.unionid.len > 0 &&
		    who->unionid.len > 0 && !view_is(profile.unionid, who->unionid)))) {
		web_log(w->host, COUNTERSIGN_LOG_WARN, "WeChat's profile is somebody else's", countersign_view_of(NULL));
		rc = COUNTERSIGN_PROVIDER_ERROR;
	} else if (rc == COUNTERSIGN_OK && profile.nickname.len <= TEXT_BYTES) {
		(void)countersign_put(display, profile.nickname.data, profile.nickname.len);
	} else {
		rc = COUNTERSIGN_OK;
	}
	answer_clear(&profile);
	return rc;
}

/* An openid means something for its app alone. */
static int
put_openid(struct countersign_buffer *issuer, struct countersign_buffer *subject, const struct app *app,
    struct countersign_view openid)
{
	int rc = COUNTERSIGN_OK;

	issuer->len = 0;
	put_text(issuer, &rc, ISSUER "/");
	put_view(issuer, &rc, app->id);
	return rc != COUNTERSIGN_OK ? rc : countersign_put(subject, openid.data, openid.len);
}

static int
put_subject(const struct wechat *w, const struct app *app, const struct wechat_answer *a,
    struct countersign_identity *out)
{
	bool has_was = COUNTERSIGN_HAS(out, struct countersign_identity, was_subject) && out->was_subject.cap > 0;
	int rc;

	if (w->subject == SUBJECT_UNIONID && a->unionid.len == 0) {
		web_log(w->host, COUNTERSIGN_LOG_WARN, "WeChat gave no unionid: bind the app to the platform account, or "
		    "write  subject either", countersign_view_of(NULL));
		return COUNTERSIGN_PROVIDER_ERROR;
	}
	if (w->subject == SUBJECT_OPENID || a->unionid.len == 0)
		return put_openid(&out->issuer, &out->subject, app, a->openid);
	rc = countersign_put(&out->issuer, ISSUER, strlen(ISSUER));
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->subject, a->unionid.data, a->unionid.len);
	/* The same answer names both: so was this person known to this app before it was bound. */
	if (rc == COUNTERSIGN_OK && has_was)
		rc = put_openid(&out->was_issuer, &out->was_subject, app, a->openid);
	return rc;
}

static int
put_identity(struct wechat *w, const struct countersign_identify *in, const struct app *app,
    const struct wechat_answer *a, struct countersign_identity *out)
{
	int rc = put_subject(w, app, a, out);

	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->audience, app->id.data, app->id.len);
	if (rc == COUNTERSIGN_OK && w->shows_nickname)
		rc = put_nickname(w, a, &out->display);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	out->nonce.len = 0;
	out->auth_time_ms = COUNTERSIGN_NO_TIME;
	out->issued_at_ms = in->call.now_ms;
	out->expires_at_ms = in->call.now_ms + FRESH_MS;
	return rc;
}

static int
wechat_identify(void *instance, const struct countersign_identify *in, struct countersign_identity *out)
{
	struct wechat *w = instance;
	struct wechat_answer a = {0};
	const struct app *app;
	int rc;

	if (in->client_ids_count == 0)
		return COUNTERSIGN_INVALID;
	if (in->code.len == 0)
		return COUNTERSIGN_BAD_TYPE;
	app = find_app(w, in->client_ids[0]);
	if (app == NULL)
		return COUNTERSIGN_BAD_AUDIENCE;
	/* RFC 9207: WeChat sends no iss, so whoever does is not WeChat. */
	if (in->iss.len > 0)
		return COUNTERSIGN_BAD_ISSUER;
	if (in->code.len > CODE_BYTES)
		return COUNTERSIGN_BAD_CODE;
	rc = exchange(w, app, in->code, &a);
	if (rc == COUNTERSIGN_OK)
		rc = put_identity(w, in, app, &a, out);
	answer_clear(&a);
	return rc;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_provider_v1 provider = {
		.size = sizeof(provider),
		.authorization_url = wechat_authorization_url,
		.identify = wechat_identify,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_PROVIDER,
		.flags = COUNTERSIGN_USES_HTTP,
		.config_count = sizeof(config) / sizeof(config[0]),
		.config_key_size = sizeof(config[0]),
		.config = config,
		.name = "wechat",
		.version = "1",
		.help = "The WeChat open platform: sign-in of web pages and apps.",
		.self_test = wechat_self_test,
		.init = wechat_init,
		.fini = wechat_fini,
		.profile = wechat_profile,
		.provider = &provider,
	};

	return &plugin;
}
