/* SPDX-License-Identifier: Apache-2.0 */
/* HTTPS for plugins. This file alone touches libcurl. */
#include "broker/worker/http.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <curl/curl.h>

#include "broker/base/check.h"
#include "broker/base/log.h"

enum { HEADER_NAME_MAX = 64 };

struct http {
	CURL *easy;
	const char *ca;
	size_t ca_len;
	const char *certificate;  /* to be shown where the request says so; NULL: there is none */
	size_t certificate_len;
	const struct secret *key;
	size_t origins_count;
	char *origins[HTTP_ORIGINS_MAX];  /* "https://host:port", as libcurl's own parser sees it */
};

/* "https://host:port" of a URL, to be freed; NULL where it is no plain https URL. */
static char *
origin_of(CURLU *url)
{
	char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL, *origin = NULL;

	if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    strcmp(scheme, "https") == 0 &&
	    curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_NO_USER) {
		size_t size = strlen(host) + strlen(port) + sizeof("https://:");

		origin = malloc(size);
		CHECK(origin != NULL);
		snprintf(origin, size, "https://%s:%s", host, port);
		for (char *c = origin; *c != '\0'; c++)
			if (*c >= 'A' && *c <= 'Z')
				*c = (char)(*c - 'A' + 'a');
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(user);
	return origin;
}

static CURLU *
parse(const char *text)
{
	CURLU *url = curl_url();

	CHECK(url != NULL);
	if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK)
		return url;
	curl_url_cleanup(url);
	return NULL;
}

static bool
add_origin(struct http *h, const char *text)
{
	CURLU *url = parse(text);
	char *origin = url == NULL ? NULL : origin_of(url);

	curl_url_cleanup(url);
	if (origin == NULL || h->origins_count == HTTP_ORIGINS_MAX) {
		free(origin);
		return false;
	}
	h->origins[h->origins_count++] = origin;
	return true;
}

static bool
is_allowed(const struct http *h, CURLU *url)
{
	char *origin = origin_of(url);
	bool found = false;

	for (size_t i = 0; origin != NULL && i < h->origins_count; i++)
		found = found || strcmp(h->origins[i], origin) == 0;
	free(origin);
	return found;
}

/* Values of keys of type URL, and of allow-url. */
static bool
names_origin(const struct countersign_plugin_v1 *plugin, const struct setting *item)
{
	const struct countersign_config_key *key = settings_key(plugin, item->name);

	if (key == NULL)
		return strcmp(item->name, SETTINGS_ALLOW_URL) == 0;
	return key->type == COUNTERSIGN_CONFIG_URL;
}

/* Addresses that the plugin itself has for keys that are not given. */
static void
add_defaults(struct http *h, const struct settings *s, const struct countersign_plugin_v1 *plugin)
{
	for (size_t i = 0; i < plugin->config_count; i++) {
		const struct countersign_config_key *key = settings_key_at(plugin, i);

		if (key->type == COUNTERSIGN_CONFIG_URL && key->default_value != NULL &&
		    settings_find(s, key->name) == NULL)
			(void)add_origin(h, key->default_value);
	}
}

enum cs_err
http_new(const struct settings *s, const struct countersign_plugin_v1 *plugin, struct http **http,
    char *problem)
{
	struct http *h = calloc(1, sizeof(*h));

	CHECK(h != NULL);
	CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	h->easy = curl_easy_init();
	CHECK(h->easy != NULL);
	h->ca = s->ca;
	h->ca_len = s->ca_len;
	h->certificate = s->certificate;
	h->certificate_len = s->certificate_len;
	if (s->certificate != NULL && settings_find(s, SETTINGS_TLS_KEY) != NULL)
		h->key = settings_find(s, SETTINGS_TLS_KEY)->secret;
	for (size_t i = 0; i < s->count; i++) {
		for (size_t k = 0; names_origin(plugin, &s->items[i]) && k < s->items[i].count;
		     k++) {
			if (add_origin(h, s->items[i].values[k]))
				continue;
			snprintf(problem, SETTINGS_PROBLEM_MAX,
			    "%s must be an https URL without a user "
			    "name, not \"%.128s\" (%d origins at most)",
			    s->items[i].name, s->items[i].values[k], HTTP_ORIGINS_MAX);
			http_free(h);
			return CS_ERR_RANGE;
		}
	}
	add_defaults(h, s, plugin);
	*http = h;
	return CS_OK;
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < h->origins_count; i++)
		free(h->origins[i]);
	curl_easy_cleanup(h->easy);
	free(h);
}

