/*
 * The @KIND@ `@NAME@`: says who is asking. As it stands it believes nobody.
 *
 * The contract of every function is in countersign/plugin.h, and in countersign-plugin(3). In short: what comes in is
 * borrowed for the call, what goes out is copied into the caller's buffers, in->call.request is copied to the answer,
 * time is in->call.now_ms, and a call returns before in->call.deadline_boot_ms.
 */
#include <stdlib.h>
#include <string.h>

#include <countersign/plugin.h>

struct @IDENT@ {
	const struct countersign_host_v1 *host; /* log, clock, random, http, and the values of the keys below */
};

/* Settings of the block in countersign.conf. The host refuses what does not fit before init() is called. */
static const struct countersign_config_key keys[] = {
	{.name = "issuer", .type = COUNTERSIGN_CONFIG_URL, .flags = COUNTERSIGN_CONFIG_REQUIRED, .max = 255,
	    .help = "Who vouches for the subjects; the plugin may fetch from there, and from nowhere else."},
	{.name = "client-secret", .type = COUNTERSIGN_CONFIG_SECRET, .min = 1, .max = 512,
	    .help = "The secret of the broker's client there; read with host->config_secret()."},
};

/* No network and no configuration here: prove that the code and its libraries work, with values that are built in. */
static int
self_test(const struct countersign_host_v1 *host)
{
	(void)host;
	return COUNTERSIGN_OK;
}

static int
init(const struct countersign_host_v1 *host, void **instance)
{
	struct @IDENT@ *self = calloc(1, sizeof(*self));

	if (self == NULL)
		return COUNTERSIGN_INTERNAL;
	self->host = host;
	*instance = self;
	return COUNTERSIGN_OK;
}

static void
fini(void *instance)
{
	free(instance);
}

/* What the provider vouches for. Claim no more: an admin's rules rest on it. */
static int
profile(void *instance, struct countersign_profile *out)
{
	(void)instance;
	out->assurance = 0; /* COUNTERSIGN_STABLE_SUBJECT where a subject is never given to another person */
	out->controls = NULL;
	return COUNTERSIGN_OK;
}

/* Appends name=value, the value percent-encoded: whatever is in it, it stays one value. */
static int
put_parameter(struct countersign_buffer *url, const char *name, struct countersign_view value)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	static const char hex[] = "0123456789ABCDEF";
	size_t len = strlen(name);

	if (len + 2 > url->cap - url->len)
		return COUNTERSIGN_FULL;
	url->data[url->len] = memchr(url->data, '?', url->len) == NULL ? '?' : '&';
	memcpy(url->data + url->len + 1, name, len);
	url->data[url->len + 1 + len] = '=';
	url->len += len + 2;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (url->cap - url->len < 3)
			return COUNTERSIGN_FULL;
		if (c != 0 && strchr(plain, c) != NULL) {
			url->data[url->len++] = (char)c;
		} else {
			url->data[url->len++] = '%';
			url->data[url->len++] = hex[c >> 4];
			url->data[url->len++] = hex[c & 15];
		}
	}
	return COUNTERSIGN_OK;
}

/* Where the browser is sent. Each of the values must be in the URL, or the answer cannot be matched to this sign-in. */
static int
authorization_url(void *instance, const struct countersign_authorize *in, struct countersign_authorize_answer *out)
{
	const struct @IDENT@ *self = instance;
	struct countersign_view issuer = self->host->config_text(self->host->context, "issuer", 0);
	const struct {
		const char *name;
		struct countersign_view value;
	} parameters[] = {
		{"response_type", countersign_view_of("code")},
		{"scope", countersign_view_of("openid")},
		{"client_id", in->client_id},
		{"redirect_uri", in->redirect_uri},
		{"state", in->state},
		{"nonce", in->nonce},
		{"code_challenge", in->code_challenge},
		{"code_challenge_method", countersign_view_of("S256")},
	};
	int rc = countersign_put(&out->url, issuer.data, issuer.len);

	if (rc == COUNTERSIGN_OK && sizeof("/authorize") - 1 > out->url.cap - out->url.len)
		rc = COUNTERSIGN_FULL;
	if (rc == COUNTERSIGN_OK) {
		memcpy(out->url.data + out->url.len, "/authorize", sizeof("/authorize") - 1);
		out->url.len += sizeof("/authorize") - 1;
	}
	for (size_t i = 0; rc == COUNTERSIGN_OK && i < sizeof(parameters) / sizeof(parameters[0]); i++)
		rc = put_parameter(&out->url, parameters[i].name, parameters[i].value);
	return rc != COUNTERSIGN_OK ? rc : countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

/*
 * Whose ID token, or code, is this? Before you fill in `out`: the signature by a key of the issuer, its algorithm from a
 * list of your own, issuer, audience (one of in->client_ids), nonce, and times by in->call.now_ms. A code is exchanged
 * with host->http(). A no has its reason; what could not be found out is a result from 64 on, never a guess.
 */
static int
identify(void *instance, const struct countersign_identify *in, struct countersign_identity *out)
{
	(void)instance;
	(void)out;
	return in->id_token.len > 0 ? COUNTERSIGN_BAD_TOKEN : COUNTERSIGN_BAD_CODE;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_provider_v1 provider = {
		.size = sizeof(provider),
		.authorization_url = authorization_url,
		.identify = identify,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_PROVIDER,
		.flags = COUNTERSIGN_USES_HTTP,
		.config_count = sizeof(keys) / sizeof(keys[0]),
		.config_key_size = sizeof(keys[0]),
		.config = keys,
		.name = "@NAME@",
		.version = "0.1",
		.help = "Says who is asking.",
		.self_test = self_test,
		.init = init,
		.fini = fini,
		.profile = profile,
		.provider = &provider,
	};

	return &plugin;
}