struct sink {
	struct countersign_buffer *to;
	bool full;
};

static size_t
receive(char *data, size_t size, size_t count, void *context)
{
	struct sink *s = context;
	size_t n = size * count;

	if (n > s->to->cap - s->to->len) {
		s->full = true;
		return 0;
	}
	if (n > 0)
		memcpy(s->to->data + s->to->len, data, n);
	s->to->len += n;
	return n;
}

/*
 * "Name: value"; the list is unchanged where there is no value. False: a value that would break the
 * header.
 */
static bool
add_header(struct curl_slist **list, const char *name, struct countersign_view value)
{
	struct curl_slist *longer;
	char *line;
	size_t size = strlen(name) + value.len + 3;

	if (value.len == 0)
		return true;
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.data[i] < ' ' || value.data[i] == 0x7f)
			return false;
	line = malloc(size);
	CHECK(line != NULL);
	snprintf(line, size, "%s: %.*s", name, (int)value.len, value.data);
	longer = curl_slist_append(*list, line);
	CHECK(longer != NULL);
	*list = longer;
	secret_wipe(line, size);
	free(line);
	return true;
}

/* Of names that no server, proxy or library gives a meaning of its own to: not Host, nor Content-Length. */
static bool
is_header_name(struct countersign_view name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	if (name.len > HEADER_NAME_MAX ||
	    !((name.len > 8 && strncasecmp(name.data, "webhook-", 8) == 0) ||
	        (name.len > 2 && strncasecmp(name.data, "x-", 2) == 0)))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (memchr(letters, tolower((unsigned char)name.data[i]), sizeof(letters) - 1) == NULL)
			return false;
	return true;
}

/* Members that an older plugin's request does not have yet. */
static bool
add_more_headers(struct curl_slist **list, const struct countersign_http_request *request)
{
	char name[HEADER_NAME_MAX + 1];

	if (!COUNTERSIGN_HAS(request, struct countersign_http_request, headers_count))
		return true;
	if (request->headers_count > COUNTERSIGN_HEADERS_MAX)
		return false;
	for (size_t i = 0; i < request->headers_count; i++) {
		const struct countersign_header *h = &request->headers[i];

		if (!is_header_name(h->name))
			return false;
		memcpy(name, h->name.data, h->name.len);
		name[h->name.len] = '\0';
		if (!add_header(list, name, h->value))
			return false;
	}
	return true;
}

static void
headers_free(struct curl_slist *list)
{
	for (struct curl_slist *at = list; at != NULL; at = at->next)
		secret_wipe(at->data, strlen(at->data));
	curl_slist_free_all(list);
}

#define SET(option, value) CHECK(curl_easy_setopt(h->easy, (option), (value)) == CURLE_OK)

static void
set_limits(struct http *h, int64_t timeout_ms)
{
	struct curl_blob ca = {(void *)h->ca, h->ca_len, CURL_BLOB_NOCOPY};

	curl_easy_reset(h->easy);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_USERAGENT, "countersign");
	SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
	if (h->ca != NULL) {
		SET(CURLOPT_CAINFO, NULL);
		SET(CURLOPT_CAPATH, NULL);
		SET(CURLOPT_CAINFO_BLOB, &ca);
	}
}

static void
set_certificate(struct http *h)
{
	struct curl_blob certificate = {(void *)h->certificate, h->certificate_len, CURL_BLOB_NOCOPY};
	struct curl_blob key = {(void *)h->key->bytes, h->key->len, CURL_BLOB_NOCOPY};

	SET(CURLOPT_SSLCERTTYPE, "PEM");
	SET(CURLOPT_SSLCERT_BLOB, &certificate);
	SET(CURLOPT_SSLKEYTYPE, "PEM");
	SET(CURLOPT_SSLKEY_BLOB, &key);
}

static void
set_body(struct http *h, const char *method, struct countersign_view body)
{
	bool post = strcmp(method, "POST") == 0;

	if (body.data != NULL || post || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
		SET(CURLOPT_POSTFIELDS, body.data == NULL ? "" : body.data);
	}
	if (!post && strcmp(method, "GET") != 0)
		SET(CURLOPT_CUSTOMREQUEST, method);
}

/* What an older plugin's request does not have, it does not ask for. NULL: one that is not sent. */
static const char *
method_of(const struct countersign_http_request *request)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

	if (!COUNTERSIGN_HAS(request, struct countersign_http_request, method) || request->method.len == 0)
		return request->body.data == NULL ? "GET" : "POST";
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (view_equal(view_str(methods[i]), view_of(request->method.data, request->method.len)))
			return i == 0 && request->body.data != NULL ? NULL : methods[i];
	return NULL;
}

static bool
wants_certificate(const struct countersign_http_request *request)
{
	return COUNTERSIGN_HAS(request, struct countersign_http_request, shows_certificate) &&
	    request->shows_certificate != 0;
}

static int
result_of(CURLcode code, const struct sink *sink, const char *why)
{
	if (code == CURLE_OK)
		return COUNTERSIGN_OK;
	if (sink->full)
		return COUNTERSIGN_FULL;
	log_warn(
	    "http error=%s", log_value(view_str(why[0] != '\0' ? why : curl_easy_strerror(code))));
	return code == CURLE_OPERATION_TIMEDOUT ? COUNTERSIGN_TOO_LATE : COUNTERSIGN_UNREACHABLE;
}

static int
perform(struct http *h, CURLU *url, const struct countersign_http_request *request,
    struct curl_slist *headers, int64_t timeout_ms, struct countersign_http_response *response)
{
	struct countersign_buffer body = response->body;
	struct sink sink = {&body, false};
	char why[CURL_ERROR_SIZE] = "";
	long status = 0;
	int rc;

	body.len = 0;
	set_limits(h, timeout_ms);
	SET(CURLOPT_CURLU, url);
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_WRITEFUNCTION, receive);
	SET(CURLOPT_WRITEDATA, &sink);
	SET(CURLOPT_ERRORBUFFER, why);
	set_body(h, method_of(request), request->body);
	if (wants_certificate(request))
		set_certificate(h);
	rc = result_of(curl_easy_perform(h->easy), &sink, why);
	curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_reset(h->easy);
	if (rc != COUNTERSIGN_OK)
		return rc;
	response->status = (int32_t)status;
	response->body.len = body.len;
	return COUNTERSIGN_OK;
}

int
http_perform(struct http *h, const struct countersign_http_request *request, int64_t timeout_ms,
    struct countersign_http_response *response)
{
	/* An empty "Expect:" keeps libcurl from waiting for a 100. */
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	char text[HTTP_URL_MAX + 1];
	CURLU *url = NULL;
	int rc = COUNTERSIGN_INVALID;

	CHECK(headers != NULL);
	if (request->url.len > 0 && request->url.len <= HTTP_URL_MAX &&
	    memchr(request->url.data, '\0', request->url.len) == NULL) {
		memcpy(text, request->url.data, request->url.len);
		text[request->url.len] = '\0';
		url = parse(text);
	}
	if (url != NULL && is_allowed(h, url) && method_of(request) != NULL &&
	    (!wants_certificate(request) || h->key != NULL) && add_header(&headers, "Accept", request->accept) &&
	    add_header(&headers, "Authorization", request->authorization) &&
	    add_header(&headers, "Content-Type", request->content_type) &&
	    add_more_headers(&headers, request))
		rc = perform(h, url, request, headers, timeout_ms, response);
	/* WeChat wants its secret in the query. */
	secret_wipe(text, sizeof(text));
	headers_free(headers);
	curl_url_cleanup(url);
	return rc;
}
